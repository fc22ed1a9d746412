// The logger's other half: one thread that takes records out of every thread's ring, merges them by time,
// formats them and writes the file. It knows nothing of Python and never waits for a producer.
//
// For producers (the thread that logs)
//   * A producer pushes into its own ring only, without a lock or a system call, except past the half mark,
//     where it wakes a sleeping backend. What to do about a full ring is the producer's choice: count the
//     record as dropped, or wait_for_room().
//   * No push may run beside or after close(), and none in a forked child: check is_open() first, with
//   whatever
//     keeps close() out in between (in Python, the GIL).
//
// Order: LogMerge says what is promised.
//
// Failure: write errors are counted by LogFile and handed out by take_error(); a record that cannot be
// formatted becomes a marked line; lack of memory loses that line and counts it, and where no line is at stake
// the thread tries again. The thread itself ends with close() only.
//
// Fork: only the forking thread lives on in the child, so there the backend is marked as forked and nothing
// of it is used or freed again. Exit: what is still in the rings when exit() runs is written, and an error
// that nobody has asked for by then goes to standard error.
#pragma once

#include <pthread.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <cstdio>
#include <limits>
#include <memory>
#include <mutex>
#include <new>
#include <string>
#include <thread>
#include <utility>

#include "latency/log_file.h"
#include "latency/log_lines.h"
#include "latency/log_mapping.h"
#include "latency/log_merge.h"
#include "latency/log_process.h"
#include "latency/log_rings.h"
#include "latency/log_sites.h"
#include "latency/quiet_thread.h"

namespace latencykit {

class LogBackend final : private LogProcessMember {
 public:
  // What one record of a few numbers and short texts takes, to turn a capacity into bytes.
  static constexpr std::size_t kTypicalRecordBytes = 64;

  struct Options {
    std::string path;  // To name it in a message, to rotate and to reopen it.
    std::size_t ring_bytes;
    std::chrono::nanoseconds flush_interval;
    LogFormat format = LogFormat::kText;
    LogRotation rotation = {};
    LogRingKind ring_kind = LogRingKind::kBounded;
    bool crash_proof = false;  // The rings lie in a file beside the log until close().
  };

  // Takes over the file descriptor and starts the thread. Throws std::system_error or std::bad_alloc.
  LogBackend(int fd, Options options)
      : options_(std::move(options)),
        process_(::getpid()),
        // First: it owns the descriptor, whatever else fails.
        file_(fd, options_.path, options_.rotation),
        mapping_(make_mapping(options_)),
        rings_(options_.ring_bytes, &LogBackend::on_half_full, this, options_.ring_kind, mapping_.get()) {
    if (mapping_ != nullptr) {
      file_.keep(mapping_.get());
      // Until the thread has taken a second pair of readings, a line through the process's own calibration.
      WallClockState clock = lines_.clock().state();
      clock.ns_per_tick = 1e9 / static_cast<double>(log_ticks_in_a_second());
      mapping_->publish_clock(clock);
      mapping_->keep(&lines_.clock());
    }
    enlist();
    try {
      thread_ = start_quiet_thread([this] { run(); });
    } catch (...) {
      delist();
      throw;
    }
  }

  // Not to be run in a forked child: see is_forked().
  ~LogBackend() {
    close();
    delist();
  }
  LogBackend(const LogBackend&) = delete;
  LogBackend& operator=(const LogBackend&) = delete;

  bool is_open() const { return state_.load(std::memory_order_relaxed) == State::kOpen; }
  bool is_forked() const { return state_.load(std::memory_order_relaxed) == State::kForked; }
  int process() const { return process_; }
  const std::string& path() const { return options_.path; }
  std::size_t longest_record() const { return rings_.longest_record(); }

  // Registers a place that logs. Its number goes into every record.
  // Throws std::bad_alloc, and std::system_error if the file of the rings has no room.
  std::uint32_t add_site(LogSiteFormat format) {
    if (mapping_ == nullptr) return sites_.add(std::move(format));
    const std::string level = format.level, source = json::source_of(format.message);
    const std::uint32_t number = sites_.add(std::move(format));
    mapping_->add_site(number, level, source);
    return number;
  }

  // The calling thread's own ring. Throws std::bad_alloc.
  LogRing& ring_of_this_thread() { return rings_.of_this_thread(); }

  // Producer: waits up to `timeout` until its ring has room; the caller looks again itself.
  void wait_for_room(const LogRing& ring, std::size_t bytes, std::chrono::nanoseconds timeout) {
    std::unique_lock lock(mutex_);
    ++waiting_for_room_;
    wake_ = true;
    wake_up_.notify_one();
    room_made_.wait_for(lock, timeout, [&] { return !is_open() || ring.has_room(bytes); });
    --waiting_for_room_;
  }

  // What is asked for besides everything pushed so far being written: that it be on the device, or that the
  // path be opened again after it.
  enum class After { kNothing, kSync, kReopen };

  // Asks for everything pushed so far to be written. Returns a ticket for wait().
  std::uint64_t request(After after) {
    const std::lock_guard lock(mutex_);
    ++requested_;
    if (after == After::kSync) sync_requested_ = requested_;
    if (after == After::kReopen) reopen_requested_ = requested_;
    wake_up_.notify_one();
    return requested_;
  }

  // Waits up to `timeout` for a request; whether it is done.
  bool wait(std::uint64_t ticket, std::chrono::nanoseconds timeout) {
    std::unique_lock lock(mutex_);
    return done_.wait_for(lock, timeout, [&] { return completed_ >= ticket; });
  }

