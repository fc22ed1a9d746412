// How an OrderBook comes to be: in this process, made in shared memory, or attached to; and what is said when it cannot.
#include <unistd.h>

#include <new>
#include <optional>
#include <string>
#include <utility>

#include "bind/book.h"
#include "bind/shared_names.h"

namespace latencykit::bind {
namespace {

constexpr std::atomic<bool> kMayWrite{true};

// ---- arguments

bool read_depth(ModuleState* state, PyObject* argument, std::size_t* depth) {
  *depth = 10;
  if (argument == nullptr) return true;
  if (!PyIndex_Check(argument)) {
    PyErr_Format(state->invalid_type, "depth must be an int, not %R", argument);
    return false;
  }
  const Py_ssize_t value = PyNumber_AsSsize_t(argument, nullptr);  // Clips what is too large.
  if (value == -1 && PyErr_Occurred()) return false;
  if (value < 1 || static_cast<std::size_t>(value) > book_block::kMaxDepth) {
    PyErr_Format(state->invalid_value, "depth %R is out of range; use 1 to %zu levels a side", argument,
                 book_block::kMaxDepth);
    return false;
  }
  *depth = static_cast<std::size_t>(value);
  return true;
}

std::optional<std::string_view> read_symbol(ModuleState* state, PyObject* argument) {
  auto symbol = read_text(state, argument, "symbol");
  if (!symbol) return symbol;
  if (symbol->empty() || symbol->size() > book_block::kLongestSymbol || symbol->find('\0') != symbol->npos) {
    PyErr_Format(state->invalid_value, "symbol %R cannot be used; give 1 to %zu bytes of UTF-8 without a zero",
                 argument, book_block::kLongestSymbol);
    return std::nullopt;
  }
  return symbol;
}

// ---- what went wrong

void raise_book_error(ModuleState* state, PyObject* name, const SharedBookError& error) {
  switch (error.reason()) {
    case SharedBookError::Reason::kHasWriter:
      PyErr_Format(state->invalid_state, "shared memory %R %s; OrderBook.attach(%R) reads it", name, error.what(),
                   name);
      return;
    case SharedBookError::Reason::kOtherBook:
      PyErr_Format(state->invalid_value,
                   "shared memory %R %s; ask for that, use another name, or free this one with OrderBook.remove(%R)",
                   name, error.what(), name);
      return;
    case SharedBookError::Reason::kUnstable:
      PyErr_Format(state->invalid_state, "shared memory %R %s; use a name of your own", name, error.what());
      return;
    default:
      PyErr_Format(state->data_error,
                   "shared memory %R %s; use another name, or free this one with OrderBook.remove(%R)", name,
                   error.what(), name);
  }
}

void raise_system_error(ModuleState* state, PyObject* name, const std::system_error& error) {
  raise_memory_error(
      state, name, error,
      {"OrderBook", "books", "there is no shared memory %R; its writer makes it with OrderBook.create(%R, ...)"});
}

// Runs f() without the GIL; what it throws becomes an exception of ours. False if it threw.
template <typename F>
bool without_gil(ModuleState* state, PyObject* name, F f) {
  const std::exception_ptr thrown = thrown_without_gil(f);
  try {
    if (thrown) std::rethrow_exception(thrown);
    return true;
  } catch (const SharedBookError& error) {
    raise_book_error(state, name, error);
  } catch (const std::system_error& error) {
    raise_system_error(state, name, error);
  } catch (const std::bad_alloc&) {
    PyErr_NoMemory();
  }
  return false;
}

// ---- making the object

// An object without a book; closed, as far as anyone can see.
BookObject* new_object(PyTypeObject* type, PyObject* symbol, PyObject* name, std::size_t depth) {
  PyObject* object = type->tp_alloc(type, 0);
  if (object == nullptr) return nullptr;
  BookObject* self = as_book(object);
  ::new (&self->writer) std::optional<BookWriter>();
  ::new (&self->reader) std::optional<BookReader>();
  ::new (&self->memory) std::shared_ptr<void>();
  ::new (&self->shared) std::shared_ptr<SharedMemory>();
  self->may_write = &kMayNotWrite;
  self->is_cut = &kIsNotCut;
  self->snapshot_type = state_of(type)->book_snapshot;
  Py_INCREF(reinterpret_cast<PyObject*>(self->snapshot_type));
  self->symbol = Py_NewRef(symbol);
  self->name = Py_NewRef(name);
  self->depth = depth;
  return self;
}

struct FreeAligned {
  void operator()(void* memory) const { ::operator delete(memory, std::align_val_t{64}); }
};

PyObject* new_own(PyTypeObject* type, PyObject* symbol_object, std::string_view symbol, std::size_t depth) {
  PyObject* exact = PyUnicode_FromObject(symbol_object);
  if (exact == nullptr) return nullptr;
  BookObject* self = new_object(type, exact, Py_None, depth);
  Py_DECREF(exact);
  if (self == nullptr) return nullptr;
  try {
    self->memory =
        std::shared_ptr<void>(::operator new(book_block::bytes_for(depth), std::align_val_t{64}), FreeAligned());
  } catch (const std::bad_alloc&) {
    Py_DECREF(&self->ob_base);
    return PyErr_NoMemory();
  }
  BookHeader* header = book_block::format(self->memory.get(), depth, symbol);
  self->reader.emplace(header);
  self->writer.emplace(header, getpid());
  self->may_write = &kMayWrite;
  return &self->ob_base;
}

PyObject* new_shared(PyTypeObject* type, std::shared_ptr<SharedMemory> memory, PyObject* name_object, bool writes) {
  BookHeader* header = shared_book::header_of(*memory);
  const BookReader reader(header);
  const std::string_view symbol = reader.symbol();
  PyObject* symbol_object =
      PyUnicode_DecodeUTF8(symbol.data(), static_cast<Py_ssize_t>(symbol.size()), "backslashreplace");
  PyObject* name = PyUnicode_FromObject(name_object);
  BookObject* self = nullptr;
  if (symbol_object != nullptr && name != nullptr) self = new_object(type, symbol_object, name, reader.depth());
  Py_XDECREF(symbol_object);
  Py_XDECREF(name);
  if (self == nullptr) return nullptr;
  self->reader.emplace(reader);
  if (writes) {
    self->writer.emplace(header, getpid());
    self->may_write = memory->claim_flag();
  }
  self->is_cut = memory->cut_flag();
  self->memory = memory;
  self->shared = std::move(memory);
  if (!refuse_if_cut(self)) return &self->ob_base;
  Py_DECREF(&self->ob_base);
  return nullptr;
}

}  // namespace

PyObject* book_new(PyTypeObject* type, PyObject* args, PyObject* kwargs) {
  static const char* names[] = {"symbol", "depth", nullptr};
  PyObject* symbol_argument = nullptr;
  PyObject* depth_argument = nullptr;
  if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|O:OrderBook", const_cast<char**>(names), &symbol_argument,
                                   &depth_argument)) {
    return nullptr;
  }
  std::size_t depth = 0;
  const auto symbol = read_symbol(state_of(type), symbol_argument);
  if (!symbol || !read_depth(state_of(type), depth_argument, &depth)) return nullptr;
  return new_own(type, symbol_argument, *symbol, depth);
}

