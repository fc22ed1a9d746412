// What the types in named shared memory share; see shared_names.h.
#include "bind/shared_names.h"

#include <cerrno>
#include <cstring>

#include "latency/shared_memory.h"

namespace latencykit::bind {

std::optional<std::string_view> read_text(ModuleState* state, PyObject* argument, const char* what) {
  if (!PyUnicode_Check(argument)) {
    PyErr_Format(state->invalid_type, "%s must be a str, not %R", what, argument);
    return std::nullopt;
  }
  Py_ssize_t length = 0;
  const char* text = PyUnicode_AsUTF8AndSize(argument, &length);
  if (text == nullptr) {
    PyErr_Clear();
    PyErr_Format(state->invalid_value, "%s %R cannot be encoded; use valid text", what, argument);
    return std::nullopt;
  }
  return std::string_view(text, static_cast<std::size_t>(length));
}

std::optional<std::string> read_shared_name(ModuleState* state, PyObject* argument) {
  const auto name = read_text(state, argument, "name");
  if (!name) return std::nullopt;
  if (!SharedMemory::is_name(*name)) {
    PyErr_Format(state->invalid_value, "name %R cannot name shared memory; give 1 to %zu bytes without a slash or zero",
                 argument, SharedMemory::kLongestName);
    return std::nullopt;
  }
  return std::string(*name);
}

void raise_memory_error(ModuleState* state, PyObject* name, const std::system_error& error, const SharedKind& kind) {
  const int code = error.code().value();
  const char* why = std::strerror(code);
  switch (code) {
    case ENOENT:
      PyErr_Format(state->invalid_value, kind.missing, name, name);
      return;
    case ENOSPC:
    case EFBIG:
    case ENOMEM:
    case EMFILE:
    case ENFILE:
      PyErr_Format(state->capacity, "shared memory %R: %s; ask for less, or free some and try again", name, why);
      return;
    case EACCES:
    case EPERM:
      PyErr_Format(state->invalid_state, "shared memory %R: %s; it belongs to another user", name, why);
      return;
    case EISDIR:
      PyErr_Format(state->data_error,
                   "shared memory %R is a folder; use another name, or delete the folder, which Linux shows as "
                   "/dev/shm/%U",
                   name, name);
      return;
    case ELOOP:
    case ENXIO:
      PyErr_Format(state->data_error, "shared memory %R is a %s; use another name, or free this one with %s.remove(%R)",
                   name, code == ELOOP ? "link, and links are not followed" : "socket", kind.type, name);
      return;
    default:
      PyErr_Format(state->unsupported, "shared memory %R: %s; this system cannot share %s that way", name, error.what(),
                   kind.plural);
  }
}

}  // namespace latencykit::bind
