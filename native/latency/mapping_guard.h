// What becomes of a process whose mapped file is cut short by another one: it goes on, and is told.
//
// Without this, the next access to a page that the file no longer has is a SIGBUS, which ends the process. Whoever may
// write to a file may cut it short, and memory that has a name cannot be sealed against that (F_ADD_SEALS).
//
// Promises
//   * While a MappingGuard lives, an access to its mapping beyond the end of the file succeeds: from that page to the
//     mapping's end there is private memory that reads as zero, and is_cut() is true from then on. What was read or
//     written by an access that is_cut() follows means nothing, so look at it after the access and before the use.
//   * The same for a page that a full file system cannot provide.
//   * Every other SIGBUS goes to the handler that there was before the first guard, or ends the process as it would have.
//   * is_cut() is one relaxed load. Making and dropping a guard takes a mutex; the signal handler takes none.
//
// The handler is of the whole process, installed by the first guard and never taken away. Who installs another one later
// without calling this one gets the SIGBUS. mmap() is not on POSIX's list of what a handler may call; on Linux it is a
// plain system call, and libwayland does the same for the buffers of its clients.
//
// The handler walks a list of nodes that are never freed: a thread that faults does so inside a mapping whose guard
// lives, so that node does not change meanwhile, and one that is changing is empty (its end is 0) until it is whole.
// After fork() the child has the parent's mappings, guards and handler; the lock is free there.
#pragma once

#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <mutex>

namespace latencykit {

class MappingGuard {
 public:
  // Throws std::bad_alloc.
  MappingGuard(void* data, std::size_t bytes, int protection) : node_(take_node()) {
    const auto begin = reinterpret_cast<std::uintptr_t>(data);
    node_->cut.store(false, std::memory_order_relaxed);
    node_->protection.store(protection, std::memory_order_relaxed);
    node_->begin.store(begin, std::memory_order_relaxed);
    node_->end.store(begin + bytes, std::memory_order_release);
  }
  MappingGuard(const MappingGuard&) = delete;
  MappingGuard& operator=(const MappingGuard&) = delete;

  // Before the mapping goes.
  ~MappingGuard() {
    const std::lock_guard guard(all().mutex);
    node_->end.store(0, std::memory_order_relaxed);
    std::atomic_signal_fence(std::memory_order_seq_cst);
    node_->used = false;
  }

  bool is_cut() const noexcept { return node_->cut.load(std::memory_order_relaxed); }
  // The same as a place to look at, for a hot path; of this mapping for as long as the guard lives.
  const std::atomic<bool>* cut_flag() const noexcept { return &node_->cut; }

 private:
  struct Node {
    std::atomic<std::uintptr_t> begin{0};
    std::atomic<std::uintptr_t> end{0};  // 0: of no mapping. Stored last, with release.
    std::atomic<int> protection{0};
    std::atomic<bool> cut{false};
    bool used = false;  // With the mutex.
    Node* next = nullptr;
  };

  struct All {
    All() {
      struct sigaction action = {};
      action.sa_sigaction = on_fault;
      action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
      sigemptyset(&action.sa_mask);
      sigaction(SIGBUS, nullptr, &before);  // Known before the handler can run.
      sigaction(SIGBUS, &action, nullptr);
      pthread_atfork([] { all().mutex.lock(); }, [] { all().mutex.unlock(); }, [] { all().mutex.unlock(); });
    }
    std::mutex mutex;
    struct sigaction before = {};
  };

  // Never destroyed: guards may outlive the end of main(). `first` needs no guard of initialisation in a handler.
  static All& all() {
    static All* const everything = new All;
    return *everything;
  }
  static inline std::atomic<Node*> first{nullptr};
  static inline std::atomic<All*> known{nullptr};

  static Node* take_node() {
    const std::lock_guard guard(all().mutex);
    known.store(&all(), std::memory_order_release);
    Node* node = first.load(std::memory_order_relaxed);
    while (node != nullptr && node->used) node = node->next;
    if (node == nullptr) {
      node = new Node;
      node->next = first.load(std::memory_order_relaxed);
      first.store(node, std::memory_order_release);
    }
    node->used = true;
    return node;
  }

  // Puts memory where the file has none. False if the address is in no guarded mapping.
  static bool replace(std::uintptr_t address) noexcept {
    for (Node* node = first.load(std::memory_order_acquire); node != nullptr; node = node->next) {
      const std::uintptr_t end = node->end.load(std::memory_order_acquire);
      const std::uintptr_t begin = node->begin.load(std::memory_order_relaxed);
      if (end == 0 || address < begin || address >= end) continue;
      const auto page = static_cast<std::uintptr_t>(sysconf(_SC_PAGESIZE));
      const std::uintptr_t from = address / page * page;
      node->cut.store(true, std::memory_order_relaxed);  // This thread finds it after its access.
      return mmap(reinterpret_cast<void*>(from), end - from, node->protection.load(std::memory_order_relaxed),
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0) != MAP_FAILED;
    }
    return false;
  }

  static void on_fault(int number, siginfo_t* info, void* context) {
    const int error = errno;
    const bool replaced = info->si_code == BUS_ADRERR && replace(reinterpret_cast<std::uintptr_t>(info->si_addr));
    errno = error;
    if (!replaced) pass_on(number, info, context);
  }

  static void pass_on(int number, siginfo_t* info, void* context) {
    const All* everything = known.load(std::memory_order_acquire);
    if (everything != nullptr && (everything->before.sa_flags & SA_SIGINFO) != 0) {
      everything->before.sa_sigaction(number, info, context);
      return;
    }
    const auto handler = everything == nullptr ? SIG_DFL : everything->before.sa_handler;
    if (handler != SIG_DFL && handler != SIG_IGN) {
      handler(number);
      return;
    }
    signal(number, SIG_DFL);
    raise(number);  // A fault would come again by itself; a signal that was sent would not.
  }

  Node* node_;
};

}  // namespace latencykit
