// Formatting of a record's arguments by its template, byte for byte as Python's str.format would.
//
// Promises
//   * Same text as Python for every supported specification and argument type: shortest digits that
//   round-trip
//     for a bare float, correct rounding of the exact value elsewhere, Python's rules for exponents, signs,
//     grouping and zero padding (Objects/stringlib and Python/formatter_unicode.c define them).
//   * An argument that its placeholder cannot format (Python would raise) becomes a marked piece of the line,
//     "[BAD ARGUMENT: ...]". Nothing here fails, except for lack of memory.
//   * No locale, no Python, no allocation once the buffer has its working size.
#pragma once

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "latency/fast_decimal.h"
#include "latency/log_record.h"
#include "latency/log_template.h"
#include "latency/text_buffer.h"

namespace latencykit {
namespace formatting {

// A number taken apart: sign, base prefix, digits that may be grouped, and what follows them.
struct NumberText {
  bool negative = false;
  std::string_view prefix;
  std::string_view digits;
  std::string_view rest;
};

constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }

inline std::size_t grouped_size(std::size_t digits, int per_group) {
  return digits + (digits == 0 ? 0 : (digits - 1) / static_cast<std::size_t>(per_group));
}

// Digits with leading zeros up to `count`, a separator before every `per_group` digits from the right.
inline void append_grouped(TextBuffer& out, std::string_view digits, std::size_t count, int per_group, char mark) {
  const std::size_t zeros = count - digits.size();
  for (std::size_t i = 0; i < count; ++i) {
    if (i != 0 && (count - i) % static_cast<std::size_t>(per_group) == 0) out.append(mark);
    out.append(i < zeros ? '0' : digits[i - zeros]);
  }
}

// Whether a number is written as its digits and a minus where there is one, and nothing else.
inline bool is_bare(const FormatSpec& spec) { return spec.width == 0 && spec.group == 0 && spec.sign == '-'; }

// Puts a number with sign, grouping and padding; `base_group` is how many digits '_' parts in this base.
inline void append_number(TextBuffer& out, const FormatSpec& spec, const NumberText& number, int base_group) {
  const char sign = number.negative ? '-' : spec.sign == '-' ? '\0' : spec.sign;
  const char align = spec.align != 0 ? spec.align : spec.zero ? '=' : '>';
  const std::size_t around = (sign != 0) + number.prefix.size() + number.rest.size();
  const auto width = static_cast<std::size_t>(spec.width);
  const bool grouped = spec.group != 0 && !number.digits.empty();
  std::size_t digits = number.digits.size();
  if (grouped && spec.fill == '0' && align == '=') {
    // Zeros that pad are grouped like the digits they extend.
    while (around + grouped_size(digits, base_group) < width) ++digits;
  }
  const std::size_t used = around + (grouped ? grouped_size(digits, base_group) : digits);
  const std::size_t pad = used < width ? width - used : 0;
  const std::size_t before = align == '>' ? pad : align == '^' ? pad / 2 : 0;
  const std::size_t inside = align == '=' ? pad : 0;
  out.fill(before, spec.fill);
  if (sign != 0) out.append(sign);
  out.append(number.prefix);
  out.fill(inside, spec.fill);
  if (grouped) {
    append_grouped(out, number.digits, digits, base_group, spec.group);
  } else {
    out.append(number.digits);
  }
  out.append(number.rest);
  out.fill(pad - before - inside, spec.fill);
}

// Text with padding; false if the specification is one for numbers.
inline bool append_text(TextBuffer& out, const FormatSpec& spec, std::string_view text) {
  if (spec.text.empty()) {
    out.append(text);
    return true;
  }
  if ((spec.type != 0 && spec.type != 's') || spec.has_sign || spec.align == '=' || spec.group != 0) return false;
  std::size_t length = utf8::code_points(text);
  if (spec.precision >= 0 && static_cast<std::size_t>(spec.precision) < length) {
    length = static_cast<std::size_t>(spec.precision);
    std::size_t end = 0;
    for (std::size_t seen = 0; end < text.size(); ++end) {
      const bool starts = (static_cast<unsigned char>(text[end]) & 0xC0) != 0x80;
      if (starts && seen++ == length) break;
    }
    text = text.substr(0, end);
  }
  const auto width = static_cast<std::size_t>(spec.width);
  const std::size_t pad = length < width ? width - length : 0;
  const std::size_t before = spec.align == '>' ? pad : spec.align == '^' ? pad / 2 : 0;
  out.fill(before, spec.fill);
  out.append(text);
  out.fill(pad - before, spec.fill);
  return true;
}

inline char* put(char* out, std::string_view text) {
  std::memcpy(out, text.data(), text.size());
  return out + text.size();
}

inline char* put_exponent(char* out, int power) {
  *out++ = 'e';
  *out++ = power < 0 ? '-' : '+';
  const int size = power < 0 ? -power : power;
  if (size < 10) *out++ = '0';
  return std::to_chars(out, out + 8, size).ptr;
}

// Lays out the significant digits of 0.ddd x 10^point as Python's float repr does.
inline char* put_digits(char* out, std::string_view digits, int point, bool exponent) {
  const auto whole = static_cast<std::size_t>(exponent ? 1 : std::max(point, 0));
  if (whole == 0) {
    out = std::fill_n(put(out, "0."), -point, '0');
    return put(out, digits);
  }
  out = put(out, digits.substr(0, whole));
  if (digits.size() > whole) {
    *out++ = '.';
    out = put(out, digits.substr(whole));
  } else if (!exponent) {
    out = put(std::fill_n(out, whole - digits.size(), '0'), ".0");
  }
  return exponent ? put_exponent(out, point - 1) : out;
}

// A finite, non-negative double without a type: the shortest repr, or `precision` significant digits.
inline char* put_untyped(char* out, double value, int precision) {
  static constexpr auto scientific = std::chars_format::scientific;
  if (precision < 0) {
    if (char* const end = fast_decimal::put_shortest(out, value)) return end;
  }
  char made[FormatSpec::kGreatestPrecision + 32];
  char* const last = made + sizeof made;
  const int significant = std::max(precision, 1);
  const char* const end = precision < 0 ? std::to_chars(made, last, value, scientific).ptr
                                        : std::to_chars(made, last, value, scientific, significant - 1).ptr;
  // made is "d.ddde+dd": take the point out, the zeros at the end off, and the exponent as a number.
  const char* const e = std::find(static_cast<const char*>(made), end, 'e');
  int power = 0;
  std::from_chars(e + (e[1] == '+' ? 2 : 1), end, power);
  char digits[sizeof made];
  char* digits_end = std::remove_copy(static_cast<const char*>(made), e, digits, '.');
  while (digits_end - digits > 1 && digits_end[-1] == '0') --digits_end;
  const int point = power + 1;
  // The thresholds of repr, and of a precision that keeps one digit behind the point.
  const int greatest = precision < 0 ? 16 : significant - 1;
  const bool exponent = point <= -4 || point > greatest;
  return put_digits(out, {digits, static_cast<std::size_t>(digits_end - digits)}, point, exponent);
}

inline char* put_magnitude(char* out, char* last, const FormatSpec& spec, double value) {
  if (std::isnan(value)) return put(out, "nan");
  if (std::isinf(value)) return put(out, "inf");
  if (spec.type == 0) return put_untyped(out, value, spec.precision);
  const auto format = spec.type == 'e' || spec.type == 'E'   ? std::chars_format::scientific
                      : spec.type == 'g' || spec.type == 'G' ? std::chars_format::general
                                                             : std::chars_format::fixed;
  const int precision = spec.precision < 0 ? 6 : spec.precision;
  if (format == std::chars_format::fixed) {
    if (char* const end = fast_decimal::put_fixed(out, value, precision)) return end;
  }
  return std::to_chars(out, last, value, format, precision).ptr;
}

constexpr char upper(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; }

// A double; false if the specification is not one for floats.
inline bool append_double(TextBuffer& out, const FormatSpec& spec, double value) {
  if (spec.type != 0 && std::string_view("eEfFgG%").find(spec.type) == std::string_view::npos) return false;
  char text[309 + FormatSpec::kGreatestPrecision + 32];  // DBL_MAX has 309 digits before the point.
  const double scaled = spec.type == '%' ? value * 100 : value;
  char* end = put_magnitude(text, text + sizeof text, spec, std::isnan(scaled) ? scaled : std::fabs(scaled));
  if (spec.type == 'E' || spec.type == 'F' || spec.type == 'G') std::transform(text, end, text, upper);
  if (spec.type == '%') *end++ = '%';
  const bool negative = std::signbit(value) && !std::isnan(value);
  if (is_bare(spec)) {
    if (negative) out.append('-');
    out.append({text, static_cast<std::size_t>(end - text)});
    return true;
  }
  char* const whole = std::find_if_not(text, end, is_digit);
  const auto view = [](char* from, char* to) { return std::string_view(from, static_cast<std::size_t>(to - from)); };
  append_number(out, spec, {negative, {}, view(text, whole), view(whole, end)}, 3);
  return true;
}

// An integer; false if the specification is not one for integers.
inline bool append_integer(TextBuffer& out, const FormatSpec& spec, std::int64_t value) {
  static constexpr std::string_view bases = "boxX";
  static constexpr std::string_view prefixes[] = {"0b", "0o", "0x", "0X"};
  const std::size_t base = spec.type == 0 ? bases.npos : bases.find(spec.type);
  const bool decimal = spec.type == 0 || spec.type == 'd';
  if (base == bases.npos && !decimal) return append_double(out, spec, static_cast<double>(value));
  if (spec.precision >= 0) return false;
  if (decimal && is_bare(spec)) {
    char* const room = out.room(24);
    out.added(static_cast<std::size_t>(std::to_chars(room, room + 24, value).ptr - room));
    return true;
  }
  static constexpr int radix[] = {2, 8, 16, 16};
  const auto magnitude = value < 0 ? 0 - static_cast<std::uint64_t>(value) : static_cast<std::uint64_t>(value);
  char text[64];
  char* const end = std::to_chars(text, text + sizeof text, magnitude, decimal ? 10 : radix[base]).ptr;
  if (spec.type == 'X') std::transform(text, end, text, upper);
  const std::string_view prefix = spec.alternate ? prefixes[base] : std::string_view();
  append_number(out, spec, {value < 0, prefix, {text, static_cast<std::size_t>(end - text)}, {}}, decimal ? 3 : 4);
  return true;
}

// A bytes object as its repr.
inline void append_bytes(TextBuffer& out, std::string_view bytes) {
  const bool has_single = bytes.find('\'') != bytes.npos;
  const char quote = has_single && bytes.find('"') == bytes.npos ? '"' : '\'';
  out.append('b');
  out.append(quote);
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == quote || c == '\\') {
      out.append('\\');
      out.append(c);
    } else if (c == '\t' || c == '\n' || c == '\r') {
      out.append('\\');
      out.append(c == '\t' ? 't' : c == '\n' ? 'n' : 'r');
    } else if (byte < 0x20 || byte >= 0x7F) {
      const char hex[4] = {'\\', 'x', "0123456789abcdef"[byte >> 4], "0123456789abcdef"[byte & 15]};
      out.append(std::string_view(hex, sizeof hex));
    } else {
      out.append(c);
    }
  }
  out.append(quote);
}

