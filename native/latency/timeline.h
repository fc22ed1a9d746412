// The way from a counter's ticks to nanoseconds: straight pieces that meet, replaced while others read.
//
// Promises:
// - Time never goes backwards: of two readers that turn ticks a <= b into time, the one with b gets at least as
//   much, whatever change of rate comes before, between or after. Pieces meet exactly where one follows the other.
// - A change is published before it takes effect: the pieces agree with those that they replace up to a tick that
//   is `margin` ahead of the counter. A reader may therefore load the pieces after its ticks, or up to the margin
//   before them, and need not look whether they have changed since. What a processor reorders is bounded by what it
//   has in flight, nanoseconds to a few microseconds, and an interruption discards it.
// - Readers take a sequence lock, so that they see the pieces of one change and not of two: no writer waits for a
//   reader, a reader retries while a writer publishes. The fields are atomics loaded with acquire, because the
//   sequence is looked at again after them, and stored with release, because it turned odd before them.
// - A timeline knows the time back to the start of its oldest piece, which is in the past of every counter that is
//   read after the change was published. Older ticks (of a reader that was stopped between its counter and its
//   loads, while changes went by) have no answer: read the counter again.
// - Durations are not steered: elapsed_ns() uses the rate as it was last measured.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <cstdint>

namespace latencykit {

class Timeline {
 public:
  // Rates are nanoseconds per tick in 32.32 fixed point.
  static constexpr uint64_t kUnit = uint64_t{1} << 32;
  // The most by which a rate is steered, as the kernel's own clock discipline: intervals stay true.
  static constexpr double kMostSteer = 500e-6;
  // An offset small enough for that is steered away in so many nanoseconds.
  static constexpr double kSteerNs = 1e9;
  // A larger one takes longer; what is left after so long, eleven days, stays.
  static constexpr double kLongestSteerNs = 1e15;

  struct Piece {
    uint64_t ticks, ns, rate;
    uint64_t ns_at(uint64_t now) const { return ns + scaled(now - ticks, rate); }
  };

  explicit Timeline(const Piece& first) : measured_rate_(first.rate) { store({first, first, first}); }

  // The time at these ticks; false if they are older than what the timeline still knows.
  bool ns_at(uint64_t ticks, uint64_t* ns) const {
    for (;;) {
      const uint64_t before = sequence_.load(std::memory_order_acquire);
      const bool known = look_up(ticks, ns);
      if (before == sequence_.load(std::memory_order_relaxed) && before % 2 == 0) [[likely]]
        return known;
    }
  }

  // The length of an interval in whole nanoseconds, to the nearest; 0 for one that ends before it begins, and the
  // largest number for one that is longer.
  uint64_t elapsed_ns(uint64_t begin, uint64_t end) const {
    const uint64_t ticks = end > begin ? end - begin : 0;
    const unsigned __int128 ns =
        (static_cast<unsigned __int128>(ticks) * measured_rate_.load(std::memory_order_relaxed) + kUnit / 2) >> 32;
    return ns > UINT64_MAX ? UINT64_MAX : static_cast<uint64_t>(ns);
  }

  uint64_t measured_rate() const { return measured_rate_.load(std::memory_order_relaxed); }

  // Steers towards a true clock, which showed `truth.ns` at `truth.ticks` and runs at `truth.rate`, until the two
  // agree. `counter()` reads the ticks, not before the loads ahead of it. One writer at a time. False, and nothing
  // changed, if another change takes effect within the margin: that one was asked for just before, or ends a
  // steered piece.
  template <typename Counter>
  bool steer(const Piece& truth, uint64_t margin, Counter counter) {
    // A full barrier on x86-64. Readers that loaded the pieces before it have read their ticks, but for the margin.
    sequence_.fetch_add(1, std::memory_order_seq_cst);
    const uint64_t now = counter();
    const uint64_t from = now + margin;
    const Piece current = piece_at(from);
    const bool settled = current.ticks <= now;
    if (settled) {
      const auto [steered, after] = steered_pieces(truth, {from, current.ns_at(from), truth.rate});
      store({current, steered, after});
      measured_rate_.store(truth.rate, std::memory_order_release);
    }
    sequence_.fetch_add(1, std::memory_order_release);
    return settled;
  }

