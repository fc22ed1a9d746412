// The bytes of one log record: a header, one tag per argument, then the values.
//
//   header     16 bytes    size, site number, ticks (LogRecordHeader)
//   tags       1 each      padded to a multiple of 8
//   values     8 each      integer or double; none and booleans have no value, the tag says it all
//              8 + length  text and bytes: the length, then the bytes padded to a multiple of 8
//
// Promises: sizes are multiples of 8, so that every value is aligned; text is copied as UTF-8, encoded
// straight from the caller's characters without an intermediate buffer; nothing borrowed outlives the call. A
// lone surrogate, which UTF-8 cannot hold, is written as the six characters \udXXX. A record is only read by
// the process that wrote it, so numbers keep the machine's byte order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "latency/log_ring.h"

namespace latencykit {

enum class LogTag : std::uint8_t {
  kNone = 1,
  kFalse,
  kTrue,
  kInteger,
  kDouble,
  kText,     // The text of a str, to be formatted as one.
  kBytes,    // A bytes object's content, shown as Python's repr of it.
  kVerbatim  // Text that is already formatted: of integers beyond 64 bits and of every other type.
};

constexpr bool has_text(LogTag tag) { return tag >= LogTag::kText; }
constexpr bool has_value(LogTag tag) { return tag >= LogTag::kInteger; }
constexpr std::size_t padded_to_8(std::size_t bytes) { return (bytes + 7) & ~std::size_t{7}; }

// One argument as the caller has it: nothing is copied yet. Left uninitialised on purpose: a call has room
// for many and fills in the fields that its tags need.
struct LogArgument {
  LogTag tag;
  bool ascii;         // Text: each code unit is a byte that is copied as it is.
  std::uint8_t unit;  // Text that is not ascii: bytes of a code unit, 1, 2 or 4.
  union {
    std::int64_t integer;
    double real;
    const void* text;
  };
  std::size_t length;   // Text that is not ascii: code units.
  std::size_t encoded;  // Text: bytes in the record.
};

namespace utf8 {

// Calls f on each code point of Python's fixed-width storage.
template <typename F>
void each_code_point(const void* text, std::size_t length, int unit, F f) {
  for (std::size_t i = 0; i < length; ++i) {
    if (unit == 1) {
      f(std::uint32_t{static_cast<const std::uint8_t*>(text)[i]});
    } else if (unit == 2) {
      f(std::uint32_t{static_cast<const std::uint16_t*>(text)[i]});
    } else {
      f(static_cast<const std::uint32_t*>(text)[i]);
    }
  }
}

constexpr bool is_surrogate(std::uint32_t c) { return c >= 0xD800 && c <= 0xDFFF; }

constexpr std::size_t width(std::uint32_t c) {
  if (is_surrogate(c)) return 6;
  return c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
}

inline char* put(char* out, std::uint32_t c) {
  const auto continuation = [](std::uint32_t bits) { return static_cast<char>(0x80 | (bits & 0x3F)); };
  if (is_surrogate(c)) {
    *out++ = '\\';
    *out++ = 'u';
    for (int shift = 12; shift >= 0; shift -= 4) *out++ = "0123456789abcdef"[(c >> shift) & 15];
    return out;
  }
  if (c < 0x80) {
    *out++ = static_cast<char>(c);
    return out;
  }
  if (c < 0x800) {
    *out++ = static_cast<char>(0xC0 | (c >> 6));
  } else {
    if (c < 0x10000) {
      *out++ = static_cast<char>(0xE0 | (c >> 12));
    } else {
      *out++ = static_cast<char>(0xF0 | (c >> 18));
      *out++ = continuation(c >> 12);
    }
    *out++ = continuation(c >> 6);
  }
  *out++ = continuation(c);
  return out;
}

inline std::size_t encoded_size(const void* text, std::size_t length, int unit) {
  std::size_t bytes = 0;
  each_code_point(text, length, unit, [&](std::uint32_t c) { bytes += width(c); });
  return bytes;
}

inline void encode(char* out, const void* text, std::size_t length, int unit) {
  each_code_point(text, length, unit, [&](std::uint32_t c) { out = put(out, c); });
}

// Code points in valid UTF-8: the bytes that do not continue another.
inline std::size_t code_points(std::string_view text) {
  std::size_t count = 0;
  for (const char c : text) count += (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  return count;
}

}  // namespace utf8

// Bytes that the argument's value takes in a record.
inline std::size_t value_bytes(const LogArgument& argument) {
  if (has_text(argument.tag)) return 8 + padded_to_8(argument.encoded);
  return has_value(argument.tag) ? 8 : 0;
}

inline std::size_t header_bytes(std::size_t count) { return sizeof(LogRecordHeader) + padded_to_8(count); }

// Bytes of a record with these arguments.
inline std::size_t record_bytes(const LogArgument* arguments, std::size_t count) {
  std::size_t bytes = header_bytes(count);
  for (std::size_t i = 0; i < count; ++i) bytes += value_bytes(arguments[i]);
  return bytes;
}

inline char* put_value(char* out, const LogArgument& argument) {
  if (!has_value(argument.tag)) return out;
  if (!has_text(argument.tag)) {
    std::memcpy(out, &argument.integer, 8);  // A double has the same 8 bytes.
    return out + 8;
  }
  const std::uint64_t bytes = argument.encoded;
  std::memcpy(out, &bytes, 8);
  if (argument.ascii) {
    std::memcpy(out + 8, argument.text, bytes);
  } else {
    utf8::encode(out + 8, argument.text, argument.length, argument.unit);
  }
  return out + 8 + padded_to_8(bytes);
}

// Writes a record into `out`, which has room for `bytes` == record_bytes(arguments, count).
inline void write_record(char* out, std::size_t bytes, std::uint32_t site, std::uint64_t ticks,
                         const LogArgument* arguments, std::size_t count) {
  const LogRecordHeader header{static_cast<std::uint32_t>(bytes), site, ticks};
  std::memcpy(out, &header, sizeof header);
  char* tags = out + sizeof header;
  char* values = out + header_bytes(count);
  for (std::size_t i = 0; i < count; ++i) {
    tags[i] = static_cast<char>(arguments[i].tag);
    values = put_value(values, arguments[i]);
  }
}

// One argument as it lies in a record; `text` points into the record.
struct LogValue {
  LogTag tag;
  std::int64_t integer = 0;
  double real = 0;
  std::string_view text;
};

// Reads the arguments of a record, in order.
class LogRecordReader {
 public:
  LogRecordReader(const char* record, std::size_t count)
      : tags_(record + sizeof(LogRecordHeader)), values_(record + header_bytes(count)) {}

  LogValue next() {
    LogValue value{.tag = static_cast<LogTag>(*tags_++), .text = {}};
    if (!has_value(value.tag)) return value;
    std::memcpy(&value.integer, values_, 8);
    std::memcpy(&value.real, values_, 8);
    values_ += 8;
    if (has_text(value.tag)) {
      value.text = {values_, static_cast<std::size_t>(value.integer)};
      values_ += padded_to_8(value.text.size());
    }
    return value;
  }

 private:
  const char* tags_;
  const char* values_;
};

inline LogRecordHeader header_of(const char* record) {
  LogRecordHeader header;
  std::memcpy(&header, record, sizeof header);
  return header;
}

}  // namespace latencykit
