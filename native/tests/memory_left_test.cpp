#include "latency/memory_left.h"

#include <cstddef>

#include "tests/check.h"
#include "tests/fake_root.h"

namespace {

using latencykit::huge_pages_left;
using latencykit::kUnknownMemory;
using latencykit::memory_left;

constexpr const char* kMeminfo =
    "MemTotal:       16000000 kB\nMemFree:         1000000 kB\nMemAvailable:    8000000 kB\nBuffers: 5 kB\n";

void what_cannot_be_read_sets_no_limit() {
  FakeRoot root;
  CHECK(memory_left(-1, root.path()) == kUnknownMemory);
  CHECK(memory_left(3, root.path()) == kUnknownMemory);
  root.write("proc/self/cgroup", "nonsense\n0::\n0:\n::\n7:memory:relative\n");
  root.write("proc/meminfo", "MemAvailable: plenty\n");
  CHECK(memory_left(-1, root.path()) == kUnknownMemory);
}

void the_machine_has_what_it_calls_available() {
  FakeRoot root;
  root.write("proc/meminfo", kMeminfo);
  CHECK(memory_left(-1, root.path()) == std::size_t{8'000'000} * 1024);
}

void a_node_has_its_free_and_its_file_pages() {
  FakeRoot root;
  root.write("proc/meminfo", kMeminfo);
  root.write(
      "sys/devices/system/node/node1/meminfo",
      "Node 1 MemTotal:       8000000 kB\nNode 1 MemFree:          100000 kB\n"
      "Node 1 Active(anon):    500000 kB\nNode 1 Active(file):     20000 kB\nNode 1 Inactive(file):    3000 kB\n");
  CHECK(memory_left(1, root.path()) == std::size_t{123'000} * 1024);
  CHECK(memory_left(0, root.path()) == std::size_t{8'000'000} * 1024);
}

void each_group_above_may_set_the_limit_v2() {
  FakeRoot root;
  root.write("proc/meminfo", kMeminfo);
  root.write("proc/self/cgroup", "0::/a/b\n");
  root.write("sys/fs/cgroup/a/b/memory.max", "max\n");
  root.write("sys/fs/cgroup/a/b/memory.current", "100\n");
  root.write("sys/fs/cgroup/a/memory.max", "1000000\n");
  root.write("sys/fs/cgroup/a/memory.current", "700000\n");
  root.write("sys/fs/cgroup/a/memory.stat", "anon 1\nactive_file 1000\ninactive_file 20000\n");
  CHECK(memory_left(-1, root.path()) == 321'000);
  root.write("sys/fs/cgroup/a/b/memory.max", "150\n");
  CHECK(memory_left(-1, root.path()) == 50);
  root.write("sys/fs/cgroup/a/b/memory.current", "400\n");  // Over its limit, which was lowered.
  CHECK(memory_left(-1, root.path()) == 0);
}

void each_group_above_may_set_the_limit_v1() {
  FakeRoot root;
  root.write("proc/self/cgroup", "9:name=systemd:/\n4:cpu,memory:/a\n0::/\n");
  root.write("sys/fs/cgroup/memory/a/memory.limit_in_bytes", "9223372036854771712\n");  // No limit.
  root.write("sys/fs/cgroup/memory/a/memory.usage_in_bytes", "500\n");
  CHECK(memory_left(-1, root.path()) == 9223372036854771212U);
  root.write("sys/fs/cgroup/memory/memory.limit_in_bytes", "9000\n");
  root.write("sys/fs/cgroup/memory/memory.usage_in_bytes", "5000\n");
  root.write("sys/fs/cgroup/memory/memory.stat",
             "active_file 7\ninactive_file 7\ntotal_inactive_file 200\ntotal_active_file 30\n");
  CHECK(memory_left(-1, root.path()) == 4'230);
}

// Inside a container the path may be that of the host, which is not there.
void a_group_that_is_not_there_is_passed_over() {
  FakeRoot root;
  root.write("proc/self/cgroup", "0::/docker/abc\n");
  root.write("sys/fs/cgroup/memory.max", "5000\n");
  root.write("sys/fs/cgroup/memory.current", "1000\n");
  CHECK(memory_left(-1, root.path()) == 4'000);
}

void this_machine_has_some_memory_left() { CHECK(memory_left() > 0); }

void huge_pages_are_counted_or_unknown() {
  FakeRoot root;
  CHECK(!huge_pages_left(root.path()));
  root.write("sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "12\n");
  CHECK(huge_pages_left(root.path()) == 12);
}

// A folder is such a file, and a stream's buffer throws about it.
void a_file_that_opens_and_cannot_be_read_sets_no_limit() {
  FakeRoot root;
  root.write("proc/meminfo/folder", "");
  root.write("proc/self/cgroup", "0::/\n");
  root.write("sys/fs/cgroup/memory.max/folder", "");
  root.write("sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages/folder", "");
  CHECK(memory_left(-1, root.path()) == kUnknownMemory);
  CHECK(!huge_pages_left(root.path()));
}

}  // namespace

int main() {
  a_file_that_opens_and_cannot_be_read_sets_no_limit();
  what_cannot_be_read_sets_no_limit();
  the_machine_has_what_it_calls_available();
  a_node_has_its_free_and_its_file_pages();
  each_group_above_may_set_the_limit_v2();
  each_group_above_may_set_the_limit_v1();
  a_group_that_is_not_there_is_passed_over();
  this_machine_has_some_memory_left();
  huge_pages_are_counted_or_unknown();
}
