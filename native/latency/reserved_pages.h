// A range of address space that is reserved whole and given memory from its start, piece by piece.
//
// Promises:
// - begin() never changes: memory that was committed neither moves nor goes away before the destructor, so that
//   pointers and arrays over it stay valid while the range grows.
// - A reservation costs address space only. commit() asks for memory; the system counts it at once and may say no,
//   which leaves the range as it was and comes back as the reason.
// - With `prefault` commit() returns when every new page is there, so that no later write meets a page fault; it
//   refuses beforehand what would leave too little memory (memory_left.h), because touching too much does
//   not fail, it calls the out-of-memory killer. Without it the first write to each page pays.
// - Huge pages: kAdvise asks for transparent ones where the range can hold one (the kernel may ignore it, which costs
//   speed and nothing else), kOff forbids them, kRequire takes pages of 2 MiB that the administrator set
//   aside, or refuses. begin() is aligned to a huge page where the range can hold one.
// - A NUMA node is preferred (numa.h); with `prefault`, pages that came from another one are a refusal.
// - Not thread-safe: its owner serialises.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <new>
#include <utility>

#include "latency/memory_left.h"
#include "latency/numa.h"

namespace latencykit {

enum class HugePages : std::uint8_t { kAdvise, kOff, kRequire };

struct PagePolicy {
  bool prefault = true;
  HugePages huge_pages = HugePages::kAdvise;
  int numa_node = -1;  // -1: any
};

enum class Refusal : std::uint8_t {
  kNone,
  kSystem,         // Address space, the limit on overcommitment, or a lock: `error` says which.
  kTooLittleLeft,  // Of `needed` bytes only `available` are left.
  kNoHugePages,    // Too few pages of 2 MiB are set aside.
  kNode,           // The kernel does not let us choose a node: `error` says why.
  kNodeFull,       // Of `needed` bytes the node gave only `available`.
};

struct CommitResult {
  Refusal refusal = Refusal::kNone;
  std::size_t needed = 0;
  std::size_t available = 0;
  int error = 0;

  bool ok() const noexcept { return refusal == Refusal::kNone; }
};

// What constructors throw.
struct PagesRefused : std::bad_alloc {
  explicit PagesRefused(CommitResult why) : result(why) {}
  const char* what() const noexcept override { return "the memory was refused"; }
  CommitResult result;
};

class ReservedPages {
 public:
  static constexpr std::size_t kHugePage = std::size_t{2} << 20;
  // Less than this is committed without asking how much is left: reading that takes longer than touching it.
  static constexpr std::size_t kNotWorthAsking = std::size_t{1} << 20;

  // Reserves up to `wanted` bytes, at least `least`: halves its wish while the address space (ulimit -v)
  // refuses. Throws PagesRefused if it cannot have even the least.
  ReservedPages(std::size_t least, std::size_t wanted, PagePolicy policy = {}) : policy_(policy) {
    std::size_t size = std::max(least, wanted);
    while (!reserve(round_up(size, step()))) {
      const int error = errno;
      if (size == least) throw PagesRefused({refused_by_map(), least, 0, error});
      size = std::max(least, size / 2);
    }
  }

  ReservedPages(ReservedPages&& other) noexcept
      : policy_(other.policy_),
        mapping_(std::exchange(other.mapping_, nullptr)),
        mapped_(std::exchange(other.mapped_, 0)),
        begin_(std::exchange(other.begin_, nullptr)),
        size_(std::exchange(other.size_, 0)),
        committed_(std::exchange(other.committed_, 0)) {}
  ReservedPages(const ReservedPages&) = delete;
  ReservedPages& operator=(const ReservedPages&) = delete;
  ReservedPages& operator=(ReservedPages&&) = delete;

  ~ReservedPages() {
    if (mapping_ != nullptr) munmap(mapping_, mapped_);
  }

  // Makes at least the first `bytes` readable and writable; what is new reads as zero.
  [[nodiscard]] CommitResult commit(std::size_t bytes) noexcept {
    if (bytes > size_) return {Refusal::kSystem, bytes, size_, ENOMEM};
    const std::size_t wanted = round_up(bytes, step());
    if (wanted <= committed_) return {};
    std::byte* const from = begin_ + committed_;
    const CommitResult result = give_memory(from, wanted - committed_);
    if (result.ok()) {
      committed_ = wanted;
    } else {
      take_memory_back(from, wanted - committed_);
    }
    return result;
  }

  // Whether so many bytes more can be touched with a sixteenth of what is left to spare.
  static CommitResult check_left(std::size_t bytes, const PagePolicy& policy) noexcept {
    // Pages of 2 MiB that were set aside are not among what is left.
    if (!policy.prefault || policy.huge_pages == HugePages::kRequire || bytes < kNotWorthAsking) return {};
    const std::size_t left = memory_left(policy.numa_node);
    if (bytes <= left - left / 16) return {};
    return {Refusal::kTooLittleLeft, bytes, left, ENOMEM};
  }

  std::byte* begin() const noexcept { return begin_; }
  std::size_t size() const noexcept { return size_; }
  std::size_t committed() const noexcept { return committed_; }

