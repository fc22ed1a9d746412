// The ring in shared memory: over all interleavings of small cases, with sides that die at every step, with real threads
// and processes, and against memory that holds nonsense.
#include "latency/shared_ring.h"

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdlib>
#include <functional>
#include <memory>
#include <numeric>
#include <string>
#include <thread>
#include <vector>

#include "latency/shared_ring_peer.h"
#include "tests/check.h"
#include "tests/interleavings.h"

namespace {

using interleavings::Case;
using interleavings::check_all;
using interleavings::check_notices;
using interleavings::check_orders;
using interleavings::ModelAtomics;
using interleavings::require;
using namespace latencykit;

// ---- the algorithm, in the model

constexpr std::uint32_t kSlots = 2;  // Also the capacity, if not said otherwise.

struct Lane {
  explicit Lane(std::uint32_t size = kSlots) : capacity(size) {}
  std::uint32_t capacity;
  LanePositions<ModelAtomics> positions;
  std::array<ModelAtomics::Plain<std::uint32_t>, kSlots> slots;
  SharedGate<ModelAtomics> filled, freed;
};

using Producer = LaneProducer<ModelAtomics>;
using Consumer = LaneConsumer<ModelAtomics>;

bool push(Lane& lane, Producer& producer, std::uint32_t value) {
  if (producer.room(1) == 0) return false;
  lane.slots[producer.position() % lane.capacity].set(value);
  producer.publish(1);
  return true;
}

// What is there, without giving it back; 0 if nothing.
std::uint32_t look(Lane& lane, Consumer& consumer) {
  return consumer.ready(1) == 0 ? 0 : lane.slots[consumer.position() % lane.capacity].get();
}

bool pop(Lane& lane, Consumer& consumer, std::uint32_t* value) {
  *value = look(lane, consumer);
  if (*value != 0) consumer.release(1);
  return *value != 0;
}

// Tries until it succeeds, asleep in between.
template <typename Try, typename Changed>
void sleep_until(SharedGate<ModelAtomics>& gate, Try attempt, Changed changed) {
  while (!attempt()) gate.sleep(changed);
}

template <typename Gate>
void push_asleep(Lane& lane, Producer& producer, std::uint32_t value, Gate& freed) {
  sleep_until(
      freed, [&] { return push(lane, producer, value); },
      [&] { return lane.positions.popped.load(std::memory_order_acquire) != producer.seen(); });
}

// Numbers from 1 through a lane; both sides sleep whenever they cannot go on.
Case through_the_lane(std::uint32_t capacity, std::uint32_t count) {
  auto lane = std::make_shared<Lane>(capacity);
  return {{[lane, count] {
             Producer producer(&lane->positions, lane->capacity);
             for (std::uint32_t i = 1; i <= count; ++i) {
               push_asleep(*lane, producer, i, lane->freed);
               lane->filled.notify();
             }
           },
           [lane, count] {
             Consumer consumer(&lane->positions, lane->capacity);
             for (std::uint32_t i = 1; i <= count; ++i) {
               std::uint32_t value = 0;
               sleep_until(
                   lane->filled, [&] { return pop(*lane, consumer, &value); },
                   [&] { return lane->positions.pushed.load(std::memory_order_acquire) != consumer.seen(); });
               require(value == i, "out of order");
               lane->freed.notify();
             }
           }},
          {}};
}

// Two producers, each in a lane of its own, and a consumer that sleeps for both at one gate.
Case two_lanes() {
  struct Two {
    std::array<Lane, 2> lanes;
    SharedGate<ModelAtomics> filled;
  };
  auto two = std::make_shared<Two>();
  const auto producer = [two](std::size_t number) {
    return [two, number] {
      Producer producer(&two->lanes[number].positions, kSlots);
      require(push(two->lanes[number], producer, 1), "a new lane is full");
      two->filled.notify();
    };
  };
  return {{producer(0), producer(1),
           [two] {
             Consumer first(&two->lanes[0].positions, kSlots), second(&two->lanes[1].positions, kSlots);
             for (int i = 0; i < 2; ++i) {
               std::uint32_t value = 0;
               sleep_until(
                   two->filled, [&] { return pop(two->lanes[0], first, &value) || pop(two->lanes[1], second, &value); },
                   [&] {
                     return two->lanes[0].positions.pushed.load(std::memory_order_acquire) != first.seen() ||
                            two->lanes[1].positions.pushed.load(std::memory_order_acquire) != second.seen();
                   });
             }
           }},
          {}};
}

// Two producers asleep at one gate: the consumer's single notification is for both.
Case two_sleepers() {
  struct Room {
    ModelAtomics::Atomic<std::uint32_t> left{0};
    SharedGate<ModelAtomics> freed;
  };
  auto room = std::make_shared<Room>();
  const auto sleeper = [room] {
    const auto there = [room] { return room->left.load(std::memory_order_acquire) != 0; };
    sleep_until(room->freed, there, there);
  };
  return {{sleeper, sleeper,
           [room] {
             room->left.store(1, std::memory_order_release);
             room->freed.notify();
           }},
          {}};
}

// The first producer dies after each of the steps of its second push; the next one goes on where the lane is. The
// kernel, which ends the claim of the dead, orders the two: in the model they are one thread.
Case producer_dies(int steps) {
  auto lane = std::make_shared<Lane>();
  return {{[lane, steps] {
             Producer first(&lane->positions, kSlots);
             push(*lane, first, 1);
             if (steps >= 1 && first.room(1) > 0) lane->slots[first.position() % kSlots].set(77);
             if (steps >= 2) first.publish(1);  // And no notification any more.
             Producer heir(&lane->positions, kSlots);
             push(*lane, heir, 3);
           },
           [lane, steps] {
             Consumer consumer(&lane->positions, kSlots);
             std::uint32_t last = 0;
             for (int i = 0; i < 3; ++i) {
               std::uint32_t value = 0;
               if (!pop(*lane, consumer, &value)) continue;
               require(value == 1 || value == 3 || (steps >= 2 && value == 77), "what was never pushed is delivered");
               require(last != 3 && (last == 0 || value != 1), "out of order or twice");
               last = value;
             }
           }},
          {}};
}

// The next producer begins in a full lane, and finds at once or later that there is room.
Case producer_begins_in_a_full_lane() {
  auto lane = std::make_shared<Lane>(1);
  return {{[lane] {
             Producer first(&lane->positions, lane->capacity);
             push(*lane, first, 1);
             Producer heir(&lane->positions, lane->capacity);
             push(*lane, heir, 2);
           },
           [lane] {
             Consumer consumer(&lane->positions, lane->capacity);
             std::uint32_t value = 0;
             for (int i = 0; i < 2; ++i) pop(*lane, consumer, &value);
           }},
          {}};
}

// The same for the consumer: before it gives a record back, its heir gets the record; afterwards it does not.
Case consumer_dies(bool released) {
  auto lane = std::make_shared<Lane>();
  return {{[lane] {
             Producer producer(&lane->positions, kSlots);
             for (std::uint32_t i = 1; i <= 3; ++i) push(*lane, producer, i);
           },
           [lane, released] {
             Consumer first(&lane->positions, kSlots);
             const std::uint32_t seen = look(*lane, first);
             if (seen == 0) return;
             if (released) first.release(1);
             Consumer heir(&lane->positions, kSlots);
             const std::uint32_t next = look(*lane, heir);
             require(released ? next == 0 || next == seen + 1 : next == seen, "lost or delivered twice");
           }},
          {}};
}

// What must not be possible: two consumers of one lane at a time, which the claims keep apart.
Case two_consumers() {
  auto lane = std::make_shared<Lane>();
  auto got = std::make_shared<std::array<std::uint32_t, 2>>();
  const auto consumer = [lane, got](std::size_t number) {
    return [lane, got, number] {
      try {
        Consumer consumer(&lane->positions, kSlots);
        pop(*lane, consumer, &(*got)[number]);
      } catch (const RingDamaged&) {
        require(false, "one consumer passed the other");
      }
    };
  };
  return {{[lane] {
             Producer producer(&lane->positions, kSlots);
             push(*lane, producer, 1);
           },
           consumer(0), consumer(1)},
          [got] { require((*got)[0] + (*got)[1] <= 1, "delivered twice"); }};
}

// A gate without its second look.
Case no_second_look() {
  auto lane = std::make_shared<Lane>();
  return {{[lane] {
             Producer producer(&lane->positions, kSlots);
             push(*lane, producer, 1);
             lane->filled.notify();
           },
           [lane] {
             Consumer consumer(&lane->positions, kSlots);
             std::uint32_t value = 0;
             sleep_until(lane->filled, [&] { return pop(*lane, consumer, &value); }, [] { return false; });
           }},
          {}};
}

// A capacity beyond what there is: the slot under the reader is written over.
Case too_much_capacity() {
  auto lane = std::make_shared<Lane>();
  return {{[lane] {
             Producer producer(&lane->positions, kSlots + 1);
             for (std::uint32_t i = 1; i <= 3; ++i) push(*lane, producer, i);
           },
           [lane] {
             Consumer consumer(&lane->positions, kSlots + 1);
             look(*lane, consumer);
           }},
          {}};
}

void every_interleaving_is_sound() {
  if constexpr (!interleavings::kCanExplore) return;
  const auto one_slot = [] { return through_the_lane(1, 2); };
  const auto two_slots = [] { return through_the_lane(2, 2); };
  check_all("2 numbers through 1 slot", one_slot);
  check_all("2 numbers through 2 slots", two_slots);
  check_all("two lanes, one sleeper", two_lanes);
  check_all("two sleepers, one notification", two_sleepers);
  check_all("a producer begins in a full lane", producer_begins_in_a_full_lane);
  for (int steps = 0; steps <= 2; ++steps) check_all("a producer dies", [steps] { return producer_dies(steps); });
  check_all("a consumer dies before giving back", [] { return consumer_dies(false); });
  check_all("a consumer dies after giving back", [] { return consumer_dies(true); });
  check_notices("two consumers at a time", two_consumers);
  check_notices("no second look", no_second_look);
  check_notices("more capacity than slots", too_much_capacity);
  check_orders("shared_lane.h", {one_slot, producer_begins_in_a_full_lane, [] { return producer_dies(0); },
                                 [] { return consumer_dies(true); }});
  check_orders("shared_gate.h", {one_slot, two_sleepers});
}

// ---- the ring in plain memory

struct Record {
  std::uint64_t number;
  std::uint64_t producer;
  std::array<std::uint64_t, 6> body;

