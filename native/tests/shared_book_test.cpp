// The order book in shared memory: one writer over all processes, its death, its forks, and what is no book.
#include "latency/shared_book.h"

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstring>
#include <string>
#include <system_error>

#include "tests/book_copy.h"
#include "tests/check.h"

namespace {

using namespace latencykit;
using book_tests::expect;
using book_tests::kBid;
using book_tests::OwnCopy;

using Reason = SharedBookError::Reason;

class SharedName {
 public:
  SharedName() : name("latencykit-test-" + std::to_string(getpid())) { SharedMemory::remove(name); }
  ~SharedName() { SharedMemory::remove(name); }
  const std::string name;
};

template <typename F>
bool is_refused(Reason reason, F call) {
  try {
    call();
  } catch (const SharedBookError& error) {
    return error.reason() == reason;
  }
  return false;
}

template <typename F>
int in_child(F run) {
  const pid_t child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    run();
    _exit(0);
  }
  int status = 0;
  CHECK(waitpid(child, &status, 0) == child);
  return status;
}

void a_book_is_shared_between_processes() {
  const SharedName shared;
  auto memory = shared_book::create(shared.name, "AAPL", 5);
  BookWriter writer(shared_book::header_of(*memory), getpid());
  writer.update(kBid, 100.0, 7);
  CHECK(memory->is_claim_held() && memory->is_claimed());
  CHECK(is_refused(Reason::kHasWriter, [&] { shared_book::create(shared.name, "AAPL", 5); }));
  const int status = in_child([&] {
    CHECK(!memory->is_claim_held() && memory->is_claimed());  // The claim stayed with the parent.
    CHECK(is_refused(Reason::kHasWriter, [&] { shared_book::create(shared.name, "AAPL", 5); }));
    auto attached = shared_book::attach(shared.name);
    const BookReader reader(shared_book::header_of(*attached));
    expect(reader, kBid, {{100.0, 7}});
    CHECK(reader.symbol() == "AAPL" && reader.depth() == 5 && attached->is_claimed());
  });
  CHECK(status == 0);
  auto attached = shared_book::attach(shared.name);
  memory->release_claim();
  CHECK(!attached->is_claimed() && !memory->is_claim_held());
  CHECK(attached->remove_name() && !attached->has_name() && !attached->remove_name());
}

void a_dead_writer_leaves_the_claim_and_its_heir_an_empty_book() {
  const SharedName shared;
  const int status = in_child([&] {
    auto memory = shared_book::create(shared.name, "AAPL", 5);
    BookWriter writer(shared_book::header_of(*memory), getpid());
    writer.update(kBid, 100.0, 7);
    writer.batch([&](auto change) {
      change(kBid, 101.0, 7);
      kill(getpid(), SIGKILL);
    });
  });
  CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
  auto attached = shared_book::attach(shared.name);
  const BookReader reader(shared_book::header_of(*attached));
  OwnCopy own(5);
  CHECK(reader.try_copy(&own.copy) == ReadResult::kBusy && SequenceLock<>::is_writing(reader.number()) &&
        !attached->is_claimed());
  CHECK(is_refused(Reason::kOtherBook, [&] { shared_book::create(shared.name, "AAPL", 6); }));
  CHECK(is_refused(Reason::kOtherBook, [&] { shared_book::create(shared.name, "MSFT", 5); }));
  auto memory = shared_book::create(shared.name, "AAPL", 5);
  BookWriter heir(shared_book::header_of(*memory), getpid());
  expect(reader, kBid, {});
  CHECK(reader.version() == 3);  // Two of the dead writer, one of them never finished, and the heir's first.
  heir.update(kBid, 99.0, 1);
  expect(reader, kBid, {{99.0, 1}});
}

// A child that only inherited the claim must not keep it alive.
void a_fork_does_not_hold_the_claim() {
  const SharedName shared;
  int ready[2], done[2];
  CHECK(pipe(ready) == 0 && pipe(done) == 0);
  const pid_t parent = fork();
  CHECK(parent >= 0);
  if (parent == 0) {
    auto memory = shared_book::create(shared.name, "AAPL", 5);
    if (fork() == 0) {
      char byte;
      close(done[1]);
      CHECK(write(ready[1], "r", 1) == 1);
      (void)!read(done[0], &byte, 1);  // Lives until the test has seen what it wants.
      _exit(0);
    }
    char byte;
    (void)!read(done[0], &byte, 1);
    _exit(0);
  }
  char byte;
  CHECK(read(ready[0], &byte, 1) == 1);
  CHECK(is_refused(Reason::kHasWriter, [&] { shared_book::create(shared.name, "AAPL", 5); }));
  kill(parent, SIGKILL);
  int status = 0;
  CHECK(waitpid(parent, &status, 0) == parent);
  CHECK(shared_book::create(shared.name, "AAPL", 5) != nullptr);
  for (int end : {ready[0], ready[1], done[0], done[1]}) close(end);
}

