// Decimal texts of doubles without arbitrary precision, where 64 or 128 bits are enough; for log lines.
//
// Promises: what is written is what std::to_chars (fixed) and Python's repr write, and nothing is written where
// that is not certain: then the caller takes the long way.
#pragma once

#include <bit>
#include <charconv>
#include <cstdint>
#include <initializer_list>

#include "latency/decimal_digits.h"

namespace latencykit {
namespace fast_decimal {

inline constexpr int kMostPlaces = 9;
inline constexpr std::uint64_t kPowers[kMostPlaces + 1] = {1,       10,        100,        1'000,       10'000,
                                                           100'000, 1'000'000, 10'000'000, 100'000'000, 1'000'000'000};

template <int kPlaces>
char* put_scaled_by(char* out, std::uint64_t number) {
  static_assert(kPlaces >= 1 && kPlaces <= 8);
  constexpr std::uint64_t kPower = kPowers[kPlaces];
  out = decimal_digits::put_unsigned(out, number / kPower);
  *out = '.';
  decimal_digits::put_eight(out + 1, static_cast<std::uint32_t>(number % kPower * kPowers[8 - kPlaces]));
  return out + 1 + kPlaces;
}

// number / 10^places, with all of the places. `out` has room for 40 characters.
inline char* put_scaled(char* out, std::uint64_t number, int places) {
  // Divisors that the compiler knows are multiplications: the usual ones are told.
  switch (places) {
    case 0:
      return decimal_digits::put_unsigned(out, number);
    case 1:
      return put_scaled_by<1>(out, number);
    case 2:
      return put_scaled_by<2>(out, number);
    case 4:
      return put_scaled_by<4>(out, number);
    case 6:
      return put_scaled_by<6>(out, number);
    default:
      break;
  }
  char* end = decimal_digits::put_unsigned(out, number / kPowers[places]);
  *end = '.';
  std::uint64_t rest = number % kPowers[places];
  for (int i = places; i > 0; --i, rest /= 10) end[i] = static_cast<char>('0' + rest % 10);
  return end + places + 1;
}

// A double below a million with six places, the usual case of put_fixed(); nullptr where it is in doubt which way to
// round: the product is off by at most 2^-14, so that only what is nearer than that to the middle is.
inline char* put_six_places(char* out, double value) {
  constexpr double kSure = 0.499;
  const double scaled = value * 1e6;
  const auto number = static_cast<std::uint64_t>(static_cast<std::int64_t>(scaled + 0.5));
  const double rest = scaled - static_cast<double>(static_cast<std::int64_t>(number));
  if (rest > kSure || rest < -kSure) [[unlikely]]
    return nullptr;
  out = decimal_digits::put_unsigned(out, number / kPowers[6]);
  *out = '.';
  return decimal_digits::put_six(out + 1, static_cast<std::uint32_t>(number % kPowers[6]));
}

// A finite double that is not negative, rounded to `places` as its exact value is, ties to even. nullptr where
// 128 bits are not enough for that.
inline char* put_fixed(char* out, double value, int places) {
  if (places == 6 && value < 1e6) [[likely]] {
    if (char* const end = put_six_places(out, value)) [[likely]]
      return end;
  }
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
  // Prices have two places more often than not. As signed numbers, whose conversions are one instruction.
  const auto cents = static_cast<std::int64_t>(value * 100 + 0.5);
  if (static_cast<double>(cents) / 100 == value) [[likely]] {
    out = decimal_digits::put_unsigned(out, static_cast<std::uint64_t>(cents) / 100);
    const auto rest = static_cast<std::uint32_t>(cents % 100);
    const char* const digits = decimal_digits::kThreeDigits.padded[rest] + 1;
    out[0] = '.';
    out[1] = digits[0];
    out[2] = digits[1];
    return out + 2 + (digits[1] != '0');
  }
  auto number = static_cast<std::int64_t>(value * 1e6 + 0.5);
  if (number >= 1'000'000'000'000'000 || static_cast<double>(number) / 1e6 != value) return nullptr;
  int places = 6;
  for (; number % 10 == 0; --places) number /= 10;  // Ends before the third place, which cents would have found.
  return put_scaled(out, static_cast<std::uint64_t>(number), places);
}

}  // namespace fast_decimal
}  // namespace latencykit
