#include "latency/log_recovery.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <random>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "latency/log_backend.h"
#include "latency/log_recovery_journal.h"
#include "tests/check.h"

namespace latencykit {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;

// A folder of its own for each test, gone afterwards.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    char name[] = "/tmp/latencykit-rings-XXXXXX";
    CHECK(::mkdtemp(name) != nullptr);
    path_ = name;
  }
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }
  std::string log() const { return path_ + "/a.log"; }
  std::string rings() const { return path_ + "/a.log.rings"; }

 private:
  std::string path_;
};

std::string content(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

void put_content(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc)
      .write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> all;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) all.push_back(line);
  return all;
}

bool try_log(LogBackend& backend, std::uint32_t site, int thread, int number, std::string_view text) {
  LogArgument arguments[3]{};
  arguments[0].tag = arguments[1].tag = LogTag::kInteger;
  arguments[0].integer = thread;
  arguments[1].integer = number;
  arguments[2].tag = LogTag::kText;
  arguments[2].ascii = true;
  arguments[2].text = text.data();
  arguments[2].encoded = text.size();
  const std::size_t bytes = record_bytes(arguments, 3);
  LogRing& ring = backend.ring_of_this_thread();
  char* room = ring.reserve(bytes);
  if (room == nullptr) return false;
  write_record(room, bytes, site, log_ticks(), arguments, 3);
  ring.commit(bytes);
  return true;
}

void log(LogBackend& backend, std::uint32_t site, int thread, int number, std::string_view text = "text") {
  while (!try_log(backend, site, thread, number, text)) {
    backend.wait_for_room(backend.ring_of_this_thread(), 80, milliseconds(50));
  }
}

LogBackend::Options options(const TemporaryFolder& folder, std::size_t ring_bytes, nanoseconds interval,
                            LogRingKind kind = LogRingKind::kBounded) {
  return {.path = folder.log(),
          .ring_bytes = ring_bytes,
          .flush_interval = interval,
          .ring_kind = kind,
          .crash_proof = true};
}

std::uint32_t site_of(LogBackend& backend) { return backend.add_site({"INFO", parse_template("{} {} {}")}); }

// Runs f in a process that kills itself at the end of it, if nobody does before.
template <typename F>
pid_t killed(F f) {
  const pid_t child = ::fork();
  CHECK(child >= 0);
  if (child == 0) {
    f();
    ::kill(::getpid(), SIGKILL);
  }
  return child;
}

