// A fixed-depth level-2 order book of one symbol in one block of memory: one writer, any number of readers.
//
// Promises:
// - A side holds at most `depth` price levels, best first: bids by falling price, asks by rising price, no price
//   twice, every quantity above 0. The rows behind them are empty: price NaN, quantity 0.
// - update() sets the quantity of a price; 0 removes the level. A new level is inserted in order, and what it pushes
//   beyond the depth is forgotten, as is a level that would lie beyond it. So after a removal the side shows one
//   level less until the feed sends the level that moves up, as feeds of fixed depth do.
// - Nothing is checked between the sides: feeds cross and lock for moments, and the book shows what the feed says.
// - Every change is one write of a sequence lock (sequence_lock.h): a reader gets the book before it or after it. A
//   whole batch may be one write. An update that changes nothing is none.
// - Updating takes at most depth steps to find the level and depth steps to move the others, from the best level on,
//   where updates cluster; it allocates nothing, waits for nobody and makes no system call.
// - Readers never write to the block, so that it may be mapped read-only. They trust nothing in it: counts beyond the
//   depth are reported, and never followed.
//
// Layout: one block without pointers, the same for a book in this process and in shared memory. Line 0 says what it is
// and does not change; line 1 is the symbol; line 2 has the words that every update writes: the sequence number and
// the counts. Each side starts a line of its own with its best level. A level is price and quantity side by side, so
// that the best one is read from one line, and so that a side is what NumPy calls a structured array. All that changes
// is aligned 8-byte atomics, stored and loaded relaxed: the order comes from the lock.
//
// Ownership: BookReader and BookWriter borrow the block, and read what cannot change from it once.
#pragma once

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <new>
#include <string_view>

#include "latency/sequence_lock.h"

namespace latencykit {

enum class BookSide : std::uint8_t { kBid = 0, kAsk = 1 };

// A level as a reader holds it.
struct BookLevel {
  double price;
  std::int64_t quantity;
};

inline constexpr BookLevel kNoLevel{std::numeric_limits<double>::quiet_NaN(), 0};

struct SharedLevel {
  std::atomic<double> price;
  std::atomic<std::int64_t> quantity;

  BookLevel load() const noexcept {
    return {price.load(std::memory_order_relaxed), quantity.load(std::memory_order_relaxed)};
  }
  void store(BookLevel level) noexcept {
    price.store(level.price, std::memory_order_relaxed);
    quantity.store(level.quantity, std::memory_order_relaxed);
  }
};
static_assert(sizeof(SharedLevel) == sizeof(BookLevel) && sizeof(BookLevel) == 16);
static_assert(std::atomic<double>::is_always_lock_free && std::atomic<std::int64_t>::is_always_lock_free);

struct BookHeader {
  static constexpr std::uint64_t kMagic = 0x6b6f6f42'74614c6b;  // "kLatBook", read as bytes.
  static constexpr std::uint32_t kLayout = 1;                   // To be raised with every change of the block.
  static constexpr std::size_t kSymbolBytes = 64;               // With a zero at the end.

  std::atomic<std::uint64_t> magic;  // Stored last, so that a block half made is none.
  std::uint32_t layout;
  std::uint32_t depth;
  std::uint64_t bytes;
  std::atomic<std::int64_t> writer_pid;  // For messages; who the writer is, the claim on the memory says.

  alignas(64) char symbol[kSymbolBytes];

