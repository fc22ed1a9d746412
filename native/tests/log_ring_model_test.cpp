// Every interleaving of small cases of a log ring, under the memory model of C++; then with parts of the algorithm
// taken away, each of which must be found. The orders of the tail are not among these: they keep a store from
// overtaking an earlier load of its own thread, which the model does not do by itself.
#include <cstdio>
#include <string>
#include <vector>

#include "latency/log_record.h"
#include "latency/log_ring.h"
#include "tests/check.h"
#include "tests/model_memory.h"

namespace latencykit {
namespace {

// What is taken away from the algorithm.
enum class Fault {
  kNone,
  kHeadWithoutRelease,
  kHeadWithoutAcquire,
  kTailTooFar,
  kBytesWithoutRelease,
  kBytesWithoutAcquire,
  kNoLookAfterCopy,
  kNotSaidBeforeOverwriting,
};

constexpr std::size_t kWords = 8;  // Of the ring's bytes.
enum Location : std::size_t { kPublished = kWords, kTail, kOverwritten, kOther };

// Words of the model: the ring's bytes are locations 0 to 7. Only addresses within the ring are ever computed, and
// nothing is read there.
struct ModelWords {
  struct Word {
    std::size_t location = kOther;
    explicit Word(std::uint64_t) {}
  };
  static constexpr std::size_t kLeastBytes = kWords * 8;
  static inline Fault fault = Fault::kNone;
  static inline char bytes[kLeastBytes];

  static std::uint64_t load(const Word& word, std::memory_order order) {
    if (word.location == kOther) return 0;
    if (fault == Fault::kNoLookAfterCopy && word.location == kOverwritten) return 0;
    const bool weak = fault == Fault::kHeadWithoutAcquire && word.location == kPublished;
    const std::uint64_t value =
        step(model::Step::Kind::kLoad, word.location, 0, weak ? std::memory_order_relaxed : order);
    return fault == Fault::kTailTooFar && word.location == kTail && value != 0 ? value + 16 : value;
  }
  static void store(Word& word, std::uint64_t value, std::memory_order order) {
    if (word.location == kOther) return;
    if (fault == Fault::kNotSaidBeforeOverwriting && word.location == kOverwritten) return;
    const bool weak = fault == Fault::kHeadWithoutRelease && word.location == kPublished;
    step(model::Step::Kind::kStore, word.location, value, weak ? std::memory_order_relaxed : order);
  }
  static std::uint64_t read(const char* at) { return load_at(at, std::memory_order_relaxed); }
  static void write(char* at, std::uint64_t value) { store_at(at, value, std::memory_order_relaxed); }
  static std::uint64_t load_at(const char* at, std::memory_order order) {
    if (fault == Fault::kBytesWithoutAcquire) order = std::memory_order_relaxed;
    return step(model::Step::Kind::kLoad, location_of(at), 0, order);
  }
  static void store_at(char* at, std::uint64_t value, std::memory_order order) {
    if (fault == Fault::kBytesWithoutRelease) order = std::memory_order_relaxed;
    step(model::Step::Kind::kStore, location_of(at), value, order);
  }

