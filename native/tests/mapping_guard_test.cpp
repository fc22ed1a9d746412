// Guarded mappings: what a file cut short does to them, and what every other SIGBUS does.
#include "latency/mapping_guard.h"

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <csignal>
#include <cstddef>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "tests/check.h"

namespace {

using latencykit::MappingGuard;

const std::size_t kPage = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
constexpr std::size_t kPages = 4;

// A file in memory, mapped; guarded or not.
struct Mapped {
  explicit Mapped(int protection = PROT_READ | PROT_WRITE) {
    CHECK(file >= 0 && ftruncate(file, static_cast<off_t>(bytes)) == 0);
    data = static_cast<volatile char*>(mmap(nullptr, bytes, protection, MAP_SHARED, file, 0));
    CHECK(data != MAP_FAILED);
  }
  Mapped(const Mapped&) = delete;
  Mapped& operator=(const Mapped&) = delete;
  ~Mapped() {
    munmap(const_cast<char*>(data), bytes);
    close(file);
  }
  void cut(std::size_t to) { CHECK(ftruncate(file, static_cast<off_t>(to)) == 0); }
  void* address() const { return const_cast<char*>(data); }

  std::size_t bytes = kPages * kPage;
  int file = memfd_create("mapping_guard_test", 0);
  volatile char* data;
};

// How a child that runs f() ends: its exit status, or minus the signal.
template <typename F>
int end_of(F f) {
  const pid_t child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    f();
    _exit(0);
  }
  int status = 0;
  CHECK(waitpid(child, &status, 0) == child);
  return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

void a_file_cut_short_reads_as_zero_from_there_on() {
  Mapped file;
  const MappingGuard guard(file.address(), file.bytes, PROT_READ | PROT_WRITE);
  for (std::size_t i = 0; i < kPages; ++i) file.data[i * kPage] = static_cast<char>('a' + i);
  CHECK(!guard.is_cut());
  file.cut(2 * kPage);
  CHECK(file.data[kPage] == 'b' && !guard.is_cut());
  CHECK(file.data[3 * kPage] == 0 && guard.is_cut());
  CHECK(file.data[2 * kPage] == 0);
  file.data[2 * kPage + 1] = 'x';
  file.data[4 * kPage - 1] = 'y';
  CHECK(file.data[2 * kPage + 1] == 'x' && file.data[4 * kPage - 1] == 'y');
  CHECK(file.data[0] == 'a');
}

void a_copy_over_the_end_goes_through() {
  Mapped file;
  const MappingGuard guard(file.address(), file.bytes, PROT_READ | PROT_WRITE);
  std::vector<char> other(file.bytes, 'z');
  file.cut(0);
  std::memcpy(file.address(), other.data(), other.size());
  CHECK(guard.is_cut());
  std::memcpy(other.data(), file.address(), other.size());
  CHECK(other.front() == 'z' && other.back() == 'z');
}

void read_only_mappings_stay_read_only() {
  CHECK(end_of([] {
          Mapped file(PROT_READ);
          const MappingGuard guard(file.address(), file.bytes, PROT_READ);
          file.cut(0);
          if (file.data[0] != 0 || !guard.is_cut()) _exit(1);
          signal(SIGSEGV, SIG_DFL);  // A sanitizer's would report it.
          file.data[0] = 1;
        }) == -SIGSEGV);
}

void guards_do_not_mind_each_other() {
  Mapped one, two;
  const MappingGuard first(one.address(), one.bytes, PROT_READ | PROT_WRITE);
  {
    Mapped three;
    const MappingGuard third(three.address(), three.bytes, PROT_READ | PROT_WRITE);
    three.cut(0);
    CHECK(three.data[1] == 0 && third.is_cut());
  }
  const MappingGuard second(two.address(), two.bytes, PROT_READ | PROT_WRITE);  // Takes the node of the third.
  CHECK(!first.is_cut() && !second.is_cut());
  two.cut(0);
  CHECK(two.data[5] == 0 && second.is_cut() && !first.is_cut());
}

// Every thread finds the end of the file at about the same time, while others make and drop guards.
void threads_find_it_together() {
  for (int round = 0; round < 20; ++round) {
    Mapped file;
    const MappingGuard guard(file.address(), file.bytes, PROT_READ | PROT_WRITE);
    std::atomic<int> ready{0};
    std::atomic<bool> stop{false};
    std::thread churn([&] {
      while (!stop.load()) {
        Mapped other;
        const MappingGuard otherwise(other.address(), other.bytes, PROT_READ | PROT_WRITE);
        CHECK(!otherwise.is_cut());
      }
    });
    std::vector<std::thread> readers;
    for (std::size_t i = 0; i < 3; ++i) {
      readers.emplace_back([&, i] {
        ++ready;
        while (!guard.is_cut()) {
          __atomic_load_n(&file.data[(i + 1) * kPage], __ATOMIC_RELAXED);
          std::this_thread::yield();
        }
      });
    }
    while (ready.load() < 3) std::this_thread::yield();
    file.cut(0);
    for (std::thread& reader : readers) reader.join();
    stop.store(true);
    churn.join();
  }
}

void every_other_fault_is_as_fatal_as_before() {
  CHECK(end_of([] {
          Mapped guarded, bare;
          const MappingGuard guard(guarded.address(), guarded.bytes, PROT_READ | PROT_WRITE);
          bare.cut(0);
          bare.data[0] = 1;
        }) != 0);
  CHECK(end_of([] {
          Mapped file;
          {
            const MappingGuard guard(file.address(), file.bytes, PROT_READ | PROT_WRITE);
          }
          file.cut(0);
          file.data[0] = 1;  // Not guarded any more.
        }) != 0);
  CHECK(end_of([] { raise(SIGBUS); }) != 0);
  CHECK(end_of([] { kill(getpid(), SIGBUS); }) != 0);
}

// The guard's handler keeps the one that there was; which is why this comes first.
void the_handler_of_before_is_called() {
  CHECK(end_of([] {
          struct sigaction action = {};
          action.sa_sigaction = [](int, siginfo_t* info, void*) { _exit(info->si_code == BUS_ADRERR ? 7 : 8); };
          action.sa_flags = SA_SIGINFO;
          sigaction(SIGBUS, &action, nullptr);
          Mapped guarded, bare;
          const MappingGuard guard(guarded.address(), guarded.bytes, PROT_READ | PROT_WRITE);
          guarded.cut(0);
          guarded.data[0] = 1;
          bare.cut(0);
          bare.data[0] = 1;
        }) == 7);
  CHECK(end_of([] {
          signal(SIGBUS, [](int) { _exit(9); });
          Mapped guarded, bare;
          const MappingGuard guard(guarded.address(), guarded.bytes, PROT_READ | PROT_WRITE);
          bare.cut(0);
          bare.data[0] = 1;
        }) == 9);
}

void a_child_of_a_fork_is_guarded_too() {
  Mapped file;
  const MappingGuard guard(file.address(), file.bytes, PROT_READ | PROT_WRITE);
  CHECK(end_of([&] {
          Mapped another;
          const MappingGuard own(another.address(), another.bytes, PROT_READ | PROT_WRITE);
          file.cut(0);
          another.cut(0);
          if (file.data[0] != 0 || another.data[0] != 0) _exit(1);
          _exit(guard.is_cut() && own.is_cut() ? 5 : 2);
        }) == 5);
  CHECK(file.data[0] == 0 && guard.is_cut());
}

}  // namespace

int main() {
  the_handler_of_before_is_called();
  a_file_cut_short_reads_as_zero_from_there_on();
  a_copy_over_the_end_goes_through();
  read_only_mappings_stay_read_only();
  guards_do_not_mind_each_other();
  threads_find_it_together();
  every_other_fault_is_as_fatal_as_before();
  a_child_of_a_fork_is_guarded_too();
}
