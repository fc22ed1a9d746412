// The order book against plain maps, and under readers at full speed.
//
// LATENCYKIT_STRESS_SNAPSHOTS sets how many snapshots the stress test takes in all; the full run is 10000000.
#include "latency/order_book.h"

#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "latency/book_figures.h"
#include "tests/book_copy.h"
#include "tests/check.h"

namespace {

using namespace latencykit;
using book_tests::expect;
using book_tests::kAsk;
using book_tests::kBid;
using book_tests::OwnCopy;

// A book in memory of its own.
class OwnBook {
 public:
  explicit OwnBook(std::size_t depth)
      : memory_(::operator new(book_block::bytes_for(depth), std::align_val_t{64})),
        writer(book_block::format(memory_, depth, "TEST"), 1) {}
  ~OwnBook() { ::operator delete(memory_, std::align_val_t{64}); }
  OwnBook(const OwnBook&) = delete;
  OwnBook& operator=(const OwnBook&) = delete;

 private:
  void* memory_;

 public:
  BookWriter writer;
};

void levels_are_best_first() {
  OwnBook own(4);
  BookWriter& book = own.writer;
  for (double price : {99.0, 101.0, 100.0}) book.update(kBid, price, 5);
  for (double price : {104.0, 102.0, 103.0}) book.update(kAsk, price, 6);
  expect(book, kBid, {{101.0, 5}, {100.0, 5}, {99.0, 5}});
  expect(book, kAsk, {{102.0, 6}, {103.0, 6}, {104.0, 6}});
  book.update(kBid, 100.0, 9);
  book.update(kBid, 101.0, 0);
  expect(book, kBid, {{100.0, 9}, {99.0, 5}});
  CHECK(book.version() == 8 && book.updates() == 8);
  book.clear();
  expect(book, kBid, {});
  expect(book, kAsk, {});
  CHECK(book.version() == 9 && book.updates() == 8);
}

void what_lies_beyond_the_depth_is_forgotten() {
  OwnBook own(2);
  BookWriter& book = own.writer;
  book.update(kBid, 10.0, 1);
  book.update(kBid, 9.0, 1);
  book.update(kBid, 8.0, 1);  // Beyond.
  expect(book, kBid, {{10.0, 1}, {9.0, 1}});
  book.update(kBid, 11.0, 1);  // Pushes 9.0 out.
  expect(book, kBid, {{11.0, 1}, {10.0, 1}});
  const auto version = book.version();
  book.update(kBid, 9.0, 0);  // Is not there any more.
  book.update(kAsk, 9.0, 0);
  CHECK(book.version() == version && book.updates() == 6);
  book.update(kBid, 11.0, 0);
  expect(book, kBid, {{10.0, 1}});  // One level less, until the feed sends the next.
}

void any_finite_price_is_one() {
  OwnBook own(4);
  BookWriter& book = own.writer;
  const double largest = std::numeric_limits<double>::max();
  for (double price : {-37.63, largest, -largest, 0.0}) book.update(kAsk, price, 1);
  expect(book, kAsk, {{-largest, 1}, {-37.63, 1}, {0.0, 1}, {largest, 1}});
  book.update(kAsk, -0.0, 2);  // The same price.
  expect(book, kAsk, {{-largest, 1}, {-37.63, 1}, {0.0, 2}, {largest, 1}});
}

void unusable_updates_are_refused() {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  CHECK(check_update(0, 1.0, 0) == UpdateFault::kNone);
  CHECK(check_update(1, -1.0, std::numeric_limits<std::int64_t>::max()) == UpdateFault::kNone);
  CHECK(check_update(2, 1.0, 0) == UpdateFault::kSide && check_update(-1, 1.0, 0) == UpdateFault::kSide);
  CHECK(check_update(0, 1.0, -1) == UpdateFault::kQuantity);
  for (double price : {kInfinity, -kInfinity, std::numeric_limits<double>::quiet_NaN()}) {
    CHECK(check_update(0, price, 1) == UpdateFault::kPrice);
  }
}

void a_batch_is_one_write() {
  OwnBook own(3);
  BookWriter& book = own.writer;
  OwnCopy before(3);
  book.update(kBid, 5.0, 5);
  book.batch([&](auto change) {
    CHECK(book.try_copy(&before.copy) == ReadResult::kBusy);
    change(kBid, 6.0, 1);
    change(kBid, 5.0, 0);
    change(kAsk, 7.0, 2);
    change(kAsk, 9.0, 0);
  });
  expect(book, kBid, {{6.0, 1}});
  expect(book, kAsk, {{7.0, 2}});
  CHECK(book.version() == 2 && book.updates() == 5);
}

template <typename Order>
std::vector<BookLevel> listed(const std::map<double, std::int64_t, Order>& side) {
  std::vector<BookLevel> levels;
  for (const auto& [price, quantity] : side) levels.push_back({price, quantity});
  return levels;
}

template <typename Order>
void update_map(std::map<double, std::int64_t, Order>* side, std::size_t depth, double price, std::int64_t quantity) {
  if (quantity == 0) {
    side->erase(price);
    return;
  }
  (*side)[price] = quantity;
  if (side->size() > depth) side->erase(std::prev(side->end()));
}

void agrees_with_two_maps(std::size_t depth, unsigned seed) {
  std::mt19937 random(seed);
  OwnBook own(depth);
  BookWriter& book = own.writer;
  std::map<double, std::int64_t, std::greater<>> bids;
  std::map<double, std::int64_t> asks;
  for (int i = 0; i < 20'000; ++i) {
    const double price = static_cast<double>(random() % 40) - 20.0;
    const std::int64_t quantity = random() % 3;
    if (random() % 2 == 0) {
      book.update(kBid, price, quantity);
      update_map(&bids, depth, price, quantity);
    } else {
      book.update(kAsk, price, quantity);
      update_map(&asks, depth, price, quantity);
    }
    if (i % 7 != 0) continue;
    expect(book, kBid, listed(bids));
    expect(book, kAsk, listed(asks));
  }
}

void figures_are_those_of_the_top() {
  OwnBook own(3);
  BookWriter& book = own.writer;
  const auto top = [&] {
    BookTop found;
    std::uint64_t version = 0;
    const auto read = [&](const std::size_t* counts, SharedLevel* const* rows) { found = top_of(counts, rows); };
    CHECK(book.try_read(&version, read) == ReadResult::kDone);
    return found;
  };
  CHECK(std::isnan(top().mid()) && std::isnan(top().micro_price()) && std::isnan(top().spread()));
  CHECK(!top().crossed() && !top().locked());
  book.update(kBid, 100.0, 30);
  CHECK(std::isnan(top().mid()) && std::isnan(top().micro_price()) && top().bid.price == 100.0);
  book.update(kAsk, 101.0, 10);
  CHECK(top().mid() == 100.5 && top().spread() == 1.0 && top().micro_price() == 100.75);
  book.update(kBid, 102.0, 1);
  CHECK(top().crossed() && !top().locked() && top().spread() == -1.0);
  book.update(kBid, 102.0, 0);
  book.update(kBid, 101.0, 1);
  CHECK(top().locked() && !top().crossed());
  const std::size_t counts[2] = {2, 1};
  BookLevel bids[2] = {{2.0, 3}, {1.0, 5}};
  BookLevel asks[1] = {{3.0, 1}};
  BookLevel* const rows[2] = {bids, asks};
  CHECK(imbalance_of(counts, rows, 1) == 0.5 && imbalance_of(counts, rows, 10) == 7.0 / 9.0);
  const std::size_t none[2] = {0, 0};
  CHECK(std::isnan(imbalance_of(none, rows, 1)));
}

void a_refilled_copy_keeps_nothing_of_before() {
  OwnBook own(3);
  OwnCopy other(3);
  for (double price : {1.0, 2.0, 3.0}) own.writer.update(kBid, price, 1);
  CHECK(own.writer.try_copy(&other.copy) == ReadResult::kDone && other.copy.counts[0] == 3);
  own.writer.update(kBid, 2.0, 0);
  CHECK(own.writer.try_copy(&other.copy) == ReadResult::kDone && other.copy.counts[0] == 2);
  CHECK(std::isnan(other.rows[2].price) && other.rows[2].quantity == 0);
  other.copy.clear();
  for (const BookLevel& row : other.rows) CHECK(std::isnan(row.price) && row.quantity == 0);
}

void damage_is_found_and_not_followed() {
  const std::size_t bytes = book_block::bytes_for(3);
  alignas(64) std::byte memory[512] = {};
  CHECK(bytes <= sizeof memory);
  CHECK(book_block::check(memory, bytes) == book_block::Fault::kForeign);
  BookHeader* header = book_block::format(memory, 3, "X");
  CHECK(book_block::check(memory, bytes) == book_block::Fault::kNone);
  CHECK(book_block::check(memory, bytes - 1) == book_block::Fault::kDamaged);
  CHECK(book_block::check(memory, 100) == book_block::Fault::kForeign);
  header->layout = 2;
  CHECK(book_block::check(memory, bytes) == book_block::Fault::kOtherLayout);
  header->layout = 1;
  for (std::uint32_t depth : {0u, 5u, 10'001u, 4'000'000'000u}) {
    header->depth = depth;
    CHECK(book_block::check(memory, bytes) == book_block::Fault::kDamaged);
  }
  header->depth = 3;
  std::memset(header->symbol, 'x', sizeof header->symbol);
  CHECK(book_block::check(memory, bytes) == book_block::Fault::kDamaged);
  header->symbol[1] = 0;
  OwnCopy own(3);
  const BookReader reader(header);
  header->counts[1].store(1u << 30);
  CHECK(reader.try_copy(&own.copy) == ReadResult::kDamaged);
  CHECK(own.copy.counts[1] == 0);
  BookWriter writer(header, 1);  // Starts over without looking at the counts.
  writer.update(kAsk, 1.0, 1);
  header->counts[1].store(0);
  writer.update(kAsk, 2.0, 1);
  expect(writer, kAsk, {{1.0, 1}, {2.0, 1}});
}

// ---- readers at full speed

// What the writer does, so that the whole book at any version is known: the reader checks each number of it.
// Every update inserts a new best level and moves all others, on the two sides in turn.
constexpr std::size_t kDepth = 10;

std::int64_t quantity_for(std::uint64_t version) { return static_cast<std::int64_t>(version * 2654435761u + 1); }

bool is_moved_book(const BookCopy& copy) {
  for (std::uint64_t side : {0u, 1u}) {
    // Bids come with even versions from 2 on, asks with odd ones from 1 on; the newest is the best.
    const std::uint64_t newest = copy.version - ((copy.version + side) & 1);
    const std::uint64_t so_many = (newest + 1) / 2;
    if (copy.counts[side] != std::min<std::uint64_t>(so_many, kDepth)) return false;
    for (std::size_t i = 0; i < copy.counts[side]; ++i) {
      const std::uint64_t version = newest - 2 * i;
      const double price = side == 0 ? static_cast<double>(version) : -static_cast<double>(version);
      if (copy.levels[side][i].price != price || copy.levels[side][i].quantity != quantity_for(version)) return false;
    }
  }
  return true;
}

void move_book(BookWriter* book, std::uint64_t version) {
  const auto number = static_cast<double>(version);
  if (version % 2 == 0) {
    book->update(kBid, number, quantity_for(version));
  } else {
    book->update(kAsk, -number, quantity_for(version));
  }
}

// Every batch writes both sides anew, everything in them being the version's.
bool is_batched_book(const BookCopy& copy) {
  for (int side : {0, 1}) {
    if (copy.counts[side] != (copy.version == 0 ? 0 : kDepth)) return false;
    for (std::size_t i = 0; i < copy.counts[side]; ++i) {
      if (copy.levels[side][i].quantity != quantity_for(copy.version + i)) return false;
    }
  }
  return true;
}

void batch_book(BookWriter* book, std::uint64_t version) {
  book->batch([&](auto change) {
    for (std::size_t i = 0; i < kDepth; ++i) {
      change(kBid, -static_cast<double>(i), quantity_for(version + i));
      change(kAsk, static_cast<double>(i), quantity_for(version + i));
    }
  });
}

struct Tally {
  std::uint64_t taken = 0;
  std::uint64_t torn = 0;
  std::uint64_t tries = 0;
  std::uint64_t versions = 0;  // How often the version was another than before.
};

// A reader that the writer never met while it ran would prove nothing.
constexpr std::uint64_t kLeastVersions = 20;

void read_until(const BookReader& book, bool (*is_whole)(const BookCopy&), std::uint64_t wanted, Tally* tally) {
  OwnCopy own(kDepth);
  std::uint64_t last = 0;
  while (tally->taken < wanted || tally->versions < kLeastVersions) {
    ++tally->tries;
    if (book.try_copy(&own.copy) != ReadResult::kDone) {
      // On a machine with fewer cores than threads the writer may have been stopped inside a write.
      if (tally->tries % 1024 == 0) std::this_thread::yield();
      continue;
    }
    ++tally->taken;
    tally->torn += !is_whole(own.copy) || own.copy.version < last;
    tally->versions += own.copy.version != last;
    last = own.copy.version;
  }
}

// One reader leaves the writer a core of its own where there are two; three readers make the threads be stopped
// anywhere.
void no_snapshot_is_torn(const char* what, bool (*is_whole)(const BookCopy&), void (*write)(BookWriter*, std::uint64_t),
                         std::size_t count, std::uint64_t snapshots) {
  OwnBook own(kDepth);
  std::atomic<bool> stop = false;
  std::uint64_t written = 0;
  std::thread writer([&] {
    while (!stop.load(std::memory_order_relaxed)) write(&own.writer, ++written);
  });
  std::vector<Tally> tallies(count);
  std::vector<std::thread> readers;
  for (Tally& tally : tallies) {
    readers.emplace_back([&] { read_until(own.writer, is_whole, snapshots / count, &tally); });
  }
  for (std::thread& reader : readers) reader.join();
  stop = true;
  writer.join();
  Tally all;
  for (const Tally& tally : tallies) {
    all.taken += tally.taken;
    all.torn += tally.torn;
    all.tries += tally.tries;
    all.versions += tally.versions;
  }
  const auto number = [](std::uint64_t value) { return static_cast<unsigned long long>(value); };
  std::printf("%s, %zu reader(s): %llu snapshots, %llu torn; %llu tries, %llu versions seen of %llu written\n", what,
              count, number(all.taken), number(all.torn), number(all.tries), number(all.versions), number(written));
  CHECK(all.torn == 0 && all.taken >= snapshots - count);
}

std::uint64_t stress_snapshots() {
#if defined(__SANITIZE_THREAD__)
  constexpr std::uint64_t kUsual = 8'000;
#else
  constexpr std::uint64_t kUsual = 100'000;
#endif
  const char* asked = std::getenv("LATENCYKIT_STRESS_SNAPSHOTS");
  return asked != nullptr ? std::strtoull(asked, nullptr, 10) : kUsual;
}

}  // namespace

int main() {
  levels_are_best_first();
  what_lies_beyond_the_depth_is_forgotten();
  any_finite_price_is_one();
  unusable_updates_are_refused();
  a_batch_is_one_write();
  for (unsigned seed = 0; seed < 3; ++seed) {
    for (std::size_t depth : {1, 2, 10, 100}) agrees_with_two_maps(depth, seed);
  }
  figures_are_those_of_the_top();
  a_refilled_copy_keeps_nothing_of_before();
  damage_is_found_and_not_followed();
  for (std::size_t readers : {1, 3}) {
    const std::uint64_t share = stress_snapshots() / 4;
    no_snapshot_is_torn("updates that move every level", is_moved_book, move_book, readers, share);
    no_snapshot_is_torn("batches that write every level", is_batched_book, batch_book, readers, share);
  }
  return 0;
}
