// A log-linear histogram of non-negative integers, bucket for bucket that of HdrHistogram
// (http://hdrhistogram.org; layout and V2 count encoding as in its Java, C and Python editions).
//
// Precision: values below 2 * 10^digits (in units of `lowest`, rounded down to a power of two) are exact;
//   above, a value is known to one part in 10^digits.
// Cost: record() is a count of leading zeros, a shift and two increments, with no search and no allocation.
// Memory: one array of 64-bit counts, allocated once (270 kB for 1 ns to 1 h at 3 digits). calloc gives
//   pages lazily, so the first record into a page pays a page fault; nothing moves or grows afterwards.
// Full range: a value above `highest` is counted as `highest` and in saturated(); nothing is dropped.
// Totals: bulk additions are refused beyond 2^62 in all, so that single records, which are not checked,
//   cannot overflow a 64-bit count in the life of a machine.
// Threads: one writer; readers only while nobody writes, but for since(), which may run beside a writer that
//   records or merges. For its sake counts are written by relaxed atomic stores, which cost what plain ones do.
// Derived figures (min, max, mean, percentiles) come from the counts alone, so that they are the same before
//   and after encoding. As in HdrHistogram, min is the lowest and max the highest value of its bucket.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <utility>

namespace latencykit {

class Histogram {
 public:
  static constexpr int64_t kDefaultLowest = 1;
  static constexpr int64_t kDefaultHighest = 3'600'000'000'000;
  static constexpr int64_t kDefaultDigits = 3;
  static constexpr uint64_t kMaxTotal = uint64_t{1} << 62;
  // The longest count in ZigZag LEB128: eight bytes of 7 bits and one of 8.
  static constexpr size_t kMaxBytesPerCount = 9;

  enum class DecodeResult { ok, cut_off, beyond_last_bucket, too_many };

  struct Bucket {
    uint64_t lowest;
    uint64_t width;
    uint64_t count;
    uint64_t highest() const { return lowest + width - 1; }
    uint64_t middle() const { return lowest + (width >> 1); }
  };

  // Throws std::invalid_argument with a sentence for the user, or std::bad_alloc.
  explicit Histogram(int64_t lowest = kDefaultLowest, int64_t highest = kDefaultHighest,
                     int64_t digits = kDefaultDigits)
      : highest_(static_cast<uint64_t>(highest)), digits_(digits), lowest_(lowest) {
    require(digits >= 1 && digits <= 5, "digits is ", digits, ", which is not in 1..5");
    require(lowest >= 1, "lowest is ", lowest, ", which is not at least 1");
    require(highest >= lowest && highest - lowest >= lowest, "highest is ", highest,
            ", which is not at least twice lowest");
    unit_magnitude_ = static_cast<uint32_t>(std::bit_width(static_cast<uint64_t>(lowest))) - 1;
    const uint64_t exact_to = 2 * power_of_ten(digits);
    half_magnitude_ = static_cast<uint32_t>(std::bit_width(exact_to - 1)) - 1;
    require(unit_magnitude_ + half_magnitude_ <= 61, "lowest is ", lowest, ", too large for so many digits in 63 bits");
    mask_ = ((uint64_t{2} << half_magnitude_) - 1) << unit_magnitude_;
    leading_zeros_of_mask_ = static_cast<uint32_t>(std::countl_zero(mask_));
    length_ = (buckets_needed() + 1) << half_magnitude_;
    counts_ = allocate(length_);
  }

  Histogram(Histogram&&) noexcept = default;
  Histogram& operator=(Histogram&&) noexcept = default;

  Histogram copy() const {
    Histogram twin(lowest_, static_cast<int64_t>(highest_), digits_);
    std::memcpy(twin.counts_.get(), counts_.get(), used_length() * sizeof(uint64_t));
    twin.total_ = total_;
    twin.saturated_ = saturated_;
    return twin;
  }

  int64_t lowest() const { return lowest_; }
  int64_t highest() const { return static_cast<int64_t>(highest_); }
  int64_t digits() const { return digits_; }
  uint64_t count() const { return total_; }
  uint64_t saturated() const { return saturated_; }
  size_t length() const { return length_; }

  // The position of a value's count. Precondition: value <= highest(), or within the last bucket.
  size_t index_of(uint64_t value) const {
    const uint32_t shift =
        leading_zeros_of_mask_ - static_cast<uint32_t>(std::countl_zero(value | mask_)) + unit_magnitude_;
    const size_t bucket = shift - unit_magnitude_;
    return (bucket << half_magnitude_) + static_cast<size_t>(value >> shift);
  }

