#include "latency/numa.h"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <vector>

#include "tests/check.h"
#include "tests/fake_root.h"

namespace {

using latencykit::pages_elsewhere;
using latencykit::parse_node_list;
using latencykit::prefer_node;
using latencykit::usable_nodes;

using Nodes = std::vector<int>;

void lists_are_read_as_the_kernel_writes_them() {
  CHECK(parse_node_list("0") == Nodes{0});
  CHECK((parse_node_list("0-2,5,7-8\n") == Nodes{0, 1, 2, 5, 7, 8}));
  CHECK(parse_node_list("").empty() && parse_node_list("\n").empty() && parse_node_list("none").empty());
  CHECK(parse_node_list("1-").empty() && parse_node_list("3,") == Nodes{3});
}

void nodes_have_memory_and_are_allowed() {
  FakeRoot root;
  CHECK(usable_nodes(root.path()).empty());
  root.write("sys/devices/system/node/online", "0-3\n");
  CHECK((usable_nodes(root.path()) == Nodes{0, 1, 2, 3}));
  root.write("sys/devices/system/node/has_memory", "0,2-3\n");
  root.write("proc/self/status", "Name:\ttest\nMems_allowed:\t0c\nMems_allowed_list:\t2-3\nNSpid:\t1\n");
  CHECK((usable_nodes(root.path()) == Nodes{2, 3}));
}

void wrong_nodes_are_refused_without_asking() {
  std::byte nothing{};
  CHECK(prefer_node(&nothing, 0, -1) == EINVAL);
  CHECK(prefer_node(&nothing, 0, 1024) == EINVAL);
}

// Every node of this machine gives pages that then lie there, and nowhere else.
void pages_lie_where_they_were_asked_for() {
  constexpr std::size_t kPage = 4096;
  constexpr std::size_t kPages = 600;  // More than are asked about at once.
  const Nodes nodes = usable_nodes();
  for (int node : nodes) {
    void* memory = mmap(nullptr, kPages * kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(memory != MAP_FAILED);
    auto* begin = static_cast<std::byte*>(memory);
    const int error = prefer_node(begin, kPages * kPage, node);
    if (error == ENOSYS || error == EPERM) return;  // A kernel or a container that says no.
    CHECK(error == 0);
    CHECK(pages_elsewhere(begin, kPages * kPage, kPage, node) == 0);  // None is there yet.
    for (std::size_t page = 0; page < kPages; ++page) begin[page * kPage] = std::byte{1};
    CHECK(pages_elsewhere(begin, kPages * kPage, kPage, node) == 0);
    const std::size_t seen = pages_elsewhere(begin, kPages * kPage, kPage, node + 1);
    CHECK(seen == kPages || seen == 0);  // 0 where the kernel does not say.
    munmap(memory, kPages * kPage);
  }
}

}  // namespace

int main() {
  lists_are_read_as_the_kernel_writes_them();
  nodes_have_memory_and_are_allowed();
  wrong_nodes_are_refused_without_asking();
  pages_lie_where_they_were_asked_for();
}
