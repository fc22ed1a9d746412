// The logger's other half: one thread that takes records out of every thread's ring, merges them by time,
// formats them and writes the file. It knows nothing of Python and never waits for a producer.
//
// For producers (the thread that logs)
//   * ring_of_this_thread() finds the ring by two loads from thread-local memory; a thread's first call makes
//   it.
//   * A producer pushes into its own ring only, without a lock or a system call, except past the half mark,
//     where it wakes a sleeping backend. What to do about a full ring is the producer's choice: count the
//     record as dropped, or wait_for_room().
//   * No push may run beside or after close(), and none in a forked child: check is_open() first, with
//   whatever
//     keeps close() out in between (in Python, the GIL).
//
// Order
//   * Records of one thread come out in call order. Across threads they come out by their ticks.
//   * That is exact if producers take turns from reading the clock to commit(), and a turn changes hands more
//     slowly than the processor moves a read of the clock about (tens of nanoseconds), as under the GIL: the
//     backend takes only records older than a moment before it looked at the rings. Without turns, a producer
//     that is interrupted exactly there for longer than kGraceNs may be overtaken by another thread's record.
//
// Failure: write errors are counted by LogFile and handed out by take_error(); a record that cannot be
// formatted becomes a marked line; lack of memory loses that line and counts it, and where no line is at stake
// the thread tries again. The thread itself ends with close() only.
//
// Threads that end: their ring is drained, then kept for the next new thread.
// Fork: only the forking thread lives on in the child, so there the backend is marked as forked and nothing
// of it is used or freed again. Exit: what is still in the rings when exit() runs is written, and an error
// that nobody has asked for by then goes to standard error.
#pragma once

#include <pthread.h>
#include <signal.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <limits>
#include <memory>
#include <mutex>
#include <new>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "latency/log_clock.h"
#include "latency/log_file.h"
#include "latency/log_format.h"
#include "latency/log_record.h"
#include "latency/log_ring.h"
#include "latency/log_template.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace latencykit {

// One place in the program that logs; shared by the producers and the backend, immutable.
struct LogSiteFormat {
  std::string level;
  LogTemplate message;
};

class LogBackend;

namespace log_threads {

// Told by a thread's end to the backend, which outlives it or not.
struct Lease {
  std::atomic<bool> ended{false};
};

struct Ring {
  LogRing ring;
  std::shared_ptr<Lease> lease;
  std::uint64_t dropped_before = 0;  // ring.dropped() when the present thread took it over.
};

struct Holding {
  std::uint64_t owner;  // The backend's number; numbers are never used again.
  LogRing* ring;
  std::shared_ptr<Lease> lease;
};

// Every ring that this thread holds, one per living backend.
struct Holdings {
  std::vector<Holding> all;
  ~Holdings() {
    for (const Holding& held : all) held.lease->ended.store(true, std::memory_order_release);
  }
};
inline thread_local Holdings holdings;

// What the hot path looks at. Initial-exec: an access is an offset from the thread pointer and not a call, at
// the price of some static thread-local storage, of which the loader keeps enough for modules loaded late.
struct Cached {
  std::uint64_t owner;
  LogRing* ring;
};
inline constexpr std::size_t kCached = 4;
[[gnu::tls_model("initial-exec")]] inline thread_local constinit Cached cached[kCached] = {};

// All backends of the process, for fork and exit. Never destroyed: exit handlers may come after static ones.
struct Registry {
  std::mutex mutex;
  std::vector<LogBackend*> backends;
};
inline Registry& registry() {
  static Registry* const made = new Registry;
  return *made;
}

}  // namespace log_threads

inline void cpu_relax() {
#if defined(__x86_64__)
  _mm_pause();
#endif
}

class LogBackend {
 public:
  // What one record of a few numbers and short texts takes, to turn a capacity into bytes.
  static constexpr std::size_t kTypicalRecordBytes = 64;

  struct Options {
    std::string path;  // Only to name it in a message.
    std::size_t ring_bytes;
    std::chrono::nanoseconds flush_interval;
  };

  // How far back a record may have been stamped when the backend looks: the reordering of the clock's reads.
  static constexpr std::int64_t kGraceNs = 1'000;

