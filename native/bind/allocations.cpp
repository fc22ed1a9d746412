#include "bind/types.h"

namespace latencykit::bind {

int add_allocations(PyObject*) { return 0; }

}  // namespace latencykit::bind
