// How much memory this process may still take before somebody is killed for it.
//
// Promises:
// - memory_left() is the least of what the machine has available (MemAvailable: free or easily freed), what one
//   NUMA node has, and what each control group around this process still allows, version 2 or 1, at the
//   places where every distribution mounts them. File pages that a group holds count as free: the kernel
//   drops them first. Swap does not count: memory that is there for its latency must not be swapped out.
// - What cannot be read sets no limit; kUnknownMemory if nothing can.
// - An estimate that is over by the time it is returned. It is there to refuse a hopeless wish with a sentence
//   where touching the memory would call the kernel's out-of-memory killer.
// - Reads some small files: not for a hot path.
#pragma once

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <iterator>
#include <limits>
#include <new>
#include <optional>
#include <string>
#include <string_view>

namespace latencykit {

inline constexpr std::size_t kUnknownMemory = std::numeric_limits<std::size_t>::max();

namespace memory_left_detail {

// Empty if it cannot be read, which a stream's buffer, unlike the stream, throws about.
inline std::string content_of(const std::string& path) {
  std::ifstream file(path);
  try {
    return std::string(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  } catch (const std::ios_base::failure&) {
    return {};
  }
}

// The number after `key` and blanks; a key is a whole word at the start of a line or after a blank.
inline std::optional<std::size_t> number_after(std::string_view text, std::string_view key) {
  for (std::size_t at = text.find(key); at != std::string_view::npos; at = text.find(key, at + 1)) {
    if (at > 0 && text[at - 1] != '\n' && text[at - 1] != ' ') continue;
    const std::size_t digits = text.find_first_not_of(" \t", at + key.size());
    if (digits == std::string_view::npos) return std::nullopt;
    std::size_t value = 0;
    const auto parsed = std::from_chars(text.data() + digits, text.data() + text.size(), value);
    if (parsed.ec == std::errc{}) return value;
  }
  return std::nullopt;
}

inline std::size_t kib_after(std::string_view text, std::string_view key, std::size_t otherwise) {
  const auto kib = number_after(text, key);
  return kib ? *kib * 1024 : otherwise;
}

inline std::size_t left_on_node(const std::string& root, int node) {
  const std::string meminfo = content_of(root + "sys/devices/system/node/node" + std::to_string(node) + "/meminfo");
  const std::size_t free = kib_after(meminfo, "MemFree:", kUnknownMemory);
  if (free == kUnknownMemory) return kUnknownMemory;
  return free + kib_after(meminfo, "Active(file):", 0) + kib_after(meminfo, "Inactive(file):", 0);
}

// The file names of one version of the memory controller.
struct GroupFiles {
  const char* limit;
  const char* used;
  const char* active_file;
  const char* inactive_file;
};
inline constexpr GroupFiles kVersion2{"memory.max", "memory.current", "active_file ", "inactive_file "};
inline constexpr GroupFiles kVersion1{"memory.limit_in_bytes", "memory.usage_in_bytes", "total_active_file ",
                                      "total_inactive_file "};

inline std::size_t left_in_group(const std::string& folder, const GroupFiles& files) {
  const auto limit = number_after(content_of(folder + "/" + files.limit), "");  // "max" is no number.
  const auto used = number_after(content_of(folder + "/" + files.used), "");
  if (!limit || !used) return kUnknownMemory;
  const std::string stat = content_of(folder + "/memory.stat");
  const std::size_t droppable =
      number_after(stat, files.active_file).value_or(0) + number_after(stat, files.inactive_file).value_or(0);
  const std::size_t held = *used - std::min(*used, droppable);
  return *limit - std::min(*limit, held);
}

// From the process's own group up to the mount: each of them may set a limit.
inline std::size_t left_up_the_tree(const std::string& mount, std::string_view path, const GroupFiles& files) {
  std::size_t left = kUnknownMemory;
  while (true) {
    left = std::min(left, left_in_group(mount + std::string(path), files));
    const std::size_t slash = path.rfind('/');
    if (path == "/" || slash == std::string_view::npos) return left;
    path = path.substr(0, slash);
  }
}

// A line of /proc/self/cgroup is "id:controllers:path"; version 2 has no controllers.
inline std::size_t left_in_groups(const std::string& root) {
  const std::string groups = content_of(root + "proc/self/cgroup");
  std::size_t left = kUnknownMemory;
  for (std::string_view rest = groups; !rest.empty();) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    const std::size_t first = line.find(':');
    const std::size_t second = first == std::string_view::npos ? first : line.find(':', first + 1);
    if (second == std::string_view::npos) continue;
    std::string controllers(1, ',');
    controllers.append(line.substr(first + 1, second - first - 1)).push_back(',');
    const std::string_view path = line.substr(second + 1);
    if (controllers == ",,") left = std::min(left, left_up_the_tree(root + "sys/fs/cgroup", path, kVersion2));
    if (controllers.find(",memory,") != std::string::npos) {
      left = std::min(left, left_up_the_tree(root + "sys/fs/cgroup/memory", path, kVersion1));
    }
  }
  return left;
}

}  // namespace memory_left_detail

// Bytes; `numa_node` -1 for any node, `root` for tests. Having no memory to read the files with is none left.
inline std::size_t memory_left(int numa_node = -1, const std::string& root = "/") noexcept {
  namespace detail = memory_left_detail;
  try {
    const std::size_t machine =
        detail::kib_after(detail::content_of(root + "proc/meminfo"), "MemAvailable:", kUnknownMemory);
    const std::size_t node = numa_node < 0 ? kUnknownMemory : detail::left_on_node(root, numa_node);
    return std::min({machine, node, detail::left_in_groups(root)});
  } catch (const std::bad_alloc&) {
    return 0;
  }
}

// How many free huge pages of 2 MiB the administrator has set aside; nullopt if this kernel has no such pages,
// or no memory to ask it with.
inline std::optional<std::size_t> huge_pages_left(const std::string& root = "/") noexcept {
  try {
    return memory_left_detail::number_after(
        memory_left_detail::content_of(root + "sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages"), "");
  } catch (const std::bad_alloc&) {
    return std::nullopt;
  }
}

}  // namespace latencykit
