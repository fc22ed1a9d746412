#include "latency/log_ring.h"

#include <random>
#include <string>
#include <thread>
#include <vector>

#include "latency/log_record.h"
#include "tests/check.h"

namespace latencykit {
namespace {

char* put_header(char* room, std::size_t bytes, std::uint32_t site, std::uint64_t ticks) {
  const LogRecordHeader header{static_cast<std::uint32_t>(bytes), site, ticks};
  std::memcpy(room, &header, sizeof header);
  return room + sizeof header;
}

bool push(LogRing& ring, std::size_t bytes, std::uint64_t ticks) {
  char* room = ring.reserve(bytes);
  if (room == nullptr) return false;
  char* body = put_header(room, bytes, 7, ticks);
  std::memset(body, static_cast<int>(ticks & 0xFF), bytes - sizeof(LogRecordHeader));
  ring.commit(bytes);
  return true;
}

// The next record's ticks, its bytes checked against what push() writes; -1 if there is none.
long long take(LogRing& ring) {
  ring.refresh();
  const char* record = ring.front();
  if (record == nullptr) return -1;
  const LogRecordHeader header = header_of(record);
  CHECK(header.site == 7);
  for (std::size_t i = sizeof header; i < header.size; ++i) {
    CHECK(static_cast<unsigned char>(record[i]) == (header.ticks & 0xFF));
  }
  ring.pop();
  return static_cast<long long>(header.ticks);
}

void sizes_are_powers_of_two_within_bounds() {
  CHECK(LogRing(1).size() == 4096);
  CHECK(LogRing(4097).size() == 8192);
  CHECK(LogRing(8192).longest_record() == 4096);
}

void nothing_is_visible_before_commit() {
  LogRing ring(4096);
  put_header(ring.reserve(64), 64, 7, 1);
  CHECK(take(ring) == -1);
  CHECK(push(ring, 64, 2));  // Starts over in the same room.
  CHECK(take(ring) == 2);
  CHECK(take(ring) == -1);
}

void a_full_ring_refuses_and_keeps_what_it_has() {
  LogRing ring(4096);
  for (std::uint64_t i = 0; i < 64; ++i) CHECK(push(ring, 64, i));
  CHECK(!push(ring, 16, 99));
  CHECK(!ring.has_room(16));
  CHECK(take(ring) == 0);
  CHECK(ring.has_room(64));
  CHECK(push(ring, 64, 64));
  for (long long i = 1; i <= 64; ++i) CHECK(take(ring) == i);
  CHECK(take(ring) == -1);
}

void the_longest_record_fits_wherever_an_empty_ring_stands() {
  for (std::size_t shift = 0; shift < 4096; shift += 16) {
    LogRing ring(4096);
    for (std::size_t at = 0; at < shift; at += 16) CHECK(push(ring, 16, 1) && take(ring) == 1);
    CHECK(push(ring, ring.longest_record(), 5));
    CHECK(take(ring) == 5);
  }
}

void a_filler_needs_no_more_than_eight_bytes() {
  LogRing ring(4096);
  CHECK(push(ring, 2040, 1) && take(ring) == 1);
  CHECK(push(ring, 2048, 2) && take(ring) == 2);  // 8 bytes are left before the end.
  CHECK(push(ring, 24, 3) && take(ring) == 3);
}

void the_hook_rings_past_the_half_only() {
  int rings = 0;
  LogRing ring(4096, [](void* count) { ++*static_cast<int*>(count); }, &rings);
  for (std::uint64_t i = 0; i < 32; ++i) CHECK(push(ring, 64, i));
  CHECK(rings == 0);
  CHECK(push(ring, 64, 32));
  CHECK(rings == 1);
  for (std::uint64_t i = 33; i < 64; ++i) CHECK(push(ring, 64, i));
  CHECK(rings == 1);
  CHECK(!push(ring, 64, 64));
  CHECK(rings == 2);
}

// Random sizes through many laps, one step of either side at a time, against a plain queue as the model.
void agrees_with_a_queue_over_many_laps() {
  std::mt19937 random(11);
  LogRing ring(4096);
  std::vector<std::uint64_t> model;
  std::size_t first = 0;
  for (std::uint64_t step = 0; step < 200'000; ++step) {
    if (random() % 2 == 0) {
      const std::size_t bytes = 16 + 8 * (random() % 40);
      const bool had_room = ring.has_room(bytes);
      CHECK(push(ring, bytes, step) == had_room);
      if (had_room) model.push_back(step);
    } else {
      const long long expected = first < model.size() ? static_cast<long long>(model[first]) : -1;
      CHECK(take(ring) == expected);
      first += expected >= 0;
    }
  }
  CHECK(first > 10'000);
}

void two_threads_lose_nothing() {
  constexpr std::uint64_t count = 300'000;
  LogRing ring(4096);
  std::thread producer([&] {
    std::mt19937 random(5);
    for (std::uint64_t i = 0; i < count; ++i) {
      const std::size_t bytes = 16 + 8 * (random() % 30);
      while (!push(ring, bytes, i)) std::this_thread::yield();
    }
  });
  for (std::uint64_t expected = 0; expected < count;) {
    const long long got = take(ring);
    if (got < 0) {
      std::this_thread::yield();
      continue;
    }
    CHECK(static_cast<std::uint64_t>(got) == expected);
    ++expected;
  }
  producer.join();
}

constexpr auto kOverwriting = LogRingKind::kOverwriting;

// The next record's ticks of an overwriting ring, its bytes checked; -1 if there is none.
long long take_copy(LogRing& ring) {
  ring.refresh();
  const char* record = ring.front();
  if (record == nullptr) return -1;
  const LogRecordHeader header = header_of(record);
  CHECK(header.site == 7);
  for (std::size_t i = sizeof header; i < header.size - LogRing::kNumberBytes; ++i) {
    CHECK(static_cast<unsigned char>(record[i]) == (header.ticks & 0xFF));
  }
  ring.pop();
  return static_cast<long long>(header.ticks);
}

void an_overwriting_ring_keeps_the_newest() {
  LogRing ring(4096, nullptr, nullptr, kOverwriting);
  CHECK(ring.longest_record() == 2040);
  for (std::uint64_t i = 0; i < 1000; ++i) CHECK(push(ring, 56, i));  // 64 bytes each with its number.
  CHECK(ring.dropped() == 1000 - 64);
  for (long long i = 1000 - 64; i < 1000; ++i) CHECK(take_copy(ring) == i);
  CHECK(take_copy(ring) == -1);
  CHECK(ring.dropped() == 1000 - 64);
  CHECK(push(ring, 56, 1000) && take_copy(ring) == 1000);
}

void what_is_in_the_consumers_hand_is_not_dropped() {
  LogRing ring(4096, nullptr, nullptr, kOverwriting);
  CHECK(push(ring, 56, 0));
  ring.refresh();
  const char* record = ring.front();
  for (std::uint64_t i = 1; i <= 64; ++i) CHECK(push(ring, 56, i));
  CHECK(header_of(record).ticks == 0 && ring.dropped() == 0);
  ring.pop();
  for (long long i = 1; i <= 64; ++i) CHECK(take_copy(ring) == i);
  CHECK(ring.dropped() == 0);
}

// Random sizes over many laps: each record is taken in order or counted, and the newest are always there.
void overwriting_agrees_with_a_queue_that_forgets() {
  std::mt19937 random(3);
  LogRing ring(4096, nullptr, nullptr, kOverwriting);
  std::uint64_t next = 0, taken = 0;
  long long last = -1;
  for (int step = 0; step < 200'000; ++step) {
    if (random() % 3 != 0) {
      CHECK(push(ring, 16 + 8 * (random() % 40), next++));
    } else {
      const long long got = take_copy(ring);
      CHECK(got > last || got == -1);
      if (got >= 0) {
        last = got;
        ++taken;
      }
    }
  }
  for (long long got = take_copy(ring); got >= 0; got = take_copy(ring)) {
    CHECK(got > last);
    last = got;
    ++taken;
  }
  CHECK(last + 1 == static_cast<long long>(next));
  CHECK(taken + ring.dropped() == next);
  CHECK(ring.dropped() > 1000 && taken > 10'000);
}

void two_threads_overwrite_and_nothing_is_torn() {
  constexpr std::uint64_t count = 300'000;
  LogRing ring(4096, nullptr, nullptr, kOverwriting);
  std::atomic<bool> done{false};
  std::thread producer([&] {
    std::mt19937 random(5);
    for (std::uint64_t i = 0; i < count; ++i) CHECK(push(ring, 16 + 8 * (random() % 30), i));
    done.store(true);
  });
  std::thread observer([&] {
    for (std::uint64_t before = 0; !done.load();) {
      const std::uint64_t dropped = ring.dropped();
      CHECK(dropped >= before && dropped <= count);
      before = dropped;
    }
  });
  long long last = -1;
  std::uint64_t taken = 0;
  for (bool ended = false; !ended;) {
    ended = done.load();
    for (long long got = take_copy(ring); got >= 0; got = take_copy(ring)) {
      CHECK(got > last);
      last = got;
      ++taken;
    }
  }
  producer.join();
  observer.join();
  CHECK(last == static_cast<long long>(count) - 1);
  CHECK(taken + ring.dropped() == count);
}

void a_ring_over_foreign_memory_gives_room_back_when_told() {
  alignas(64) static char data[4096];
  LogRingControl control;
  LogRing ring(LogRingMemory{&control, data, sizeof data}, nullptr, nullptr, LogRingKind::kBounded);
  for (std::uint64_t i = 0; i < 64; ++i) CHECK(push(ring, 64, i));
  for (long long i = 0; i < 32; ++i) CHECK(take(ring) == i);
  CHECK(ring.held() == 32 * 64);
  CHECK(!push(ring, 64, 64));
  ring.release();
  CHECK(ring.held() == 0);
  CHECK(push(ring, 64, 64));
  CHECK(control.published.load() == 65 * 64 && control.tail.load() == 32 * 64);
}

void records_read_back_as_written() {
  const std::string ascii = "AAPL";
  const std::uint8_t latin[] = {'c', 'a', 'f', 0xE9};
  const std::uint16_t wide[] = {0x20AC, 0xD800, 'x'};
  const std::uint32_t widest[] = {0x1F600};
  LogArgument arguments[8]{};
  arguments[0].tag = LogTag::kInteger;
  arguments[0].integer = -5;
  arguments[1].tag = LogTag::kDouble;
  arguments[1].real = 2.5;
  arguments[2].tag = LogTag::kTrue;
  arguments[3].tag = LogTag::kNone;
  const auto text = [&](int at, const void* data, std::size_t length, int unit, bool is_ascii) {
    arguments[at].tag = LogTag::kText;
    arguments[at].ascii = is_ascii;
    arguments[at].text = data;
    arguments[at].length = length;
    arguments[at].unit = static_cast<std::uint8_t>(unit);
    arguments[at].encoded = is_ascii ? length : utf8::encoded_size(data, length, unit);
  };
  text(4, ascii.data(), 4, 1, true);
  text(5, latin, 4, 1, false);
  text(6, wide, 3, 2, false);
  text(7, widest, 1, 4, false);
  const std::size_t bytes = record_bytes(arguments, 8);
  CHECK(bytes % 8 == 0);
  std::vector<std::uint64_t> room(bytes / 8);
  char* record = reinterpret_cast<char*>(room.data());
  write_record(record, bytes, 3, 42, arguments, 8);
  const LogRecordHeader header = header_of(record);
  CHECK(header.size == bytes && header.site == 3 && header.ticks == 42);
  LogRecordReader reader(record, 8);
  CHECK(reader.next().integer == -5);
  CHECK(reader.next().real == 2.5);
  CHECK(reader.next().tag == LogTag::kTrue);
  CHECK(reader.next().tag == LogTag::kNone);
  CHECK(reader.next().text == "AAPL");
  CHECK(reader.next().text == "caf\xC3\xA9");
  CHECK(reader.next().text == "\xE2\x82\xAC\\ud800x");
  CHECK(reader.next().text == "\xF0\x9F\x98\x80");
}

}  // namespace
}  // namespace latencykit

int main() {
  using namespace latencykit;
  sizes_are_powers_of_two_within_bounds();
  nothing_is_visible_before_commit();
  a_full_ring_refuses_and_keeps_what_it_has();
  the_longest_record_fits_wherever_an_empty_ring_stands();
  a_filler_needs_no_more_than_eight_bytes();
  the_hook_rings_past_the_half_only();
  agrees_with_a_queue_over_many_laps();
  two_threads_lose_nothing();
  an_overwriting_ring_keeps_the_newest();
  what_is_in_the_consumers_hand_is_not_dropped();
  overwriting_agrees_with_a_queue_that_forgets();
  two_threads_overwrite_and_nothing_is_torn();
  a_ring_over_foreign_memory_gives_room_back_when_told();
  records_read_back_as_written();
}