PyObject* book_create(PyObject* type_object, PyObject* args, PyObject* kwargs) {
  static const char* names[] = {"name", "symbol", "depth", nullptr};
  auto* type = reinterpret_cast<PyTypeObject*>(type_object);
  ModuleState* state = state_of(type);
  PyObject* name_argument = nullptr;
  PyObject* symbol_argument = nullptr;
  PyObject* depth_argument = nullptr;
  if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OO|O:create", const_cast<char**>(names), &name_argument,
                                   &symbol_argument, &depth_argument)) {
    return nullptr;
  }
  std::size_t depth = 0;
  const auto name = read_shared_name(state, name_argument);
  if (!name) return nullptr;
  const auto symbol = read_symbol(state, symbol_argument);
  if (!symbol || !read_depth(state, depth_argument, &depth)) return nullptr;
  std::shared_ptr<SharedMemory> memory;
  if (!without_gil(state, name_argument, [&] { memory = shared_book::create(*name, *symbol, depth); })) return nullptr;
  return new_shared(type, std::move(memory), name_argument, true);
}

PyObject* book_attach(PyObject* type_object, PyObject* name_argument) {
  auto* type = reinterpret_cast<PyTypeObject*>(type_object);
  const auto name = read_shared_name(state_of(type), name_argument);
  if (!name) return nullptr;
  std::shared_ptr<SharedMemory> memory;
  if (!without_gil(state_of(type), name_argument, [&] { memory = shared_book::attach(*name); })) return nullptr;
  return new_shared(type, std::move(memory), name_argument, false);
}

PyObject* book_remove(PyObject* type_object, PyObject* name_argument) {
  ModuleState* state = state_of(reinterpret_cast<PyTypeObject*>(type_object));
  const auto name = read_shared_name(state, name_argument);
  if (!name) return nullptr;
  bool claimed = false;
  bool removed = false;
  const auto remove = [&] {
    try {
      claimed = SharedMemory(*name, SharedMemory::Open::kReadOnly).is_claimed();
    } catch (const std::system_error& error) {
      removed = SharedMemory::remove_unopened(*name, error);
      return;
    }
    removed = !claimed && SharedMemory::remove(*name);
  };
  if (!without_gil(state, name_argument, remove)) return nullptr;
  if (claimed) {
    return PyErr_Format(state->invalid_state, "shared memory %R has a writer; let it call unlink(), or end it first",
                        name_argument);
  }
  return PyBool_FromLong(removed);
}

PyObject* book_unlink(PyObject* object, PyObject*) {
  BookObject* self = as_book(object);
  ModuleState* state = state_of(Py_TYPE(object));
  if (self->name == Py_None) {
    return PyErr_Format(state->invalid_state, "the book of %R is not in shared memory and has no name to remove",
                        self->symbol);
  }
  if (self->shared == nullptr) {  // Closed: the name is all that is left.
    PyObject* removed = book_remove(reinterpret_cast<PyObject*>(Py_TYPE(object)), self->name);
    if (removed == nullptr) return nullptr;
    Py_DECREF(removed);
    Py_RETURN_NONE;
  }
  const std::shared_ptr<SharedMemory> shared = self->shared;
  if (!without_gil(state, self->name, [&] { shared->remove_name(); })) return nullptr;
  Py_RETURN_NONE;
}

PyObject* book_has_writer(PyObject* object, void*) {
  BookObject* self = as_book(object);
  if (self->shared == nullptr) return PyBool_FromLong(self->writer.has_value());
  try {
    return PyBool_FromLong(self->shared->is_claimed());
  } catch (const std::system_error& error) {
    raise_system_error(state_of(Py_TYPE(object)), self->name, error);
    return nullptr;
  }
}

}  // namespace latencykit::bind
