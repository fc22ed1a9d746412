// The rings of a crash-proof logger in a mapped file, and the journal of what of them the log has got.
//
// Promises
//   * What is in the file is in the page cache: the death of the process, SIGKILL included, loses nothing whose
//     call had returned. A power cut or a crash of the kernel loses what was not flushed.
//   * Space is reserved and every page touched before it is used: a full disk is an error when a ring or a
//     table is made, and no SIGBUS later.
//   * The file is locked (flock) for as long as the process lives, not for as long as its children do.
//   * begin(), appending() and end() never fail. If there is no room for a copy of the lines, the batch is
//     written all the same, and a process killed meanwhile has its lines recovered once more than needed.
// Throws std::system_error with the system's reason, std::bad_alloc.
//
// Threads: add_ring() and add_site() may be called from any; the rest belongs to the backend. Ownership: the file
// and its mappings; rings made over it must be gone before it. The file goes with it.
#pragma once

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <mutex>
#include <new>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "latency/log_clock.h"
#include "latency/log_journal.h"
#include "latency/log_ring.h"
#include "latency/log_rings_file.h"
#include "latency/log_template.h"

namespace latencykit {

namespace rings_file {

// The content of a small file of the kernel's; empty if it cannot be read.
inline std::string read_small(const char* path) {
  char text[512];
  const int fd = ::open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return {};
  const ssize_t size = ::read(fd, text, sizeof text);
  ::close(fd);
  return {text, size > 0 ? static_cast<std::size_t>(size) : 0};
}

inline std::string boot_id() {
  std::string id = read_small("/proc/sys/kernel/random/boot_id");
  while (!id.empty() && id.back() == '\n') id.pop_back();
  return id.substr(0, sizeof(RingsFileHeader::boot) - 1);
}

// When a process began, in clock ticks since the boot: the 22nd field of its stat, the 20th behind the name; 0
// if unknown.
inline std::uint64_t start_of(std::uint32_t process) {
  const std::string stat = read_small(("/proc/" + std::to_string(process) + "/stat").c_str());
  std::size_t at = stat.rfind(')');
  for (int field = 2; field < 22 && at != stat.npos; ++field) at = stat.find(' ', at + 1);
  return at == stat.npos ? 0 : std::strtoull(stat.c_str() + at + 1, nullptr, 10);
}

}  // namespace rings_file

class LogMapping final : public LogJournal {
 public:
  // Makes the file, which must not exist. `line_format` is kept for the recovery.
  LogMapping(const std::string& path, LogRingKind kind, std::uint32_t line_format)
      : path_(std::filesystem::absolute(path).string()), kind_(kind) {
    fd_ = ::open(path_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd_ < 0) fail();
    try {
      // Whoever got the lock first found an empty file, and may have deleted it.
      if (::flock(fd_, LOCK_EX | LOCK_NB) != 0 || !is_there()) fail(EBUSY);
      char* const page = add_bytes(rings_file::kPage);
      state_ = new (page + rings_file::kStateAt) rings_file::RingsFileState{};
      text_ = add_segment(rings_file::SegmentKind::kText, kTextBytes);
      add_sites_segment(kSitesBytes);
      write_header(page, line_format);
    } catch (...) {
      discard();
      throw;
    }
  }
  ~LogMapping() { discard(); }
  LogMapping(const LogMapping&) = delete;
  LogMapping& operator=(const LogMapping&) = delete;

  const std::string& path() const { return path_; }

  // Memory for a ring in the file, of `bytes` rounded as LogRing does; follow() must come before its first record.
  LogRingMemory add_ring(std::size_t bytes) {
    const std::lock_guard lock(mutex_);
    const std::size_t size = LogRing::rounded(bytes);
    const Segment segment = map_segment(rings_file::kPage + size);
    auto* const made = new (segment.at) rings_file::RingSegment{};
    finish_segment(segment, rings_file::SegmentKind::kRing);
    return {&made->control, segment.at + rings_file::kPage, size};
  }

  // From now on the journal marks how far `ring`, made over such memory, has come; it must outlive the journal.
  void follow(LogRing& ring) {
    const std::lock_guard lock(mutex_);
    rings_.push_back({&ring, segment_of(ring)});
  }

  // Says whose records come into the ring from now on. All before must be in the log.
  static void serve_thread(LogRing& ring, int thread) {
    segment_of(ring)->thread.store(static_cast<std::uint64_t>(thread), std::memory_order_relaxed);
  }

