// A thread that takes no signals: those are for the program's own threads, and a new thread inherits its maker's mask.
#pragma once

#include <pthread.h>
#include <signal.h>

#include <thread>
#include <utility>

namespace latencykit {

// Throws std::system_error; the caller's own mask is what it was in any case.
template <typename F>
std::thread start_quiet_thread(F run) {
  struct Masked {
    sigset_t before;
    Masked() {
      sigset_t all;
      ::sigfillset(&all);
      ::pthread_sigmask(SIG_SETMASK, &all, &before);
    }
    ~Masked() { ::pthread_sigmask(SIG_SETMASK, &before, nullptr); }
  };
  const Masked masked;
  return std::thread(std::move(run));
}

}  // namespace latencykit
