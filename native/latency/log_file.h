// The log file under the backend: lines gathered into a buffer, written in batches, counted when written.
//
// Promises
//   * A failed write never throws and never stops the caller: the lines that did not reach the file are
//     counted as lost and the first error is kept until take_error(). The next batch starts on a fresh line, and so
//     does the first one in a file whose last line was never ended.
//   * When lines were lost and writing works again, a line in the file says how many.
//   * written() counts lines of end_line() that are wholly in the file, notices not among them.
//   * Rotation loses no line and splits none: a batch is cut between lines. A line longer than the limit has a
//     file of its own. A rotation that fails is reported like a failed write, with no line lost: lines go on
//     into the same file, and the next attempt comes when as much again has been written, or at the next turn.
//   * sync() covers files that were rotated away since the last one too, and the new file's name.
// One thread writes; written(), lost() and take_error() may be called from any. Owns the file descriptor.
#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <limits>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include "latency/log_journal.h"
#include "latency/log_rotation.h"
#include "latency/text_buffer.h"

namespace latencykit {

enum class LogFileTask : int { kWriting, kRotating, kReopening };

// An error of the file since it was last taken; its number is 0 if there was none.
struct LogFileError {
  int number = 0;
  std::uint64_t lost_lines = 0;
  LogFileTask task = LogFileTask::kWriting;

  // Throws std::bad_alloc.
  std::string text() const {
    std::string text = std::strerror(number);
    if (task == LogFileTask::kRotating) text += "; the log could not be rotated and goes on in the same file";
    if (task == LogFileTask::kReopening) text += "; the log could not be reopened and goes on in the file it had";
    if (task != LogFileTask::kWriting && lost_lines == 0) return text;
    return text + "; " + std::to_string(lost_lines) + " lines of the log were lost";
  }
};

class LogFile {
 public:
  // Takes over the descriptor. The path serves rotation and reopen() only. Throws std::bad_alloc.
  explicit LogFile(int fd, const std::string& path = {}, LogRotation rotation = {})
      : path_(absolute(path)), rotation_(rotation), text_(kBatchBytes * 2) {
    ends_.reserve(kBatchBytes / kLeastLine + 2);
    adopt(fd);
  }
  ~LogFile() { close(); }
  LogFile(const LogFile&) = delete;
  LogFile& operator=(const LogFile&) = delete;

  // From now on `journal` is told what is written; it must outlive the file.
  void keep(LogJournal* journal) { journal_ = journal; }

  // To be told the time of a line before it is begun.
  void turn_to(std::int64_t unix_ns) {
    if (unix_ns >= turn_ns_) [[unlikely]]
      turn(unix_ns);
  }

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
    text_.room(1);
    notices_.push_back(text_.size() + 1);
    text_.append('\n');
    line_start_ = text_.size();
  }

  std::size_t line_start() const { return line_start_; }
  bool batch_is_full() const { return text_.size() >= kBatchBytes; }
  bool empty() const { return text_.size() == 0; }

  // Lines lost that no line in the file speaks of yet; announcing() says that the batch now does.
  std::uint64_t unannounced() const { return lost() - announced_; }
  void announcing() { announcing_ = lost(); }

  // Why a rotation failed that no line speaks of yet, or 0; rotation_announced() says that one now does.
  int rotation_failure() const { return rotation_failure_; }
  void rotation_announced() { rotation_failure_ = 0; }

  // Writes everything gathered so far. Returns how many bytes of it are in the file now.
  std::size_t write_out() {
    if (journal_ != nullptr) journal_->begin({text_.text(), ends_, notices_});
    std::size_t done = 0;
    while (done < text_.size()) {
      const std::size_t end = end_of_what_fits(done);
      if (end == done) {
        rotate();
        continue;
      }
      const std::size_t reached = write_range(done, end);
      done = reached;
      if (reached != end) break;
    }
    account(done, errno);
    if (journal_ != nullptr) journal_->end();
    text_.clear();
    line_start_ = 0;
    ends_.clear();
    notices_.clear();
    return done;
  }

  // What is written next completes the last line of the file.
  void continue_line() { torn_ = false; }

