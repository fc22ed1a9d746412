// OrderBook for Python: its methods, how readers wait, and when writing is refused.
//
// A writer runs a whole write section without giving up the GIL, so readers in its own process never meet one half
// done. Readers in other processes may: they try a few times, then again and again after a pause without the GIL, in
// which a writer of their own process (of another book) can run, until a deadline or until the claim on the memory
// shows that the writer died. So nobody waits for ever, and nobody waits for the GIL while holding a write open.
#include <chrono>
#include <new>
#include <thread>

#include "bind/book.h"
#include "bind/numbers.h"

namespace latencykit::bind {
namespace {

constexpr auto kPatience = std::chrono::seconds(1);
constexpr int kTriesInARow = 64;  // Some tens of microseconds in which the GIL is held.
constexpr int kYields = 100;      // Pauses that only give way, before those that sleep.

static_assert(static_cast<int>(BookSide::kBid) == 0 && static_cast<int>(BookSide::kAsk) == 1, "BUY and SELL");

// ---- reading

bool refuse_if_closed(BookObject* self) {
  if (self->reader.has_value()) [[likely]]
    return false;
  PyErr_Format(state_of(Py_TYPE(&self->ob_base))->invalid_state,
               "the book of %R is closed; attach to it or create it again", self->symbol);
  return true;
}

// Whether a write is open and its writer is no more.
bool is_abandoned(BookObject* self) {
  const std::uint64_t before = self->reader->number();
  if (!SequenceLock<>::is_writing(before) || self->shared == nullptr) return false;
  try {
    // Asked between two looks: a new writer would have moved the number.
    return !self->shared->is_claimed() && self->reader->number() == before;
  } catch (const std::system_error&) {
    return false;  // The deadline remains.
  }
}

void refuse_abandoned(BookObject* self) {
  PyErr_Format(state_of(Py_TYPE(&self->ob_base))->invalid_state,
               "the writer of the book of %R (process %lld) died in the middle of an update; it can be read again when "
               "a new writer calls OrderBook.create(%R, ...)",
               self->symbol, static_cast<long long>(self->reader->writer_pid()), self->name);
}

void refuse_waiting(BookObject* self) {
  const bool open = SequenceLock<>::is_writing(self->reader->number());
  PyErr_Format(state_of(Py_TYPE(&self->ob_base))->invalid_state,
               "no consistent view of the book of %R in a second: its writer (process %lld) %s", self->symbol,
               static_cast<long long>(self->reader->writer_pid()),
               open ? "is stopped in the middle of an update, or applies very large batches"
                    : "leaves no pause between updates; let it use apply() or update less often");
}

void refuse_damaged(BookObject* self) {
  PyErr_Format(
      state_of(Py_TYPE(&self->ob_base))->data_error,
      "the shared memory of the book of %R was overwritten: it has more levels than its depth of %zu; remove it "
      "and create it again",
      self->symbol, self->depth);
}

void pause_without_gil(int round) {
  Py_BEGIN_ALLOW_THREADS;
  if (round < kYields) {
    std::this_thread::yield();
  } else {
    std::this_thread::sleep_for(std::chrono::microseconds(50));
  }
  Py_END_ALLOW_THREADS;
}

// Calls attempt() until it is done; between(), before others may look at what an attempt left. False with an
// exception if it cannot be done.
template <typename Attempt, typename Between>
[[gnu::noinline]] bool read_patiently(BookObject* self, Attempt attempt, Between between) {
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  for (int round = 0;; ++round) {
    for (int i = 0; i < kTriesInARow; ++i) {
      const ReadResult result = attempt();
      if (self->is_cut->load(std::memory_order_relaxed)) break;
      if (result == ReadResult::kDone) return true;
      if (result == ReadResult::kDamaged) {
        between();
        refuse_damaged(self);
        return false;
      }
    }
    between();
    if (refuse_if_cut(self)) return false;
    if (is_abandoned(self)) {
      refuse_abandoned(self);
      return false;
    }
    if (std::chrono::steady_clock::now() > deadline) {
      refuse_waiting(self);
      return false;
    }
    pause_without_gil(round);
    // Meanwhile another thread may have closed the book.
    if (PyErr_CheckSignals() < 0 || refuse_if_closed(self)) return false;
  }
}

template <typename Attempt, typename Between>
bool read(BookObject* self, Attempt attempt, Between between) {
  if (!self->reader.has_value()) [[unlikely]]
    return !refuse_if_closed(self);
  const bool done = attempt() == ReadResult::kDone && !self->is_cut->load(std::memory_order_relaxed);
  return done || read_patiently(self, attempt, between);
}

PyObject* book_figure(PyObject* object, void* closure) {
  BookObject* self = as_book(object);
  BookTop top;
  const auto attempt = [&] {
    std::uint64_t version;
    return self->reader->try_read(&version, [&](const auto* counts, const auto* rows) { top = top_of(counts, rows); });
  };
  return read(self, attempt, [] {}) ? figure_from(top, figure_of(closure)) : nullptr;
}

PyObject* book_imbalance(PyObject* object, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
  BookObject* self = as_book(object);
  std::size_t levels = 0;
  if (!read_levels(Py_TYPE(object), arguments, count, names, &levels)) return nullptr;
  double imbalance = 0.0;
  const auto attempt = [&] {
    std::uint64_t version;
    return self->reader->try_read(
        &version, [&](const auto* counts, const auto* rows) { imbalance = imbalance_of(counts, rows, levels); });
  };
  return read(self, attempt, [] {}) ? PyFloat_FromDouble(imbalance) : nullptr;
}

// The snapshot to fill: the caller's, or a new one. A new reference.
PyObject* target_snapshot(BookObject* self, PyObject* into) {
  if (into == nullptr || into == Py_None) return new_snapshot(self->snapshot_type, self->depth, self->symbol);
  if (Py_TYPE(into) != self->snapshot_type) {
    return PyErr_Format(state_of(Py_TYPE(&self->ob_base))->invalid_type,
                        "into must be a BookSnapshot, such as an earlier snapshot() gave, not %R", into);
  }
  if (as_snapshot(into)->depth != self->depth) {
    return PyErr_Format(state_of(Py_TYPE(&self->ob_base))->invalid_value,
                        "into has depth %zu and the book %zu; use a snapshot of a book of the same depth",
                        as_snapshot(into)->depth, self->depth);
  }
  if (as_snapshot(into)->symbol != self->symbol) Py_XSETREF(as_snapshot(into)->symbol, Py_NewRef(self->symbol));
  return Py_NewRef(into);
}

PyObject* book_snapshot(PyObject* object, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
  BookObject* self = as_book(object);
  PyObject* into = nullptr;
  if (!read_optional(Py_TYPE(object), arguments, count, names, "snapshot", "into", &into)) return nullptr;
  if (refuse_if_closed(self)) return nullptr;
  PyObject* snapshot = target_snapshot(self, into);
  if (snapshot == nullptr) return nullptr;
  BookCopy* copy = &as_snapshot(snapshot)->copy;
  if (!read(self, [&] { return self->reader->try_copy(copy); }, [&] { copy->clear(); })) Py_CLEAR(snapshot);
  return snapshot;
}

void release_memory(PyObject* capsule) {
  delete static_cast<std::shared_ptr<void>*>(PyCapsule_GetPointer(capsule, nullptr));
}

// The live rows: the array holds the memory itself, so that it outlives the book and its close().
PyObject* book_side(PyObject* object, BookSide side) {
  BookObject* self = as_book(object);
  if (refuse_if_closed(self) || refuse_if_cut(self)) return nullptr;
  auto* memory = new (std::nothrow) std::shared_ptr<void>(self->memory);
  if (memory == nullptr) return PyErr_NoMemory();
  PyObject* capsule = PyCapsule_New(memory, nullptr, release_memory);
  if (capsule == nullptr) delete memory;
  return array_of_levels(Py_TYPE(object), self->reader->levels(side), self->depth, capsule);
}

PyObject* book_bids(PyObject* self, void*) { return book_side(self, BookSide::kBid); }
PyObject* book_asks(PyObject* self, void*) { return book_side(self, BookSide::kAsk); }

PyObject* book_version(PyObject* object, void*) {
  if (refuse_if_closed(as_book(object))) return nullptr;
  const std::uint64_t version = as_book(object)->reader->version();
  return refuse_if_cut(as_book(object)) ? nullptr : PyLong_FromUnsignedLongLong(version);
}

PyObject* book_updates(PyObject* object, void*) {
  if (refuse_if_closed(as_book(object))) return nullptr;
  const std::uint64_t updates = as_book(object)->reader->updates();
  return refuse_if_cut(as_book(object)) ? nullptr : PyLong_FromUnsignedLongLong(updates);
}

PyObject* book_symbol(PyObject* self, void*) { return Py_NewRef(as_book(self)->symbol); }
PyObject* book_name(PyObject* self, void*) { return Py_NewRef(as_book(self)->name); }
PyObject* book_depth(PyObject* self, void*) { return PyLong_FromSize_t(as_book(self)->depth); }
PyObject* book_closed(PyObject* self, void*) { return PyBool_FromLong(!as_book(self)->reader.has_value()); }
PyObject* book_writable(PyObject* self, void*) {
  return PyBool_FromLong(as_book(self)->may_write->load(std::memory_order_relaxed));
}

// ---- writing

[[gnu::noinline]] PyObject* refuse_update(PyTypeObject* type, UpdateFault fault, PyObject* const* arguments) {
  PyObject* error = state_of(type)->invalid_value;
  switch (fault) {
    case UpdateFault::kSide:
      return PyErr_Format(error, "side %R is unknown; use BUY (0) for a bid or SELL (1) for an ask", arguments[0]);
    case UpdateFault::kPrice:
      return PyErr_Format(error, "price %R is not finite; give the level's price", arguments[1]);
    default:
      return PyErr_Format(error, "quantity %R is negative; give what the level has now, 0 to remove it", arguments[2]);
  }
}

PyObject* book_update(PyObject* object, PyObject* const* arguments, Py_ssize_t count) {
  PyTypeObject* type = Py_TYPE(object);
  if (count != 3) {
    return PyErr_Format(state_of(type)->invalid_type, "update() takes side, price and quantity, not %zd arguments",
                        count);
  }
  std::int64_t side, quantity;
  double price;
  if (!read_int(type, arguments[0], "side", &side) || !read_double(type, arguments[1], "price", &price) ||
      !read_int(type, arguments[2], "quantity", &quantity)) {
    return nullptr;
  }
  const UpdateFault fault = check_update(side, price, quantity);
  if (fault != UpdateFault::kNone) return refuse_update(type, fault, arguments);
  // After the arguments, whose code may have closed the book.
  if (!as_book(object)->may_write->load(std::memory_order_relaxed)) return refuse_write(object);
  as_book(object)->writer->update(static_cast<BookSide>(side), price, quantity);
  if (refuse_if_cut(as_book(object))) return nullptr;
  Py_RETURN_NONE;
}

PyObject* book_clear(PyObject* object, PyObject*) {
  if (!as_book(object)->may_write->load(std::memory_order_relaxed)) return refuse_write(object);
  as_book(object)->writer->clear();
  if (refuse_if_cut(as_book(object))) return nullptr;
  Py_RETURN_NONE;
}

// ---- the end

void close_book(BookObject* self) {
  self->may_write = &kMayNotWrite;
  self->is_cut = &kIsNotCut;
  self->writer.reset();
  self->reader.reset();
  if (self->shared != nullptr) self->shared->release_claim();
  self->shared.reset();
  self->memory.reset();
}

PyObject* book_close(PyObject* self, PyObject*) {
  close_book(as_book(self));
  Py_RETURN_NONE;
}

PyObject* book_enter(PyObject* self, PyObject*) { return refuse_if_closed(as_book(self)) ? nullptr : Py_NewRef(self); }

PyObject* book_exit(PyObject* self, PyObject* const*, Py_ssize_t) { return book_close(self, nullptr); }

void book_dealloc(PyObject* object) {
  PyTypeObject* type = Py_TYPE(object);
  BookObject* self = as_book(object);
  close_book(self);
  self->memory.~shared_ptr();
  self->shared.~shared_ptr();
  Py_DECREF(reinterpret_cast<PyObject*>(self->snapshot_type));
  Py_DECREF(self->symbol);
  Py_DECREF(self->name);
  type->tp_free(object);
  Py_DECREF(reinterpret_cast<PyObject*>(type));
}

PyObject* book_repr(PyObject* object) {
  const BookObject* self = as_book(object);
  const char* role = !self->reader.has_value()                          ? " closed"
                     : self->may_write->load(std::memory_order_relaxed) ? ""
                                                                        : " read-only";
  if (self->name == Py_None) return PyUnicode_FromFormat("<OrderBook %R depth=%zu%s>", self->symbol, self->depth, role);
  return PyUnicode_FromFormat("<OrderBook %R depth=%zu name=%R%s>", self->symbol, self->depth, self->name, role);
}

PyMethodDef book_methods[] = {
    {"update", as_method(book_update), METH_FASTCALL,
     "update($self, side, price, quantity, /)\n--\n\nSet the quantity of a price level; 0 removes it."},
    {"apply", book_apply, METH_O, "apply($self, records, /)\n--\n\nApply a structured array of updates as one change."},
    {"clear", book_clear, METH_NOARGS, "clear($self, /)\n--\n\nRemove every level."},
    {"snapshot", as_method(book_snapshot), METH_FASTCALL | METH_KEYWORDS,
     "snapshot($self, into=None)\n--\n\nReturn a consistent copy of the book."},
    {"imbalance", as_method(book_imbalance), METH_FASTCALL | METH_KEYWORDS,
     "imbalance($self, levels=1)\n--\n\nReturn (bids - asks) / (bids + asks) of the quantities on the first levels."},
    {"create", as_method(book_create), METH_CLASS | METH_VARARGS | METH_KEYWORDS,
     "create($type, /, name, symbol, depth=10)\n--\n\nMake a book in shared memory, or take over one without a "
     "writer."},
    {"attach", book_attach, METH_CLASS | METH_O,
     "attach($type, name, /)\n--\n\nOpen the book of another process for reading."},
    {"remove", book_remove, METH_CLASS | METH_O,
     "remove($type, name, /)\n--\n\nRemove a name of shared memory that no writer uses; tell whether there was one."},
    {"unlink", book_unlink, METH_NOARGS,
     "unlink($self, /)\n--\n\nRemove the book's name; whoever has it open keeps it."},
    {"close", book_close, METH_NOARGS, "close($self, /)\n--\n\nLet go of the memory, and of the writer's part."},
    {"__enter__", book_enter, METH_NOARGS, "__enter__($self, /)\n--\n\nReturn the book."},
    {"__exit__", as_method(book_exit), METH_FASTCALL, "__exit__($self, /, *exception)\n--\n\nClose the book."},
    {nullptr, nullptr, 0, nullptr},
};

PyGetSetDef book_properties[] = {
    {"symbol", book_symbol, nullptr, "The symbol of the book.", nullptr},
    {"depth", book_depth, nullptr, "How many levels a side can have.", nullptr},
    {"name", book_name, nullptr, "The name of the shared memory, or None.", nullptr},
    {"version", book_version, nullptr, "How many changes were published.", nullptr},
    {"updates", book_updates, nullptr, "How many updates were taken, with those that changed nothing.", nullptr},
    {"writable", book_writable, nullptr, "Whether this object is the book's writer.", nullptr},
    {"has_writer", book_has_writer, nullptr, "Whether the book has a writer now, here or in another process.", nullptr},
    {"closed", book_closed, nullptr, "Whether the book was closed.", nullptr},
    {"bids", book_bids, nullptr, "The bid rows as a live array over the book's memory.", nullptr},
    {"asks", book_asks, nullptr, "The ask rows as a live array over the book's memory.", nullptr},
    {"best_bid", book_figure, nullptr, "The highest bid; NaN if there is none.", closure_of(Figure::kBestBid)},
    {"best_bid_quantity", book_figure, nullptr, "The quantity at the best bid; 0 if there is none.",
     closure_of(Figure::kBestBidQuantity)},
    {"best_ask", book_figure, nullptr, "The lowest ask; NaN if there is none.", closure_of(Figure::kBestAsk)},
    {"best_ask_quantity", book_figure, nullptr, "The quantity at the best ask; 0 if there is none.",
     closure_of(Figure::kBestAskQuantity)},
    {"spread", book_figure, nullptr, "Best ask minus best bid; NaN if a side is empty.", closure_of(Figure::kSpread)},
    {"mid", book_figure, nullptr, "The middle of best bid and ask; NaN if a side is empty.", closure_of(Figure::kMid)},
    {"micro_price", book_figure, nullptr, "The mid weighted by the opposite side's quantity; NaN if a side is empty.",
     closure_of(Figure::kMicroPrice)},
    {"crossed", book_figure, nullptr, "Whether the best bid is above the best ask.", closure_of(Figure::kCrossed)},
    {"locked", book_figure, nullptr, "Whether the best bid equals the best ask.", closure_of(Figure::kLocked)},
    {nullptr, nullptr, nullptr, nullptr, nullptr},
};

PyType_Slot book_slots[] = {
    {Py_tp_doc, const_cast<char*>("OrderBook(symbol, depth=10)\n--\n\n"
                                  "The best price levels of one symbol: one writer, readers without a lock.")},
    {Py_tp_new, reinterpret_cast<void*>(book_new)},
    {Py_tp_dealloc, reinterpret_cast<void*>(book_dealloc)},
    {Py_tp_repr, reinterpret_cast<void*>(book_repr)},
    {Py_tp_methods, book_methods},
    {Py_tp_getset, book_properties},
    {0, nullptr},
};

PyType_Spec book_spec = {"latencykit._core.OrderBook", sizeof(BookObject), 0,
                         Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE, book_slots};

}  // namespace

void raise_book_cut(BookObject* self) {
  PyErr_Format(
      state_of(Py_TYPE(&self->ob_base))->data_error,
      "the book of %R has lost its memory: some process cut the file of shared memory %R short, or /dev/shm is "
      "full. Free it with OrderBook.remove(%R) and make a new one",
      self->symbol, self->name, self->name);
}

PyObject* refuse_write(PyObject* object) {
  BookObject* self = as_book(object);
  if (refuse_if_closed(self)) return nullptr;
  PyObject* error = state_of(Py_TYPE(object))->invalid_state;
  if (self->writer.has_value()) {
    return PyErr_Format(error,
                        "the book of %R was inherited by a fork, and only the process that created it writes; read it, "
                        "or create a book of its own here",
                        self->symbol);
  }
  return PyErr_Format(error, "the book of %R is attached for reading; only its creator writes", self->symbol);
}

int add_order_book(PyObject* module) {
  if (add_book_snapshot(module) < 0) return -1;
  return add_type(module, &book_spec, &state_of_module(module)->order_book);
}

}  // namespace latencykit::bind
