// From records to lines: time, level and message of each, and the logger's own notices among them.
//
// Promises: a record that cannot be formatted becomes a marked line; lack of memory loses that line and counts
// it. Nothing else fails here. One thread, the backend, owns it.
#pragma once

#include <cerrno>
#include <charconv>
#include <cstdint>
#include <new>
#include <string_view>

#include "latency/log_clock.h"
#include "latency/log_file.h"
#include "latency/log_format.h"
#include "latency/log_record.h"
#include "latency/log_sites.h"
#include "latency/log_timestamp.h"

namespace latencykit {

class LogLines {
 public:
  // Writes into `file` what `sites` say; both must outlive this.
  LogLines(LogFile& file, LogSites& sites) : file_(file), sites_(sites), clock_(started_clock()) {}

  WallClock& clock() { return clock_; }

  void write(const LogRecordHeader& header, const char* record) {
    try {
      const LogSiteFormat& site = sites_.at(header.site);
      begin_line(header.ticks, site.level);
      append_message(file_.text(), site.message, LogRecordReader(record, site.message.pieces.size()));
      file_.end_line();
    } catch (const std::bad_alloc&) {
      file_.drop_line(ENOMEM);
    }
  }

  // Says in the log what is missing from it: `dropped` records so far, and lines lost by the file. Throws
  // std::bad_alloc.
  void announce(std::uint64_t as_of, std::uint64_t dropped) {
    if (dropped != announced_dropped_) {
      notice(as_of, "dropped because the ring was full", dropped - announced_dropped_);
      announced_dropped_ = dropped;
    }
    // Only beside other lines: a full device is not asked again every interval.
    if (file_.unannounced() != 0 && !file_.empty()) {
      notice(as_of, "lost because the file could not be written", file_.unannounced());
      file_.announcing();
    }
  }

 private:
  static WallClock started_clock() {
    choose_log_clock();
    return WallClock();
  }

  void begin_line(std::uint64_t ticks, std::string_view level) {
    timestamp_.append(file_.text(), clock_.unix_ns(ticks));
    file_.text().append(' ');
    file_.text().append(level);
    file_.text().append(' ');
  }

  void notice(std::uint64_t as_of, std::string_view what, std::uint64_t count) {
    char digits[24];
    char* const end = std::to_chars(digits, digits + sizeof digits, count).ptr;
    begin_line(as_of, "WARNING");  // Not now: records stamped since then come after this line.
    file_.text().append("latencykit: ");
    file_.text().append(std::string_view(digits, static_cast<std::size_t>(end - digits)));
    file_.text().append(count == 1 ? " record " : " records ");
    file_.text().append(what);
    file_.end_notice();
  }

  LogFile& file_;
  LogSites& sites_;
  WallClock clock_;
  TimestampFormat timestamp_;
  std::uint64_t announced_dropped_ = 0;
};

}  // namespace latencykit
