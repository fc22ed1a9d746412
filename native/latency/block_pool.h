// A pool of equal raw blocks, last in, first out: the block that was given back last is the warmest in the cache.
//
// Promises:
// - take() and give() touch one block and allocate nothing; take() on an empty pool returns null and add() is the
//   slow path that the owner decides about (and counts).
// - Blocks are aligned to 16 bytes and stay where they are until the pool is destroyed, which frees all of them:
//   the owner sees to it that none is out by then.
// - Memory comes in whole pages, under the policy of the pool; all that fits is used, so add(n) may give more than n.
//   Blocks that were never out come in the order of their addresses and are not touched before.
// - A free block's first word links it to the next; everything else in it is left as it was.
// - Not thread-safe: its owner serialises.
#pragma once

#include <cstddef>
#include <limits>
#include <new>
#include <utility>
#include <vector>

#include "latency/reserved_pages.h"

namespace latencykit {

class BlockPool {
 public:
  static constexpr std::size_t kAlignment = 16;

  // Throws std::bad_alloc, or PagesRefused with the reason, if there is no memory for the blocks.
  BlockPool(std::size_t block_bytes, std::size_t blocks, PagePolicy policy = {})
      : block_bytes_((block_bytes + kAlignment - 1) / kAlignment * kAlignment), policy_(policy) {
    add(blocks);
    // Only what was asked for at the start must be in pages that somebody set aside.
    if (policy_.huge_pages == HugePages::kRequire) policy_.huge_pages = HugePages::kAdvise;
  }
  BlockPool(BlockPool&&) noexcept = default;
  BlockPool(const BlockPool&) = delete;
  BlockPool& operator=(const BlockPool&) = delete;
  BlockPool& operator=(BlockPool&&) = delete;

  [[nodiscard]] void* take() noexcept {
    FreeBlock* block = free_;
    if (block == nullptr) [[unlikely]]
      return take_new();
    free_ = block->next;
    __builtin_prefetch(free_, 1);  // The next one out.
    return block;
  }

  void give(void* block) noexcept { free_ = ::new (block) FreeBlock{free_}; }

  // Gets memory for at least so many blocks more. For an empty pool. Throws as the constructor does, with the
  // pool as it was.
  void add(std::size_t blocks) {
    if (blocks > (std::numeric_limits<std::size_t>::max() - kMostRounding) / block_bytes_) throw std::bad_alloc();
    slabs_.reserve(slabs_.size() + 1);
    ReservedPages slab(blocks * block_bytes_, 0, policy_);
    if (const CommitResult result = slab.commit(slab.size()); !result.ok()) throw PagesRefused(result);
    new_ = slab.begin();
    new_end_ = slab.begin() + slab.size() / block_bytes_ * block_bytes_;
    capacity_ += slab.size() / block_bytes_;
    slabs_.push_back(std::move(slab));
  }

  std::size_t capacity() const noexcept { return capacity_; }
  std::size_t block_bytes() const noexcept { return block_bytes_; }

 private:
  static constexpr std::size_t kMostRounding = 2 * ReservedPages::kHugePage;

  struct FreeBlock {
    FreeBlock* next;
  };

  void* take_new() noexcept {
    if (new_ == new_end_) return nullptr;
    return std::exchange(new_, new_ + block_bytes_);
  }

  FreeBlock* free_ = nullptr;
  std::byte* new_ = nullptr;
  std::byte* new_end_ = nullptr;
  std::size_t block_bytes_;
  std::size_t capacity_ = 0;
  PagePolicy policy_;
  std::vector<ReservedPages> slabs_;
};

}  // namespace latencykit
