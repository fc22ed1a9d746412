// The arguments of OrderArena(), and the sentences for an arena that there is no memory for.
#include <cerrno>
#include <cstring>
#include <new>
#include <string>
#include <vector>

#include "bind/order_arena.h"

namespace latencykit::bind {
namespace {

bool read_capacity(ModuleState* state, PyObject* argument, std::size_t* capacity) {
  if (!PyIndex_Check(argument)) {
    PyErr_Format(state->invalid_type, "capacity must be an int, not %R", argument);
    return false;
  }
  const Py_ssize_t value = PyNumber_AsSsize_t(argument, nullptr);  // Clips what is too large.
  if (value == -1 && PyErr_Occurred()) return false;
  if (value < 1 || static_cast<std::size_t>(value) > OrderArena::kMaxCapacity) {
    PyErr_Format(state->invalid_value, "capacity %R is out of range; use 1 to %zu orders", argument,
                 OrderArena::kMaxCapacity);
    return false;
  }
  *capacity = static_cast<std::size_t>(value);
  return true;
}

bool is_text(PyObject* argument, const char* text) {
  return PyUnicode_Check(argument) && PyUnicode_CompareWithASCIIString(argument, text) == 0;
}

bool read_policy(ModuleState* state, PyObject* argument, WhenExhausted* policy) {
  for (WhenExhausted candidate : {WhenExhausted::kRaise, WhenExhausted::kGrow, WhenExhausted::kRecycle}) {
    if (!is_text(argument, policy_name(candidate))) continue;
    *policy = candidate;
    return true;
  }
  PyErr_Format(state->invalid_value, "on_exhausted=%R is unknown; use 'raise', 'grow' or 'recycle'", argument);
  return false;
}

bool read_huge_pages(ModuleState* state, PyObject* argument, HugePages* choice) {
  for (HugePages candidate : {HugePages::kAdvise, HugePages::kOff, HugePages::kRequire}) {
    if (!is_text(argument, huge_pages_name(candidate))) continue;
    *choice = candidate;
    return true;
  }
  PyErr_Format(state->invalid_value, "huge_pages=%R is unknown; use 'advise', 'off' or 'require'", argument);
  return false;
}

bool read_flag(ModuleState* state, PyObject* argument, const char* name, bool* flag) {
  if (!PyBool_Check(argument)) {
    PyErr_Format(state->invalid_type, "%s must be True or False, not %R", name, argument);
    return false;
  }
  *flag = argument == Py_True;
  return true;
}

std::string joined(const std::vector<int>& numbers) {
  std::string text;
  for (int number : numbers) text += (text.empty() ? "" : ", ") + std::to_string(number);
  return text;
}

bool check_node(ModuleState* state, PyObject* argument, Py_ssize_t node) {
  const std::vector<int> nodes = usable_nodes();
  if (nodes.empty()) {
    PyErr_Format(state->unsupported,
                 "numa_node=%R cannot be chosen: this kernel lists no NUMA nodes in /sys/devices/system/node; leave "
                 "it None",
                 argument);
    return false;
  }
  for (int known : nodes) {
    if (known == node) return true;
  }
  PyErr_Format(state->invalid_value, "numa_node=%R is not a node with memory that this process may use; there is %s",
               argument, joined(nodes).c_str());
  return false;
}

bool read_numa_node(ModuleState* state, PyObject* argument, int* node) {
  if (argument == Py_None) return true;
  if (!PyIndex_Check(argument) || PyBool_Check(argument)) {
    PyErr_Format(state->invalid_type, "numa_node must be the number of a node or None, not %R", argument);
    return false;
  }
  const Py_ssize_t value = PyNumber_AsSsize_t(argument, nullptr);  // Clips what is too large: no such node.
  if (value == -1 && PyErr_Occurred()) return false;
  try {
    if (!check_node(state, argument, value)) return false;
  } catch (const std::bad_alloc&) {
    PyErr_NoMemory();
    return false;
  }
  *node = static_cast<int>(value);
  return true;
}

unsigned long long mebibytes(std::size_t bytes) { return (bytes + (std::size_t{1} << 20) - 1) >> 20; }

std::size_t huge_pages_for(std::size_t bytes) {
  return (bytes + ReservedPages::kHugePage - 1) / ReservedPages::kHugePage;
}

PyObject* refuse_huge_pages(ModuleState* state, const NewArena& wanted, const CommitResult& why) {
  const auto left = huge_pages_left();
  if (!left) {
    return PyErr_Format(state->unsupported,
                        "huge_pages='require' needs pages of 2 MiB, which this kernel cannot set aside (%s); use "
                        "'advise'",
                        std::strerror(why.error));
  }
  return PyErr_Format(state->capacity,
                      "huge_pages='require' for an arena of %zu orders found too few pages of 2 MiB set aside: %zu are "
                      "free, the slots take %zu and the views %zu; raise vm.nr_hugepages, or use 'advise'",
                      wanted.capacity, *left, huge_pages_for(wanted.capacity * sizeof(OrderSlot)),
                      huge_pages_for(wanted.capacity * kViewBytes));
}

PyObject* refuse_node(ModuleState* state, const NewArena& wanted, const CommitResult& why) {
  const char* reason = "the kernel refused the call mbind";
  if (why.error == EPERM) reason = "mbind is denied to this process, as by the system call filter of a container";
  if (why.error == ENOSYS) reason = "this kernel has no NUMA support, or a filter hides the call mbind";
  return PyErr_Format(state->unsupported, "numa_node=%d cannot be chosen: %s (%s); allow the call, or leave it None",
                      wanted.options.pages.numa_node, reason, std::strerror(why.error));
}

}  // namespace

const char* policy_name(WhenExhausted policy) {
  switch (policy) {
    case WhenExhausted::kGrow:
      return "grow";
    case WhenExhausted::kRecycle:
      return "recycle";
    default:
      return "raise";
  }
}

const char* huge_pages_name(HugePages choice) {
  switch (choice) {
    case HugePages::kOff:
      return "off";
    case HugePages::kRequire:
      return "require";
    default:
      return "advise";
  }
}

bool read_new_arena(ModuleState* state, PyObject* args, PyObject* kwargs, NewArena* wanted) {
  static const char* names[] = {"capacity", "on_exhausted", "prefault", "huge_pages", "numa_node", "poison", nullptr};
  PyObject* capacity = nullptr;
  PyObject* policy = nullptr;
  PyObject* prefault = Py_True;
  PyObject* huge_pages = nullptr;
  PyObject* node = Py_None;
  PyObject* poison = Py_False;
  if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|O$OOOO:OrderArena", const_cast<char**>(names), &capacity, &policy,
                                   &prefault, &huge_pages, &node, &poison)) {
    return false;
  }
  PagePolicy* pages = &wanted->options.pages;
  if (!read_capacity(state, capacity, &wanted->capacity)) return false;
  if (policy != nullptr && !read_policy(state, policy, &wanted->when_exhausted)) return false;
  if (!read_flag(state, prefault, "prefault", &pages->prefault)) return false;
  if (huge_pages != nullptr && !read_huge_pages(state, huge_pages, &pages->huge_pages)) return false;
  if (!read_numa_node(state, node, &pages->numa_node)) return false;
  if (!read_flag(state, poison, "poison", &wanted->options.poison)) return false;
  if (pages->huge_pages == HugePages::kRequire && !pages->prefault) {
    PyErr_SetString(state->invalid_value,
                    "huge_pages='require' takes its pages at once, so prefault=False cannot hold; drop one of the two");
    return false;
  }
  return true;
}

