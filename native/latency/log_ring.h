// A ring of bytes between one producer thread and one consumer thread: records of any size, in order, no locks.
//
// Promises
//   * reserve() and commit() take a bounded number of steps, allocate nothing and make no system call, except
//     that `on_half_full` is called when the producer gets more than half a ring ahead, and when it is full.
//   * A record is contiguous and starts at a multiple of 8. One that would run over the end of the buffer
//   starts
//     at its beginning instead, and a filler header tells the consumer to skip. Hence the longest record is
//     half the ring: a longer one might never fit, wherever the ring happens to stand.
//   * When full: reserve() returns nullptr and changes nothing; what to do then is the caller's business.
//
// Memory order
//   * The producer writes the record with plain stores, then stores the head with release; the consumer loads
//   the
//     head with acquire, so it sees whole records only. One store covers a filler and the record behind it.
//   * The consumer stores the tail with release after it has read a record; the producer loads it with
//   acquire
//     before it writes over those bytes.
//   * Positions count bytes since the beginning and never wrap (2^64 bytes are centuries), so full and empty
//     cannot be confused.
//
// Layout: the producer's and the consumer's own words lie on separate cache lines, and each side keeps a copy
// of the other's position. `limit_` folds all of the producer's checks into one comparison: the position up
// to which it may write without looking at the consumer's line again.
//
// Ownership: the ring owns its memory, which it touches on construction so that no page fault is left for the
// producer. Handing the producer's side to another thread needs a happens-before edge from the caller.
#pragma once

#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>

namespace latencykit {

// What every record in the ring begins with. `size` counts the whole record in bytes, a multiple of 8.
struct LogRecordHeader {
  std::uint32_t size;
  std::uint32_t site;
  std::uint64_t ticks;
};
static_assert(sizeof(LogRecordHeader) == 16);

class LogRing {
 public:
  using Hook = void (*)(void*);
  static constexpr std::uint32_t kFiller = ~std::uint32_t{0};  // A site number that stands for "skip this".
  static constexpr std::size_t kLeastBytes = 4096;
  static constexpr std::size_t kGreatestBytes = std::size_t{1} << 31;  // Sizes of records are 32 bits wide.

  // The next power of two, within the bounds above.
  static constexpr std::size_t rounded(std::size_t bytes) {
    return std::bit_ceil(std::clamp(bytes, kLeastBytes, kGreatestBytes));
  }

  // `bytes` is rounded as above. Throws std::bad_alloc.
  explicit LogRing(std::size_t bytes, Hook on_half_full = nullptr, void* context = nullptr)
      : size_(rounded(bytes)), limit_(size_ / 2), hook_(on_half_full), context_(context) {
    data_ = static_cast<char*>(::operator new(size_, alignment()));
    // Large pages spare the producer most misses of the address cache; a kernel without them ignores this.
    if (size_ >= kHugePage) ::madvise(data_, size_, MADV_HUGEPAGE);
    std::memset(data_, 0, size_);
  }
  ~LogRing() { ::operator delete(data_, alignment()); }
  LogRing(const LogRing&) = delete;
  LogRing& operator=(const LogRing&) = delete;

  std::size_t size() const { return size_; }
  std::size_t longest_record() const { return size_ / 2; }

  // Producer: room for a record of `bytes` (a multiple of 8, at most longest_record()), or nullptr when full.
  // The room stays the producer's until commit(); a second reserve() without one starts over.
  char* reserve(std::size_t bytes) {
    const std::size_t offset = head_ & (size_ - 1);
    const std::size_t to_end = size_ - offset;
    const std::size_t filler = bytes <= to_end ? 0 : to_end;
    if (head_ + filler + bytes > limit_) [[unlikely]] {
      if (!look_again(filler + bytes)) return nullptr;
    }
    if (filler != 0) [[unlikely]] {
      // Only size and site: at the very end there may be no more than these 8 bytes.
      const std::uint32_t skip[2] = {static_cast<std::uint32_t>(filler), kFiller};
      std::memcpy(data_ + offset, skip, sizeof skip);
      head_ += filler;
      return data_;
    }
    return data_ + offset;
  }

  // Producer: makes the record that was written into the reserved room visible.
  void commit(std::size_t bytes) {
    head_ += bytes;
    published_.store(head_, std::memory_order_release);
  }

  // Producer: whether reserve(bytes) would succeed now.
  bool has_room(std::size_t bytes) const {
    const std::size_t to_end = size_ - (head_ & (size_ - 1));
    const std::size_t need = bytes <= to_end ? bytes : to_end + bytes;
    return head_ + need - tail_.load(std::memory_order_acquire) <= size_;
  }

  // Producer: counts a record that was given up because the ring was full.
  void count_dropped() { dropped_.store(dropped_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed); }

  // Any thread: records given up since the ring was made.
  std::uint64_t dropped() const { return dropped_.load(std::memory_order_relaxed); }

  // Any thread: the position after the last record made visible.
  std::uint64_t published() const { return published_.load(std::memory_order_acquire); }

  // Consumer: looks how far the producer has come; front() shows records up to there and no further.
  void refresh() { seen_ = published(); }

  // Consumer: the position of the next record.
  std::uint64_t position() const { return read_; }

  // Consumer: the oldest record that is not popped, or nullptr if the last refresh() showed no more.
  const char* front() {
    while (read_ != seen_) {
      const char* record = data_ + (read_ & (size_ - 1));
      LogRecordHeader header;
      std::memcpy(&header, record, 8);
      if (header.site != kFiller) return record;
      advance(header.size);
    }
    return nullptr;
  }

  // Consumer: gives the room of the record that front() returned back to the producer.
  void pop() {
    std::uint32_t size;
    std::memcpy(&size, data_ + (read_ & (size_ - 1)), sizeof size);
    advance(size);
  }

 private:
  static constexpr std::size_t kHugePage = std::size_t{2} << 20;

  std::align_val_t alignment() const { return std::align_val_t{size_ >= kHugePage ? kHugePage : 64}; }

  // Off the hot path: asks the consumer's line how much room there is, and rings once past the half.
  bool look_again(std::size_t need) {
    const std::uint64_t tail = tail_.load(std::memory_order_acquire);
    const std::uint64_t used = head_ + need - tail;
    const bool past_half = used > size_ / 2;
    limit_ = tail + (past_half ? size_ : size_ / 2);
    if (past_half && hook_ != nullptr) hook_(context_);
    return used <= size_;
  }

  void advance(std::size_t bytes) {
    read_ += bytes;
    tail_.store(read_, std::memory_order_release);
  }

  // Read by both sides, written by neither after construction, except limit_ and head_ by the producer.
  alignas(64) char* data_;
  std::size_t size_;
  std::uint64_t head_ = 0;  // Producer's own copy of published_.
  std::uint64_t limit_;     // Producer may write up to here without looking.
  Hook hook_;
  void* context_;
  std::atomic<std::uint64_t> dropped_{0};

  alignas(64) std::atomic<std::uint64_t> published_{0};

  alignas(64) std::atomic<std::uint64_t> tail_{0};
  std::uint64_t read_ = 0;  // Consumer's own copy of tail_.
  std::uint64_t seen_ = 0;  // published_ as of the last refresh().
};

}  // namespace latencykit
