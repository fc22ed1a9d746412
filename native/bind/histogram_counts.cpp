// A Histogram's counts as the bytes of HdrHistogram's V2 format, and back.
#include "bind/histogram_object.h"

namespace latencykit::bind {

PyObject* histogram_encode_counts(PyObject* self, PyObject*) {
  const Histogram& h = native(self);
  const size_t room = h.used_length() * Histogram::kMaxBytesPerCount;
  PyObject* bytes = PyBytes_FromStringAndSize(nullptr, static_cast<Py_ssize_t>(room));
  if (bytes == nullptr) return nullptr;
  const size_t size = h.encode_counts(reinterpret_cast<uint8_t*>(PyBytes_AS_STRING(bytes)));
  _PyBytes_Resize(&bytes, static_cast<Py_ssize_t>(size));
  return bytes;  // Null with the error set if the resize failed.
}

PyObject* histogram_decode_counts(PyObject* self, PyObject* object) {
  ModuleState* state = state_of_subtype(Py_TYPE(self));
  Py_buffer buffer;
  if (PyObject_GetBuffer(object, &buffer, PyBUF_SIMPLE) < 0) {
    if (PyErr_ExceptionMatches(PyExc_TypeError)) {
      PyErr_Format(state->invalid_type, "encoded counts come as bytes, not as %.80s", Py_TYPE(object)->tp_name);
    }
    return nullptr;
  }
  await_reader(self);
  PyObject* answer = translating_errors(state, [&]() -> PyObject* {
    Histogram& h = native(self);
    switch (h.decode_counts(static_cast<const uint8_t*>(buffer.buf), static_cast<size_t>(buffer.len))) {
      case Histogram::DecodeResult::ok:
        as_histogram(self)->given.reset();
        return Py_NewRef(Py_None);
      case Histogram::DecodeResult::cut_off:
        return PyErr_Format(state->invalid_value, "the encoded counts (%zd bytes) end inside a number", buffer.len);
      case Histogram::DecodeResult::beyond_last_bucket:
        return PyErr_Format(state->invalid_value, "the encoded counts go beyond the last of the %zu buckets",
                            h.length());
      case Histogram::DecodeResult::too_many:
        return PyErr_Format(state->invalid_value, "the encoded counts add up to more than 2**62");
    }
    Py_UNREACHABLE();
  });
  PyBuffer_Release(&buffer);
  return answer;
}

}  // namespace latencykit::bind
