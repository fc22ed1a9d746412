// Where in Python code a thread's allocations come from: an observer of latency/alloc_counter.h.
//
// Memory: all of it is taken when the table is made; nothing is allocated while a count runs.
// When full: further places, and requests made without the GIL from a place that is not yet known, are counted
//   together as not placed.
// Lifetime: code objects are held from the first request of a place until the next open() or the end.
#pragma once

#include <cstdint>
#include <vector>

#include "bind/python_frames.h"
#include "latency/alloc_counter.h"

namespace latencykit::bind {

class AllocationSites {
 public:
  static constexpr int kMost = 100'000;

  explicit AllocationSites(size_t capacity);
  ~AllocationSites();
  AllocationSites(const AllocationSites&) = delete;
  AllocationSites& operator=(const AllocationSites&) = delete;

  // Empties the table for a count of the calling thread. The watched block is the frame so many `levels` above the
  // current one; below 0, what the current one calls. All but record need the GIL.
  void open(int levels);

  // From now on nothing is recorded; the object itself is never freed, as another thread may be about to use it.
  void abandon() { __atomic_store_n(&abandoned_, true, __ATOMIC_RELEASE); }

  AllocationObserver observer() {
    return {[](void* self, AllocationSource source, size_t bytes) {
              static_cast<AllocationSites*>(self)->record(source, bytes);
            },
            this};
  }

  // A new list of tuples as AllocationCounter.sites tells; null with an exception.
  PyObject* as_list() const;

 private:
  struct Place {
    PyCodeObject* code = nullptr;
    int line = 0;
    PyCodeObject* from_code = nullptr;  // In the watched block; null if that was not found.
    int from_line = 0;
    AllocationSource source{};

    bool operator==(const Place&) const = default;
  };
  struct Site {
    Place place;
    uint64_t count = 0, bytes = 0;
  };

  void record(AllocationSource source, size_t bytes);
  Place place_of(AllocationSource source) const;
  Site* site_at(const Place& place);
  void release_places();

  std::vector<Site> sites_;
  std::vector<Site> unplaced_;  // One for each source.
  PyThreadState* thread_ = nullptr;
  const PythonFrame* block_ = nullptr;
  bool below_block_ = false;
  bool abandoned_ = false;
};

}  // namespace latencykit::bind
