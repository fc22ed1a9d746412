// The layout of the file in which a crash-proof logger keeps its rings: `<log>.rings`.
//
//   page 0           RingsFileHeader, never changed once written; RingsFileState, which follows the logger
//   page 1 ...       segments, each a whole number of pages that begins with a SegmentHeader:
//     kRing          RingSegment, then from the next page on the ring's bytes, a power of two
//     kSites         SitesSegment, then SiteEntry after SiteEntry: templates and levels
//     kText          the lines of the batch that is being written, and where each ends
//
// Promises
//   * Nothing in it is a pointer: a record names its site by number, the sites' texts are in the file.
//   * What is never changed carries a checksum. What changes is published by one store of a number after what
//     it speaks of is in place, so that a process killed between any two instructions leaves a readable file.
//   * A segment counts from the moment its header is whole; pages of zeros, which a process killed while it
//     made one leaves behind, are no segment and no damage.
//
// How it is known what the log file has already got: the lines of a batch are copied into the kText segment
// and each ring's mark is set to where the batch ends (in the slot that the last batch does not use), then
// `intent` is counted up, then the lines are written to the log, then `committed` follows. If both are equal,
// everything up to the marks is in the log and the rest in the rings. If `intent` is ahead, the log has some
// first part of these lines from `file_start` on, and how much can be seen by comparing. A batch that goes on in
// another file, because the log is rotated, counts `intent` up once more, with where in the lines it goes on.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "latency/log_clock.h"
#include "latency/log_ring.h"

namespace latencykit::rings_file {

inline constexpr char kMagic[8] = {'L', 'K', 'R', 'I', 'N', 'G', 'S', '\n'};
inline constexpr std::uint32_t kVersion = 2;
inline constexpr std::uint32_t kByteOrder = 0x01020304;
inline constexpr std::uint64_t kSegmentMagic = 0x746E656D67655321;
inline constexpr std::size_t kPage = 4096;
inline constexpr std::size_t kStateAt = 1024;

inline std::string path_beside(const std::string& log) { return log + ".rings"; }

struct RingsFileHeader {
  char magic[8];
  std::uint32_t version;
  std::uint32_t byte_order;
  std::uint32_t ticks_are_tsc;
  std::uint32_t ring_kind;    // LogRingKind.
  std::uint32_t line_format;  // What the logger was told of the form of its lines.
  std::uint32_t process;
  std::uint64_t process_start;  // Clock ticks since the boot, as /proc/PID/stat has it.
  std::uint64_t created_ticks;
  char boot[40];           // /proc/sys/kernel/random/boot_id, ended by a zero.
  std::uint64_t checksum;  // Of all before it.
};

struct Batch {
  std::uint64_t text_at = 0, text_bytes = 0;  // Its lines, in this file; batch_ends_at() says what is behind them.
  std::uint64_t records = 0, notices = 0;     // How many of them are of records, and how many of the logger's own.
  std::uint64_t done = 0;                     // Bytes of them that went to an earlier log file.
  std::uint64_t device = 0, inode = 0;        // The log file that the others are written to,
  std::uint64_t file_start = 0;               // and where in it.
  std::uint64_t announced = 0;                // Dropped records that lines up to this batch speak of.
  std::uint64_t text_is_here = 0;             // 0 if there was no room for it.
};

// Behind the text of a batch: where the line of each record ends in it, then where each notice, 8 bytes each.
constexpr std::uint64_t batch_ends_at(std::uint64_t text_at, std::uint64_t text_bytes) {
  return text_at + (text_bytes + 7) / 8 * 8;
}
// What both take together.
constexpr std::uint64_t batch_bytes(std::uint64_t text_bytes, std::uint64_t lines) {
  return batch_ends_at(0, text_bytes) + lines * sizeof(std::uint64_t);
}

struct RingsFileState {
  std::atomic<std::uint64_t> intent{0}, committed{0};
  Batch batches[2];  // Batch n is in slot n % 2.
  std::atomic<std::uint64_t> clock_number{0};
  WallClockState clocks[2];  // clock_number % 2 is whole.
};
static_assert(sizeof(RingsFileHeader) <= kStateAt && kStateAt + sizeof(RingsFileState) <= kPage);

enum class SegmentKind : std::uint32_t { kRing = 1, kSites = 2, kText = 3 };

struct SegmentHeader {
  std::uint64_t magic;
  SegmentKind kind;
  std::uint32_t reserved;
  std::uint64_t bytes;     // Of the whole segment.
  std::uint64_t checksum;  // Of all before it.
};

// How far a ring is in the log as of a batch.
struct Mark {
  std::atomic<std::uint64_t> batch{0};
  std::uint64_t position = 0;
  std::uint64_t number = 0;   // Overwriting rings: of the record that lies there,
  std::uint64_t skipped = 0;  // and how many before it were given up.
};

// Which of a ring's two marks counts as of batch `last`: the younger of those that are not beyond it.
constexpr int counting_slot(std::uint64_t first, std::uint64_t second, std::uint64_t last) {
  return second <= last && (second > first || first > last) ? 1 : 0;
}

struct RingSegment {
  SegmentHeader header;
  std::atomic<std::uint64_t> thread{0};  // The kernel's number of the thread whose records are not marked yet.
  Mark marks[2];
  LogRingControl control;
};
static_assert(sizeof(RingSegment) <= kPage);

struct SitesSegment {
  SegmentHeader header;
  std::atomic<std::uint64_t> used{0};  // Bytes of entries.
};
inline constexpr std::size_t kEntriesAt = 64;
static_assert(sizeof(SitesSegment) <= kEntriesAt);

struct SiteEntry {
  std::uint32_t bytes;  // With both texts, a multiple of 8.
  std::uint32_t number;
  std::uint32_t level_bytes;
  std::uint32_t template_bytes;
  std::uint64_t checksum;  // Of the texts and the four numbers.
};

// FNV-1a, 64 bits (http://www.isthe.com/chongo/tech/comp/fnv/): to tell damage, not malice.
inline std::uint64_t checksum(const void* data, std::size_t bytes, std::uint64_t seed = 0xCBF29CE484222325) {
  for (std::size_t i = 0; i < bytes; ++i) {
    seed = (seed ^ static_cast<const unsigned char*>(data)[i]) * 0x100000001B3;
  }
  return seed;
}
inline std::uint64_t checksum_of(const RingsFileHeader& header) {
  return checksum(&header, offsetof(RingsFileHeader, checksum));
}
inline std::uint64_t checksum_of(const SegmentHeader& header) {
  return checksum(&header, offsetof(SegmentHeader, checksum));
}
inline std::uint64_t checksum_of(const SiteEntry& entry, std::string_view texts) {
  return checksum(texts.data(), texts.size(), checksum(&entry, offsetof(SiteEntry, checksum)));
}

}  // namespace latencykit::rings_file
