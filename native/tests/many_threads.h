// What every queue for many threads must do: nothing lost, nothing twice, the items of one producer in order.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <random>
#include <thread>
#include <vector>

#include "tests/check.h"
#include "tests/interleavings.h"

namespace many_threads {

// A case for the explorer: each producer tries to push so many items, each consumer tries to pop so often; `before` items
// are there when they begin.
template <typename Queue>
interleavings::Case small_case(std::shared_ptr<Queue> queue, const std::vector<int>& pushes,
                               const std::vector<int>& pops, std::uint32_t before = 0) {
  struct Shared {
    std::shared_ptr<Queue> queue;
    std::vector<std::uint32_t> next_pushed;          // Per producer: how many it has pushed; the last was there before.
    std::vector<std::vector<std::uint32_t>> popped;  // Per consumer; the last is what was left.
  };
  auto s = std::make_shared<Shared>();
  s->queue = std::move(queue);
  s->next_pushed.resize(pushes.size() + 1);
  for (std::uint32_t& i = s->next_pushed.back(); i < before; ++i) {
    s->queue->try_push(static_cast<std::uint32_t>(pushes.size() * 100 + i));
  }
  s->popped.resize(pops.size() + 1);
  interleavings::Case made;
  for (std::size_t p = 0; p < pushes.size(); ++p) {
    made.threads.push_back([s, p, tries = pushes[p]] {
      for (int i = 0; i < tries; ++i) {
        const auto item = static_cast<std::uint32_t>(p * 100 + s->next_pushed[p]);
        if (s->queue->try_push(item)) ++s->next_pushed[p];
      }
    });
  }
  for (std::size_t c = 0; c < pops.size(); ++c) {
    made.threads.push_back([s, c, tries = pops[c]] {
      std::uint32_t item = 0;
      for (int i = 0; i < tries; ++i) {
        if (s->queue->try_pop(&item)) s->popped[c].push_back(item);
      }
    });
  }
  made.afterwards = [s] {
    std::uint32_t item = 0;
    while (s->queue->try_pop(&item)) s->popped.back().push_back(item);
    std::vector<std::vector<int>> times(s->next_pushed.size());
    for (std::size_t p = 0; p < times.size(); ++p) times[p].resize(s->next_pushed[p]);
    for (const auto& taken : s->popped) {
      std::vector<int> last(times.size(), -1);
      for (const std::uint32_t each : taken) {
        const std::size_t p = each / 100;
        const int number = static_cast<int>(each % 100);
        interleavings::require(p < times.size() && each % 100 < times[p].size(), "an item that nobody pushed");
        if (p >= times.size() || each % 100 >= times[p].size()) return;
        interleavings::require(number > last[p], "the items of one producer out of order");
        last[p] = number;
        ++times[p][each % 100];
      }
    }
    for (const auto& of_one : times) {
      for (const int count : of_one) interleavings::require(count == 1, "an item lost or popped twice");
    }
  };
  return made;
}

// Real threads, single items and batches in random turns; each item says who pushed it and as which.
template <typename Queue>
void stress(Queue& queue, unsigned producers, unsigned consumers, std::uint64_t each) {
  constexpr unsigned kShift = 40;
  std::atomic<std::uint64_t> popped{0};
  std::vector<std::vector<std::uint8_t>> seen(producers);
  std::vector<std::thread> threads;
  for (unsigned p = 0; p < producers; ++p) {
    seen[p].resize(each);
    threads.emplace_back([&, p] {
      std::mt19937 random(p);
      std::uint64_t batch[32];
      for (std::uint64_t next = 0; next < each;) {
        const std::size_t wanted = std::min<std::uint64_t>(random() % 32 + 1, each - next);
        for (std::size_t i = 0; i < wanted; ++i) batch[i] = (std::uint64_t{p} << kShift) | (next + i);
        const std::size_t done = wanted < 8 ? (queue.try_push(batch[0]) ? 1 : 0) : queue.push_many(batch, wanted);
        if (done == 0) std::this_thread::yield();
        next += done;
      }
    });
  }
  for (unsigned c = 0; c < consumers; ++c) {
    threads.emplace_back([&, c] {
      std::mt19937 random(100 + c);
      std::vector<std::int64_t> last(producers, -1);
      std::uint64_t batch[32];
      while (popped.load(std::memory_order_relaxed) < producers * each) {
        const std::size_t wanted = random() % 32 + 1;
        const std::size_t done = wanted < 8 ? (queue.try_pop(batch) ? 1 : 0) : queue.pop_many(batch, wanted);
        if (done == 0) std::this_thread::yield();
        for (std::size_t i = 0; i < done; ++i) {
          const std::uint64_t p = batch[i] >> kShift;
          const auto number = static_cast<std::int64_t>(batch[i] & ((std::uint64_t{1} << kShift) - 1));
          CHECK(p < producers && number > last[p]);
          last[p] = number;
          CHECK(++seen[p][static_cast<std::size_t>(number)] == 1);
        }
        popped.fetch_add(done, std::memory_order_relaxed);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const auto& of_one : seen) {
    for (const std::uint8_t times : of_one) CHECK(times == 1);
  }
  CHECK(queue.size() == 0 && queue.looks_empty());
}

}  // namespace many_threads
