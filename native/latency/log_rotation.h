// Rotation of a log on disk: the full file becomes PATH.1, what was PATH.1 becomes PATH.2, and so on.
//
// Promises
//   * Files are only ever renamed, never copied or cut. Whenever the process or the machine dies, each line is
//     in exactly one file, and PATH or else PATH.1 has the newest; what may be left over is an empty PATH.new,
//     which the next rotation uses.
//   * The new file is made before anything is moved: a failure up to there changes nothing.
//   * A gap in the numbers, left by a crash or by somebody who took a file away, is closed by the next
//     rotation; only the file of the greatest number is ever replaced.
// Nothing here has a state.
#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <limits>
#include <string>
#include <utility>

namespace latencykit {

// When a log is rotated; never, if neither is set.
struct LogRotation {
  std::uint64_t bytes = 0;    // Before a line would make the file longer than this.
  std::int64_t every_ns = 0;  // When a line's time is past the next multiple of this since 1970 (UTC).
  int backups = 1;            // Files kept besides the one written to, at least 1.

  bool wanted() const { return bytes != 0 || every_ns != 0; }

  // The first moment after `unix_ns` that calls for another file.
  std::int64_t next_turn(std::int64_t unix_ns) const {
    if (every_ns == 0) return std::numeric_limits<std::int64_t>::max();
    std::int64_t into = unix_ns % every_ns;
    if (into < 0) into += every_ns;
    return unix_ns - into + every_ns;
  }
};

// Opens a file to append to, created if need be. -1 with errno set; EINTR if a signal ended the wait for it.
inline int open_log(const char* path, int more_flags = 0) {
  return ::open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | more_flags, 0666);
}

namespace log_rotation {

inline std::string numbered(const std::string& path, int number) { return path + "." + std::to_string(number); }

inline bool exists(const std::string& path) {
  struct stat found;
  return ::lstat(path.c_str(), &found) == 0;
}

// Makes PATH.1 free by moving what is there, and what is in that one's way, one number up. 0, or -1 with errno.
inline int shift_up(const std::string& path, int backups) {
  int last = 1;  // The first number that is free, or else the last that is kept.
  while (last < backups && exists(numbered(path, last))) ++last;
  for (int number = last - 1; number >= 1; --number) {
    if (std::rename(numbered(path, number).c_str(), numbered(path, number + 1).c_str()) != 0) return -1;
  }
  return 0;
}

// An empty file beside the log, with the permissions of `like`. -1 with errno set.
inline int open_new(const std::string& name, int like) {
  const int fd = open_log(name.c_str(), O_NONBLOCK);
  if (fd < 0) return -1;
  struct stat made, model;
  if (::fstat(fd, &made) != 0 || !S_ISREG(made.st_mode) || made.st_size != 0) {
    ::close(fd);
    errno = EEXIST;  // Somebody's file: not ours to write into.
    return -1;
  }
  if (::fstat(like, &model) == 0) static_cast<void>(::fchmod(fd, model.st_mode & 07777));
  return fd;
}

}  // namespace log_rotation

// Puts an empty file in the place of the log at `path`, which is open as `current`. Returns its descriptor, or
// -1 with errno set, and then `path` is what it was. Throws std::bad_alloc.
inline int rotate_log(const std::string& path, int current, int backups) {
  using namespace log_rotation;
  const std::string fresh = path + ".new", first = numbered(path, 1);
  const int fd = open_new(fresh, current);
  if (fd < 0) return -1;
  const bool moved = shift_up(path, backups) == 0 && (std::rename(path.c_str(), first.c_str()) == 0 || errno == ENOENT);
  if (moved && std::rename(fresh.c_str(), path.c_str()) == 0) return fd;
  const int error = errno;
  if (moved) static_cast<void>(std::rename(first.c_str(), path.c_str()));
  ::unlink(fresh.c_str());
  ::close(fd);
  errno = error;
  return -1;
}

}  // namespace latencykit