  // Refuses producers from now on. To be called where none is between is_open() and commit().
  void refuse_producers() {
    State open = State::kOpen;
    state_.compare_exchange_strong(open, State::kClosed, std::memory_order_relaxed);
  }

  // Writes everything, waits for the device, ends the thread and closes the file. Again: waits for the first.
  void close() {
    refuse_producers();
    const std::lock_guard closing(close_mutex_);
    if (!thread_.joinable()) return;
    {
      const std::lock_guard lock(mutex_);
      stop_ = true;
    }
    wake_up_.notify_one();
    room_made_.notify_all();
    thread_.join();
    file_.close();
    rings_.clear();
    if (mapping_ != nullptr) mapping_->discard();
  }

  LogFileError take_error() { return file_.take_error(); }
  std::uint64_t written() const { return file_.written(); }
  std::uint64_t lost() const { return file_.lost(); }
  std::uint64_t dropped() { return rings_.dropped(); }
  std::uint64_t late() const { return merge_.late(); }

 private:
  enum class State : int { kOpen, kClosed, kForked };
  static constexpr auto kMemoryPause = std::chrono::milliseconds(1);

  static std::unique_ptr<LogMapping> make_mapping(const Options& options) {
    if (!options.crash_proof) return nullptr;
    return std::make_unique<LogMapping>(rings_file::path_beside(options.path), options.ring_kind,
                                        static_cast<std::uint32_t>(options.format));
  }

  void on_fork() override {
    state_.store(State::kForked, std::memory_order_relaxed);
    if (mapping_ != nullptr) mapping_->leave_to_parent();
  }

  void on_exit() override {
    close();
    const LogFileError error = take_error();
    if (error.number == 0) return;
    std::fprintf(stderr, "latencykit: log file %s: %s\n", path().c_str(), error.text().c_str());
  }

  static void on_half_full(void* self) { static_cast<LogBackend*>(self)->wake(); }

  // From a producer: wakes the backend if it sleeps. If it is just falling asleep, its interval ends the sleep.
  void wake() {
    if (!asleep_.load(std::memory_order_relaxed)) return;
    {
      const std::lock_guard lock(mutex_);
      wake_ = true;
    }
    wake_up_.notify_one();
  }

  // What a wake-up has to do.
  struct Work {
    std::uint64_t ticket;
    bool everything;
    bool sync;
    bool reopen;
    bool stop;
  };

  void run() {
#if defined(__linux__)
    ::pthread_setname_np(::pthread_self(), "latencykit-log");
#endif
    for (bool stop = false; !stop;) {
      const Work work = sleep();
      try {
        serve(work);
        stop = work.stop;
      } catch (const std::bad_alloc&) {
        // Nothing is lost: the records stay in their rings, and what was asked for stays asked.
        file_.take_back();
        std::this_thread::sleep_for(kMemoryPause);
      }
    }
  }

  void serve(const Work& work) {
    const auto on_room = [this] { make_room_known(); };
    if (work.everything) {
      merge_.take_everything(work.stop, on_room);
    } else {
      merge_.take(on_room);
    }
    announce(work.stop);
    if (mapping_ != nullptr) mapping_->publish_clock(lines_.clock().state());
    if (file_.rotation_failure() != 0) announce(work.stop);
    if (work.sync) file_.sync();
    if (work.reopen) file_.reopen();
    finish(work);
  }

  // Writes what is gathered, and what is to be said besides.
  void announce(bool all) {
    lines_.announce(merge_.as_of(), rings_.dropped(), all);
    if (mapping_ != nullptr) mapping_->announced(lines_.announced_dropped());
    lines_.told(file_.write_out());
    // What the file did not take has still to be told, by a recovery if need be.
    if (mapping_ != nullptr) mapping_->announced(lines_.announced_dropped());
  }

  Work sleep() {
    std::unique_lock lock(mutex_);
    asleep_.store(true, std::memory_order_relaxed);
    wake_up_.wait_for(lock, options_.flush_interval, [&] { return wake_ || stop_ || requested_ > completed_; });
    asleep_.store(false, std::memory_order_relaxed);
    wake_ = false;
    return {.ticket = requested_,
            .everything = stop_ || requested_ > completed_,
            .sync = stop_ || sync_requested_ > completed_,
            .reopen = reopen_requested_ > completed_,
            .stop = stop_};
  }

  void finish(const Work& work) {
    {
      const std::lock_guard lock(mutex_);
      completed_ = work.stop ? std::numeric_limits<std::uint64_t>::max() : work.ticket;
    }
    done_.notify_all();
    room_made_.notify_all();
  }

  void make_room_known() {
    const std::lock_guard lock(mutex_);
    if (waiting_for_room_ > 0) room_made_.notify_all();
  }

  const Options options_;
  const int process_;
  std::atomic<State> state_{State::kOpen};
  std::atomic<bool> asleep_{false};

  // Shared by all threads under mutex_.
  std::mutex mutex_;
  std::condition_variable wake_up_, room_made_, done_;
  std::uint64_t requested_ = 0, sync_requested_ = 0, reopen_requested_ = 0, completed_ = 0;
  int waiting_for_room_ = 0;
  bool wake_ = false, stop_ = false;

  LogFile file_;
  std::unique_ptr<LogMapping> mapping_;  // Of a crash-proof logger.
  LogRings rings_;
  LogSites sites_;
  LogLines lines_{file_, sites_, options_.format};  // The backend thread's own,
  LogMerge merge_{rings_, lines_, file_};           // and this too.

  std::mutex close_mutex_;
  std::thread thread_;
};

}  // namespace latencykit
