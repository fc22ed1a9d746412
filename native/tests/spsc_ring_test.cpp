// The SPSC ring: what it promises, over all interleavings of small cases and over long random runs.
#include "latency/spsc_ring.h"

#include <cstdint>
#include <memory>
#include <random>
#include <thread>
#include <vector>

#include "latency/record_ring.h"
#include "tests/check.h"
#include "tests/interleavings.h"

namespace {

using interleavings::Case;
using interleavings::ModelAtomics;
using interleavings::require;
using latencykit::RecordRing;
using latencykit::SpscRing;
using ModelRing = SpscRing<std::uint32_t, ModelAtomics>;

struct Shared {
  explicit Shared(std::size_t capacity) : ring(capacity) {}
  ModelRing ring;
  std::vector<std::uint32_t> pushed, popped;
};

// What was pushed comes out once, in order; what the consumer left is still there.
void judge(Shared& s) {
  std::uint32_t item = 0;
  while (s.ring.try_pop(&item)) s.popped.push_back(item);
  require(s.popped == s.pushed, "what came out is not what went in");
}

Case one_by_one(std::size_t capacity, std::uint32_t pushes, int pops) {
  auto s = std::make_shared<Shared>(capacity);
  return {{[s, pushes] {
             for (std::uint32_t i = 1; i <= pushes; ++i) {
               if (s->ring.try_push(i)) s->pushed.push_back(i);
             }
           },
           [s, pops] {
             std::uint32_t item = 0;
             for (int i = 0; i < pops; ++i) {
               if (s->ring.try_pop(&item)) s->popped.push_back(item);
             }
           }},
          [s] { judge(*s); }};
}

Case in_batches(std::size_t capacity) {
  auto s = std::make_shared<Shared>(capacity);
  return {{[s] {
             const std::uint32_t items[] = {1, 2, 3, 4};
             std::size_t done = s->ring.push_many(items, 2);
             done += s->ring.push_many(items + done, 2);
             s->pushed.assign(items, items + done);
           },
           [s] {
             std::uint32_t items[3];
             for (int i = 0; i < 3; ++i) s->popped.insert(s->popped.end(), items, items + s->ring.pop_many(items, 3));
           }},
          [s] { judge(*s); }};
}

// A third thread asks for the size meanwhile: there is never more than the one item that is ever pushed.
Case with_an_observer() {
  auto s = std::make_shared<Shared>(2);
  return {{[s] {
             if (s->ring.try_push(1)) s->pushed.push_back(1);
           },
           [s] {
             std::uint32_t item = 0;
             if (s->ring.try_pop(&item)) s->popped.push_back(item);
           },
           [s] { require(s->ring.size() <= 1, "more items than were pushed"); }},
          [s] { judge(*s); }};
}

// Tells how many there are one too early: the ring writes over an item that is being read.
Case one_too_many() {
  struct Broken {
    latencykit::SpscPositions<ModelAtomics> positions{3};
    ModelAtomics::Plain<std::uint32_t> slots[2];
  };
  auto s = std::make_shared<Broken>();
  return {{[s] {
             for (std::uint32_t i = 0; i < 3 && s->positions.room(1) != 0; ++i) {
               s->slots[s->positions.write_at() % 2].set(i);
               s->positions.publish(1);
             }
           },
           [s] {
             for (std::uint32_t i = 0; i < 3 && s->positions.ready(1) != 0; ++i) {
               require(s->slots[s->positions.read_at() % 2].get() == i, "an item was overwritten");
               s->positions.release(1);
             }
           }},
          {}};
}

void model_check() {
  interleavings::check_all("capacity 2, 3 pushes, 3 pops", [] { return one_by_one(2, 3, 3); });
  interleavings::check_all("capacity 1, 3 pushes, 4 pops", [] { return one_by_one(1, 3, 4); });
  interleavings::check_all("capacity 2, 4 pushes, 4 pops", [] { return one_by_one(2, 4, 4); });
  interleavings::check_all("capacity 3, batches", [] { return in_batches(3); });
  interleavings::check_all("capacity 2, an observer", with_an_observer);
  interleavings::check_notices("a ring that is longer than its memory", one_too_many);
  interleavings::check_orders("spsc_ring.h", {[] { return one_by_one(1, 3, 4); }, with_an_observer});
}

void test_capacity_is_exact() {
  for (std::size_t capacity : {1u, 2u, 3u, 5u, 8u, 1000u}) {
    SpscRing<std::uint64_t> ring(capacity);
    for (std::uint64_t lap = 0; lap < 3; ++lap) {
      for (std::uint64_t i = 0; i < capacity; ++i) CHECK(ring.size() == i && ring.try_push(lap + i));
      CHECK(!ring.try_push(0) && ring.looks_full() && ring.size() == capacity);
      std::uint64_t item = 0;
      for (std::uint64_t i = 0; i < capacity; ++i) CHECK(ring.try_pop(&item) && item == lap + i);
      CHECK(!ring.try_pop(&item) && ring.looks_empty());
    }
  }
}

void test_each_visits_what_is_there() {
  SpscRing<std::uint64_t> ring(3);
  std::uint64_t item = 0;
  for (std::uint64_t i = 0; i < 5; ++i) {
    CHECK(ring.try_push(i));
    if (i < 3) CHECK(ring.try_pop(&item));
  }
  std::vector<std::uint64_t> seen;
  CHECK(ring.each([&](std::uint64_t each) {
    seen.push_back(each);
    return 0;
  }) == 0);
  CHECK((seen == std::vector<std::uint64_t>{3, 4}));
  CHECK(ring.each([](std::uint64_t) { return 7; }) == 7);
}

// Two threads, batches of random sizes, mixed with single items: every number once and in order.
void stress(std::size_t capacity, std::uint64_t total) {
  SpscRing<std::uint64_t> ring(capacity);
  std::thread producer([&] {
    std::mt19937 random(1);
    std::uint64_t batch[64];
    for (std::uint64_t next = 0; next < total;) {
      const std::size_t wanted = std::min<std::uint64_t>(random() % 64 + 1, total - next);
      for (std::size_t i = 0; i < wanted; ++i) batch[i] = next + i;
      const std::size_t done = wanted == 1 ? (ring.try_push(next) ? 1 : 0) : ring.push_many(batch, wanted);
      if (done == 0) std::this_thread::yield();
      next += done;
    }
  });
  std::mt19937 random(2);
  std::uint64_t batch[64];
  for (std::uint64_t expected = 0; expected < total;) {
    const std::size_t wanted = random() % 64 + 1;
    const std::size_t done = wanted == 1 ? (ring.try_pop(batch) ? 1 : 0) : ring.pop_many(batch, wanted);
    for (std::size_t i = 0; i < done; ++i) CHECK(batch[i] == expected + i);
    if (done == 0) std::this_thread::yield();
    expected += done;
    CHECK(ring.size() <= capacity);
  }
  producer.join();
  CHECK(ring.size() == 0);
}

struct Record {
  std::uint64_t number;
  std::uint64_t filler[4];
};

void stress_records(std::size_t capacity, std::uint64_t total) {
  RecordRing ring(sizeof(Record), capacity);
  std::thread producer([&] {
    std::mt19937 random(3);
    std::vector<Record> batch(40);
    for (std::uint64_t next = 0; next < total;) {
      // Every other record of the array, or all of them.
      const std::size_t stride = random() % 2 + 1;
      const std::size_t wanted = std::min<std::uint64_t>(random() % 20 + 1, total - next);
      for (std::size_t i = 0; i < wanted; ++i) batch[i * stride] = {next + i, {next + i, 0, 0, ~(next + i)}};
      const auto* records = reinterpret_cast<const char*>(batch.data());
      const auto bytes = static_cast<std::ptrdiff_t>(stride * sizeof(Record));
      const std::size_t done = wanted == 1 ? (ring.try_push(records) ? 1 : 0) : ring.push_many(records, bytes, wanted);
      if (done == 0) std::this_thread::yield();
      next += done;
    }
  });
  std::mt19937 random(4);
  std::vector<Record> batch(40);
  for (std::uint64_t expected = 0; expected < total;) {
    const std::size_t done = ring.pop_many(reinterpret_cast<char*>(batch.data()), random() % 40 + 1);
    for (std::size_t i = 0; i < done; ++i) {
      CHECK(batch[i].number == expected + i && batch[i].filler[0] == expected + i);
      CHECK(batch[i].filler[3] == ~(expected + i));
    }
    if (done == 0) std::this_thread::yield();
    expected += done;
  }
  producer.join();
}

}  // namespace

int main() {
  test_capacity_is_exact();
  test_each_visits_what_is_there();
  if (interleavings::kCanExplore) model_check();
  for (std::size_t capacity : {1u, 2u, 3u, 64u, 100u}) {
    stress(capacity, 300'000);
    stress_records(capacity, 100'000);
  }
  return 0;
}
