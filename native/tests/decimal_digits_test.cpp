// Held against std::to_chars.
#include "latency/decimal_digits.h"

#include <charconv>
#include <cstdint>
#include <limits>
#include <random>
#include <string>

#include "tests/check.h"

namespace latencykit {
namespace {

template <typename Integer>
std::string by_library(Integer number) {
  char text[32];
  return {text, std::to_chars(text, text + sizeof text, number).ptr};
}

std::string signed_text(std::int64_t number) {
  char text[40];
  return {text, decimal_digits::put_signed(text, number)};
}

std::string unsigned_text(std::uint64_t number) {
  char text[40];
  return {text, decimal_digits::put_unsigned(text, number)};
}

void every_length_and_its_neighbours() {
  CHECK(unsigned_text(0) == "0");
  for (std::uint64_t power = 1;; power *= 10) {
    for (const std::uint64_t number : {power - 1, power, power + 1}) CHECK(unsigned_text(number) == by_library(number));
    if (power > std::numeric_limits<std::uint64_t>::max() / 10) break;
  }
  CHECK(unsigned_text(std::numeric_limits<std::uint64_t>::max()) == "18446744073709551615");
  CHECK(signed_text(std::numeric_limits<std::int64_t>::min()) == "-9223372036854775808");
  CHECK(signed_text(-1) == "-1");
}

void any_number() {
  std::mt19937_64 random(3);
  for (int i = 0; i < 1'000'000; ++i) {
    const std::uint64_t number = random() >> (random() % 64);
    CHECK(unsigned_text(number) == by_library(number));
    const auto other = static_cast<std::int64_t>(random()) >> (random() % 64);
    CHECK(signed_text(other) == by_library(other));
  }
}

void zeros_in_front() {
  char text[16];
  CHECK(std::string(text, decimal_digits::put_eight(text, 42)) == "00000042");
  CHECK(std::string(text, decimal_digits::put_eight(text, 99'999'999)) == "99999999");
}

}  // namespace
}  // namespace latencykit

int main() {
  latencykit::every_length_and_its_neighbours();
  latencykit::any_number();
  latencykit::zeros_in_front();
}
