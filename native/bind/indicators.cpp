#include "bind/types.h"

namespace latencykit::bind {

int add_indicators(PyObject*) { return 0; }

}  // namespace latencykit::bind
