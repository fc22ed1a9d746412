// The choice of instruction set: the one of this process, and that of one call.
#pragma once

#include "bind/types.h"
#include "kernels/kernels.h"

namespace latencykit::bind {

// The table that the argument `isa` names, that of this process for None or nullptr; nullptr with an exception if
// there is none of that name, or this CPU cannot run it.
const kernels::Table* isa_argument(ModuleState* state, PyObject* isa);

// Chooses the process's table, and adds ISA and ISAS to the module. 0, or -1 with an exception.
int add_isas(PyObject* module);

}  // namespace latencykit::bind
