// What every streaming indicator does beside its own arithmetic: missing rows, the last result, starting again.
//
// An indicator is Streaming<Rule>. The rule takes rows of finite values, add(double...), and returns its result, a
// double or an array of them, NaN while values are lacking; reset() forgets them; recovers() says whether its
// results depend on a window of rows only and not on all before.
//
// Promises: one row at a time, nothing is allocated after construction; not thread-safe. A row with a value that is
// not finite is missing: it gives NaN. With Missing::skip it changes nothing else. With Missing::propagate everything
// that depends on it is NaN: a rule that recovers starts again with the next row, another gives NaN until reset().
#pragma once

#include <array>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <limits>

namespace latencykit {

inline constexpr double kNoValue = std::numeric_limits<double>::quiet_NaN();

enum class Missing : bool { skip, propagate };

template <typename Rule>
class Streaming {
 public:
  using Result = typename Rule::Result;

  // Of memory beside the object, for each row of the period.
  static constexpr std::size_t kBytesPerRow = [] {
    if constexpr (requires { typename Rule::Window; }) return Rule::Window::kBytesPerRow;
    return std::size_t{0};
  }();

  // The rule's own settings; throws std::bad_alloc if it needs memory that is refused.
  template <typename... Settings>
  explicit Streaming(Missing missing, Settings... settings) : rule_(settings...), missing_(missing) {}

  template <typename... Settings>
    requires std::constructible_from<Rule, Settings...>
  explicit Streaming(Settings... settings) : Streaming(Missing::skip, settings...) {}

  // The result after this row.
  template <std::same_as<double>... Row>
  Result update(Row... row) {
    if (lost_ || !(std::isfinite(row) && ...)) [[unlikely]]
      return miss();
    return value_ = rule_.add(row...);
  }

  // The last result that was not for a missing row; NaN before, and where a missing row took effect.
  const Result& value() const { return value_; }

  // Forgets all rows.
  void reset() {
    rule_.reset();
    value_ = none();
    lost_ = false;
  }

 private:
  static Result none() {
    if constexpr (std::same_as<Result, double>) {
      return kNoValue;
    } else {
      Result result;
      result.fill(kNoValue);
      return result;
    }
  }

  Result miss() {
    if (missing_ == Missing::propagate) {
      reset();
      lost_ = !rule_.recovers();
    }
    return none();
  }

  Rule rule_;
  Result value_ = none();
  Missing missing_;
  bool lost_ = false;
};

}  // namespace latencykit
