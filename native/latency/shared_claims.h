// Which sides of something in shared memory are taken, and by whom alive: numbered claims that the kernel keeps.
//
// Promises
//   * A claim belongs to one SharedClaims at a time, over all processes. The kernel ends it when its holder gives it up,
//     closes or dies, however it dies. There is no process number involved, so none can be reused, and processes in
//     different containers see each other's claims.
//   * fork() does not copy claims: they stay with the parent, and in the child is_inherited() turns true.
//   * Claiming is a system call, and so is asking; neither waits.
//
// Each claim is an open-file-description lock (fcntl F_OFD_SETLK) on one byte, whether the file reaches that far or not.
// Such a lock lasts until the last descriptor and mapping of one open() are gone, and a forked child shares both;
// therefore the claims have an open file of their own, never mapped, which a fork handler closes in the child.
//
// Errors are std::system_error with the errno of the call that failed. One thread at a time claims and gives up.
#pragma once

#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <mutex>
#include <string>
#include <system_error>

#include "latency/shared_memory.h"

namespace latencykit {

class SharedClaims {
 public:
  // Opens the file of this block once more. `found()` is false if the name no longer leads to it.
  explicit SharedClaims(const SharedMemory& memory) {
    std::string path = memory.name();
    path.insert(path.begin(), '/');
    const std::lock_guard guard(all().mutex);  // From here on: a fork in between would leave the child the open file.
    int own = SharedMemory::open_name(path, O_RDWR);
    if (own < 0 && errno != ENOENT) throw std::system_error(errno, std::generic_category(), "shm_open");
    if (own >= 0 && !is_same_file(own, memory.descriptor())) {
      close(own);
      own = -1;
    }
    descriptor_.store(own, std::memory_order_relaxed);
    all().add(this);
  }
  SharedClaims(const SharedClaims&) = delete;
  SharedClaims& operator=(const SharedClaims&) = delete;

  ~SharedClaims() {
    const std::lock_guard guard(all().mutex);
    all().remove(this);
    drop();
  }

  bool found() const noexcept { return descriptor_.load(std::memory_order_relaxed) >= 0; }
  bool is_inherited() const noexcept { return inherited_.load(std::memory_order_relaxed); }

  // Whether the claim is now ours; also if it was before.
  bool take(off_t number) {
    if (set(number, F_WRLCK)) return true;
    if (errno == EAGAIN || errno == EACCES) return false;
    throw std::system_error(errno, std::generic_category(), "fcntl(F_OFD_SETLK)");
  }

  void give_up(off_t number) noexcept { set(number, F_UNLCK); }

  // Whether another SharedClaims has one of `count` claims; our own are not seen.
  bool is_taken_elsewhere(off_t first, off_t count) const {
    struct flock lock = bytes(first, count, F_WRLCK);
    if (fcntl(descriptor_.load(std::memory_order_relaxed), F_OFD_GETLK, &lock) < 0) {
      throw std::system_error(errno, std::generic_category(), "fcntl(F_OFD_GETLK)");
    }
    return lock.l_type != F_UNLCK;
  }

 private:
  // Every SharedClaims of this process, for the fork handlers.
  class All {
   public:
    All() {
      pthread_atfork([] { all().mutex.lock(); }, [] { all().mutex.unlock(); },
                     [] {
                       for (SharedClaims* claims = all().first_; claims != nullptr; claims = claims->next_) {
                         claims->inherited_.store(true, std::memory_order_relaxed);
                         claims->drop();
                       }
                       all().mutex.unlock();
                     });
    }
    void add(SharedClaims* claims) noexcept {
      claims->next_ = first_;
      first_ = claims;
    }
    void remove(SharedClaims* claims) noexcept {
      SharedClaims** link = &first_;
      while (*link != claims) link = &(*link)->next_;
      *link = claims->next_;
    }
    std::mutex mutex;

   private:
    SharedClaims* first_ = nullptr;
  };

  // Never destroyed: objects may outlive the end of main().
  static All& all() {
    static All* const claims = new All;
    return *claims;
  }

  // Closed and not unlocked: a child's copy of the file must not end its parent's claims.
  void drop() noexcept {
    const int own = descriptor_.exchange(-1, std::memory_order_relaxed);
    if (own >= 0) close(own);
  }

  static bool is_same_file(int one, int other) noexcept {
    struct stat here, there;
    return fstat(one, &here) == 0 && fstat(other, &there) == 0 && here.st_dev == there.st_dev &&
           here.st_ino == there.st_ino;
  }

  static struct flock bytes(off_t first, off_t count, int type) noexcept {
    struct flock lock = {};
    lock.l_type = static_cast<short>(type);
    lock.l_whence = SEEK_SET;
    lock.l_start = first;
    lock.l_len = count;
    return lock;
  }

  bool set(off_t number, int type) noexcept {
    struct flock lock = bytes(number, 1, type);
    return fcntl(descriptor_.load(std::memory_order_relaxed), F_OFD_SETLK, &lock) == 0;
  }

  std::atomic<int> descriptor_{-1};
  std::atomic<bool> inherited_{false};
  SharedClaims* next_ = nullptr;
};

}  // namespace latencykit
