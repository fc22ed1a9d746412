// What the types in named shared memory share: reading a name, leaving the GIL for the system's calls, and saying what the
// system refused.
#pragma once

#include <exception>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

#include "bind/types.h"

namespace latencykit::bind {

// The UTF-8 of a str, which lives as long as the str; nothing, with an exception, if there is none.
std::optional<std::string_view> read_text(ModuleState* state, PyObject* argument, const char* what);

// A name that shared memory can have, or nothing with an exception.
std::optional<std::string> read_shared_name(ModuleState* state, PyObject* argument);

// What an error of the system is said of: a ring, or a book.
struct SharedKind {
  const char* type;     // The Python type.
  const char* plural;   // What cannot be shared.
  const char* missing;  // Who makes one, of the name twice.
};
void raise_memory_error(ModuleState* state, PyObject* name, const std::system_error& error, const SharedKind& kind);

// Runs f() without the GIL; what it threw, to be made an exception of ours with the GIL.
template <typename F>
std::exception_ptr thrown_without_gil(F f) {
  std::exception_ptr thrown;
  Py_BEGIN_ALLOW_THREADS;
  try {
    f();
  } catch (const std::exception&) {
    thrown = std::current_exception();
  }
  Py_END_ALLOW_THREADS;
  return thrown;
}

}  // namespace latencykit::bind
