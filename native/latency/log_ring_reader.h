// The records that lie in a copy of a ring's bytes which may be damaged.
//
// Promises: no length in the bytes is trusted; nothing outside them is read. A record is taken for one only if
// its size, its site and the sizes of all its arguments agree to the byte, and its time is possible. What is
// not is skipped, up to the next place from which on a record agrees, and the bytes skipped are counted.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <utility>

#include "latency/log_record.h"
#include "latency/log_ring.h"

namespace latencykit {

// Memory for a copy of a ring's bytes, all zero. calloc: what of it is never written to takes no memory.
class LogRingBytes {
 public:
  // `size` is a power of two. Throws std::bad_alloc.
  explicit LogRingBytes(std::size_t size) : at_(static_cast<char*>(std::calloc(size, 1))), size_(size) {
    if (at_ == nullptr) throw std::bad_alloc();
  }
  char* data() { return at_.get(); }
  const char* data() const { return at_.get(); }
  std::size_t size() const { return size_; }

 private:
  struct Release {
    void operator()(char* at) const { std::free(at); }
  };
  std::unique_ptr<char, Release> at_;
  std::size_t size_;
};

class LogRingReader {
 public:
  // What a record may be. `arguments(site)` returns how many a site has, or -1 for an unknown site, and
  // `possible(ticks)` whether a record can have that time.
  template <typename Arguments, typename Possible>
  struct Rules {
    Arguments arguments;
    Possible possible;
  };

  // `data` are the ring's bytes; where the file was cut, the rest is zero. The records lie from `start` to `head`,
  // at most as far apart as there are bytes, and none is longer than `longest`.
  LogRingReader(LogRingBytes data, LogRingKind kind, std::uint64_t start, std::uint64_t head, std::uint64_t longest)
      : data_(std::move(data)), kind_(kind), at_(start), head_(head), longest_(longest) {}

  // Moves on to the next record; false at the end.
  template <typename R>
  bool next(const R& rules) {
    at_ += size_;
    size_ = 0;
    skipped_ = 0;
    while (at_ < head_) {
      const std::size_t filler = filler_here();
      if (filler != 0) {
        at_ += filler;
      } else if (const std::size_t size = record_here(rules); size != 0) {
        size_ = size;
        return true;
      } else {
        at_ += 8;
        skipped_ += 8;
      }
    }
    at_ = head_;
    return false;
  }

  // The present record, valid after next() has returned true; its header has the size in the ring.
  const char* record() const { return data_.data() + offset(at_); }
  std::uint64_t ticks() const { return header_of(record()).ticks; }
  // Overwriting rings: its number.
  std::uint64_t number() const { return load<std::uint64_t>(offset(at_) + size_ - LogRing::kNumberBytes); }

  // Bytes skipped by the last next() before it came to a record, or to the end.
  std::uint64_t skipped() const { return skipped_; }
  // Where the present record begins; the end, when there is none.
  std::uint64_t position() const { return at_; }
  // Where it ends.
  std::uint64_t end_position() const { return at_ + size_; }

 private:
  std::size_t offset(std::uint64_t position) const { return position & (data_.size() - 1); }

  template <typename T>
  T load(std::size_t at) const {
    T value;
    std::memcpy(&value, data_.data() + at, sizeof value);
    return value;
  }

  // Bytes up to the ring's end if a filler says so, else 0.
  std::size_t filler_here() const {
    const std::size_t to_end = data_.size() - offset(at_);
    const bool filler = load<std::uint32_t>(offset(at_) + 4) == LogRing::kFiller &&
                        load<std::uint32_t>(offset(at_)) == to_end && to_end <= head_ - at_;
    return filler ? to_end : 0;
  }

  template <typename R>
  std::size_t record_here(const R& rules) const {
    const std::size_t begin = offset(at_), room = data_.size() - begin;
    if (room < sizeof(LogRecordHeader)) return 0;
    const auto header = load<LogRecordHeader>(begin);
    const std::size_t number = kind_ == LogRingKind::kOverwriting ? LogRing::kNumberBytes : 0;
    if (header.size % 8 != 0 || header.size > room || header.size > head_ - at_ || header.size > longest_) return 0;
    const int count = rules.arguments(header.site);
    if (count < 0 || !rules.possible(header.ticks)) return 0;
    const std::size_t needed = argument_bytes(begin, header.size, static_cast<std::size_t>(count));
    return needed != 0 && needed + number == header.size ? header.size : 0;
  }

  // Bytes of the record as its tags and lengths have it; 0 if they cannot be, or run over `size`.
  std::size_t argument_bytes(std::size_t begin, std::size_t size, std::size_t count) const {
    std::size_t at = header_bytes(count);
    if (at > size) return 0;
    for (std::size_t i = 0; i < count; ++i) {
      const auto tag = static_cast<LogTag>(data_.data()[begin + sizeof(LogRecordHeader) + i]);
      if (tag < LogTag::kNone || tag > LogTag::kVerbatim) return 0;
      if (!has_value(tag)) continue;
      if (size - at < 8) return 0;
      const auto length = load<std::uint64_t>(begin + at);
      at += 8;
      if (!has_text(tag)) continue;
      if (length > size - at || padded_to_8(length) > size - at) return 0;
      at += padded_to_8(length);
    }
    return at;
  }

  LogRingBytes data_;
  LogRingKind kind_;
  std::uint64_t at_;
  std::uint64_t head_;
  std::uint64_t longest_;
  std::size_t size_ = 0;
  std::uint64_t skipped_ = 0;
};

}  // namespace latencykit
