// A sequence lock: one writer publishes several words, readers copy them without a lock and see when to try again.
//
// Promises:
// - A copy that end_read() accepts is what the words were between two writes: never a mixture.
// - The writer never waits, for readers or for anything else: begin_write() and end_write() are one store each.
// - A reader never writes, so the memory may be mapped read-only and there may be any number of readers.
// - A reader may be overtaken for ever by a writer that never pauses, and a writer that dies inside a write leaves the
//   number odd for ever. So one try is all that is offered here; how often to try is the caller's decision.
// - One writer at a time. Handing the writer's part to another thread or process needs a happens-before edge, which
//   a kernel lock gives. A writer that takes over after a death finds an odd number and goes on to the next odd one.
//
// How: the number is odd while the words change. The writer makes it odd, stores the words, makes it even; the
// reader reads the number, copies the words, and reads the number again. If it was even and is the same, the copy holds.
//
// Memory order, and what each part is for (sequence_lock_test.cpp breaks each and shows the torn copy):
// - The words are atomics, stored and loaded relaxed. Plain memory would be a data race, which is undefined in C++
//   even if the copy is thrown away. Aligned 8-byte relaxed accesses are plain instructions on the CPUs of today; what
//   is lost is that the compiler may not merge them into wider ones.
// - begin_write() has a release fence after the odd store: whoever reads one of the new words with an acquire fence
//   after it also sees the odd number. A release store of the odd number would not do, because it orders what
//   comes before it, and the words come after.
// - end_write() is a release store, begin_read() an acquire load: who sees the even number sees all words before it.
// - end_read() has an acquire fence before it looks again: the loads of the words cannot move behind that look, and if
//   one of them saw a new word, the look sees at least the odd number that was stored before it.
// On x86-64 all of this is free: only the compiler has to be held back. On ARM the fences are `dmb ish` and `ishld`.
// After Boehm, "Can seqlocks get along with programming language memory models?", MSPC 2012.
//
// Wrap-around: 2^63 writes are centuries.
#pragma once

#include <atomic>
#include <cstdint>

namespace latencykit {

// Where the words live and how they are reached. A model checker puts its own in place of this.
struct AtomicMemory {
  using Word = std::atomic<std::uint64_t>;

  static std::uint64_t load(const Word& word, std::memory_order order) noexcept { return word.load(order); }
  static void store(Word& word, std::uint64_t value, std::memory_order order) noexcept { word.store(value, order); }

  static void fence(std::memory_order order) noexcept {
    // ThreadSanitizer does not model fences and GCC says so. It needs none here: it looks for data races, and every
    // word is an atomic. What the fences are for is shown by the model check.
#if defined(__SANITIZE_THREAD__) && defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wtsan"
#endif
    std::atomic_thread_fence(order);
#if defined(__SANITIZE_THREAD__) && defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif
  }
};

// The parts of the protocol, each of which the model check takes away to see that it is missed.
struct SequenceLockRules {
  static constexpr bool kMarksWrites = true;
  static constexpr auto kMarkOrder = std::memory_order_relaxed;
  static constexpr bool kFencesWrites = true;
  static constexpr auto kEndOrder = std::memory_order_release;
  static constexpr auto kBeginOrder = std::memory_order_acquire;
  static constexpr bool kAvoidsWrites = true;
  static constexpr bool kFencesReads = true;
  static constexpr bool kLooksAgain = true;
};

template <typename Memory = AtomicMemory, typename Rules = SequenceLockRules>
class SequenceLock {
 public:
  using Word = typename Memory::Word;

  // Writer: from here on no reader accepts a copy. The answer goes to end_write().
  std::uint64_t begin_write() {
    const std::uint64_t odd = (load(std::memory_order_relaxed) + 1) | 1;
    if constexpr (Rules::kMarksWrites) Memory::store(number_, odd, Rules::kMarkOrder);
    if constexpr (Rules::kFencesWrites) Memory::fence(std::memory_order_release);
    return odd;
  }

  // Writer: publishes the words stored since begin_write().
  void end_write(std::uint64_t odd) { Memory::store(number_, odd + 1, Rules::kEndOrder); }

  // Reader: the number to hand to end_read() after the words were copied.
  std::uint64_t begin_read() const { return load(Rules::kBeginOrder); }

  // Reader: whether begin_read() met a write in progress, so that copying is in vain.
  static bool is_writing(std::uint64_t begun) noexcept { return Rules::kAvoidsWrites && (begun & 1) != 0; }

  // Reader: whether the copy made since begin_read() is consistent.
  bool end_read(std::uint64_t begun) const {
    if constexpr (Rules::kFencesReads) Memory::fence(std::memory_order_acquire);
    return !Rules::kLooksAgain || load(std::memory_order_relaxed) == begun;
  }

  // How many writes were published.
  static std::uint64_t version_of(std::uint64_t even) noexcept { return even / 2; }

 private:
  std::uint64_t load(std::memory_order order) const { return Memory::load(number_, order); }

  Word number_{};
};

}  // namespace latencykit