PyObject* refuse_memory(ModuleState* state, const NewArena& wanted, const CommitResult& why) {
  const std::size_t bytes = wanted.capacity * (sizeof(OrderSlot) + kViewBytes);
  switch (why.refusal) {
    case Refusal::kTooLittleLeft:
      return PyErr_Format(state->capacity,
                          "too little memory is left for an arena of %zu orders: it would touch %llu MiB, and %llu MiB "
                          "are available to this process, a sixteenth of which stays free; ask for fewer, or use "
                          "prefault=False to pay on first use",
                          wanted.capacity, mebibytes(bytes), mebibytes(why.available));
    case Refusal::kNoHugePages:
      return refuse_huge_pages(state, wanted, why);
    case Refusal::kNode:
      return refuse_node(state, wanted, why);
    case Refusal::kNodeFull:
      return PyErr_Format(state->capacity,
                          "NUMA node %d is full: it gave %llu of %llu MiB for an arena of %zu orders; ask for fewer, "
                          "free memory there, or choose another node",
                          wanted.options.pages.numa_node, mebibytes(why.available), mebibytes(why.needed),
                          wanted.capacity);
    default:
      return PyErr_Format(state->capacity,
                          "the system refused the memory for an arena of %zu orders (%zu bytes): %s; ask for fewer",
                          wanted.capacity, bytes, std::strerror(why.error));
  }
}

}  // namespace latencykit::bind