void await(pid_t child) {
  int status;
  CHECK(::waitpid(child, &status, 0) == child);
  CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

struct Recovered {
  std::string text;
  std::uint64_t records, damaged, dropped;
  std::vector<std::string> damage;
  bool inexact, refused;
};

Recovered recover(const TemporaryFolder& folder) {
  const int fd = ::open(folder.rings().c_str(), O_RDONLY | O_CLOEXEC);
  CHECK(fd >= 0);
  const std::string out = folder.log() + ".out";
  ::unlink(out.c_str());
  Recovered found{};
  try {
    LogRecovery recovery(fd, folder.log());
    LogFile file(open_log(out.c_str()));
    recovery.write(file, false);
    found = {"",   recovery.records(), recovery.damaged(), recovery.dropped(), recovery.damage(), recovery.inexact(),
             false};
  } catch (const RecoveryRefused&) {
    found.refused = true;
  }
  ::close(fd);
  found.text = content(out);
  return found;
}

// When a recovery is killed: before it writes the first line to the log, or after it has written a batch.
enum class Moment { kNever, kAnnounced, kWritten };

class KillingJournal final : public LogJournal {
 public:
  KillingJournal(LogRecoveryJournal& journal, Moment moment) : journal_(journal), moment_(moment) {}
  void begin(const LogBatch& batch) noexcept override { journal_.begin(batch); }
  void appending(int fd, std::size_t done) noexcept override {
    journal_.appending(fd, done);
    if (moment_ == Moment::kAnnounced) ::kill(::getpid(), SIGKILL);
  }
  void end() noexcept override {
    if (moment_ == Moment::kWritten) ::kill(::getpid(), SIGKILL);
    journal_.end();
  }

 private:
  LogRecoveryJournal& journal_;
  const Moment moment_;
};

// As the command does it.
void append(const TemporaryFolder& folder, Moment moment = Moment::kNever) {
  const int fd = ::open(folder.rings().c_str(), O_RDWR | O_CLOEXEC);
  CHECK(fd >= 0);
  LogRecovery recovery(fd, folder.log());
  LogFile file(open_log(folder.log().c_str()));
  LogRecoveryJournal journal(fd, recovery, file);
  KillingJournal killing(journal, moment);
  file.keep(&killing);
  if (recovery.completes_line()) file.continue_line();
  recovery.write(file, true);
  ::close(fd);
}

void closing_leaves_no_rings() {
  TemporaryFolder folder;
  {
    LogBackend backend(open_log(folder.log().c_str()), options(folder, 1 << 16, milliseconds(1)));
    CHECK(std::filesystem::exists(folder.rings()));
    log(backend, site_of(backend), 0, 0);
  }
  CHECK(!std::filesystem::exists(folder.rings()));
  CHECK(lines_of(content(folder.log())).size() == 1);
}

void what_was_never_written_is_recovered() {
  TemporaryFolder folder;
  await(killed([&] {
    LogBackend backend(open_log(folder.log().c_str()), options(folder, 1 << 16, hours(1)));
    const std::uint32_t site = site_of(backend);
    for (int i = 0; i < 100; ++i) log(backend, site, 0, i);
    ::kill(::getpid(), SIGKILL);
  }));
  CHECK(content(folder.log()).empty());
  const Recovered found = recover(folder);
  CHECK(found.records == 100 && found.damage.empty() && found.dropped == 0);
  const auto lines = lines_of(found.text);
  CHECK(lines.size() == 100);
  for (int i = 0; i < 100; ++i) CHECK(lines[i].substr(30) == " INFO 0 " + std::to_string(i) + " text");
  CHECK(recover(folder).text == found.text);
  append(folder);
  CHECK(content(folder.log()) == found.text);
  CHECK(recover(folder).text.empty());
  append(folder);
  CHECK(content(folder.log()) == found.text);
}

// What lines of a log speak of, if they are those of one thread that counted from 0 on.
struct Told {
  std::uint64_t records = 0, dropped = 0;
  std::int64_t last = -1;
};

void read_lines(const std::string& text, Told* told) {
  for (const std::string& line : lines_of(text)) {
    int number;
    unsigned long long count;
    if (std::sscanf(line.c_str() + 30, " INFO 0 %d text", &number) == 1) {
      CHECK(number > told->last);
      told->last = number;
      ++told->records;
    } else {
      CHECK(std::sscanf(line.c_str() + 30, " WARNING latencykit: %llu record", &count) == 1);
      told->dropped += count;
    }
  }
}
Told told_by(const std::string& text) {
  Told told;
  read_lines(text, &told);
  return told;
}
std::string whole_lines(const std::string& text) { return text.substr(0, text.rfind('\n') + 1); }

void overwritten_records_are_counted() {
  TemporaryFolder folder;
  await(killed([&] {
    LogBackend backend(open_log(folder.log().c_str()), options(folder, 4096, hours(1), LogRingKind::kOverwriting));
    const std::uint32_t site = site_of(backend);
    for (int i = 0; i < 10'000; ++i) log(backend, site, 0, i);
    ::kill(::getpid(), SIGKILL);
  }));
  const Recovered found = recover(folder);
  const Told all = told_by(whole_lines(content(folder.log())) + found.text);
  CHECK(all.last == 9'999);
  CHECK(all.records + all.dropped == 10'000);
}

std::uint64_t word_at(const std::string& bytes, std::size_t at) {
  std::uint64_t word;
  std::memcpy(&word, bytes.data() + at, sizeof word);
  return word;
}
void set_word(std::string& bytes, std::size_t at, std::uint64_t word) {
  std::memcpy(bytes.data() + at, &word, sizeof word);
}

// A process with a ring that is lapped again and again, and a backend that wakes now and then. It kills itself after so
// many records, or is killed by the parent after so many microseconds if that is not 0. Returns how many calls had
// returned.
int lapped_and_killed(const TemporaryFolder& folder, nanoseconds interval, int most, int after_us) {
  auto* const count =
      static_cast<std::atomic<int>*>(::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  const pid_t child = killed([&] {
    LogBackend backend(open_log(folder.log().c_str()), options(folder, 4096, interval, LogRingKind::kOverwriting));
    const std::uint32_t site = site_of(backend);
    for (int i = 0; i < most; ++i) {
      log(backend, site, 0, i);
      count->store(i + 1, std::memory_order_release);
    }
    ::kill(::getpid(), SIGKILL);
  });
  while (count->load() == 0) std::this_thread::yield();
  if (after_us != 0) {
    std::this_thread::sleep_for(std::chrono::microseconds(after_us));
    ::kill(child, SIGKILL);
  }
  await(child);
  const int acknowledged = count->load();
  ::munmap(count, 4096);
  return acknowledged;
}

// Recovers a file of which everything but the records of its ring is known to be sound: each record is in the log, is
// recovered, or is counted as given up; and what the recovery counts is what it wrote.
std::pair<std::uint64_t, std::uint64_t> recover_exactly(const TemporaryFolder& folder) {
  const Recovered found = recover(folder);
  CHECK(found.damage.empty() && found.damaged == 0 && !found.inexact);
  Told all = told_by(whole_lines(content(folder.log())));
  const std::uint64_t records = all.records, dropped = all.dropped;
  read_lines(found.text, &all);
  CHECK(found.records == all.records - records);
  CHECK(found.dropped <= all.dropped - dropped);  // The log may not have got a line that says so of some.
  return {all.dropped, all.records};
}

// At any moment, the backend asleep or not.
void every_record_is_counted_once(std::mt19937& random) {
  TemporaryFolder folder;
  static constexpr nanoseconds intervals[] = {std::chrono::microseconds(50), milliseconds(1), hours(1)};
  const int most = 1 + static_cast<int>(random() % 3000);
  const int acknowledged = lapped_and_killed(folder, intervals[random() % 3], most, static_cast<int>(random() % 3000));
  const auto [dropped, records] = recover_exactly(folder);
  const std::uint64_t logged = dropped + records;
  CHECK(logged == static_cast<std::uint64_t>(acknowledged) || logged == static_cast<std::uint64_t>(acknowledged) + 1);
  append(folder);
  const Told all = told_by(content(folder.log()));
  CHECK(all.dropped == dropped && all.records == records);
  const Recovered again = recover(folder);
  CHECK(again.text.empty() && again.records == 0 && again.dropped == 0);
}

// A file as a kill at one of the rare moments leaves it, made of one that a kill between two calls has left. The
// backend may have been woken by the ring that filled up, and may have been killed with a batch in its hands.
void what_was_given_up_is_counted_whenever_the_kill_came() {
  using namespace rings_file;
  TemporaryFolder folder;
  CHECK(lapped_and_killed(folder, hours(1), 200, 0) == 200);
  const std::string whole = content(folder.rings());
  std::size_t ring = kPage;
  while (SegmentKind(word_at(whole, ring + 8) & 0xFFFFFFFF) != SegmentKind::kRing) ring += word_at(whole, ring + 16);
  constexpr std::size_t control = offsetof(RingSegment, control);
  const std::size_t published = ring + control + offsetof(LogRingControl, published);
  const std::size_t overwritten = ring + control + offsetof(LogRingControl, overwritten);
  const std::size_t first_intact = ring + control + offsetof(LogRingControl, first_intact);
  const std::size_t first_kept = ring + control + offsetof(LogRingControl, first_kept);
  const auto counted = [&](const std::string& bytes) {
    put_content(folder.rings(), bytes);
    return recover_exactly(folder);
  };
  const auto same = counted(whole);
  CHECK(same.first + same.second == 200);

  std::string bytes = whole;  // After it had said what will be overwritten and before it said the same by numbers.
  set_word(bytes, first_intact, 0);
  CHECK(counted(bytes) == same);
  set_word(bytes, first_kept, same.first + 1);  // Before it had said what will be overwritten the next time.
  CHECK(counted(bytes) == same);

  bytes = whole;  // The backend was lapped, and its mark goes where nothing is overwritten yet, with an old number.
  for (int slot = 0; slot < 2; ++slot) {
    const std::size_t mark = ring + offsetof(RingSegment, marks) + static_cast<std::size_t>(slot) * sizeof(Mark);
    const std::size_t position = mark + offsetof(Mark, position);
    set_word(bytes, position, std::max(word_at(whole, position), word_at(whole, overwritten)));
  }
  CHECK(counted(bytes) == same);

  bytes = whole;  // A record as long as everything that was there is on its way.
  set_word(bytes, overwritten, word_at(whole, published));
  set_word(bytes, first_kept, 200);
  const auto emptied = counted(bytes);
  CHECK(emptied.first + emptied.second == 200 && emptied.second <= same.second);
  CHECK(told_by(recover(folder).text).last < 200);

  // Appended in two goes, with a kill after the first: nothing is counted twice.
  put_content(folder.rings(), whole);
  append(folder);
  CHECK(recover(folder).dropped == 0 && recover(folder).records == 0);
}

// Two threads, tiny rings, killed by the parent at any moment. What was acknowledged through a shared page is in the
// log and what is recovered, exactly once and in order; then the same again for --append.
void nothing_acknowledged_is_lost(std::mt19937& random) {
  TemporaryFolder folder;
  auto* const counters =
      static_cast<std::atomic<int>*>(::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  const auto most = std::chrono::microseconds(random() % 6'000);
  const std::size_t ring_bytes = random() % 2 == 0 ? 4096 : 1 << 18;
  const pid_t child = killed([&] {
    LogBackend backend(open_log(folder.log().c_str()), options(folder, ring_bytes, milliseconds(1)));
    const std::uint32_t site = site_of(backend);
    std::thread other([&] {
      for (int i = 0;; ++i) {
        log(backend, site, 1, i);
        counters[16].store(i + 1, std::memory_order_release);
      }
    });
    for (int i = 0;; ++i) {
      log(backend, site, 0, i);
      counters[0].store(i + 1, std::memory_order_release);
    }
  });
  while (counters[0].load() == 0) std::this_thread::yield();
  std::this_thread::sleep_for(most);
  ::kill(child, SIGKILL);
  await(child);
  const std::string before = content(folder.log());
  const Recovered found = recover(folder);
  CHECK(found.damage.empty() && found.damaged == 0 && !found.inexact);
  CHECK(found.records == lines_of(found.text).size());  // A bounded ring that waits drops nothing.
  append(folder);
  const std::string after = content(folder.log());
  // A line of which the log has the beginning is printed whole and completed by appending.
  CHECK(after.substr(0, before.size()) == before);
  CHECK(before.substr(0, before.rfind('\n') + 1) + found.text == after);
  int next[2] = {0, 0};
  std::string last;
  for (const std::string& line : lines_of(after)) {
    int thread, number;
    char text[16];
    CHECK(std::sscanf(line.c_str() + 30, " INFO %d %d %15s", &thread, &number, text) == 3);
    CHECK((thread == 0 || thread == 1) && std::string(text) == "text");
    CHECK(number == next[thread]++);
    CHECK(line.substr(0, 30) >= last);
    last = line.substr(0, 30);
  }
  CHECK(next[0] >= counters[0].load() && next[0] <= counters[0].load() + 1);
  CHECK(next[1] >= counters[16].load() && next[1] <= counters[16].load() + 1);
  CHECK(recover(folder).text.empty());
  ::munmap(counters, 4096);
}

// A file of rings with two threads' records, some of them written; made by a killed process.
std::string sample(const TemporaryFolder& folder, LogRingKind kind) {
  await(killed([&] {
    LogBackend backend(open_log(folder.log().c_str()), options(folder, 4096, hours(1), kind));
    const std::uint32_t site = site_of(backend);
    for (int i = 0; i < 10; ++i) log(backend, site, 0, i);
    const std::uint64_t ticket = backend.request(LogBackend::After::kNothing);
    while (!backend.wait(ticket, milliseconds(50))) {
    }
    std::thread([&] {
      for (int i = 0; i < 15; ++i) log(backend, site, 1, i, "longer than a few characters");
    }).join();
    for (int i = 10; i < 30; ++i) log(backend, site, 0, i);
    ::kill(::getpid(), SIGKILL);
  }));
  return content(folder.rings());
}

// Any damage ends in an exception of ours or in lines, never in a fault: run under the sanitizers.
void damage_is_survived(LogRingKind kind, std::mt19937& random, int rounds) {
  TemporaryFolder folder;
  const std::string whole = sample(folder, kind);
  const std::string good = recover(folder).text;
  CHECK(lines_of(good).size() == 35);
  // Where something is: not in the zeros between.
  std::vector<std::size_t> used;
  for (std::size_t i = 0; i + 8 <= whole.size(); i += 8) {
    if (whole.compare(i, 8, std::string(8, '\0')) != 0) used.push_back(i);
  }
  static constexpr std::uint64_t odd[] = {0,          1,     7,         8,          4096,      1u << 31,
                                          0xFFFFFFFF, ~0ull, ~0ull - 7, 1ull << 63, 1ull << 40};
  int partly = 0;
  for (int round = 0; round < rounds; ++round) {
    std::string bytes = whole;
    const int kind_of_damage = static_cast<int>(random() % 4);
    if (kind_of_damage == 0) bytes.resize(random() % bytes.size());
    if (kind_of_damage == 1) {
      const std::uint64_t value = odd[random() % std::size(odd)];
      std::memcpy(bytes.data() + used[random() % used.size()], &value, 8);
    }
    if (kind_of_damage >= 2) {
      const int flips = 1 + static_cast<int>(random() % 8);
      for (int i = 0; i < flips; ++i)
        bytes[used[random() % used.size()] + random() % 8] ^= static_cast<char>(1 + random() % 255);
    }
    put_content(folder.rings(), bytes);
    const Recovered found = recover(folder);
    partly += !found.refused && found.records > 0 && found.records < 35;
    CHECK(found.records <= 2 * 35);
  }
  CHECK(partly > rounds / 20);
}

// Two texts, with any length of the first: only the true one is a record.
void a_length_is_not_trusted() {
  const std::string text = "twelve bytes";
  LogArgument arguments[2]{};
  arguments[0].tag = LogTag::kText;
  arguments[0].ascii = true;
  arguments[0].text = text.data();
  arguments[0].encoded = text.size();
  arguments[1] = arguments[0];
  const std::size_t bytes = record_bytes(arguments, 2);
  const auto count = [](std::uint32_t site) { return site == 3 ? 2 : -1; };
  const auto any = [](std::uint64_t) { return true; };
  const LogRingReader::Rules<decltype(count), decltype(any)> rules{count, any};
  const auto found = [&](std::uint64_t length) {
    LogRingBytes ring(4096);
    write_record(ring.data(), bytes, 3, 0, arguments, 2);
    std::memcpy(ring.data() + header_bytes(2), &length, sizeof length);
    LogRingReader reader(std::move(ring), LogRingKind::kBounded, 0, bytes, 4096);
    return reader.next(rules);
  };
  CHECK(found(text.size()));
  for (const std::uint64_t length :
       {0ull, 24ull, 32ull, 4096ull, 1ull << 32, 1ull << 40, ~0ull - 20, ~0ull - 7, ~0ull}) {
    CHECK(!found(length));
  }
}

void a_damaged_record_is_skipped_and_marked() {
  TemporaryFolder folder;
  std::string bytes = sample(folder, LogRingKind::kBounded);
  // The record of thread 0 with number 20: its two integers lie side by side.
  std::uint64_t pair[2] = {0, 20};
  const std::size_t at = bytes.find(std::string(reinterpret_cast<char*>(pair), sizeof pair));
  CHECK(at != bytes.npos);
  bytes[at - 8] = 99;  // A tag that is none.
  put_content(folder.rings(), bytes);
  const Recovered found = recover(folder);
  CHECK(found.records == 34 && found.damaged == 1);
  CHECK(found.text.find("WARNING latencykit: 56 bytes of damaged records skipped") != found.text.npos);
  CHECK(found.text.find(" 0 20 ") == found.text.npos && found.text.find(" 0 21 ") != found.text.npos);
}

// A batch in the log with a record of two lines and, from a bounded ring, a notice; then three records that are not.
void log_a_batch(const TemporaryFolder& folder, LogRingKind kind) {
  await(killed([&] {
    LogBackend backend(open_log(folder.log().c_str()), options(folder, 1 << 16, hours(1), kind));
    const std::uint32_t site = site_of(backend);
    log(backend, site, 0, 0);
    log(backend, site, 0, 1, "first\nsecond");
    for (int i = 2; i < 5; ++i) log(backend, site, 0, i);
    if (kind == LogRingKind::kBounded) backend.ring_of_this_thread().count_dropped();
    const std::uint64_t ticket = backend.request(LogBackend::After::kNothing);
    while (!backend.wait(ticket, milliseconds(50))) {
    }
    for (int i = 5; i < 8; ++i) log(backend, site, 0, i);
    ::kill(::getpid(), SIGKILL);
  }));
}

// Where each record's line ends; one has two lines.
std::vector<std::size_t> ends_of_records(const std::string& text) {
  std::vector<std::size_t> ends;
  std::size_t begin = 0;
  for (const std::string& line : lines_of(text)) {
    const std::size_t end = begin + line.size() + 1;
    const bool goes_on = line.ends_with("first"), notice = line.find(" WARNING ") != line.npos;
    if (!goes_on && !notice) ends.push_back(end);
    begin = end;
  }
  return ends;
}

// A batch of which the log has got any number of bytes: the rest is completed to the same text, also if whoever
// completes it is killed before its first line or after its last.
void an_interrupted_batch_is_completed(LogRingKind kind) {
  TemporaryFolder folder;
  log_a_batch(folder, kind);
  // As if it had been killed before it could say that the batch was written.
  std::string bytes = content(folder.rings());
  std::memset(bytes.data() + rings_file::kStateAt + offsetof(rings_file::RingsFileState, committed), 0, 8);
  put_content(folder.rings(), bytes);
  const std::string five = content(folder.log());
  const std::string eight = five + recover(folder).text;
  const std::vector<std::size_t> ends = ends_of_records(eight);
  CHECK(ends.size() == 8 && lines_of(eight).size() == (kind == LogRingKind::kBounded ? 10 : 9));
  for (std::size_t size = 0; size <= five.size(); ++size) {
    for (const Moment moment : {Moment::kNever, Moment::kAnnounced, Moment::kWritten}) {
      put_content(folder.rings(), bytes);
      CHECK(::truncate(folder.log().c_str(), 0) == 0);
      const int fd = open_log(folder.log().c_str());  // The same inode.
      CHECK(::write(fd, five.data(), size) == static_cast<ssize_t>(size));
      ::close(fd);
      if (moment != Moment::kNever) await(killed([&] { append(folder, moment); }));
      const std::string before = content(folder.log());
      const Recovered found = recover(folder);
      CHECK(found.damage.empty() && !found.inexact && eight.ends_with(found.text));
      const auto whole = std::upper_bound(ends.begin(), ends.end(), before.size()) - ends.begin();
      CHECK(found.records == 8 - static_cast<std::uint64_t>(whole));
      CHECK(ends_of_records(found.text).size() == found.records);
      append(folder);
      CHECK(content(folder.log()) == eight);
      CHECK(recover(folder).text.empty());
    }
  }
}

// Without where its lines end, its lines are recovered all the same.
void a_damaged_table_of_lines_costs_no_line() {
  using namespace rings_file;
  TemporaryFolder folder;
  log_a_batch(folder, LogRingKind::kBounded);
  std::string whole = content(folder.rings());
  const std::size_t state = kStateAt;
  set_word(whole, state + offsetof(RingsFileState, committed), 0);
  const std::uint64_t slot = word_at(whole, state + offsetof(RingsFileState, intent)) % 2;
  const std::size_t batch = state + offsetof(RingsFileState, batches) + slot * sizeof(Batch);
  const std::uint64_t text = word_at(whole, batch + offsetof(Batch, text_at));
  const std::size_t ends = batch_ends_at(text, word_at(whole, batch + offsetof(Batch, text_bytes)));
  CHECK(::truncate(folder.log().c_str(), 0) == 0);
  put_content(folder.rings(), whole);
  const std::string good = recover(folder).text;
  const auto damaged = [&](std::size_t at, std::uint64_t word) {
    std::string bytes = whole;
    set_word(bytes, at, word);
    put_content(folder.rings(), bytes);
    const Recovered found = recover(folder);
    CHECK(found.damage.size() == 1 && found.text == good && found.records > 8);
  };
  for (const std::uint64_t word : {std::uint64_t{0}, std::uint64_t{17}, ~std::uint64_t{0}}) {
    for (std::size_t i = 0; i < 6; ++i) damaged(ends + 8 * i, word);
    damaged(batch + offsetof(Batch, records), word);
    if (word != 0) damaged(batch + offsetof(Batch, notices), word);
  }
}

void others_files_are_refused() {
  TemporaryFolder folder;
  const std::string whole = sample(folder, LogRingKind::kBounded);
  const auto refused = [&](std::string bytes) {
    put_content(folder.rings(), bytes);
    return recover(folder).refused;
  };
  CHECK(refused(""));
  CHECK(refused("some text\n"));
  CHECK(refused(std::string(100'000, 'x')));
  std::string version = whole, order = whole;
  version[8] = static_cast<char>(rings_file::kVersion + 1);
  std::swap(order[12], order[15]);
  CHECK(refused(version) && refused(order));
  CHECK(!refused(whole));
}

}  // namespace
}  // namespace latencykit

int main(int argc, char** argv) {
  using namespace latencykit;
  const int kills = argc > 1 ? std::atoi(argv[1]) : 25;
  std::mt19937 random(std::random_device{}());
  closing_leaves_no_rings();
  what_was_never_written_is_recovered();
  overwritten_records_are_counted();
  for (int i = 0; i < kills; ++i) what_was_given_up_is_counted_whenever_the_kill_came();
  for (int i = 0; i < kills; ++i) every_record_is_counted_once(random);
  an_interrupted_batch_is_completed(LogRingKind::kBounded);
  an_interrupted_batch_is_completed(LogRingKind::kOverwriting);
  a_damaged_table_of_lines_costs_no_line();
  a_length_is_not_trusted();
  a_damaged_record_is_skipped_and_marked();
  others_files_are_refused();
  for (int i = 0; i < kills; ++i) nothing_acknowledged_is_lost(random);
  damage_is_survived(LogRingKind::kBounded, random, 1000);
  damage_is_survived(LogRingKind::kOverwriting, random, 1000);
}
