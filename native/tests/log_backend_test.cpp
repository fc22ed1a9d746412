#include "latency/log_backend.h"

#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "tests/check.h"

namespace latencykit {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using std::chrono::seconds;

// A log file of its own for each test, gone afterwards.
class TemporaryFile {
 public:
  TemporaryFile() {
    char name[] = "/tmp/latencykit-log-XXXXXX";
    ::close(::mkstemp(name));
    path_ = name;
  }
  ~TemporaryFile() { ::unlink(path_.c_str()); }
  const std::string& path() const { return path_; }
  std::vector<std::string> lines() const {
    std::ifstream in(path_);
    std::vector<std::string> all;
    for (std::string line; std::getline(in, line);) all.push_back(line);
    return all;
  }

 private:
  std::string path_;
};

LogBackend::Options options(const std::string& path, std::size_t ring_bytes = 1 << 16,
                            nanoseconds interval = milliseconds(1)) {
  return {.path = path, .ring_bytes = ring_bytes, .flush_interval = interval};
}

LogArgument integer(std::int64_t value) {
  LogArgument argument{};
  argument.tag = LogTag::kInteger;
  argument.integer = value;
  return argument;
}

bool try_log(LogBackend& backend, std::uint32_t site, std::int64_t a, std::int64_t b) {
  const LogArgument arguments[2] = {integer(a), integer(b)};
  const std::size_t bytes = record_bytes(arguments, 2);
  LogRing& ring = backend.ring_of_this_thread();
  char* room = ring.reserve(bytes);
  if (room == nullptr) return false;
  write_record(room, bytes, site, log_ticks(), arguments, 2);
  ring.commit(bytes);
  return true;
}

void log(LogBackend& backend, std::uint32_t site, std::int64_t a, std::int64_t b) {
  while (!try_log(backend, site, a, b)) {
    backend.wait_for_room(backend.ring_of_this_thread(), 48, seconds(1));
  }
}

void await(LogBackend& backend, bool to_device) {
  using After = LogBackend::After;
  const std::uint64_t ticket = backend.request(to_device ? After::kSync : After::kNothing);
  while (!backend.wait(ticket, seconds(1))) {
  }
}

std::uint32_t pair_site(LogBackend& backend) { return backend.add_site({"INFO", parse_template("{} {}")}); }

void lines_have_time_level_and_message() {
  TemporaryFile file;
  {
    LogBackend backend(open_log(file.path().c_str()), options(file.path()));
    const std::uint32_t site = pair_site(backend);
    log(backend, site, 1, 2);
    await(backend, true);
    CHECK(backend.written() == 1);
    CHECK(file.lines().size() == 1);
    log(backend, backend.add_site({"ERROR", parse_template("late {} {}")}), 3, 4);
  }
  const auto lines = file.lines();
  CHECK(lines.size() == 2);
  CHECK(lines[0].substr(30) == " INFO 1 2");
  CHECK(lines[1].substr(30) == " ERROR late 3 4");
  CHECK(lines[0].substr(0, 30) <= lines[1].substr(0, 30));
}

// A request is served at once, however long the interval is.
void requests_do_not_wait_for_the_interval() {
  TemporaryFile file;
  LogBackend backend(open_log(file.path().c_str()), options(file.path(), 1 << 16, std::chrono::hours(1)));
  log(backend, pair_site(backend), 1, 2);
  await(backend, false);
  CHECK(file.lines().size() == 1);
}

// A few laps of the smallest ring from several threads at once, each with a lot more than fits.
void threads_lose_nothing_and_keep_their_order() {
  constexpr int threads = 4, each = 20'000;
  TemporaryFile file;
  {
    LogBackend backend(open_log(file.path().c_str()), options(file.path(), 4096));
    const std::uint32_t site = pair_site(backend);
    std::vector<std::thread> all;
    for (int t = 0; t < threads; ++t) {
      all.emplace_back([&backend, site, t] {
        for (int i = 0; i < each; ++i) log(backend, site, t, i);
      });
    }
    for (auto& thread : all) thread.join();
    await(backend, false);
    CHECK(backend.written() == threads * each);
    CHECK(backend.dropped() == 0);
  }
  std::map<int, int> next;
  std::string last;
  for (const std::string& line : file.lines()) {
    int thread, number;
    CHECK(std::sscanf(line.c_str() + 30, " INFO %d %d", &thread, &number) == 2);
    CHECK(next[thread]++ == number);
    CHECK(line.substr(0, 30) >= last);
    last = line.substr(0, 30);
  }
  for (int t = 0; t < threads; ++t) CHECK(next[t] == each);
}

// Where producers exclude each other from the clock to the commit, as the GIL makes them, the file has the
// order of the commits. They take turns here; the backend looks at the rings without a pause, or only at the end.
void order_across_threads_is_exact_under_a_lock(nanoseconds interval) {
  constexpr int threads = 3, rounds = 3'000;
  TemporaryFile file;
  std::atomic<int> turn{0};
  {
    LogBackend backend(open_log(file.path().c_str()), options(file.path(), 1 << 20, interval));
    const std::uint32_t site = pair_site(backend);
    std::vector<std::thread> all;
    for (int t = 0; t < threads; ++t) {
      all.emplace_back([&, t] {
        for (int i = 0; i < rounds; ++i) {
          const int mine = i * threads + t;
          while (turn.load(std::memory_order_acquire) != mine) std::this_thread::yield();
          // Nothing but a fence keeps the processor from reading the clock before it has seen the turn. The
          // GIL changes hands by a system call.
          log_ticks_before_loads();
          log(backend, site, mine, t);
          turn.store(mine + 1, std::memory_order_release);
        }
      });
    }
    for (auto& thread : all) thread.join();
    await(backend, false);
    CHECK(backend.late() == 0);
  }
  long long expected = 0;
  for (const std::string& line : file.lines()) {
    long long number;
    CHECK(std::sscanf(line.c_str() + 30, " INFO %lld", &number) == 1);
    CHECK(number == expected++);
  }
  CHECK(expected == threads * rounds);
}

// Threads that come and go: everything is written, and their rings serve the next ones.
void rings_of_ended_threads_are_drained_and_used_again() {
  TemporaryFile file;
  LogBackend backend(open_log(file.path().c_str()), options(file.path()));
  const std::uint32_t site = pair_site(backend);
  std::vector<LogRing*> rings;
  for (int t = 0; t < 50; ++t) {
    std::thread([&] {
      log(backend, site, t, 0);
      rings.push_back(&backend.ring_of_this_thread());
    }).join();
    await(backend, false);
  }
  std::sort(rings.begin(), rings.end());
  CHECK(std::unique(rings.begin(), rings.end()) - rings.begin() <= 2);
  CHECK(backend.written() == 50);
}

void many_loggers_in_one_thread_keep_their_rings_apart() {
  TemporaryFile files[6];
  std::vector<std::unique_ptr<LogBackend>> backends;
  for (auto& file : files) {
    backends.push_back(std::make_unique<LogBackend>(open_log(file.path().c_str()), options(file.path(), 4096)));
    pair_site(*backends.back());
  }
  for (int round = 0; round < 10; ++round) {
    for (int i = 0; i < 6; ++i) log(*backends[static_cast<std::size_t>(i)], 0, i, round);
  }
  backends.clear();
  for (int i = 0; i < 6; ++i) {
    const auto lines = files[i].lines();
    CHECK(lines.size() == 10);
    for (int round = 0; round < 10; ++round) {
      CHECK(lines[static_cast<std::size_t>(round)].substr(30) ==
            " INFO " + std::to_string(i) + " " + std::to_string(round));
    }
  }
}

void drops_are_counted_and_told() {
  TemporaryFile file;
  std::uint64_t kept = 0;
  {
    LogBackend backend(open_log(file.path().c_str()), options(file.path(), 4096, std::chrono::hours(1)));
    const std::uint32_t site = pair_site(backend);
    // The half-full hook may wake the backend at any moment, so how many fit is not known.
    for (int i = 0; i < 100'000; ++i) {
      if (try_log(backend, site, i, 0)) {
        ++kept;
      } else {
        backend.ring_of_this_thread().count_dropped();
      }
    }
    await(backend, false);
    CHECK(backend.dropped() == 100'000 - kept);
    CHECK(backend.written() == kept);
    CHECK(backend.dropped() > 0);
  }
  std::uint64_t told = 0, records = 0;
  for (const std::string& line : file.lines()) {
    unsigned long long count;
    if (std::sscanf(line.c_str() + 30, " WARNING latencykit: %llu record", &count) == 1) {
      CHECK(line.find("dropped because the ring was full") != line.npos);
      told += count;
    } else {
      ++records;
    }
  }
  CHECK(told == 100'000 - kept);
  CHECK(records == kept);
}

void drops_of_ended_threads_stay_counted() {
  TemporaryFile file;
  LogBackend backend(open_log(file.path().c_str()), options(file.path()));
  for (int t = 0; t < 3; ++t) {
    std::thread([&] { backend.ring_of_this_thread().count_dropped(); }).join();
    await(backend, false);
  }
  CHECK(backend.dropped() == 3);
  backend.close();
  CHECK(backend.dropped() == 3);
}

// A producer that breaks the promise of taking turns: its record is stamped long before it is seen.
void a_record_that_comes_late_is_counted() {
  TemporaryFile file;
  LogBackend backend(open_log(file.path().c_str()), options(file.path()));
  const std::uint32_t site = pair_site(backend);
  const LogArgument arguments[2] = {integer(1), integer(2)};
  const std::size_t bytes = record_bytes(arguments, 2);
  std::atomic<int> step{0};
  std::thread slow([&] {
    LogRing& ring = backend.ring_of_this_thread();
    char* room = ring.reserve(bytes);
    write_record(room, bytes, site, log_ticks(), arguments, 2);
    step = 1;
    while (step != 2) std::this_thread::yield();
    ring.commit(bytes);
  });
  while (step != 1) std::this_thread::yield();
  log(backend, site, 3, 4);
  await(backend, false);
  CHECK(backend.late() == 0);
  step = 2;
  slow.join();
  await(backend, false);
  CHECK(backend.late() == 1);
  const auto lines = file.lines();
  CHECK(lines[0].substr(30) == " INFO 3 4" && lines[1].substr(30) == " INFO 1 2");
  CHECK(lines[0].substr(0, 30) <= lines[1].substr(0, 30));
}

void rotated_files_hold_every_line_once() {
  constexpr int threads = 3, each = 3'000;
  TemporaryFile file;
  {
    LogBackend::Options rotating = options(file.path(), 4096);
    rotating.rotation = {.bytes = 20'000, .every_ns = 0, .backups = 100};
    LogBackend backend(open_log(file.path().c_str()), rotating);
    const std::uint32_t site = pair_site(backend);
    std::vector<std::thread> all;
    for (int t = 0; t < threads; ++t) {
      all.emplace_back([&backend, site, t] {
        for (int i = 0; i < each; ++i) log(backend, site, t, i);
      });
    }
    for (auto& thread : all) thread.join();
    await(backend, true);
    CHECK(backend.take_error().number == 0);
  }
  std::map<int, int> next;
  int files = 0;
  for (int number = 100; number >= 0; --number) {
    const std::string name = number == 0 ? file.path() : log_rotation::numbered(file.path(), number);
    std::ifstream in(name);
    if (!in) continue;
    ++files;
    std::string line;
    std::size_t bytes = 0;
    for (; std::getline(in, line); bytes += line.size() + 1) {
      int thread, value;
      CHECK(std::sscanf(line.c_str() + 30, " INFO %d %d", &thread, &value) == 2);
      CHECK(next[thread]++ == value);
    }
    CHECK(bytes <= 20'000 && bytes > 19'900 - (number == 0) * 19'900);
    if (number != 0) ::unlink(name.c_str());
  }
  CHECK(files > 10);
  for (int t = 0; t < threads; ++t) CHECK(next[t] == each);
}

void json_has_the_thread_and_the_logger_its_own() {
  TemporaryFile file;
  {
    LogBackend::Options as_json = options(file.path(), 4096, std::chrono::hours(1));
    as_json.format = LogFormat::kJson;
    LogBackend backend(open_log(file.path().c_str()), as_json);
    log(backend, backend.add_site({"A\"B", parse_template("{}\n{}")}), 1, 2);
    backend.ring_of_this_thread().count_dropped();
  }
  const auto lines = file.lines();
  const std::string thread = ",\"thread\":" + std::to_string(log_thread_number()) + "}";
  CHECK(lines.size() == 2);
  CHECK(lines[0].substr(0, 11) == "{\"time\":\"20");
  CHECK(lines[0].substr(39) ==
        "\",\"level\":\"A\\\"B\",\"message\":\"1\\n2\",\"template\":\"{}\\n{}\",\"args\":[1,2]" + thread);
  CHECK(lines[1].substr(39) ==
        "\",\"level\":\"WARNING\",\"message\":\"latencykit: 1 record dropped because the ring was full\",\"template\":"
        "\"latencykit: {} {} dropped because the ring was full\",\"args\":[1,\"record\"]" +
            thread);
}

void a_limit_is_told_at_the_end_at_the_latest() {
  TemporaryFile file;
  {
    LogBackend backend(open_log(file.path().c_str()), options(file.path()));
    auto made = std::make_unique<LogRateLimit>(1, std::uint64_t{1} << 62);
    LogRateLimit* limit = made.get();
    backend.add_site({"INFO", parse_template("say {{}} {}"), std::move(made)});
    for (int i = 0; i < 5; ++i) limit->admit(log_ticks());
    await(backend, true);
    CHECK(file.lines().empty());  // Its second is not over.
  }
  CHECK(file.lines().size() == 1);
  CHECK(file.lines()[0].substr(30) ==
        " WARNING latencykit: 4 records of 'say {{}} {}' suppressed by its limit of 1 a second");
}

// The calls bring their own times: a second that is long over, and the beginning of the next.
void a_second_that_is_over_is_told_while_logging_goes_on() {
  TemporaryFile file;
  LogBackend backend(open_log(file.path().c_str()), options(file.path()));
  const std::uint64_t now = log_ticks(), second = std::uint64_t{1} << 40;
  auto made = std::make_unique<LogRateLimit>(2, second);
  LogRateLimit* limit = made.get();
  backend.add_site({"INFO", parse_template("{}"), std::move(made)});
  for (int i = 0; i < 5; ++i) limit->admit(now - 2 * second);
  await(backend, false);
  CHECK(file.lines().size() == 1);
  CHECK(file.lines()[0].substr(30) == " WARNING latencykit: 3 records of '{}' suppressed by its limit of 2 a second");
  int passed = 0;
  for (int i = 0; i < 5; ++i) passed += limit->admit(now);
  CHECK(passed == 2 && limit->suppressed() == 6);
  await(backend, false);
  CHECK(file.lines().size() == 1);
  backend.close();
  CHECK(file.lines().size() == 2);
}

void a_failed_rotation_is_told_in_the_log() {
  TemporaryFile file;
  const std::string blocked = file.path() + ".new";
  std::ofstream(blocked) << "somebody's";
  {
    LogBackend::Options rotating = options(file.path());
    rotating.rotation = {.bytes = 100, .every_ns = 0, .backups = 1};
    LogBackend backend(open_log(file.path().c_str()), rotating);
    const std::uint32_t site = pair_site(backend);
    for (int i = 0; i < 4; ++i) log(backend, site, i, i);
  }
  ::unlink(blocked.c_str());
  const auto lines = file.lines();
  CHECK(lines.size() == 5);
  CHECK(lines[4].substr(30) ==
        " WARNING latencykit: the log could not be rotated and goes on in the same file: File exists");
}

void a_full_device_is_reported_and_survived() {
  const int fd = open_log("/dev/full");
  if (fd < 0) return;
  LogBackend backend(fd, options("/dev/full"));
  const std::uint32_t site = pair_site(backend);
  for (int i = 0; i < 10; ++i) log(backend, site, i, 0);
  await(backend, true);
  LogFileError error = backend.take_error();
  CHECK(error.number == ENOSPC && error.lost_lines == 10);
  CHECK(backend.lost() == 10 && backend.written() == 0);
  CHECK(backend.take_error().number == 0);
  log(backend, site, 11, 0);
  await(backend, true);
  CHECK(backend.take_error().lost_lines == 1);
}

// A limit on the file's size stands for a device that is full in the middle of a line and recovers.
void a_torn_line_is_ended_and_the_loss_told() {
  TemporaryFile file;
  LogFile log_file(open_log(file.path().c_str()));
  rlimit before;
  ::getrlimit(RLIMIT_FSIZE, &before);
  ::signal(SIGXFSZ, SIG_IGN);
  const rlimit small{15, before.rlim_max};
  ::setrlimit(RLIMIT_FSIZE, &small);
  for (const char* line : {"0123456789", "abcdefghij", "lost"}) {
    log_file.text().append(line);
    log_file.end_line();
  }
  log_file.write_out();
  ::setrlimit(RLIMIT_FSIZE, &before);
  CHECK(log_file.written() == 1 && log_file.lost() == 2 && log_file.unannounced() == 2);
  log_file.text().append("after");
  log_file.end_line();
  log_file.text().append("notice");
  log_file.end_notice();
  log_file.announcing();
  log_file.write_out();
  CHECK(log_file.written() == 2 && log_file.unannounced() == 0);
  CHECK(log_file.take_error().number == EFBIG);
  const std::vector<std::string> expected{"0123456789", "abcd", "after", "notice"};
  CHECK(file.lines() == expected);
}

// What a full device did not take of the logger's own lines is said again, once.
void what_could_not_be_told_is_told_later() {
  TemporaryFile file;
  LogBackend backend(open_log(file.path().c_str()), options(file.path(), 4096, hours(1)));
  const std::uint32_t site = pair_site(backend);
  auto made = std::make_unique<LogRateLimit>(1, std::uint64_t{1});
  LogRateLimit* limit = made.get();
  backend.add_site({"INFO", parse_template("limited"), std::move(made)});
  rlimit before;
  ::getrlimit(RLIMIT_FSIZE, &before);
  ::signal(SIGXFSZ, SIG_IGN);
  const rlimit small{10, before.rlim_max};
  ::setrlimit(RLIMIT_FSIZE, &small);
  for (int i = 0; i < 3; ++i) limit->admit(5);
  int dropped = 0;
  for (int i = 0; i < 200; ++i) {
    if (try_log(backend, site, i, i)) continue;
    backend.ring_of_this_thread().count_dropped();
    ++dropped;
  }
  CHECK(dropped > 0);
  for (int i = 0; i < 3; ++i) await(backend, false);
  CHECK(backend.written() == 0);
  ::setrlimit(RLIMIT_FSIZE, &before);
  log(backend, site, 7, 7);
  await(backend, true);
  log(backend, site, 8, 8);
  backend.close();
  std::string all;
  for (const std::string& line : file.lines()) {
    if (line.size() > 30) all += line.substr(31) + "\n";
  }
  const auto told = [](int count, const std::string& what) {
    return "WARNING latencykit: " + std::to_string(count) + " records " + what + "\n";
  };
  CHECK(all == "INFO 7 7\n" + told(dropped, "dropped because the ring was full") +
                   told(2, "of 'limited' suppressed by its limit of 1 a second") +
                   told(200 - dropped, "lost because the file could not be written") + "INFO 8 8\n");
}

// A file that somebody left in the middle of a line, opened again or recovered into.
void a_line_that_was_never_ended_is_not_continued() {
  TemporaryFile file;
  for (const char* before : {"torn", "", "whole\n"}) {
    std::ofstream(file.path(), std::ios::trunc) << before;
    {
      LogBackend nothing(open_log(file.path().c_str()), options(file.path()));
    }
    std::ostringstream text;
    text << std::ifstream(file.path()).rdbuf();
    CHECK(text.str() == before);
    {
      LogBackend backend(open_log(file.path().c_str()), options(file.path()));
      log(backend, pair_site(backend), 1, 2);
    }
    CHECK(file.lines().size() == (*before == '\0' ? 1u : 2u));
    CHECK(file.lines().back().substr(30) == " INFO 1 2");
  }
}

void closing_wakes_a_waiting_producer() {
  TemporaryFile file;
  LogBackend backend(open_log(file.path().c_str()), options(file.path(), 4096));
  LogRing full(4096);
  while (char* room = full.reserve(64)) {
    std::memset(room, 0, 64);
    full.commit(64);
  }
  std::atomic<bool> waiting{false};
  std::thread producer([&] {
    waiting = true;
    while (backend.is_open()) backend.wait_for_room(full, 64, std::chrono::hours(1));
  });
  while (!waiting) std::this_thread::yield();
  backend.close();
  producer.join();
  backend.close();
}

void times_follow_the_wall_clock() {
  choose_log_clock();
  WallClock clock;
  std::int64_t last = 0;
  for (int i = 0; i < 1000; ++i) {
    const std::int64_t sampled = clock_ns(CLOCK_REALTIME);
    clock.sample();
    const std::int64_t before = clock_ns(CLOCK_REALTIME);
    const std::uint64_t ticks = log_ticks();
    const std::int64_t after = clock_ns(CLOCK_REALTIME);
    const std::int64_t got = clock.unix_ns(ticks);
    CHECK(got >= last);
    last = got;
    // The first pairs lie microseconds apart, so their line may be some percent off over what follows.
    const std::int64_t doubt = 100'000 + (after - sampled) / 5;
    CHECK(got > before - doubt && got < after + doubt);
  }
}

}  // namespace
}  // namespace latencykit

int main() {
  using namespace latencykit;
  lines_have_time_level_and_message();
  requests_do_not_wait_for_the_interval();
  threads_lose_nothing_and_keep_their_order();
  order_across_threads_is_exact_under_a_lock(nanoseconds(1));
  order_across_threads_is_exact_under_a_lock(std::chrono::hours(1));
  rings_of_ended_threads_are_drained_and_used_again();
  many_loggers_in_one_thread_keep_their_rings_apart();
  drops_are_counted_and_told();
  drops_of_ended_threads_stay_counted();
  a_record_that_comes_late_is_counted();
  rotated_files_hold_every_line_once();
  json_has_the_thread_and_the_logger_its_own();
  a_limit_is_told_at_the_end_at_the_latest();
  a_second_that_is_over_is_told_while_logging_goes_on();
  a_failed_rotation_is_told_in_the_log();
  a_full_device_is_reported_and_survived();
  a_torn_line_is_ended_and_the_loss_told();
  what_could_not_be_told_is_told_later();
  a_line_that_was_never_ended_is_not_continued();
  closing_wakes_a_waiting_producer();
  times_follow_the_wall_clock();
}
