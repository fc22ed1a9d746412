// What a killed process had logged and its backend had not written: read from `<log>.rings`.
//
// Promises
//   * Lines come in order of time, formatted as the logger would have, each record exactly once: what the log
//     file has already got of an interrupted batch is found by comparing and not repeated.
//   * The file is not trusted: every offset and length is held against its size, nothing is mapped. A damaged
//     part is skipped, named in damage(), and has a marked line where a record was; the rest is recovered. What
//     memory it takes follows what the file holds, not what it claims: a cut or sparse file may claim any size.
//   * A file that is no rings file, of another version or byte order, throws RecoveryRefused.
//   * write() leaves the rings file as it is, so that it may be repeated. With a journal, LogRecoveryJournal, it
//     moves the marks along as the logger would have, so that it may be killed at any time and repeated.
//   * Read beside a living logger it shows a moment, in which a record may be missing that was just written.
// One thread. Throws std::bad_alloc.
#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <queue>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "latency/log_clock.h"
#include "latency/log_file.h"
#include "latency/log_interrupted_batch.h"
#include "latency/log_lines.h"
#include "latency/log_mapping.h"
#include "latency/log_ring_reader.h"
#include "latency/log_rings_file.h"
#include "latency/log_rings_input.h"
#include "latency/log_sites.h"

namespace latencykit {

// Nothing can be recovered from the file; the message says why, to follow its name.
struct RecoveryRefused {
  std::string message;
};

class LogRecovery {
 public:
  struct Ring {
    std::uint64_t at;  // Of its segment in the file.
    LogRingReader reader;
    int thread;
    std::uint64_t start;    // Where its records begin.
    std::uint64_t number;   // Overwriting rings: of the record on which the reader stands, or the next.
    std::uint64_t missing;  // Records that were given up before the first that is there.
    bool live = false;      // The reader stands on a record.
    bool queued = false;    // It was looked at for lines.
  };

  // Reads the file and finds out what the log at `log_path` has already got.
  LogRecovery(int fd, const std::string& log_path) : file_(fd), log_path_(log_path), header_(read_header()) {
    read_state();
    read_segments();
    read_rest(log_path);
  }

  // The process that made the file.
  std::uint32_t process() const { return header_.process; }

  // What was wrong with the file, in words.
  const std::vector<std::string>& damage() const { return damage_; }
  // Records of which write() has written a line, those of the interrupted batch included.
  std::uint64_t records() const { return records_; }
  std::uint64_t damaged() const { return damaged_; }
  std::uint64_t dropped() const { return dropped_; }
  // Lines that the log has not got, or not all, of the batch that was being written: of records and the logger's own;
  // and the bytes that it has of the first of them.
  std::uint64_t rest_lines() const { return rest_.lines(); }
  std::size_t torn_bytes() const { return rest_.torn_bytes(); }
  // Whether what is written first completes the last line of the log, and what the log has of that line.
  bool completes_line() const { return rest_.completes_log(); }
  std::string_view torn_text() const { return rest_.torn_text(); }
  // Whether some lines may come a second time, because the log is not as its logger left it.
  bool inexact() const { return inexact_; }

  // For a journal: the batch as of which the marks were taken, the last number that was used for one, how many
  // dropped records lines speak of, and of each ring where its segment lies, how far it is read, the number of what
  // comes there, and how many are missing before it.
  std::uint64_t last_batch() const { return last_batch_target(); }
  std::uint64_t last_number() const { return intent_; }
  std::uint64_t announced() const { return announced_; }
  template <typename F>
  void each_ring(F f) const {
    for (const Ring& ring : rings_) {
      const std::uint64_t read = ring.live ? ring.reader.position() : ring.reader.end_position();
      f(ring.at, ring.queued ? read : ring.start, ring.number, ring.missing);
    }
  }

