#include "bind/allocation_sites.h"

#include "bind/types.h"

namespace latencykit::bind {
namespace {

constexpr const char* kSourceNames[] = {"raw", "mem", "object", "malloc"};
// Deeper than the default limit of recursion; a bound all the same, for what is not as it should be.
constexpr int kDeepest = 10'000;

PyObject* or_none(PyObject* object) { return object == nullptr ? Py_None : object; }

}  // namespace

AllocationSites::AllocationSites(size_t capacity) : unplaced_(AllocationTally{}.size()) {
  sites_.reserve(capacity);
  for (size_t i = 0; i < unplaced_.size(); ++i) unplaced_[i].place.source = static_cast<AllocationSource>(i);
}

AllocationSites::~AllocationSites() { release_places(); }

void AllocationSites::open(int levels) {
  release_places();
  for (Site& site : unplaced_) site.count = site.bytes = 0;
  thread_ = PyThreadState_Get();
  block_ = current_frame(thread_);
  below_block_ = levels < 0;
  for (; levels > 0 && block_ != nullptr; --levels) block_ = caller_of(block_);
}

void AllocationSites::release_places() {
  for (Site& site : sites_) {
    Py_DECREF(site.place.code);
    Py_XDECREF(site.place.from_code);
  }
  sites_.clear();
}

void AllocationSites::record(AllocationSource source, size_t bytes) {
  if (__atomic_load_n(&abandoned_, __ATOMIC_ACQUIRE)) return;
  Site* site = site_at(place_of(source));
  if (site == nullptr) site = &unplaced_[static_cast<size_t>(source)];
  ++site->count;
  site->bytes += bytes;
}

AllocationSites::Place AllocationSites::place_of(AllocationSource source) const {
  const PythonFrame* frame = current_frame(thread_);
  if (frame == nullptr) return {};
  Place place{code_of(frame), line_of(frame), nullptr, 0, source};
  const PythonFrame* callee = nullptr;
  for (int depth = 0; frame != nullptr && frame != block_ && depth < kDeepest; ++depth) {
    callee = frame;
    frame = caller_of(frame);
  }
  const PythonFrame* from = frame == nullptr || frame != block_ ? nullptr : below_block_ ? callee : frame;
  if (from != nullptr) {
    place.from_code = code_of(from);
    place.from_line = line_of(from);
  }
  return place;
}

AllocationSites::Site* AllocationSites::site_at(const Place& place) {
  if (place.code == nullptr) return nullptr;
  for (Site& site : sites_) {
    if (site.place == place) return &site;
  }
  // A new place holds references, which only who has the GIL may take.
  if (sites_.size() == sites_.capacity() || PyGILState_Check() == 0) return nullptr;
  Py_INCREF(place.code);
  Py_XINCREF(place.from_code);
  sites_.push_back({place, 0, 0});
  return &sites_.back();
}

PyObject* AllocationSites::as_list() const {
  PyObject* list = PyList_New(0);
  const auto append = [&](const Site& site) {
    if (list == nullptr || site.count == 0) return;
    const Place& place = site.place;
    PyObject* item =
        Py_BuildValue("OiOOisKK", or_none(place.code ? place.code->co_filename : nullptr), place.line,
                      or_none(place.code ? place.code->co_qualname : nullptr),
                      or_none(place.from_code ? place.from_code->co_filename : nullptr), place.from_line,
                      kSourceNames[static_cast<size_t>(place.source)], static_cast<unsigned long long>(site.count),
                      static_cast<unsigned long long>(site.bytes));
    if (item == nullptr || PyList_Append(list, item) < 0) Py_CLEAR(list);
    Py_XDECREF(item);
  };
  for (const Site& site : sites_) append(site);
  for (const Site& site : unplaced_) append(site);
  return list;
}

}  // namespace latencykit::bind
