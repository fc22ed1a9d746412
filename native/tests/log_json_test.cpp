// Whether whole lines are what a JSON parser makes of them is tested from Python; here is one case of every branch.
#include "latency/log_json.h"

#include <limits>
#include <string>

#include "tests/check.h"

namespace latencykit {
namespace {

using std::string_literals::operator""s;

std::string value(const LogValue& given) {
  TextBuffer out(8), scratch(8);
  json::append_value(out, given, scratch);
  return std::string(out.text());
}
std::string real(double given) { return value({.tag = LogTag::kDouble, .real = given, .text = {}}); }

// Wherever in a word of eight bytes the character stands, and whatever its neighbours are.
void every_character_is_escaped_or_not() {
  for (int c = 0; c < 256; ++c) {
    const char character = static_cast<char>(c);
    std::string expected(1, character);
    if (c < 0x20) {
      char escape[8];
      std::snprintf(escape, sizeof escape, "\\u%04x", c);
      expected = escape;
    }
    for (const auto& [plain, name] : {std::pair{'\n', 'n'}, {'\t', 't'}, {'\r', 'r'}, {'\b', 'b'}, {'\f', 'f'}}) {
      if (character == plain) expected = "\\"s + name;
    }
    if (character == '"' || character == '\\') expected = "\\"s + character;
    for (std::size_t before = 0; before < 18; ++before) {
      for (const char neighbour : {'a', '\x21', '\x7f', '\xff', '#', ']'}) {
        const std::string left(before, neighbour), right(9, neighbour);
        CHECK(json::escaped(left + character + right) == left + expected + right);
      }
    }
  }
}

void what_is_built_in_place_is_escaped_from_the_first_hit() {
  TextBuffer out(8), scratch(8);
  out.append("\"kept\"");
  const std::size_t start = out.size();
  out.append("a plain beginning\n\"x\"");
  json::escape_from(out, start, scratch);
  CHECK(out.text() == "\"kept\"a plain beginning\\n\\\"x\\\"");
  json::escape_from(out, out.size(), scratch);
  CHECK(out.text() == "\"kept\"a plain beginning\\n\\\"x\\\"");
}

void values() {
  CHECK(value({.tag = LogTag::kNone, .text = {}}) == "null");
  CHECK(value({.tag = LogTag::kTrue, .text = {}}) == "true");
  CHECK(value({.tag = LogTag::kFalse, .text = {}}) == "false");
  CHECK(value({.tag = LogTag::kInteger, .integer = std::numeric_limits<std::int64_t>::min(), .text = {}}) ==
        "-9223372036854775808");
  CHECK(value({.tag = LogTag::kText, .text = "a\"b"}) == "\"a\\\"b\"");
  CHECK(value({.tag = LogTag::kVerbatim, .text = "1.10"}) == "\"1.10\"");
  CHECK(value({.tag = LogTag::kBytes, .text = std::string_view("\0'", 2)}) == "\"b\\\"\\\\x00'\\\"\"");
}

void doubles() {
  CHECK(real(670.25) == "670.25");
  CHECK(real(-0.0) == "-0.0");
  CHECK(real(1e16) == "1e+16");
  CHECK(real(-5e-324) == "-5e-324");
  CHECK(real(-1.7976931348623157e308) == "-1.7976931348623157e+308");
  CHECK(real(std::numeric_limits<double>::quiet_NaN()) == "\"NaN\"");
  CHECK(real(std::numeric_limits<double>::infinity()) == "\"Infinity\"");
  CHECK(real(-std::numeric_limits<double>::infinity()) == "\"-Infinity\"");
}

void sources() {
  for (const char* source : {"", "plain", "{}", "{{a}} {:>8.2f} b {} }}", "{:,d}{:%}", "\xE2\x82\xAC {}"}) {
    CHECK(json::source_of(parse_template(source)) == source);
  }
}

}  // namespace
}  // namespace latencykit

int main() {
  using namespace latencykit;
  every_character_is_escaped_or_not();
  what_is_built_in_place_is_escaped_from_the_first_hit();
  values();
  doubles();
  sources();
}