  // Writes the lines to `out`. With `continuing`, to the log itself, where a line that is there in part is
  // completed; else that line is written whole. With `telling`, a line says at the end what was recovered.
  void write(LogFile& out, bool continuing, bool telling = false) {
    LogLines lines(out, sites_, static_cast<LogFormat>(header_.line_format != 0));
    lines.clock() = WallClock(clock_);
    rest_.write(out, continuing && completes_line());
    records_ += rest_.records();
    count_missing();
    const bool overwriting = kind_ == LogRingKind::kOverwriting;
    std::priority_queue<Next, std::vector<Next>, std::greater<>> order;
    for (std::size_t i = 0; i < rings_.size(); ++i) queue(i, clock_.ticks, lines, order);
    if (overwriting) announce(lines, order.empty() ? clock_.ticks : order.top().first);
    std::uint64_t last = clock_.ticks;
    while (!order.empty()) {
      const std::size_t i = order.top().second;
      order.pop();
      const std::uint64_t ticks = rings_[i].reader.ticks();
      last = std::max(last, ticks);
      write_record(rings_[i], lines);
      advance(rings_[i]);
      queue(i, ticks, lines, order);
      if (out.batch_is_full()) out.write_out();
    }
    if (!overwriting) announce(lines, last);
    if (telling) lines.recovered(last, records_, header_.process);
    out.write_out();
  }

 private:
  using Next = std::pair<std::uint64_t, std::size_t>;  // The time of a ring's next record, and which ring.
  static constexpr double kGreatestDistanceNs = 1e18;  // 31 years; beyond, a time is not one.

  // --- the file's own state ----------------------------------------------------------------------------------

  rings_file::RingsFileHeader read_header() {
    using namespace rings_file;
    const Page page(file_, 0);
    const auto header = page.load<RingsFileHeader>(0);
    if (page.bytes() < kPage) {
      throw RecoveryRefused{"has " + std::to_string(file_.bytes()) + " bytes; a file of rings has at least " +
                            std::to_string(kPage)};
    }
    if (std::memcmp(header.magic, kMagic, sizeof kMagic) != 0) {
      throw RecoveryRefused{
          "is not a file of a logger's rings; give the log, or the file beside it that ends in .rings"};
    }
    if (header.byte_order != kByteOrder) {
      throw RecoveryRefused{"was written by a machine of another byte order; recover it there"};
    }
    if (header.version != kVersion) {
      throw RecoveryRefused{"has version " + std::to_string(header.version) + ", but this latencykit reads version " +
                            std::to_string(kVersion) + "; recover it with the latencykit that wrote it"};
    }
    if (header.checksum != checksum_of(header)) damage_.push_back("its header is damaged");
    kind_ = header.ring_kind == static_cast<std::uint32_t>(LogRingKind::kOverwriting) ? LogRingKind::kOverwriting
                                                                                      : LogRingKind::kBounded;
    return header;
  }

  void read_state() {
    using namespace rings_file;
    const Page page(file_, 0);
    const auto state = [&]<typename T>(std::size_t at, T) { return page.load<T>(kStateAt + at); };
    intent_ = state(offsetof(RingsFileState, intent), std::uint64_t{});
    committed_ = state(offsetof(RingsFileState, committed), std::uint64_t{});
    if (intent_ < committed_ || intent_ - committed_ > kMostParts) {
      damage_.push_back("it does not say what the log has got");
      intent_ = committed_ = std::min(intent_, committed_);
      inexact_ = true;
    }
    batch_ = page.load<Batch>(kStateAt + offsetof(RingsFileState, batches) + intent_ % 2 * sizeof(Batch));
    announced_ = batch_.announced;
    if (intent_ == committed_ + 1 && !text_is_here()) {  // Nobody will read what it says.
      announced_ =
          page.load<Batch>(kStateAt + offsetof(RingsFileState, batches) + committed_ % 2 * sizeof(Batch)).announced;
    }
    const auto number = state(offsetof(RingsFileState, clock_number), std::uint64_t{});
    clock_ =
        page.load<WallClockState>(kStateAt + offsetof(RingsFileState, clocks) + number % 2 * sizeof(WallClockState));
    check_clock();
  }

  void check_clock() {
    const auto within = [](std::int64_t value) {
      return value > -(std::int64_t{1} << 61) && value < std::int64_t{1} << 61;
    };
    const bool plausible = within(clock_.mono_ns) && within(clock_.offset_ns) && within(clock_.last_mono_ns) &&
                           clock_.ns_per_tick > 0 && clock_.ns_per_tick < 1e6;
    if (!plausible) {
      damage_.push_back("its clock is damaged; times are not to be trusted");
      clock_ = {};
    }
    char boot[sizeof header_.boot] = {};
    const std::string id = rings_file::boot_id();
    std::memcpy(boot, id.data(), std::min(id.size(), sizeof boot - 1));
    same_boot_ = !id.empty() && std::memcmp(boot, header_.boot, sizeof boot) == 0;
  }

