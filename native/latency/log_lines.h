// From records to lines: time, level and message of each, and the logger's own notices among them.
//
//   text   2026-01-02T03:04:05.123456789Z INFO message
//   JSON   {"time":"2026-01-02T03:04:05.123456789Z","level":"INFO","message":"...","template":"... {}",
//           "args":[...],"thread":1234}    in one line; the thread is the kernel's number of it
//
// The logger's own notices have the thread that opened it. An argument that cannot be formatted becomes a
// marked piece of the message.
//
// Promises: a record that cannot be formatted becomes a marked line; lack of memory loses that line and counts
// it. Nothing else fails here. One thread, the backend, owns it.
#pragma once

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <new>
#include <string_view>
#include <vector>

#include "latency/log_clock.h"
#include "latency/log_file.h"
#include "latency/log_format.h"
#include "latency/log_json.h"
#include "latency/log_notices.h"
#include "latency/log_record.h"
#include "latency/log_rings.h"
#include "latency/log_sites.h"
#include "latency/log_timestamp.h"

namespace latencykit {

enum class LogFormat { kText, kJson };

class LogLines {
  auto notice_writer(std::uint64_t as_of) {
    return [this, as_of](const LogSiteFormat& site, LogRecordReader arguments) {
      put(as_of, site, arguments, own_thread_);
      file_.end_notice();
    };
  }

 public:
  // Writes into `file` what `sites` say; both must outlive this.
  LogLines(LogFile& file, LogSites& sites, LogFormat format = LogFormat::kText)
      : file_(file), sites_(sites), format_(format), clock_(started_clock()), scratch_(kScratchBytes) {}

  WallClock& clock() { return clock_; }

  // `thread` is who logged the record.
  void write(const LogRecordHeader& header, const char* record, int thread) {
    try {
      const LogSiteFormat& site = sites_.at(header.site);
      put(header.ticks, site, LogRecordReader(record, site.message.pieces.size()), thread);
      file_.end_line();
    } catch (const std::bad_alloc&) {
      file_.drop_line(ENOMEM);
    }
  }

  // Says in the log what is missing from it, as of a time up to which everything is written: `dropped` records so
  // far, what sites have suppressed, lines lost by the file. With `all`, nothing is put off. told() is to follow.
  // Throws std::bad_alloc.
  void announce(std::uint64_t as_of, std::uint64_t dropped, bool all) {
    telling_.clear();
    // Only beside other lines: a full device is not asked again every interval.
    if (refused_ && file_.empty() && !all) return;
    // Not now, but as of then: records stamped since come after these lines.
    const auto write = notice_writer(as_of);
    if (dropped != announced_dropped_) {
      telling_.reserve(telling_.size() + 1);
      notices_.dropped(dropped - announced_dropped_, write);
      telling_.push_back({file_.text().size(), dropped - announced_dropped_, nullptr});
      announced_dropped_ = dropped;
    }
    sites_.each_limited([&](const LogSiteFormat& site) {
      const std::uint64_t count = site.limit->to_announce(as_of, all);
      if (count == 0) return;
      telling_.reserve(telling_.size() + 1);
      notices_.suppressed(count, json::source_of(site.message), site.limit->most(), write);
      telling_.push_back({file_.text().size(), count, site.limit.get()});
      site.limit->announced(count);
    });
    if (file_.unannounced() != 0 && !file_.empty()) {
      notices_.lost(file_.unannounced(), write);
      file_.announcing();
    }
    if (file_.rotation_failure() != 0) {
      notices_.not_rotated(std::strerror(file_.rotation_failure()), write);
      file_.rotation_announced();
    }
  }

  // Of what announce() has said, only what ends within the first `written` bytes of the batch is in the file; the rest
  // will be said again.
  void told(std::size_t written) {
    refused_ = refused_ && written == 0;
    for (const Telling& telling : telling_) {
      if (telling.end <= written) continue;
      refused_ = true;
      if (telling.limit != nullptr) telling.limit->not_announced(telling.count);
      if (telling.limit == nullptr) announced_dropped_ -= telling.count;
    }
    telling_.clear();
  }

  // Dropped records that lines speak of, those of the batch at hand included.
  std::uint64_t announced_dropped() const { return announced_dropped_; }

  // Says that bytes of damaged records were passed over here. Throws std::bad_alloc.
  void skipped(std::uint64_t as_of, std::uint64_t bytes) { notices_.skipped(bytes, notice_writer(as_of)); }

  // Says that the lines before were logged by a process that was killed. Throws std::bad_alloc.
  void recovered(std::uint64_t as_of, std::uint64_t count, std::uint64_t process) {
    notices_.recovered(count, process, notice_writer(as_of));
  }

 private:
  static constexpr std::size_t kScratchBytes = 4096;

  // What a notice speaks of, and where in the batch it ends.
  struct Telling {
    std::size_t end;
    std::uint64_t count;
    LogRateLimit* limit;  // Without one: dropped records.
  };

  static WallClock started_clock() {
    choose_log_clock();
    return WallClock();
  }

  // A line up to its end. Throws std::bad_alloc.
  void put(std::uint64_t ticks, const LogSiteFormat& site, LogRecordReader arguments, int thread) {
    const std::int64_t unix_ns = clock_.unix_ns(ticks);
    file_.turn_to(unix_ns);
    if (format_ == LogFormat::kText) {
      put_text(unix_ns, site, arguments);
    } else {
      put_json(unix_ns, site, arguments, thread);
    }
  }

  void put_text(std::int64_t unix_ns, const LogSiteFormat& site, LogRecordReader arguments) {
    TextBuffer& out = file_.text();
    timestamp_.append(out, unix_ns);
    out.append(' ');
    out.append(site.level);
    out.append(' ');
    append_message(out, site.message, arguments);
  }

  void put_json(std::int64_t unix_ns, const LogSiteFormat& site, LogRecordReader arguments, int thread) {
    TextBuffer& out = file_.text();
    out.append("{\"time\":\"");
    timestamp_.append(out, unix_ns);
    out.append(site.json_before);
    const std::size_t start = out.size();
    append_message(out, site.message, arguments);
    json::escape_from(out, start, scratch_);
    out.append(site.json_after);
    json::append_values(out, site.message.pieces.size(), arguments, scratch_);
    out.append("],\"thread\":");
    json::append_integer(out, thread);
    out.append('}');
  }

  LogFile& file_;
  LogSites& sites_;
  const LogFormat format_;
  WallClock clock_;
  TimestampFormat timestamp_;
  LogNotices notices_;
  TextBuffer scratch_;
  std::uint64_t announced_dropped_ = 0;
  std::vector<Telling> telling_;
  bool refused_ = false;  // The file did not take the last notice.
  const int own_thread_ = log_thread_number();
};

}  // namespace latencykit
