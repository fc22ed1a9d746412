// Held against the standard library, and against itself read back; the parity with Python is tested from Python.
#include "latency/fast_decimal.h"

#include <cmath>
#include <cstdlib>
#include <random>
#include <string>

#include "tests/check.h"

namespace latencykit {
namespace {

std::string fixed(double value, int places) {
  char text[64];
  char* const end = fast_decimal::put_fixed(text, value, places);
  return end == nullptr ? "" : std::string(text, end);
}

std::string shortest(double value) {
  char text[64];
  char* const end = fast_decimal::put_shortest(text, value);
  return end == nullptr ? "" : std::string(text, end);
}

std::string fixed_by_library(double value, int places) {
  char text[512];
  return {text, std::to_chars(text, text + sizeof text, value, std::chars_format::fixed, places).ptr};
}

bool fixed_agrees(double value, int places) {
  const std::string made = fixed(value, places);
  return made.empty() || made == fixed_by_library(value, places);
}

void ties_go_to_even() {
  CHECK(fixed(0.5, 0) == "0" && fixed(1.5, 0) == "2" && fixed(2.5, 0) == "2");
  CHECK(fixed(0.125, 2) == "0.12" && fixed(0.375, 2) == "0.38" && fixed(2.675, 2) == "2.67");
  CHECK(fixed(0.0, 3) == "0.000" && fixed(9.999, 2) == "10.00" && fixed(1e-9, 2) == "0.00");
}

void what_is_too_large_or_too_small_is_left() {
  for (const double value : {1e10, 1e300, 5e-324, 1e-30}) CHECK(fixed(value, 2).empty());
  for (const double value : {1e9, 1e16, 9.9e-5, 1e-300, 1.0 / 3}) CHECK(shortest(value).empty());
  CHECK(fixed(1.5, 10).empty());
}

// Six places have a way of their own.
void six_places_are_what_the_library_makes() {
  std::mt19937_64 random(13);
  for (int i = 0; i < 300'000; ++i) {
    const double below = std::pow(10.0, static_cast<double>(random() % 8));
    const double any = std::ldexp(static_cast<double>(random() >> 11), -53) * below;
    CHECK(fixed_agrees(any, 6) && !fixed(any + 1e-3, 6).empty());
    const double middle = (static_cast<double>(random() % 1'000'000'000) + 0.5) / 1e6;
    CHECK(fixed_agrees(middle, 6) && fixed_agrees(std::nextafter(middle, 0), 6));
    CHECK(fixed_agrees(std::nextafter(middle, 1e300), 6));
  }
  CHECK(fixed(0.0000005, 6) == fixed_by_library(0.0000005, 6) && fixed(999'999.9999995, 6) == "999999.999999");
}

// Values of every size, and those next to a decimal, where rounding is in doubt.
void fixed_is_what_the_library_makes() {
  std::mt19937_64 random(7);
  for (int i = 0; i < 300'000; ++i) {
    const int places = static_cast<int>(random() % 10);
    const double any = std::ldexp(static_cast<double>(random() >> 11), static_cast<int>(random() % 150) - 150);
    CHECK(fixed_agrees(any, places));
    const double near = static_cast<double>(random() % 100'000'000) / 2 / std::pow(10.0, places);
    CHECK(fixed_agrees(near, places));
    CHECK(fixed_agrees(std::nextafter(near, 0), places) && fixed_agrees(std::nextafter(near, 1e300), places));
  }
}

void shortest_reads_back_and_has_no_digit_too_many() {
  std::mt19937_64 random(11);
  for (int i = 0; i < 300'000; ++i) {
    const double power = std::pow(10.0, static_cast<double>(random() % 8));
    const double decimal = static_cast<double>(random() % 10'000'000'000) / power;
    const double next = std::nextafter(decimal, 1e300);
    for (const double value : {decimal, next, next - decimal}) {
      const std::string made = shortest(value);
      if (made.empty()) continue;
      CHECK(std::strtod(made.c_str(), nullptr) == value);
      char library[64];
      const auto end = std::to_chars(library, library + sizeof library, value, std::chars_format::fixed).ptr;
      const std::string expected(library, end);
      CHECK(made == (expected.find('.') == expected.npos ? expected + ".0" : expected));
    }
  }
}

void bare_values() {
  CHECK(shortest(0) == "0.0" && shortest(670.25) == "670.25" && shortest(1) == "1.0" && shortest(0.0001) == "0.0001");
  CHECK(shortest(0.3) == "0.3" && shortest(0.1 + 0.2).empty() && shortest(123456.789) == "123456.789");
}

}  // namespace
}  // namespace latencykit

int main() {
  using namespace latencykit;
  ties_go_to_even();
  what_is_too_large_or_too_small_is_left();
  fixed_is_what_the_library_makes();
  six_places_are_what_the_library_makes();
  shortest_reads_back_and_has_no_digit_too_many();
  bare_values();
}
