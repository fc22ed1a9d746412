// Orders in preallocated slots of one cache line each, created and released without an allocation.
//
// Promises:
// - A slot is 64 bytes on its own cache line. A slot never moves: the arena reserves address space for all the slots
//   that it may ever have, and growing gives memory to more of it.
// - Free slots form a LIFO list through the slots themselves, so that the slot released last, still in the cache, is
//   the next one out. acquire() and release() are a few loads and stores; slots are written once by the
//   constructor, so that the first orders meet no page fault.
// - A handle names one order for ever: generation << index_bits | index, from the first generation of the slot on,
//   never 0 and never above 2^63 - 1 (it fits a signed 64-bit field). Releasing a slot moves it to its next
//   handle, which nobody has been given; so whoever holds a handle or a slot pointer with it sees by one
//   comparison whether the order still exists, and an old handle never fits a new order.
// - A slot whose generations are used up leaves service for good instead of starting over. All slots together serve
//   2^62 orders or more.
// - When no slot is free: kRaise makes acquire() return null; kGrow doubles the slots up to max_capacity(), then null;
//   kRecycle ends the order that was created first and uses its slot, in constant time. Only kRecycle keeps
//   the list of orders in use, in the order of their creation.
// - Not thread-safe: its owner (in Python, the GIL) serialises. No hidden state is shared between arenas.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>

#include "latency/reserved_pages.h"

namespace latencykit {

enum class Side : std::uint8_t { kBuy = 0, kSell = 1 };

enum class WhenExhausted : std::uint8_t { kRaise, kGrow, kRecycle };

struct alignas(64) OrderSlot {
  std::uint64_t handle = 0;  // Of the order in the slot; of the next one while the slot is free.
  double price = 0.0;
  std::int64_t quantity = 0;
  std::uint32_t symbol_id = 0;
  Side side = Side::kBuy;
  bool in_use = false;
  OrderSlot* next = nullptr;   // Free: the next free slot. In use under kRecycle: the order created after this one.
  OrderSlot* older = nullptr;  // In use under kRecycle: the order created before this one.
};
static_assert(sizeof(OrderSlot) == 64, "a slot is one cache line");

// The first field of an order that no exchange would take.
enum class OrderFault : std::uint8_t { kNone, kSymbol, kSide, kQuantity, kPrice };

inline OrderFault check_order(std::int64_t symbol_id, std::int64_t side, std::int64_t quantity, double price) {
  // As unsigned numbers the negative ones are too large as well. NaN fails every comparison.
  if (static_cast<std::uint64_t>(symbol_id) > std::numeric_limits<std::uint32_t>::max()) return OrderFault::kSymbol;
  if (static_cast<std::uint64_t>(side) > static_cast<std::uint64_t>(Side::kSell)) return OrderFault::kSide;
  if (quantity <= 0) return OrderFault::kQuantity;
  if (!(price > 0.0 && price <= std::numeric_limits<double>::max())) return OrderFault::kPrice;
  return OrderFault::kNone;
}

// What a handle is to an arena.
enum class HandleState : std::uint8_t { kAlive, kStale, kNeverIssued };

class OrderArena {
 public:
  static constexpr std::size_t kMaxCapacity = std::size_t{1} << 32;
  static constexpr std::size_t kMaxGrowth = 1024;  // How many times its first capacity an arena may grow to.

  // Throws std::bad_alloc if the system refuses the memory. `capacity` is in 1..kMaxCapacity. `handle_bits`
  // bounds the handles and is lowered only by tests, to see slots leave service.
  OrderArena(std::size_t capacity, WhenExhausted when_exhausted, int handle_bits = 63)
      : when_exhausted_(when_exhausted),
        pages_(capacity * sizeof(OrderSlot), capacity_limit(capacity, when_exhausted) * sizeof(OrderSlot)),
        max_capacity_(std::min(pages_.size() / sizeof(OrderSlot), capacity_limit(capacity, when_exhausted))),
        index_bits_(std::bit_width(max_capacity_ - 1)),
        last_handle_((std::uint64_t{1} << handle_bits) - 1) {
    if (!commit(capacity)) throw std::bad_alloc();
  }
  OrderArena(OrderArena&&) noexcept = default;
  OrderArena(const OrderArena&) = delete;
  OrderArena& operator=(const OrderArena&) = delete;
  OrderArena& operator=(OrderArena&&) = delete;

  // A slot for a new order, its handle set and its other fields as the last order left them; null when exhausted.
  [[nodiscard]] OrderSlot* acquire() noexcept {
    if (free_ == nullptr && !refill()) return nullptr;
    OrderSlot* slot = free_;
    free_ = slot->next;
    slot->in_use = true;
    ++in_use_;
    if (when_exhausted_ == WhenExhausted::kRecycle) link_newest(slot);
    return slot;
  }

