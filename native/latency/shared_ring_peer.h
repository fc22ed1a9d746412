// A process's part in a ring in named shared memory: how it is made and joined, who is its producer and its consumer, and
// whether the other side lives.
//
// Promises
//   * create() makes a ring under a name that is free, and never touches what is there. attach() joins a ring, and refuses
//     whatever is not a whole ring of this layout; it waits a moment for a process that is just making it.
//   * A side is taken by the first one who wants it, and held until resign(), close or death. A ring has one consumer and
//     as many producers as lanes at a time. A successor goes on where its predecessor stopped.
//   * Whether a side lives is asked of the kernel (shared_claims.h) and costs a system call.
//   * After fork() the child has no part in the ring: is_inherited() is true, and it must attach by itself.
//
// Errors: RingError with its reason, RingDamaged, or what SharedMemory throws.
#pragma once

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>

#include "latency/shared_claims.h"
#include "latency/shared_memory.h"
#include "latency/shared_ring.h"
#include "latency/tsc_clock.h"
#include "latency/waiting.h"

namespace latencykit {

class RingError : public std::runtime_error {
 public:
  enum class Reason { kExists, kUnusable, kUnstable };

  RingError(Reason reason, const std::string& what) : std::runtime_error(what), reason_(reason) {}

  Reason reason() const noexcept { return reason_; }

 private:
  Reason reason_;
};

class RingPeer {
 public:
  // What is known of the processes at the other side. Who was there and is gone is kClosed or kDied, until that is
  // noted; from then on it is kNotYet until somebody comes.
  enum class Others { kPresent, kNotYet, kClosed, kDied };

  struct Sight {
    Others others = Others::kPresent;
    std::uint64_t begun = 0;   // How often somebody began to be there.
    std::uint64_t holder = 0;  // The process number of one that died.

    bool gone() const { return others == Others::kClosed || others == Others::kDied; }
  };

  // Throws RingError, or std::system_error: ENOSPC if there is no room, before anything is written.
  static std::shared_ptr<RingPeer> create(const std::string& name, const RingShape& shape, std::string_view text) {
    constexpr int kTries = 100;  // The name may be removed between opening and claiming; not for ever.
    for (int i = 0; i < kTries; ++i) {
      auto peer = std::make_shared<RingPeer>(name, SharedMemory::Open::kCreateIfMissing);
      if (!peer->memory_.is_memory()) refuse(RingBlock::Fault::kForeign);
      if (!peer->claims_.found()) continue;
      if (!peer->claims_.take(kMaking)) refuse_existing();
      if (!peer->memory_.has_name()) continue;
      if (peer->memory_.size() != 0) refuse_existing();
      peer->format(shape, text);
      peer->claims_.give_up(kMaking);
      return peer;
    }
    throw RingError(RingError::Reason::kUnstable, "is removed again and again while it is being made");
  }

