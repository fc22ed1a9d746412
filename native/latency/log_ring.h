// A ring of bytes between one producer thread and one consumer thread: records of any size, in order, no locks.
//
// Two kinds
//   * Bounded: a full ring refuses; what to do then is the caller's business.
//   * Overwriting: a full ring gives up its oldest records for the new one. The producer never waits for the
//     consumer, and the consumer never sees a record that was overwritten while it read it.
//
// Promises
//   * reserve() and commit() take a bounded number of steps, allocate nothing and make no system call, except
//     that `on_half_full` is called when the producer gets more than half a ring ahead, and when it is full.
//     (An overwriting ring takes a step more for each record that it gives up.)
//   * A record is contiguous and starts at a multiple of 8. One that would run over the end of the buffer
//     starts at its beginning instead, and a filler header tells the consumer to skip. Hence the longest
//     record is half the ring: a longer one might never fit, wherever the ring happens to stand.
//   * When full, a bounded ring's reserve() returns nullptr and changes nothing.
//
// Memory order, bounded
//   * The producer writes the record with plain stores, then stores the head with release; the consumer loads
//     the head with acquire, so it sees whole records only. One store covers a filler and the record behind it.
//   * The consumer stores the tail with release after it has read a record; the producer loads it with acquire
//     before it writes over those bytes.
//   * Positions count bytes since the beginning and never wrap (2^64 bytes are centuries), so full and empty
//     cannot be confused.
//
// Memory order, overwriting
//   * The record is built in the producer's own scratch memory and copied into the ring word by word, each a
//     release store. Before that, `overwritten` says up to which position bytes may change. The consumer
//     copies a record by acquire loads and looks at `overwritten` afterwards: if one word came from a later
//     store, so must the new `overwritten`, and the copy is thrown away.
//   * Each record carries its number in its last 8 bytes. What the consumer misses shows as a gap, so it alone
//     counts what was given up, and a record is either taken or counted, never both.
//   * `first_kept` is for whoever reads the words of a producer that was killed: the number of the record at
//     `overwritten`, said first, because there may be no record there to ask, when all were given up for one.
//
// Layout: the producer's and the consumer's own words lie on separate cache lines, and each side keeps a copy
// of the other's position. `limit_` folds all of the producer's checks into one comparison: the position up
// to which it may write without looking at the consumer's line again. In an overwriting ring it stays 0, so
// that the bounded path pays for the other kind with one test of a pointer in commit().
//
// Ownership: the ring owns its memory, which it touches on construction so that no page fault is left for the
// producer; or it is built over memory of somebody else, which outlives it, such as a mapped file. There the
// consumer may hold what it has read: its room is given back by release() only. Handing the producer's side to
// another thread needs a happens-before edge from the caller.
#pragma once

#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <vector>

namespace latencykit {

// What every record in the ring begins with. `size` counts the whole record in bytes, a multiple of 8.
struct LogRecordHeader {
  std::uint32_t size;
  std::uint32_t site;
  std::uint64_t ticks;
};
static_assert(sizeof(LogRecordHeader) == 16);

// Where a ring gets its words from: the hardware's, or those of a checker (native/tests/model_memory.h), under
// which the same code runs in every order that the memory model allows.
struct HardwareWords {
  using Word = std::atomic<std::uint64_t>;
  static constexpr std::size_t kLeastBytes = 4096;

  static std::uint64_t load(const Word& word, std::memory_order order) { return word.load(order); }
  static void store(Word& word, std::uint64_t value, std::memory_order order) { word.store(value, order); }

