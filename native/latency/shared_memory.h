// A named block of memory that processes share, and the claim by which one of them is the block's writer.
//
// Promises:
// - A SharedMemory owns its descriptor and its mapping and gives both back; the name stays until remove(). Who has
//   the block mapped keeps it, whether the name is still there or not.
// - New memory reads as zero and is there when resize() returns: a full file system is an error then, not a SIGBUS later.
// - The mapping starts at a page. A reader's is read-only: a write through it is a fault, not damage.
// - The claim belongs to one SharedMemory at a time, over all processes. The kernel ends it when its holder closes it or
//   dies, however it dies; so there is no stale claim, no process number to be reused, and nothing to clean up.
// - fork() does not copy the claim: it stays with the parent, and in the child is_claim_held() turns false.
// - Blocks are made with mode 0600: processes of other users cannot open them.
// - A process of the same user can cut the file short under a mapping. With map(), the next access is a fault (SIGBUS)
//   then; with map_guarded() it is none, and is_cut() turns true (mapping_guard.h). Nothing here ever shrinks a block.
//
// Errors are std::system_error with the errno of the call that failed; a missing name is ENOENT. The name of what is no
// memory at all is EISDIR for a folder, ELOOP for a link (no link is followed), ENXIO for a socket; pipes and devices
// open, and is_memory() is false.
// Claiming, releasing and destroying are serialised by the owner; forking may happen at any time.
//
// Linux: the claim is an open-file-description lock (fcntl F_OFD_SETLK). It lasts until the last descriptor and the last
// mapping of one open() are gone, and a forked child shares both. So the claim has an open file of its own, which is
// never mapped, and which a fork handler closes in the child; with POSIX locks, which do belong to a process, any
// reader's close() in the writer's process would end the claim.
#pragma once

#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

#include "latency/mapping_guard.h"

namespace latencykit {

class SharedMemory {
 public:
  enum class Open { kReadOnly, kReadWrite, kCreateIfMissing };

  static constexpr std::size_t kLongestName = 250;  // NAME_MAX is 255 and counts what the C library adds.

  // Whether a name can be one: not empty, not too long, no slash, no zero, not a folder's own name.
  static bool is_name(std::string_view name) noexcept {
    return !name.empty() && name.size() <= kLongestName && name.find('/') == name.npos &&
           name.find('\0') == name.npos && name != "." && name != "..";
  }

  SharedMemory(const std::string& name, Open how) : name_("/" + name), writable_(how != Open::kReadOnly) {
    const int flags = (writable_ ? O_RDWR : O_RDONLY) | (how == Open::kCreateIfMissing ? O_CREAT : 0) | kOpenAnything;
    descriptor_ = open_name(name_, flags);
    if (descriptor_ < 0) fail("shm_open");
    struct stat found;
    if (fstat(descriptor_, &found) == 0 && S_ISDIR(found.st_mode)) {  // It can be opened for reading.
      close(descriptor_);
      throw std::system_error(EISDIR, std::generic_category(), "shm_open");
    }
  }
  SharedMemory(const SharedMemory&) = delete;
  SharedMemory& operator=(const SharedMemory&) = delete;

  ~SharedMemory() {
    release_claim();
    guard_.reset();  // Not with the claims locked: fork() takes that lock and the guards' in another order.
    if (data_ != nullptr) munmap(data_, mapped_);
    close(descriptor_);
  }

  std::string name() const { return name_.substr(1); }
  void* data() const noexcept { return data_; }
  int descriptor() const noexcept { return descriptor_; }

  // Whether the name led to memory at all: anybody can put a pipe or a device where the names are.
  bool is_memory() const { return S_ISREG(status().st_mode); }

  // The size of the block now; only what was mapped may be touched.
  std::size_t size() const { return static_cast<std::size_t>(status().st_size); }

  void resize(std::size_t bytes) {
    int error;
    do {  // A signal may end it before it is done.
      error = posix_fallocate(descriptor_, 0, static_cast<off_t>(bytes));
    } while (error == EINTR);
    if (error != 0) throw std::system_error(error, std::generic_category(), "posix_fallocate");
  }

  void map(std::size_t bytes) {
    void* mapping = mmap(nullptr, bytes, protection(), MAP_SHARED, descriptor_, 0);
    if (mapping == MAP_FAILED) fail("mmap");
    data_ = mapping;
    mapped_ = bytes;
  }
  void map_guarded(std::size_t bytes) {
    map(bytes);
    guard_.emplace(data_, mapped_, protection());
  }

  // Whether an access to a guarded mapping found no memory; nothing that it reads means anything from then on.
  bool is_cut() const noexcept { return guard_ && guard_->is_cut(); }
  // The same as a place to look at, for a hot path. Of a guarded mapping only.
  const std::atomic<bool>* cut_flag() const noexcept { return guard_->cut_flag(); }

  enum class Claim { kHeld, kTaken, kNameGone };

  // Becomes the block's writer, unless there is one or the name no longer leads here. The block must have been opened
  // for writing.
  Claim try_claim() {
    const std::lock_guard guard(claims().mutex);
    if (is_claim_held()) return Claim::kHeld;
    const int own = open_name(name_, O_RDWR | kOpenAnything);
    if (own < 0) {
      if (errno == ENOENT) return Claim::kNameGone;
      fail("shm_open");
    }
    struct flock lock = whole_file();
    const bool here = is_here(own);
    if (here && fcntl(own, F_OFD_SETLK, &lock) == 0) {
      claim_descriptor_ = own;
      claims().add(this);
      claim_held_.store(true, std::memory_order_relaxed);
      return Claim::kHeld;
    }
    const int error = errno;
    close(own);
    if (!here) return Claim::kNameGone;
    if (error == EAGAIN || error == EACCES) return Claim::kTaken;
    throw std::system_error(error, std::generic_category(), "fcntl(F_OFD_SETLK)");
  }