  static std::shared_ptr<RingPeer> attach(const std::string& name) {
    constexpr auto kPatience = std::chrono::milliseconds(100);
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    for (;;) {
      auto peer = std::make_shared<RingPeer>(name, SharedMemory::Open::kReadWrite);
      const std::uint64_t bytes = peer->memory_.size();
      const RingBlock::Fault fault = peer->claims_.found() ? peer->join(bytes) : RingBlock::Fault::kForeign;
      if (fault == RingBlock::Fault::kNone) return peer;
      // Its maker may be between making the name and making the ring.
      const bool is_being_made = !peer->claims_.found() || bytes == 0 || peer->claims_.is_taken_elsewhere(kMaking, 1);
      if (!is_being_made || std::chrono::steady_clock::now() > deadline) refuse(fault);
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }

  // Takes a name away; false if there was none, or if somebody uses it for a ring and `used` is set.
  static bool remove(const std::string& name, bool* used) {
    try {
      const SharedMemory memory(name, SharedMemory::Open::kReadWrite);
      const SharedClaims claims(memory);
      *used = claims.found() && claims.is_taken_elsewhere(kMaking, kFirstLane + RingShape::kMostLanes);
      return !*used && memory.remove_name();
    } catch (const std::system_error& error) {
      return SharedMemory::remove_unopened(name, error);
    }
  }

  RingPeer(const std::string& name, SharedMemory::Open how) : memory_(name, how), claims_(memory_) {}
  RingPeer(const RingPeer&) = delete;
  RingPeer& operator=(const RingPeer&) = delete;
  ~RingPeer() { resign(); }

  const RingBlock& block() const { return *block_; }
  bool is_inherited() const noexcept { return claims_.is_inherited(); }
  // Whether the memory was cut short under this process, so that what was read last means nothing.
  bool is_cut() const noexcept { return memory_.is_cut(); }
  void remove_name() const { memory_.remove_name(); }

  RingProducer* producer() { return producer_ ? &*producer_ : nullptr; }
  RingConsumer* consumer() { return consumer_ ? &*consumer_ : nullptr; }

  // Becomes a producer, in a lane that is free; false if there is none.
  bool produce() {
    for (std::uint64_t lane = 0; lane < block_->shape().lanes; ++lane) {
      if (!claims_.take(kFirstLane + static_cast<off_t>(lane))) continue;
      begin(kFirstLane + static_cast<off_t>(lane), block_->lane(lane).producer,
            [&] { producer_.emplace(*block_, lane); });
      return true;
    }
    return false;
  }

  // Becomes the consumer; false if there is one.
  bool consume() {
    if (!claims_.take(kConsumer)) return false;
    begin(kConsumer, block_->header().consumer, [&] { consumer_.emplace(*block_); });
    return true;
  }

  // Gives its sides up.
  void resign() noexcept {
    if (is_inherited()) return;  // They are the parent's.
    if (producer_) {
      block_->lane(producer_->lane()).producer.holder.store(0, std::memory_order_relaxed);
      claims_.give_up(kFirstLane + static_cast<off_t>(producer_->lane()));
      producer_.reset();
    }
    if (consumer_) {
      block_->header().consumer.holder.store(0, std::memory_order_relaxed);
      claims_.give_up(kConsumer);
      consumer_.reset();
    }
  }

  std::uint64_t count_producers() const {
    std::uint64_t count = producer_ ? 1 : 0;
    for (std::uint64_t lane = 0; lane < block_->shape().lanes; ++lane) {
      count += claims_.is_taken_elsewhere(kFirstLane + static_cast<off_t>(lane), 1) ? 1 : 0;
    }
    return count;
  }
  bool has_consumer() const { return consumer_ || claims_.is_taken_elsewhere(kConsumer, 1); }

  // Looks whether a side lives that this one waits for. Records that it left must be looked for afterwards.
  Sight look_for_producers() const {
    const std::uint64_t begun = producers_begun();
    if (has_producer()) return {Others::kPresent, begun};
    if (begun == producers_known_) return {Others::kNotYet, begun};
    for (std::uint64_t lane = 0; lane < block_->shape().lanes; ++lane) {
      const std::uint64_t holder = block_->lane(lane).producer.holder.load(std::memory_order_relaxed);
      if (holder != 0) return {Others::kDied, begun, holder};
    }
    return {Others::kClosed, begun};
  }
  Sight look_for_consumer() const {
    const RingSide& side = block_->header().consumer;
    const std::uint64_t begun = side.begun.load(std::memory_order_acquire);
    if (has_consumer()) return {Others::kPresent, begun};
    if (begun == consumers_known_) return {Others::kNotYet, begun};
    const std::uint64_t holder = side.holder.load(std::memory_order_relaxed);
    return {holder != 0 ? Others::kDied : Others::kClosed, begun, holder};
  }
  // From now on what was seen is known.
  void note_producers(const Sight& sight) {
    producers_known_ = sight.begun;
    for (std::uint64_t lane = 0; lane < block_->shape().lanes; ++lane) {
      std::uint64_t dead = block_->lane(lane).producer.holder.load(std::memory_order_acquire);
      if (producers_begun() != sight.begun) return;  // It may be of one who came since.
      block_->lane(lane).producer.holder.compare_exchange_strong(dead, 0, std::memory_order_relaxed);
    }
  }
  void note_consumer(const Sight& sight) { consumers_known_ = sight.begun; }

  // Spins for a short while; whether a position moved. With one CPU only a moment: the other side may need that one.
  static bool spin_for(const AwaitedPositions& awaited, std::uint64_t longest_ns) {
    if (spin_until(awaited, monotonic_ns() + std::min(longest_ns, kMomentNs))) return true;
    // A system call, made only by who waits for longer than it takes.
    if (longest_ns <= kMomentNs || has_one_cpu()) return false;
    return spin_until(awaited, monotonic_ns() + std::min(longest_ns, kSpinNs) - kMomentNs);
  }
  // Sleeps until a position may have moved, at most SharedGate<>::kLongestSleepNs.
  static void sleep_for(SharedGate<>& gate, const AwaitedPositions& awaited, std::uint64_t longest_ns) {
    gate.sleep([&] { return awaited.moved(); },
               static_cast<std::int64_t>(std::min<std::uint64_t>(longest_ns, SharedGate<>::kLongestSleepNs)));
  }

 private:
  // The numbers of the claims.
  static constexpr off_t kMaking = 0;
  static constexpr off_t kConsumer = 1;
  static constexpr off_t kFirstLane = 2;
  // A sleep and its wake-up take some 5 microseconds each, and a system call of the other side.
  static constexpr std::uint64_t kSpinNs = 20'000;
  static constexpr std::uint64_t kMomentNs = 1'000;

  static bool spin_until(const AwaitedPositions& awaited, std::uint64_t end) {
    constexpr int kLooksPerTime = 32;  // Reading the clock costs as much as many looks.
    do {
      for (int i = 0; i < kLooksPerTime; ++i) {
        if (awaited.moved()) return true;
        relax();
      }
    } while (monotonic_ns() < end);
    return false;
  }

  [[noreturn]] static void refuse_existing() { throw RingError(RingError::Reason::kExists, "exists already"); }

  [[noreturn]] static void refuse(RingBlock::Fault fault) {
    const char* what = "holds something else than a ring";
    if (fault == RingBlock::Fault::kOtherByteOrder) what = "holds a ring of a machine of the other byte order";
    if (fault == RingBlock::Fault::kOtherVersion) what = "holds a ring of another version of this package";
    if (fault == RingBlock::Fault::kCutShort) what = "holds a ring that is cut short";
    if (fault == RingBlock::Fault::kDamaged) what = "holds a ring whose header is damaged";
    throw RingError(RingError::Reason::kUnusable, what);
  }

  void format(const RingShape& shape, std::string_view text) {
    const std::uint64_t bytes = RingBlock::bytes_for(shape, text.size());
    try {
      memory_.resize(bytes);
      memory_.map_guarded(bytes);
    } catch (...) {
      memory_.remove_name();  // A name without a ring would be in the way.
      throw;
    }
    block_.emplace(RingBlock::format(memory_.data(), shape, text));
  }

  // Maps what is there and checks it. Nothing is mapped beyond the size that the file has.
  RingBlock::Fault join(std::uint64_t bytes) {
    if (bytes < sizeof(RingHeader)) return RingBlock::Fault::kForeign;
    memory_.map_guarded(bytes);
    const RingBlock::Fault fault = RingBlock::check(memory_.data(), bytes, &block_);
    if (fault != RingBlock::Fault::kNone) return fault;
    const std::uint64_t producers = producers_begun();
    producers_known_ = producers - (has_producer() ? 1 : 0);
    const std::uint64_t consumers = block_->header().consumer.begun.load(std::memory_order_acquire);
    consumers_known_ = consumers - (has_consumer() ? 1 : 0);
    return fault;
  }

  bool has_producer() const {
    return producer_ || claims_.is_taken_elsewhere(kFirstLane, static_cast<off_t>(block_->shape().lanes));
  }
  std::uint64_t producers_begun() const {
    std::uint64_t begun = 0;
    for (std::uint64_t lane = 0; lane < block_->shape().lanes; ++lane) {
      begun += block_->lane(lane).producer.begun.load(std::memory_order_acquire);
    }
    return begun;
  }

  template <typename Begin>
  void begin(off_t claim, RingSide& side, Begin enter) {
    try {
      enter();
    } catch (...) {
      claims_.give_up(claim);
      throw;
    }
    side.begun.fetch_add(1, std::memory_order_relaxed);
    side.holder.store(static_cast<std::uint64_t>(getpid()), std::memory_order_release);
  }

  SharedMemory memory_;
  SharedClaims claims_;
  std::optional<RingBlock> block_;
  std::optional<RingProducer> producer_;
  std::optional<RingConsumer> consumer_;
  std::uint64_t producers_known_ = 0;
  std::uint64_t consumers_known_ = 0;
};

}  // namespace latencykit