  // Words among the ring's bytes: of a bounded ring as plain memory, of an overwriting one as atomic words.
  static std::uint64_t read(const char* at) {
    std::uint64_t value;
    std::memcpy(&value, at, sizeof value);
    return value;
  }
  static void write(char* at, std::uint64_t value) { std::memcpy(at, &value, sizeof value); }
  static std::uint64_t load_at(const char* at, std::memory_order order) {
    return std::atomic_ref<std::uint64_t>(*reinterpret_cast<std::uint64_t*>(const_cast<char*>(at))).load(order);
  }
  static void store_at(char* at, std::uint64_t value, std::memory_order order) {
    std::atomic_ref<std::uint64_t>(*reinterpret_cast<std::uint64_t*>(at)).store(value, order);
  }
};

enum class LogRingKind : std::uint32_t { kBounded = 1, kOverwriting = 2 };

// The words that tell where a ring stands, apart from the ring so that they can lie in a file.
template <typename Words>
struct BasicLogRingControl {
  alignas(64) typename Words::Word published{0};    // Producer: the position after the last whole record.
  typename Words::Word dropped{0};                  // Producer: records refused by a bounded ring.
  alignas(64) typename Words::Word tail{0};         // Consumer: up to here the room is free again.
  alignas(64) typename Words::Word overwritten{0};  // Producer: before this, bytes may have changed.
  typename Words::Word first_intact{0};             // Producer: the number of the record that lies there.
  typename Words::Word first_kept{0};               // Producer: the same, stored before `overwritten`.
};
using LogRingControl = BasicLogRingControl<HardwareWords>;
static_assert(std::atomic<std::uint64_t>::is_always_lock_free);

// Memory for a ring: `bytes` is a power of two within the ring's bounds, all of it zero.
template <typename Words>
struct BasicLogRingMemory {
  BasicLogRingControl<Words>* control;
  char* data;
  std::size_t bytes;
};
using LogRingMemory = BasicLogRingMemory<HardwareWords>;

template <typename Words>
class BasicLogRing {
 public:
  using Hook = void (*)(void*);
  using Kind = LogRingKind;
  static constexpr std::uint32_t kFiller = ~std::uint32_t{0};  // A site number that stands for "skip this".
  static constexpr std::size_t kNumberBytes = 8;               // Behind each record of an overwriting ring.
  static constexpr std::size_t kLeastBytes = Words::kLeastBytes;
  static constexpr std::size_t kGreatestBytes = std::size_t{1} << 31;  // Sizes of records are 32 bits wide.

  // The next power of two, within the bounds above.
  static constexpr std::size_t rounded(std::size_t bytes) {
    return std::bit_ceil(std::clamp(bytes, kLeastBytes, kGreatestBytes));
  }
  // The longest record of a ring of that many bytes, rounded as above.
  static constexpr std::size_t longest_record(std::size_t bytes, Kind kind) {
    return rounded(bytes) / 2 - (kind == Kind::kOverwriting ? kNumberBytes : 0);
  }

  // `bytes` is rounded as above. Throws std::bad_alloc.
  explicit BasicLogRing(std::size_t bytes, Hook on_half_full = nullptr, void* context = nullptr,
                        Kind kind = Kind::kBounded)
      : size_(rounded(bytes)), hook_(on_half_full), context_(context), control_(&own_) {
    prepare(kind);
    data_ = static_cast<char*>(::operator new(size_, alignment()));
    owned_.reset(data_);
    // Large pages spare the producer most misses of the address cache; a kernel without them ignores this.
    if (size_ >= kHugePage) ::madvise(data_, size_, MADV_HUGEPAGE);
    std::memset(data_, 0, size_);
  }
  // Over memory that outlives the ring; the consumer holds what it has read until release().
  BasicLogRing(const BasicLogRingMemory<Words>& memory, Hook on_half_full, void* context, Kind kind)
      : data_(memory.data),
        size_(memory.bytes),
        hook_(on_half_full),
        context_(context),
        control_(memory.control),
        holds_(true) {
    prepare(kind);
  }
  BasicLogRing(const BasicLogRing&) = delete;
  BasicLogRing& operator=(const BasicLogRing&) = delete;

