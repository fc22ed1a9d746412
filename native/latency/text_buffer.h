// A growing buffer of characters for text that is built and written in batches.
//
// Promises: append() copies; clear() keeps the memory, so that a buffer that has reached its working size
// allocates no more. Growing may throw std::bad_alloc, and then the content is unchanged. One owner, one thread.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string_view>

namespace latencykit {

class TextBuffer {
 public:
  explicit TextBuffer(std::size_t capacity) : data_(new char[capacity]), capacity_(capacity) {}

  // Room for `bytes` more; what is written there counts after added().
  char* room(std::size_t bytes) {
    if (capacity_ - size_ < bytes) [[unlikely]]
      grow(bytes);
    return data_.get() + size_;
  }
  void added(std::size_t bytes) { size_ += bytes; }

  void append(std::string_view text) {
    copy(room(text.size()), text.data(), text.size());
    size_ += text.size();
  }
  void append(char c) {
    *room(1) = c;
    ++size_;
  }
  void fill(std::size_t count, char c) {
    std::memset(room(count), c, count);
    size_ += count;
  }

  void cut_to(std::size_t size) { size_ = size; }
  void clear() { size_ = 0; }
  std::size_t size() const { return size_; }
  std::string_view text() const { return {data_.get(), size_}; }

 private:
  // Most pieces of a line are short, and a call of memcpy costs more than copying them: two moves of a fixed size
  // that may overlap reach both ends. Nothing is read or written outside; an empty text may have no address.
  static void copy(char* to, const char* from, std::size_t bytes) {
    if (bytes > 16) {
      std::memcpy(to, from, bytes);
    } else if (bytes >= 8) {
      copy_ends<std::uint64_t>(to, from, bytes);
    } else if (bytes >= 4) {
      copy_ends<std::uint32_t>(to, from, bytes);
    } else {
      for (std::size_t i = 0; i < bytes; ++i) to[i] = from[i];
    }
  }
  template <typename Word>
  static void copy_ends(char* to, const char* from, std::size_t bytes) {
    Word first, last;
    std::memcpy(&first, from, sizeof first);
    std::memcpy(&last, from + bytes - sizeof last, sizeof last);
    std::memcpy(to, &first, sizeof first);
    std::memcpy(to + bytes - sizeof last, &last, sizeof last);
  }

  void grow(std::size_t bytes) {
    const std::size_t capacity = std::max(capacity_ * 2, size_ + bytes);
    std::unique_ptr<char[]> larger(new char[capacity]);
    std::memcpy(larger.get(), data_.get(), size_);
    data_ = std::move(larger);
    capacity_ = capacity;
  }

  std::unique_ptr<char[]> data_;
  std::size_t capacity_;
  std::size_t size_ = 0;
};

}  // namespace latencykit
