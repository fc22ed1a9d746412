#include "latency/reserved_pages.h"

#include <sys/mman.h>

#include <cstddef>
#include <cstdint>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "tests/check.h"

namespace {

using latencykit::CommitResult;
using latencykit::huge_pages_left;
using latencykit::HugePages;
using latencykit::memory_left;
using latencykit::PagePolicy;
using latencykit::PagesRefused;
using latencykit::Refusal;
using latencykit::ReservedPages;

constexpr std::size_t kPage = 4096;
constexpr std::size_t kMiB = std::size_t{1} << 20;

std::size_t pages_present(const ReservedPages& pages, std::size_t bytes) {
  std::vector<unsigned char> present((bytes + kPage - 1) / kPage);
  CHECK(mincore(pages.begin(), bytes, present.data()) == 0);
  std::size_t count = 0;
  for (unsigned char page : present) count += page & 1;
  return count;
}

// The flags of the mapping that holds an address: two letters each.
std::string flags_of(const void* address) {
  const auto wanted = reinterpret_cast<std::uintptr_t>(address);
  std::ifstream maps("/proc/self/smaps");
  bool inside = false;
  for (std::string line; std::getline(maps, line);) {
    const std::size_t dash = line.find('-');
    if (line.starts_with("VmFlags:") && inside) return line + " ";
    if (dash == std::string::npos || line.find(':') < dash) continue;
    inside = std::stoull(line, nullptr, 16) <= wanted && wanted < std::stoull(line.substr(dash + 1), nullptr, 16);
  }
  return "";
}

Refusal refusal_of(std::size_t least, std::size_t wanted, PagePolicy policy = {}) {
  try {
    ReservedPages pages(least, wanted, policy);
    return pages.commit(least).refusal;
  } catch (const PagesRefused& refused) {
    return refused.result.refusal;
  }
}

void a_wish_is_halved_until_it_fits() {
  ReservedPages pages(1, std::size_t{1} << 50);  // More than 47 bits of address space have.
  CHECK(pages.size() >= 1 && pages.size() < std::size_t{1} << 50);
  CHECK(pages.commit(5000).ok() && pages.committed() == 2 * kPage);
  CHECK(pages.begin()[0] == std::byte{0} && pages.begin()[4999] == std::byte{0});
  pages.begin()[4999] = std::byte{1};
  CHECK(pages.commit(100'000).ok());
  CHECK(pages.begin()[4999] == std::byte{1} && pages.begin()[99'999] == std::byte{0});
  CHECK(pages.commit(10).ok() && pages.committed() >= 100'000);  // Never less than before.
  CHECK(pages.commit(pages.size() + 1).refusal == Refusal::kSystem);
}

void the_impossible_is_refused() { CHECK(refusal_of(std::size_t{1} << 60, std::size_t{1} << 60) == Refusal::kSystem); }

// Touching this would call the out-of-memory killer; it must be refused before.
void what_is_not_there_is_not_touched() {
  const std::size_t all = memory_left() + kMiB;
  const CommitResult left = ReservedPages::check_left(all, {});
  CHECK(left.refusal == Refusal::kTooLittleLeft && left.needed == all && left.available < all);
  CHECK(ReservedPages::check_left(all, {.prefault = false}).ok());
  ReservedPages pages(all, all);
  CHECK(pages.commit(all).refusal == Refusal::kTooLittleLeft && pages.committed() == 0);
  CHECK(pages.commit(kPage).ok());  // What was refused changed nothing.
  pages.begin()[0] = std::byte{1};
}

void prefault_decides_who_touches() {
  for (bool prefault : {true, false}) {
    ReservedPages pages(kMiB, kMiB, {.prefault = prefault, .huge_pages = HugePages::kOff});
    CHECK(pages.commit(kMiB).ok());
    CHECK(pages_present(pages, kMiB) == (prefault ? kMiB / kPage : 0));
    pages.begin()[5 * kPage] = std::byte{1};
    CHECK(pages_present(pages, kMiB) == (prefault ? kMiB / kPage : 1));
  }
}

void huge_pages_are_advised_or_forbidden() {
  if (std::ifstream("/sys/kernel/mm/transparent_hugepage/enabled").fail()) return;
  ReservedPages advised(4 * kMiB, 4 * kMiB, {.prefault = false});
  CHECK(advised.commit(4 * kMiB).ok());
  CHECK(reinterpret_cast<std::uintptr_t>(advised.begin()) % ReservedPages::kHugePage == 0);
  CHECK(flags_of(advised.begin()).find(" hg ") != std::string::npos);
  ReservedPages off(4 * kMiB, 4 * kMiB, {.prefault = false, .huge_pages = HugePages::kOff});
  CHECK(off.commit(4 * kMiB).ok());
  CHECK(flags_of(off.begin()).find(" nh ") != std::string::npos);
  CHECK(flags_of(off.begin()).find(" hg ") == std::string::npos);
}

void required_huge_pages_are_had_or_refused() {
  const PagePolicy require{.prefault = true, .huge_pages = HugePages::kRequire};
  if (huge_pages_left().value_or(0) < 2) {
    CHECK(refusal_of(3 * kMiB, 3 * kMiB, require) == Refusal::kNoHugePages);
    return;
  }
  ReservedPages pages(3 * kMiB, std::size_t{1} << 40, require);
  CHECK(pages.commit(3 * kMiB).ok() && pages.committed() == 4 * kMiB);
  CHECK(flags_of(pages.begin()).find(" ht ") != std::string::npos);
  pages.begin()[4 * kMiB - 1] = std::byte{1};
  // More than are set aside: refused by the call, where a write would be the end of the process.
  CHECK(pages.commit(std::size_t{1} << 39).refusal == Refusal::kNoHugePages);
  CHECK(pages.begin()[4 * kMiB - 1] == std::byte{1});
}

void a_node_that_the_kernel_does_not_take_is_refused() {
  ReservedPages pages(kPage, kPage, {.numa_node = 1000});
  const CommitResult result = pages.commit(kPage);
  CHECK(result.refusal == Refusal::kNode && result.error != 0);
}

void a_moved_range_goes_on() {
  ReservedPages first(kPage, 4 * kPage);
  CHECK(first.commit(kPage).ok());
  std::byte* begin = first.begin();
  begin[7] = std::byte{7};
  ReservedPages second(std::move(first));
  CHECK(first.begin() == nullptr && second.begin() == begin && second.begin()[7] == std::byte{7});
  CHECK(second.commit(4 * kPage).ok() && second.begin()[7] == std::byte{7});
}

void what_was_refused_is_given_back() {
  ReservedPages pages(kMiB, kMiB, {.numa_node = 1000});
  CHECK(!pages.commit(kMiB).ok());
  CHECK(pages_present(pages, kMiB) == 0);
}

}  // namespace

int main() {
  a_wish_is_halved_until_it_fits();
  the_impossible_is_refused();
  what_is_not_there_is_not_touched();
  prefault_decides_who_touches();
  huge_pages_are_advised_or_forbidden();
  required_huge_pages_are_had_or_refused();
  a_node_that_the_kernel_does_not_take_is_refused();
  a_moved_range_goes_on();
  what_was_refused_is_given_back();
}