  // In the same boot no record can be from later than now.
  void look_at_clock() {
    if (same_boot_) latest_ticks_ = header_.ticks_are_tsc != 0 ? TscTicks::read() : MonotonicTicks::read();
  }

  bool possible(std::uint64_t ticks) const {
    if (ticks > latest_ticks_) return false;
    const auto ahead = static_cast<double>(static_cast<std::int64_t>(ticks - clock_.ticks));
    return std::fabs(ahead) * std::max(clock_.ns_per_tick, 1.0) < kGreatestDistanceNs;
  }

  // --- segments ----------------------------------------------------------------------------------------------

  void read_segments() {
    using namespace rings_file;
    std::vector<std::pair<std::uint64_t, std::uint64_t>> rings;  // Offset and bytes.
    bool whole = true;
    for (std::uint64_t at = kPage; at < file_.bytes();) {
      const Page page(file_, at);
      const auto header = page.load<SegmentHeader>(0);
      const bool good = header.magic == kSegmentMagic && header.checksum == checksum_of(header) &&
                        header.bytes % kPage == 0 && header.bytes >= kPage;
      if (!good) {
        whole = whole && header.magic == 0;
        at = std::max(at + kPage, next_data(at + kPage));
        continue;
      }
      if (header.bytes > file_.bytes() - at) damage_.push_back("it was cut at byte " + std::to_string(file_.bytes()));
      if (header.kind == SegmentKind::kRing) rings.emplace_back(at, header.bytes);
      if (header.kind == SegmentKind::kSites) read_sites(at, std::min(header.bytes, file_.bytes() - at));
      at += std::min(header.bytes, file_.bytes() - at);
    }
    if (!whole) damage_.push_back("a part of it is damaged beyond telling what it was");
    for (const auto& [at, bytes] : rings) read_ring(at, bytes);
  }

  std::uint64_t next_data(std::uint64_t at) const { return at < file_.bytes() ? file_.next_page(at) : at; }

  void read_sites(std::uint64_t at, std::uint64_t bytes) {
    using namespace rings_file;
    if (bytes < kEntriesAt) return;
    const std::uint64_t most = std::min(bytes, std::max<std::uint64_t>(file_.most_content(), kPage));
    std::uint64_t used = Page(file_, at).load<std::uint64_t>(offsetof(SitesSegment, used));
    if (used > most - kEntriesAt) {
      damage_.push_back("a table of log sites is damaged");
      used = most - kEntriesAt;
    }
    const std::size_t end = kEntriesAt + used;
    std::vector<char> table(end);
    file_.read(at, table.data(), table.size());
    for (std::size_t from = kEntriesAt; end - from >= sizeof(SiteEntry);) {
      SiteEntry entry;
      std::memcpy(&entry, table.data() + from, sizeof entry);
      const std::size_t texts = std::size_t{entry.level_bytes} + entry.template_bytes;
      const bool fits = entry.bytes % 8 == 0 && entry.bytes <= end - from && texts <= entry.bytes - sizeof entry &&
                        entry.bytes >= sizeof entry;
      const std::string_view text(table.data() + from + sizeof entry, fits ? texts : 0);
      if (!fits || entry.checksum != checksum_of(entry, text)) {
        damage_.push_back("a log site is damaged; its records are not readable");
        if (!fits) return;
      } else {
        add_site(entry, text);
      }
      from += entry.bytes;
    }
  }

  void add_site(const rings_file::SiteEntry& entry, std::string_view text) {
    const std::uint64_t most = file_.most_content() / sizeof(rings_file::SiteEntry);
    if (entry.number >= most)
      return damage_.push_back("a log site has the impossible number " + std::to_string(entry.number));
    if (entry.number >= arguments_.size()) arguments_.resize(entry.number + 1, -1);
    try {
      LogSiteFormat site{std::string(text.substr(0, entry.level_bytes)),
                         parse_template(text.substr(entry.level_bytes))};
      const auto count = static_cast<int>(site.message.pieces.size());
      if (known_.size() <= entry.number) known_.resize(entry.number + 1);
      known_[entry.number] = sites_.add(std::move(site));
      arguments_[entry.number] = count;
    } catch (const TemplateError& error) {
      damage_.push_back("a log site's template " + error.message);
    }
  }

