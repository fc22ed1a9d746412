// An unbounded queue for any number of producers and consumers: linked segments of numbered cells.
//
// Positions count items since the beginning. A segment covers kItems positions in a row, from its base on. Every cell
// has a number as in mpmc_ring.h: 2p when the push of position p may write, 2p + 1 when its pop may read, 2p + 2 when
// that pop is done. A segment that is done with is given a new base, and its cells the numbers of new positions.
//
// Promises
//   * try_push() fails only by std::bad_alloc; try_pop() returns false if the oldest position is not pushed completely.
//   * Inside a segment no operation waits: a try that loses a race for a position tries the next one, as in mpmc_ring.h,
//     with the same reservation about threads that stop in the middle. At the end of a segment, once in kItems
//     operations a side, a mutex is taken to link, step on and recycle; a thread that stops there stops the others that
//     come to the end. So: non-blocking in the common case, not lock-free.
//   * Segments are recycled, oldest first, as soon as all of their pops are done: a queue whose length stays bounded
//     allocates nothing once it has that many segments. Memory goes back to the system when the queue goes.
//   * Items of one producer leave in the order in which they came.
//
// Why recycling is safe without hazard pointers or epochs: segments are never freed while the queue lives, and no
// position comes twice. A thread that still looks at a segment that has moved on finds a number that is not the one of
// its position, and starts over. If it finds the number of its position and then takes the position, nobody had taken
// it before; so the segment that was made for it is not done with, and it is this one.
//
// Memory order
//   * Cell numbers: release and acquire both ways, as in mpmc_ring.h; also the new numbers of a recycled segment, for
//     whom they alone tell that the old items were read.
//   * The pointers to the first and the last segment: release and acquire, for the segment's own words. A base is
//     relaxed: it only says where to look, and what is found there is checked by its number.
//   * Positions: relaxed, for the reason given in mpmc_ring.h.
//   segmented_queue_test.cpp weakens each order in turn and shows what breaks.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "latency/atomics.h"

namespace latencykit {

template <typename T, typename Atomics = HardwareAtomics, std::size_t kItems = 512>
class SegmentedQueue {
 public:
  using Item = T;

  // Throws std::bad_alloc.
  SegmentedQueue() {
    Segment* first = new_segment(0);
    push_in_.value.store(first, std::memory_order_relaxed);
    pop_in_.value.store(first, std::memory_order_relaxed);
  }

  // Any thread: how many items there were at about this moment, those being pushed and popped included.
  std::size_t size() const {
    const std::uint64_t popped = pop_at_.value.load(std::memory_order_relaxed);
    const std::uint64_t pushed = push_at_.value.load(std::memory_order_relaxed);
    return pushed < popped ? 0 : static_cast<std::size_t>(pushed - popped);
  }
  bool looks_empty() const { return size() == 0; }
  bool looks_full() const { return false; }

  // Segments that were ever allocated.
  std::size_t segments() const {
    const std::lock_guard<typename Atomics::Mutex> lock(mutex_);
    return segments_.size();
  }

  // True; throws std::bad_alloc when a new segment is needed and refused, and then nothing has changed.
  bool try_push(T item) {
    std::uint64_t at = push_at_.value.load(std::memory_order_relaxed);
    for (;;) {
      Segment* segment = push_in_.value.load(std::memory_order_acquire);
      const std::uint64_t offset = at - segment->base.load(std::memory_order_relaxed);
      if (offset < kItems) {
        Cell& mine = segment->cells[offset];
        if (mine.sequence.load(std::memory_order_acquire) == 2 * at) {
          if (!take(push_at_, &at)) continue;
          mine.item.set(item);
          mine.sequence.store(2 * at + 1, std::memory_order_release);
          return true;
        }
      } else if (offset == kItems) {
        link_segment_for(at);
      }
      at = push_at_.value.load(std::memory_order_relaxed);
    }
  }

  bool try_pop(T* item) {
    std::uint64_t at = pop_at_.value.load(std::memory_order_relaxed);
    for (;;) {
      Segment* segment = pop_in_.value.load(std::memory_order_acquire);
      const std::uint64_t offset = at - segment->base.load(std::memory_order_relaxed);
      if (offset < kItems) {
        Cell& mine = segment->cells[offset];
        const std::uint64_t sequence = mine.sequence.load(std::memory_order_acquire);
        if (sequence == 2 * at + 1) {
          if (!take(pop_at_, &at)) continue;
          *item = mine.item.get();
          mine.sequence.store(2 * at + 2, std::memory_order_release);
          return true;
        }
        if (sequence == 2 * at) return false;
      } else if (offset == kItems && !step_on_to(at)) {
        return false;
      }
      at = pop_at_.value.load(std::memory_order_relaxed);
    }
  }

