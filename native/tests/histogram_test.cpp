#include "latency/histogram.h"

#include <atomic>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <thread>
#include <vector>

#include "tests/check.h"

using latencykit::Histogram;

namespace {

// A small linear congruential generator: the same values in every run.
struct Random {
  uint64_t state = 42;
  uint64_t next() { return state = state * 6364136223846793005u + 1442695040888963407u, state >> 11; }
  uint64_t below(uint64_t n) { return next() % n; }
};

bool refuses(int64_t lowest, int64_t highest, int64_t digits) {
  try {
    Histogram histogram(lowest, highest, digits);
    return false;
  } catch (const std::invalid_argument&) {
    return true;
  }
}

// Every bucket follows the one before without a gap, and both ends of it lead back to it.
void buckets_partition_the_range(int64_t lowest, int64_t highest, int64_t digits) {
  const Histogram histogram(lowest, highest, digits);
  uint64_t expected = 0;
  for (size_t i = 0; i < histogram.length(); ++i) {
    const Histogram::Bucket bucket = histogram.bucket_at(i);
    CHECK(bucket.lowest == expected);
    CHECK(histogram.index_of(bucket.lowest) == i);
    CHECK(histogram.index_of(bucket.highest()) == i);
    expected = bucket.lowest + bucket.width;
  }
  CHECK(expected > static_cast<uint64_t>(highest));
}

void layouts() {
  CHECK(Histogram().length() == 33792);
  buckets_partition_the_range(1, 3'600'000'000'000, 3);
  buckets_partition_the_range(1, 2, 1);
  buckets_partition_the_range(1000, 1'000'000, 2);
  buckets_partition_the_range(7, std::numeric_limits<int64_t>::max(), 4);
  CHECK(refuses(0, 10, 3));
  CHECK(refuses(1, 1, 3));
  CHECK(refuses(1, 10, 0));
  CHECK(refuses(1, 10, 6));
  CHECK(refuses(int64_t{1} << 61, std::numeric_limits<int64_t>::max(), 3));
  CHECK(refuses(1, std::numeric_limits<int64_t>::min(), 3));
}

void precision() {
  Random random;
  const Histogram histogram;
  for (int i = 0; i < 100'000; ++i) {
    const uint64_t value = random.next() % (uint64_t{1} << random.below(42)) % 3'600'000'000'001;
    const Histogram::Bucket bucket = histogram.bucket_at(histogram.index_of(value));
    CHECK(bucket.lowest <= value && value <= bucket.highest());
    CHECK(value < 2048 ? bucket.width == 1 : bucket.width * 1000 <= value);
  }
}

void saturation() {
  Histogram histogram(1, 1000, 3);
  for (uint64_t value : {uint64_t{1000}, uint64_t{1001}, UINT64_MAX}) histogram.record(value);
  CHECK(histogram.count() == 3 && histogram.saturated() == 2 && histogram.max() == 1000);
}

void correction_equals_its_loop() {
  Random random;
  for (int i = 0; i < 2000; ++i) {
    const uint64_t value = random.below(300'000), interval = random.below(3000);
    Histogram fast(1, 100'000, 2), slow(1, 100'000, 2);
    CHECK(fast.record_corrected(value, interval));
    slow.record(value);
    if (interval > 0 && value > interval) {
      for (uint64_t missing = value - interval; missing >= interval; missing -= interval) slow.record(missing);
    }
    CHECK(fast == slow && fast.saturated() == slow.saturated());
  }
  Histogram full;
  CHECK(full.record_n(1, Histogram::kMaxTotal));
  CHECK(!full.record_corrected(UINT64_MAX, 1));
  CHECK(!full.record_n(1, 1));
  CHECK(full.count() == Histogram::kMaxTotal);
}

std::vector<uint8_t> encoded(const Histogram& histogram) {
  std::vector<uint8_t> bytes(histogram.used_length() * Histogram::kMaxBytesPerCount);
  bytes.resize(histogram.encode_counts(bytes.data()));
  return bytes;
}

void counts_survive_encoding() {
  Random random;
  for (uint32_t bits = 0; bits <= 62; ++bits) {
    Histogram histogram, again;
    CHECK(histogram.record_n(random.below(5000), (uint64_t{1} << bits) - (bits == 62 ? 10 : 0)));
    histogram.record(random.below(3'600'000'000'000));
    const std::vector<uint8_t> bytes = encoded(histogram);
    CHECK(again.decode_counts(bytes.data(), bytes.size()) == Histogram::DecodeResult::ok);
    CHECK(again == histogram);
  }
}

Histogram::DecodeResult decode(const std::vector<uint8_t>& bytes) {
  Histogram histogram(1, 1000, 1);
  return histogram.decode_counts(bytes.data(), bytes.size());
}

void each_kind_of_damage_has_its_name() {
  using Result = Histogram::DecodeResult;
  const size_t length = Histogram(1, 1000, 1).length();
  CHECK(length == 112);
  CHECK(decode({}) == Result::ok);
  CHECK(decode(std::vector<uint8_t>(length, 2)) == Result::ok);
  CHECK(decode(std::vector<uint8_t>(length + 1, 2)) == Result::beyond_last_bucket);
  CHECK(decode({0xdf, 0x01}) == Result::ok);                     // -112: all zeros, and nothing after.
  CHECK(decode({0xe1, 0x01}) == Result::beyond_last_bucket);     // -113.
  CHECK(decode({0xdf, 0x01, 2}) == Result::beyond_last_bucket);  // -112, then a count.
  CHECK(decode({2, 0x80}) == Result::cut_off);
  CHECK(decode({0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}) == Result::cut_off);
  // 2^61 is nine bytes, and two of them are all that is allowed.
  std::vector<uint8_t> too_many = {0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x40,
                                   0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x40};
  CHECK(decode(too_many) == Result::ok);
  too_many.push_back(2);
  CHECK(decode(too_many) == Result::too_many);
}

// Heap copies of the exact size, so that a sanitizer sees any read past the end.
void damaged_counts_are_refused_without_effect() {
  Random random;
  Histogram full(1, 100'000, 2);
  for (int i = 0; i < 300; ++i) full.record_n(random.below(100'000), random.next() & 0xffffff);
  const std::vector<uint8_t> good = encoded(full);
  for (int i = 0; i < 20'000; ++i) {
    std::vector<uint8_t> bad(good.begin(), good.begin() + static_cast<long>(random.below(good.size() + 1)));
    for (uint64_t flips = random.below(4); flips > 0 && !bad.empty(); --flips) {
      bad[random.below(bad.size())] = static_cast<uint8_t>(random.next());
    }
    bad.shrink_to_fit();
    Histogram histogram(1, 100'000, 2);
    histogram.record(7);
    const Histogram before = histogram.copy();
    if (histogram.decode_counts(bad.data(), bad.size()) != Histogram::DecodeResult::ok) {
      CHECK(histogram == before);
    } else if (histogram.count() > 0) {
      CHECK(histogram.max() < 200'000);
    }
  }
}

void bulk_recording() {
  const std::vector<double> floats = {0.5, 1.5, 2.49, 1e300};
  Histogram histogram;
  CHECK(latencykit::first_bad_duration(floats.data(), floats.size()) == floats.size());
  latencykit::record_all(histogram, floats.data(), floats.size());
  CHECK(histogram.value_at_rank(1) == 0 && histogram.value_at_rank(2) == 2 && histogram.value_at_rank(3) == 2);
  CHECK(histogram.saturated() == 1);
  const std::vector<double> bad = {1, std::numeric_limits<double>::quiet_NaN(), -1};
  CHECK(latencykit::first_bad_duration(bad.data(), bad.size()) == 1);
  latencykit::record_all(histogram, bad.data(), bad.size());  // Out of contract, but never out of the counts.
  const std::vector<int64_t> negative = {std::numeric_limits<int64_t>::min()};
  latencykit::record_all(histogram, negative.data(), negative.size());
  CHECK(histogram.count() == 8 && histogram.min() == 0);
}

void statistics() {
  Histogram histogram;
  for (uint64_t value : {2, 4, 4, 4, 5, 5, 7, 9}) histogram.record(value);
  CHECK(histogram.mean() == 5.0 && histogram.stddev() == 2.0);
  CHECK(histogram.min() == 2 && histogram.max() == 9);
  CHECK(histogram.value_at_percentile(0) == 2 && histogram.value_at_percentile(100) == 9);
  CHECK(histogram.value_at_percentile(50) == 4 && histogram.value_at_percentile(57) == 5);
  Histogram other(1, 1000, 1);
  CHECK(other.merge(histogram) && other.merge(other) && other.count() == 16);
  Histogram moved = std::move(other);
  CHECK(moved.count() == 16);
}

void intervals_of_one_thread() {
  Histogram histogram(1, 1000, 3), seen(1, 1000, 3);
  CHECK(histogram.since(seen).count() == 0);
  histogram.record(5);
  histogram.record(2000);
  const Histogram first = histogram.since(seen);
  CHECK(first == histogram && first.saturated() == 1);
  histogram.record(5);
  const Histogram second = histogram.since(seen);
  CHECK(second.count() == 1 && second.max() == 5 && second.saturated() == 0);
  CHECK(seen == histogram && histogram.since(seen).count() == 0);
}

// One thread records as fast as it can while another takes intervals: they add up to all of it. With few buckets
// the two meet often in the same one.
void intervals_beside_a_writer(int64_t highest, uint64_t values) {
  Histogram histogram(1, highest, 2), seen(1, highest, 2), sum(1, highest, 2), bulk(1, highest, 2);
  std::atomic<bool> done{false};
  CHECK(bulk.record_n(1, 3));
  const auto range = static_cast<uint64_t>(highest) * 6 / 5 + 1;
  std::thread writer([&] {
    Random random;
    for (uint64_t i = 0; i < values; ++i) {
      histogram.record(random.below(range));
      if (i % 1000 == 0) CHECK(histogram.record_corrected(range, 100) && histogram.merge(bulk));
    }
    done.store(true);
  });
  while (!done.load()) CHECK(sum.merge(histogram.since(seen)));
  writer.join();
  CHECK(sum.merge(histogram.since(seen)));
  CHECK(sum == histogram && sum.saturated() == histogram.saturated() && sum.saturated() > 0);
}

}  // namespace

int main() {
  layouts();
  precision();
  saturation();
  correction_equals_its_loop();
  counts_survive_encoding();
  each_kind_of_damage_has_its_name();
  damaged_counts_are_refused_without_effect();
  bulk_recording();
  statistics();
  intervals_of_one_thread();
  intervals_beside_a_writer(50'000, 300'000);
  intervals_beside_a_writer(2, 2'000'000);
}
