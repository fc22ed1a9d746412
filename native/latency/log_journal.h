// What a log file tells whoever must know which lines it has got, should the process die in the middle.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

namespace latencykit {

// What the file writes at once: whole lines, or nothing at all.
struct LogBatch {
  std::string_view text;
  std::span<const std::size_t> records;  // Where the line of each record ends in it,
  std::span<const std::size_t> notices;  // and where each line of the logger's own.
};

class LogJournal {
 public:
  // The file is about to write this.
  virtual void begin(const LogBatch& batch) noexcept = 0;
  // All but the first `done` bytes of it go to the end of `fd`, unless the rest goes to another file, which is
  // told by another call.
  virtual void appending(int fd, std::size_t done) noexcept = 0;
  // It is done: the text is in the file, or the lines that are not are counted as lost.
  virtual void end() noexcept = 0;

 protected:
  ~LogJournal() = default;
};

}  // namespace latencykit