  std::size_t size() const { return size_; }
  const char* data() const { return data_; }
  bool overwrites() const { return scratch_ != nullptr; }
  std::size_t longest_record() const {
    return longest_record(size_, overwrites() ? Kind::kOverwriting : Kind::kBounded);
  }

  // Producer: room for a record of `bytes` (a multiple of 8, at most longest_record()), or nullptr when full.
  // The room stays the producer's until commit(); a second reserve() without one starts over.
  char* reserve(std::size_t bytes) {
    const std::size_t offset = head_ & (size_ - 1);
    const std::size_t to_end = size_ - offset;
    const std::size_t filler = bytes <= to_end ? 0 : to_end;
    if (head_ + filler + bytes > limit_) [[unlikely]] {
      if (overwrites()) return scratch_.get();
      if (!look_again(filler + bytes)) return nullptr;
    }
    if (filler != 0) [[unlikely]] {
      // Only size and site: at the very end there may be no more than these 8 bytes.
      Words::write(data_ + offset, first_word(filler, kFiller));
      head_ += filler;
      return data_;
    }
    return data_ + offset;
  }

  // Producer: makes the record that was written into the reserved room visible.
  void commit(std::size_t bytes) {
    if (overwrites()) [[unlikely]]
      return commit_over(bytes);
    head_ += bytes;
    Words::store(control_->published, head_, std::memory_order_release);
  }

  // Producer: whether reserve(bytes) would succeed now.
  bool has_room(std::size_t bytes) const {
    const std::size_t to_end = size_ - (head_ & (size_ - 1));
    const std::size_t need = bytes <= to_end ? bytes : to_end + bytes;
    return overwrites() || head_ + need - Words::load(control_->tail, std::memory_order_acquire) <= size_;
  }

  // Producer: counts a record that was given up because the ring was full.
  void count_dropped() {
    const std::uint64_t before = Words::load(control_->dropped, std::memory_order_relaxed);
    Words::store(control_->dropped, before + 1, std::memory_order_relaxed);
  }

  // Any thread: records given up since the ring was made, overwritten ones included.
  std::uint64_t dropped() const {
    if (!overwrites()) return Words::load(control_->dropped, std::memory_order_relaxed);
    while (true) {
      const std::uint64_t before = takes_.load(std::memory_order_acquire);
      const std::uint64_t next = next_number_.load(std::memory_order_acquire);
      const std::uint64_t skipped = skipped_.load(std::memory_order_acquire);
      const std::uint64_t intact = Words::load(control_->first_intact, std::memory_order_acquire);
      // Odd, or not what it was: the consumer is just counting.
      if (before % 2 != 0 || takes_.load(std::memory_order_relaxed) != before) continue;
      return skipped + (intact > next ? intact - next : 0);
    }
  }

  // Any thread: the position after the last record made visible.
  std::uint64_t published() const { return Words::load(control_->published, std::memory_order_acquire); }

  // Consumer: looks how far the producer has come; front() shows records up to there and no further.
  void refresh() { seen_ = published(); }

  // Consumer: the position of the next record.
  std::uint64_t position() const { return read_; }

  // Consumer: the oldest record that is not popped, or nullptr if the last refresh() showed no more. Of an
  // overwriting ring it is a copy, which counts as taken; that may throw std::bad_alloc and changes nothing then.
  const char* front() {
    if (overwrites()) return front_copied();
    while (read_ != seen_) {
      const char* record = data_ + (read_ & (size_ - 1));
      const std::uint64_t first = Words::read(record);
      if (site_of(first) != kFiller) return record;
      advance(size_of(first));
    }
    return nullptr;
  }

  // Consumer: gives the room of the record that front() returned back to the producer.
  void pop() {
    const std::uint32_t size = overwrites() ? in_hand_ : size_of(Words::read(at(read_)));
    in_hand_ = 0;
    advance(size);
  }