  struct Mark {
    std::uint64_t batch, position, number, skipped;
  };
  // The words of a ring.
  struct Control {
    std::uint64_t head, dropped, tail, overwritten, first_kept, thread;
    Mark mark;
  };
  static constexpr int kMostLooks = 16;
  static constexpr std::uint64_t kLeastNumbered = sizeof(LogRecordHeader) + LogRing::kNumberBytes;

  void read_ring(std::uint64_t at, std::uint64_t segment_bytes) {
    using namespace rings_file;
    const std::uint64_t bytes = segment_bytes - kPage;
    if (bytes < LogRing::kLeastBytes || bytes > LogRing::kGreatestBytes || !std::has_single_bit(bytes)) {
      return damage_.push_back("a ring has the impossible size of " + std::to_string(bytes) + " bytes");
    }
    if (at + kPage >= file_.bytes()) return;
    const bool overwriting = kind_ == LogRingKind::kOverwriting;
    LogRingBytes data(bytes);
    Control before = control_of(at), now = before;
    // Of a living logger: what was written over meanwhile is not looked at.
    for (int looks = 0; looks < kMostLooks; ++looks) {
      before = control_of(at);
      file_.read_over_zeros(at + kPage, data.data(), data.size());
      now = control_of(at);
      // Unless that is all of it.
      if (!overwriting || now.overwritten <= before.head || now.overwritten > now.head) break;
    }
    look_at_clock();
    const bool lapped = overwriting && now.overwritten > before.head && now.overwritten <= now.head;
    const std::uint64_t head = lapped ? now.overwritten : before.head;
    const std::uint64_t start = std::max({now.mark.position, now.tail, overwriting ? now.overwritten : 0});
    const int thread = static_cast<int>(now.thread);
    if (start > head || head - start > bytes || start % 8 != 0 || head % 8 != 0) {
      damage_.push_back("a ring does not say where its records are");
      return read_lost_ring(at, std::move(data), head, thread);
    }
    rings_.push_back({at, LogRingReader(std::move(data), kind_, start, head, file_.most_content()), thread, start,
                      now.mark.number, overwriting ? now.mark.skipped : before.dropped});
    advance(rings_.back());
    if (overwriting) count_given_up(rings_.back(), now);
    total_missing_ += rings_.back().missing;
  }

  // Adds what was given up since the mark. The first record that is there has its number. If there is none, or it is
  // damaged, the producer has said which one it would be.
  void count_given_up(Ring& ring, const Control& control) {
    const bool found = ring.live && ring.reader.skipped() == 0;
    if (!found && control.overwritten != ring.start) return;
    const std::uint64_t first = found ? ring.number : control.first_kept;
    const std::uint64_t mark = control.mark.number;
    if (first < mark || first > ring.start / kLeastNumbered) {
      if (first != mark) damage_.push_back("a ring does not say how many records it has given up");
      return;
    }
    ring.missing += first - mark;
    ring.number = first;
  }

  // A ring whose positions are damaged: everything in it that looks like a record, in the order in which it lies.
  void read_lost_ring(std::uint64_t at, LogRingBytes data, std::uint64_t head, int thread) {
    const std::size_t bytes = data.size();
    const std::uint64_t to = head % 8 == 0 && head >= bytes && head < ~std::uint64_t{0} / 2 ? head : bytes;
    inexact_ = true;
    rings_.push_back(
        {at, LogRingReader(std::move(data), kind_, to - bytes, to, file_.most_content()), thread, to - bytes, 0, 0});
    advance(rings_.back());
  }

  Control control_of(std::uint64_t at) const {
    using namespace rings_file;
    const Page page(file_, at);
    const auto word = [&](std::size_t offset) { return page.load<std::uint64_t>(offset); };
    static constexpr std::size_t control = offsetof(RingSegment, control);
    return {word(control + offsetof(LogRingControl, published)),
            word(control + offsetof(LogRingControl, dropped)),
            word(control + offsetof(LogRingControl, tail)),
            word(control + offsetof(LogRingControl, overwritten)),
            word(control + offsetof(LogRingControl, first_kept)),
            word(offsetof(RingSegment, thread)),
            mark_of(page)};
  }

