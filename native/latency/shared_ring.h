// A ring of fixed-size records in memory that processes share: one consumer, and one or more producers.
//
// Promises
//   * Each producer has a lane of its own (shared_lane.h), so that producers neither wait for each other nor can block
//     the ring by dying in the middle of a push: there is no slot that belongs to nobody. The records of one producer
//     come in their order, those of one push become visible at once; between producers there is no order.
//   * Full: push() takes what fits, which may be nothing. `capacity` records fit for each producer.
//   * No system call and no allocation in push(), ready() and take(), unless another process sleeps (shared_gate.h).
//   * A producer that sleeps because its lane is full is woken when half of a lane was taken since it was last told, or
//     when the consumer finds nothing more; else it looks by itself, at the latest after SharedGate<>::kLongestSleepNs.
//     So a consumer that takes little at a time wakes nobody each time.
//   * What is lost. A producer that dies in push() loses what that push was about to make visible, all of it. A consumer
//     that dies in take() loses at most what it was about to return: each lane's part is either gone or still there for
//     its successor. No record is delivered twice, none half written.
//   * The other processes are not trusted with this one's memory. The shape of the ring is checked once and copied; every
//     position is compared with it, and every index is masked. Damage ends in RingDamaged, or in records that somebody
//     else has scribbled over, but never outside the block.
//
// Layout, in the byte order of the machine, each part on lines of its own (kApart): RingHeader; one RingLane for each
// producer; the text of the record's type, which is only kept here; the slots, lane by lane, a power of two of them.
//
// Ownership: the block is somebody else's (shared_ring_peer.h, or a test's). Who may act for a side is decided there too.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>
#include <optional>
#include <string_view>
#include <vector>

#include "latency/shared_gate.h"
#include "latency/shared_lane.h"

namespace latencykit {

struct RingShape {
  std::uint64_t capacity;  // Records for each lane.
  std::uint64_t record_bytes;
  std::uint64_t lanes;

  static constexpr std::uint64_t kMostCapacity = std::uint64_t{1} << 32;
  static constexpr std::uint64_t kMostRecordBytes = std::uint64_t{1} << 20;
  static constexpr std::uint64_t kMostLanes = 64;

  bool possible() const {
    return capacity >= 1 && capacity <= kMostCapacity && record_bytes >= 1 && record_bytes <= kMostRecordBytes &&
           lanes >= 1 && lanes <= kMostLanes;
  }
};

// Who holds a side, for messages, and how often somebody began to, by which others notice that somebody was there.
struct RingSide {
  std::atomic<std::uint64_t> holder{0};  // A process number; 0 after an orderly end.
  std::atomic<std::uint64_t> begun{0};
};

struct RingHeader {
  static constexpr std::uint64_t kMagic = 0x676e'6952'6b4c'0001;
  static constexpr std::uint64_t kSwappedMagic = 0x0100'4c6b'5269'6e67;
  static constexpr std::uint32_t kVersion = 1;

  std::atomic<std::uint64_t> magic{0};  // Stored last.
  std::uint32_t version = 0;
  std::uint32_t header_bytes = 0;
  RingShape shape{};
  std::uint64_t text_bytes = 0;
  std::uint64_t checksum = 0;  // Of all that stands above, and of the text.
  RingSide consumer;
  SharedGate<> filled;  // The consumer sleeps here.
  SharedGate<> freed;   // Producers sleep here.
};

struct RingLane {
  LanePositions<> positions;
  alignas(kApart) RingSide producer;
};

// The parts of a block, found once and kept in private memory.
class RingBlock {
 public:
  enum class Fault { kNone, kForeign, kOtherByteOrder, kOtherVersion, kCutShort, kDamaged };

  static constexpr std::uint64_t kLongestText = 1 << 16;

  static std::uint64_t bytes_for(const RingShape& shape, std::uint64_t text_bytes) {
    return records_at(shape, text_bytes) + shape.lanes * lane_bytes(shape);
  }

  // Makes a ring of memory that reads as zero, starts at a page, and has bytes_for() of it.
  static RingBlock format(void* memory, const RingShape& shape, std::string_view text) {
    auto* header = ::new (memory) RingHeader;
    for (std::uint64_t i = 0; i < shape.lanes; ++i) ::new (lanes_of(memory) + i) RingLane;
    std::memcpy(text_of(memory, shape), text.data(), text.size());
    header->version = RingHeader::kVersion;
    header->header_bytes = sizeof(RingHeader);
    header->shape = shape;
    header->text_bytes = text.size();
    header->checksum = checksum(shape, text);
    header->magic.store(RingHeader::kMagic, std::memory_order_release);
    return RingBlock(memory, shape, text);
  }