  Bucket bucket_at(size_t index) const {
    const size_t row = index >> half_magnitude_;
    const uint32_t bucket = row == 0 ? 0 : static_cast<uint32_t>(row - 1);
    const uint64_t position = index - (static_cast<size_t>(bucket) << half_magnitude_);
    const uint32_t shift = bucket + unit_magnitude_;
    return {position << shift, uint64_t{1} << shift, counts_[index]};
  }

  void record(uint64_t value) {
    if (value > highest_) [[unlikely]] {
      value = highest_;
      increase(saturated_, 1);
    }
    increase(counts_[index_of(value)], 1);
    ++total_;
  }

  bool has_room_for(uint64_t count) const { return total_ <= kMaxTotal && count <= kMaxTotal - total_; }

  // False, and nothing recorded, when the total would pass kMaxTotal.
  bool record_n(uint64_t value, uint64_t count) {
    if (!has_room_for(count)) return false;
    add(value, count);
    return true;
  }

  // HdrHistogram's correction of coordinated omission (Java recordValueWithExpectedInterval, C
  // hdr_record_corrected_value): the value, and for a stall the values that callers waiting in line behind it
  // at the expected interval would have seen: value - i, value - 2i, ... down to i. An interval of 0 corrects
  // nothing. The work is bounded by the number of buckets, whatever the interval. False as for record_n.
  bool record_corrected(uint64_t value, uint64_t expected_interval) {
    const uint64_t missing = expected_interval == 0 || value <= expected_interval ? 0 : value / expected_interval - 1;
    if (!has_room_for(missing + 1)) return false;
    add(value, 1);
    if (missing == 0) return true;
    // Upwards from the smallest, all that fall into one bucket at a time.
    uint64_t remaining = missing;
    uint64_t smallest = value - missing * expected_interval;
    while (remaining > 0) {
      uint64_t together = remaining;
      if (smallest <= highest_) {
        const uint64_t top = std::min(bucket_at(index_of(smallest)).highest(), highest_);
        together = std::min(remaining, (top - smallest) / expected_interval + 1);
      }
      add(smallest, together);
      remaining -= together;
      smallest += together * expected_interval;
    }
    return true;
  }

  // Adds the other's counts. Of another layout, each of its buckets is recorded at its lowest value, as
  // HdrHistogram does; what lies above our highest is saturated. False, and nothing added, as for record_n.
  bool merge(const Histogram& other) {
    if (!has_room_for(other.total_)) return false;
    const uint64_t others_total = other.total_, others_saturated = other.saturated_;
    const size_t used = other.used_length();
    if (same_layout(other)) {
      for (size_t i = 0; i < used; ++i) {
        if (other.counts_[i] != 0) increase(counts_[i], other.counts_[i]);
      }
      total_ += others_total;
    } else {
      for (size_t i = 0; i < used; ++i) {
        if (other.counts_[i] != 0) add(other.bucket_at(i).lowest, other.counts_[i]);
      }
    }
    increase(saturated_, others_saturated);
    return true;
  }

  // What was recorded since the last call with the same `seen`, which begins as an empty histogram and then
  // holds what earlier calls gave out. Each count is read once: a value that is recorded meanwhile is in this
  // answer or in the next, in exactly one of them, so that all answers add up to what was recorded.
  // The writer is not stopped and need not know; nothing may reset or decode into this histogram meanwhile.
  // Precondition: the same layout.
  Histogram since(Histogram& seen) const {
    Histogram recent(lowest_, static_cast<int64_t>(highest_), digits_);
    for (size_t i = 0; i < length_; ++i) {
      const uint64_t now = read(counts_[i]);
      const uint64_t added = now - seen.counts_[i];
      if (added == 0) continue;  // Pages that were never written stay unwritten here too.
      recent.counts_[i] = added;
      recent.total_ += added;
      seen.counts_[i] = now;
    }
    seen.total_ += recent.total_;
    const uint64_t saturated = read(saturated_);
    recent.saturated_ = saturated - seen.saturated_;
    seen.saturated_ = saturated;
    return recent;
  }

  void reset() {
    std::memset(counts_.get(), 0, length_ * sizeof(uint64_t));
    total_ = saturated_ = 0;
  }

  bool same_layout(const Histogram& other) const {
    return lowest_ == other.lowest_ && highest_ == other.highest_ && digits_ == other.digits_;
  }

  // Equal in layout and counts. saturated() is left out: the V2 encoding does not carry it, and a histogram
  // should equal its own decoded copy.
  bool operator==(const Histogram& other) const {
    return same_layout(other) && total_ == other.total_ &&
           std::equal(counts_.get(), counts_.get() + length_, other.counts_.get());
  }