  // Consumer of a ring over foreign memory: gives back the room of all that was popped. held() are the bytes
  // that wait for it.
  void release() { Words::store(control_->tail, read_, std::memory_order_release); }
  std::uint64_t held() const { return read_ - Words::load(control_->tail, std::memory_order_relaxed); }
  bool holds() const { return holds_; }

  // Consumer of an overwriting ring: the number of the next record, and how many before it were missed.
  std::uint64_t next_number() const {
    return next_number_.load(std::memory_order_relaxed) - static_cast<std::uint64_t>(in_hand_ != 0);
  }
  std::uint64_t skipped() const { return skipped_.load(std::memory_order_relaxed); }

 private:
  static constexpr std::size_t kHugePage = std::size_t{2} << 20;

  struct Release {
    std::align_val_t alignment;
    void operator()(char* data) const { ::operator delete(data, alignment); }
  };

  std::align_val_t alignment() const { return std::align_val_t{size_ >= kHugePage ? kHugePage : 64}; }

  void prepare(Kind kind) {
    owned_.get_deleter().alignment = alignment();
    if (kind == Kind::kBounded) {
      limit_ = size_ / 2;
    } else {
      // Left untouched: only what a record needs of it ever takes memory.
      scratch_.reset(new char[size_ / 2]);
    }
  }

  // Off the hot path: asks the consumer's line how much room there is, and rings once past the half.
  bool look_again(std::size_t need) {
    const std::uint64_t tail = Words::load(control_->tail, std::memory_order_acquire);
    const std::uint64_t used = head_ + need - tail;
    const bool past_half = used > size_ / 2;
    limit_ = tail + (past_half ? size_ : size_ / 2);
    if (past_half && hook_ != nullptr) hook_(context_);
    return used <= size_;
  }

  // For a bounded ring over its own memory the tail follows at once.
  void advance(std::size_t bytes) {
    read_ += bytes;
    if (!holds_) release();
  }

  // --- overwriting -----------------------------------------------------------------------------------------

  char* at(std::uint64_t position) const { return data_ + (position & (size_ - 1)); }
  static constexpr std::uint32_t size_of(std::uint64_t first) { return static_cast<std::uint32_t>(first); }
  static constexpr std::uint32_t site_of(std::uint64_t first) { return static_cast<std::uint32_t>(first >> 32); }
  static constexpr std::uint64_t first_word(std::uint64_t size, std::uint32_t site) {
    return std::uint64_t{site} << 32 | size;  // Checked below against LogRecordHeader's layout.
  }
  static_assert(std::endian::native == std::endian::little, "first_word() writes LogRecordHeader's first 8 bytes");

  [[gnu::noinline]] void commit_over(std::size_t bytes) {
    const std::size_t framed = bytes + kNumberBytes;
    const std::size_t to_end = size_ - (head_ & (size_ - 1));
    const std::size_t filler = framed <= to_end ? 0 : to_end;
    make_way(filler + framed);
    if (filler != 0) {
      Words::store_at(at(head_), first_word(filler, kFiller), std::memory_order_release);
      head_ += filler;
    }
    LogRecordHeader header;
    std::memcpy(&header, scratch_.get(), sizeof header);
    Words::store_at(at(head_), first_word(framed, header.site), std::memory_order_release);
    for (std::size_t i = 8; i < bytes; i += 8) {
      std::uint64_t word;
      std::memcpy(&word, scratch_.get() + i, sizeof word);
      Words::store_at(at(head_ + i), word, std::memory_order_release);
    }
    Words::store_at(at(head_ + bytes), number_++, std::memory_order_release);
    head_ += framed;
    Words::store(control_->published, head_, std::memory_order_release);
  }