  // Reads what may be anything, of so many bytes. Nothing is read twice: it may change meanwhile.
  static Fault check(void* memory, std::uint64_t bytes, std::optional<RingBlock>* found) {
    if (bytes < sizeof(RingHeader)) return Fault::kForeign;
    const auto* header = static_cast<const RingHeader*>(memory);
    const std::uint64_t magic = header->magic.load(std::memory_order_acquire);
    if (magic == RingHeader::kSwappedMagic) return Fault::kOtherByteOrder;
    if (magic != RingHeader::kMagic) return Fault::kForeign;
    if (header->version != RingHeader::kVersion || header->header_bytes != sizeof(RingHeader)) {
      return Fault::kOtherVersion;
    }
    const RingShape shape = header->shape;
    const std::uint64_t text_bytes = header->text_bytes;
    if (!shape.possible() || text_bytes > kLongestText) return Fault::kDamaged;
    if (bytes < bytes_for(shape, text_bytes)) return Fault::kCutShort;
    const std::string_view text(text_of(memory, shape), text_bytes);
    if (header->checksum != checksum(shape, text)) return Fault::kDamaged;
    found->emplace(RingBlock(memory, shape, text));
    return Fault::kNone;
  }

  const RingShape& shape() const { return shape_; }
  std::string_view text() const { return text_; }
  RingHeader& header() const { return *static_cast<RingHeader*>(memory_); }
  RingLane& lane(std::uint64_t number) const { return lanes_of(memory_)[number]; }

  // How many records there were in all lanes at about now.
  std::uint64_t size() const {
    std::uint64_t records = 0;
    for (std::uint64_t i = 0; i < shape_.lanes; ++i) records += lane(i).positions.size(shape_.capacity);
    return records;
  }

  void write(std::uint64_t lane, std::uint64_t position, const std::byte* records, std::uint64_t count) const {
    each_piece(lane, position, count, [&](std::byte* slots, std::uint64_t done, std::uint64_t bytes) {
      std::memcpy(slots, records + done, bytes);
    });
  }
  void read(std::uint64_t lane, std::uint64_t position, std::byte* records, std::uint64_t count) const {
    each_piece(lane, position, count, [&](const std::byte* slots, std::uint64_t done, std::uint64_t bytes) {
      std::memcpy(records + done, slots, bytes);
    });
  }

 private:
  RingBlock(void* memory, const RingShape& shape, std::string_view text)
      : memory_(memory),
        shape_(shape),
        text_(text),
        mask_(std::bit_ceil(shape.capacity) - 1),
        lane_bytes_(lane_bytes(shape)),
        records_(static_cast<std::byte*>(memory) + records_at(shape, text.size())) {}

  static std::uint64_t apart(std::uint64_t bytes) { return (bytes + kApart - 1) / kApart * kApart; }
  static std::uint64_t lane_bytes(const RingShape& shape) {
    return apart(std::bit_ceil(shape.capacity) * shape.record_bytes);
  }
  static std::uint64_t text_at(const RingShape& shape) { return sizeof(RingHeader) + shape.lanes * sizeof(RingLane); }
  static std::uint64_t records_at(const RingShape& shape, std::uint64_t text_bytes) {
    return apart(text_at(shape) + text_bytes);
  }
  static RingLane* lanes_of(void* memory) {
    return reinterpret_cast<RingLane*>(static_cast<std::byte*>(memory) + sizeof(RingHeader));
  }
  static char* text_of(void* memory, const RingShape& shape) { return static_cast<char*>(memory) + text_at(shape); }

  // FNV-1a, 64 bits (http://www.isthe.com/chongo/tech/comp/fnv/): against accidents, not against intent.
  static std::uint64_t checksum(const RingShape& shape, std::string_view text) {
    std::uint64_t sum = 0xcbf2'9ce4'8422'2325;
    const auto add = [&sum](const void* data, std::size_t bytes) {
      for (std::size_t i = 0; i < bytes; ++i) {
        sum = (sum ^ static_cast<const unsigned char*>(data)[i]) * 0x100'0000'01b3;
      }
    };
    add(&shape, sizeof shape);
    add(text.data(), text.size());
    return sum;
  }

  // Slots are in a circle, so records lie in up to two pieces.
  template <typename F>
  void each_piece(std::uint64_t lane, std::uint64_t position, std::uint64_t count, F f) const {
    std::byte* slots = records_ + lane * lane_bytes_;
    const std::uint64_t first = position & mask_;
    const std::uint64_t fitting = std::min(count, mask_ + 1 - first);
    f(slots + first * shape_.record_bytes, 0, fitting * shape_.record_bytes);
    if (fitting < count) f(slots, fitting * shape_.record_bytes, (count - fitting) * shape_.record_bytes);
  }

