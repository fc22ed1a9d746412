#include "bind/types.h"

namespace latencykit::bind {

int add_panic_detector(PyObject*) { return 0; }

}  // namespace latencykit::bind
