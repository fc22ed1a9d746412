// A range of address space that is reserved whole and given memory from its start, piece by piece.
//
// Promises:
// - begin() never changes: memory that was committed neither moves nor goes away before the destructor, so that
//   pointers and arrays over it stay valid while the range grows.
// - A reservation costs address space only. commit() asks for memory; the system counts it at once and may say no,
//   which leaves the range as it was.
// - begin() is aligned to a huge page, and the whole range is advised to use huge pages where it is long enough to
//   hold one. The advice may be ignored (transparent huge pages off), which costs speed and nothing else.
// - Not thread-safe: its owner serialises.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <new>
#include <utility>

namespace latencykit {

class ReservedPages {
 public:
  static constexpr std::size_t kHugePage = std::size_t{2} << 20;

  // Reserves up to `wanted` bytes, at least `least`: halves its wish while the address space (ulimit -v)
  // refuses. Throws std::bad_alloc if it cannot have even the least.
  ReservedPages(std::size_t least, std::size_t wanted) {
    std::size_t size = std::max(least, wanted);
    while (!reserve(round_up(size, page()))) {
      if (size == least) throw std::bad_alloc();
      size = std::max(least, size / 2);
    }
  }

  ReservedPages(ReservedPages&& other) noexcept
      : mapping_(std::exchange(other.mapping_, nullptr)),
        mapped_(std::exchange(other.mapped_, 0)),
        begin_(std::exchange(other.begin_, nullptr)),
        size_(std::exchange(other.size_, 0)) {}
  ReservedPages(const ReservedPages&) = delete;
  ReservedPages& operator=(const ReservedPages&) = delete;
  ReservedPages& operator=(ReservedPages&&) = delete;

  ~ReservedPages() {
    if (mapping_ != nullptr) munmap(mapping_, mapped_);
  }

  // Makes the first `bytes` readable and writable; what is new reads as zero. False if the system refuses.
  [[nodiscard]] bool commit(std::size_t bytes) noexcept {
    return bytes <= size_ && mprotect(begin_, round_up(bytes, page()), PROT_READ | PROT_WRITE) == 0;
  }

  std::byte* begin() const noexcept { return begin_; }
  std::size_t size() const noexcept { return size_; }

 private:
  static std::size_t page() noexcept { return static_cast<std::size_t>(sysconf(_SC_PAGESIZE)); }

  static std::size_t round_up(std::size_t value, std::size_t step) noexcept { return (value + step - 1) / step * step; }

  // PROT_NONE is not counted against the memory that the system can give; MAP_NORESERVE stays off, so that
  // commit() is counted and a hopeless wish fails there and not in a page fault.
  bool reserve(std::size_t size) noexcept {
    const std::size_t mapped = size + kHugePage;
    void* mapping = mmap(nullptr, mapped, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapping == MAP_FAILED) return false;
    mapping_ = mapping;
    mapped_ = mapped;
    const auto address = reinterpret_cast<std::uintptr_t>(mapping);
    begin_ = static_cast<std::byte*>(mapping) + (round_up(address, kHugePage) - address);
    size_ = size;
#ifdef MADV_HUGEPAGE
    if (size >= kHugePage) (void)madvise(begin_, size, MADV_HUGEPAGE);
#endif
    return true;
  }

  void* mapping_ = nullptr;
  std::size_t mapped_ = 0;
  std::byte* begin_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace latencykit
