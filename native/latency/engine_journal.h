// The journal of an engine: records are queued by the engine's thread, made into lines and written by a thread of its own.
//
// Promises
//   * Every record that push() took is a line in the file, in order, unless failed() says otherwise: writing has
//     failed, and lost() counts the lines since. The engine is to make no more orders then.
//   * A full queue makes push() wait for the writer, and stalls() counts it: a journal with gaps is none. Who must not
//     wait for long asks has_room() first and waits in turns of await_room(). The queue holds four records at least.
//   * drain() returns when all that was pushed is in the file; flush() when it is on the device besides.
//   * The writer sleeps for `flush_interval` when there is nothing to do, and never longer: the engine's thread
//     makes no system call to wake it.
//   * In a forked child nothing of it works (is_forked()); at exit() what was pushed is written.
// One thread at a time pushes, drains, flushes and closes.
#pragma once

#include <pthread.h>
#include <sched.h>
#include <sys/file.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>

#include "latency/journal_lines.h"
#include "latency/journal_queue.h"
#include "latency/log_file.h"
#include "latency/log_process.h"
#include "latency/quiet_thread.h"
#include "latency/waiting.h"

namespace latencykit {

class EngineJournal final : private LogProcessMember {
 public:
  // Takes over the descriptor of an empty file. `head` is its first lines. Throws std::bad_alloc, std::system_error.
  EngineJournal(int fd, const std::string& path, std::string_view head, const JournalQueueOptions& options,
                std::chrono::nanoseconds flush_interval)
      : path_(path), flush_interval_(flush_interval), file_(fd, path), queue_(with_room_for_a_tick(options)), fd_(fd) {
    file_.text().append(head);
    enlist();
    try {
      thread_ = start_quiet_thread([this] { run(); });
    } catch (...) {
      delist();
      throw;
    }
  }
  // Not to be run in a forked child.
  ~EngineJournal() {
    close();
    delist();
  }
  EngineJournal(const EngineJournal&) = delete;
  EngineJournal& operator=(const EngineJournal&) = delete;

  // Engine: fill(record) writes the next one.
  template <typename Fill>
  void push(Fill fill) {
    JournalRecord* record = queue_.begin_push();
    if (record == nullptr) [[unlikely]]
      record = wait_for_room();
    fill(*record);
    queue_.end_push();
  }

  // Engine: whether all that one tick may push finds room.
  std::size_t capacity() const { return queue_.capacity(); }
  bool has_room() { return queue_.has_room(kRecordsOfATick); }
  // Engine: waits until so many records find room, at least those of a tick and at most all; `most_ns` at most. One call
  // after another is one stall, of which `again` is the rest. Whether there is room for a tick.
  [[gnu::noinline]] bool await_room(std::size_t records, std::uint64_t most_ns, bool again) {
    const std::uint64_t begin = monotonic_ns();
    const std::size_t wanted = std::clamp(records, kRecordsOfATick, queue_.capacity());
    while (!queue_.has_room(wanted) && monotonic_ns() - begin < most_ns) {
      press();
      if (wanted > kRecordsOfATick) {
        // To spin would take from the writer what the two CPUs share.
        std::this_thread::sleep_for(kNap);
      } else {
        look_until([&] { return has_room(); }, Wait::kYield, monotonic_ns() + kPressAgainNs);
      }
    }
    if (!again) stalls_.fetch_add(1, std::memory_order_relaxed);
    stalled_ns_.fetch_add(monotonic_ns() - begin, std::memory_order_relaxed);
    return has_room();
  }

  const std::string& path() const { return path_; }
  bool failed() const { return failed_.load(std::memory_order_relaxed); }
  bool is_forked() const { return forked_.load(std::memory_order_relaxed); }
  std::uint64_t lost() const { return file_.lost(); }
  LogFileError take_error() { return file_.take_error(); }
  std::uint64_t pushed() const { return queue_.pushed(); }
  // Any thread.
  std::uint64_t stalls() const { return stalls_.load(std::memory_order_relaxed); }
  std::uint64_t stalled_ns() const { return stalled_ns_.load(std::memory_order_relaxed); }

