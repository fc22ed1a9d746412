// Reads a file of rings that is not trusted.
//
// Promises: nothing is mapped, so a file that is cut meanwhile is no fault. What the file has not reads as zeros. A
// cut or sparse file may claim any size; most_content() is what may be believed of it.
// One thread; owns no descriptor.
#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "latency/log_rings_file.h"

namespace latencykit::rings_file {

// A file that is read by offsets, all of them held against its size.
class Reader {
 public:
  explicit Reader(int fd) : fd_(fd) {
    struct stat found;
    if (::fstat(fd, &found) != 0 || !S_ISREG(found.st_mode)) return;
    bytes_ = static_cast<std::uint64_t>(found.st_size);
    stored_ = static_cast<std::uint64_t>(found.st_blocks) * 512;
  }

  std::uint64_t bytes() const { return bytes_; }
  // No text, table or record in the file is longer than this; more can only be holes. Of a file that its
  // filesystem compresses, or made sparse, up to kSmall is believed.
  std::uint64_t most_content() const { return std::min(bytes_, std::max(stored_, kSmall)); }

  // Fills `out` with what the file has from `at` on; what it has not is zero. Returns the bytes that it has.
  std::size_t read(std::uint64_t at, char* out, std::size_t size) const {
    const std::size_t done = std::min(read_part(at, out, size), size);
    std::memset(out + done, 0, size - done);
    return done;
  }

  // The same into memory that is all zero, of which no more is touched than the file has content for.
  void read_over_zeros(std::uint64_t at, char* out, std::size_t size) const {
    const std::uint64_t end = std::min<std::uint64_t>(at + size, bytes_);
    for (std::uint64_t from = at; from < end;) {
      const std::uint64_t data = size <= stored_ ? from : seek(from, SEEK_DATA, from);
      const std::uint64_t hole = size <= stored_ ? end : std::min(end, seek(data, SEEK_HOLE, end));
      if (data >= hole) return;
      read_part(data, out + (data - at), hole - data);
      from = hole;
    }
  }

  // The next offset from `at` on, of a multiple of a page, at which there may be something else than zeros.
  std::uint64_t next_page(std::uint64_t at) const { return seek(at, SEEK_DATA, at) / kPage * kPage; }

 private:
  static constexpr std::uint64_t kSmall = 64u << 20;

  // `unknown` where the filesystem does not say; the end of the file where there is none.
  std::uint64_t seek(std::uint64_t at, int what, std::uint64_t unknown) const {
    const off_t found = ::lseek(fd_, static_cast<off_t>(at), what);
    if (found >= 0) return static_cast<std::uint64_t>(found);
    return errno == ENXIO ? bytes_ : unknown;
  }

  std::size_t read_part(std::uint64_t at, char* out, std::size_t size) const {
    std::size_t done = 0;
    while (done < size && at + done < bytes_) {
      const ssize_t got = ::pread(fd_, out + done, size - done, static_cast<off_t>(at + done));
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) break;
      done += static_cast<std::size_t>(got);
    }
    return done;
  }

  const int fd_;
  std::uint64_t bytes_ = 0, stored_ = 0;
};

// A page of a file, or the beginning of one.
class Page {
 public:
  Page(const Reader& file, std::uint64_t at) : bytes_(file.read(at, data_.data(), kPage)) {}

  std::size_t bytes() const { return bytes_; }
  template <typename T>
  T load(std::size_t at) const {
    T value;
    std::memcpy(&value, data_.data() + at, sizeof value);
    return value;
  }

 private:
  alignas(8) std::array<char, kPage> data_;
  std::size_t bytes_;
};

// Whether the maker of the file was killed before it could say so in the header: no ring can be in it yet. A file whose
// header was lost later is none of these. Throws std::bad_alloc.
inline bool is_unfinished(const Reader& file) {
  static constexpr std::uint64_t kMost = std::uint64_t{4} << 20;  // Text and sites alone take a good megabyte.
  if (file.bytes() > kMost) return false;
  std::vector<char> page(kPage);
  for (std::uint64_t at = 0; at < file.bytes(); at += kPage) {
    file.read(at, page.data(), page.size());
    SegmentHeader header;
    std::memcpy(&header, page.data(), sizeof header);
    const bool empty_segment = at != 0 && header.magic == kSegmentMagic && header.checksum == checksum_of(header) &&
                               (header.kind == SegmentKind::kText || header.kind == SegmentKind::kSites);
    const auto begin = page.begin() + (empty_segment ? sizeof header : 0);
    if (std::any_of(begin, page.end(), [](char c) { return c != 0; })) return false;
  }
  return true;
}

}  // namespace latencykit::rings_file
