// The queue of records between an engine's thread and the thread that writes its journal.
//
// Two switches, to show what each is worth: lock-free (spsc_ring.h) or under a mutex, and records in memory that was
// allocated ahead or each in memory of its own. All four keep the order and lose nothing.
//
// Promises: bounded: begin_push() gives null when `capacity` records wait. One producer, one consumer. Lock-free and
// preallocated, a push is a few stores and asks the allocator for nothing; the consumer reads in place.
// Otherwise begin_push() may throw std::bad_alloc, and then nothing is pushed.
#pragma once

#include <bit>
#include <cstddef>
#include <memory>
#include <mutex>
#include <vector>

#include "latency/journal_record.h"
#include "latency/spsc_ring.h"

namespace latencykit {

struct JournalQueueOptions {
  std::size_t capacity = 100'000;  // records, at least 1
  bool lockfree = true;
  bool preallocated = true;
};

class JournalQueue {
 public:
  explicit JournalQueue(const JournalQueueOptions& options)
      : options_(options), positions_(options.capacity), mask_(std::bit_ceil(options.capacity) - 1) {
    if (options.preallocated) {
      records_ = std::make_unique<JournalRecord[]>(mask_ + 1);
    } else {
      owned_ = std::make_unique<std::unique_ptr<JournalRecord>[]>(mask_ + 1);
    }
  }

  // Producer: the place of the next record; null if the queue is full. After writing it: end_push().
  JournalRecord* begin_push() {
    if (!options_.lockfree) mutex_.lock();
    if (positions_.room(1) != 0) [[likely]] {
      if (options_.preallocated) [[likely]]
        return &records_[positions_.write_at() & mask_];
      if (JournalRecord* record = allocate()) return record;
    }
    if (!options_.lockfree) mutex_.unlock();
    return nullptr;
  }
  void end_push() {
    positions_.publish(1);
    if (!options_.lockfree) mutex_.unlock();
  }

  std::size_t capacity() const { return positions_.capacity(); }

  // Producer: whether so many records would find room.
  bool has_room(std::size_t records) { return positions_.room(records) == records; }

  // Consumer: calls f on up to so many records, oldest first; returns how many there were.
  template <typename F>
  std::size_t take(std::size_t most, F f) {
    return options_.lockfree ? take_in_place(most, f) : take_copies(most, f);
  }

  // Producer's side of a drain: how many were pushed.
  std::uint64_t pushed() const { return positions_.write_at(); }
  // Consumer: how many were taken.
  std::uint64_t taken() const { return positions_.read_at(); }

 private:
  static constexpr std::size_t kMostCopied = 256;

  JournalRecord* allocate() noexcept {
    std::unique_ptr<JournalRecord>& owned = owned_[positions_.write_at() & mask_];
    owned.reset(new (std::nothrow) JournalRecord);
    return owned.get();
  }

  const JournalRecord& at(std::uint64_t position) const {
    return options_.preallocated ? records_[position & mask_] : *owned_[position & mask_];
  }
  void forget(std::uint64_t position) {
    if (!options_.preallocated) owned_[position & mask_].reset();
  }

  template <typename F>
  std::size_t take_in_place(std::size_t most, F f) {
    const std::size_t there = positions_.ready(most);
    for (std::size_t i = 0; i < there; ++i) {
      f(at(positions_.read_at() + i));
      forget(positions_.read_at() + i);
    }
    if (there != 0) positions_.release(there);
    return there;
  }

  // The lock is not held while the records are used.
  template <typename F>
  std::size_t take_copies(std::size_t most, F f) {
    JournalRecord copies[kMostCopied];
    std::size_t there;
    {
      const std::lock_guard lock(mutex_);
      there = positions_.ready(std::min(most, kMostCopied));
      for (std::size_t i = 0; i < there; ++i) {
        copies[i] = at(positions_.read_at() + i);
        forget(positions_.read_at() + i);
      }
      if (there != 0) positions_.release(there);
    }
    for (std::size_t i = 0; i < there; ++i) f(copies[i]);
    return there;
  }

  const JournalQueueOptions options_;
  SpscPositions<> positions_;
  const std::size_t mask_;
  std::unique_ptr<JournalRecord[]> records_;
  std::unique_ptr<std::unique_ptr<JournalRecord>[]> owned_;
  std::mutex mutex_;
};

}  // namespace latencykit