  // Ends the order in a slot that is in use.
  void release(OrderSlot* slot) noexcept {
    if (when_exhausted_ == WhenExhausted::kRecycle) unlink(slot);
    slot->in_use = false;
    --in_use_;
    slot->handle += std::uint64_t{1} << index_bits_;
    if (slot->handle > last_handle_) return;  // Out of service: on no list, its handle never issued.
    slot->next = free_;
    free_ = slot;
  }

  // The slot that a handle names, whatever became of the order; null if it cannot be a handle of this arena.
  OrderSlot* slot_of(std::uint64_t handle) const noexcept {
    const std::uint64_t index = handle & ((std::uint64_t{1} << index_bits_) - 1);
    return index < capacity_ ? slots() + index : nullptr;
  }

  HandleState state_of(std::uint64_t handle) const noexcept {
    const OrderSlot* slot = slot_of(handle);
    const bool first_generation_or_later = (handle >> index_bits_) != 0;
    if (slot == nullptr || !first_generation_or_later || handle > slot->handle) return HandleState::kNeverIssued;
    if (handle < slot->handle) return HandleState::kStale;
    return slot->in_use ? HandleState::kAlive : HandleState::kNeverIssued;
  }

  OrderSlot* slots() const noexcept { return reinterpret_cast<OrderSlot*>(pages_.begin()); }
  std::size_t capacity() const noexcept { return capacity_; }
  std::size_t max_capacity() const noexcept { return max_capacity_; }
  std::size_t in_use() const noexcept { return in_use_; }
  std::size_t high_water() const noexcept { return high_water_; }
  std::size_t growths() const noexcept { return growths_; }
  WhenExhausted when_exhausted() const noexcept { return when_exhausted_; }

 private:
  static std::size_t capacity_limit(std::size_t capacity, WhenExhausted when_exhausted) noexcept {
    return when_exhausted == WhenExhausted::kGrow ? std::min(capacity * kMaxGrowth, kMaxCapacity) : capacity;
  }

  // Gives memory to slots up to `capacity` and writes the new ones.
  bool commit(std::size_t capacity) noexcept {
    if (!pages_.commit(capacity * sizeof(OrderSlot))) return false;
    for (std::size_t index = capacity_; index < capacity; ++index) {
      std::construct_at(slots() + index, OrderSlot{.handle = (std::uint64_t{1} << index_bits_) | index});
    }
    capacity_ = capacity;
    return true;
  }

  // Puts a slot on the empty free list, or says that there is none to be had. Slots that were never used come
  // in the order of their addresses, and only when every slot before them is in use or out of service: so a
  // new high-water mark is reached nowhere else.
  [[gnu::noinline]] bool refill() noexcept {
    if (fresh_ == capacity_ && when_exhausted_ == WhenExhausted::kGrow && capacity_ < max_capacity_) {
      if (commit(std::min(capacity_ * 2, max_capacity_))) ++growths_;
    }
    if (fresh_ < capacity_) {
      OrderSlot* slot = slots() + fresh_++;
      slot->next = nullptr;
      free_ = slot;
      high_water_ = std::max(high_water_, in_use_ + 1);
      return true;
    }
    // One is enough unless it leaves service.
    while (free_ == nullptr && when_exhausted_ == WhenExhausted::kRecycle && oldest_ != nullptr) release(oldest_);
    return free_ != nullptr;
  }

  void link_newest(OrderSlot* slot) noexcept {
    slot->older = newest_;
    slot->next = nullptr;
    (newest_ == nullptr ? oldest_ : newest_->next) = slot;
    newest_ = slot;
  }

  void unlink(OrderSlot* slot) noexcept {
    (slot->older == nullptr ? oldest_ : slot->older->next) = slot->next;
    (slot->next == nullptr ? newest_ : slot->next->older) = slot->older;
  }

  // The hot path's own fields first, together on one line.
  OrderSlot* free_ = nullptr;
  std::size_t in_use_ = 0;
  WhenExhausted when_exhausted_;
  OrderSlot* oldest_ = nullptr;
  OrderSlot* newest_ = nullptr;
  ReservedPages pages_;
  std::size_t max_capacity_;
  int index_bits_;
  std::uint64_t last_handle_;
  std::size_t capacity_ = 0;
  std::size_t fresh_ = 0;
  std::size_t high_water_ = 0;
  std::size_t growths_ = 0;
};

}  // namespace latencykit
