// What the logger itself says in its log, as sites and arguments like any other line's.
//
// Promises: say() calls `write` with a site and a whole record for it. Everything may throw std::bad_alloc.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "latency/log_record.h"
#include "latency/log_sites.h"

namespace latencykit {

class LogNotices {
 public:
  template <typename F>
  void dropped(std::uint64_t count, F write) {
    say(dropped_, {integer(count), records(count)}, write);
  }
  template <typename F>
  void suppressed(std::uint64_t count, std::string_view source, std::uint64_t most, F write) {
    say(suppressed_, {integer(count), records(count), text(source), integer(most)}, write);
  }
  template <typename F>
  void lost(std::uint64_t count, F write) {
    say(lost_, {integer(count), records(count)}, write);
  }
  template <typename F>
  void skipped(std::uint64_t bytes, F write) {
    say(skipped_, {integer(bytes)}, write);
  }
  template <typename F>
  void recovered(std::uint64_t count, std::uint64_t process, F write) {
    say(recovered_, {integer(count), records(count), integer(process)}, write);
  }
  template <typename F>
  void not_rotated(std::string_view why, F write) {
    say(not_rotated_, {text(why)}, write);
  }

 private:
  static LogSiteFormat site(std::string_view message) {
    return LogSites::prepared({"WARNING", parse_template(message)});
  }

  static LogArgument integer(std::uint64_t value) {
    LogArgument argument{};
    argument.tag = LogTag::kInteger;
    argument.integer = static_cast<std::int64_t>(value);
    return argument;
  }
  static LogArgument text(std::string_view value) {
    LogArgument argument{};
    argument.tag = LogTag::kText;
    argument.ascii = true;  // To be copied as it is: it is UTF-8 already.
    argument.text = value.data();
    argument.encoded = value.size();
    return argument;
  }
  static LogArgument records(std::uint64_t count) { return text(count == 1 ? "record" : "records"); }

  template <typename F>
  void say(const LogSiteFormat& site, std::initializer_list<LogArgument> arguments, F write) {
    const std::size_t bytes = record_bytes(arguments.begin(), arguments.size());
    record_.resize(bytes / sizeof(std::uint64_t));
    char* const record = reinterpret_cast<char*>(record_.data());
    write_record(record, bytes, 0, 0, arguments.begin(), arguments.size());
    write(site, LogRecordReader(record, arguments.size()));
  }

  const LogSiteFormat dropped_ = site("latencykit: {} {} dropped because the ring was full");
  const LogSiteFormat suppressed_ = site("latencykit: {} {} of '{}' suppressed by its limit of {} a second");
  const LogSiteFormat lost_ = site("latencykit: {} {} lost because the file could not be written");
  const LogSiteFormat skipped_ = site("latencykit: {} bytes of damaged records skipped");
  const LogSiteFormat recovered_ =
      site("latencykit: {} {} above recovered from process {}, which did not close the log");
  const LogSiteFormat not_rotated_ = site("latencykit: the log could not be rotated and goes on in the same file: {}");
  std::vector<std::uint64_t> record_;
};

}  // namespace latencykit
