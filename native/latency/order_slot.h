// One order in one cache line, and what an order must be.
//
// Promises:
// - A slot is 64 bytes on its own cache line, and all of them are named: there is no padding that a stray write could
//   hide in.
// - check_order() names the first field that no exchange would take; what passes it fits the slot's fields.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>

namespace latencykit {

enum class Side : std::uint8_t { kBuy = 0, kSell = 1 };

struct alignas(64) OrderSlot {
  std::uint64_t handle =
      0;  // Of the order in the slot; of the next one while the slot is free; 0 before its first use.
  double price = 0.0;
  std::int64_t quantity = 0;
  std::uint32_t symbol_id = 0;
  Side side = Side::kBuy;
  bool in_use = false;
  std::uint16_t unused = 0;
  OrderSlot* next = nullptr;       // Free: the next free slot. In use under kRecycle: the order created after this one.
  OrderSlot* older = nullptr;      // In use under kRecycle: the order created before this one.
  std::uint64_t handle_check = 0;  // Poison mode only (slot_poison.h), as the last one.
  std::uint64_t tail = 0;
};
static_assert(sizeof(OrderSlot) == 64 && offsetof(OrderSlot, tail) == 56, "a slot is one cache line, without gaps");

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

}  // namespace latencykit
