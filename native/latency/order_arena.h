// Orders in preallocated slots of one cache line each, created and released without an allocation.
//
// Promises:
// - A slot (order_slot.h) is one cache line. A slot never moves: the arena reserves address space for all the slots
//   that it may ever have, and growing gives memory to more of it.
// - Free slots form a LIFO list through the slots themselves, so that the slot released last, still in the cache, is
//   the next one out. acquire() and release() are a few loads and stores. Where the memory lies and whether it is
//   touched beforehand is the PagePolicy (reserved_pages.h). A slot is all zero until it is first used.
// - A handle names one order for ever: generation << index_bits | index, from the first generation of the slot on,
//   never 0 and never above 2^63 - 1 (it fits a signed 64-bit field). Releasing a slot moves it to its next
//   handle, which nobody has been given; so whoever holds a handle or a slot pointer with it sees by one
//   comparison whether the order still exists, and an old handle never fits a new order.
// - A slot whose generations are used up leaves service for good instead of starting over. All slots together serve
//   2^62 orders or more.
// - When no slot is free: kRaise makes acquire() return null; kGrow doubles the slots up to max_capacity(), then null;
//   kRecycle ends the order that was created first and uses its slot, in constant time. Only kRecycle keeps
//   the list of orders in use, in the order of their creation.
// - Poison mode, for debugging: a free slot is filled with a pattern, and the pattern is looked at before the slot is
//   given out again, as are the zeros of a slot that was never used. What was written into it meanwhile,
//   through a pointer that somebody kept, makes acquire() return null with damage() saying where; the arena
//   then gives out nothing more and leaves the slot as it is. Under AddressSanitizer such a slot cannot even be
//   read or written without a report. Off, it costs acquire() and release() the test of one flag each.
// - Not thread-safe: its owner (in Python, the GIL) serialises. No hidden state is shared between arenas.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "latency/order_slot.h"
#include "latency/reserved_pages.h"
#include "latency/slot_poison.h"

namespace latencykit {

enum class WhenExhausted : std::uint8_t { kRaise, kGrow, kRecycle };

struct ArenaOptions {
  PagePolicy pages = {};
  bool poison = false;
  int handle_bits = 63;  // Bounds the handles; lowered only by tests, to see slots leave service.
};

// What a handle is to an arena.
enum class HandleState : std::uint8_t { kAlive, kStale, kNeverIssued };

class OrderArena {
 public:
  static constexpr std::size_t kMaxCapacity = std::size_t{1} << 32;
  static constexpr std::size_t kMaxGrowth = 1024;  // How many times its first capacity an arena may grow to.

  // Throws PagesRefused if there is no memory of that kind. `capacity` is in 1..kMaxCapacity.
  OrderArena(std::size_t capacity, WhenExhausted when_exhausted, ArenaOptions options = {})
      : when_exhausted_(when_exhausted),
        poison_(options.poison),
        pages_(capacity * sizeof(OrderSlot), capacity_limit(capacity, when_exhausted) * sizeof(OrderSlot),
               options.pages),
        max_capacity_(std::min(pages_.size() / sizeof(OrderSlot), capacity_limit(capacity, when_exhausted))),
        index_bits_(std::bit_width(max_capacity_ - 1)),
        last_handle_((std::uint64_t{1} << options.handle_bits) - 1) {
    if (const CommitResult result = commit(capacity); !result.ok()) throw PagesRefused(result);
  }
  OrderArena(OrderArena&&) noexcept = default;
  OrderArena(const OrderArena&) = delete;
  OrderArena& operator=(const OrderArena&) = delete;
  OrderArena& operator=(OrderArena&&) = delete;

  ~OrderArena() {
    if (!poison_ || slots() == nullptr) return;
    // Whoever is given this address space next may use all of it.
    for (std::size_t index = 0; index < fresh_; ++index) open_slot(slots() + index);
  }

  // A slot for a new order, its handle set and its other fields for the caller to write; null when exhausted or
  // damaged.
  [[nodiscard]] OrderSlot* acquire() noexcept {
    OrderSlot* slot = free_;
    if (slot == nullptr) [[unlikely]] {
      slot = take_elsewhere();
      if (slot == nullptr) return nullptr;
    } else {
      if (poison_ && !is_intact(slot)) return nullptr;
      free_ = slot->next;
      __builtin_prefetch(free_,
                         1);  // The next one out, written by the next call; after a random order of releases, cold.
    }
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
    put_on_list(slot);
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
  bool poisons() const noexcept { return poison_; }
  // The write into a free slot that acquire() or verify() met first.
  const std::optional<SlotDamage>& damage() const noexcept { return damage_; }

  // Looks at all free slots of an arena that poisons. How many there were; fewer if one is damaged.
  std::size_t verify() noexcept {
    std::size_t seen = 0;
    for (OrderSlot* slot = free_; slot != nullptr && is_intact(slot); slot = slot->next, ++seen) close_slot(slot);
    for (std::size_t index = fresh_; !damage_ && index < capacity_; ++index) {
      damage_ = find_damage_of_new(slots() + index);
      if (!damage_) ++seen;
    }
    return seen;
  }
  WhenExhausted when_exhausted() const noexcept { return when_exhausted_; }

 private:
  static std::size_t capacity_limit(std::size_t capacity, WhenExhausted when_exhausted) noexcept {
    return when_exhausted == WhenExhausted::kGrow ? std::min(capacity * kMaxGrowth, kMaxCapacity) : capacity;
  }

  // Gives memory to slots up to `capacity`.
  CommitResult commit(std::size_t capacity) noexcept {
    const CommitResult result = pages_.commit(capacity * sizeof(OrderSlot));
    if (result.ok()) capacity_ = capacity;
    return result;
  }

  void put_on_list(OrderSlot* slot) noexcept {
    slot->next = free_;
    free_ = slot;
    if (poison_) poison_slot(slot);
  }

  // A slot when the free list is empty; null when there is none to be had. Slots that were never used come in
  // the order of their addresses, and only when every slot before them is in use or out of service: so a
  // new high-water mark is reached nowhere else.
  [[gnu::noinline]] OrderSlot* take_elsewhere() noexcept {
    if (fresh_ < capacity_ || grow()) return take_new();
    // Ending one order is enough unless its slot leaves service.
    while (free_ == nullptr && when_exhausted_ == WhenExhausted::kRecycle && oldest_ != nullptr) release(oldest_);
    OrderSlot* slot = free_;
    if (slot == nullptr || (poison_ && !is_intact(slot))) return nullptr;
    free_ = slot->next;
    return slot;
  }

  bool grow() noexcept {
    if (when_exhausted_ != WhenExhausted::kGrow || capacity_ == max_capacity_) return false;
    if (!commit(std::min(capacity_ * 2, max_capacity_)).ok()) return false;
    ++growths_;
    return true;
  }

  OrderSlot* take_new() noexcept {
    OrderSlot* slot = slots() + fresh_;
    if (poison_ && (damage_ || (damage_ = find_damage_of_new(slot)))) return nullptr;
    slot->handle = (std::uint64_t{1} << index_bits_) | fresh_;
    ++fresh_;
    high_water_ = std::max(high_water_, in_use_ + 1);
    return slot;
  }

  [[gnu::noinline]] bool is_intact(OrderSlot* slot) noexcept {
    open_slot(slot);
    if (!damage_) damage_ = find_damage(slot);
    return !damage_;
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
  bool poison_;
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
  std::optional<SlotDamage> damage_;
};

}  // namespace latencykit