  alignas(64) SequenceLock<> lock;
  std::atomic<std::uint64_t> counts[2];
  std::atomic<std::uint64_t> updates;
};
static_assert(sizeof(BookHeader) == 192);

namespace book_block {

inline constexpr std::size_t kMaxDepth = 10'000;
inline constexpr std::size_t kLongestSymbol = BookHeader::kSymbolBytes - 1;

constexpr std::size_t side_bytes(std::size_t depth) { return (depth * sizeof(SharedLevel) + 63) / 64 * 64; }

constexpr std::size_t bytes_for(std::size_t depth) { return sizeof(BookHeader) + 2 * side_bytes(depth); }

inline std::byte* levels_of(BookHeader* header, BookSide side, std::size_t depth) {
  const std::size_t before = side == BookSide::kBid ? 0 : side_bytes(depth);
  return reinterpret_cast<std::byte*>(header) + sizeof(BookHeader) + before;
}

// Makes an empty book of `bytes_for(depth)` bytes at `memory`, which is aligned to a cache line.
inline BookHeader* format(void* memory, std::size_t depth, std::string_view symbol) {
  auto* header = ::new (memory) BookHeader{};
  header->layout = BookHeader::kLayout;
  header->depth = static_cast<std::uint32_t>(depth);
  header->bytes = bytes_for(depth);
  std::memcpy(header->symbol, symbol.data(), std::min(symbol.size(), kLongestSymbol));
  for (BookSide side : {BookSide::kBid, BookSide::kAsk}) {
    std::byte* levels = levels_of(header, side, depth);
    for (std::size_t i = 0; i < depth; ++i) (::new (levels + i * sizeof(SharedLevel)) SharedLevel)->store(kNoLevel);
  }
  header->magic.store(BookHeader::kMagic, std::memory_order_release);
  return header;
}

// Up to the zero that check() saw, or the room's end if somebody overwrote that meanwhile.
inline std::string_view symbol_of(const BookHeader* header) noexcept {
  return {header->symbol, strnlen(header->symbol, kLongestSymbol)};
}

// What is wrong with a block that somebody else made.
enum class Fault : std::uint8_t { kNone, kForeign, kOtherLayout, kDamaged };

inline Fault check(const void* memory, std::size_t bytes) {
  if (bytes < sizeof(BookHeader)) return Fault::kForeign;
  const auto* header = static_cast<const BookHeader*>(memory);
  if (header->magic.load(std::memory_order_acquire) != BookHeader::kMagic) return Fault::kForeign;
  if (header->layout != BookHeader::kLayout) return Fault::kOtherLayout;
  if (header->depth < 1 || header->depth > kMaxDepth) return Fault::kDamaged;
  if (header->bytes != bytes_for(header->depth) || header->bytes > bytes) return Fault::kDamaged;
  const bool ends = std::memchr(header->symbol, 0, BookHeader::kSymbolBytes) != nullptr;
  return ends && header->symbol[0] != 0 ? Fault::kNone : Fault::kDamaged;
}

}  // namespace book_block

// The first argument of an update that no feed would send.
enum class UpdateFault : std::uint8_t { kNone, kSide, kPrice, kQuantity };

// Prices below zero are real (power, oil futures in April 2020, spreads between contracts) and the book repeats what
// the feed says; infinity and NaN have no place in an order.
inline UpdateFault check_update(std::int64_t side, double price, std::int64_t quantity) {
  // As an unsigned number a negative one is too large as well. NaN fails the comparison.
  if (static_cast<std::uint64_t>(side) > static_cast<std::uint64_t>(BookSide::kAsk)) return UpdateFault::kSide;
  if (!(std::fabs(price) <= std::numeric_limits<double>::max())) return UpdateFault::kPrice;
  return quantity < 0 ? UpdateFault::kQuantity : UpdateFault::kNone;
}

// Room for a copy of a book that the reader owns; rows behind the counts are always empty.
struct BookCopy {
  BookLevel* levels[2];
  std::size_t counts[2] = {0, 0};
  std::size_t used[2] = {0, 0};  // Rows from here on are empty, whatever became of the last try.
  std::uint64_t version = 0;

  // `rows` has room for twice the depth.
  BookCopy(BookLevel* rows, std::size_t depth) : levels{rows, rows + depth} {
    std::fill(rows, rows + 2 * depth, kNoLevel);
  }

  void keep(std::size_t bids, std::size_t asks) noexcept {
    const std::size_t kept[2] = {bids, asks};
    for (int side : {0, 1}) {
      for (std::size_t i = kept[side]; i < used[side]; ++i) levels[side][i] = kNoLevel;
      counts[side] = used[side] = kept[side];
    }
  }

  // Leaves an empty book rather than half a copy.
  void clear() noexcept {
    keep(0, 0);
    version = 0;
  }
};

enum class ReadResult : std::uint8_t { kDone, kBusy, kDamaged };

class BookReader {
 public:
  explicit BookReader(BookHeader* header)
      : header_(header),
        depth_(header->depth),
        levels_{shared_levels(header, BookSide::kBid, depth_), shared_levels(header, BookSide::kAsk, depth_)} {}

  std::size_t depth() const noexcept { return depth_; }
  std::string_view symbol() const noexcept { return book_block::symbol_of(header_); }
  std::uint64_t updates() const noexcept { return header_->updates.load(std::memory_order_relaxed); }
  std::int64_t writer_pid() const noexcept { return header_->writer_pid.load(std::memory_order_relaxed); }
  // The live rows of a side.
  const SharedLevel* levels(BookSide side) const noexcept { return levels_[static_cast<int>(side)]; }
  // The lock's number now: odd while a write is open.
  std::uint64_t number() const noexcept { return header_->lock.begin_read(); }
  // How often the book was published.
  std::uint64_t version() const noexcept { return SequenceLock<>::version_of(number()); }

  // One try to run f(counts, levels) on a book that does not change meanwhile; if the answer is not kDone, what f
  // found is to be thrown away. `counts` are never above the depth.
  template <typename F>
  ReadResult try_read(std::uint64_t* version, F f) const {
    const std::uint64_t begun = header_->lock.begin_read();
    if (SequenceLock<>::is_writing(begun)) return ReadResult::kBusy;
    const std::uint64_t bids = header_->counts[0].load(std::memory_order_relaxed);
    const std::uint64_t asks = header_->counts[1].load(std::memory_order_relaxed);
    const bool damaged = bids > depth_ || asks > depth_;
    const std::size_t counts[2] = {damaged ? 0 : bids, damaged ? 0 : asks};
    f(counts, levels_);
    if (!header_->lock.end_read(begun)) return ReadResult::kBusy;
    *version = SequenceLock<>::version_of(begun);
    return damaged ? ReadResult::kDamaged : ReadResult::kDone;
  }

