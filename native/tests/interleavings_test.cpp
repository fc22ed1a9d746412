// The checker itself: what the C++ memory model allows is found, what it forbids is not, and skipping runs that differ
// only in the order of unrelated steps loses no outcome.
#include "tests/interleavings.h"

#include <cstdint>
#include <memory>
#include <set>
#include <utility>

#include "tests/check.h"

namespace {

using interleavings::Case;
using interleavings::Explorer;
using interleavings::ModelAtomics;
using interleavings::Order;
using Word = ModelAtomics::Atomic<std::uint32_t>;
using Pair = std::pair<std::uint32_t, std::uint32_t>;

struct Words {
  Word x{0}, y{0};
  std::uint32_t a = 0, b = 0;
  ModelAtomics::Plain<int> item;
  ModelAtomics::Mutex mutex;
};

// All values of (a, b) over all runs.
template <typename Make>
std::set<Pair> outcomes(Make threads_of) {
  std::set<Pair> found;
  const auto outcome = Explorer().explore([&] {
    auto w = std::make_shared<Words>();
    return Case{threads_of(w), [&found, w] { found.insert({w->a, w->b}); }};
  });
  CHECK(outcome.error.empty());
  return found;
}

std::set<Pair> store_buffering(Order store, Order load) {
  return outcomes([=](std::shared_ptr<Words> w) {
    return std::vector<std::function<void()>>{[=] {
                                                w->x.store(1, store);
                                                w->a = w->y.load(load);
                                              },
                                              [=] {
                                                w->y.store(1, store);
                                                w->b = w->x.load(load);
                                              }};
  });
}

std::set<Pair> message_passing(Order store, Order load) {
  return outcomes([=](std::shared_ptr<Words> w) {
    return std::vector<std::function<void()>>{[=] {
                                                w->x.store(1, Order::relaxed);
                                                w->y.store(1, store);
                                              },
                                              [=] {
                                                w->a = w->y.load(load);
                                                w->b = w->x.load(Order::relaxed);
                                              }};
  });
}

// Two additions; the second adds to what the first left, whatever the order.
std::set<Pair> additions() {
  return outcomes([](std::shared_ptr<Words> w) {
    return std::vector<std::function<void()>>{[=] { w->a = w->x.fetch_add(1, Order::relaxed); },
                                              [=] { w->b = w->x.fetch_add(1, Order::relaxed); }};
  });
}

// A thread never sees a word go back.
void test_coherence() {
  const auto found = outcomes([](std::shared_ptr<Words> w) {
    return std::vector<std::function<void()>>{[=] {
                                                w->x.store(1, Order::relaxed);
                                                w->x.store(2, Order::relaxed);
                                              },
                                              [=] {
                                                w->a = w->x.load(Order::relaxed);
                                                w->b = w->x.load(Order::relaxed);
                                              }};
  });
  CHECK((found == std::set<Pair>{{0, 0}, {0, 1}, {0, 2}, {1, 1}, {1, 2}, {2, 2}}));
}

void test_orders() {
  const std::set<Pair> all{{0, 0}, {0, 1}, {1, 0}, {1, 1}};
  CHECK(store_buffering(Order::relaxed, Order::relaxed) == all);
  CHECK(store_buffering(Order::release, Order::acquire) == all);
  CHECK((store_buffering(Order::seq_cst, Order::seq_cst) == std::set<Pair>{{0, 1}, {1, 0}, {1, 1}}));
  CHECK(message_passing(Order::relaxed, Order::relaxed) == all);
  CHECK(message_passing(Order::release, Order::relaxed) == all);
  CHECK(message_passing(Order::relaxed, Order::acquire) == all);
  CHECK((message_passing(Order::release, Order::acquire) == std::set<Pair>{{0, 0}, {0, 1}, {1, 1}}));
  CHECK((additions() == std::set<Pair>{{0, 1}, {1, 0}}));
}

std::string error_of(std::function<std::vector<std::function<void()>>(std::shared_ptr<Words>)> threads_of) {
  return Explorer().explore([&] { return Case{threads_of(std::make_shared<Words>()), {}}; }).error;
}

void test_races() {
  const auto unordered = error_of(
      [](auto w) { return std::vector<std::function<void()>>{[w] { w->item.set(1); }, [w] { w->item.get(); }}; });
  CHECK(!unordered.empty());
  const auto locked = [](bool both) {
    return error_of([both](auto w) {
      const auto change = [w](bool lock) {
        if (lock) w->mutex.lock();
        w->item.set(w->item.get() + 1);
        if (lock) w->mutex.unlock();
      };
      return std::vector<std::function<void()>>{[=] { change(true); }, [=] { change(both); }};
    });
  };
  CHECK(locked(true).empty());
  CHECK(!locked(false).empty());
}

void test_sleep() {
  const auto sleeper = [](bool wakes) {
    return error_of([wakes](auto w) {
      return std::vector<std::function<void()>>{[=] {
                                                  while (w->x.load(Order::relaxed) == 0) ModelAtomics::park(w->x, 0, 0);
                                                },
                                                [=] {
                                                  w->x.store(1, Order::relaxed);
                                                  if (wakes) ModelAtomics::wake(w->x, 1);
                                                }};
    });
  };
  CHECK(sleeper(true).empty());
  CHECK(!sleeper(false).empty());
}

}  // namespace

int main() {
  if (!interleavings::kCanExplore) return 0;
  test_orders();
  test_coherence();
  test_races();
  test_sleep();
  return 0;
}
