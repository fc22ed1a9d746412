// Moves the marks in a file of rings along while what was recovered from it goes to the log, as the logger itself
// would have: whoever is killed in the middle of a recovery can start it again, and no line comes twice.
//
// Promises: the functions of LogJournal never fail. What cannot be noted is not: then lines may come twice after a
// kill. Nothing is marked as written once the log has refused a line. One thread; owns no descriptor.
#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <span>
#include <string_view>

#include "latency/log_file.h"
#include "latency/log_journal.h"
#include "latency/log_recovery.h"
#include "latency/log_rings_file.h"

namespace latencykit {

class LogRecoveryJournal final : public LogJournal {
 public:
  // `fd` is the file of rings, open for reading and writing; `log` is where the lines go.
  LogRecoveryJournal(int fd, const LogRecovery& recovery, const LogFile& log)
      : fd_(fd),
        recovery_(recovery),
        log_(log),
        last_(recovery.last_batch()),
        number_(recovery.last_number()),
        torn_(recovery.completes_line() ? recovery.torn_text() : std::string_view()) {}

  void begin(const LogBatch& lines) noexcept override {
    if (log_.lost() != 0) return;
    ++number_;
    appended_ = false;
    const std::uint64_t at = keep_lines(lines);
    batch_ = {.text_at = at,
              .text_bytes = torn_.size() + lines.text.size(),
              .records = lines.records.size(),
              .notices = lines.notices.size(),
              .text_is_here = at != 0};
    recovery_.each_ring([this](std::uint64_t segment, std::uint64_t position, std::uint64_t number,
                               std::uint64_t missing) { mark(segment, position, number, missing); });
  }

  void appending(int fd, std::size_t done) noexcept override {
    if (log_.lost() != 0) return;
    struct stat log{};
    ::fstat(fd, &log);
    batch_.done = done;
    batch_.device = log.st_dev;
    batch_.inode = log.st_ino;
    batch_.file_start = static_cast<std::uint64_t>(log.st_size) - torn_.size();
    batch_.announced = recovery_.announced();
    intend(batch_);
  }

  void end() noexcept override {
    if (log_.lost() != 0) return;
    if (!appended_) {
      rings_file::Batch nothing{};
      nothing.announced = recovery_.announced();
      intend(nothing);
    }
    put(rings_file::kStateAt + offsetof(rings_file::RingsFileState, committed), number_);
    last_ = number_;
    torn_ = {};
  }

 private:
  template <typename T>
  void put(std::uint64_t at, const T& value) const {
    static_cast<void>(write_at(at, &value, sizeof value));
  }

  void intend(const rings_file::Batch& batch) {
    using namespace rings_file;
    put(kStateAt + offsetof(RingsFileState, batches) + number_ % 2 * sizeof(Batch), batch);
    put(kStateAt + offsetof(RingsFileState, intent), number_);
    appended_ = true;
  }

  // Into the slot that does not count for the last batch.
  void mark(std::uint64_t segment, std::uint64_t position, std::uint64_t number, std::uint64_t missing) const {
    using rings_file::Mark;
    const std::uint64_t marks = segment + offsetof(rings_file::RingSegment, marks);
    std::uint64_t batches[2] = {};
    for (std::size_t i = 0; i < 2; ++i) {
      static_cast<void>(::pread(fd_, &batches[i], sizeof batches[i],
                                static_cast<off_t>(marks + i * sizeof(Mark) + offsetof(Mark, batch))) ==
                        sizeof batches[i]);
    }
    const std::size_t slot = rings_file::counting_slot(batches[0], batches[1], last_) == 0 ? 1 : 0;
    const std::uint64_t at = marks + slot * sizeof(Mark);
    put(at + offsetof(Mark, position), position);
    put(at + offsetof(Mark, number), number);
    put(at + offsetof(Mark, skipped), missing);
    put(at + offsetof(Mark, batch), number_);
  }

  // Where the copy of the lines is, in a segment behind everything else in the file; 0 if there is no room for it.
  // The first has all of the line that it completes.
  std::uint64_t keep_lines(const LogBatch& lines) {
    const std::size_t size = torn_.size() + lines.text.size();
    const std::size_t bytes = rings_file::batch_bytes(size, lines.records.size() + lines.notices.size());
    if (lines.text.empty() || (bytes > room_ && !add_room(bytes))) return 0;
    const std::uint64_t ends = rings_file::batch_ends_at(text_area_, size);
    const bool kept = write_at(text_area_, torn_.data(), torn_.size()) &&
                      write_at(text_area_ + torn_.size(), lines.text.data(), lines.text.size()) &&
                      write_ends(ends, lines.records) &&
                      write_ends(ends + lines.records.size() * sizeof(std::uint64_t), lines.notices);
    return kept ? text_area_ : 0;
  }

  bool write_ends(std::uint64_t at, std::span<const std::size_t> ends) const {
    std::uint64_t some[256];
    for (; !ends.empty(); ends = ends.subspan(std::min(ends.size(), std::size(some)))) {
      const std::size_t count = std::min(ends.size(), std::size(some));
      for (std::size_t i = 0; i < count; ++i) some[i] = torn_.size() + ends[i];
      if (!write_at(at, some, count * sizeof some[0])) return false;
      at += count * sizeof some[0];
    }
    return true;
  }

  bool add_room(std::size_t bytes) {
    using namespace rings_file;
    struct stat found;
    if (::fstat(fd_, &found) != 0) return false;
    const std::uint64_t at = (static_cast<std::uint64_t>(found.st_size) + kPage - 1) / kPage * kPage;
    const std::size_t room = (2 * bytes + kPage - 1) / kPage * kPage;
    SegmentHeader header{kSegmentMagic, SegmentKind::kText, 0, kPage + room, 0};
    header.checksum = checksum_of(header);
    if (::ftruncate(fd_, static_cast<off_t>(at + kPage + room)) != 0) return false;
    if (!write_at(at, &header, sizeof header)) return false;
    text_area_ = at + kPage;
    room_ = room;
    return true;
  }

  bool write_at(std::uint64_t at, const void* data, std::size_t size) const {
    std::size_t done = 0;
    while (done < size) {
      const ssize_t wrote =
          ::pwrite(fd_, static_cast<const char*>(data) + done, size - done, static_cast<off_t>(at + done));
      if (wrote < 0 && errno == EINTR) continue;
      if (wrote <= 0) return false;
      done += static_cast<std::size_t>(wrote);
    }
    return true;
  }

  const int fd_;
  const LogRecovery& recovery_;
  const LogFile& log_;
  std::uint64_t last_;
  std::uint64_t number_;
  std::string_view torn_;  // What the log has of the line that the first batch completes.
  rings_file::Batch batch_{};
  std::uint64_t text_area_ = 0;
  std::size_t room_ = 0;
  bool appended_ = false;
};

}  // namespace latencykit
