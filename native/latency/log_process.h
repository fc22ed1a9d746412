// What happens to the loggers of a process when it forks or exits.
//
// Promises
//   * In a forked child every enlisted logger is told so by on_fork(), before fork() returns, and is no longer
//   enlisted there.
//   * When exit() runs, every enlisted logger is told so by on_exit().
// Both are called with the list locked: they must not enlist or delist.
#pragma once

#include <pthread.h>

#include <cstdlib>
#include <mutex>
#include <vector>

namespace latencykit {

class LogProcessMember {
 public:
  virtual void on_fork() = 0;
  virtual void on_exit() = 0;

 protected:
  ~LogProcessMember() = default;

  void enlist() {
    static const bool handled = [] {
      ::pthread_atfork([] { list().mutex.lock(); }, [] { list().mutex.unlock(); }, after_fork_in_child);
      std::atexit(at_exit);
      return true;
    }();
    static_cast<void>(handled);
    const std::lock_guard lock(list().mutex);
    list().members.push_back(this);
  }

  void delist() {
    const std::lock_guard lock(list().mutex);
    std::erase(list().members, this);
  }

 private:
  // Never destroyed: exit handlers may come after static ones.
  struct List {
    std::mutex mutex;
    std::vector<LogProcessMember*> members;
  };
  static List& list() {
    static List* const made = new List;
    return *made;
  }

  static void after_fork_in_child() {
    for (LogProcessMember* member : list().members) member->on_fork();
    list().members.clear();
    list().mutex.unlock();
  }

  static void at_exit() {
    const std::lock_guard lock(list().mutex);
    for (LogProcessMember* member : list().members) member->on_exit();
  }
};

}  // namespace latencykit