void what_is_no_book_is_refused_and_left_alone() {
  const SharedName shared;
  const auto remake = [&](std::size_t bytes, const char* content) {
    SharedMemory::remove(shared.name);
    SharedMemory memory(shared.name, SharedMemory::Open::kCreateIfMissing);
    if (bytes == 0) return;
    memory.resize(bytes);
    memory.map(bytes);
    std::memcpy(memory.data(), content, std::min(bytes, std::strlen(content)));
  };
  for (std::size_t bytes : {1, 100, 192, 5000}) {
    remake(bytes, "something else");
    CHECK(is_refused(Reason::kForeign, [&] { shared_book::attach(shared.name); }));
    CHECK(is_refused(Reason::kForeign, [&] { shared_book::create(shared.name, "AAPL", 5); }));
    SharedMemory memory(shared.name, SharedMemory::Open::kReadOnly);
    CHECK(memory.size() == bytes);
  }
  remake(0, "");  // As a writer leaves it that dies between its first two steps.
  CHECK(is_refused(Reason::kForeign, [&] { shared_book::attach(shared.name); }));
  CHECK(shared_book::create(shared.name, "AAPL", 5) != nullptr);
  SharedMemory::remove(shared.name);
  bool missing = false;
  try {
    shared_book::attach(shared.name);
  } catch (const std::system_error& error) {
    missing = error.code() == std::errc::no_such_file_or_directory;
  }
  CHECK(missing);
}

void names_are_checked() {
  CHECK(SharedMemory::is_name("book") && SharedMemory::is_name(std::string(250, 'x')));
  for (const std::string& wrong : {std::string(), std::string("/book"), std::string("a/b"), std::string("."),
                                   std::string(".."), std::string(251, 'x'), std::string("a\0b", 3)}) {
    CHECK(!SharedMemory::is_name(wrong));
  }
}

// Anybody may make such things where the names are; to open a pipe the usual way would wait for ever.
void what_is_no_memory_is_refused_and_left_alone() {
  const SharedName shared;
  const std::string path = "/dev/shm/" + shared.name;
  CHECK(mkfifo(path.c_str(), 0600) == 0);
  CHECK(is_refused(Reason::kForeign, [&] { shared_book::attach(shared.name); }));
  CHECK(is_refused(Reason::kForeign, [&] { shared_book::create(shared.name, "AAPL", 5); }));
  struct stat found;
  CHECK(stat(path.c_str(), &found) == 0 && S_ISFIFO(found.st_mode));
}

// Whoever is cut short goes on, and is told.
void a_book_that_is_cut_short_is_no_fault() {
  const SharedName shared;
  auto memory = shared_book::create(shared.name, "AAPL", 1000);
  auto attached = shared_book::attach(shared.name);
  BookWriter writer(shared_book::header_of(*memory), getpid());
  for (int i = 1; i <= 1000; ++i) writer.update(kBid, i, 1);
  const BookReader reader(shared_book::header_of(*attached));
  OwnCopy copy(1000);
  CHECK(reader.try_copy(&copy.copy) == ReadResult::kDone && !memory->is_cut() && !attached->is_cut());
  CHECK(truncate(("/dev/shm/" + shared.name).c_str(), 4096) == 0);
  writer.update(kBid, 1000.0, 2);  // In the page that is left.
  CHECK(!memory->is_cut() && !*memory->cut_flag());
  writer.update(kBid, 1.0, 2);
  CHECK(memory->is_cut() && *memory->cut_flag() && !attached->is_cut());
  reader.try_copy(&copy.copy);
  CHECK(attached->is_cut());
  writer.clear();
  CHECK(is_refused(Reason::kDamaged, [&] { shared_book::attach(shared.name); }));
}

void a_symbol_without_an_end_is_cut_at_its_room() {
  alignas(64) std::byte memory[book_block::bytes_for(4)];
  BookHeader* header = book_block::format(memory, 4, "AAPL");
  CHECK(book_block::symbol_of(header) == "AAPL");
  std::memset(header->symbol, 'x', sizeof header->symbol);
  CHECK(BookReader(header).symbol().size() == book_block::kLongestSymbol);
}

}  // namespace

int main() {
  names_are_checked();
  what_is_no_memory_is_refused_and_left_alone();
  a_symbol_without_an_end_is_cut_at_its_room();
  a_book_that_is_cut_short_is_no_fault();
  a_book_is_shared_between_processes();
  a_dead_writer_leaves_the_claim_and_its_heir_an_empty_book();
  a_fork_does_not_hold_the_claim();
  what_is_no_book_is_refused_and_left_alone();
  return 0;
}
