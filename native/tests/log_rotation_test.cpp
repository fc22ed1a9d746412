#include "latency/log_rotation.h"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "latency/log_file.h"
#include "tests/check.h"

namespace latencykit {
namespace {

namespace fs = std::filesystem;

// A folder of its own for each test, gone afterwards.
class Folder {
 public:
  Folder() {
    char name[] = "/tmp/latencykit-rotation-XXXXXX";
    path_ = ::mkdtemp(name);
  }
  ~Folder() { fs::remove_all(path_); }
  std::string log() const { return path_ + "/x.log"; }
  std::string text(const std::string& suffix = "") const {
    std::ifstream in(log() + suffix);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  std::size_t files() const {
    return static_cast<std::size_t>(std::distance(fs::directory_iterator(path_), fs::directory_iterator()));
  }

 private:
  std::string path_;
};

void put(const std::string& path, const std::string& text) { std::ofstream(path) << text; }

void line(LogFile& file, const std::string& text) {
  file.text().append(text);
  file.end_line();
}

// Each line in a batch of its own, or all in one.
void lines(LogFile& file, const std::vector<std::string>& all, bool in_one_batch) {
  for (const std::string& text : all) {
    line(file, text);
    if (!in_one_batch) file.write_out();
  }
  file.write_out();
}

void files_move_up_and_the_last_is_replaced() {
  Folder folder;
  for (int i = 0; i < 5; ++i) {
    const int fd = open_log(folder.log().c_str());
    CHECK(::write(fd, std::to_string(i).c_str(), 1) == 1);
    const int next = rotate_log(folder.log(), fd, 3);
    CHECK(next >= 0);
    ::close(fd);
    ::close(next);
  }
  CHECK(folder.text() == "");
  CHECK(folder.text(".1") == "4" && folder.text(".2") == "3" && folder.text(".3") == "2");
  CHECK(folder.files() == 4);
}

void a_gap_is_closed_and_nothing_behind_it_moves() {
  Folder folder;
  put(folder.log() + ".1", "one");
  put(folder.log() + ".3", "three");
  put(folder.log(), "now");
  const int fd = open_log(folder.log().c_str());
  ::close(rotate_log(folder.log(), fd, 3));
  ::close(fd);
  CHECK(folder.text(".1") == "now" && folder.text(".2") == "one" && folder.text(".3") == "three");
}

// What a crash may leave: the log moved away and the new one not yet in its place.
void what_a_crash_leaves_is_taken_up() {
  Folder folder;
  put(folder.log() + ".1", "moved");
  put(folder.log() + ".new", "");
  put(folder.log(), "next");
  const int fd = open_log(folder.log().c_str());
  ::close(rotate_log(folder.log(), fd, 5));
  ::close(fd);
  CHECK(folder.text(".1") == "next" && folder.text(".2") == "moved" && folder.text().empty());
  CHECK(folder.files() == 3);
}

void a_failure_changes_nothing() {
  Folder folder;
  put(folder.log(), "kept");
  const int fd = open_log(folder.log().c_str());
  put(folder.log() + ".new", "somebody's");
  CHECK(rotate_log(folder.log(), fd, 1) == -1 && errno == EEXIST);
  CHECK(folder.text() == "kept" && folder.text(".new") == "somebody's" && folder.files() == 2);
  fs::remove(folder.log() + ".new");
  fs::create_directory(folder.log() + ".1");  // Cannot be replaced by a file.
  CHECK(rotate_log(folder.log(), fd, 1) == -1 && errno == EISDIR);
  CHECK(folder.text() == "kept" && folder.files() == 2);
  ::close(fd);
}

void the_new_file_has_the_permissions_of_the_old() {
  Folder folder;
  const int fd = open_log(folder.log().c_str());
  ::fchmod(fd, 0640);
  const int next = rotate_log(folder.log(), fd, 1);
  struct stat found;
  CHECK(::fstat(next, &found) == 0 && (found.st_mode & 07777) == 0640);
  ::close(fd);
  ::close(next);
}

// The limit cuts between lines, whether they come in one batch or one by one.
void a_file_ends_before_the_limit(bool in_one_batch) {
  Folder folder;
  LogFile file(open_log(folder.log().c_str()), folder.log(), {.bytes = 10, .every_ns = 0, .backups = 9});
  lines(file, {"aaaa", "bbbb", "cccc", "longer than the limit", "dd", "ee", "ffffff"}, in_one_batch);
  CHECK(file.written() == 7 && file.lost() == 0);
  CHECK(folder.text(".4") == "aaaa\nbbbb\n");
  CHECK(folder.text(".3") == "cccc\n");
  CHECK(folder.text(".2") == "longer than the limit\n");
  CHECK(folder.text(".1") == "dd\nee\n");
  CHECK(folder.text() == "ffffff\n");
}

void what_is_in_the_file_already_counts() {
  Folder folder;
  put(folder.log(), "old line\n");
  LogFile file(open_log(folder.log().c_str()), folder.log(), {.bytes = 12, .every_ns = 0, .backups = 2});
  lines(file, {"new"}, true);
  CHECK(folder.text(".1") == "old line\n" && folder.text() == "new\n");
  CHECK(::truncate(folder.log().c_str(), 0) == 0);
  lines(file, {"as long"}, true);
  CHECK(folder.text() == "as long\n" && folder.text(".2").empty());
}

void a_failed_rotation_loses_nothing_and_is_tried_again() {
  Folder folder;
  fs::create_directory(folder.log() + ".1");
  LogFile file(open_log(folder.log().c_str()), folder.log(), {.bytes = 10, .every_ns = 0, .backups = 1});
  lines(file, {"aaaa", "bbbb", "cccc", "dddd"}, false);
  CHECK(file.written() == 4 && file.rotation_failure() == EISDIR);
  const LogFileError error = file.take_error();
  CHECK(error.number == EISDIR && error.lost_lines == 0 && error.task == LogFileTask::kRotating);
  CHECK(error.text().find("could not be rotated") != std::string::npos);
  file.rotation_announced();
  fs::remove(folder.log() + ".1");
  lines(file, {"eeee"}, false);
  CHECK(folder.text(".1") == "aaaa\nbbbb\ncccc\ndddd\n" && folder.text() == "eeee\n");
  CHECK(file.rotation_failure() == 0 && file.take_error().number == 0);
}

void a_line_of_another_time_is_in_another_file() {
  constexpr std::int64_t hour = 3'600'000'000'000;
  Folder folder;
  LogFile file(open_log(folder.log().c_str()), folder.log(), {.bytes = 0, .every_ns = hour, .backups = 9});
  const std::int64_t times[] = {hour - 1, hour, hour + 1, 2 * hour - 1, 5 * hour, 5 * hour + 1};
  for (const std::int64_t time : times) {
    file.turn_to(time);
    line(file, std::to_string(time));
  }
  file.write_out();
  CHECK(folder.text(".2") == "3599999999999\n");
  CHECK(folder.text(".1") == "3600000000000\n3600000000001\n7199999999999\n");
  CHECK(folder.text() == "18000000000000\n18000000000001\n");
  CHECK(folder.files() == 3);
}

void an_old_file_is_turned_by_its_own_time() {
  constexpr std::int64_t day = 86'400'000'000'000;
  for (const bool yesterday : {true, false}) {
    Folder folder;
    put(folder.log(), "old\n");
    const timespec times[2] = {{1000 * 86'400 + 5, 0}, {1000 * 86'400 + 5, 0}};
    CHECK(::utimensat(AT_FDCWD, folder.log().c_str(), times, 0) == 0);
    LogFile file(open_log(folder.log().c_str()), folder.log(), {.bytes = 0, .every_ns = day, .backups = 1});
    file.turn_to((yesterday ? 1001 : 1000) * day + 7);
    lines(file, {"new"}, true);
    CHECK(folder.text() == (yesterday ? "new\n" : "old\nnew\n"));
  }
}

void times_before_1970_turn_too() {
  const LogRotation rotation{.bytes = 0, .every_ns = 10, .backups = 1};
  CHECK(rotation.next_turn(-1) == 0 && rotation.next_turn(0) == 10 && rotation.next_turn(-10) == 0);
  CHECK(rotation.next_turn(-11) == -10 && rotation.next_turn(19) == 20);
}

void a_moved_file_is_left_alone_after_reopening() {
  Folder folder;
  LogFile file(open_log(folder.log().c_str()), folder.log());
  lines(file, {"first"}, true);
  fs::rename(folder.log(), folder.log() + ".moved");
  lines(file, {"second"}, true);
  file.reopen();
  lines(file, {"third"}, true);
  file.sync();
  CHECK(folder.text(".moved") == "first\nsecond\n" && folder.text() == "third\n");
  CHECK(file.take_error().number == 0);
}

void a_reopening_that_fails_keeps_the_file() {
  Folder folder;
  const std::string below = folder.log() + ".d";
  fs::create_directory(below);
  LogFile file(open_log((below + "/y").c_str()), below + "/y");
  fs::rename(below, folder.log() + ".gone");
  file.reopen();
  const LogFileError error = file.take_error();
  CHECK(error.number == ENOENT && error.task == LogFileTask::kReopening);
  CHECK(error.text() == "No such file or directory; the log could not be reopened and goes on in the file it had");
  lines(file, {"still here"}, true);
  CHECK(folder.text(".gone/y") == "still here\n");
}

void rotations_leave_no_file_open() {
  const auto open_files = [] {
    return std::distance(fs::directory_iterator("/proc/self/fd"), fs::directory_iterator());
  };
  const auto before = open_files();
  Folder folder;
  LogFile file(open_log(folder.log().c_str()), folder.log(), {.bytes = 1, .every_ns = 0, .backups = 50});
  for (int i = 0; i < 40; ++i) lines(file, {"x"}, true);
  CHECK(folder.files() == 40);
  CHECK(open_files() - before == 1);
  file.sync();
  CHECK(open_files() - before == 1);
  file.close();
  CHECK(open_files() == before);
}

}  // namespace
}  // namespace latencykit

int main() {
  using namespace latencykit;
  files_move_up_and_the_last_is_replaced();
  a_gap_is_closed_and_nothing_behind_it_moves();
  what_a_crash_leaves_is_taken_up();
  a_failure_changes_nothing();
  the_new_file_has_the_permissions_of_the_old();
  a_file_ends_before_the_limit(true);
  a_file_ends_before_the_limit(false);
  what_is_in_the_file_already_counts();
  a_failed_rotation_loses_nothing_and_is_tried_again();
  a_line_of_another_time_is_in_another_file();
  an_old_file_is_turned_by_its_own_time();
  times_before_1970_turn_too();
  a_moved_file_is_left_alone_after_reopening();
  a_reopening_that_fails_keeps_the_file();
  rotations_leave_no_file_open();
}