 private:
  static std::size_t location_of(const char* at) { return static_cast<std::size_t>(at - bytes) / 8; }
  static std::uint64_t step(model::Step::Kind kind, std::size_t location, std::uint64_t value,
                            std::memory_order order) {
    return model::Replay::running()->step({kind, location, value, order});
  }
};

using Ring = BasicLogRing<ModelWords>;

// One side of the ring as a thread sees it: positions of its own, everything shared in the model.
struct Side {
  BasicLogRingControl<ModelWords> control;
  Ring ring;
  explicit Side(LogRingKind kind)
      : ring(BasicLogRingMemory<ModelWords>{&control, ModelWords::bytes, sizeof ModelWords::bytes}, nullptr, nullptr,
             kind) {
    control.published.location = kPublished;
    control.tail.location = kTail;
    control.overwritten.location = kOverwritten;
  }
};

constexpr std::uint64_t ticks_of(std::uint64_t number) { return 1000 + number; }

// Records of 16 bytes and, every third time, 24.
constexpr std::size_t bytes_of(std::uint64_t number) { return number % 3 == 2 ? 24 : 16; }

void expect(bool right, const char* what) {
  if (!right) throw model::Violation{what};
}

// --- bounded -------------------------------------------------------------------------------------------------

void write_bounded(char* room, std::uint64_t number) {
  const LogRecordHeader header{static_cast<std::uint32_t>(bytes_of(number)), 1, ticks_of(number)};
  std::uint64_t first;
  std::memcpy(&first, &header, sizeof first);
  ModelWords::write(room, first);
  ModelWords::write(room + 8, ticks_of(number));
  if (bytes_of(number) == 24) ModelWords::write(room + 16, ~number);
}

// As many records as are given, those that find no room left out.
model::Explorer::Program bounded_producer(std::uint64_t records) {
  return [records] {
    Side side(LogRingKind::kBounded);
    std::uint64_t number = 0;
    for (std::uint64_t i = 0; i < records; ++i) {
      char* const room = side.ring.reserve(bytes_of(number));
      if (room == nullptr) continue;
      write_bounded(room, number);
      side.ring.commit(bytes_of(number));
      ++number;
    }
  };
}

model::Explorer::Program bounded_consumer(int looks) {
  return [looks] {
    Side side(LogRingKind::kBounded);
    std::uint64_t next = 0;
    for (int i = 0; i < looks; ++i) {
      side.ring.refresh();
      while (const char* record = side.ring.front()) {
        expect(static_cast<std::uint32_t>(ModelWords::read(record)) == bytes_of(next), "a size is wrong");
        expect(ModelWords::read(record + 8) == ticks_of(next), "a record is not the next");
        if (bytes_of(next) == 24) expect(ModelWords::read(record + 16) == ~next, "a record is torn");
        side.ring.pop();
        side.ring.release();
        ++next;
      }
    }
  };
}

// --- overwriting ---------------------------------------------------------------------------------------------

model::Explorer::Program overwriting_producer(std::uint64_t records) {
  return [records] {
    Side side(LogRingKind::kOverwriting);
    for (std::uint64_t number = 0; number < records; ++number) {
      char* const room = side.ring.reserve(16);
      const LogRecordHeader header{16, 1, ticks_of(number)};
      std::memcpy(room, &header, sizeof header);
      side.ring.commit(16);
    }
  };
}

model::Explorer::Program overwriting_consumer(int looks) {
  return [looks] {
    Side side(LogRingKind::kOverwriting);
    std::uint64_t taken = 0;
    for (int i = 0; i < looks; ++i) {
      side.ring.refresh();
      while (const char* record = side.ring.front()) {
        const LogRecordHeader header = header_of(record);
        std::uint64_t number;
        std::memcpy(&number, record + 16, sizeof number);
        expect(header.size == 24 && header.site == 1, "a header is torn");
        expect(header.ticks == ticks_of(number), "a record is torn");
        ++taken;
        expect(number + 1 == taken + side.ring.skipped(), "a record is neither taken nor counted");
        side.ring.pop();
        side.ring.release();
      }
    }
  };
}

// --- what is checked -----------------------------------------------------------------------------------------

struct Case {
  const char* name;
  std::vector<model::Explorer::Program> programs;
};

std::vector<Case> cases() {
  return {
      {"bounded", {bounded_producer(6), bounded_consumer(3)}},
      {"overwriting", {overwriting_producer(4), overwriting_consumer(2)}},
  };
}

bool holds(model::Strength strength, const Case& now, bool talk) {
  model::Explorer explorer(strength, now.programs);
  const bool right = explorer.holds();
  if (talk) {
    std::printf("%s, %s: %zu states%s%s\n", now.name, strength == model::Strength::kWeak ? "any order" : "interleaved",
                explorer.states(), right ? "" : ": ", explorer.violation().c_str());
  }
  return right;
}

void every_order_is_right() {
  ModelWords::fault = Fault::kNone;
  for (const Case& now : cases()) {
    CHECK(holds(model::Strength::kSequential, now, true));
    CHECK(holds(model::Strength::kWeak, now, true));
  }
}

void every_fault_is_found() {
  static constexpr struct {
    Fault fault;
    std::size_t at;  // Which case.
    const char* name;
  } faults[] = {
      {Fault::kHeadWithoutRelease, 0, "bounded: head stored without release"},
      {Fault::kHeadWithoutAcquire, 0, "bounded: head loaded without acquire"},
      {Fault::kTailTooFar, 0, "bounded: room taken that the consumer still reads"},
      {Fault::kHeadWithoutRelease, 1, "overwriting: head stored without release"},
      {Fault::kBytesWithoutRelease, 1, "overwriting: bytes stored without release"},
      {Fault::kBytesWithoutAcquire, 1, "overwriting: bytes loaded without acquire"},
      {Fault::kNoLookAfterCopy, 1, "overwriting: not looked whether the copy is whole"},
      {Fault::kNotSaidBeforeOverwriting, 1, "overwriting: not said what will be overwritten"},
  };
  for (const auto& each : faults) {
    ModelWords::fault = each.fault;
    const bool right = holds(model::Strength::kWeak, cases()[each.at], false);
    std::printf("%s: %s\n", each.name, right ? "NOT FOUND" : "found");
    CHECK(!right);
  }
}

}  // namespace
}  // namespace latencykit

int main() {
  latencykit::every_order_is_right();
  latencykit::every_fault_is_found();
}
