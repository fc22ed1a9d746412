// What happens when there is no memory: the logger's thread and the counter of malloc go on.
#include <pthread.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <new>
#include <sstream>
#include <string>

#include "latency/log_backend.h"
#include "latency/malloc_patch.h"
#include "tests/check.h"

namespace {

// Refuses every request by operator new of the threads with this name while it is set.
std::atomic<const char*> refused_thread{nullptr};
std::atomic<int> refusals{0};

bool is_refused() {
  const char* const refused = refused_thread.load();
  if (refused == nullptr) return false;
  char name[16] = "";
  pthread_getname_np(pthread_self(), name, sizeof name);
  if (std::strcmp(name, refused) != 0) return false;
  ++refusals;
  return true;
}

}  // namespace

// Not inlined: GCC would take malloc and free for a mismatched pair with new and delete.
[[gnu::noinline]] void* operator new(std::size_t size) {
  void* const block = is_refused() ? nullptr : std::malloc(size);
  if (block == nullptr) throw std::bad_alloc();
  return block;
}
[[gnu::noinline]] void operator delete(void* block) noexcept { std::free(block); }
[[gnu::noinline]] void operator delete(void* block, std::size_t) noexcept { std::free(block); }

using namespace latencykit;

namespace {

std::string content_of(const char* path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

void log_one(LogBackend& backend, std::uint32_t site) {
  LogRing& ring = backend.ring_of_this_thread();
  const std::size_t bytes = record_bytes(nullptr, 0);
  write_record(ring.reserve(bytes), bytes, site, log_ticks(), nullptr, 0);
  ring.commit(bytes);
}

void test_the_backend_tries_again() {
  char path[] = "/tmp/latencykit-refused-XXXXXX";
  LogBackend backend(mkstemp(path), {path, 4096, std::chrono::milliseconds(1)});
  const std::uint32_t site = backend.add_site({"INFO", parse_template("here")});
  refused_thread = "latencykit-log";
  log_one(backend, site);
  const std::uint64_t ticket = backend.request(LogBackend::After::kNothing);
  while (refusals == 0) std::this_thread::yield();
  CHECK(!backend.wait(ticket, std::chrono::nanoseconds(0)));
  refused_thread = nullptr;
  while (!backend.wait(ticket, std::chrono::milliseconds(50))) {
  }
  CHECK(backend.written() == 1 && backend.lost() == 0);
  backend.close();
  CHECK(content_of(path).ends_with(" INFO here\n"));
  unlink(path);
}

void test_the_patch_says_so_and_looks_again() {
  MallocPatch& patch = MallocPatch::instance();
  if (!patch.acquire()) {  // Not this platform, or the sanitizer's malloc.
    patch.release();
    return;
  }
  const size_t slots = patch.patched();
  patch.release();
  void* const other = dlopen("libutil.so.1", RTLD_NOW);  // Any library: the objects must be scanned again.
  if (other == nullptr) return;
  char name[16] = "";
  pthread_getname_np(pthread_self(), name, sizeof name);
  refusals = 0;
  refused_thread = name;
  const bool complete = patch.acquire();
  patch.release();
  refused_thread = nullptr;
  CHECK(complete == (refusals == 0));
  CHECK(patch.acquire());
  CHECK(patch.patched() >= slots);
  patch.release();
  CHECK(patch.patched() == 0);
  dlclose(other);
}

}  // namespace

int main() {
  test_the_backend_tries_again();
  test_the_patch_says_so_and_looks_again();
}
