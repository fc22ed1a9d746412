// Takes the records out of all rings in the order of their times and has a line written of each.
//
// Order
//   * Records of one thread come out in call order. Across threads they come out by their ticks.
//   * That is exact if producers take turns from reading the clock to commit(), and a turn changes hands more
//     slowly than the processor moves a read of the clock about (tens of nanoseconds), as under the GIL: only
//     records older than a moment before the look at the rings are taken. Without turns, a producer that is
//     interrupted exactly there for longer than kGraceNs may be overtaken by another thread's record: it comes out
//     at once, with the time of the line before it, and late() counts it.
// One thread, the backend, owns it.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

#include "latency/log_clock.h"
#include "latency/log_file.h"
#include "latency/log_lines.h"
#include "latency/log_record.h"
#include "latency/log_rings.h"
#include "latency/pause.h"

namespace latencykit {

class LogMerge {
 public:
  // How far back a record may have been stamped when the backend looks: the reordering of the clock's reads.
  static constexpr std::int64_t kGraceNs = 1'000;

  // All must outlive this.
  LogMerge(LogRings& rings, LogLines& lines, LogFile& file) : rings_(rings), lines_(lines), file_(file) {}

  // Everything stamped up to here has been taken.
  std::uint64_t as_of() const { return as_of_; }

  // Any thread: records taken after a younger one of another thread. None, if producers take turns.
  std::uint64_t late() const { return late_.load(std::memory_order_relaxed); }

  // Takes every visible record that is old enough, in order of time. Calls `on_room` when a full batch has
  // been written and its room in the rings is free. Throws std::bad_alloc.
  template <typename F>
  void take(F on_room) {
    take_until(horizon(), on_room);
  }

  // Takes everything that is in the rings now; `stopping` says that no more can come.
  template <typename F>
  void take_everything(bool stopping, F on_room) {
    targets_.clear();
    for (const Ring* ring : rings_.look()) targets_.emplace_back(ring, ring->ring.published());
    while (true) {
      take_until(stopping ? kEverything : horizon(), on_room);
      bool done = true;
      for (const auto& [ring, target] : targets_) done = done && ring->ring.position() >= target;
      if (done) return;
      cpu_relax();  // The youngest records become old enough within kGraceNs.
    }
  }

 private:
  using Ring = LogRings::Ring;
  static constexpr std::uint64_t kEverything = std::numeric_limits<std::uint64_t>::max();

  // The ticks up to which every record is visible to whoever looks at the rings after this call.
  std::uint64_t horizon() {
    lines_.clock().sample();
    const std::uint64_t now = log_ticks_before_loads();  // The rings must be looked at after the clock.
    return now - lines_.clock().ticks_in(kGraceNs);
  }

  // Takes every visible record that is not younger than `until`, in order of time.
  template <typename F>
  void take_until(std::uint64_t until, F on_room) {
    if (until == kEverything) lines_.clock().sample();
    as_of_ = until == kEverything ? log_ticks() : until;
    const std::vector<Ring*>& rings = rings_.look();
    while (true) {
      Ring* oldest = nullptr;
      std::uint64_t oldest_ticks = kEverything, next_ticks = kEverything;
      for (Ring* ring : rings) {
        const char* record = ring->ring.front();
        if (record == nullptr) continue;
        const std::uint64_t ticks = header_of(record).ticks;
        if (oldest == nullptr || ticks < oldest_ticks) {
          next_ticks = oldest == nullptr ? kEverything : oldest_ticks;
          oldest_ticks = ticks;
          oldest = ring;
        } else if (ticks < next_ticks) {
          next_ticks = ticks;
        }
      }
      if (oldest == nullptr || oldest_ticks > until) break;
      take_run(*oldest, std::min(until, next_ticks), on_room);
    }
    rings_.recycle_ended([this](const Ring* gone) {
      std::erase_if(targets_, [gone](const auto& target) { return target.first == gone; });
    });
  }

  // Takes records of one ring for as long as no other ring's is older.
  template <typename F>
  void take_run(Ring& taken, std::uint64_t until, F on_room) {
    LogRing& ring = taken.ring;
    for (const char* record = ring.front(); record != nullptr; record = ring.front()) {
      const LogRecordHeader header = header_of(record);
      if (header.ticks > until) return;
      if (header.ticks < youngest_) [[unlikely]]
        late_.fetch_add(1, std::memory_order_relaxed);
      youngest_ = std::max(youngest_, header.ticks);
      lines_.write(header, record, taken.thread);
      ring.pop();
      if (file_.batch_is_full() || (ring.holds() && ring.held() > ring.size() / 4)) {
        file_.write_out();
        on_room();
      }
    }
  }

  LogRings& rings_;
  LogLines& lines_;
  LogFile& file_;
  std::vector<std::pair<const Ring*, std::uint64_t>> targets_;
  std::uint64_t as_of_ = 0;
  std::uint64_t youngest_ = 0;  // The ticks of the youngest record taken.
  std::atomic<std::uint64_t> late_{0};
};

}  // namespace latencykit
