// Decimal digits of unsigned integers, eight at a time in one 64-bit word; for log and journal lines.
//
// How: a number below 10^8 is split into two halves of four digits, those into pairs, those into digits, each step for all
// parts at once, a division being a multiplication by a rounded reciprocal that is exact in its range. Little-endian
// only; elsewhere std::to_chars does it.
//
// Promises: the digits of std::to_chars. Up to 8 bytes beyond what is returned may be written.
#pragma once

#include <bit>
#include <charconv>
#include <cstdint>
#include <cstring>

namespace latencykit {
namespace decimal_digits {

// The digits of a number below 10^8, the first in the lowest byte, as values and not as characters.
inline std::uint64_t eight_digits(std::uint32_t number) {
  const std::uint64_t halves = number / 10'000 | static_cast<std::uint64_t>(number % 10'000) << 32;
  // n / 100 is n * 10486 >> 20 for n < 10^4.
  const std::uint64_t hundreds = (halves * 10'486 >> 20) & 0x0000'007F'0000'007F;
  const std::uint64_t pairs = hundreds | (halves - 100 * hundreds) << 16;
  // n / 10 is n * 103 >> 10 for n < 100.
  const std::uint64_t tens = (pairs * 103 >> 10) & 0x000F'000F'000F'000F;
  return tens | (pairs - 10 * tens) << 8;
}

inline constexpr std::uint64_t kZeros = 0x3030'3030'3030'3030;

// All eight digits, with zeros in front.
inline char* put_eight(char* out, std::uint32_t number) {
  if constexpr (std::endian::native == std::endian::little) {
    const std::uint64_t text = eight_digits(number) | kZeros;
    std::memcpy(out, &text, 8);
  } else {
    for (int i = 7; i >= 0; --i, number /= 10) out[i] = static_cast<char>('0' + number % 10);
  }
  return out + 8;
}

inline char* put_below_hundred_million(char* out, std::uint32_t number) {
  if constexpr (std::endian::native == std::endian::little) {
    const std::uint64_t digits = eight_digits(number);
    // The last digit is shown even if it is 0.
    const int leading = std::countr_zero(digits | std::uint64_t{1} << 56) / 8;
    const std::uint64_t text = (digits | kZeros) >> (8 * leading);
    std::memcpy(out, &text, 8);
    return out + 8 - leading;
  } else {
    return std::to_chars(out, out + 8, number).ptr;
  }
}

// Numbers below 1,000 as text, for what is mostly that small: with zeros in front, and without together with how many
// characters that leaves.
struct ThreeDigits {
  char padded[1'000][4];
  char plain[1'000][4];

  constexpr ThreeDigits() : padded(), plain() {
    for (int number = 0; number < 1'000; ++number) {
      const char digits[3] = {static_cast<char>('0' + number / 100), static_cast<char>('0' + number / 10 % 10),
                              static_cast<char>('0' + number % 10)};
      const int length = number >= 100 ? 3 : number >= 10 ? 2 : 1;
      for (int i = 0; i < 3; ++i) padded[number][i] = digits[i];
      for (int i = 0; i < length; ++i) plain[number][i] = digits[3 - length + i];
      plain[number][3] = static_cast<char>(length);
    }
  }
};
inline constexpr ThreeDigits kThreeDigits;

inline char* put_three(char* out, std::uint32_t number) {
  std::memcpy(out, kThreeDigits.padded[number], 4);
  return out + 3;
}

inline char* put_six(char* out, std::uint32_t number) {
  return put_three(put_three(out, number / 1'000), number % 1'000);
}

inline char* put_below_thousand(char* out, std::uint32_t number) {
  const char* const text = kThreeDigits.plain[number];
  std::memcpy(out, text, 4);
  return out + text[3];
}

inline char* put_unsigned(char* out, std::uint64_t number) {
  constexpr std::uint64_t kEight = 100'000'000;
  if (number < 1'000) return put_below_thousand(out, static_cast<std::uint32_t>(number));
  if (number < kEight) return put_below_hundred_million(out, static_cast<std::uint32_t>(number));
  const std::uint64_t high = number / kEight;
  if (high < kEight) {
    out = put_below_hundred_million(out, static_cast<std::uint32_t>(high));
  } else {
    out = put_below_hundred_million(out, static_cast<std::uint32_t>(high / kEight));
    out = put_eight(out, static_cast<std::uint32_t>(high % kEight));
  }
  return put_eight(out, static_cast<std::uint32_t>(number % kEight));
}

inline char* put_signed(char* out, std::int64_t number) {
  if (number >= 0) return put_unsigned(out, static_cast<std::uint64_t>(number));
  *out = '-';
  return put_unsigned(out + 1, 0 - static_cast<std::uint64_t>(number));
}

}  // namespace decimal_digits
}  // namespace latencykit
