#include "bind/types.h"

namespace latencykit::bind {

int add_meter(PyObject*) { return 0; }

}  // namespace latencykit::bind
