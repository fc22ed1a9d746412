#include "bind/types.h"

namespace latencykit::bind {

int add_order_arena(PyObject*) { return 0; }

}  // namespace latencykit::bind
