// What the tests of the order book share: a copy with memory of its own, and a look at every row of a side.
#pragma once

#include <cmath>
#include <cstddef>
#include <vector>

#include "latency/order_book.h"
#include "tests/check.h"

namespace book_tests {

using namespace latencykit;

constexpr auto kBid = BookSide::kBid;
constexpr auto kAsk = BookSide::kAsk;

struct OwnCopy {
  explicit OwnCopy(std::size_t depth) : rows(2 * depth), copy(rows.data(), depth) {}
  std::vector<BookLevel> rows;
  BookCopy copy;
};

// The side has these levels and nothing behind them, in a copy and in the live rows.
inline void expect(const BookReader& book, BookSide side, const std::vector<BookLevel>& levels) {
  OwnCopy own(book.depth());
  CHECK(book.try_copy(&own.copy) == ReadResult::kDone);
  const int number = static_cast<int>(side);
  CHECK(own.copy.counts[number] == levels.size());
  for (std::size_t i = 0; i < book.depth(); ++i) {
    const BookLevel copied = own.copy.levels[number][i];
    const BookLevel live = book.levels(side)[i].load();
    CHECK(copied.quantity == live.quantity);
    if (i < levels.size()) {
      CHECK(copied.price == levels[i].price && copied.quantity == levels[i].quantity && live.price == copied.price);
    } else {
      CHECK(std::isnan(copied.price) && std::isnan(live.price) && copied.quantity == 0);
    }
  }
}

}  // namespace book_tests