  std::size_t push_many(const T* items, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) try_push(items[i]);
    return count;
  }
  std::size_t pop_many(T* items, std::size_t most) {
    std::size_t done = 0;
    while (done < most && try_pop(&items[done])) ++done;
    return done;
  }

  // Calls f on every item, oldest first, until it returns non-zero. Only while no other operation runs.
  template <typename F>
  int each(F f) const {
    const Segment* segment = pop_in_.value.load(std::memory_order_relaxed);
    std::uint64_t base = segment->base.load(std::memory_order_relaxed);
    const std::uint64_t end = push_at_.value.load(std::memory_order_relaxed);
    for (std::uint64_t at = pop_at_.value.load(std::memory_order_relaxed); at != end; ++at) {
      if (at - base == kItems) {
        segment = segment->next;
        base += kItems;
      }
      if (const int stop = f(segment->cells[at - base].item.get())) return stop;
    }
    return 0;
  }

 private:
  template <typename U>
  using Atomic = typename Atomics::template Atomic<U>;

  struct Cell {
    Atomic<std::uint64_t> sequence{0};
    typename Atomics::template Plain<T> item;
  };
  struct Segment {
    Atomic<std::uint64_t> base{0};
    Segment* next = nullptr;  // Guarded by the mutex: the one behind it, or, once done with, the next to recycle.
    alignas(kApart) std::array<Cell, kItems> cells;
  };
  template <typename U>
  struct alignas(kApart) Line {
    Atomic<U> value{0};
  };

  static bool take(Line<std::uint64_t>& position, std::uint64_t* at) {
    return position.value.compare_exchange_strong(*at, *at + 1, std::memory_order_relaxed, std::memory_order_relaxed);
  }

  // Links a segment that begins at this position, unless another thread has.
  [[gnu::noinline]] void link_segment_for(std::uint64_t at) {
    const std::lock_guard<typename Atomics::Mutex> lock(mutex_);
    Segment* last = push_in_.value.load(std::memory_order_relaxed);
    if (last->base.load(std::memory_order_relaxed) + kItems != at) return;
    Segment* added = recycled_segment(at);
    if (added == nullptr) added = new_segment(at);
    last->next = added;
    push_in_.value.store(added, std::memory_order_release);
  }

  // Makes the segment that begins at this position the first, unless another thread has; false if there is none yet.
  [[gnu::noinline]] bool step_on_to(std::uint64_t at) {
    const std::lock_guard<typename Atomics::Mutex> lock(mutex_);
    Segment* first = pop_in_.value.load(std::memory_order_relaxed);
    if (first->base.load(std::memory_order_relaxed) + kItems != at) return true;
    if (first->next == nullptr) return false;
    pop_in_.value.store(first->next, std::memory_order_release);
    first->next = nullptr;
    (retired_first_ == nullptr ? retired_first_ : retired_last_->next) = first;
    retired_last_ = first;
    return true;
  }

  // The segment that was stepped over longest ago, if all of its pops are done; made ready for these positions.
  Segment* recycled_segment(std::uint64_t base) {
    Segment* oldest = retired_first_;
    if (oldest == nullptr) return nullptr;
    const std::uint64_t old_base = oldest->base.load(std::memory_order_relaxed);
    for (std::size_t i = 0; i < kItems; ++i) {
      if (oldest->cells[i].sequence.load(std::memory_order_acquire) != 2 * (old_base + i) + 2) return nullptr;
    }
    retired_first_ = oldest->next;
    number(oldest, base);
    return oldest;
  }

  Segment* new_segment(std::uint64_t base) {
    segments_.push_back(std::make_unique<Segment>());
    number(segments_.back().get(), base);
    return segments_.back().get();
  }

  static void number(Segment* segment, std::uint64_t base) {
    segment->next = nullptr;
    segment->base.store(base, std::memory_order_relaxed);
    for (std::size_t i = 0; i < kItems; ++i) {
      segment->cells[i].sequence.store(2 * (base + i), std::memory_order_release);
    }
  }

  Line<std::uint64_t> push_at_;
  Line<Segment*> push_in_;
  Line<std::uint64_t> pop_at_;
  Line<Segment*> pop_in_;
  alignas(kApart) mutable typename Atomics::Mutex mutex_;
  std::vector<std::unique_ptr<Segment>> segments_;  // All of them; with what follows, guarded by the mutex.
  Segment* retired_first_ = nullptr;
  Segment* retired_last_ = nullptr;
};

}  // namespace latencykit
