// The rings of one logger, one per thread that logs: made on a thread's first call, found again by two loads.
//
// Promises
//   * of_this_thread() finds the ring by two loads from thread-local memory; a thread's first call makes it.
//   * Threads that end: their ring is drained, then kept for the next new thread.
//   * dropped() counts all records given up in all rings, those of ended threads included.
// Any thread may call of_this_thread() and dropped(); look() and recycle_ended() belong to the backend.
//
// Ownership: rings belong to this object. A thread's end is told through a lease that both sides share, so
// either may go first.
#pragma once

#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "latency/log_mapping.h"
#include "latency/log_ring.h"

namespace latencykit {

// The kernel's number of the calling thread, as threading.get_native_id() has it; 0 where there is none.
inline int log_thread_number() {
#if defined(__linux__)
  return static_cast<int>(::syscall(SYS_gettid));
#else
  return 0;
#endif
}

namespace log_threads {

// Told by a thread's end to the backend, which outlives it or not.
struct Lease {
  std::atomic<bool> ended{false};
};

struct Ring {
  LogRing ring;
  std::shared_ptr<Lease> lease;
  int thread = 0;                    // The kernel's number of the thread that has it.
  std::uint64_t dropped_before = 0;  // ring.dropped() when the present thread took it over.
};

struct Holding {
  std::uint64_t owner;  // The number of the LogRings; numbers are never used again.
  LogRing* ring;
  std::shared_ptr<Lease> lease;
};

// Every ring that this thread holds, one per living logger.
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

}  // namespace log_threads

class LogRings {
 public:
  using Ring = log_threads::Ring;

  // Every ring is of `kind` and has `ring_bytes`, rounded as LogRing does; `on_half_full` is called by producers
  // with `context`. With a mapping, which must outlive this, the rings lie in it and the first is made at once.
  // Throws std::bad_alloc and what LogMapping throws.
  LogRings(std::size_t ring_bytes, LogRing::Hook on_half_full, void* context, LogRingKind kind = LogRingKind::kBounded,
           LogMapping* mapping = nullptr)
      : ring_bytes_(ring_bytes),
        hook_(on_half_full),
        context_(context),
        kind_(kind),
        mapping_(mapping),
        number_(next_number()) {
    spare_.reserve(kSpareRings);
    if (mapping_ != nullptr) add_spare();
  }
  LogRings(const LogRings&) = delete;
  LogRings& operator=(const LogRings&) = delete;

  std::size_t longest_record() const { return LogRing::longest_record(ring_bytes_, kind_); }

  // The calling thread's own ring. Throws std::bad_alloc.
  LogRing& of_this_thread() {
    const log_threads::Cached& cached = log_threads::cached[number_ % log_threads::kCached];
    if (cached.owner == number_) [[likely]]
      return *cached.ring;
    return find();
  }

  std::uint64_t dropped() {
    const std::lock_guard lock(mutex_);
    std::uint64_t count = past_dropped_;
    for (const auto& ring : rings_) count += ring->ring.dropped() - ring->dropped_before;
    return count;
  }

  // Backend: copies the list of rings when it has changed, and looks how far each has come.
  const std::vector<Ring*>& look() {
    {
      const std::lock_guard lock(mutex_);
      if (changed_) {
        seen_.clear();
        for (const auto& ring : rings_) seen_.push_back(ring.get());
        changed_ = false;
      }
    }
    ended_.clear();
    for (Ring* ring : seen_) {
      // The end is read before the head: then the head is the last.
      if (ring->lease->ended.load(std::memory_order_acquire)) ended_.push_back(ring);
      ring->ring.refresh();
    }
    return seen_;
  }

  // Backend: takes back the rings whose thread had ended at the last look() and that are empty now. Calls
  // `on_gone` with each before it may serve another thread.
  template <typename F>
  void recycle_ended(F on_gone) {
    if (ended_.empty()) return;
    const std::lock_guard lock(mutex_);
    for (Ring* ended : ended_) {
      if (ended->ring.front() != nullptr || (ended->ring.holds() && ended->ring.held() != 0)) continue;
      const auto at = std::find_if(rings_.begin(), rings_.end(), [&](const auto& ring) { return ring.get() == ended; });
      past_dropped_ += ended->ring.dropped() - ended->dropped_before;
      on_gone(ended);
      if (spare_.size() < spare_.capacity()) spare_.push_back(std::move(*at));
      rings_.erase(at);
      changed_ = true;
      std::erase(seen_, ended);
    }
    ended_.clear();
  }

  // Frees all rings. Neither a producer nor the backend may use any from now on.
  void clear() {
    const std::lock_guard lock(mutex_);
    for (const auto& ring : rings_) past_dropped_ += ring->ring.dropped() - ring->dropped_before;
    rings_.clear();
    spare_.clear();
  }

 private:
  static constexpr std::size_t kSpareRings = 4;

  static std::uint64_t next_number() {
    static std::atomic<std::uint64_t> last{0};
    return ++last;
  }

  LogRing& find() {
    LogRing* ring = nullptr;
    for (const log_threads::Holding& held : log_threads::holdings.all) {
      if (held.owner == number_) ring = held.ring;
    }
    if (ring == nullptr) ring = &take();
    log_threads::cached[number_ % log_threads::kCached] = {number_, ring};
    return *ring;
  }

  LogRing& take() {
    auto& all = log_threads::holdings.all;
    // A lease that only this thread still has belongs to a logger that is closed.
    std::erase_if(all, [](const log_threads::Holding& held) { return held.lease.use_count() == 1; });
    all.reserve(all.size() + 1);
    auto lease = std::make_shared<log_threads::Lease>();
    const std::lock_guard lock(mutex_);
    rings_.reserve(rings_.size() + 1);
    if (spare_.empty()) add_spare();
    std::unique_ptr<Ring> ring = std::move(spare_.back());
    spare_.pop_back();
    ring->lease = lease;
    ring->thread = log_thread_number();
    if (mapping_ != nullptr) mapping_->serve_thread(ring->ring, ring->thread);
    ring->dropped_before = ring->ring.dropped();
    LogRing& taken = ring->ring;
    rings_.push_back(std::move(ring));
    changed_ = true;
    all.push_back({number_, &taken, std::move(lease)});
    return taken;
  }

  LogRing make_ring() const {
    if (mapping_ != nullptr) return LogRing(mapping_->add_ring(ring_bytes_), hook_, context_, kind_);
    return LogRing(ring_bytes_, hook_, context_, kind_);
  }

  void add_spare() {
    // What lies in a mapping is never given back, so every ring must find its place here again.
    if (mapping_ != nullptr) spare_.reserve(rings_.size() + kSpareRings);
    std::unique_ptr<Ring> made(new Ring{.ring = make_ring(), .lease = {}});
    if (mapping_ != nullptr) mapping_->follow(made->ring);
    spare_.push_back(std::move(made));
  }

  const std::size_t ring_bytes_;
  const LogRing::Hook hook_;
  void* const context_;
  const LogRingKind kind_;
  LogMapping* const mapping_;
  const std::uint64_t number_;

  std::mutex mutex_;  // Over the members up to the next blank line.
  std::vector<std::unique_ptr<Ring>> rings_, spare_;
  std::uint64_t past_dropped_ = 0;
  bool changed_ = false;

  // The backend's own.
  std::vector<Ring*> seen_, ended_;
};

}  // namespace latencykit
