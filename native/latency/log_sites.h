// The places in a program that log: registered once, then looked up by number for every record.
//
// Promises: a site that was added stays where it is and unchanged for as long as the table lives. add() may be
// called from any thread; at() belongs to one thread, the backend, and takes the lock only for a number that
// it has not seen yet.
#pragma once

#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "latency/log_template.h"

namespace latencykit {

// One place in the program that logs; shared by the producers and the backend, immutable.
struct LogSiteFormat {
  std::string level;
  LogTemplate message;
};

class LogSites {
 public:
  // Registers a place that logs. Its number goes into every record.
  std::uint32_t add(LogSiteFormat format) {
    const std::lock_guard lock(mutex_);
    sites_.push_back(std::move(format));
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

 private:
  std::mutex mutex_;
  std::deque<LogSiteFormat> sites_;  // A deque: what is in it stays where it is.
  std::vector<const LogSiteFormat*> seen_;
};

}  // namespace latencykit