  void release_claim() {
    const std::lock_guard guard(claims().mutex);
    drop_claim();
  }

  bool is_claim_held() const noexcept { return claim_held_.load(std::memory_order_relaxed); }
  // The same as a place to look at, for a hot path.
  const std::atomic<bool>* claim_flag() const noexcept { return &claim_held_; }

  // Whether this or another SharedMemory is the writer.
  bool is_claimed() const {
    if (is_claim_held()) return true;
    struct flock lock = whole_file();
    if (fcntl(descriptor_, F_OFD_GETLK, &lock) < 0) fail("fcntl(F_OFD_GETLK)");
    return lock.l_type != F_UNLCK;
  }

  // Whether any name leads here still.
  bool has_name() const { return status().st_nlink > 0; }

  // Takes the name away if it leads to this block; false if it does not, or no longer.
  bool remove_name() const {
    const int other = open_name(name_, O_RDONLY | kOpenAnything);
    if (other < 0) {
      if (errno == ENOENT) return false;
      fail("shm_open");
    }
    const bool here = is_here(other);
    close(other);
    return here && remove(name());
  }

  // Takes a name away, whatever it leads to; false if there was none.
  static bool remove(const std::string& name) {
    if (shm_unlink(("/" + name).c_str()) == 0) return true;
    if (errno != ENOENT) fail("shm_unlink");
    return false;
  }

  // The same for a name that could not be opened, by the error of that: a link and a socket are nobody's memory. Throws
  // the error again if it says that there may be something that is. Only while it is being handled.
  static bool remove_unopened(const std::string& name, const std::system_error& error) {
    if (error.code() == std::errc::no_such_file_or_directory) return false;
    if (error.code() == std::errc::too_many_symbolic_link_levels ||
        error.code() == std::errc::no_such_device_or_address) {
      return remove(name);
    }
    throw;
  }

  // shm_open() of a name with its slash, with the errno of what is wrong with it; negative if it failed.
  static int open_name(const std::string& name, int flags) noexcept {
    const int descriptor = retried([&] { return shm_open(name.c_str(), flags, 0600); });
    if (descriptor < 0 && errno == EINVAL) errno = EISDIR;  // glibc says EINVAL of a folder; our names are valid.
    return descriptor;
  }

 private:
  // Opening a pipe would wait for its other end, for ever.
  static constexpr int kOpenAnything = O_NONBLOCK;

  // Every claim of this process, for the fork handlers.
  class Claims {
   public:
    Claims() {
      pthread_atfork([] { claims().mutex.lock(); }, [] { claims().mutex.unlock(); },
                     [] {
                       claims().drop_all();
                       claims().mutex.unlock();
                     });
    }

    void add(SharedMemory* memory) noexcept {
      memory->next_ = first_;
      first_ = memory;
    }

    void remove(SharedMemory* memory) noexcept {
      SharedMemory** link = &first_;
      while (*link != memory) link = &(*link)->next_;
      *link = memory->next_;
    }

    std::mutex mutex;

   private:
    // In the child of a fork: nothing but what is safe there.
    void drop_all() noexcept {
      while (first_ != nullptr) first_->drop_claim();
    }

    SharedMemory* first_ = nullptr;
  };

  // Never destroyed: objects may outlive the end of main().
  static Claims& claims() {
    static Claims* const all = new Claims;
    return *all;
  }

  // With the claims locked. The claim's file is closed and not unlocked: a child's copy of it must not end its parent's.
  void drop_claim() noexcept {
    if (!is_claim_held()) return;
    claims().remove(this);
    claim_held_.store(false, std::memory_order_relaxed);
    close(claim_descriptor_);
  }

  static struct flock whole_file() noexcept {
    struct flock lock = {};
    lock.l_type = F_WRLCK;
    lock.l_whence = SEEK_SET;
    return lock;
  }

  int protection() const noexcept { return writable_ ? PROT_READ | PROT_WRITE : PROT_READ; }

  struct stat status() const {
    struct stat found;
    if (fstat(descriptor_, &found) < 0) fail("fstat");
    return found;
  }

  // Whether a descriptor is of this block.
  bool is_here(int descriptor) const {
    const struct stat here = status();
    struct stat there;
    return fstat(descriptor, &there) == 0 && here.st_dev == there.st_dev && here.st_ino == there.st_ino;
  }

  template <typename F>
  static int retried(F call) {
    int result;
    do {
      result = call();
    } while (result < 0 && errno == EINTR);
    return result;
  }

  [[noreturn]] static void fail(const char* call) { throw std::system_error(errno, std::generic_category(), call); }

  std::string name_;
  bool writable_;
  int descriptor_ = -1;
  int claim_descriptor_ = -1;  // Of a second open(), never mapped; only while the claim is held.
  void* data_ = nullptr;
  std::size_t mapped_ = 0;
  std::optional<MappingGuard> guard_;
  std::atomic<bool> claim_held_ = false;
  SharedMemory* next_ = nullptr;  // The next claim of this process.
};

}  // namespace latencykit
