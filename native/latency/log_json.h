// JSON (RFC 8259) for log lines: escaped text and typed values.
//
// Promises
//   * What is appended is valid UTF-8 and valid JSON for every record: quotes, backslashes and control
//     characters are escaped; a lone surrogate is the six characters \udXXX already when it is in a record.
//   * int, float, bool and None become JSON's own values, floats in the shortest digits that give the same
//     double again. JSON has no NaN and no infinity: they become the texts "NaN", "Infinity" and "-Infinity".
//     bytes become the text of their repr; values that were formatted in the call become that text.
// No allocation once the buffers have their working size.
#pragma once

#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "latency/log_format.h"
#include "latency/log_record.h"
#include "latency/log_template.h"
#include "latency/text_buffer.h"

namespace latencykit {
namespace json {

constexpr bool needs_escape(char c) { return static_cast<unsigned char>(c) < 0x20 || c == '"' || c == '\\'; }

// Whether one of eight bytes needs an escape: each comparison sets the top bit of a byte. A byte that follows a
// hit may be a false one, so the answer is right and the place is not told.
inline bool any_needs_escape(std::uint64_t eight) {
  constexpr std::uint64_t ones = 0x0101010101010101, tops = 0x8080808080808080;
  const auto has_zero = [](std::uint64_t x) { return (x - ones) & ~x; };
  const std::uint64_t control = (eight - ones * 0x20) & ~eight;
  return ((control | has_zero(eight ^ ones * '"') | has_zero(eight ^ ones * '\\')) & tops) != 0;
}

// How many bytes at the start need no escape.
inline std::size_t plain_prefix(std::string_view text) {
  std::size_t at = 0;
  for (; at + 8 <= text.size(); at += 8) {
    std::uint64_t eight;
    std::memcpy(&eight, text.data() + at, 8);
    if (any_needs_escape(eight)) break;
  }
  while (at < text.size() && !needs_escape(text[at])) ++at;
  return at;
}

inline void append_escape(TextBuffer& out, char c) {
  static constexpr std::string_view named = "\b\f\n\r\t\"\\", names = "bfnrt\"\\";
  out.append('\\');
  if (const std::size_t at = named.find(c); at != named.npos) {
    out.append(names[at]);
    return;
  }
  const auto byte = static_cast<unsigned char>(c);
  const char digits[5] = {'u', '0', '0', "0123456789abcdef"[byte >> 4], "0123456789abcdef"[byte & 15]};
  out.append(std::string_view(digits, sizeof digits));
}

// The inside of a JSON string.
inline void append_escaped(TextBuffer& out, std::string_view text) {
  while (true) {
    const std::size_t plain = plain_prefix(text);
    out.append(text.substr(0, plain));
    if (plain == text.size()) return;
    append_escape(out, text[plain]);
    text.remove_prefix(plain + 1);
  }
}

// Escapes what stands in `out` from `start` on, by way of `scratch`.
inline void escape_from(TextBuffer& out, std::size_t start, TextBuffer& scratch) {
  const std::string_view made = out.text().substr(start);
  const std::size_t plain = plain_prefix(made);
  if (plain == made.size()) return;
  scratch.clear();
  scratch.append(made.substr(plain));
  out.cut_to(start + plain);
  append_escaped(out, scratch.text());
}

inline void append_text(TextBuffer& out, std::string_view text) {
  out.append('"');
  append_escaped(out, text);
  out.append('"');
}

inline void append_double(TextBuffer& out, double value) {
  if (std::isnan(value)) return out.append(std::string_view("\"NaN\""));
  if (std::isinf(value)) return out.append(std::string_view(value < 0 ? "\"-Infinity\"" : "\"Infinity\""));
  char* const room = out.room(40);  // The longest repr of a double has 24 characters.
  char* end = room;
  if (std::signbit(value)) *end++ = '-';
  end = formatting::put_untyped(end, std::fabs(value), -1);
  out.added(static_cast<std::size_t>(end - room));
}

inline void append_integer(TextBuffer& out, std::int64_t value) {
  char* const room = out.room(24);
  out.added(static_cast<std::size_t>(std::to_chars(room, room + 24, value).ptr - room));
}

inline void append_value(TextBuffer& out, const LogValue& value, TextBuffer& scratch) {
  switch (value.tag) {
    case LogTag::kNone:
      return out.append(std::string_view("null"));
    case LogTag::kFalse:
      return out.append(std::string_view("false"));
    case LogTag::kTrue:
      return out.append(std::string_view("true"));
    case LogTag::kInteger:
      return append_integer(out, value.integer);
    case LogTag::kDouble:
      return append_double(out, value.real);
    case LogTag::kBytes: {
      out.append('"');
      const std::size_t start = out.size();
      formatting::append_bytes(out, value.text);
      escape_from(out, start, scratch);
      return out.append('"');
    }
    case LogTag::kText:
    case LogTag::kVerbatim:
      return append_text(out, value.text);
  }
}

// The arguments of a record, with commas between them.
inline void append_values(TextBuffer& out, std::size_t count, LogRecordReader arguments, TextBuffer& scratch) {
  for (std::size_t i = 0; i < count; ++i) {
    if (i != 0) out.append(',');
    append_value(out, arguments.next(), scratch);
  }
}

// A template as it was written, braces doubled again.
inline std::string source_of(const LogTemplate& message) {
  std::string source;
  const auto add = [&source](std::string_view literal) {
    for (const char c : literal) source.append(c == '{' || c == '}' ? 2 : 1, c);
  };
  for (const TemplatePiece& piece : message.pieces) {
    add(piece.literal);
    source += piece.spec.text.empty() ? "{}" : "{:" + piece.spec.text + "}";
  }
  add(message.tail);
  return source;
}

inline std::string escaped(std::string_view text) {
  TextBuffer out(text.size() + 16);
  append_escaped(out, text);
  return std::string(out.text());
}

}  // namespace json
}  // namespace latencykit
