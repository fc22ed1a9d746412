// Queue and journal: order and completeness in all four kinds of queue, full queues, a disk that is full, a fork.
#include "latency/engine_journal.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <limits>
#include <string>
#include <thread>

#include "latency/stage_samples.h"
#include "tests/check.h"

namespace latencykit {
namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

std::string temporary() {
  std::string name = "/tmp/latencykit-journal-XXXXXX";
  const int fd = ::mkstemp(name.data());
  CHECK(fd >= 0);
  ::close(fd);
  return name;
}

int opened(const std::string& path) { return ::open(path.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC); }

void write_held(JournalRecord& record, std::uint64_t row) {
  record.kind = JournalRecord::Kind::kHeld;
  record.row = row;
  record.symbol = 7;
  record.tick = {-5, 0.1, 3, kNone, kNone, {}};
}

std::string line_of(const JournalRecord& record) {
  TextBuffer text(64);
  JournalLines(text).add(record);
  return std::string(text.text());
}

void every_kind_of_line() {
  JournalRecord record;
  write_held(record, 3);
  CHECK(line_of(record) == "H,3,-5,7,0.1,3.0,,");
  record.kind = JournalRecord::Kind::kTick;
  record.tick = {1'704'205'800'000'000'000, 1e22, 0.00001, 99.5, 100.25, {1.0000005, 2.5e9, 0.1234564, 50}};
  CHECK(line_of(record) ==
        "T,3,1704205800000000000,7,1e+22,1e-05,99.5,100.25,1.000001,2500000000.000000,0.123456,50.000000");
  record.kind = JournalRecord::Kind::kSkipped;
  record.reason = static_cast<std::uint8_t>(TickKind::bad_price);
  record.tick = {1, kNone, -1, 2, std::numeric_limits<double>::infinity(), {}};
  CHECK(line_of(record) == "S,3,1,7,,-1.0,2.0,inf,bad_price");
  record.tick = {1, -std::numeric_limits<double>::infinity(), -0.0, -1e-7, 0.0, {}};
  CHECK(line_of(record) == "S,3,1,7,-inf,-0.0,-1e-07,0.0,bad_price");
  record.kind = JournalRecord::Kind::kOrder;
  record.side = Side::kBuy;
  record.order = {12, 100, 99.99, 0.75, 101.5, 98.25};
  CHECK(line_of(record) == "O,3,12,buy,100,99.99,0.750000,101.5,98.25");
  record.side = Side::kSell;
  record.order = {13, 5, 99.99, kNone, kNone, kNone};
  CHECK(line_of(record) == "O,3,13,sell,5,99.99,,,");
  record.kind = JournalRecord::Kind::kRefused;
  record.reason = static_cast<std::uint8_t>(RiskVerdict::kCollar);
  CHECK(line_of(record) == "R,3,collar,sell,5,99.99");
  record.kind = JournalRecord::Kind::kStopped;
  record.reason = static_cast<std::uint8_t>(StopReason::kStrategy);
  CHECK(line_of(record) == "X,3,strategy failed");
}

// Found by the address sanitizer, or by the length of the line.
void the_longest_line_has_room() {
  constexpr double kMost = std::numeric_limits<double>::max();
  JournalRecord record;
  record.kind = JournalRecord::Kind::kTick;
  record.row = std::numeric_limits<std::int64_t>::max();
  record.symbol = std::numeric_limits<std::uint32_t>::max();
  record.tick = {std::numeric_limits<std::int64_t>::min(), kMost, kMost, kMost, kMost, {kMost, kMost, kMost, kMost}};
  CHECK(line_of(record).size() <= journal_line::kLongest - 8);
}

// Rows that follow each other or not and times within a second or not, against the numbers written out.
void numbers_are_counted_on_rightly() {
  TextBuffer text(1 << 16);
  JournalLines lines(text);
  JournalRecord record;
  write_held(record, 0);
  record.tick.bid = record.tick.ask = 1;
  std::int64_t time = 999'999'999'990;
  std::uint64_t row = 0;
  for (int i = 0; i < 300'000; ++i) {
    row = i % 1'009 == 0 ? row * 3 + 7 : row + 1;
    if (i % 7'919 == 0) row = 99'990 * static_cast<std::uint64_t>(i % 13 + 1);
    time += i % 5 == 0 ? 40'000'000'000 : i % 3;
    record.row = row;
    record.tick.timestamp_ns = i % 997 == 0 ? -time : time;
    text.clear();
    lines.add(record);
    CHECK(text.text() ==
          "H," + std::to_string(row) + "," + std::to_string(record.tick.timestamp_ns) + ",7,0.1,3.0,1.0,1.0");
  }
  for (const std::uint64_t last :
       {std::uint64_t{8}, std::uint64_t{98}, std::uint64_t{999'999'998}, ~std::uint64_t{2}}) {
    for (std::uint64_t i = 0; i < 2; ++i) {
      record.row = last + i;
      text.clear();
      lines.add(record);
      CHECK(text.text().starts_with("H," + std::to_string(last + i) + ","));
    }
  }
}

void all_queues_keep_the_order(bool lockfree, bool preallocated, std::size_t capacity) {
  constexpr std::uint64_t kRecords = 50'000;
  JournalQueue queue({capacity, lockfree, preallocated});
  std::thread producer([&] {
    for (std::uint64_t row = 0; row < kRecords;) {
      JournalRecord* record = queue.begin_push();
      if (record == nullptr) {
        std::this_thread::yield();
        continue;
      }
      write_held(*record, row++);
      queue.end_push();
    }
  });
  std::uint64_t expected = 0;
  while (expected < kRecords) {
    if (queue.take(64, [&](const JournalRecord& record) { CHECK(record.row == expected++ && record.symbol == 7); }) ==
        0)
      std::this_thread::yield();
  }
  producer.join();
  CHECK(queue.take(1, [](const JournalRecord&) {}) == 0);
}

void a_full_queue_refuses() {
  for (const bool lockfree : {true, false}) {
    JournalQueue queue({3, lockfree, true});
    for (std::uint64_t row = 0; row < 3; ++row) {
      write_held(*queue.begin_push(), row);
      queue.end_push();
    }
    CHECK(queue.begin_push() == nullptr);
    CHECK(queue.take(1, [](const JournalRecord&) {}) == 1);
    CHECK(queue.begin_push() != nullptr);
    queue.end_push();
  }
}

std::uint64_t lines_in_order(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::uint64_t row = 0;
  CHECK(std::getline(file, line) && line == "# head");
  while (std::getline(file, line)) CHECK(line.substr(0, line.find(',', 2)) == "H," + std::to_string(row++));
  return row;
}

// A queue of one record: every push but the first waits.
void a_full_queue_makes_the_engine_wait(std::size_t capacity, bool lockfree) {
  const std::string path = temporary();
  {
    EngineJournal journal(opened(path), path, "# head\n", {capacity, lockfree, true}, std::chrono::milliseconds(1));
    for (std::uint64_t row = 0; row < 2'000; ++row) journal.push([&](JournalRecord& r) { write_held(r, row); });
    journal.drain();
    CHECK(lines_in_order(path) == 2'000 && journal.pushed() == 2'000 && !journal.failed());
    CHECK(capacity > 1 || journal.stalls() > 0);
    journal.push([&](JournalRecord& r) { write_held(r, 2'000); });
    journal.close();
    journal.close();
  }
  CHECK(lines_in_order(path) == 2'001);
  ::unlink(path.c_str());
}

void a_full_disk_is_told() {
  const int fd = ::open("/dev/full", O_WRONLY | O_CLOEXEC);
  if (fd < 0) return;
  EngineJournal journal(fd, "/dev/full", "# head\n", {}, std::chrono::milliseconds(1));
  journal.push([&](JournalRecord& r) { write_held(r, 0); });
  journal.flush();
  CHECK(journal.failed() && journal.lost() == 1 && journal.take_error().number == ENOSPC);
}

void a_child_leaves_it_to_its_parent() {
  const std::string path = temporary();
  EngineJournal journal(opened(path), path, "# head\n", {}, std::chrono::milliseconds(1));
  journal.push([&](JournalRecord& r) { write_held(r, 0); });
  const pid_t child = ::fork();
  if (child == 0) ::_exit(journal.is_forked() ? 0 : 1);
  int status = 1;
  CHECK(::waitpid(child, &status, 0) == child && status == 0);
  CHECK(!journal.is_forked());
  journal.drain();
  CHECK(lines_in_order(path) == 1);
  ::unlink(path.c_str());
}

void samples_come_at_random_distances() {
  StageSamples samples(64, 1'000);
  std::uint64_t last = 0, longest = 0, due = 0;
  for (std::uint64_t tick = 1; tick <= 64'000; ++tick) {
    if (!samples.is_due()) continue;
    longest = std::max(longest, tick - last);
    last = tick;
    ++due;
    samples.add({});
  }
  CHECK(due > 900 && due < 1'100 && longest > 100 && longest < 128);
  StageSamples never(0, 10), always(1, 10);
  for (int i = 0; i < 100; ++i) {
    CHECK(!never.is_due() && always.is_due());
    always.add({});
  }
  CHECK(always.is_full() && always.samples().size() == 10);
  always.clear();
  always.postpone();
  CHECK(always.is_due());
}

}  // namespace
}  // namespace latencykit

int main() {
  using namespace latencykit;
  every_kind_of_line();
  numbers_are_counted_on_rightly();
  the_longest_line_has_room();
  for (const bool lockfree : {true, false}) {
    for (const bool preallocated : {true, false}) {
      for (const std::size_t capacity : {1, 3, 1'000}) all_queues_keep_the_order(lockfree, preallocated, capacity);
    }
    for (const std::size_t capacity : {1, 64, 10'000}) a_full_queue_makes_the_engine_wait(capacity, lockfree);
  }
  a_full_queue_refuses();
  a_full_disk_is_told();
  a_child_leaves_it_to_its_parent();
  samples_come_at_random_distances();
}