 private:
  static std::size_t round_up(std::size_t value, std::size_t step) noexcept { return (value + step - 1) / step * step; }

  bool requires_huge() const noexcept { return policy_.huge_pages == HugePages::kRequire; }

  std::size_t step() const noexcept {
    return requires_huge() ? kHugePage : static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  }

  Refusal refused_by_map() const noexcept {
    return requires_huge() && errno != ENOMEM ? Refusal::kNoHugePages : Refusal::kSystem;
  }

  // PROT_NONE is not counted against the memory that the system can give; MAP_NORESERVE stays off, so that
  // commit() is counted and a hopeless wish fails there and not in a page fault.
  bool reserve(std::size_t size) noexcept { return requires_huge() ? reserve_huge(size) : reserve_small(size); }

  bool reserve_small(std::size_t size) noexcept {
    const std::size_t slack = size >= kHugePage ? kHugePage : 0;
    void* mapping = mmap(nullptr, size + slack, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapping == MAP_FAILED) return false;
    const auto address = reinterpret_cast<std::uintptr_t>(mapping);
    keep(mapping, size + slack, slack == 0 ? 0 : round_up(address, kHugePage) - address, size);
    return true;
  }

  // MAP_NORESERVE: the pool need not hold what the range may grow to. Every page is populated by commit(), whose
  // call fails where a write would end the process with SIGBUS.
  bool reserve_huge(std::size_t size) noexcept {
#if defined(MAP_HUGETLB) && defined(MADV_POPULATE_WRITE)
    constexpr int kSize2MiB = 21 << 26;  // log2 of the size, at MAP_HUGE_SHIFT
    constexpr int kFlags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_HUGETLB | kSize2MiB;
    void* mapping = mmap(nullptr, size, PROT_READ | PROT_WRITE, kFlags, -1, 0);
    if (mapping == MAP_FAILED) return false;
    keep(mapping, size, 0, size);
    return true;
#else
    (void)size;
    errno = ENOSYS;
    return false;
#endif
  }

  void keep(void* mapping, std::size_t mapped, std::size_t offset, std::size_t size) noexcept {
    mapping_ = mapping;
    mapped_ = mapped;
    begin_ = static_cast<std::byte*>(mapping) + offset;
    size_ = size;
  }

  CommitResult give_memory(std::byte* from, std::size_t bytes) noexcept {
    if (const CommitResult left = check_left(bytes, policy_); !left.ok()) return left;
    if (!requires_huge()) {
      if (mprotect(from, bytes, PROT_READ | PROT_WRITE) != 0) return {Refusal::kSystem, bytes, 0, errno};
      advise(from, bytes);
    }
    if (policy_.numa_node >= 0) {
      if (const int error = prefer_node(from, bytes, policy_.numa_node)) return {Refusal::kNode, bytes, 0, error};
    }
    return policy_.prefault || requires_huge() ? touch(from, bytes) : CommitResult{};
  }

  // Only where transparent huge pages exist can either be refused, so there is nothing to report.
  void advise(std::byte* from, std::size_t bytes) const noexcept {
#ifdef MADV_HUGEPAGE
    if (policy_.huge_pages == HugePages::kOff) {
      (void)madvise(from, bytes, MADV_NOHUGEPAGE);
    } else if (size_ >= kHugePage) {
      (void)madvise(from, bytes, MADV_HUGEPAGE);
    }
#else
    (void)from, (void)bytes;
#endif
  }

  CommitResult touch(std::byte* from, std::size_t bytes) const noexcept {
    if (const int error = populate(from, bytes)) {
      return {requires_huge() ? Refusal::kNoHugePages : Refusal::kSystem, bytes, 0, error};
    }
    if (policy_.numa_node < 0) return {};
    const std::size_t elsewhere = pages_elsewhere(from, bytes, step(), policy_.numa_node) * step();
    return elsewhere == 0 ? CommitResult{} : CommitResult{Refusal::kNodeFull, bytes, bytes - elsewhere, 0};
  }

  // 0, or an errno value.
  int populate(std::byte* from, std::size_t bytes) const noexcept {
#ifdef MADV_POPULATE_WRITE
    if (madvise(from, bytes, MADV_POPULATE_WRITE) == 0) return 0;
    if (errno != EINVAL || requires_huge()) return errno;
#endif
    // A kernel before 5.14. The pages are new, so this writes what is there already.
    for (std::size_t at = 0; at < bytes; at += step()) *static_cast<volatile std::byte*>(from + at) = std::byte{0};
    return 0;
  }

  // What fails here stays taken until the destructor, and is used by the next commit().
  void take_memory_back(std::byte* from, std::size_t bytes) const noexcept {
    (void)madvise(from, bytes, MADV_DONTNEED);
    if (!requires_huge()) (void)mprotect(from, bytes, PROT_NONE);
  }

  PagePolicy policy_;
  void* mapping_ = nullptr;
  std::size_t mapped_ = 0;
  std::byte* begin_ = nullptr;
  std::size_t size_ = 0;
  std::size_t committed_ = 0;
};

}  // namespace latencykit