  // The four below: precondition count() > 0.
  uint64_t min() const { return bucket_at(first_used()).lowest; }
  uint64_t max() const { return bucket_at(used_length() - 1).highest(); }

  // The mean of the buckets' middles: exact integer sum, one rounding to double, one division.
  double mean() const {
    unsigned_128 sum = 0;
    for_each([&](const Bucket& bucket) { sum += unsigned_128{bucket.middle()} * bucket.count; });
    return static_cast<double>(sum) / static_cast<double>(total_);
  }

  // Of the population, around mean(), from the buckets' middles.
  double stddev() const {
    const double centre = mean();
    double squares = 0;
    for_each([&](const Bucket& bucket) {
      const double deviation = static_cast<double>(bucket.middle()) - centre;
      squares += deviation * deviation * static_cast<double>(bucket.count);
    });
    return std::sqrt(squares / static_cast<double>(total_));
  }

  // The highest value of the bucket that holds the rank-th smallest value. Precondition: 1 <= rank <= count().
  uint64_t value_at_rank(uint64_t rank) const { return bucket_of_rank(rank).highest(); }

  // HdrHistogram's valueAtPercentile: the rank is percentile/100 of the count, rounded half up, at least 1;
  // the answer is the highest value of the bucket that holds it, but the lowest for percentile 0.
  // Precondition: 0 <= percentile <= 100, count() > 0.
  uint64_t value_at_percentile(double percentile) const {
    const double exact_rank = percentile * static_cast<double>(total_) / 100.0;
    const auto rounded = static_cast<uint64_t>(exact_rank + 0.5);
    const Bucket bucket = bucket_of_rank(std::clamp<uint64_t>(rounded, 1, total_));
    return percentile == 0 ? bucket.lowest : bucket.highest();
  }

  // Calls f(Bucket) for each bucket with a count, upwards.
  template <typename F>
  void for_each(F f) const {
    for (size_t i = 0, used = used_length(); i < used; ++i) {
      if (counts_[i] != 0) f(bucket_at(i));
    }
  }

  // Positions up to and with the last one that has a count.
  size_t used_length() const {
    if (total_ == 0) return 0;
    size_t used = length_;
    while (used > 0 && counts_[used - 1] == 0) --used;
    return used;
  }

  // The counts in the V2 format: each a ZigZag LEB128 integer, a run of k zeros as -k, nothing after the last
  // count. Writes at most used_length() * kMaxBytesPerCount bytes, returns how many.
  size_t encode_counts(uint8_t* out) const {
    uint8_t* const start = out;
    for (size_t i = 0, used = used_length(); i < used;) {
      if (counts_[i] != 0) {
        out = write_leb128(out, counts_[i++] << 1);
        continue;
      }
      uint64_t zeros = 0;
      for (; counts_[i] == 0; ++i) ++zeros;  // Ends: the last used position has a count.
      out = write_leb128(out, (zeros << 1) - 1);
    }
    return static_cast<size_t>(out - start);
  }

  // Replaces the counts by those of an encoding; saturated() becomes 0. On anything but ok the histogram is
  // left as it was. Reads only within [data, data + size).
  DecodeResult decode_counts(const uint8_t* data, size_t size) {
    Counts fresh = allocate(length_);
    const uint8_t* const end = data + size;
    uint64_t total = 0;
    size_t index = 0;
    while (data != end) {
      uint64_t word = 0;
      data = read_leb128(data, end, &word);
      if (data == nullptr) return DecodeResult::cut_off;
      if ((word & 1) != 0) {
        const uint64_t zeros = (word >> 1) + 1;
        if (zeros > length_ - index) return DecodeResult::beyond_last_bucket;
        index += static_cast<size_t>(zeros);
        continue;
      }
      const uint64_t count = word >> 1;
      if (index == length_) return DecodeResult::beyond_last_bucket;
      if (count > kMaxTotal - total) return DecodeResult::too_many;
      fresh[index++] = count;
      total += count;
    }
    counts_ = std::move(fresh);
    total_ = total;
    saturated_ = 0;
    return DecodeResult::ok;
  }

 private:
  __extension__ typedef unsigned __int128 unsigned_128;

  struct Free {
    void operator()(uint64_t* counts) const { std::free(counts); }
  };
  using Counts = std::unique_ptr<uint64_t[], Free>;

  // Only the writer writes, so that its own read needs no order. Builtins, because std::atomic_ref is missing
  // from some standard libraries of C++20.
  static void increase(uint64_t& counter, uint64_t by) { __atomic_store_n(&counter, counter + by, __ATOMIC_RELAXED); }
  static uint64_t read(const uint64_t& counter) { return __atomic_load_n(&counter, __ATOMIC_RELAXED); }

