// Methods that an object's own call stands in for, so that looking one up makes nothing.
//
// A `with` statement looks __enter__ and __exit__ up on the type of its object, binds each, and calls it. Binding
// through a method descriptor makes an object for each. A binder in its place is a descriptor that gives the object
// itself, which must be callable and tell from the arguments which method is meant. On the type, as
// contextlib.ExitStack asks for it, and for objects of a subclass, it gives what the method descriptor does.
#pragma once

#include <initializer_list>

#include "bind/types.h"

namespace latencykit::bind {

// Puts a binder in the place of each of these methods of a type that is not immutable yet. 0, or -1 with an error.
int bind_by_self(PyObject* module, PyTypeObject* type, std::initializer_list<const char*> methods);

}  // namespace latencykit::bind
