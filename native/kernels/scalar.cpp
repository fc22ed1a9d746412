// Plain C++ for any CPU.
#include "kernels/generic.h"

namespace latencykit::kernels {

const Table scalar_table = table_of<OneLane<double>, OneLane<float>>("scalar");

}  // namespace latencykit::kernels
