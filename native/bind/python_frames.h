// The Python frames of a thread, read without making frame objects.
//
// Why: a frame object is itself an allocation, and making one may run the cyclic collector; neither may happen inside
//   an allocator. Nothing here allocates, raises or changes what it looks at.
// Threads: a thread's frames are changed by that thread alone, which may read them with or without the GIL.
// Where: CPython 3.11 to 3.13, whose frames begin with the fields below. Elsewhere a thread has no frames.
#pragma once

#include <Python.h>

#include <cstdint>

namespace latencykit::bind {

#if PY_VERSION_HEX >= 0x030B0000 && PY_VERSION_HEX < 0x030C0000
struct PythonFrame {
  PyObject *function, *globals, *builtins, *locals;
  PyObject* executable;
  PyObject* object;
  PythonFrame* previous;
  const char* instruction;  // The code unit before the next one.
  int stack_top;
  bool is_entry;
  char owner;
};
#elif PY_VERSION_HEX >= 0x030C0000 && PY_VERSION_HEX < 0x030E0000
struct PythonFrame {
  PyObject* executable;
  PythonFrame* previous;
  PyObject *function, *globals, *builtins, *locals;
  PyObject* object;
  const char* instruction;
  int stack_top;
  uint16_t return_offset;
  char owner;
};
#else
struct PythonFrame {
  PythonFrame* previous;
};
#endif

inline PyCodeObject* code_of(const PythonFrame* frame) {
#if PY_VERSION_HEX < 0x030E0000
  constexpr char kOwnedByCStack = 3;  // Marks the entry to the interpreter, from 3.12 on: not Python code.
  if (frame->owner == kOwnedByCStack || frame->executable == nullptr || !PyCode_Check(frame->executable)) {
    return nullptr;
  }
  return reinterpret_cast<PyCodeObject*>(frame->executable);
#else
  return nullptr;
#endif
}

// The nearest frame, itself included, that runs Python code; null if there is none.
inline const PythonFrame* python_frame(const PythonFrame* frame) {
  while (frame != nullptr && code_of(frame) == nullptr) frame = frame->previous;
  return frame;
}

inline const PythonFrame* caller_of(const PythonFrame* frame) { return python_frame(frame->previous); }

inline const PythonFrame* current_frame(PyThreadState* thread) {
#if PY_VERSION_HEX < 0x030D0000
  return python_frame(reinterpret_cast<const PythonFrame*>(thread->cframe->current_frame));
#elif PY_VERSION_HEX < 0x030E0000
  return python_frame(reinterpret_cast<const PythonFrame*>(thread->current_frame));
#else
  return nullptr;
#endif
}

// The line that a frame with Python code is at; its function's first before it has begun.
inline int line_of(const PythonFrame* frame) {
#if PY_VERSION_HEX < 0x030E0000
  PyCodeObject* code = code_of(frame);
  // 3.11 and 3.12 point at the unit before the next one; of an instruction with inline caches that is still its own.
  const int line = PyCode_Addr2Line(code, static_cast<int>(frame->instruction - code->co_code_adaptive));
  return line > 0 ? line : code->co_firstlineno;  // What makes cells and generators belongs to no line.
#else
  return 0;
#endif
}

}  // namespace latencykit::bind
