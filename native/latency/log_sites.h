// The places in a program that log: registered once, then looked up by number for every record.
//
// Promises: a site that was added stays where it is and unchanged for as long as the table lives. add() may be
// called from any thread; at() and each_limited() belong to one thread, the backend; at() takes the lock only
// for a number that it has not seen yet.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "latency/log_json.h"
#include "latency/log_limit.h"
#include "latency/log_template.h"

namespace latencykit {

// One place in the program that logs; shared by the producers and the backend, immutable but for its limit.
struct LogSiteFormat {
  std::string level;
  LogTemplate message;
  std::unique_ptr<LogRateLimit> limit{};  // None if every call passes.
  // Made by LogSites::prepared(): what stands in a line of JSON before the message, and between it and the arguments.
  std::string json_before{}, json_after{};
};

class LogSites {
 public:
  // With the parts for JSON made. Throws std::bad_alloc.
  static LogSiteFormat prepared(LogSiteFormat format) {
    format.json_before = "\",\"level\":\"" + json::escaped(format.level) + "\",\"message\":\"";
    format.json_after = "\",\"template\":\"" + json::escaped(json::source_of(format.message)) + "\",\"args\":[";
    return format;
  }

  // Registers a place that logs. Its number goes into every record. Throws std::bad_alloc.
  std::uint32_t add(LogSiteFormat format) {
    format = prepared(std::move(format));
    const std::lock_guard lock(mutex_);
    sites_.push_back(std::move(format));
    if (sites_.back().limit != nullptr) limited_.push_back(&sites_.back());
    return static_cast<std::uint32_t>(sites_.size() - 1);
  }

  // Backend: the site of a number that add() has returned. Throws std::bad_alloc.
  const LogSiteFormat& at(std::uint32_t number) {
    if (number >= seen_.size()) {
      const std::lock_guard lock(mutex_);
      while (seen_.size() < sites_.size()) seen_.push_back(&sites_[seen_.size()]);
    }
    return *seen_[number];
  }

  // Backend: calls f with each site that has a limit.
  template <typename F>
  void each_limited(F f) {
    const std::lock_guard lock(mutex_);
    for (const LogSiteFormat* site : limited_) f(*site);
  }

 private:
  std::mutex mutex_;
  std::deque<LogSiteFormat> sites_;  // A deque: what is in it stays where it is.
  std::vector<const LogSiteFormat*> limited_;
  std::vector<const LogSiteFormat*> seen_;
};

}  // namespace latencykit