inline bool append_value(TextBuffer& out, const FormatSpec& spec, const LogValue& value) {
  switch (value.tag) {
    case LogTag::kNone:
      if (spec.text.empty()) out.append("None");
      return spec.text.empty();
    case LogTag::kFalse:
    case LogTag::kTrue:
      if (!spec.text.empty()) return append_integer(out, spec, value.tag == LogTag::kTrue);
      out.append(value.tag == LogTag::kTrue ? "True" : "False");
      return true;
    case LogTag::kInteger:
      return append_integer(out, spec, value.integer);
    case LogTag::kDouble:
      return append_double(out, spec, value.real);
    case LogTag::kText:
      return append_text(out, spec, value.text);
    case LogTag::kBytes:
      if (spec.text.empty()) append_bytes(out, value.text);
      return spec.text.empty();
    case LogTag::kVerbatim:
      out.append(value.text);
      return true;
  }
  return false;
}

inline std::string_view python_type(LogTag tag) {
  switch (tag) {
    case LogTag::kNone:
      return "NoneType";
    case LogTag::kFalse:
    case LogTag::kTrue:
      return "bool";
    case LogTag::kDouble:
      return "float";
    case LogTag::kText:
    case LogTag::kVerbatim:
      return "str";
    case LogTag::kBytes:
      return "bytes";
    default:
      return "int";
  }
}

// What stands in for an argument that its placeholder cannot format; the value itself is not lost.
inline void append_bad_argument(TextBuffer& out, const FormatSpec& spec, const LogValue& value) {
  // Never destroyed: the backend may still format while the process ends.
  static const FormatSpec& plain = *new FormatSpec;
  out.append("[BAD ARGUMENT: '{:");
  out.append(spec.text);
  out.append("}' cannot format the ");
  out.append(python_type(value.tag));
  out.append(' ');
  append_value(out, plain, value);
  out.append(']');
}

}  // namespace formatting

// Appends the message of a record: the template with its arguments filled in.
inline void append_message(TextBuffer& out, const LogTemplate& message, LogRecordReader arguments) {
  for (const TemplatePiece& piece : message.pieces) {
    out.append(piece.literal);
    const LogValue value = arguments.next();
    if (!formatting::append_value(out, piece.spec, value)) {
      formatting::append_bad_argument(out, piece.spec, value);
    }
  }
  out.append(message.tail);
}

}  // namespace latencykit