  // Opens the path again, after somebody has moved the file away. Everything is to be written out before.
  void reopen() {
    // Without a reader a FIFO is refused rather than waited for.
    const int fd = open_log(path_.c_str(), O_NONBLOCK);
    if (fd < 0) return note(errno, 0, LogFileTask::kReopening);
    ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) & ~O_NONBLOCK);
    sync_one(fd_);  // Nobody knows where it is now.
    ::close(fd_);
    adopt(fd);
  }

  // Waits until everything written is on the device.
  void sync() {
    for (; unsynced_ > 0; --unsynced_) sync_rotated(unsynced_);
    sync_one(fd_);
    if (std::exchange(name_is_new_, false)) sync_folder();
  }

  void close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }

  std::uint64_t written() const { return written_.load(std::memory_order_relaxed); }
  std::uint64_t lost() const { return lost_.load(std::memory_order_relaxed); }

  LogFileError take_error() {
    const int first = first_error_.exchange(0, std::memory_order_relaxed);
    return {first & kErrorMask, lost_since_taken_.exchange(0, std::memory_order_relaxed),
            static_cast<LogFileTask>(first >> kTaskShift)};
  }

 private:
  static constexpr std::size_t kBatchBytes = 256 * 1024;
  static constexpr std::size_t kLeastLine = 32;  // A timestamp alone has 30 characters.
  static constexpr int kTaskShift = 24, kErrorMask = (1 << kTaskShift) - 1;

  // The working folder may be changed later.
  static std::string absolute(const std::string& path) {
    if (path.empty() || path[0] == '/') return path;
    std::string folder(4096, '\0');
    if (::getcwd(folder.data(), folder.size()) == nullptr) return path;
    folder.resize(std::strlen(folder.c_str()));
    return folder + "/" + path;
  }

  void note(int error, std::uint64_t lines, LogFileTask task = LogFileTask::kWriting) {
    int none = 0;
    first_error_.compare_exchange_strong(none, error | static_cast<int>(task) << kTaskShift, std::memory_order_relaxed);
    lost_.fetch_add(lines, std::memory_order_relaxed);
    lost_since_taken_.fetch_add(lines, std::memory_order_relaxed);
  }

  // --- writing -----------------------------------------------------------------------------------------------

  // Counts what of the buffer is in the file, if `done` bytes are.
  void account(std::size_t done, int error) {
    const auto lines = static_cast<std::size_t>(std::upper_bound(ends_.begin(), ends_.end(), done) - ends_.begin());
    written_.fetch_add(lines, std::memory_order_relaxed);
    if (done == text_.size()) {
      announced_ = announcing_;
      return;
    }
    announcing_ = announced_;
    torn_ = torn_ || (done > 0 && text_.text()[done - 1] != '\n');
    note(error, ends_.size() - lines);
  }

  // Returns up to where the buffer is written from `done` on; errno is set if that is not `end`.
  std::size_t write_range(std::size_t done, std::size_t end) {
    if (torn_) {
      if (::write(fd_, "\n", 1) != 1) return done;
      torn_ = false;
      ++size_;
    }
    if (journal_ != nullptr) journal_->appending(fd_, done);
    while (done < end) {
      const ssize_t wrote = ::write(fd_, text_.text().data() + done, end - done);
      if (wrote > 0) {
        done += static_cast<std::size_t>(wrote);
        size_ += static_cast<std::uint64_t>(wrote);
      } else if (wrote == 0 || errno != EINTR) {
        if (wrote == 0) errno = EIO;
        break;
      }
    }
    return done;
  }

  // The end of the last line from `done` on that the file has room for; `done` if the file must be rotated.
  std::size_t end_of_what_fits(std::size_t done) {
    if (rotation_.bytes == 0 || size_ + (text_.size() - done) <= limit_) return text_.size();
    size_ = size_on_disk();  // Somebody may have cut the file.
    const std::uint64_t room = size_ < limit_ ? limit_ - size_ : 0;
    if (text_.size() - done <= room) return text_.size();
    const auto after = std::upper_bound(ends_.begin(), ends_.end(), done + room);
    if (after != ends_.begin() && *(after - 1) > done) return *(after - 1);
    if (size_ != 0) return done;
    return after == ends_.end() ? text_.size() : *after;
  }

  // --- files -------------------------------------------------------------------------------------------------

  void adopt(int fd) {
    fd_ = fd;
    struct stat found;
    const bool known = ::fstat(fd, &found) == 0 && S_ISREG(found.st_mode);
    size_ = known ? static_cast<std::uint64_t>(found.st_size) : 0;
    torn_ = size_ != 0 && ends_torn(fd);
    limit_ = rotation_.bytes;
    name_is_new_ = true;
    if (rotation_.every_ns == 0) return;
    // An empty file belongs to the time of its first line.
    turn_ns_ = size_ == 0 ? std::numeric_limits<std::int64_t>::min()
                          : rotation_.next_turn(std::int64_t{found.st_mtim.tv_sec} * 1'000'000'000);
  }

  // Whether the file, which is not empty, ends in the middle of a line.
  bool ends_torn(int fd) const {
    // The descriptor is for writing only, and its file may be found under another name by now.
    char name[32];
    std::snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    const int again = ::open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (again < 0) return torn_;  // It may not be read.
    char last = '\n';
    const bool known = ::pread(again, &last, 1, static_cast<off_t>(size_) - 1) == 1;
    ::close(again);
    return known && last != '\n';
  }

  std::uint64_t size_on_disk() const {
    struct stat found;
    return ::fstat(fd_, &found) == 0 ? static_cast<std::uint64_t>(found.st_size) : size_;
  }

  void turn(std::int64_t unix_ns) {
    write_out();
    if (size_ != 0 && (size_ = size_on_disk()) != 0) rotate();
    turn_ns_ = rotation_.next_turn(unix_ns);
  }

  // Afterwards there is room for what is gathered, in a new file or, if that failed, in the old one.
  void rotate() {
    int fd = -1;
    try {
      fd = rotate_log(path_, fd_, rotation_.backups);
    } catch (const std::bad_alloc&) {
      errno = ENOMEM;
    }
    if (fd < 0) {
      rotation_failure_ = errno;
      note(errno, 0, LogFileTask::kRotating);
      limit_ = size_ + std::max<std::uint64_t>(rotation_.bytes, text_.size());
      return;
    }
    ::close(fd_);
    unsynced_ = std::min(unsynced_ + 1, rotation_.backups);
    adopt(fd);
  }

  void sync_one(int fd) {
    if (::fdatasync(fd) == 0) return;
    // A terminal, a pipe or /dev/null has no device to wait for.
    if (errno != EINVAL && errno != EROFS && errno != ENOTSUP) note(errno, 0);
  }

  // What was rotated away since the last sync has the lowest numbers. By name and not by a descriptor that
  // waits: that many may be rotated between two syncs, and one that is replaced by then needs none.
  void sync_rotated(int number) {
    try {
      const int fd = ::open(log_rotation::numbered(path_, number).c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC);
      if (fd < 0) return;  // Somebody has taken it away.
      sync_one(fd);
      ::close(fd);
    } catch (const std::bad_alloc&) {
      note(ENOMEM, 0);
    }
  }

  // A file is only found again after a crash of the machine if its folder is on the device.
  void sync_folder() {
    const std::size_t slash = path_.rfind('/');
    if (slash == path_.npos) return;
    path_[slash] = '\0';
    const int folder = ::open(slash == 0 ? "/" : path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    path_[slash] = '/';
    if (folder < 0) return;  // It may be written to but not read, or be gone.
    static_cast<void>(::fsync(folder));
    ::close(folder);
  }

  std::string path_;  // Absolute.
  const LogRotation rotation_;
  LogJournal* journal_ = nullptr;
  int fd_ = -1;
  int unsynced_ = 0;         // Files rotated away since the last sync() that are still kept.
  std::uint64_t size_ = 0;   // Of the present file, as far as is known without asking.
  std::uint64_t limit_ = 0;  // The present file is rotated before it grows longer; see end_of_what_fits().
  std::int64_t turn_ns_ = std::numeric_limits<std::int64_t>::max();  // A line of this time or later needs another file.
  bool name_is_new_ = true;
  int rotation_failure_ = 0;

  TextBuffer text_;
  std::vector<std::size_t> ends_;     // Where each counted line of the buffer ends,
  std::vector<std::size_t> notices_;  // and each of the others.
  std::size_t line_start_ = 0;
  bool torn_ = false;  // The file ends in the middle of a line.
  std::uint64_t announced_ = 0, announcing_ = 0;
  std::atomic<std::uint64_t> written_{0}, lost_{0}, lost_since_taken_{0};
  std::atomic<int> first_error_{0};  // With its task.
};

}  // namespace latencykit
