#include "bind/types.h"

namespace latencykit::bind {

int add_histogram(PyObject*) { return 0; }

}  // namespace latencykit::bind