  // One try to copy the whole book.
  ReadResult try_copy(BookCopy* copy) const {
    std::size_t found[2] = {0, 0};
    const ReadResult result = try_read(&copy->version, [&](const std::size_t* counts, SharedLevel* const* levels) {
      for (int side : {0, 1}) {
        found[side] = counts[side];
        copy->used[side] = std::max(copy->used[side], counts[side]);
        for (std::size_t i = 0; i < counts[side]; ++i) copy->levels[side][i] = levels[side][i].load();
      }
    });
    if (result == ReadResult::kDone) copy->keep(found[0], found[1]);
    return result;
  }

 protected:
  static SharedLevel* shared_levels(BookHeader* header, BookSide side, std::size_t depth) {
    return reinterpret_cast<SharedLevel*>(book_block::levels_of(header, side, depth));
  }

  BookHeader* header_;
  std::size_t depth_;
  SharedLevel* levels_[2];
};

class BookWriter : public BookReader {
 public:
  // Takes the book over as it is, also from a writer that died in the middle of a write: what is there is shown to
  // nobody again, because the book is cleared first.
  BookWriter(BookHeader* header, std::int64_t pid) : BookReader(header), updates_(BookReader::updates()) {
    header_->writer_pid.store(pid, std::memory_order_relaxed);
    counts_[0] = counts_[1] = depth_;  // After a death the counts in the block may be anything.
    if (number() != 0) {
      clear();
    } else {
      counts_[0] = counts_[1] = 0;
    }
  }

  // The arguments are what check_update() lets pass.
  void update(BookSide side, double price, std::int64_t quantity) noexcept {
    header_->updates.store(++updates_, std::memory_order_relaxed);
    if (side == BookSide::kBid) {
      publish<BookSide::kBid>(price, quantity);
    } else {
      publish<BookSide::kAsk>(price, quantity);
    }
  }

  // Runs f(change) as one write, where change(side, price, quantity) is as update().
  template <typename F>
  void batch(F f) noexcept {
    const std::uint64_t odd = header_->lock.begin_write();
    f([this](BookSide side, double price, std::int64_t quantity) {
      ++updates_;
      if (side == BookSide::kBid) {
        change_if_seen<BookSide::kBid>(price, quantity);
      } else {
        change_if_seen<BookSide::kAsk>(price, quantity);
      }
    });
    header_->lock.end_write(odd);
    header_->updates.store(updates_, std::memory_order_relaxed);
  }

  void clear() noexcept {
    const std::uint64_t odd = header_->lock.begin_write();
    for (int side : {0, 1}) {
      for (std::size_t i = 0; i < counts_[side]; ++i) levels_[side][i].store(kNoLevel);
      set_count(side, 0);
    }
    header_->lock.end_write(odd);
  }

 private:
  // Where a price is or belongs.
  struct Place {
    std::size_t at;
    bool found;
  };

  template <BookSide kSide>
  Place find(double price) const noexcept {
    const SharedLevel* levels = levels_[static_cast<int>(kSide)];
    const std::size_t count = counts_[static_cast<int>(kSide)];
    for (std::size_t i = 0; i < count; ++i) {
      const double here = levels[i].price.load(std::memory_order_relaxed);
      const bool better = kSide == BookSide::kBid ? here > price : here < price;
      if (!better) return {i, here == price};
    }
    return {count, false};
  }

  bool is_seen(Place place, std::int64_t quantity) const noexcept {
    return place.found || (quantity != 0 && place.at < depth_);
  }

  template <BookSide kSide>
  void publish(double price, std::int64_t quantity) noexcept {
    const Place place = find<kSide>(price);
    if (!is_seen(place, quantity)) return;
    const std::uint64_t odd = header_->lock.begin_write();
    change(static_cast<int>(kSide), place, {price, quantity});
    header_->lock.end_write(odd);
  }

  template <BookSide kSide>
  void change_if_seen(double price, std::int64_t quantity) noexcept {
    const Place place = find<kSide>(price);
    if (is_seen(place, quantity)) change(static_cast<int>(kSide), place, {price, quantity});
  }

  void change(int side, Place place, BookLevel level) noexcept {
    SharedLevel* levels = levels_[side];
    const std::size_t count = counts_[side];
    if (place.found && level.quantity != 0) {
      levels[place.at].quantity.store(level.quantity, std::memory_order_relaxed);
    } else if (place.found) {
      for (std::size_t i = place.at; i + 1 < count; ++i) levels[i].store(levels[i + 1].load());
      levels[count - 1].store(kNoLevel);
      set_count(side, count - 1);
    } else {
      const std::size_t last = std::min(count, depth_ - 1);
      for (std::size_t i = last; i > place.at; --i) levels[i].store(levels[i - 1].load());
      levels[place.at].store(level);
      if (count < depth_) set_count(side, count + 1);
    }
  }

  void set_count(int side, std::size_t count) noexcept {
    counts_[side] = count;
    header_->counts[side].store(count, std::memory_order_relaxed);
  }

  // The writer's own counts and number of updates: it follows none that others could have damaged.
  std::size_t counts_[2];
  std::uint64_t updates_;
};

}  // namespace latencykit