  // Producer: says which old records the next `need` bytes will cost, before any of them is touched.
  void make_way(std::size_t need) {
    const std::uint64_t end = head_ + need;
    const std::uint64_t tail = Words::load(control_->tail, std::memory_order_acquire);
    std::uint64_t intact = std::max(intact_, tail);
    if (end - intact > size_ / 2 && hook_ != nullptr) hook_(context_);
    if (end - intact_ <= size_) return;
    while (end - intact > size_) intact += size_at(intact);
    // Past fillers, to the next record or the head.
    while (intact != head_ && site_at(intact) == kFiller) intact += size_at(intact);
    intact_ = intact;
    const std::uint64_t first = intact == head_ ? number_ : number_at(intact);
    Words::store(control_->first_kept, first, std::memory_order_relaxed);
    Words::store(control_->overwritten, intact, std::memory_order_release);
    // Not before: dropped() would count records that the consumer may still take.
    Words::store(control_->first_intact, first, std::memory_order_relaxed);
  }
  std::uint32_t size_at(std::uint64_t position) const {
    return size_of(Words::load_at(at(position), std::memory_order_relaxed));
  }
  std::uint32_t site_at(std::uint64_t position) const {
    return site_of(Words::load_at(at(position), std::memory_order_relaxed));
  }
  std::uint64_t number_at(std::uint64_t position) const {
    return Words::load_at(at(position + size_at(position) - kNumberBytes), std::memory_order_relaxed);
  }

  bool lapped() const { return Words::load(control_->overwritten, std::memory_order_acquire) > read_; }

  const char* front_copied() {
    while (in_hand_ == 0) {
      read_ = std::max(read_, Words::load(control_->overwritten, std::memory_order_acquire));
      if (read_ >= seen_) return nullptr;
      const std::uint64_t first = Words::load_at(at(read_), std::memory_order_acquire);
      if (lapped()) continue;  // Then that was no header.
      const std::uint32_t size = size_of(first);
      if (site_of(first) == kFiller) {
        advance(size);
        continue;
      }
      if (copy_.size() < size / 8) copy_.resize(size / 8);
      copy_[0] = first;
      for (std::size_t i = 8; i < size; i += 8) {
        copy_[i / 8] = Words::load_at(at(read_ + i), std::memory_order_acquire);
      }
      if (lapped()) continue;
      take(size);
    }
    return reinterpret_cast<const char*>(copy_.data());
  }

  void take(std::uint32_t size) {
    in_hand_ = size;
    const std::uint64_t number = copy_[size / 8 - 1];
    const std::uint64_t missed = number - next_number_.load(std::memory_order_relaxed);
    const std::uint64_t takes = takes_.load(std::memory_order_relaxed);
    takes_.store(takes + 1, std::memory_order_relaxed);
    skipped_.store(skipped_.load(std::memory_order_relaxed) + missed, std::memory_order_release);
    next_number_.store(number + 1, std::memory_order_release);
    takes_.store(takes + 2, std::memory_order_release);
  }

  // Read by both sides, written by neither after construction, except limit_ and head_ by the producer.
  alignas(64) char* data_ = nullptr;
  std::size_t size_;
  std::uint64_t head_ = 0;   // Producer's own copy of `published`.
  std::uint64_t limit_ = 0;  // Producer may write up to here without looking.
  Hook hook_;
  void* context_;
  BasicLogRingControl<Words>* control_;
  std::unique_ptr<char[]> scratch_;  // Only of an overwriting ring.

  alignas(64) std::uint64_t number_ = 0;  // Producer's: of the next record.
  std::uint64_t intact_ = 0;              // Producer's own copy of `overwritten`.

  alignas(64) std::uint64_t read_ = 0;  // Consumer's: `tail`, and what it holds besides.
  std::uint64_t seen_ = 0;              // `published` as of the last refresh().
  std::uint32_t in_hand_ = 0;           // Bytes of the record that lies in copy_; 0 if none.
  bool holds_ = false;
  std::vector<std::uint64_t> copy_;
  std::atomic<std::uint64_t> next_number_{0}, skipped_{0}, takes_{0};

  std::unique_ptr<char[], Release> owned_;
  BasicLogRingControl<Words> own_;
};

using LogRing = BasicLogRing<HardwareWords>;

}  // namespace latencykit