  // Writes a site's level and template down; to be called before any record with that number.
  void add_site(std::uint32_t number, std::string_view level, std::string_view message) {
    const std::lock_guard lock(mutex_);
    rings_file::SiteEntry entry{};
    const std::size_t bytes = (sizeof entry + level.size() + message.size() + 7) / 8 * 8;
    if (bytes > sites_room_) add_sites_segment(std::max(2 * kSitesBytes, bytes + rings_file::kPage));
    auto* const sites = reinterpret_cast<rings_file::SitesSegment*>(sites_);
    const std::uint64_t used = sites->used.load(std::memory_order_relaxed);
    char* const out = sites_ + rings_file::kEntriesAt + used;
    entry.bytes = static_cast<std::uint32_t>(bytes);
    entry.number = number;
    entry.level_bytes = static_cast<std::uint32_t>(level.size());
    entry.template_bytes = static_cast<std::uint32_t>(message.size());
    std::string texts(level);
    texts += message;
    entry.checksum = checksum_of(entry, texts);
    std::memcpy(out, &entry, sizeof entry);
    std::memcpy(out + sizeof entry, texts.data(), texts.size());
    sites->used.store(used + bytes, std::memory_order_release);
    sites_room_ -= bytes;
  }

  // How the backend turns ticks into times from now on.
  void publish_clock(const WallClockState& clock) {
    const std::uint64_t next = state_->clock_number.load(std::memory_order_relaxed) + 1;
    state_->clocks[next % 2] = clock;
    state_->clock_number.store(next, std::memory_order_release);
  }

  // From now on the clock goes with every batch too: no recovered line may be older than one that was written.
  void keep(const WallClock* clock) { clock_ = clock; }

  // How many dropped records the lines speak of that come with the next batch or came before.
  void announced(std::uint64_t dropped) { announced_ = dropped; }

  void begin(const LogBatch& lines) noexcept override {
    const std::lock_guard lock(mutex_);
    number_ = state_->committed.load(std::memory_order_relaxed) + 1;
    pending_ = mark_rings(number_) || !lines.text.empty();
    if (!pending_) return;
    if (clock_ != nullptr) publish_clock(clock_->state());
    const bool is_here = keep_lines(lines);
    batch_ = {.text_at = text_.offset + rings_file::kPage,
              .text_bytes = lines.text.size(),
              .records = lines.records.size(),
              .notices = lines.notices.size(),
              .announced = announced_,
              .text_is_here = is_here};
    state_->batches[number_ % 2] = batch_;
  }

  void appending(int fd, std::size_t done) noexcept override {
    if (!pending_) return;
    struct stat log{};
    ::fstat(fd, &log);
    batch_.done = done;
    batch_.device = log.st_dev;
    batch_.inode = log.st_ino;
    batch_.file_start = static_cast<std::uint64_t>(log.st_size);
    state_->batches[number_ % 2] = batch_;
    state_->intent.store(number_, std::memory_order_release);
    ++number_;  // For the part after this, if there is one.
  }

  void end() noexcept override {
    if (!pending_) return;
    pending_ = false;
    if (state_->intent.load(std::memory_order_relaxed) == state_->committed.load(std::memory_order_relaxed)) {
      state_->intent.store(number_, std::memory_order_release);  // Nothing was appended.
    }
    state_->committed.store(state_->intent.load(std::memory_order_relaxed), std::memory_order_release);
    const std::lock_guard lock(mutex_);
    for (const Kept& kept : rings_) kept.ring->release();
  }

  // In a forked child: gives up the share in the lock, which would outlive the parent. A system call, no more.
  void leave_to_parent() {
    const int fd = std::exchange(fd_, -1);
    if (fd >= 0) ::close(fd);
  }

  // Deletes the file and gives everything back: all that it held is in the log, and its rings are gone.
  void discard() {
    if (fd_ < 0) return;
    if (is_there()) ::unlink(path_.c_str());
    for (const Segment& segment : mapped_) ::munmap(segment.at, segment.bytes);
    mapped_.clear();
    leave_to_parent();
  }

 private:
  // Whether the path still leads to this file.
  bool is_there() const {
    struct stat ours, found;
    return ::fstat(fd_, &ours) == 0 && ::lstat(path_.c_str(), &found) == 0 && ours.st_dev == found.st_dev &&
           ours.st_ino == found.st_ino;
  }

  static constexpr std::size_t kTextBytes = std::size_t{1} << 20;
  static constexpr std::size_t kSitesBytes = std::size_t{64} << 10;

  struct Segment {
    char* at;
    std::uint64_t offset;
    std::size_t bytes;
  };
  struct Kept {
    LogRing* ring;
    rings_file::RingSegment* segment;
  };

  [[noreturn]] static void fail(int error = errno) { throw std::system_error(error, std::generic_category()); }

  static rings_file::RingSegment* segment_of(const LogRing& ring) {
    return reinterpret_cast<rings_file::RingSegment*>(const_cast<char*>(ring.data()) - rings_file::kPage);
  }

