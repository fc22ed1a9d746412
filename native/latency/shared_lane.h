// One producer's way to the consumer of a ring in shared memory: two positions that survive the death of either side.
//
// Promises
//   * Every operation takes a bounded number of steps and makes no system call. Records leave in the order in which they
//     came.
//   * A side can die between any two steps, and a successor goes on from what is in shared memory. The producer's death
//     before publish() leaves nothing: what it wrote is not part of the lane and is written over. The consumer's death
//     before release() leaves the records where they are, and its successor gets them; after release() they are gone.
//   * Who the two sides are is not decided here: at any time one producer and one consumer, and a successor begins after
//     its predecessor's last step (shared_claims.h; the kernel orders the two).
//   * The other side is not trusted. What is read from shared memory is compared with what is possible before it is used,
//     and a position that cannot be ends in RingDamaged. A side's own position is private memory after it has begun.
//
// Memory order: as in spsc_ring.h. The records are written before the position is stored with release, and read after it
// was loaded with acquire; likewise the other way round before they are written over. Positions count records since the
// ring was made and never wrap (2^64).
//
// Layout: the two positions lie kApart from each other and from all else. A side looks at the other's only when what it
// knows already is not enough.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <exception>

#include "latency/atomics.h"

namespace latencykit {

// A word in shared memory has a value that no side can have stored.
struct RingDamaged : std::exception {
  const char* what() const noexcept override { return "a position in shared memory is out of range"; }
};

template <typename Atomics = HardwareAtomics>
struct LanePositions {
  using Word = typename Atomics::template Atomic<std::uint64_t>;
  alignas(kApart) Word pushed{0};
  alignas(kApart) Word popped{0};

  // How many records there were at some moment during the call.
  std::uint64_t size(std::uint64_t capacity) const {
    const std::uint64_t first = popped.load(std::memory_order_acquire);
    const std::uint64_t behind = pushed.load(std::memory_order_relaxed);
    return std::min(behind - first, capacity);  // Records popped in between, or damage, may make it too large.
  }
};

// What both sides keep in private memory: how far they are and how far the other side was when last seen.
template <typename Atomics>
class LaneSide {
 public:
  using Positions = LanePositions<Atomics>;

  std::uint64_t position() const { return next_; }
  std::uint64_t seen() const { return seen_; }

 protected:
  LaneSide(Positions* positions, std::uint64_t capacity) : positions_(positions), capacity_(capacity) {}

  // From `behind` to `ahead` there are at most as many records as fit.
  std::uint64_t distance(std::uint64_t behind, std::uint64_t ahead) const {
    const std::uint64_t records = ahead - behind;
    if (records > capacity_) [[unlikely]] {
      throw RingDamaged();
    }
    return records;
  }

  Positions* positions_;
  std::uint64_t capacity_;
  std::uint64_t next_ = 0;
  std::uint64_t seen_ = 0;
};

template <typename Atomics = HardwareAtomics>
class LaneProducer : public LaneSide<Atomics> {
 public:
  // Goes on where the last producer stopped. Throws RingDamaged, as does room().
  LaneProducer(LanePositions<Atomics>* positions, std::uint64_t capacity) : LaneSide<Atomics>(positions, capacity) {
    this->next_ = positions->pushed.load(std::memory_order_relaxed);  // Only producers store it.
    this->seen_ = positions->popped.load(std::memory_order_acquire);
    this->distance(this->seen_, this->next_);
  }

  // How many records, at most `wanted`, may be written from position() on.
  std::uint64_t room(std::uint64_t wanted) {
    std::uint64_t free = this->capacity_ - (this->next_ - this->seen_);
    if (free < wanted) {
      this->seen_ = this->positions_->popped.load(std::memory_order_acquire);
      free = this->capacity_ - this->distance(this->seen_, this->next_);
    }
    return std::min(free, wanted);
  }

  // Makes so many records visible, all at once.
  void publish(std::uint64_t count) {
    this->next_ += count;
    this->positions_->pushed.store(this->next_, std::memory_order_release);
  }
};

template <typename Atomics = HardwareAtomics>
class LaneConsumer : public LaneSide<Atomics> {
 public:
  // Goes on where the last consumer stopped. Throws RingDamaged, as does ready().
  LaneConsumer(LanePositions<Atomics>* positions, std::uint64_t capacity) : LaneSide<Atomics>(positions, capacity) {
    this->next_ = positions->popped.load(std::memory_order_relaxed);  // Only consumers store it.
    this->seen_ = positions->pushed.load(std::memory_order_acquire);
    this->distance(this->next_, this->seen_);
  }

  // How many records, at most `wanted`, may be read from position() on.
  std::uint64_t ready(std::uint64_t wanted) {
    std::uint64_t there = this->seen_ - this->next_;
    if (there < wanted) {
      this->seen_ = this->positions_->pushed.load(std::memory_order_acquire);
      there = this->distance(this->next_, this->seen_);
    }
    return std::min(there, wanted);
  }

  // How many records were known to be there at the last look.
  std::uint64_t known() const { return this->seen_ - this->next_; }

  // Gives the room of so many records back.
  void release(std::uint64_t count) {
    this->next_ += count;
    this->positions_->popped.store(this->next_, std::memory_order_release);
  }
};

}  // namespace latencykit