  void* memory_;
  RingShape shape_;
  std::string_view text_;  // In the block: whoever reads it must expect anything.
  std::uint64_t mask_;
  std::uint64_t lane_bytes_;
  std::byte* records_;
};

// Positions that a sleeper waits to see moved, as they were when last looked at.
class AwaitedPositions {
 public:
  using Word = LanePositions<>::Word;

  void add(const Word& word, std::uint64_t value) { awaited_[count_++] = {&word, value}; }

  bool moved() const {
    for (std::size_t i = 0; i < count_; ++i) {
      if (awaited_[i].word->load(std::memory_order_acquire) != awaited_[i].value) return true;
    }
    return false;
  }

 private:
  struct Awaited {
    const Word* word;
    std::uint64_t value;
  };
  std::array<Awaited, RingShape::kMostLanes> awaited_;
  std::size_t count_ = 0;
};

// One producer, in its lane. Methods throw RingDamaged.
class RingProducer {
 public:
  RingProducer(const RingBlock& block, std::uint64_t lane)
      : block_(block), number_(lane), lane_(&block.lane(lane).positions, block.shape().capacity) {}

  std::uint64_t lane() const { return number_; }

  // Pushes as many as fit; returns how many.
  std::uint64_t push(const std::byte* records, std::uint64_t count) {
    const std::uint64_t fitting = write(records, count);
    if (fitting > 0) publish(fitting);
    return fitting;
  }

  // The two halves of push(): whoever dies in between has pushed nothing.
  std::uint64_t write(const std::byte* records, std::uint64_t count) {
    const std::uint64_t fitting = lane_.room(count);
    if (fitting > 0) block_.write(number_, lane_.position(), records, fitting);
    return fitting;
  }
  void publish(std::uint64_t count) {
    lane_.publish(count);
    block_.header().filled.notify();
  }

  // What moves when there is more room.
  AwaitedPositions awaited() const {
    AwaitedPositions awaited;
    awaited.add(block_.lane(number_).positions.popped, lane_.seen());
    return awaited;
  }

 private:
  RingBlock block_;
  std::uint64_t number_;
  LaneProducer<> lane_;
};

// The consumer of all lanes. Methods throw RingDamaged.
class RingConsumer {
 public:
  explicit RingConsumer(const RingBlock& block) : block_(block) {
    for (std::uint64_t i = 0; i < block.shape().lanes; ++i) {
      lanes_.emplace_back(&block.lane(i).positions, block.shape().capacity);
    }
  }

  // How many records, at most `most`, are there to be taken.
  std::uint64_t ready(std::uint64_t most) {
    std::uint64_t there = 0;
    for (std::size_t i = 0; i < lanes_.size() && there < most; ++i) there += lane(i).ready(most - there);
    if (there == 0 && untold_ > 0) tell();
    return there;
  }

  // Takes so many records out, of which ready() said that they are there. Lanes have their turns: the next call begins
  // with the lane after the last one of this call, so that a busy producer does not keep the others waiting.
  void take(std::byte* records, std::uint64_t count) {
    std::size_t used = 0;
    while (count > 0) {
      const std::size_t number = (turn_ + used++) % lanes_.size();
      LaneConsumer<>& from = lanes_[number];
      const std::uint64_t taken = std::min(from.known(), count);
      if (taken == 0) continue;
      block_.read(number, from.position(), records, taken);
      from.release(taken);
      untold_ += taken;
      records += taken * block_.shape().record_bytes;
      count -= taken;
    }
    turn_ = (turn_ + used) % lanes_.size();
    if (untold_ >= block_.shape().capacity / 2) tell();
  }

  // What moves when there are more records.
  AwaitedPositions awaited() const {
    AwaitedPositions awaited;
    for (std::size_t i = 0; i < lanes_.size(); ++i) awaited.add(block_.lane(i).positions.pushed, lanes_[i].seen());
    return awaited;
  }

 private:
  void tell() {
    untold_ = 0;
    block_.header().freed.notify();
  }

  LaneConsumer<>& lane(std::size_t behind_turn) { return lanes_[(turn_ + behind_turn) % lanes_.size()]; }

  RingBlock block_;
  std::vector<LaneConsumer<>> lanes_;
  std::size_t turn_ = 0;
  std::uint64_t untold_ = 0;  // Records taken since producers were last notified.
};

}  // namespace latencykit
