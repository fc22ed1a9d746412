// The log file under the backend: lines gathered into a buffer, written in batches, counted when written.
//
// Promises
//   * A failed write never throws and never stops the caller: the lines that did not reach the file are
//   counted
//     as lost and the first error is kept until take_error(). The next batch starts on a fresh line.
//   * When lines were lost and writing works again, a line in the file says how many.
//   * written() counts lines of end_line() that are wholly in the file, notices not among them.
// One thread writes; written(), lost() and take_error() may be called from any. Owns the file descriptor.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "latency/text_buffer.h"

namespace latencykit {

// An error of the file since it was last taken; 0 if there was none.
struct LogFileError {
  int number = 0;
  std::uint64_t lost_lines = 0;
};

// Opens a file to append to, created if need be. -1 with errno set; EINTR if a signal ended the wait for it.
inline int open_log(const char* path) { return ::open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666); }

class LogFile {
 public:
  explicit LogFile(int fd) : fd_(fd), text_(kBatchBytes * 2) { ends_.reserve(kBatchBytes / kLeastLine + 2); }
  ~LogFile() { close(); }
  LogFile(const LogFile&) = delete;
  LogFile& operator=(const LogFile&) = delete;

  // Where the next line is built; end_line() makes it count, take_back() takes back what was begun, drop_line()
  // counts it as lost besides.
  TextBuffer& text() { return text_; }
  void end_line() {
    text_.room(1);  // All that may throw comes before the line counts.
    ends_.push_back(text_.size() + 1);
    text_.append('\n');
    line_start_ = text_.size();
  }
  void take_back() { text_.cut_to(line_start_); }
  void drop_line(int error) {
    take_back();
    note(error, 1);
  }
  // Ends a line of the logger's own, which is not counted among the written.
  void end_notice() {
    text_.append('\n');
    line_start_ = text_.size();
  }

  bool batch_is_full() const { return text_.size() >= kBatchBytes; }
  bool empty() const { return text_.size() == 0; }

  // Lines lost that no line in the file speaks of yet; announcing() says that the batch now does.
  std::uint64_t unannounced() const { return lost() - announced_; }
  void announcing() { announcing_ = lost(); }

  // Writes everything gathered so far.
  void write_out() {
    const std::size_t done = write_all();
    std::size_t lines = 0;
    while (lines < ends_.size() && ends_[lines] <= done) ++lines;
    written_.fetch_add(lines, std::memory_order_relaxed);
    if (done == text_.size()) {
      announced_ = announcing_;
    } else {
      announcing_ = announced_;
      torn_ = torn_ || (done > 0 && text_.text()[done - 1] != '\n');
      note(errno, ends_.size() - lines);
    }
    text_.clear();
    line_start_ = 0;
    ends_.clear();
  }

  // Waits until everything written is on the device.
  void sync() {
    if (::fdatasync(fd_) == 0) return;
    // A terminal, a pipe or /dev/null has no device to wait for.
    if (errno != EINVAL && errno != EROFS && errno != ENOTSUP) note(errno, 0);
  }

  void close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }

  std::uint64_t written() const { return written_.load(std::memory_order_relaxed); }
  std::uint64_t lost() const { return lost_.load(std::memory_order_relaxed); }

  LogFileError take_error() {
    return {first_error_.exchange(0, std::memory_order_relaxed),
            lost_since_taken_.exchange(0, std::memory_order_relaxed)};
  }

 private:
  static constexpr std::size_t kBatchBytes = 256 * 1024;
  static constexpr std::size_t kLeastLine = 32;  // A timestamp alone has 30 characters.

  void note(int error, std::uint64_t lines) {
    int none = 0;
    first_error_.compare_exchange_strong(none, error, std::memory_order_relaxed);
    lost_.fetch_add(lines, std::memory_order_relaxed);
    lost_since_taken_.fetch_add(lines, std::memory_order_relaxed);
  }

  // Bytes of the buffer that reached the file; errno is set if not all did.
  std::size_t write_all() {
    if (torn_) {
      if (::write(fd_, "\n", 1) != 1) return 0;
      torn_ = false;
    }
    std::size_t done = 0;
    while (done < text_.size()) {
      const ssize_t wrote = ::write(fd_, text_.text().data() + done, text_.size() - done);
      if (wrote > 0) {
        done += static_cast<std::size_t>(wrote);
      } else if (wrote == 0 || errno != EINTR) {
        if (wrote == 0) errno = EIO;
        break;
      }
    }
    return done;
  }

  int fd_;
  TextBuffer text_;
  std::vector<std::size_t> ends_;  // Where each counted line of the buffer ends.
  std::size_t line_start_ = 0;
  bool torn_ = false;  // The file ends in the middle of a line.
  std::uint64_t announced_ = 0, announcing_ = 0;
  std::atomic<std::uint64_t> written_{0}, lost_{0}, lost_since_taken_{0};
  std::atomic<int> first_error_{0};
};

}  // namespace latencykit
