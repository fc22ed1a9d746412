#include "bind/types.h"

namespace latencykit::bind {

int add_logger(PyObject*) { return 0; }

}  // namespace latencykit::bind
