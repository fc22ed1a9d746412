// Decimal texts of doubles without arbitrary precision, where 64 or 128 bits are enough; for log lines.
//
// Promises: what is written is what std::to_chars (fixed) and Python's repr write, and nothing is written where
// that is not certain: then the caller takes the long way.
#pragma once

#include <bit>
#include <charconv>
#include <cstdint>
#include <initializer_list>

namespace latencykit {
namespace fast_decimal {

inline constexpr int kMostPlaces = 9;
inline constexpr std::uint64_t kPowers[kMostPlaces + 1] = {1,       10,        100,        1'000,       10'000,
                                                           100'000, 1'000'000, 10'000'000, 100'000'000, 1'000'000'000};

// number / 10^places, with all of the places. `out` has room for 32 characters.
inline char* put_scaled(char* out, std::uint64_t number, int places) {
  char* end = std::to_chars(out, out + 20, number / kPowers[places]).ptr;
  if (places == 0) return end;
  *end = '.';
  std::uint64_t rest = number % kPowers[places];
  for (int i = places; i > 0; --i, rest /= 10) end[i] = static_cast<char>('0' + rest % 10);
  return end + places + 1;
}

// A finite double that is not negative, rounded to `places` as its exact value is, ties to even. nullptr where
// 128 bits are not enough for that.
inline char* put_fixed(char* out, double value, int places) {
  if (places > kMostPlaces) return nullptr;
  const auto bits = std::bit_cast<std::uint64_t>(value);
  const int exponent = static_cast<int>(bits >> 52);
  // value = mantissa / 2^shift, below 2^33 and not too small to shift by.
  const int shift = 1023 + 52 - exponent;
  if (shift < 20 || shift > 120) {
    if (bits == 0) return put_scaled(out, 0, places);
    return nullptr;
  }
  const std::uint64_t mantissa = (bits & ((std::uint64_t{1} << 52) - 1)) | std::uint64_t{1} << 52;
  __extension__ using Wide = unsigned __int128;
  const Wide scaled = static_cast<Wide>(mantissa) * kPowers[places];  // Below 2^53 x 2^30.
  auto number = static_cast<std::uint64_t>(scaled >> shift);
  const Wide rest = scaled & ((Wide{1} << shift) - 1), half = Wide{1} << (shift - 1);
  if (rest > half || (rest == half && number % 2 == 1)) ++number;
  return put_scaled(out, number, places);
}

// A finite double that is not negative, in the fewest digits that give it again, as repr does. nullptr where
// six places are not enough.
//
// No two decimals of up to 15 digits give the same double (DBL_DIG), so one that gives this double is the only one, and
// its digits without zeros at the end are the fewest. number and the powers are exact doubles, hence the quotient
// is the double nearest to the decimal.
inline char* put_shortest(char* out, double value) {
  if (value >= 1e9 || (value < 1e-4 && value != 0)) return nullptr;  // repr has an exponent below 1e-4.
  for (int places : {2, 6}) {
    const auto power = static_cast<double>(kPowers[places]);
    auto number = static_cast<std::uint64_t>(value * power + 0.5);
    if (number >= 1'000'000'000'000'000 || static_cast<double>(number) / power != value) continue;
    for (; places > 1 && number % 10 == 0; --places) number /= 10;
    return put_scaled(out, number, places);
  }
  return nullptr;
}

}  // namespace fast_decimal
}  // namespace latencykit
