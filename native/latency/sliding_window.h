// Folds the last `period` rows of a stream into one value (a sum, an extreme) without ever taking a row out again.
//
// The rows are cut at every period-th one, the pivot. A window holds exactly one pivot, and is what lies left of it plus
// the pivot and what lies right of it. The right part grows row by row; the left parts of the windows to come are folded
// backwards, all at once, when the pivot arrives (M. van Herk 1992 and J. Gil, M. Werman 1993 for extremes; the same as
// a queue made of two stacks). What left the window is in neither part: there is no drift over a long stream, and a huge
// value leaves nothing behind. `Fold` may measure rows from the pivot, which lies in the window, so that sums stay small.
//
//   struct Fold {
//     using Row = ...; using Part = ...;                       // trivial types
//     static Part none();                                      // of no rows
//     static Part with(Part part, Row row, Row pivot);         // of one row more
//     static Part joined(Part left, Part right);
//   };
//
// Promises: memory for `period` rows or parts, whichever is larger, is taken and touched by the constructor, which
// throws std::bad_alloc if it is refused; nothing is allocated later. Amortised O(1) per row, but every period-th row,
// the pivot, costs O(period). Not thread-safe.
#pragma once

#include <cstddef>
#include <memory>

namespace latencykit {

template <typename Fold>
class SlidingWindow {
 public:
  using Row = typename Fold::Row;
  using Part = typename Fold::Part;

  static constexpr std::size_t kBytesPerRow = sizeof(Part) > sizeof(Row) ? sizeof(Part) : sizeof(Row);

  // A period of at least 1.
  explicit SlidingWindow(std::size_t period) : slots_(std::make_unique<Slot[]>(period)), last_(period - 1) {}

  // Whether the window holds `period` rows now.
  bool add(Row row) {
    if (rows_ == last_) [[unlikely]] {
      turn(row);
      return true;
    }
    slots_[rows_++].row = row;  // Over the left part of a window that is past.
    if (full_) right_ = Fold::with(right_, row, pivot_);
    return full_;
  }

  // Of a full window.
  Part total() const { return Fold::joined(slots_[rows_].part, right_); }
  Row pivot() const { return pivot_; }

  void reset() {
    rows_ = 0;
    full_ = false;
  }

 private:
  // Each slot is a row that the next pivot will fold, or the left part of a window that is still to come.
  union Slot {
    Part part;
    Row row;
  };

  void turn(Row pivot) {
    Part part = Fold::none();
    slots_[last_].part = part;
    for (std::size_t i = last_; i-- > 0;) {
      part = Fold::with(part, slots_[i].row, pivot);
      slots_[i].part = part;
    }
    right_ = Fold::with(Fold::none(), pivot, pivot);
    pivot_ = pivot;
    rows_ = 0;
    full_ = true;
  }

  std::unique_ptr<Slot[]> slots_;
  std::size_t last_;      // period - 1
  std::size_t rows_ = 0;  // After the pivot, or after the start.
  Part right_ = Fold::none();
  Row pivot_{};
  bool full_ = false;
};

}  // namespace latencykit
