// The batch that a logger was writing when it was killed: which of its lines the log has not got.
//
// Promises
//   * What the log has got is found by comparing: what is left begins with the line of which the log has not got all,
//     and torn_bytes() are what it has of that one. A record of several lines counts as one here.
//   * The file is not trusted: without a sound table of the lines, is_sound() is false and each line of text counts as
//     a record.
// One thread. Throws std::bad_alloc.
#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "latency/log_file.h"
#include "latency/log_rings_file.h"
#include "latency/log_rings_input.h"

namespace latencykit {

class InterruptedBatch {
 public:
  // There was none.
  InterruptedBatch() = default;

  // Whether the file has the batch's lines.
  static bool is_here(const rings_file::Reader& file, const rings_file::Batch& batch) {
    return batch.text_is_here != 0 && batch.text_at <= file.bytes() && batch.done <= batch.text_bytes &&
           batch.text_bytes <= std::min(file.bytes() - batch.text_at, file.most_content());
  }

  // `batch` is_here() in `file`, and its lines went to the log at `log_path` or to what became of that.
  InterruptedBatch(const rings_file::Reader& file, const rings_file::Batch& batch, const std::string& log_path)
      : text_(batch.text_bytes, '\0') {
    if (batch.done == batch.text_bytes) return;
    file.read(batch.text_at, text_.data(), text_.size());
    if (!read_lines(file, batch)) split_lines();
    const std::optional<std::size_t> got = written_part(batch, log_path);
    is_exact_ = got.has_value();
    leave_out(batch.done, batch.done + got.value_or(0));
  }

  // Whether the file said where its lines end, and whether the log is as its logger left it.
  bool is_sound() const { return is_sound_; }
  bool is_exact() const { return is_exact_; }
  // What is left: lines, how many of them are of records, and what the log has of the first.
  std::uint64_t lines() const { return lines_.size(); }
  std::uint64_t records() const {
    return static_cast<std::uint64_t>(
        std::count_if(lines_.begin(), lines_.end(), [](Line line) { return line.record; }));
  }
  std::size_t torn_bytes() const { return torn_; }
  std::string_view torn_text() const { return std::string_view(text_).substr(start_, torn_); }
  // Whether the log itself ends in that, and not a file that it was rotated to.
  bool completes_log() const { return torn_in_log_ && torn_ != 0; }

  // Writes what is left; `continuing`, without what the log has of the first line.
  void write(LogFile& out, bool continuing) const {
    if (lines_.empty()) return;
    std::size_t from = start_ + (continuing ? torn_ : 0);
    for (const Line& line : lines_) {
      out.text().append(std::string_view(text_).substr(from, line.end - 1 - from));
      line.record ? out.end_line() : out.end_notice();
      from = line.end;
    }
    out.write_out();
  }

 private:
  struct Line {
    std::size_t end;
    bool record;
  };

  bool read_lines(const rings_file::Reader& file, const rings_file::Batch& batch) {
    const std::uint64_t most = text_.size();  // No line is shorter than a byte.
    if (batch.records > most || batch.notices > most) return is_sound_ = false;
    std::vector<std::uint64_t> ends(batch.records + batch.notices);
    file.read(rings_file::batch_ends_at(batch.text_at, batch.text_bytes), reinterpret_cast<char*>(ends.data()),
              ends.size() * sizeof(std::uint64_t));
    for (std::size_t i = 0; i < ends.size(); ++i) lines_.push_back({ends[i], i < batch.records});
    std::sort(lines_.begin(), lines_.end(), [](Line a, Line b) { return a.end < b.end; });
    std::size_t last = 0;
    for (const Line& line : lines_) {
      if (line.end <= last || line.end > text_.size() || text_[line.end - 1] != '\n') return is_sound_ = false;
      last = line.end;
    }
    return is_sound_ = last == text_.size();
  }

  void split_lines() {
    lines_.clear();
    for (std::size_t end = 0; (end = text_.find('\n', end)) != text_.npos;) lines_.push_back({++end, true});
    if (lines_.empty() || lines_.back().end != text_.size()) lines_.push_back({text_.size(), true});
  }

  // Of the text from `done` on, the log has got what is before `got`.
  void leave_out(std::size_t done, std::size_t got) {
    const auto left = std::find_if(lines_.begin(), lines_.end(), [got](Line line) { return line.end > got; });
    start_ = std::max(done, left == lines_.begin() ? 0 : (left - 1)->end);
    torn_ = got - start_;
    lines_.erase(lines_.begin(), left);
  }

  // How much of the batch the log has got; nothing if that cannot be told.
  std::optional<std::size_t> written_part(const rings_file::Batch& batch, const std::string& log_path) {
    std::vector<std::string> names = {log_path, log_path + ".new"};
    for (int number = 1; number <= kMostRotated; ++number) {
      names.push_back(log_path + "." + std::to_string(number));
      struct stat found;
      if (::lstat(names.back().c_str(), &found) != 0) break;
    }
    for (const std::string& name : names) {
      const int fd = ::open(name.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
      if (fd < 0) continue;
      struct stat found;
      const bool same = ::fstat(fd, &found) == 0 && found.st_dev == batch.device && found.st_ino == batch.inode;
      const std::optional<std::size_t> part = same ? common_part(batch, fd) : std::nullopt;
      ::close(fd);
      if (!same) continue;
      torn_in_log_ = name == log_path;
      return part;
    }
    return std::nullopt;
  }

  std::optional<std::size_t> common_part(const rings_file::Batch& batch, int fd) const {
    const rings_file::Reader log(fd);
    if (log.bytes() < batch.file_start) return std::nullopt;
    std::string text(std::min<std::uint64_t>(log.bytes() - batch.file_start, text_.size() - batch.done), '\0');
    if (log.read(batch.file_start, text.data(), text.size()) != text.size()) return std::nullopt;
    if (text_.compare(batch.done, text.size(), text) != 0) return std::nullopt;
    return text.size();
  }

  static constexpr int kMostRotated = 1000;

  std::string text_;
  std::vector<Line> lines_;  // What is left of them; the first begins at start_.
  std::size_t start_ = 0, torn_ = 0;
  bool is_sound_ = true, is_exact_ = true, torn_in_log_ = false;
};

}  // namespace latencykit
