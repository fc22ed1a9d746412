// Memory on a chosen NUMA node, by the kernel's own calls: no libnuma.
//
// Promises:
// - usable_nodes() are the nodes that have memory and that this process may use (its cpuset); empty where the kernel
//   knows no nodes.
// - prefer_node() asks that pages of a range come from a node from their first touch on. Preferred and not bound
//   (MPOL_PREFERRED, not MPOL_BIND): where a bound node is full, the kernel kills the process that touches
//   the page, and a preferred one gives a page of another node.
// - pages_elsewhere() looks which node each touched page did come from, so that a caller who touched them all can
//   refuse what is not where it should be.
// - Errors are errno values. ENOSYS: a kernel without NUMA. EPERM: denied, as containers' system call filters do.
#pragma once

#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstddef>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

namespace latencykit {

// Parses the kernel's form of a list, such as "0-1,4".
inline std::vector<int> parse_node_list(std::string_view text) {
  std::vector<int> nodes;
  const char* at = text.data();
  const char* const end = at + text.size();
  while (at != end) {
    int first = 0;
    auto parsed = std::from_chars(at, end, first);
    if (parsed.ec != std::errc{}) break;
    int last = first;
    if (parsed.ptr != end && *parsed.ptr == '-') parsed = std::from_chars(parsed.ptr + 1, end, last);
    if (parsed.ec != std::errc{}) break;
    for (int node = first; node <= last; ++node) nodes.push_back(node);
    at = parsed.ptr;
    if (at == end || *at != ',') break;
    ++at;
  }
  return nodes;
}

// `root` is for tests.
inline std::vector<int> usable_nodes(const std::string& root = "/") {
  const auto list_in = [&](const char* path) {
    std::ifstream file(root + path);
    std::string line;
    std::getline(file, line);
    return parse_node_list(line);
  };
  std::vector<int> nodes = list_in("sys/devices/system/node/has_memory");
  if (nodes.empty()) nodes = list_in("sys/devices/system/node/online");
  std::ifstream status(root + "proc/self/status");
  constexpr std::string_view kKey = "Mems_allowed_list:";
  for (std::string line; std::getline(status, line);) {
    if (!line.starts_with(kKey)) continue;
    const std::size_t value = line.find_first_not_of(" \t", kKey.size());
    const std::vector<int> allowed =
        value == std::string::npos ? nodes : parse_node_list(std::string_view(line).substr(value));
    std::erase_if(nodes, [&](int node) { return std::find(allowed.begin(), allowed.end(), node) == allowed.end(); });
  }
  return nodes;
}

// 0, or an errno value. `begin` is the start of a page.
inline int prefer_node(void* begin, std::size_t bytes, int node) noexcept {
#ifdef SYS_mbind
  constexpr unsigned long kPreferred = 1;  // MPOL_PREFERRED of <linux/mempolicy.h>
  constexpr std::size_t kBits = 8 * sizeof(unsigned long);
  std::array<unsigned long, 16> mask{};
  const auto bit = static_cast<std::size_t>(node);
  if (node < 0 || bit >= mask.size() * kBits) return EINVAL;
  mask[bit / kBits] = 1UL << (bit % kBits);
  // The kernel takes one bit less than it is told.
  const long failed = syscall(SYS_mbind, begin, bytes, kPreferred, mask.data(), mask.size() * kBits + 1, 0U);
  return failed == 0 ? 0 : errno;
#else
  (void)begin, (void)bytes, (void)node;
  return ENOSYS;
#endif
}

// How many of the touched pages of a range lie on another node; none where the kernel does not say.
inline std::size_t pages_elsewhere(std::byte* begin, std::size_t bytes, std::size_t page, int node) noexcept {
  std::size_t elsewhere = 0;
#ifdef SYS_move_pages
  constexpr std::size_t kAtOnce = 256;
  std::array<void*, kAtOnce> pages;
  std::array<int, kAtOnce> status;
  const std::size_t all = bytes / page;
  for (std::size_t done = 0; done < all;) {
    const std::size_t count = std::min(kAtOnce, all - done);
    for (std::size_t i = 0; i < count; ++i) pages[i] = begin + (done + i) * page;
    // Without a list of target nodes it moves nothing and only says where the pages are.
    if (syscall(SYS_move_pages, 0, count, pages.data(), nullptr, status.data(), 0) != 0) return 0;
    // Negative is an errno value: the page was never touched.
    for (std::size_t i = 0; i < count; ++i) elsewhere += status[i] >= 0 && status[i] != node;
    done += count;
  }
#else
  (void)begin, (void)bytes, (void)page, (void)node;
#endif
  return elsewhere;
}

}  // namespace latencykit
