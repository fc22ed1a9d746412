// A log site's template, parsed once: literal text and `{}` placeholders with the simple part of Python's
// format specification, `[[fill]align][sign][#][0][width][,|_][.precision][type]`.
//
// Promises: a template that parses has a meaning for some argument type and is formatted as str.format would
// (https://docs.python.org/3/library/string.html#format-specification-mini-language). What is not supported
// here (names, numbers and conversions in the braces, nested fields, the types c and n, the option z, # for
// floats, a fill that is not ASCII, widths and precisions beyond the limits below) throws TemplateError.
// Python-free and immutable after parsing, so that the caller's and the backend's threads may share it.
#pragma once

#include <cctype>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace latencykit {

// Thrown by parse_template. `unsupported` tells what Python would take from what is wrong in Python too.
struct TemplateError {
  bool unsupported;
  std::string message;
};

struct FormatSpec {
  static constexpr int kGreatestWidth = 1000;
  static constexpr int kGreatestPrecision = 100;

  std::string text;  // As written, without the colon; empty means "as str() would".
  char type = 0;
  char fill = ' ';
  char align = 0;  // '<' '>' '^' '=' or 0 for the type's own default.
  char sign = '-';
  char group = 0;  // ',' '_' or 0.
  bool alternate = false;
  bool zero = false;  // Padded with zeros by the 0 before the width.
  bool has_sign = false;
  int width = 0;
  int precision = -1;
};

// Literal text, then a placeholder.
struct TemplatePiece {
  std::string literal;
  FormatSpec spec;
};

struct LogTemplate {
  static constexpr std::size_t kMostPlaceholders = 64;

  std::vector<TemplatePiece> pieces;  // One per placeholder.
  std::string tail;                   // Literal text after the last.
};

namespace template_parsing {

[[noreturn]] inline void refuse(const std::string& message) { throw TemplateError{true, message}; }
[[noreturn]] inline void reject(const std::string& message) { throw TemplateError{false, message}; }

inline bool is_align(char c) { return c == '<' || c == '>' || c == '^' || c == '='; }

// A cursor over one format specification.
class SpecParser {
 public:
  explicit SpecParser(std::string_view text) : text_(text) { spec_.text = text; }

  FormatSpec parse() {
    fill_and_align();
    sign();
    if (peek() == 'z') refuse(named("the option z is not supported by log sites"));
    spec_.alternate = take('#');
    if (!filled_ && peek() == '0') {
      spec_.fill = '0';
      spec_.zero = take('0');
    }
    spec_.width = number(0, FormatSpec::kGreatestWidth, "width");
    if (peek() == ',' || peek() == '_') spec_.group = text_[at_++];
    if (take('.')) spec_.precision = number(-1, FormatSpec::kGreatestPrecision, "precision");
    if (spec_.precision < 0 && at_ > 0 && text_[at_ - 1] == '.') reject(named("has no digits after the point"));
    if (at_ < text_.size()) spec_.type = text_[at_++];
    if (at_ < text_.size()) reject(named("is not a format specification"));
    check();
    return std::move(spec_);
  }

 private:
  char peek(std::size_t ahead = 0) const { return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0'; }

  bool take(char c) {
    if (peek() != c || at_ >= text_.size()) return false;
    ++at_;
    return true;
  }

  std::string named(const std::string& what) const { return "'{:" + std::string(text_) + "}' " + what; }

  void fill_and_align() {
    for (const char c : text_) {
      if (static_cast<unsigned char>(c) >= 0x80) refuse(named("holds a character that is not ASCII"));
    }
    if (text_.size() >= 2 && is_align(text_[1])) {
      filled_ = true;
      spec_.fill = text_[0];
      spec_.align = text_[1];
      at_ = 2;
    } else if (is_align(peek())) {
      spec_.align = text_[at_++];
    }
  }

  void sign() {
    if (peek() != '+' && peek() != '-' && peek() != ' ') return;
    spec_.has_sign = true;
    spec_.sign = text_[at_++];
  }

  int number(int absent, int greatest, const char* name) {
    if (!std::isdigit(static_cast<unsigned char>(peek()))) return absent;
    int value = 0;
    while (std::isdigit(static_cast<unsigned char>(peek()))) {
      value = value * 10 + (text_[at_++] - '0');
      if (value > greatest) {
        refuse(
            named("has a " + std::string(name) + " above the " + std::to_string(greatest) + " that log sites support"));
      }
    }
    return value;
  }

  void check() const {
    static constexpr std::string_view known = "sdbBoxXeEfFgG%";
    const bool in_base = spec_.type != 0 && std::string_view("boxX").find(spec_.type) != std::string_view::npos;
    if (spec_.type == 'c' || spec_.type == 'n') refuse(named("has a type that log sites do not support"));
    if (spec_.type == 'B' || (spec_.type != 0 && known.find(spec_.type) == std::string_view::npos)) {
      reject(named("has an unknown type; use one of s d b o x X e E f F g G %"));
    }
    if (spec_.alternate && !in_base) refuse(named("has a #, which log sites support for b, o, x and X only"));
    if (spec_.group == ',' && in_base) reject(named("cannot have commas in a number that is not decimal"));
    if (spec_.group != 0 && spec_.type == 's') reject(named("cannot have separators in a text"));
    if (spec_.precision >= 0 && (in_base || spec_.type == 'd')) reject(named("cannot have a precision"));
  }

  std::string_view text_;
  std::size_t at_ = 0;
  bool filled_ = false;
  FormatSpec spec_;
};

// The specification inside the braces, `inside` being what lies between them.
inline FormatSpec parse_field(std::string_view inside) {
  if (!inside.empty() && inside[0] != ':') {
    refuse("placeholder '{" + std::string(inside) + "}' has a name, a number or a conversion; write '{}' or '{:spec}'");
  }
  return SpecParser(inside.empty() ? inside : inside.substr(1)).parse();
}

}  // namespace template_parsing

// Parses a template in UTF-8. Throws TemplateError.
inline LogTemplate parse_template(std::string_view text) {
  using namespace template_parsing;
  LogTemplate parsed;
  std::string literal;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    if (c != '{' && c != '}') {
      literal += c;
      continue;
    }
    if (at + 1 < text.size() && text[at + 1] == c) {
      literal += c;
      ++at;
      continue;
    }
    if (c == '}') reject("has a single '}'; write '}}' for a brace");
    const std::size_t end = text.find('}', at);
    if (end == std::string_view::npos) reject("has a '{' without its '}'; write '{{' for a brace");
    const std::string_view inside = text.substr(at + 1, end - at - 1);
    if (inside.find('{') != std::string_view::npos) refuse("has a placeholder inside a placeholder");
    parsed.pieces.push_back({std::exchange(literal, {}), parse_field(inside)});
    at = end;
  }
  if (parsed.pieces.size() > LogTemplate::kMostPlaceholders) {
    refuse("has " + std::to_string(parsed.pieces.size()) + " placeholders; log sites support up to " +
           std::to_string(LogTemplate::kMostPlaceholders));
  }
  parsed.tail = std::move(literal);
  return parsed;
}

}  // namespace latencykit
