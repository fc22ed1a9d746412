// Marks free slots, so that a write into one through a pointer that somebody kept is found.
//
// Promises:
// - poison_slot() fills every field but handle, in_use and next with a pattern, and keeps the complements of handle and
//   next in two others: a later change of any bit of the slot is a mismatch that find_damage() names. The
//   pattern reads as a NaN price and a negative quantity, 0xDEAD over and over.
// - find_damage_of_new() says the same of a slot that was never used, which is all zero.
// - Under AddressSanitizer a poisoned slot is also closed to the program but for the words that the arena itself reads,
//   until open_slot().
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "latency/order_slot.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define LATENCYKIT_ASAN 1
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define LATENCYKIT_ASAN 1
#endif
#ifdef LATENCYKIT_ASAN
#include <sanitizer/asan_interface.h>
#endif

namespace latencykit {

// What was found in a free slot: `found` and `expected` are the bits of the field.
struct SlotDamage {
  const OrderSlot* slot;
  const char* field;
  std::uint64_t found;
  std::uint64_t expected;
};

inline constexpr std::uint64_t kPoison = 0xDEADDEADDEADDEAD;
inline constexpr std::uint64_t kPoisonPrice = 0x7FF8DEADDEADDEAD;  // A quiet NaN.

inline void close_slot([[maybe_unused]] OrderSlot* slot) noexcept {
#ifdef LATENCYKIT_ASAN
  __asan_poison_memory_region(&slot->price, sizeof slot->price + sizeof slot->quantity);
  __asan_poison_memory_region(&slot->older, sizeof(OrderSlot) - offsetof(OrderSlot, older));
#endif
}

inline void open_slot([[maybe_unused]] const OrderSlot* slot) noexcept {
#ifdef LATENCYKIT_ASAN
  __asan_unpoison_memory_region(slot, sizeof(OrderSlot));
#endif
}

inline void poison_slot(OrderSlot* slot) noexcept {
  slot->price = std::bit_cast<double>(kPoisonPrice);
  slot->quantity = static_cast<std::int64_t>(kPoison);
  slot->symbol_id = static_cast<std::uint32_t>(kPoison);
  slot->side = static_cast<Side>(kPoison & 0xFF);
  slot->unused = static_cast<std::uint16_t>(kPoison);
  slot->older = reinterpret_cast<OrderSlot*>(~reinterpret_cast<std::uintptr_t>(slot->next));
  slot->handle_check = ~slot->handle;
  slot->tail = kPoison;
  close_slot(slot);
}

// The slot must be open.
inline std::optional<SlotDamage> find_damage(const OrderSlot* slot) noexcept {
  const std::array<SlotDamage, 9> fields{{
      {slot, "handle", slot->handle, ~slot->handle_check},
      {slot, "price", std::bit_cast<std::uint64_t>(slot->price), kPoisonPrice},
      {slot, "quantity", static_cast<std::uint64_t>(slot->quantity), kPoison},
      {slot, "symbol_id", slot->symbol_id, static_cast<std::uint32_t>(kPoison)},
      {slot, "side", static_cast<std::uint64_t>(slot->side), kPoison & 0xFF},
      {slot, "in_use", std::bit_cast<std::uint8_t>(slot->in_use), 0},
      {slot, "unused", slot->unused, static_cast<std::uint16_t>(kPoison)},
      {slot, "next", reinterpret_cast<std::uintptr_t>(slot->next), ~reinterpret_cast<std::uintptr_t>(slot->older)},
      {slot, "tail", slot->tail, kPoison},
  }};
  for (const SlotDamage& field : fields) {
    if (field.found != field.expected) return field;
  }
  return std::nullopt;
}

// Of a slot that was never used.
inline std::optional<SlotDamage> find_damage_of_new(const OrderSlot* slot) noexcept {
  const std::array<SlotDamage, 11> fields{{
      {slot, "handle", slot->handle, 0},
      {slot, "price", std::bit_cast<std::uint64_t>(slot->price), 0},
      {slot, "quantity", static_cast<std::uint64_t>(slot->quantity), 0},
      {slot, "symbol_id", slot->symbol_id, 0},
      {slot, "side", static_cast<std::uint64_t>(slot->side), 0},
      {slot, "in_use", std::bit_cast<std::uint8_t>(slot->in_use), 0},
      {slot, "unused", slot->unused, 0},
      {slot, "next", reinterpret_cast<std::uintptr_t>(slot->next), 0},
      {slot, "older", reinterpret_cast<std::uintptr_t>(slot->older), 0},
      {slot, "handle_check", slot->handle_check, 0},
      {slot, "tail", slot->tail, 0},
  }};
  for (const SlotDamage& field : fields) {
    if (field.found != field.expected) return field;
  }
  return std::nullopt;
}

}  // namespace latencykit