  // Takes over the file descriptor and starts the thread. Throws std::system_error or std::bad_alloc.
  LogBackend(int fd, Options options)
      : options_(std::move(options)), number_(next_number()), process_(::getpid()), file_(fd) {
    spare_.reserve(kSpareRings);
    enlist();
    try {
      start_thread();
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
  std::size_t longest_record() const { return LogRing::rounded(options_.ring_bytes) / 2; }

  // Registers a place that logs. Its number goes into every record.
  std::uint32_t add_site(LogSiteFormat format) {
    const std::lock_guard lock(mutex_);
    sites_.push_back(std::move(format));
    return static_cast<std::uint32_t>(sites_.size() - 1);
  }

  // The calling thread's own ring. Throws std::bad_alloc.
  LogRing& ring_of_this_thread() {
    const log_threads::Cached& cached = log_threads::cached[number_ % log_threads::kCached];
    if (cached.owner == number_) [[likely]]
      return *cached.ring;
    return find_ring();
  }

  // Producer: waits up to `timeout` until its ring has room; the caller looks again itself.
  void wait_for_room(const LogRing& ring, std::size_t bytes, std::chrono::nanoseconds timeout) {
    std::unique_lock lock(mutex_);
    ++waiting_for_room_;
    wake_ = true;
    wake_up_.notify_one();
    room_made_.wait_for(lock, timeout, [&] { return !is_open() || ring.has_room(bytes); });
    --waiting_for_room_;
  }

  // Asks for everything pushed so far to be written, and with `to_device` to be on the device. Returns a
  // ticket for wait().
  std::uint64_t request(bool to_device) {
    const std::lock_guard lock(mutex_);
    ++requested_;
    if (to_device) sync_requested_ = requested_;
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
    const std::lock_guard lock(mutex_);
    for (const auto& ring : rings_) past_dropped_ += ring->ring.dropped() - ring->dropped_before;
    rings_.clear();
    spare_.clear();
  }

  LogFileError take_error() { return file_.take_error(); }
  std::uint64_t written() const { return file_.written(); }
  std::uint64_t lost() const { return file_.lost(); }
  std::uint64_t dropped() {
    const std::lock_guard lock(mutex_);
    return count_dropped();
  }

 private:
  enum class State : int { kOpen, kClosed, kForked };
  using Ring = log_threads::Ring;
  static constexpr std::size_t kSpareRings = 4;
  static constexpr auto kMemoryPause = std::chrono::milliseconds(1);
  static constexpr std::uint64_t kEverything = std::numeric_limits<std::uint64_t>::max();

  static std::uint64_t next_number() {
    static std::atomic<std::uint64_t> last{0};
    choose_log_clock();  // Before any record, and before clock_ is made.
    return ++last;
  }

  // --- fork and exit ---------------------------------------------------------------------------------------

  void enlist() {
    static const bool handled = [] {
      ::pthread_atfork([] { log_threads::registry().mutex.lock(); }, [] { log_threads::registry().mutex.unlock(); },
                       after_fork_in_child);
      std::atexit(at_exit);
      return true;
    }();
    static_cast<void>(handled);
    const std::lock_guard lock(log_threads::registry().mutex);
    log_threads::registry().backends.push_back(this);
  }

  void delist() {
    const std::lock_guard lock(log_threads::registry().mutex);
    std::erase(log_threads::registry().backends, this);
  }

  static void after_fork_in_child() {
    for (LogBackend* backend : log_threads::registry().backends) {
      backend->state_.store(State::kForked, std::memory_order_relaxed);
    }
    log_threads::registry().backends.clear();
    log_threads::registry().mutex.unlock();
  }

  static void at_exit() {
    const std::lock_guard lock(log_threads::registry().mutex);
    for (LogBackend* backend : log_threads::registry().backends) {
      backend->close();
      const LogFileError error = backend->take_error();
      if (error.number == 0) continue;
      std::fprintf(stderr, "latencykit: log file %s: %s; %llu lines were lost\n", backend->path().c_str(),
                   std::strerror(error.number), static_cast<unsigned long long>(error.lost_lines));
    }
  }

  // --- rings -----------------------------------------------------------------------------------------------

  LogRing& find_ring() {
    LogRing* ring = nullptr;
    for (const log_threads::Holding& held : log_threads::holdings.all) {
      if (held.owner == number_) ring = held.ring;
    }
    if (ring == nullptr) ring = &take_ring();
    log_threads::cached[number_ % log_threads::kCached] = {number_, ring};
    return *ring;
  }

  LogRing& take_ring() {
    auto& all = log_threads::holdings.all;
    // A lease that only this thread still has belongs to a backend that is closed.
    std::erase_if(all, [](const log_threads::Holding& held) { return held.lease.use_count() == 1; });
    all.reserve(all.size() + 1);
    auto lease = std::make_shared<log_threads::Lease>();
    const std::lock_guard lock(mutex_);
    rings_.reserve(rings_.size() + 1);
    if (spare_.empty()) {
      spare_.push_back(std::unique_ptr<Ring>(
          new Ring{.ring = LogRing(options_.ring_bytes, &LogBackend::on_half_full, this), .lease = {}}));
    }
    std::unique_ptr<Ring> ring = std::move(spare_.back());
    spare_.pop_back();
    ring->lease = lease;
    ring->dropped_before = ring->ring.dropped();
    LogRing& taken = ring->ring;
    rings_.push_back(std::move(ring));
    rings_changed_ = true;
    all.push_back({number_, &taken, std::move(lease)});
    return taken;
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

  // With the mutex held.
  std::uint64_t count_dropped() const {
    std::uint64_t count = past_dropped_;
    for (const auto& ring : rings_) count += ring->ring.dropped() - ring->dropped_before;
    return count;
  }

  // --- the thread ------------------------------------------------------------------------------------------

  void start_thread() {
    // Signals are for the program's own threads; a new thread inherits the mask of its maker.
    sigset_t all, before;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before);
    try {
      thread_ = std::thread([this] { run(); });
    } catch (...) {
      ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
      throw;
    }
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  }

  // What a wake-up has to do.
  struct Work {
    std::uint64_t ticket;
    bool everything;
    bool sync;
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
    if (work.everything) {
      take_everything(work.stop);
    } else {
      take_once(horizon());
    }
    announce();
    file_.write_out();
    if (work.sync) file_.sync();
    finish(work);
  }

  Work sleep() {
    std::unique_lock lock(mutex_);
    asleep_.store(true, std::memory_order_relaxed);
    wake_up_.wait_for(lock, options_.flush_interval, [&] { return wake_ || stop_ || requested_ > completed_; });
    asleep_.store(false, std::memory_order_relaxed);
    wake_ = false;
    return {requested_, stop_ || requested_ > completed_, stop_ || sync_requested_ > completed_, stop_};
  }

  void finish(const Work& work) {
    {
      const std::lock_guard lock(mutex_);
      completed_ = work.stop ? std::numeric_limits<std::uint64_t>::max() : work.ticket;
    }
    done_.notify_all();
    room_made_.notify_all();
  }

  // The ticks up to which every record is visible to whoever looks at the rings after this call.
  std::uint64_t horizon() {
    clock_.sample();
    const std::uint64_t now = log_ticks_before_loads();  // The rings must be looked at after the clock.
    return now - clock_.ticks_in(kGraceNs);
  }

  // Copies the list of rings when it has changed, and looks how far each has come.
  void look_at_rings() {
    {
      const std::lock_guard lock(mutex_);
      if (rings_changed_) {
        seen_rings_.clear();
        for (const auto& ring : rings_) seen_rings_.push_back(ring.get());
        rings_changed_ = false;
      }
    }
    ended_.clear();
    for (Ring* ring : seen_rings_) {
      // The end is read before the head: then the head is the last.
      if (ring->lease->ended.load(std::memory_order_acquire)) ended_.push_back(ring);
      ring->ring.refresh();
    }
  }

  void take_everything(bool stopping) {
    look_at_rings();
    targets_.clear();
    for (const Ring* ring : seen_rings_) targets_.emplace_back(&ring->ring, ring->ring.published());
    while (true) {
      take_once(stopping ? kEverything : horizon());
      bool done = true;
      for (const auto& [ring, target] : targets_) done = done && ring->position() >= target;
      if (done) return;
      cpu_relax();  // The youngest records become old enough within kGraceNs.
    }
  }

  // Takes every visible record that is not younger than `until`, in order of time.
  void take_once(std::uint64_t until) {
    if (until == kEverything) clock_.sample();
    as_of_ = until == kEverything ? log_ticks() : until;
    look_at_rings();
    while (true) {
      Ring* oldest = nullptr;
      std::uint64_t oldest_ticks = kEverything, next_ticks = kEverything;
      for (Ring* ring : seen_rings_) {
        const char* record = ring->ring.front();
        if (record == nullptr) continue;
        const std::uint64_t ticks = header_of(record).ticks;
        if (oldest == nullptr || ticks < oldest_ticks) {
          next_ticks = oldest == nullptr ? kEverything : oldest_ticks;
          oldest_ticks = ticks;
          oldest = ring;
        } else if (ticks < next_ticks) {
          next_ticks = ticks;
        }
      }
      if (oldest == nullptr || oldest_ticks > until) break;
      take_run(oldest->ring, std::min(until, next_ticks));
    }
    recycle_ended();
  }

  // Takes records of one ring for as long as no other ring's is older.
  void take_run(LogRing& ring, std::uint64_t until) {
    for (const char* record = ring.front(); record != nullptr; record = ring.front()) {
      const LogRecordHeader header = header_of(record);
      if (header.ticks > until) return;
      write_line(header, record);
      ring.pop();
      if (file_.batch_is_full()) {
        file_.write_out();
        make_room_known();
      }
    }
  }

  void write_line(const LogRecordHeader& header, const char* record) {
    try {
      const LogSiteFormat& site = site_at(header.site);
      begin_line(header.ticks, site.level);
      append_message(file_.text(), site.message, LogRecordReader(record, site.message.pieces.size()));
      file_.end_line();
    } catch (const std::bad_alloc&) {
      file_.drop_line(ENOMEM);
    }
  }

  void begin_line(std::uint64_t ticks, std::string_view level) {
    timestamp_.append(file_.text(), clock_.unix_ns(ticks));
    file_.text().append(' ');
    file_.text().append(level);
    file_.text().append(' ');
  }

  const LogSiteFormat& site_at(std::uint32_t number) {
    if (number >= seen_sites_.size()) {
      const std::lock_guard lock(mutex_);
      while (seen_sites_.size() < sites_.size()) seen_sites_.push_back(&sites_[seen_sites_.size()]);
    }
    return *seen_sites_[number];
  }

  // Says in the log what is missing from it.
  void announce() {
    std::uint64_t dropped;
    {
      const std::lock_guard lock(mutex_);
      dropped = count_dropped();
    }
    if (dropped != announced_dropped_) {
      notice("dropped because the ring was full", dropped - announced_dropped_);
      announced_dropped_ = dropped;
    }
    // Only beside other lines: a full device is not asked again every interval.
    if (file_.unannounced() != 0 && !file_.empty()) {
      notice("lost because the file could not be written", file_.unannounced());
      file_.announcing();
    }
  }

  void notice(std::string_view what, std::uint64_t count) {
    char digits[24];
    char* const end = std::to_chars(digits, digits + sizeof digits, count).ptr;
    begin_line(as_of_, "WARNING");  // Not now: records stamped since then come after this line.
    file_.text().append("latencykit: ");
    file_.text().append(std::string_view(digits, static_cast<std::size_t>(end - digits)));
    file_.text().append(count == 1 ? " record " : " records ");
    file_.text().append(what);
    file_.end_notice();
  }

  void make_room_known() {
    const std::lock_guard lock(mutex_);
    if (waiting_for_room_ > 0) room_made_.notify_all();
  }

  // Rings whose thread had ended before they were looked at, and that are empty now.
  void recycle_ended() {
    if (ended_.empty()) return;
    const std::lock_guard lock(mutex_);
    for (Ring* ended : ended_) {
      if (ended->ring.front() != nullptr) continue;
      const auto at = std::find_if(rings_.begin(), rings_.end(), [&](const auto& ring) { return ring.get() == ended; });
      past_dropped_ += ended->ring.dropped() - ended->dropped_before;
      if (spare_.size() < kSpareRings) spare_.push_back(std::move(*at));
      rings_.erase(at);
      rings_changed_ = true;
      std::erase(seen_rings_, ended);
      std::erase_if(targets_, [&](const auto& target) { return target.first == &ended->ring; });
    }
    ended_.clear();
  }

  const Options options_;
  const std::uint64_t number_;
  const int process_;
  std::atomic<State> state_{State::kOpen};
  std::atomic<bool> asleep_{false};

  // Shared by all threads under mutex_.
  std::mutex mutex_;
  std::condition_variable wake_up_, room_made_, done_;
  std::deque<LogSiteFormat> sites_;  // A deque: what is in it stays where it is.
  std::vector<std::unique_ptr<Ring>> rings_, spare_;
  std::uint64_t past_dropped_ = 0;
  std::uint64_t requested_ = 0, sync_requested_ = 0, completed_ = 0;
  int waiting_for_room_ = 0;
  bool rings_changed_ = false, wake_ = false, stop_ = false;

  // The backend thread's own.
  LogFile file_;
  WallClock clock_;
  TimestampFormat timestamp_;
  std::vector<Ring*> seen_rings_, ended_;
  std::vector<std::pair<const LogRing*, std::uint64_t>> targets_;
  std::vector<const LogSiteFormat*> seen_sites_;
  std::uint64_t announced_dropped_ = 0;
  std::uint64_t as_of_ = 0;  // Everything stamped up to here has been taken.

  std::mutex close_mutex_;
  std::thread thread_;
};

}  // namespace latencykit