  // Starts anew at `start`, if the counter is behind all that the timeline knows: it was set back, as when a machine
  // that slept or moved has another. What readers got before `start` is not known here, so that time goes on from
  // it as it is. One writer at a time. False, and nothing changed, if the counter is not behind.
  template <typename Counter>
  bool restart(const Piece& start, Counter counter) {
    sequence_.fetch_add(1, std::memory_order_seq_cst);
    const bool behind = counter() < newest_first_.back().ticks.load(std::memory_order_relaxed);
    if (behind) store({start, start, start});
    sequence_.fetch_add(1, std::memory_order_release);
    return behind;
  }

 private:
  // From the oldest to the newest; each holds from its own ticks on.
  using Pieces = std::array<Piece, 3>;
  struct AtomicPiece {
    std::atomic<uint64_t> ticks{0}, ns{0}, rate{kUnit};
  };

  static uint64_t scaled(uint64_t ticks, uint64_t rate) {
    return static_cast<uint64_t>((static_cast<unsigned __int128>(ticks) * rate) >> 32);
  }

  // A piece that closes the gap to the truth, and the truth's rate after it.
  static std::array<Piece, 2> steered_pieces(const Piece& truth, const Piece& from) {
    const auto offset = static_cast<double>(static_cast<int64_t>(truth.ns_at(from.ticks) - from.ns));
    const double steer = std::clamp(offset / kSteerNs, -kMostSteer, kMostSteer);
    const double length_ns = steer == 0 ? kSteerNs : std::min(offset / steer, kLongestSteerNs);
    const Piece steered{from.ticks, from.ns, scaled_rate(from.rate, 1 + steer)};
    const uint64_t end =
        from.ticks + static_cast<uint64_t>(length_ns * static_cast<double>(kUnit) / static_cast<double>(from.rate));
    return {steered, {end, steered.ns_at(end), from.rate}};
  }

  static uint64_t scaled_rate(uint64_t rate, double factor) {
    return static_cast<uint64_t>(std::llround(static_cast<double>(rate) * factor));
  }

  static Piece load(const AtomicPiece& piece) {
    return {piece.ticks.load(std::memory_order_acquire), piece.ns.load(std::memory_order_acquire),
            piece.rate.load(std::memory_order_acquire)};
  }

  bool look_up(uint64_t ticks, uint64_t* ns) const {
    for (const AtomicPiece& piece : newest_first_) {
      if (ticks < piece.ticks.load(std::memory_order_acquire)) [[unlikely]]
        continue;
      *ns = load(piece).ns_at(ticks);
      return true;
    }
    return false;
  }

  Piece piece_at(uint64_t ticks) const {
    for (const AtomicPiece& piece : newest_first_) {
      if (ticks >= piece.ticks.load(std::memory_order_acquire)) return load(piece);
    }
    return load(newest_first_.back());
  }

  void store(const Pieces& pieces) {
    for (size_t i = 0; i < pieces.size(); ++i) {
      AtomicPiece& slot = newest_first_[pieces.size() - 1 - i];
      slot.ticks.store(pieces[i].ticks, std::memory_order_release);
      slot.ns.store(pieces[i].ns, std::memory_order_release);
      slot.rate.store(pieces[i].rate, std::memory_order_release);
    }
  }

  // What a reader needs while nothing is steered lies in the first cache line.
  alignas(64) std::atomic<uint64_t> sequence_{0};
  std::atomic<uint64_t> measured_rate_;
  std::array<AtomicPiece, 3> newest_first_;
};

}  // namespace latencykit