  static Record of(std::uint64_t number, std::uint64_t producer) {
    Record record{number, producer, {}};
    record.body.fill(number * 1000 + producer);
    return record;
  }
  bool whole() const {
    for (std::uint64_t word : body) {
      if (word != number * 1000 + producer) return false;
    }
    return true;
  }
};
static_assert(sizeof(Record) == 64);

const std::byte* bytes_of(const Record* records) { return reinterpret_cast<const std::byte*>(records); }
std::byte* bytes_of(Record* records) { return reinterpret_cast<std::byte*>(records); }

// Memory as a mapping has it: zero, at a page, shared with children, and followed by a page that must not be touched.
class Mapping {
 public:
  explicit Mapping(std::uint64_t bytes) : bytes_((bytes + 4095) / 4096 * 4096) {
    data_ = mmap(nullptr, bytes_ + 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(data_ != MAP_FAILED);
    CHECK(mprotect(static_cast<char*>(data_) + bytes_, 4096, PROT_NONE) == 0);
  }
  ~Mapping() { munmap(data_, bytes_ + 4096); }
  void* data() const { return data_; }
  std::uint64_t bytes() const { return bytes_; }

 private:
  std::uint64_t bytes_;
  void* data_;
};

struct Ring {
  explicit Ring(const RingShape& shape)
      : mapping(RingBlock::bytes_for(shape, kText.size())), block(RingBlock::format(mapping.data(), shape, kText)) {}
  static constexpr std::string_view kText = "[('number', '<u8')]";
  Mapping mapping;
  RingBlock block;
};

// Pops all that is there and checks that each producer's numbers go on without a gap.
std::uint64_t pop_all(RingConsumer& consumer, std::uint64_t most, std::vector<std::uint64_t>* next) {
  std::vector<Record> records(most);
  const std::uint64_t there = consumer.ready(most);
  if (there > 0) consumer.take(bytes_of(records.data()), there);
  for (std::uint64_t i = 0; i < there; ++i) {
    CHECK(records[i].whole() && records[i].producer < next->size());
    CHECK(records[i].number == (*next)[records[i].producer]++);
  }
  return there;
}

void capacity_is_exact_and_batches_wrap() {
  for (std::uint64_t capacity : {1, 3, 4, 7}) {
    Ring ring({capacity, sizeof(Record), 1});
    RingProducer producer(ring.block, 0);
    RingConsumer consumer(ring.block);
    std::vector<std::uint64_t> next{0};
    std::uint64_t number = 0;
    for (int round = 0; round < 50; ++round) {
      std::vector<Record> records;
      for (std::uint64_t i = 0; i < capacity + 2; ++i) records.push_back(Record::of(number + i, 0));
      CHECK(producer.push(bytes_of(records.data()), 0) == 0);
      const std::uint64_t pushed = producer.push(bytes_of(records.data()), records.size());
      CHECK(pushed == capacity - ring.block.size() + pushed && ring.block.size() == capacity);
      number += pushed;
      CHECK(producer.push(bytes_of(records.data()), 1) == 0);
      CHECK(pop_all(consumer, 1 + static_cast<std::uint64_t>(round) % capacity, &next) > 0);
    }
    while (pop_all(consumer, 2, &next) > 0) {
    }
    CHECK(next[0] == number && ring.block.size() == 0);
  }
}

void lanes_take_turns() {
  Ring ring({8, sizeof(Record), 3});
  for (std::uint64_t lane = 0; lane < 3; ++lane) {
    RingProducer producer(ring.block, lane);
    for (std::uint64_t i = 0; i < 4; ++i) {
      const Record record = Record::of(i, lane);
      CHECK(producer.push(bytes_of(&record), 1) == 1);
    }
  }
  RingConsumer consumer(ring.block);
  std::vector<std::uint64_t> next{0, 0, 0};
  for (std::uint64_t i = 0; i < 12; ++i) {
    CHECK(pop_all(consumer, 1, &next) == 1);
    CHECK(next[i % 3] == i / 3 + 1);  // A different lane each time.
  }
  CHECK(consumer.ready(1) == 0);
}

// Real threads on one mapping, for the sanitizers; they sleep when there is nothing to do.
void threads_agree(std::uint64_t lanes, std::uint64_t capacity, std::uint64_t count) {
  Ring ring({capacity, sizeof(Record), lanes});
  std::vector<std::thread> producers;
  for (std::uint64_t lane = 0; lane < lanes; ++lane) {
    producers.emplace_back([&ring, lane, count] {
      RingProducer producer(ring.block, lane);
      std::vector<Record> batch;
      for (std::uint64_t done = 0; done < count;) {
        batch.clear();
        for (std::uint64_t i = 0; i < std::min<std::uint64_t>(1 + done % 5, count - done); ++i) {
          batch.push_back(Record::of(done + i, lane));
        }
        for (std::uint64_t pushed = 0; pushed < batch.size();) {
          const std::uint64_t more = producer.push(bytes_of(batch.data() + pushed), batch.size() - pushed);
          if (more == 0 && !RingPeer::spin_for(producer.awaited(), 1000)) {
            RingPeer::sleep_for(ring.block.header().freed, producer.awaited(), UINT64_MAX);
          }
          pushed += more;
        }
        done += batch.size();
      }
    });
  }
  RingConsumer consumer(ring.block);
  std::vector<std::uint64_t> next(lanes, 0);
  for (std::uint64_t got = 0; got < lanes * count;) {
    const std::uint64_t more = pop_all(consumer, 1 + got % 7, &next);
    if (more == 0 && !RingPeer::spin_for(consumer.awaited(), 1000)) {
      RingPeer::sleep_for(ring.block.header().filled, consumer.awaited(), UINT64_MAX);
    }
    got += more;
  }
  for (auto& producer : producers) producer.join();
  CHECK(ring.block.size() == 0);
}

// ---- what is not a ring, and what others do to one

void nonsense_is_refused_and_stays_inside() {
  const RingShape shape{4, sizeof(Record), 2};
  Ring ring(shape);
  std::optional<RingBlock> found;
  CHECK(RingBlock::check(ring.mapping.data(), ring.mapping.bytes(), &found) == RingBlock::Fault::kNone);
  CHECK(found->text() == Ring::kText && found->shape().capacity == 4);
  const std::uint64_t whole = RingBlock::bytes_for(shape, Ring::kText.size());
  for (std::uint64_t bytes = 0; bytes < whole; bytes += 8) {
    const auto fault = RingBlock::check(ring.mapping.data(), bytes, &found);
    CHECK(fault == (bytes < sizeof(RingHeader) ? RingBlock::Fault::kForeign : RingBlock::Fault::kCutShort));
  }
  // Every byte of what never changes, turned over.
  auto* raw = static_cast<unsigned char*>(ring.mapping.data());
  for (std::size_t i = 0; i < offsetof(RingHeader, consumer); ++i) {
    raw[i] ^= 0xff;
    CHECK(RingBlock::check(ring.mapping.data(), ring.mapping.bytes(), &found) != RingBlock::Fault::kNone);
    raw[i] ^= 0xff;
  }
  CHECK(RingBlock::check(ring.mapping.data(), ring.mapping.bytes(), &found) == RingBlock::Fault::kNone);
  ring.block.header().magic.store(RingHeader::kSwappedMagic);
  CHECK(RingBlock::check(raw, ring.mapping.bytes(), &found) == RingBlock::Fault::kOtherByteOrder);
  ring.block.header().magic.store(RingHeader::kMagic);
  ring.block.header().version = 2;
  CHECK(RingBlock::check(raw, ring.mapping.bytes(), &found) == RingBlock::Fault::kOtherVersion);
}

template <typename F>
bool damaged(F f) {
  try {
    f();
  } catch (const RingDamaged&) {
    return true;
  }
  return false;
}

void positions_that_cannot_be_are_refused() {
  for (std::uint64_t wrong : {std::uint64_t{5}, std::uint64_t{1} << 40, ~std::uint64_t{0}, std::uint64_t{1} << 63}) {
    Ring ring({4, sizeof(Record), 1});
    auto& positions = ring.block.lane(0).positions;
    RingProducer producer(ring.block, 0);
    RingConsumer consumer(ring.block);
    std::array<Record, 8> records{};
    positions.pushed.store(wrong);
    CHECK(damaged([&] { consumer.ready(4); }));
    CHECK(damaged([&] { RingConsumer another(ring.block); }));
    CHECK(damaged([&] { RingProducer another(ring.block, 0); }));
    CHECK(ring.block.size() <= 4);
    positions.pushed.store(0);
    positions.popped.store(wrong);
    CHECK(producer.push(bytes_of(records.data()), 4) == 4);  // It need not look.
    CHECK(damaged([&] { producer.push(bytes_of(records.data()), 1); }) || wrong > ~std::uint64_t{4});
  }
}

// Another process writes noise over the whole of a ring that this one uses. Nothing may happen but RingDamaged and
// records of noise; the page behind the ring would end the test.
void noise_from_others_stays_inside() {
  Ring ring({6, 24, 2});
  RingProducer producer(ring.block, 0);
  RingConsumer consumer(ring.block);
  std::vector<std::byte> records(6 * 24);
  std::uint64_t seed = 88172645463325252;
  const auto random = [&seed] {  // Marsaglia's xorshift64
    seed ^= seed << 13;
    seed ^= seed >> 7;
    return seed ^= seed << 17;
  };
  auto* words = static_cast<std::atomic<std::uint64_t>*>(ring.mapping.data());
  const std::uint64_t count = ring.mapping.bytes() / 8;
  for (int round = 0; round < 200'000; ++round) {
    words[random() % count].store(random() % 3 == 0 ? random() : random() % 16, std::memory_order_relaxed);
    try {
      producer.push(records.data(), 1 + random() % 6);
    } catch (const RingDamaged&) {
    }
    try {
      const std::uint64_t there = consumer.ready(1 + random() % 6);
      if (there > 0) consumer.take(records.data(), there);
    } catch (const RingDamaged&) {
      words[(reinterpret_cast<std::uintptr_t>(&ring.block.lane(0).positions.pushed) -
             reinterpret_cast<std::uintptr_t>(words)) /
            8]
          .store(0);
    }
  }
}

// ---- named rings, and processes that die

std::string own_name(const char* what) { return "latencykit-test-" + std::string(what) + std::to_string(getpid()); }

struct Named {
  Named(const char* what, const RingShape& shape)
      : name(own_name(what)), peer(RingPeer::create(name, shape, "'<u8'")) {}
  ~Named() { peer->remove_name(); }
  std::string name;
  std::shared_ptr<RingPeer> peer;
};

template <typename F>
pid_t in_child(F f) {
  const pid_t child = fork();
  CHECK(child >= 0);
  if (child > 0) return child;
  f();
  _exit(0);
}

int end_of(pid_t child) {
  int status = 0;
  CHECK(waitpid(child, &status, 0) == child);
  return status;
}

void sides_are_claimed_by_one_at_a_time() {
  const Named ring("claims", {4, sizeof(Record), 2});
  const auto other = RingPeer::attach(ring.name), third = RingPeer::attach(ring.name);
  CHECK(ring.peer->produce() && other->produce() && !third->produce());
  CHECK(third->consume() && !other->consume() && other->has_consumer());
  CHECK(third->count_producers() == 2);
  ring.peer->resign();
  CHECK(third->count_producers() == 1 && third->produce());
  const pid_t child = in_child([&] {
    CHECK(third->is_inherited());
    const auto own = RingPeer::attach(ring.name);
    CHECK(!own->produce() && !own->consume());
  });
  CHECK(end_of(child) == 0);
  CHECK(!third->is_inherited() && third->has_consumer());
}

// A producer of three dies between writing its records and publishing them. Nothing of it is delivered, nobody is
// blocked, and the next one takes its lane.
void a_producer_dies_inside_a_push() {
  const Named ring("midpush", {8, sizeof(Record), 3});
  const auto others = std::array{RingPeer::attach(ring.name), RingPeer::attach(ring.name)};
  CHECK(others[0]->produce() && others[1]->produce() && ring.peer->consume());
  const pid_t victim = in_child([&] {
    const auto own = RingPeer::attach(ring.name);
    CHECK(own->produce());
    const std::array<Record, 3> whole{Record::of(0, 2), Record::of(1, 2), Record::of(2, 2)};
    CHECK(own->producer()->push(bytes_of(whole.data()), 3) == 3);
    std::array<Record, 3> torn{};
    CHECK(own->producer()->write(bytes_of(torn.data()), 3) == 3);
    raise(SIGKILL);
  });
  CHECK(WIFSIGNALED(end_of(victim)));
  std::vector<std::uint64_t> next(3, 0);
  for (std::uint64_t i = 0; i < 20; ++i) {
    for (std::uint64_t p = 0; p < 2; ++p) {
      const Record record = Record::of(i, p);
      CHECK(others[p]->producer()->push(bytes_of(&record), 1) == 1);
    }
    while (pop_all(*ring.peer->consumer(), 8, &next) > 0) {
    }
  }
  CHECK((next == std::vector<std::uint64_t>{20, 20, 3}));
  CHECK(ring.peer->count_producers() == 2);
  const auto heir = RingPeer::attach(ring.name);
  const Record record = Record::of(3, 2);
  CHECK(heir->produce() && heir->producer()->push(bytes_of(&record), 1) == 1);
  CHECK(pop_all(*ring.peer->consumer(), 8, &next) == 1 && next[2] == 4);
}

void a_death_is_seen_until_it_is_noted() {
  const Named ring("seen", {4, sizeof(Record), 2});
  CHECK(ring.peer->look_for_producers().others == RingPeer::Others::kNotYet);
  const pid_t victim = in_child([&] {
    CHECK(RingPeer::attach(ring.name)->produce());
    const auto own = RingPeer::attach(ring.name);
    CHECK(own->produce());
    raise(SIGKILL);
  });
  CHECK(WIFSIGNALED(end_of(victim)));
  const RingPeer::Sight sight = ring.peer->look_for_producers();
  CHECK(sight.others == RingPeer::Others::kDied && sight.holder == static_cast<std::uint64_t>(victim));
  CHECK(ring.peer->look_for_producers().gone());
  ring.peer->note_producers(sight);
  CHECK(ring.peer->look_for_producers().others == RingPeer::Others::kNotYet);
  CHECK(RingPeer::attach(ring.name)->produce());  // And closes; the death before is not told again.
  CHECK(ring.peer->look_for_producers().others == RingPeer::Others::kClosed);
}

}  // namespace

int main() {
  every_interleaving_is_sound();
  capacity_is_exact_and_batches_wrap();
  lanes_take_turns();
  threads_agree(1, 3, 20'000);
  threads_agree(1, 256, 20'000);
  threads_agree(3, 4, 10'000);
  nonsense_is_refused_and_stays_inside();
  positions_that_cannot_be_are_refused();
  noise_from_others_stays_inside();
  sides_are_claimed_by_one_at_a_time();
  a_producer_dies_inside_a_push();
  a_death_is_seen_until_it_is_noted();
  return 0;
}
