// A bounded ring for any number of producers and consumers: cells with sequence numbers.
//
// After Dmitry Vyukov's bounded MPMC queue (1024cores.net, 2010). A cell's number says whose turn it is: 2p when the
// push of position p may write, 2p + 1 when the pop of position p may read, and 2(p + capacity) when that pop is done.
// Even and odd cannot be confused, so a capacity of 1 works too.
//
// Promises
//   * No operation waits for another thread, allocates or makes a system call. A try that loses a race for a position
//     tries the next one, which means that some other thread has won: the ring as a whole moves on.
//   * It is not lock-free in the strict sense. A thread that stops between taking a position and handing the cell on
//     holds up that cell: to the others the ring looks empty there (its push is not finished) or, a lap later, full (its
//     pop is not). They are told so at once and do not wait.
//   * Capacity is exactly what was asked for. A power of two is faster: other capacities take a division.
//   * Items of one producer leave in the order in which they came; between producers, in the order of positions.
//   * try_pop() returns false if the oldest position is not pushed completely, even if later ones are.
//   * When full, try_push() returns false and changes nothing.
//
// Memory order
//   * A cell's number is stored with release and loaded with acquire, both ways: the item's write is seen by its
//     reader, and the reader is done before the next lap's writer begins.
//   * The positions are relaxed: they only hand out numbers, which a compare-and-exchange does exactly once each; what
//     is read through a stale position fails its check against the cell.
//   mpmc_ring_test.cpp weakens each order in turn and shows what breaks.
//
// Layout: each position on a line of its own; cells of 16 bytes side by side (for items of up to 8 bytes), item and
// number on one line, so that one line moves per item when the consumer is close behind. Neighbouring cells share
// lines; padding each would quadruple the memory.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "latency/atomics.h"

namespace latencykit {

template <typename T, typename Atomics = HardwareAtomics>
class MpmcRing {
 public:
  using Item = T;

  // `capacity` at least 1. Throws std::bad_alloc.
  explicit MpmcRing(std::size_t capacity)
      : capacity_(capacity),
        mask_(std::has_single_bit(capacity) ? capacity - 1 : kNoMask),
        cells_(std::make_unique<Cell[]>(capacity + 2 * kGuard)) {
    for (std::size_t i = 0; i < capacity; ++i) cell(i).sequence.store(2 * i, std::memory_order_relaxed);
  }

  std::size_t capacity() const { return capacity_; }

  // Any thread: how many items there were at about this moment, those being pushed and popped included.
  std::size_t size() const {
    const std::uint64_t popped = pop_at_.value.load(std::memory_order_relaxed);
    const std::uint64_t pushed = push_at_.value.load(std::memory_order_relaxed);
    return pushed < popped ? 0 : std::min(static_cast<std::size_t>(pushed - popped), capacity_);
  }

  // Whether a try_pop() or try_push() would fail now.
  bool looks_empty() const {
    const std::uint64_t at = pop_at_.value.load(std::memory_order_relaxed);
    return before(cell(at).sequence.load(std::memory_order_relaxed), 2 * at + 1);
  }
  bool looks_full() const {
    const std::uint64_t at = push_at_.value.load(std::memory_order_relaxed);
    return before(cell(at).sequence.load(std::memory_order_relaxed), 2 * at);
  }

  bool try_push(T item) {
    std::uint64_t at = push_at_.value.load(std::memory_order_relaxed);
    for (;;) {
      Cell& mine = cell(at);
      const std::uint64_t sequence = mine.sequence.load(std::memory_order_acquire);
      if (sequence == 2 * at) {
        if (take(push_at_, &at)) {
          mine.item.set(item);
          mine.sequence.store(2 * at + 1, std::memory_order_release);
          return true;
        }
      } else if (before(sequence, 2 * at)) {
        return false;
      } else {
        at = push_at_.value.load(std::memory_order_relaxed);
      }
    }
  }

  bool try_pop(T* item) {
    std::uint64_t at = pop_at_.value.load(std::memory_order_relaxed);
    for (;;) {
      Cell& mine = cell(at);
      const std::uint64_t sequence = mine.sequence.load(std::memory_order_acquire);
      if (sequence == 2 * at + 1) {
        if (take(pop_at_, &at)) {
          *item = mine.item.get();
          mine.sequence.store(2 * (at + capacity_), std::memory_order_release);
          return true;
        }
      } else if (before(sequence, 2 * at + 1)) {
        return false;
      } else {
        at = pop_at_.value.load(std::memory_order_relaxed);
      }
    }
  }

  // One by one, so that a cell held up by another thread stops the batch there and not before it.
  std::size_t push_many(const T* items, std::size_t count) {
    std::size_t done = 0;
    while (done < count && try_push(items[done])) ++done;
    return done;
  }
  std::size_t pop_many(T* items, std::size_t most) {
    std::size_t done = 0;
    while (done < most && try_pop(&items[done])) ++done;
    return done;
  }

  // Calls f on every item, oldest first, until it returns non-zero. Only while no other operation runs.
  template <typename F>
  int each(F f) const {
    const std::uint64_t end = push_at_.value.load(std::memory_order_relaxed);
    for (std::uint64_t at = pop_at_.value.load(std::memory_order_relaxed); at != end; ++at) {
      if (const int stop = f(cell(at).item.get())) return stop;
    }
    return 0;
  }

 private:
  struct Cell {
    typename Atomics::template Atomic<std::uint64_t> sequence{0};
    typename Atomics::template Plain<T> item;
  };
  struct alignas(kApart) Position {
    typename Atomics::template Atomic<std::uint64_t> value{0};
  };
  static constexpr std::size_t kNoMask = ~std::size_t{0};
  static constexpr std::size_t kGuard = (kApart + sizeof(Cell) - 1) / sizeof(Cell);

  static bool before(std::uint64_t a, std::uint64_t b) { return static_cast<std::int64_t>(a - b) < 0; }

  // Takes position *at for the caller, or learns the present one.
  static bool take(Position& position, std::uint64_t* at) {
    return position.value.compare_exchange_strong(*at, *at + 1, std::memory_order_relaxed, std::memory_order_relaxed);
  }

  std::size_t index(std::uint64_t position) const {
    return kGuard + static_cast<std::size_t>(mask_ != kNoMask ? position & mask_ : position % capacity_);
  }
  Cell& cell(std::uint64_t position) { return cells_[index(position)]; }
  const Cell& cell(std::uint64_t position) const { return cells_[index(position)]; }

  Position push_at_;
  Position pop_at_;
  alignas(kApart) const std::size_t capacity_;
  const std::size_t mask_;
  const std::unique_ptr<Cell[]> cells_;
};

}  // namespace latencykit