  // The ring's mark as of the last batch that the log has, or will have got from the rest.
  Mark mark_of(const rings_file::Page& page) const {
    using rings_file::RingSegment;
    Mark marks[2];
    for (int i = 0; i < 2; ++i) marks[i] = load_mark(page, i);
    return marks[rings_file::counting_slot(marks[0].batch, marks[1].batch, last_batch_target())];
  }
  static Mark load_mark(const rings_file::Page& page, int slot) {
    using rings_file::RingSegment;
    const std::size_t at = offsetof(RingSegment, marks) + static_cast<std::size_t>(slot) * sizeof(rings_file::Mark);
    return {page.load<std::uint64_t>(at + offsetof(rings_file::Mark, batch)),
            page.load<std::uint64_t>(at + offsetof(rings_file::Mark, position)),
            page.load<std::uint64_t>(at + offsetof(rings_file::Mark, number)),
            page.load<std::uint64_t>(at + offsetof(rings_file::Mark, skipped))};
  }

  // --- the interrupted batch ---------------------------------------------------------------------------------

  bool interrupted() const { return intent_ != committed_; }
  bool text_is_here() const { return InterruptedBatch::is_here(file_, batch_); }
  // Without its text, an interrupted batch is taken as not written at all.
  std::uint64_t last_batch_target() const { return interrupted() && !text_is_here() ? committed_ : intent_; }

  void read_rest(const std::string& log_path) {
    if (!interrupted()) return;
    if (!text_is_here()) {
      inexact_ = true;
      return;
    }
    rest_ = InterruptedBatch(file_, batch_, log_path);
    if (!rest_.is_exact()) inexact_ = true;
    if (!rest_.is_sound()) damage_.push_back("it does not say where the lines of its last batch end");
  }

  // --- lines -------------------------------------------------------------------------------------------------

  void announce(LogLines& lines, std::uint64_t as_of) {
    if (dropped_ != 0) lines.announce(as_of, dropped_, true);
    announced_ = std::max(announced_, total_missing_);
  }

  void count_missing() { dropped_ = total_missing_ > announced_ ? total_missing_ - announced_ : 0; }

  auto rules() {
    const auto arguments = [this](std::uint32_t site) { return site < arguments_.size() ? arguments_[site] : -1; };
    const auto possible = [this](std::uint64_t ticks) { return this->possible(ticks); };
    return LogRingReader::Rules<decltype(arguments), decltype(possible)>{arguments, possible};
  }

  // Moves a ring on to its next record.
  void advance(Ring& ring) {
    const std::uint64_t after = ring.live ? ring.number + 1 : ring.number;
    ring.live = ring.reader.next(rules());
    ring.number = ring.live && kind_ == LogRingKind::kOverwriting ? ring.reader.number() : after;
  }

  // Queues the record on which a ring stands. `before` is the time of the one before it.
  template <typename Order>
  void queue(std::size_t i, std::uint64_t before, LogLines& lines, Order& order) {
    Ring& ring = rings_[i];
    ring.queued = true;
    if (ring.reader.skipped() != 0) {
      ++damaged_;
      lines.skipped(before, ring.reader.skipped());
    }
    if (ring.live) order.push({ring.reader.ticks(), i});
  }

  void write_record(const Ring& ring, LogLines& lines) {
    LogRecordHeader header = header_of(ring.reader.record());
    header.site = known_[header.site];
    lines.write(header, ring.reader.record(), ring.thread);
    ++records_;
  }

  static constexpr std::uint64_t kMostParts = 1u << 20;

  const rings_file::Reader file_;
  const std::string log_path_;
  std::vector<std::string> damage_;
  LogRingKind kind_ = LogRingKind::kBounded;
  const rings_file::RingsFileHeader header_;
  std::uint64_t intent_ = 0, committed_ = 0, announced_ = 0;
  rings_file::Batch batch_{};
  WallClockState clock_{};
  bool same_boot_ = false;
  std::uint64_t latest_ticks_ = ~std::uint64_t{0};
  LogSites sites_;
  std::vector<int> arguments_;        // Of each site's number in the file; -1 where there is none.
  std::vector<std::uint32_t> known_;  // Its number in sites_.
  std::vector<Ring> rings_;
  InterruptedBatch rest_;  // What the log has not got of it.
  bool inexact_ = false;
  std::uint64_t total_missing_ = 0, records_ = 0, damaged_ = 0, dropped_ = 0;
};

}  // namespace latencykit
