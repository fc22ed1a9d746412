// How many lines a second the backend's one thread makes: formatting alone, and the whole way to a file.
//
//   log_throughput [FILE] [LINES]     FILE defaults to /dev/null, LINES to 1,000,000
//
// Records of a text, an integer and a price lie in a ring already, so that no producer takes part.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "latency/log_backend.h"

namespace latencykit {
namespace {

constexpr char kTemplate[] = "order {} qty {} price {:.2f}";

void push(LogRing& ring, std::uint32_t site, std::int64_t i) {
  LogArgument arguments[3];
  arguments[0].tag = LogTag::kText;
  arguments[0].ascii = true;
  arguments[0].text = "AAPL";
  arguments[0].encoded = 4;
  arguments[1].tag = LogTag::kInteger;
  arguments[1].integer = 100 + i % 1000;
  arguments[2].tag = LogTag::kDouble;
  arguments[2].real = 600 + static_cast<double>(i % 10'000) / 100;
  const std::size_t bytes = record_bytes(arguments, 3);
  char* const room = ring.reserve(bytes);
  if (room == nullptr) std::abort();
  write_record(room, bytes, site, log_ticks(), arguments, 3);
  ring.commit(bytes);
}

void show(const char* what, std::int64_t lines, std::chrono::duration<double> took) {
  const double count = static_cast<double>(lines);
  std::printf("%-28s %6.2f M lines/s, %6.1f ns a line\n", what, count / took.count() / 1e6, took.count() / count * 1e9);
}

template <typename F>
auto timed(F f) {
  const auto start = std::chrono::steady_clock::now();
  f();
  return std::chrono::steady_clock::now() - start;
}

void format_into_memory(std::int64_t lines) {
  const LogTemplate message = parse_template(kTemplate);
  LogRing ring(4096);
  for (int i = 0; i < 8; ++i) push(ring, 0, i);
  ring.refresh();
  const char* records[8];
  for (auto& record : records) {
    record = ring.front();
    ring.pop();
  }
  TextBuffer out(1 << 20);
  TimestampFormat timestamp;
  WallClock clock;
  clock.sample();
  show("message into memory", lines, timed([&] {
         for (std::int64_t i = 0; i < lines; ++i) {
           append_message(out, message, LogRecordReader(records[i & 7], 3));
           if (out.size() > 250'000) out.clear();
         }
       }));
  show("time stamp into memory", lines, timed([&] {
         for (std::int64_t i = 0; i < lines; ++i) {
           timestamp.append(out, clock.unix_ns(log_ticks()));
           if (out.size() > 250'000) out.clear();
         }
       }));
}

void whole_backend(const char* path, std::int64_t lines, LogFormat format) {
  // More than twice what is pushed, so that the backend sleeps until it is asked.
  const std::size_t ring_bytes = static_cast<std::size_t>(lines) * 200;
  LogBackend backend(
      open_log(path),
      {.path = path, .ring_bytes = ring_bytes, .flush_interval = std::chrono::hours(1), .format = format});
  const std::uint32_t site = backend.add_site({"INFO", parse_template(kTemplate)});
  for (int round = 0; round < 3; ++round) {
    for (std::int64_t i = 0; i < lines; ++i) push(backend.ring_of_this_thread(), site, i);
    show(path, lines, timed([&] {
           const std::uint64_t ticket = backend.request(LogBackend::After::kNothing);
           while (!backend.wait(ticket, std::chrono::seconds(1))) {
           }
         }));
  }
}

}  // namespace
}  // namespace latencykit

int main(int count, char** arguments) {
  const std::int64_t lines = count > 2 ? std::atoll(arguments[2]) : 1'000'000;
  latencykit::choose_log_clock();
  latencykit::format_into_memory(lines);
  const char* const path = count > 1 ? arguments[1] : "/dev/null";
  latencykit::whole_backend(path, lines, latencykit::LogFormat::kText);
  latencykit::whole_backend(path, lines, latencykit::LogFormat::kJson);
}
