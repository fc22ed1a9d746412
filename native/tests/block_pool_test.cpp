#include "latency/block_pool.h"

#include <cstddef>
#include <cstdint>
#include <limits>
#include <new>
#include <set>
#include <utility>
#include <vector>

#include "tests/check.h"

namespace {

using latencykit::BlockPool;

void blocks_are_aligned_and_apart() {
  BlockPool pool(40, 2);
  CHECK(pool.capacity() >= 2 && pool.block_bytes() == 48);
  void* first = pool.take();
  void* second = pool.take();
  CHECK(reinterpret_cast<std::uintptr_t>(first) % BlockPool::kAlignment == 0);
  CHECK(static_cast<std::byte*>(second) == static_cast<std::byte*>(first) + 48);
}

void the_block_given_back_last_is_the_next_one_out() {
  BlockPool pool(48, 10);
  void* first = pool.take();
  void* second = pool.take();
  pool.give(first);
  pool.give(second);
  CHECK(pool.take() == second && pool.take() == first);
}

void an_empty_pool_says_null_and_takes_more() {
  BlockPool pool(48, 3);
  std::set<void*> seen;
  const std::size_t before = pool.capacity();
  for (std::size_t i = 0; i < before; ++i) CHECK(seen.insert(pool.take()).second);
  CHECK(pool.take() == nullptr);
  pool.add(200);
  const std::size_t more = pool.capacity() - before;
  CHECK(more >= 200);
  for (std::size_t i = 0; i < more; ++i) {
    void* block = pool.take();
    CHECK(block != nullptr && seen.insert(block).second);
    *static_cast<std::uint64_t*>(block) = i;
  }
  CHECK(pool.take() == nullptr);
  for (void* block : seen) pool.give(block);
  for (std::size_t i = 0; i < seen.size(); ++i) CHECK(seen.contains(pool.take()));
}

void what_cannot_be_had_leaves_the_pool_as_it_was() {
  BlockPool pool(48, 1);
  while (pool.take() != nullptr) {
  }
  const std::size_t before = pool.capacity();
  int refused = 0;
  for (std::size_t blocks : {std::numeric_limits<std::size_t>::max() / 40, std::size_t{1} << 55}) {
    try {
      pool.add(blocks);
    } catch (const std::bad_alloc&) {
      ++refused;
    }
  }
  CHECK(refused == 2 && pool.capacity() == before && pool.take() == nullptr);
}

void a_moved_pool_goes_on() {
  BlockPool first(48, 2);
  void* block = first.take();
  first.give(block);
  BlockPool second(std::move(first));
  CHECK(second.take() == block);
}

}  // namespace

int main() {
  blocks_are_aligned_and_apart();
  the_block_given_back_last_is_the_next_one_out();
  an_empty_pool_says_null_and_takes_more();
  what_cannot_be_had_leaves_the_pool_as_it_was();
  a_moved_pool_goes_on();
}