  static Counts allocate(size_t length) {
    Counts counts(static_cast<uint64_t*>(std::calloc(length, sizeof(uint64_t))));
    if (counts == nullptr) throw std::bad_alloc();
    return counts;
  }

  static void require(bool good, const char* what, int64_t value, const char* why) {
    if (!good) throw std::invalid_argument(what + std::to_string(value) + why);
  }

  static constexpr uint64_t power_of_ten(int64_t digits) {
    uint64_t power = 1;
    for (int64_t i = 0; i < digits; ++i) power *= 10;
    return power;
  }

  // Each bucket doubles the range. 64-bit arithmetic suffices: the range starts below 2^63 and the loop ends
  // when it has passed highest, which is below 2^63 too.
  size_t buckets_needed() const {
    size_t buckets = 1;
    for (uint64_t end = uint64_t{2} << (half_magnitude_ + unit_magnitude_); end <= highest_; end <<= 1) ++buckets;
    return buckets;
  }

  void add(uint64_t value, uint64_t count) {
    if (value > highest_) {
      value = highest_;
      increase(saturated_, count);
    }
    increase(counts_[index_of(value)], count);
    total_ += count;
  }

  size_t first_used() const {
    size_t i = 0;
    while (counts_[i] == 0) ++i;
    return i;
  }

  Bucket bucket_of_rank(uint64_t rank) const {
    uint64_t seen = 0;
    size_t i = 0;
    while ((seen += counts_[i]) < rank) ++i;
    return bucket_at(i);
  }

  static uint8_t* write_leb128(uint8_t* out, uint64_t word) {
    for (size_t i = 1; i < kMaxBytesPerCount && word > 0x7f; ++i) {
      *out++ = static_cast<uint8_t>(word | 0x80);
      word >>= 7;
    }
    *out++ = static_cast<uint8_t>(word);  // The ninth byte holds eight bits.
    return out;
  }

  static const uint8_t* read_leb128(const uint8_t* in, const uint8_t* end, uint64_t* word) {
    for (uint32_t shift = 0; shift < 56; shift += 7) {
      if (in == end) return nullptr;
      const uint64_t byte = *in++;
      *word |= (byte & 0x7f) << shift;
      if (byte < 0x80) return in;
    }
    if (in == end) return nullptr;
    *word |= uint64_t{*in} << 56;
    return in + 1;
  }

  // What record() touches comes first, together.
  uint64_t mask_ = 0;
  uint64_t highest_;
  uint64_t total_ = 0;
  uint32_t leading_zeros_of_mask_ = 0;
  uint32_t unit_magnitude_ = 0;
  Counts counts_;
  uint32_t half_magnitude_ = 0;
  uint64_t saturated_ = 0;
  int64_t digits_;
  int64_t lowest_;
  size_t length_ = 0;
};

// Durations of a measuring loop, in bulk. In two passes, so that a bad value leaves the histogram untouched:
// the first finds it, the second records. Every value is brought into range again in the second, because the
// caller's array may be written by another thread in between and an index must never leave the counts.

// A value as whole nanoseconds: halves to even, as Python's round(); what exceeds 64 bits saturates.
inline uint64_t whole_ns(double ns) {
  const double rounded = std::nearbyint(ns);
  if (!(rounded > 0)) return 0;
  return rounded < 0x1p64 ? static_cast<uint64_t>(rounded) : UINT64_MAX;
}
inline uint64_t whole_ns(int64_t ns) { return ns < 0 ? 0 : static_cast<uint64_t>(ns); }
inline uint64_t whole_ns(uint64_t ns) { return ns; }

inline bool is_duration(double ns) { return std::isfinite(ns) && ns >= 0; }
inline bool is_duration(int64_t ns) { return ns >= 0; }
inline bool is_duration(uint64_t) { return true; }

// The position of the first value that is negative or not finite, or `size`.
template <typename T>
size_t first_bad_duration(const T* values, size_t size) {
  return static_cast<size_t>(std::find_if_not(values, values + size, [](T v) { return is_duration(v); }) - values);
}

// Precondition of both: histogram.has_room_for(size).
template <typename T>
void record_all(Histogram& histogram, const T* values, size_t size) {
  for (size_t i = 0; i < size; ++i) histogram.record(whole_ns(values[i]));
}

inline uint64_t ticks_as_ns(uint64_t ticks, double ns_per_tick) {
  return whole_ns(static_cast<double>(ticks) * ns_per_tick);
}

inline void record_all_ticks(Histogram& histogram, const uint64_t* ticks, size_t size, double ns_per_tick) {
  for (size_t i = 0; i < size; ++i) histogram.record(ticks_as_ns(ticks[i], ns_per_tick));
}

}  // namespace latencykit
