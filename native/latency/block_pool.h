// A pool of equal raw blocks, last in, first out: the block that was given back last is the warmest in the cache.
//
// Promises:
// - take() and give() touch one block and allocate nothing; take() on an empty pool returns null and add() is the
//   slow path that the owner decides about (and counts).
// - Blocks are aligned to 16 bytes and stay where they are until the pool is destroyed, which frees all of them:
//   the owner sees to it that none is out by then.
// - A free block's first word links it to the next; everything else in it is left as it was.
// - Not thread-safe: its owner serialises.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <memory>
#include <new>
#include <utility>
#include <vector>

namespace latencykit {

class BlockPool {
 public:
  static constexpr std::size_t kAlignment = 16;
  static_assert(alignof(std::max_align_t) >= kAlignment, "malloc would not align the blocks");

  // Throws std::bad_alloc if there is no memory for the blocks.
  BlockPool(std::size_t block_bytes, std::size_t blocks)
      : block_bytes_((block_bytes + kAlignment - 1) / kAlignment * kAlignment) {
    add(blocks);
  }
  BlockPool(BlockPool&&) noexcept = default;
  BlockPool(const BlockPool&) = delete;
  BlockPool& operator=(const BlockPool&) = delete;
  BlockPool& operator=(BlockPool&&) = delete;

  bool empty() const noexcept { return free_ == nullptr; }

  [[nodiscard]] void* take() noexcept {
    FreeBlock* block = free_;
    if (block != nullptr) free_ = block->next;
    return block;
  }

  void give(void* block) noexcept { free_ = ::new (block) FreeBlock{free_}; }

  // Allocates `blocks` more, to be taken in the order of their addresses. Throws std::bad_alloc, with the
  // pool as it was.
  void add(std::size_t blocks) {
    if (blocks > static_cast<std::size_t>(-1) / block_bytes_) throw std::bad_alloc();
    Slab slab(static_cast<std::byte*>(std::malloc(blocks * block_bytes_)));
    if (slab == nullptr) throw std::bad_alloc();
    slabs_.push_back(std::move(slab));
    for (std::size_t i = blocks; i-- > 0;) give(slabs_.back().get() + i * block_bytes_);
  }

 private:
  struct FreeBlock {
    FreeBlock* next;
  };
  struct Free {
    void operator()(std::byte* slab) const noexcept { std::free(slab); }
  };
  using Slab = std::unique_ptr<std::byte, Free>;

  FreeBlock* free_ = nullptr;
  std::size_t block_bytes_;
  std::vector<Slab> slabs_;
};

}  // namespace latencykit