  // Appends bytes to the file, all zero, their space reserved and their pages present.
  char* add_bytes(std::size_t bytes) {
    int error;
    do {
      error = ::posix_fallocate(fd_, static_cast<off_t>(file_bytes_), static_cast<off_t>(bytes));
    } while (error == EINTR);
    if (error != 0) {
      // What a failed reservation left behind must not be taken for a segment, or for wasted space.
      if (::ftruncate(fd_, static_cast<off_t>(file_bytes_)) != 0) fail();
      fail(error);
    }
    mapped_.reserve(mapped_.size() + 1);
    void* const at = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd_, static_cast<off_t>(file_bytes_));
    if (at == MAP_FAILED) fail();
    // A child has no use for it, and with it would hold on to the file and so to the lock.
    ::madvise(at, bytes, MADV_DONTFORK);
    mapped_.push_back({static_cast<char*>(at), file_bytes_, bytes});
    file_bytes_ += bytes;
    std::memset(at, 0, bytes);
    return static_cast<char*>(at);
  }

  Segment map_segment(std::size_t bytes) {
    const std::size_t whole = (bytes + rings_file::kPage - 1) / rings_file::kPage * rings_file::kPage;
    const std::uint64_t offset = file_bytes_;
    return {add_bytes(whole), offset, whole};
  }

  // From here on the segment counts.
  static void finish_segment(const Segment& segment, rings_file::SegmentKind kind) {
    rings_file::SegmentHeader header{0, kind, 0, segment.bytes, 0};
    header.magic = rings_file::kSegmentMagic;
    header.checksum = checksum_of(header);
    std::memcpy(segment.at, &header, sizeof header);
    std::atomic_signal_fence(std::memory_order_seq_cst);
  }

  Segment add_segment(rings_file::SegmentKind kind, std::size_t bytes) {
    const Segment segment = map_segment(rings_file::kPage + bytes);
    finish_segment(segment, kind);
    return segment;
  }

  void add_sites_segment(std::size_t bytes) {
    const Segment segment = map_segment(bytes);
    new (segment.at) rings_file::SitesSegment{};
    finish_segment(segment, rings_file::SegmentKind::kSites);
    sites_ = segment.at;
    sites_room_ = segment.bytes - rings_file::kEntriesAt;
  }

  void write_header(char* page, std::uint32_t line_format) const {
    choose_log_clock();
    rings_file::RingsFileHeader header{};
    std::memcpy(header.magic, rings_file::kMagic, sizeof header.magic);
    header.version = rings_file::kVersion;
    header.byte_order = rings_file::kByteOrder;
    header.ticks_are_tsc = log_ticks_are_tsc.load(std::memory_order_relaxed);
    header.ring_kind = static_cast<std::uint32_t>(kind_);
    header.line_format = line_format;
    header.process = static_cast<std::uint32_t>(::getpid());
    header.process_start = rings_file::start_of(header.process);
    header.created_ticks = log_ticks();
    const std::string boot = rings_file::boot_id();
    std::memcpy(header.boot, boot.data(), boot.size());
    header.checksum = checksum_of(header);
    std::memcpy(page, &header, sizeof header);
  }

  // Whether any ring has moved since it was last marked.
  bool mark_rings(std::uint64_t number) {
    bool moved = false;
    for (const Kept& kept : rings_) {
      rings_file::Mark* const marks = kept.segment->marks;
      const std::size_t latest =
          marks[1].batch.load(std::memory_order_relaxed) > marks[0].batch.load(std::memory_order_relaxed);
      if (marks[latest].position == kept.ring->position()) continue;
      rings_file::Mark& mark = marks[1 - latest];
      mark.position = kept.ring->position();
      mark.number = kept.ring->next_number();
      mark.skipped = kept.ring->skipped();
      mark.batch.store(number, std::memory_order_release);
      moved = true;
    }
    return moved;
  }

  // Whether the lines could be copied into the file.
  bool keep_lines(const LogBatch& lines) noexcept {
    const std::size_t bytes = rings_file::batch_bytes(lines.text.size(), lines.records.size() + lines.notices.size());
    if (bytes > text_.bytes - rings_file::kPage) {
      try {
        text_ = add_segment(rings_file::SegmentKind::kText, 2 * bytes);
      } catch (const std::exception&) {
        return false;
      }
    }
    char* const text = text_.at + rings_file::kPage;
    std::copy(lines.text.begin(), lines.text.end(), text);
    auto* const ends = reinterpret_cast<std::uint64_t*>(text + rings_file::batch_ends_at(0, lines.text.size()));
    std::copy(lines.notices.begin(), lines.notices.end(), std::copy(lines.records.begin(), lines.records.end(), ends));
    return true;
  }

  const std::string path_;
  const LogRingKind kind_;
  int fd_ = -1;
  std::mutex mutex_;  // Over everything below, except state_.
  std::vector<Segment> mapped_;
  std::uint64_t file_bytes_ = 0;
  std::vector<Kept> rings_;
  char* sites_ = nullptr;
  std::size_t sites_room_ = 0;
  Segment text_{};
  rings_file::RingsFileState* state_ = nullptr;
  std::uint64_t announced_ = 0;
  const WallClock* clock_ = nullptr;

  // Of the batch between begin() and end().
  bool pending_ = false;
  rings_file::Batch batch_{};
  std::uint64_t number_ = 0;
};

}  // namespace latencykit
