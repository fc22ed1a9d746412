// The parity with Python over generated input is tested from Python; here is one case of every branch.
#include "latency/log_format.h"

#include <limits>
#include <string>

#include "latency/log_timestamp.h"
#include "tests/check.h"

namespace latencykit {
namespace {

std::string format(const std::string& spec, const LogValue& value) {
  TextBuffer out(8);
  const FormatSpec parsed = template_parsing::SpecParser(spec).parse();
  if (!formatting::append_value(out, parsed, value)) formatting::append_bad_argument(out, parsed, value);
  return std::string(out.text());
}
std::string format(const std::string& spec, std::int64_t value) {
  return format(spec, LogValue{.tag = LogTag::kInteger, .integer = value, .text = {}});
}
std::string format(const std::string& spec, double value) {
  return format(spec, LogValue{.tag = LogTag::kDouble, .real = value, .text = {}});
}
std::string format(const std::string& spec, const char* value) {
  return format(spec, LogValue{.tag = LogTag::kText, .text = value});
}
std::string format(const std::string& spec, int value) { return format(spec, std::int64_t{value}); }

void integers() {
  CHECK(format("", 42) == "42");
  CHECK(format("", std::numeric_limits<std::int64_t>::min()) == "-9223372036854775808");
  CHECK(format("+d", 42) == "+42");
  CHECK(format("08d", -42) == "-0000042");
  CHECK(format("#010x", 255) == "0x000000ff");
  CHECK(format("X", 255) == "FF");
  CHECK(format("_b", 255) == "1111_1111");
  CHECK(format(",", 1234567) == "1,234,567");
  CHECK(format("08,", 1234) == "0,001,234");
  CHECK(format("*^9d", 42) == "***42****");
  CHECK(format(".2f", 3) == "3.00");
}

void doubles() {
  CHECK(format("", 670.25) == "670.25");
  CHECK(format("", 1.0) == "1.0");
  CHECK(format("", -0.0) == "-0.0");
  CHECK(format("", 1e16) == "1e+16");
  CHECK(format("", 123456789012345680.0) == "1.2345678901234568e+17");
  CHECK(format("", 1e15) == "1000000000000000.0");
  CHECK(format("", 0.0001) == "0.0001");
  CHECK(format("", 0.00001) == "1e-05");
  CHECK(format("", 5e-324) == "5e-324");
  CHECK(format("", std::numeric_limits<double>::quiet_NaN()) == "nan");
  CHECK(format("F", -std::numeric_limits<double>::infinity()) == "-INF");
  CHECK(format("010", std::numeric_limits<double>::infinity()) == "0000000inf");
  CHECK(format(".2f", 2.675) == "2.67");
  CHECK(format(".0f", 2.5) == "2");
  CHECK(format(",.2f", 1234567.891) == "1,234,567.89");
  CHECK(format(".3", 1234.5) == "1.23e+03");
  CHECK(format(".5", 1234.0) == "1234.0");
  CHECK(format("g", 1e-5) == "1e-05");
  CHECK(format("E", 12345.678) == "1.234568E+04");
  CHECK(format(".1%", 0.123) == "12.3%");
  CHECK(format(".100f", std::numeric_limits<double>::max()).size() == 309 + 101);
}

void texts() {
  CHECK(format("", "AAPL") == "AAPL");
  CHECK(format(">8", "AAPL") == "    AAPL");
  CHECK(format("06", "AAPL") == "AAPL00");
  CHECK(format(".2", "AAPL") == "AA");
  CHECK(format("4.1", "\xC3\xA9\xC3\xA9") == "\xC3\xA9   ");
  CHECK(format("", LogValue{.tag = LogTag::kBytes, .text = std::string_view("a'\n\0", 4)}) == "b\"a'\\n\\x00\"");
}

void bad_arguments_are_marked() {
  CHECK(format("d", "abc") == "[BAD ARGUMENT: '{:d}' cannot format the str abc]");
  CHECK(format("d", 1.5) == "[BAD ARGUMENT: '{:d}' cannot format the float 1.5]");
  CHECK(format("s", 1) == "[BAD ARGUMENT: '{:s}' cannot format the int 1]");
  CHECK(format(".2", 1) == "[BAD ARGUMENT: '{:.2}' cannot format the int 1]");
  CHECK(format(">4", LogValue{.tag = LogTag::kNone, .text = {}}) ==
        "[BAD ARGUMENT: '{:>4}' cannot format the NoneType None]");
}

bool is_refused(const std::string& text, bool unsupported) {
  try {
    parse_template(text);
  } catch (const TemplateError& error) {
    return error.unsupported == unsupported && !error.message.empty();
  }
  return false;
}

void templates() {
  const LogTemplate parsed = parse_template("{{a}} {} b {:>8} c");
  CHECK(parsed.pieces.size() == 2);
  CHECK(parsed.pieces[0].literal == "{a} " && parsed.pieces[1].literal == " b " && parsed.tail == " c");
  CHECK(parsed.pieces[1].spec.width == 8);
  for (const char* wrong : {"{", "}", "a } b", "{:y}", "{:.f}", "{:5d5}", "{:,x}", "{:.2d}"}) {
    CHECK(is_refused(wrong, false));
  }
  for (const char* beyond : {"{0}", "{name}", "{!r}", "{:{}}", "{:c}", "{:n}", "{:z.1f}", "{:#.1f}", "{:\xC3\xA9>4}",
                             "{:1001d}", "{:.101f}"}) {
    CHECK(is_refused(beyond, true));
  }
}

std::string timestamp(std::int64_t unix_ns) {
  TextBuffer out(8);
  TimestampFormat().append(out, unix_ns);
  return std::string(out.text());
}

void timestamps() {
  CHECK(timestamp(0) == "1970-01-01T00:00:00.000000000Z");
  CHECK(timestamp(-1) == "1969-12-31T23:59:59.999999999Z");
  CHECK(timestamp(951'782'400'123'456'789) == "2000-02-29T00:00:00.123456789Z");
  CHECK(timestamp(1'767'323'045'123'456'789) == "2026-01-02T03:04:05.123456789Z");
  CHECK(timestamp(4'107'542'399'000'000'000) == "2100-02-28T23:59:59.000000000Z");
  CHECK(timestamp(4'107'542'400'000'000'000) == "2100-03-01T00:00:00.000000000Z");
}

}  // namespace
}  // namespace latencykit

int main() {
  using namespace latencykit;
  integers();
  doubles();
  texts();
  bad_arguments_are_marked();
  templates();
  timestamps();
}