  void drain() { request(false); }
  void flush() { request(true); }

  // Writes everything, waits for the device, ends the thread. Again: nothing.
  void close() {
    if (!thread_.joinable()) return;
    {
      const std::lock_guard lock(mutex_);
      stop_ = true;
    }
    wake_up_.notify_one();
    thread_.join();
    // Its maker may hold a lock on it, which the copies of the descriptor in forked children would go on holding.
    ::flock(fd_, LOCK_UN);
    file_.close();
  }

 private:
  static constexpr std::size_t kBatch = 256;
  static constexpr auto kNap =
      std::chrono::microseconds(100);                // Against some 10 ms that a full queue of the usual size takes.
  static constexpr std::size_t kRecordsOfATick = 4;  // A stop, the tick, its decision, a signal that was passed over.
  static constexpr std::uint64_t kPressAgainNs = 1'000'000;

  static JournalQueueOptions with_room_for_a_tick(JournalQueueOptions options) {
    options.capacity = std::max(options.capacity, kRecordsOfATick);
    return options;
  }

  void press() {
    {
      const std::lock_guard lock(mutex_);
      pressed_ = true;
    }
    wake_up_.notify_one();
  }

  void on_fork() override { forked_.store(true, std::memory_order_relaxed); }
  void on_exit() override { close(); }

  [[gnu::noinline]] JournalRecord* wait_for_room() {
    const std::uint64_t begin = monotonic_ns();
    JournalRecord* record = nullptr;
    while (record == nullptr) {
      press();
      look_until([&] { return (record = queue_.begin_push()) != nullptr; }, Wait::kYield,
                 monotonic_ns() + kPressAgainNs);
    }
    stalls_.fetch_add(1, std::memory_order_relaxed);
    stalled_ns_.fetch_add(monotonic_ns() - begin, std::memory_order_relaxed);
    return record;
  }

  void request(bool sync) {
    std::unique_lock lock(mutex_);
    const std::uint64_t ticket = ++requested_;
    if (sync) sync_requested_ = ticket;
    wake_up_.notify_one();
    done_.wait(lock, [&] { return completed_ >= ticket; });
  }

  void run() {
#if defined(__linux__)
    ::pthread_setname_np(::pthread_self(), "latencykit-jrnl");
#endif
    for (bool stop = false; !stop;) {
      std::uint64_t ticket = 0;
      bool sync = false;
      {
        std::unique_lock lock(mutex_);
        wake_up_.wait_for(lock, flush_interval_, [&] { return pressed_ || stop_ || requested_ > completed_; });
        pressed_ = false;
        ticket = requested_;
        stop = stop_;
        sync = stop || sync_requested_ > completed_;
      }
      write_everything();
      if (sync) file_.sync();
      if (file_.lost() != 0) failed_.store(true, std::memory_order_relaxed);
      {
        const std::lock_guard lock(mutex_);
        completed_ = ticket;
      }
      done_.notify_all();
    }
  }

  void write_everything() {
    while (queue_.take(kBatch, [this](const JournalRecord& record) { add(record); }) != 0) {
      if (file_.batch_is_full()) write_out();
    }
    write_out();
  }

  void add(const JournalRecord& record) {
    try {
      lines_.add(record);
      file_.end_line();
    } catch (const std::bad_alloc&) {
      file_.drop_line(ENOMEM);
    }
  }

  void write_out() {
    if (!file_.empty()) file_.write_out();
    if (file_.lost() != 0) failed_.store(true, std::memory_order_relaxed);
  }

  const std::string path_;
  const std::chrono::nanoseconds flush_interval_;
  LogFile file_;
  JournalLines lines_{file_.text()};  // The writer's own.
  JournalQueue queue_;
  const int fd_;  // The file's, which is never rotated.
  std::atomic<bool> failed_{false}, forked_{false};
  std::atomic<std::uint64_t> stalls_{0}, stalled_ns_{0};

  std::mutex mutex_;
  std::condition_variable wake_up_, done_;
  std::uint64_t requested_ = 0, sync_requested_ = 0, completed_ = 0;
  bool pressed_ = false, stop_ = false;
  std::thread thread_;
};

}  // namespace latencykit
