// A bounded ring between one producer thread and one consumer thread.
//
// Promises
//   * Every operation takes a bounded number of steps (wait-free), allocates nothing and makes no system call.
//   * Items leave in the order in which they came. Capacity is exactly what was asked for; the memory is that of the
//     next power of two.
//   * When full, try_push() returns false and push_many() pushes what fits; when empty, try_pop() returns false.
//   * Items are copied as bytes. Whoever stores pointers to what must be released pops until the ring is empty first.
//   * One producer and one consumer at a time. Handing a side to another thread needs a happens-before edge.
//
// Memory order
//   * The producer writes items with plain stores, then stores its position with release. The consumer loads it with
//     acquire, so it sees whole items.
//   * The consumer stores its position with release after it has copied the items out. The producer loads it with
//     acquire before it writes over them.
//   * Nothing else is ordered: pushing and then finding the consumer's flag takes a fence of its own (waiting.h).
//   * Positions count items since the beginning and never wrap (2^64), so full and empty cannot be confused.
//   spsc_ring_test.cpp weakens each of the four in turn and shows what breaks.
//
// Layout: four groups of words, kApart from each other: the position that each side publishes, and each side's private
// words, which are its own position and how far it may go. A side looks at the other's line only when it may go no
// further, so a stream of items moves few lines (rigtorp's SPSCQueue gained from 27 to 41 M items/s by that). The private
// words are not on the published lines: with them there, the other side's polling takes away the line that the next push
// needs, and a round trip was seen to take twice as long (468 against 260 ticks; a bare line 234). An item to a waiting
// consumer moves two lines, the position's and then the item's: between CPUs with no cache in common that was seen
// (1,200 ticks against 880 of a bare line), between close ones it hardly is. The cells of mpmc_ring.h move one.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "latency/atomics.h"

namespace latencykit {

// The arithmetic of such a ring, for any kind of storage: what may be written and read next.
template <typename Atomics = HardwareAtomics>
class SpscPositions {
 public:
  explicit SpscPositions(std::size_t capacity) : producer_{.limit = capacity}, capacity_(capacity) {}

  std::size_t capacity() const { return capacity_; }

  // Producer: how many items, at most `wanted`, may be written from position write_at() on.
  std::size_t room(std::size_t wanted) {
    std::size_t free = static_cast<std::size_t>(producer_.limit - producer_.next);
    if (free < wanted) {
      producer_.limit = popped_.value.load(std::memory_order_acquire) + capacity_;
      free = static_cast<std::size_t>(producer_.limit - producer_.next);
    }
    return std::min(free, wanted);
  }
  std::uint64_t write_at() const { return producer_.next; }
  // Producer: makes so many more items visible.
  void publish(std::size_t count) {
    producer_.next += count;
    pushed_.value.store(producer_.next, std::memory_order_release);
  }

  // Consumer: how many items, at most `wanted`, may be read from position read_at() on.
  std::size_t ready(std::size_t wanted) {
    std::size_t there = static_cast<std::size_t>(consumer_.limit - consumer_.next);
    if (there < wanted) {
      consumer_.limit = pushed_.value.load(std::memory_order_acquire);
      there = static_cast<std::size_t>(consumer_.limit - consumer_.next);
    }
    return std::min(there, wanted);
  }
  std::uint64_t read_at() const { return consumer_.next; }
  // Consumer: gives the room of so many items back.
  void release(std::size_t count) {
    consumer_.next += count;
    popped_.value.store(consumer_.next, std::memory_order_release);
  }

  // Any thread: how many items there were at some moment during the call.
  std::size_t size() const {
    // Who sees that an item was popped sees that it was pushed, so the difference cannot be negative; items popped in
    // between may make it too large.
    const std::uint64_t popped = popped_.value.load(std::memory_order_acquire);
    const std::uint64_t pushed = pushed_.value.load(std::memory_order_relaxed);
    return std::min(static_cast<std::size_t>(pushed - popped), capacity_);
  }

 private:
  struct alignas(kApart) Published {
    typename Atomics::template Atomic<std::uint64_t> value{0};
  };
  struct alignas(kApart) Private {
    std::uint64_t next = 0;
    std::uint64_t limit;  // Up to here without another look at the other side's position.
  };

  Published pushed_;
  Private producer_;
  Published popped_;
  Private consumer_{.limit = 0};
  alignas(kApart) const std::size_t capacity_;
};

template <typename T, typename Atomics = HardwareAtomics>
class SpscRing {
 public:
  using Item = T;

  // `capacity` at least 1. Throws std::bad_alloc.
  explicit SpscRing(std::size_t capacity)
      : positions_(capacity),
        mask_(std::bit_ceil(capacity) - 1),
        slots_(std::make_unique<Slot[]>(mask_ + 1 + 2 * kGuard)) {}

  std::size_t capacity() const { return positions_.capacity(); }
  std::size_t size() const { return positions_.size(); }
  bool looks_empty() const { return size() == 0; }
  bool looks_full() const { return size() == capacity(); }

  bool try_push(T item) {
    if (positions_.room(1) == 0) return false;
    slot(positions_.write_at()).set(item);
    positions_.publish(1);
    return true;
  }

  // Pushes as many as fit, made visible all at once; returns how many.
  std::size_t push_many(const T* items, std::size_t count) {
    const std::size_t fitting = positions_.room(count);
    if (fitting == 0) return 0;
    for (std::size_t i = 0; i < fitting; ++i) slot(positions_.write_at() + i).set(items[i]);
    positions_.publish(fitting);
    return fitting;
  }

  bool try_pop(T* item) {
    if (positions_.ready(1) == 0) return false;
    *item = slot(positions_.read_at()).get();
    positions_.release(1);
    return true;
  }

  // Pops up to so many; returns how many.
  std::size_t pop_many(T* items, std::size_t most) {
    const std::size_t there = positions_.ready(most);
    if (there == 0) return 0;
    for (std::size_t i = 0; i < there; ++i) items[i] = slot(positions_.read_at() + i).get();
    positions_.release(there);
    return there;
  }

  // Calls f on every item, oldest first, until it returns non-zero. Only while no other operation runs.
  template <typename F>
  int each(F f) const {
    const std::uint64_t begin = positions_.read_at();
    for (std::uint64_t at = begin; at != positions_.write_at(); ++at) {
      if (const int stop = f(slot(at).get())) return stop;
    }
    return 0;
  }

 private:
  using Slot = typename Atomics::template Plain<T>;
  // Keeps what else is on the heap off the first and the last line.
  static constexpr std::size_t kGuard = (kApart + sizeof(Slot) - 1) / sizeof(Slot);

  Slot& slot(std::uint64_t position) { return slots_[kGuard + (position & mask_)]; }
  const Slot& slot(std::uint64_t position) const { return slots_[kGuard + (position & mask_)]; }

  SpscPositions<Atomics> positions_;
  const std::size_t mask_;
  const std::unique_ptr<Slot[]> slots_;
};

}  // namespace latencykit
