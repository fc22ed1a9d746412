#include "bind/types.h"

namespace latencykit::bind {

int add_clock(PyObject*) { return 0; }

}  // namespace latencykit::bind
