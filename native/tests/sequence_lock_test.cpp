// The sequence lock over all interleavings of a small case, and proof that the check would see each part missing.
#include "latency/sequence_lock.h"

#include <array>
#include <cstdint>
#include <cstdio>
#include <set>
#include <thread>
#include <vector>

#include "tests/check.h"
#include "tests/model_memory.h"

namespace {

using latencykit::AtomicMemory;
using latencykit::SequenceLock;
using latencykit::SequenceLockRules;
using model::Explorer;
using model::ModelMemory;
using model::Strength;

constexpr std::size_t kWords = 3;

// The words that the lock protects, behind the lock's own number in the model's memory.
std::array<ModelMemory::Word, kWords> words_of_model() { return {{{1}, {2}, {3}}}; }

template <typename Rules>
using ModelLock = SequenceLock<ModelMemory, Rules>;

template <typename Rules>
void write_all(ModelLock<Rules>* lock, std::uint64_t value) {
  const std::uint64_t odd = lock->begin_write();
  for (auto& word : words_of_model()) ModelMemory::store(word, value, std::memory_order_relaxed);
  lock->end_write(odd);
}

// Reads `tries` times and says so if a copy was accepted that was never written, or older than one before it. Write
// number n writes n to every word, so that a copy must be its own version throughout.
template <typename Rules>
void read_and_judge(int tries, std::set<std::uint64_t>* versions) {
  const ModelLock<Rules> lock;
  std::uint64_t last = 0;
  for (int i = 0; i < tries; ++i) {
    const std::uint64_t begun = lock.begin_read();
    if (ModelLock<Rules>::is_writing(begun)) continue;
    std::array<std::uint64_t, kWords> copy{};
    for (std::size_t w = 0; w < kWords; ++w) {
      copy[w] = ModelMemory::load(words_of_model()[w], std::memory_order_relaxed);
    }
    if (!lock.end_read(begun)) continue;
    const std::uint64_t version = lock.version_of(begun);
    for (std::uint64_t word : copy) {
      if (word != version) throw model::Violation{"a torn copy was accepted"};
    }
    if (version < last) throw model::Violation{"a copy is older than the one before it"};
    last = version;
    versions->insert(version);
  }
}

template <typename Rules>
bool holds(Strength strength, int readers, int tries, bool print = false) {
  std::set<std::uint64_t> versions;
  std::vector<Explorer::Program> programs{[] {
    ModelLock<Rules> lock;
    write_all(&lock, 1);
    write_all(&lock, 2);
  }};
  for (int i = 0; i < readers; ++i) programs.push_back([&versions, tries] { read_and_judge<Rules>(tries, &versions); });
  Explorer explorer(strength, programs);
  const bool sound = explorer.holds();
  if (sound) CHECK((versions == std::set<std::uint64_t>{0, 1, 2}));  // Every state of the book was met.
  if (print) {
    std::printf("%s memory, 2 writes of %zu words, %d reader(s) of %d tries: %zu states, %s\n",
                strength == Strength::kWeak ? "weak" : "sequential", kWords, readers, tries, explorer.states(),
                sound ? "no copy torn" : explorer.violation().c_str());
  }
  return sound;
}

void no_interleaving_tears_a_copy() {
  CHECK(holds<SequenceLockRules>(Strength::kSequential, 1, 3, true));
  CHECK(holds<SequenceLockRules>(Strength::kSequential, 2, 1, true));
  CHECK(holds<SequenceLockRules>(Strength::kWeak, 1, 3, true));
  CHECK(holds<SequenceLockRules>(Strength::kWeak, 2, 1, true));
}

struct NoMark : SequenceLockRules {
  static constexpr bool kMarksWrites = false;
};
struct NoWriteFence : SequenceLockRules {
  static constexpr bool kFencesWrites = false;
};
struct ReleaseMarkInsteadOfFence : NoWriteFence {
  static constexpr auto kMarkOrder = std::memory_order_release;
};
struct RelaxedEnd : SequenceLockRules {
  static constexpr auto kEndOrder = std::memory_order_relaxed;
};
struct RelaxedBegin : SequenceLockRules {
  static constexpr auto kBeginOrder = std::memory_order_relaxed;
};
struct NoReadFence : SequenceLockRules {
  static constexpr bool kFencesReads = false;
};
struct ReadsDuringWrites : SequenceLockRules {
  static constexpr bool kAvoidsWrites = false;
};
struct NoSecondLook : SequenceLockRules {
  static constexpr bool kLooksAgain = false;
};

// What is wrong in the protocol itself shows in plain interleavings; a missing order only where memory is weak.
template <typename Rules>
bool is_caught_by_weak_memory_only() {
  return holds<Rules>(Strength::kSequential, 1, 2) && !holds<Rules>(Strength::kWeak, 1, 1);
}

template <typename Rules>
bool is_caught_by_both() {
  return !holds<Rules>(Strength::kSequential, 1, 1) && !holds<Rules>(Strength::kWeak, 1, 1);
}

void every_part_is_missed_when_it_is_missing() {
  CHECK(is_caught_by_both<NoMark>());
  CHECK(is_caught_by_both<ReadsDuringWrites>());
  CHECK(is_caught_by_both<NoSecondLook>());
  CHECK(is_caught_by_weak_memory_only<NoWriteFence>());
  CHECK(is_caught_by_weak_memory_only<ReleaseMarkInsteadOfFence>());
  CHECK(is_caught_by_weak_memory_only<RelaxedEnd>());
  CHECK(is_caught_by_weak_memory_only<RelaxedBegin>());
  CHECK(is_caught_by_weak_memory_only<NoReadFence>());
}

// The first writer dies after each of the steps of its second write; the next one, which the kernel's lock orders
// behind it, writes everything anew.
void a_death_at_any_step_tears_no_copy() {
  constexpr int kSteps = 1 + kWords;  // The mark and the words; after the end the write is whole.
  for (int steps = 0; steps <= kSteps; ++steps) {
    std::set<std::uint64_t> versions;
    const auto writers = [steps] {
      ModelLock<SequenceLockRules> lock;
      write_all(&lock, 1);
      const auto words = words_of_model();
      if (steps > 0) lock.begin_write();
      for (int i = 1; i < steps; ++i) ModelMemory::store(words[i - 1], 77, std::memory_order_relaxed);
      ModelLock<SequenceLockRules> heir;
      write_all(&heir, steps > 0 ? 3 : 2);  // A begun write has used up its number.
    };
    Explorer explorer(Strength::kWeak, {writers, [&] { read_and_judge<SequenceLockRules>(2, &versions); }});
    CHECK(explorer.holds());
    CHECK((versions == std::set<std::uint64_t>{0, 1, steps > 0 ? 3u : 2u}));
  }
}

void a_reader_sees_that_a_writer_is_at_work() {
  SequenceLock<> lock;
  const std::uint64_t before = lock.begin_read();
  CHECK(!lock.is_writing(before) && lock.end_read(before) && lock.version_of(before) == 0);
  const std::uint64_t odd = lock.begin_write();
  CHECK(lock.is_writing(lock.begin_read()) && !lock.end_read(before));
  lock.end_write(odd);
  CHECK(!lock.end_read(before) && lock.version_of(lock.begin_read()) == 1);
  lock.begin_write();  // And dies.
  const std::uint64_t next = lock.begin_write();
  CHECK(next == 5 && lock.is_writing(lock.begin_read()));
  lock.end_write(next);
  CHECK(lock.version_of(lock.begin_read()) == 3);
}

// The same code on real threads, for the sanitizers.
void threads_agree() {
  SequenceLock<> lock;
  std::array<AtomicMemory::Word, kWords> words{};
  constexpr std::uint64_t kWrites = 20'000;
  std::thread writer([&] {
    for (std::uint64_t i = 1; i <= kWrites; ++i) {
      const std::uint64_t odd = lock.begin_write();
      for (auto& word : words) AtomicMemory::store(word, i, std::memory_order_relaxed);
      lock.end_write(odd);
    }
  });
  std::uint64_t version = 0;
  while (version < kWrites) {
    const std::uint64_t begun = lock.begin_read();
    std::array<std::uint64_t, kWords> copy{};
    for (std::size_t i = 0; i < kWords; ++i) copy[i] = AtomicMemory::load(words[i], std::memory_order_relaxed);
    if (lock.is_writing(begun) || !lock.end_read(begun)) continue;
    CHECK(lock.version_of(begun) >= version);
    version = lock.version_of(begun);
    for (std::uint64_t word : copy) CHECK(word == version);
  }
  writer.join();
}

}  // namespace

int main() {
  no_interleaving_tears_a_copy();
  every_part_is_missed_when_it_is_missing();
  a_death_at_any_step_tears_no_copy();
  a_reader_sees_that_a_writer_is_at_work();
  threads_agree();
  return 0;
}
