#include "latency/order_arena.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <limits>
#include <list>
#include <mutex>
#include <random>
#include <set>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "tests/check.h"

namespace {

using latencykit::check_order;
using latencykit::HandleState;
using latencykit::OrderArena;
using latencykit::OrderFault;
using latencykit::OrderSlot;
using latencykit::WhenExhausted;

void slots_are_cache_lines_that_never_move() {
  OrderArena arena(2, WhenExhausted::kGrow);
  OrderSlot* begin = arena.slots();
  CHECK(reinterpret_cast<std::uintptr_t>(begin) % 4096 == 0);
  std::vector<OrderSlot*> slots;
  for (std::int64_t i = 0; i < 2048; ++i) {
    slots.push_back(arena.acquire());
    CHECK(slots.back() == begin + i);
    slots.back()->quantity = i;
  }
  CHECK(arena.slots() == begin && arena.capacity() == 2048 && arena.growths() == 10);
  for (std::int64_t i = 0; i < 2048; ++i) CHECK(slots[static_cast<std::size_t>(i)]->quantity == i);
  CHECK(arena.acquire() == nullptr);  // 1024 times its first capacity, and no further.
  CHECK(arena.in_use() == 2048 && arena.high_water() == 2048);
}

void the_slot_released_last_is_the_next_one_out() {
  OrderArena arena(4, WhenExhausted::kRaise);
  OrderSlot* first = arena.acquire();
  OrderSlot* second = arena.acquire();
  arena.release(first);
  arena.release(second);
  CHECK(arena.acquire() == second);
  CHECK(arena.acquire() == first);
  CHECK(arena.high_water() == 2);
}

void raise_says_null_and_recovers() {
  OrderArena arena(1, WhenExhausted::kRaise);
  OrderSlot* slot = arena.acquire();
  CHECK(arena.acquire() == nullptr);
  arena.release(slot);
  CHECK(arena.acquire() == slot);
  CHECK(arena.growths() == 0);
}

void recycle_ends_the_oldest() {
  OrderArena arena(3, WhenExhausted::kRecycle);
  OrderSlot* a = arena.acquire();
  OrderSlot* b = arena.acquire();
  OrderSlot* c = arena.acquire();
  const std::uint64_t old = a->handle;
  CHECK(arena.acquire() == a && a->handle != old);
  CHECK(arena.state_of(old) == HandleState::kStale);
  arena.release(c);
  CHECK(arena.acquire() == c);  // Now the newest; b is the oldest.
  CHECK(arena.acquire() == b);
  CHECK(arena.acquire() == a);
  CHECK(arena.in_use() == 3 && arena.high_water() == 3 && arena.growths() == 0);
}

void handles_are_told_apart() {
  OrderArena arena(2, WhenExhausted::kRaise);
  OrderSlot* slot = arena.acquire();
  const std::uint64_t first = slot->handle;
  CHECK(arena.state_of(first) == HandleState::kAlive && arena.slot_of(first) == slot);
  arena.release(slot);
  CHECK(arena.state_of(first) == HandleState::kStale);
  CHECK(arena.state_of(slot->handle) == HandleState::kNeverIssued);  // The next order's, not yet given out.
  CHECK(arena.acquire() == slot && arena.state_of(slot->handle) == HandleState::kAlive);
  for (std::uint64_t wrong : {std::uint64_t{0}, std::uint64_t{1}, first + 1, ~std::uint64_t{0}}) {
    CHECK(arena.state_of(wrong) == HandleState::kNeverIssued);
  }
}

// With handles of 3 bits and an index of 1, a slot has three generations; then it leaves service, and no
// handle is ever seen twice.
void used_up_slots_leave_service(WhenExhausted when_exhausted) {
  OrderArena arena(2, when_exhausted, {.handle_bits = 3});
  std::set<std::uint64_t> seen;
  while (OrderSlot* slot = arena.acquire()) {
    CHECK(slot->handle < 8 && seen.insert(slot->handle).second);
    const std::uint64_t handle = slot->handle;
    if (when_exhausted == WhenExhausted::kRaise) {
      arena.release(slot);
      CHECK(arena.state_of(handle) == HandleState::kStale && slot->handle != handle);
    }
  }
  CHECK(seen.size() == 6 && arena.in_use() == 0);
}

// Slots that left service make room for new ones, which must not lower the mark.
void high_water_stays_where_it_was() {
  OrderArena arena(3, WhenExhausted::kRaise, {.handle_bits = 3});  // One generation a slot.
  OrderSlot* first = arena.acquire();
  OrderSlot* second = arena.acquire();
  arena.release(first);
  arena.release(second);
  CHECK(arena.acquire() != nullptr && arena.in_use() == 1 && arena.high_water() == 2);
}

void unusable_orders_are_refused() {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  constexpr std::int64_t kLargestSymbol = std::numeric_limits<std::uint32_t>::max();
  CHECK(check_order(0, 0, 1, 5e-324) == OrderFault::kNone);
  CHECK(check_order(kLargestSymbol, 1, std::numeric_limits<std::int64_t>::max(), 1e308) == OrderFault::kNone);
  CHECK(check_order(-1, 0, 1, 1.0) == OrderFault::kSymbol);
  CHECK(check_order(kLargestSymbol + 1, 0, 1, 1.0) == OrderFault::kSymbol);
  CHECK(check_order(0, 2, 1, 1.0) == OrderFault::kSide);
  CHECK(check_order(0, -1, 1, 1.0) == OrderFault::kSide);
  CHECK(check_order(0, 0, 0, 1.0) == OrderFault::kQuantity);
  CHECK(check_order(0, 0, std::numeric_limits<std::int64_t>::min(), 1.0) == OrderFault::kQuantity);
  for (double price : {0.0, -0.0, -1.0, kInfinity, -kInfinity, std::numeric_limits<double>::quiet_NaN()}) {
    CHECK(check_order(0, 0, 1, price) == OrderFault::kPrice);
  }
}

struct Live {
  OrderSlot* slot;
  std::uint64_t handle;
  std::int64_t number;
};

// The arena against a list of the orders in use, oldest first.
void agrees_with_a_plain_list(WhenExhausted when_exhausted, unsigned seed, bool poison) {
  std::mt19937 random(seed);
  OrderArena arena(7, when_exhausted, {.poison = poison});
  std::list<Live> live;
  std::vector<std::uint64_t> over;
  std::set<std::uint64_t> issued;
  std::size_t most = 0;
  for (std::int64_t number = 0; number < 100'000; ++number) {
    const unsigned dice = random() % 100;
    if (dice < 52 && live.size() < 600) {
      OrderSlot* slot = arena.acquire();
      if (when_exhausted == WhenExhausted::kRaise && live.size() == 7) {
        CHECK(slot == nullptr);
        continue;
      }
      if (when_exhausted == WhenExhausted::kRecycle && live.size() == 7) {
        CHECK(slot == live.front().slot);
        over.push_back(live.front().handle);
        live.pop_front();
      }
      CHECK(issued.insert(slot->handle).second);
      slot->price = 1.0;
      slot->quantity = number;
      live.push_back({slot, slot->handle, number});
      most = std::max(most, live.size());
    } else if (!live.empty()) {
      auto chosen = std::next(live.begin(), static_cast<std::ptrdiff_t>(random() % live.size()));
      arena.release(chosen->slot);
      over.push_back(chosen->handle);
      live.erase(chosen);
    }
    CHECK(arena.in_use() == live.size() && arena.high_water() == most && arena.capacity() >= live.size());
    if (!over.empty()) CHECK(arena.state_of(over[random() % over.size()]) == HandleState::kStale);
    if (number % 64 != 0) continue;
    if (poison) CHECK(arena.verify() == arena.capacity() - live.size());
    for (const Live& order : live) {
      CHECK(order.slot->handle == order.handle && order.slot->quantity == order.number && order.slot->in_use);
      CHECK(arena.state_of(order.handle) == HandleState::kAlive && arena.slot_of(order.handle) == order.slot);
    }
  }
}

// A write through a pointer that outlived its order; without AddressSanitizer's leave, which would end the test.
template <typename T>
[[gnu::no_sanitize_address, gnu::noinline]] void write_stale(T* field, T value) {
  *static_cast<volatile T*>(field) = value;
}

template <typename Write>
void expect_damage(const char* field, std::uint64_t found, Write write) {
  OrderArena arena(3, WhenExhausted::kRaise, {.poison = true});
  OrderSlot* kept = arena.acquire();
  OrderSlot* other = arena.acquire();
  arena.release(kept);
  arena.release(other);
  write(kept);
  CHECK(arena.acquire() == other && !arena.damage());  // The last one released is whole.
  CHECK(arena.acquire() == nullptr && arena.damage());
  CHECK(arena.damage()->slot == kept && std::string_view(arena.damage()->field) == field);
  CHECK(arena.damage()->found == found && arena.damage()->expected != found);
  arena.release(other);
  CHECK(arena.acquire() == nullptr);  // Nothing more is given out, not even the one that is whole.
  CHECK(arena.in_use() == 0);
}

void writes_into_free_slots_are_found() {
  expect_damage("price", std::bit_cast<std::uint64_t>(3.5), [](OrderSlot* slot) { write_stale(&slot->price, 3.5); });
  expect_damage("quantity", 7, [](OrderSlot* slot) { write_stale(&slot->quantity, std::int64_t{7}); });
  expect_damage("symbol_id", 7, [](OrderSlot* slot) { write_stale(&slot->symbol_id, 7U); });
  expect_damage("side", 1, [](OrderSlot* slot) { write_stale(&slot->side, latencykit::Side::kSell); });
  expect_damage("in_use", 1, [](OrderSlot* slot) { write_stale(&slot->in_use, true); });
  expect_damage("unused", 1, [](OrderSlot* slot) { write_stale(&slot->unused, std::uint16_t{1}); });
  expect_damage("next", 64, [](OrderSlot* slot) { write_stale(&slot->next, reinterpret_cast<OrderSlot*>(64)); });
  expect_damage("handle", 99, [](OrderSlot* slot) { write_stale(&slot->handle, std::uint64_t{99}); });
  expect_damage("tail", 0, [](OrderSlot* slot) { write_stale(&slot->tail, std::uint64_t{0}); });
}

void a_write_into_a_slot_that_was_never_used_is_found() {
  OrderArena arena(2, WhenExhausted::kRecycle, {.poison = true});
  CHECK(arena.acquire() == arena.slots() && arena.verify() == 1);
  arena.slots()[1].quantity = 5;
  CHECK(arena.verify() == 0 && arena.damage()->slot == arena.slots() + 1);
  CHECK(arena.acquire() == nullptr && arena.in_use() == 1);  // Nor is an order ended to make room.
}

void verify_looks_behind_the_first_free_slot() {
  OrderArena arena(4, WhenExhausted::kRaise, {.poison = true});
  OrderSlot* slots[4];
  for (OrderSlot*& slot : slots) slot = arena.acquire();
  for (OrderSlot* slot : slots) arena.release(slot);
  CHECK(arena.verify() == 4 && !arena.damage());
  write_stale(&slots[1]->price, 1.0);
  CHECK(arena.verify() == 2 && arena.damage()->slot == slots[1]);
}

void a_free_slot_reads_as_no_order() {
  OrderArena arena(1, WhenExhausted::kRaise, {.poison = true});
  OrderSlot* slot = arena.acquire();
  slot->price = 2.0;
  slot->quantity = 3;
  const std::uint64_t handle = slot->handle;
  arena.release(slot);
  CHECK(arena.state_of(handle) == HandleState::kStale);
#ifdef LATENCYKIT_ASAN
  CHECK(__asan_address_is_poisoned(&slot->price) && __asan_address_is_poisoned(&slot->tail));
#else
  CHECK(std::isnan(slot->price) && slot->quantity < 0 && !slot->in_use);
#endif
  CHECK(arena.acquire() == slot);
  slot->price = 4.0;
  CHECK(arena.slots()->price == 4.0);
}

// The next owner of the address space may use it, also where AddressSanitizer closed the slots.
void the_memory_of_a_poisoned_arena_can_be_used_again() {
  for (int i = 0; i < 50; ++i) {
    OrderArena arena(100, WhenExhausted::kRaise, {.poison = i % 2 == 0});
    std::vector<OrderSlot*> slots;
    for (int n = 0; n < 100; ++n) slots.push_back(arena.acquire());
    for (OrderSlot* slot : slots) slot->price = 1.0, slot->tail = 0;
    for (OrderSlot* slot : slots) arena.release(slot);
  }
}

void slots_are_zero_until_they_are_used() {
  OrderArena arena(3, WhenExhausted::kRaise, {.pages = {.prefault = false}});
  arena.release(arena.acquire());
  CHECK(arena.slots()[0].handle != 0 && arena.slots()[1].handle == 0 && !arena.slots()[2].in_use);
  CHECK(arena.state_of(0) == HandleState::kNeverIssued && arena.state_of(5) == HandleState::kNeverIssued);
}

void a_moved_arena_goes_on() {
  OrderArena first(2, WhenExhausted::kRecycle);
  OrderSlot* slot = first.acquire();
  OrderArena second(std::move(first));
  CHECK(second.in_use() == 1 && second.slots() == slot);
  second.release(slot);
  CHECK(second.acquire() == slot);
}

// Threads share no state through their arenas, and one arena may pass between them under a lock.
void threads_take_turns() {
  OrderArena shared(64, WhenExhausted::kRecycle);
  std::mutex turn;
  const auto work = [&] {
    OrderArena own(8, WhenExhausted::kRaise);
    for (int i = 0; i < 20'000; ++i) {
      OrderSlot* slot = own.acquire();
      own.release(slot);
      const std::lock_guard lock(turn);
      OrderSlot* other = shared.acquire();
      other->quantity = i;
      if (i % 3 == 0) shared.release(other);
    }
    CHECK(own.in_use() == 0 && own.high_water() == 1);
  };
  std::thread one(work), two(work);
  one.join();
  two.join();
  CHECK(shared.in_use() <= 64 && shared.high_water() <= 64);
}

}  // namespace

int main() {
  slots_are_cache_lines_that_never_move();
  the_slot_released_last_is_the_next_one_out();
  raise_says_null_and_recovers();
  recycle_ends_the_oldest();
  handles_are_told_apart();
  used_up_slots_leave_service(WhenExhausted::kRaise);
  used_up_slots_leave_service(WhenExhausted::kRecycle);
  high_water_stays_where_it_was();
  unusable_orders_are_refused();
  for (unsigned seed = 0; seed < 3; ++seed) {
    for (auto when : {WhenExhausted::kRaise, WhenExhausted::kGrow, WhenExhausted::kRecycle}) {
      agrees_with_a_plain_list(when, seed, seed == 2);
    }
  }
  writes_into_free_slots_are_found();
  a_write_into_a_slot_that_was_never_used_is_found();
  verify_looks_behind_the_first_free_slot();
  a_free_slot_reads_as_no_order();
  the_memory_of_a_poisoned_arena_can_be_used_again();
  slots_are_zero_until_they_are_used();
  a_moved_arena_goes_on();
  threads_take_turns();
  return 0;
}
