// Times of log lines, as text.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>

#include "latency/text_buffer.h"

namespace latencykit {

// Formats times as 2026-01-02T03:04:05.123456789Z (UTC); the date and time to the second are made once a second.
class TimestampFormat {
 public:
  void append(TextBuffer& out, std::int64_t unix_ns) {
    std::int64_t second = unix_ns / 1'000'000'000;
    std::int64_t nanos = unix_ns % 1'000'000'000;
    if (nanos < 0) {
      nanos += 1'000'000'000;
      --second;
    }
    if (second != second_) {
      second_ = second;
      make_prefix();
    }
    char* at = out.room(kSize);
    std::memcpy(at, prefix_, kPrefix);
    at += kPrefix;
    put_nanos(at, static_cast<std::uint32_t>(nanos));
    at[9] = 'Z';
    out.added(kSize);
  }

 private:
  static constexpr std::size_t kPrefix = 20;
  static constexpr std::size_t kSize = kPrefix + 10;

  // Nine digits, two at a time.
  static void put_nanos(char* out, std::uint32_t nanos) {
    const std::uint32_t high = nanos / 100'000, low = nanos % 100'000;  // Four digits and five.
    put_pair(out, high / 100);
    put_pair(out + 2, high % 100);
    put_pair(out + 4, low / 1'000);
    put_pair(out + 6, low / 10 % 100);
    out[8] = static_cast<char>('0' + low % 10);
  }
  static void put_pair(char* out, std::uint32_t below_100) { std::memcpy(out, kPairs.data() + 2 * below_100, 2); }

  static constexpr std::array<char, 200> kPairs = [] {
    std::array<char, 200> pairs{};
    for (std::size_t i = 0; i < 100; ++i) {
      pairs[2 * i] = static_cast<char>('0' + i / 10);
      pairs[2 * i + 1] = static_cast<char>('0' + i % 10);
    }
    return pairs;
  }();

  static void put_digits(char* out, std::int64_t value, int count) {
    for (int i = count - 1; i >= 0; --i, value /= 10) out[i] = static_cast<char>('0' + value % 10);
  }

  // Proleptic Gregorian calendar, counted in days from 1 March 0000 so that the leap day is a year's last
  // (H. Hinnant, "chrono-compatible low-level date algorithms").
  void make_prefix() {
    const std::int64_t days = (second_ >= 0 ? second_ : second_ - 86'399) / 86'400;
    const std::int64_t of_day = second_ - days * 86'400;
    const std::int64_t shifted = days + 719'468;
    const std::int64_t era = (shifted >= 0 ? shifted : shifted - 146'096) / 146'097;
    const std::int64_t day_of_era = shifted - era * 146'097;
    const std::int64_t year_of_era =
        (day_of_era - day_of_era / 1'460 + day_of_era / 36'524 - day_of_era / 146'096) / 365;
    const std::int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    const std::int64_t month_from_march = (5 * day_of_year + 2) / 153;
    const std::int64_t month = month_from_march < 10 ? month_from_march + 3 : month_from_march - 9;
    std::memcpy(prefix_, "0000-00-00T00:00:00.", kPrefix);
    put_digits(prefix_, year_of_era + era * 400 + (month <= 2), 4);
    put_digits(prefix_ + 5, month, 2);
    put_digits(prefix_ + 8, day_of_year - (153 * month_from_march + 2) / 5 + 1, 2);
    put_digits(prefix_ + 11, of_day / 3600, 2);
    put_digits(prefix_ + 14, of_day / 60 % 60, 2);
    put_digits(prefix_ + 17, of_day % 60, 2);
  }

  std::int64_t second_ = std::numeric_limits<std::int64_t>::min();
  char prefix_[kPrefix];
};

}  // namespace latencykit
