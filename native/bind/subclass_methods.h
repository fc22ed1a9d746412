// Fast methods for the Python subclasses of a native type.
//
// The interpreter's fast way to call a method is for a method whose class is the object's own. So each subclass gets
// descriptors of its own, unless it or a class between has another method of that name. It is settled when the
// subclass is made: a method that is replaced in a class later reaches that class only.
#pragma once

#include "bind/types.h"

namespace latencykit::bind {

// The __init_subclass__ of `base`, whose methods are in a table that ends with a null name: calls the next one in
// line, then gives the subclass its descriptors. Class methods need none.
PyObject* init_subclass_with_methods(PyTypeObject* base, PyMethodDef* methods, PyObject* subclass, PyObject* arguments,
                                     PyObject* keywords);

}  // namespace latencykit::bind
