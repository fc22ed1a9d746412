// A bounded ring of records of one size, known when the ring is made, between one producer and one consumer.
//
// Promises, memory order and layout are those of spsc_ring.h. Records are copied in and out as bytes, whole batches
// with at most two memcpy calls; a record is visible only when all of it has been copied. Capacity is exact.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>

#include "latency/atomics.h"
#include "latency/spsc_ring.h"

namespace latencykit {

class RecordRing {
 public:
  // Both at least 1. Throws std::bad_alloc.
  RecordRing(std::size_t record_bytes, std::size_t capacity)
      : positions_(capacity),
        record_bytes_(record_bytes),
        slots_(std::bit_ceil(capacity)),
        data_(std::make_unique<char[]>(slots_ * record_bytes + 2 * kApart)) {}

  std::size_t capacity() const { return positions_.capacity(); }
  std::size_t record_bytes() const { return record_bytes_; }
  std::size_t size() const { return positions_.size(); }
  bool looks_empty() const { return size() == 0; }
  bool looks_full() const { return size() == capacity(); }

  // Pushes as many as fit of records that lie `stride` bytes apart; returns how many.
  std::size_t push_many(const char* records, std::ptrdiff_t stride, std::size_t count) {
    const std::size_t fitting = positions_.room(count);
    if (fitting == 0) return 0;
    if (stride == static_cast<std::ptrdiff_t>(record_bytes_)) {
      const std::size_t first = std::min(fitting, to_end(positions_.write_at()));
      std::memcpy(slot(positions_.write_at()), records, first * record_bytes_);
      std::memcpy(slot(0), records + first * record_bytes_, (fitting - first) * record_bytes_);
    } else {
      for (std::size_t i = 0; i < fitting; ++i, records += stride) {
        std::memcpy(slot(positions_.write_at() + i), records, record_bytes_);
      }
    }
    positions_.publish(fitting);
    return fitting;
  }

  bool try_push(const char* record) {
    if (positions_.room(1) == 0) return false;
    std::memcpy(slot(positions_.write_at()), record, record_bytes_);
    positions_.publish(1);
    return true;
  }

  // Copies up to so many records out, one behind the other; returns how many.
  std::size_t pop_many(char* out, std::size_t most) {
    const std::size_t there = positions_.ready(most);
    if (there == 0) return 0;
    const std::size_t first = std::min(there, to_end(positions_.read_at()));
    std::memcpy(out, slot(positions_.read_at()), first * record_bytes_);
    std::memcpy(out + first * record_bytes_, slot(0), (there - first) * record_bytes_);
    positions_.release(there);
    return there;
  }

 private:
  std::size_t to_end(std::uint64_t position) const { return slots_ - (position & (slots_ - 1)); }
  char* slot(std::uint64_t position) { return data_.get() + kApart + (position & (slots_ - 1)) * record_bytes_; }

  SpscPositions<> positions_;
  const std::size_t record_bytes_;
  const std::size_t slots_;
  const std::unique_ptr<char[]> data_;
};

}  // namespace latencykit
