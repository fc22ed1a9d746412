// The gate: no wake-up is lost, over all interleavings, and the check sees each part missing; then with real threads.
#include "latency/waiting.h"

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "latency/mpmc_ring.h"
#include "latency/spsc_ring.h"
#include "tests/check.h"
#include "tests/interleavings.h"

namespace {

using interleavings::Case;
using interleavings::ModelAtomics;
using latencykit::Gate;
using latencykit::MpmcRing;
using latencykit::SpscRing;
using latencykit::Wait;

template <typename Ring>
struct Shared {
  explicit Shared(std::size_t capacity) : ring(capacity) {}
  Ring ring;
  Gate<ModelAtomics> filled, emptied;
  ModelAtomics::Mutex lock;
};

using ModelSpsc = SpscRing<std::uint32_t, ModelAtomics>;

// Producer and consumer sleep whenever they cannot go on.
Case through_the_ring(std::size_t capacity, std::uint32_t items) {
  auto s = std::make_shared<Shared<ModelSpsc>>(capacity);
  return {{[s, items] {
             for (std::uint32_t i = 0; i < items; ++i) {
               latencykit::sleep_until(s->emptied, [&] { return s->ring.try_push(i); });
               s->filled.notify(1);
             }
           },
           [s, items] {
             for (std::uint32_t i = 0; i < items; ++i) {
               std::uint32_t item = 0;
               latencykit::sleep_until(s->filled, [&] { return s->ring.try_pop(&item); });
               interleavings::require(item == i, "out of order");
               s->emptied.notify(1);
             }
           }},
          {}};
}

// The notification is for two sleepers, and there is something for each. A counter stands for the ring, so that the case
// stays small.
Case two_consumers() {
  struct Counted {
    ModelAtomics::Atomic<std::uint32_t> items{0};
    Gate<ModelAtomics> filled;
  };
  auto s = std::make_shared<Counted>();
  const auto consume = [s] {
    latencykit::sleep_until(s->filled, [&] {
      std::uint32_t there = s->items.load(std::memory_order_relaxed);
      while (there != 0 && !s->items.compare_exchange_strong(there, there - 1, std::memory_order_relaxed,
                                                             std::memory_order_relaxed)) {
      }
      return there != 0;
    });
  };
  return {{[s] {
             s->items.fetch_add(2, std::memory_order_relaxed);
             s->filled.notify(2);
           },
           consume, consume},
          {}};
}

// As the queues of Python objects do it: `kLocked` says whether producer and consumer hold the lock.
template <bool kLocked>
Case under_a_lock() {
  auto s = std::make_shared<Shared<ModelSpsc>>(1);
  return {{[s] {
             if (kLocked) s->lock.lock();
             s->ring.try_push(7);
             s->filled.notify_locked(1);
             if (kLocked) s->lock.unlock();
           },
           [s] {
             std::uint32_t item = 0;
             if (kLocked) s->lock.lock();
             while (!s->ring.try_pop(&item)) {
               const std::uint32_t turn = s->filled.enter();
               const bool done = s->ring.try_pop(&item);
               if (kLocked) s->lock.unlock();
               if (!done) s->filled.sleep(turn);
               if (kLocked) s->lock.lock();
               s->filled.leave();
               if (done) break;
             }
             if (kLocked) s->lock.unlock();
           }},
          {}};
}

Case without_a_second_look() {
  auto s = std::make_shared<Shared<ModelSpsc>>(1);
  return {{[s] {
             s->ring.try_push(7);
             s->filled.notify(1);
           },
           [s] {
             std::uint32_t item = 0;
             while (!s->ring.try_pop(&item)) {
               s->filled.sleep(s->filled.enter());
               s->filled.leave();
             }
           }},
          {}};
}

// The waiter asks for the turn after its second look.
Case with_a_late_turn() {
  auto s = std::make_shared<Shared<ModelSpsc>>(1);
  return {{[s] {
             s->ring.try_push(7);
             s->filled.notify(1);
           },
           [s] {
             std::uint32_t item = 0;
             while (!s->ring.try_pop(&item)) {
               s->filled.enter();
               if (s->ring.try_pop(&item)) return;
               const std::uint32_t turn = s->filled.enter();
               s->filled.sleep(turn);
             }
           }},
          {}};
}

void model_check() {
  const interleavings::Limits strict{.stale_reads = 1};
  interleavings::check_all("capacity 1, 2 items, both sleep", [] { return through_the_ring(1, 2); }, strict);
  interleavings::check_all("capacity 2, 2 items, both sleep", [] { return through_the_ring(2, 2); }, strict);
  interleavings::check_all("two consumers", two_consumers, strict);
  interleavings::check_all("under a lock", under_a_lock<true>);
  interleavings::check_orders("waiting.h", {[] { return through_the_ring(1, 1); }, two_consumers}, strict);
  interleavings::check_notices("notify_locked() without a lock", under_a_lock<false>);
  interleavings::check_notices("no second look", without_a_second_look);
  interleavings::check_notices("the turn is read after the second look", with_a_late_turn);
}

void test_look_until() {
  int looks = 0;
  CHECK(latencykit::look_until([&] { return ++looks == 100; }, Wait::kSpin, ~std::uint64_t{0}));
  CHECK(!latencykit::look_until([] { return false; }, Wait::kSpin, latencykit::monotonic_ns()));
  CHECK(!latencykit::look_until([] { return false; }, Wait::kYield, latencykit::monotonic_ns() + 200'000));
  CHECK(!latencykit::look_until([] { return false; }, Wait::kPark, ~std::uint64_t{0}));  // It is time to sleep.
}

// Long runs with sleeping threads: whoever loses a wake-up hangs for the longest sleep each time, and the test's time
// shows it; a lost item hangs it for good.
void stress(std::size_t capacity, unsigned producers, unsigned consumers, std::uint64_t each) {
  MpmcRing<std::uint64_t> ring(capacity);
  Gate<> filled, emptied;
  std::atomic<std::uint64_t> sum{0};
  std::vector<std::thread> threads;
  for (unsigned p = 0; p < producers; ++p) {
    threads.emplace_back([&] {
      for (std::uint64_t i = 1; i <= each; ++i) {
        latencykit::sleep_until(emptied, [&] { return ring.try_push(i); });
        filled.notify(1);
      }
    });
  }
  const std::uint64_t share = producers * each / consumers;
  for (unsigned c = 0; c < consumers; ++c) {
    threads.emplace_back([&] {
      for (std::uint64_t i = 0; i < share; ++i) {
        std::uint64_t item = 0;
        latencykit::sleep_until(filled, [&] { return ring.try_pop(&item); });
        emptied.notify(1);
        sum.fetch_add(item, std::memory_order_relaxed);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(sum.load() == producers * (each * (each + 1) / 2));
}

}  // namespace

int main() {
  test_look_until();
  if (interleavings::kCanExplore) model_check();
  stress(1, 1, 1, 5'000);
  stress(2, 2, 2, 5'000);
  stress(16, 3, 1, 5'000);
  return 0;
}
