// Recovery of what a killed process had logged, for latencykit.engine.log_recovery.

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <new>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

#include "bind/logger_objects.h"
#include "latency/log_recovery_journal.h"

namespace latencykit::bind {
namespace {

// A descriptor that is closed at the end.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

struct Request {
  const char* rings;
  const char* log;
  int out;  // Where the lines go; -1 appends them to the log.
  bool in_use;
  bool telling;
};

// What a recovery came to, without Python: it runs without the GIL.
struct Report {
  int error = 0;  // A system error, and of which file.
  const char* path = "";
  bool locked = false;  // By the process that the file names, if it does.
  std::uint32_t process = 0;
  std::optional<std::string> refused;
  std::uint64_t records = 0, damaged = 0, dropped = 0, rest_lines = 0, torn = 0;
  bool inexact = false;
  bool unfinished = false;  // Nothing could be in it yet, and it is deleted.
  std::vector<std::string> damage;
  std::string kept_as;  // What became of the file of rings when it was damaged.
};

constexpr int kLockAttempts = 500;
constexpr unsigned kLockPauseUs = 2'000;

Report failed(const char* path, int error = errno) {
  Report report;
  report.path = path;
  report.error = error;
  return report;
}

// The process that made the file, if it says so, and whether that is still the same one.
struct Owner {
  std::uint32_t process;
  bool lives;
};
Owner owner_of(int fd) {
  const rings_file::Page page(rings_file::Reader(fd), 0);
  const auto header = page.load<rings_file::RingsFileHeader>(0);
  if (header.checksum != checksum_of(header)) return {0, true};
  return {header.process, rings_file::start_of(header.process) == header.process_start};
}

// Takes the lock. A dead owner's child has a share in it until it has run for a moment: that is waited for.
bool lock_rings(int fd, int kind) {
  for (int attempt = 0;; ++attempt) {
    if (::flock(fd, kind | LOCK_NB) == 0) return true;
    const int error = errno;
    if (error != EWOULDBLOCK || attempt == kLockAttempts || owner_of(fd).lives) {
      errno = error;
      return false;
    }
    ::usleep(kLockPauseUs);
  }
}

// Out of the way of the next logger: deleted when all of it is in the log, renamed when it was damaged.
std::string put_away(const std::string& rings, bool damaged) {
  if (!damaged) {
    ::unlink(rings.c_str());
    return {};
  }
  std::string name = rings + ".damaged";
  struct stat found;
  for (int number = 1; ::lstat(name.c_str(), &found) == 0; ++number) {
    name = rings + ".damaged." + std::to_string(number);
  }
  return ::rename(rings.c_str(), name.c_str()) == 0 ? name : rings;
}

Report finish(const LogRecovery& recovery, LogFile& out, const Request& request) {
  Report report;
  const LogFileError error = out.take_error();
  if (error.number != 0) {
    report.error = error.number;
    report.path = request.out >= 0 ? "" : request.log;
  }
  report.process = recovery.process();
  report.records = recovery.records();
  report.damaged = recovery.damaged();
  report.dropped = recovery.dropped();
  report.rest_lines = recovery.rest_lines();
  report.torn = recovery.torn_bytes();
  report.inexact = recovery.inexact();
  report.damage = recovery.damage();
  return report;
}

Report print(int rings, const Request& request) {
  LogRecovery recovery(rings, request.log);
  LogFile out(::fcntl(request.out, F_DUPFD_CLOEXEC, 0));
  recovery.write(out, false);
  return finish(recovery, out, request);
}

Report append(int rings, const Request& request) {
  if (rings_file::is_unfinished(rings_file::Reader(rings))) {
    if (::unlink(request.rings) != 0) return failed(request.rings);
    Report report;
    report.unfinished = true;
    return report;
  }
  LogRecovery recovery(rings, request.log);
  const int fd = open_log(request.log, O_NONBLOCK);
  if (fd < 0) return failed(request.log);
  LogFile log(fd);
  LogRecoveryJournal journal(rings, recovery, log);
  log.keep(&journal);
  if (recovery.completes_line()) log.continue_line();
  recovery.write(log, true, request.telling);
  log.sync();
  Report report = finish(recovery, log, request);
  // What the log refused is still in the rings, for the next attempt.
  if (report.error == 0) report.kept_as = put_away(request.rings, !report.damage.empty() || report.damaged != 0);
  return report;
}

Report recover(const Request& request) {
  const bool appending = request.out < 0;
  const int flags = (appending ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NONBLOCK;
  Descriptor rings(::open(request.rings, flags));
  if (rings.get() < 0) return failed(request.rings);
  struct stat found;
  if (::fstat(rings.get(), &found) != 0) return failed(request.rings);
  if (!S_ISREG(found.st_mode)) {
    Report report;
    report.refused = "is no regular file";
    return report;
  }
  const int lock = appending ? LOCK_EX : LOCK_SH;
  if (!request.in_use && !lock_rings(rings.get(), lock)) {
    if (errno != EWOULDBLOCK) return failed(request.rings);
    Report report;
    report.locked = true;
    report.process = owner_of(rings.get()).process;
    return report;
  }
  try {
    return appending ? append(rings.get(), request) : print(rings.get(), request);
  } catch (const RecoveryRefused& refused) {
    Report report;
    report.refused = refused.message;
    return report;
  }
}

PyObject* names_of(const std::vector<std::string>& damage) {
  PyObject* names = PyTuple_New(static_cast<Py_ssize_t>(damage.size()));
  for (std::size_t i = 0; names != nullptr && i < damage.size(); ++i) {
    PyObject* name = PyUnicode_DecodeUTF8(damage[i].data(), static_cast<Py_ssize_t>(damage[i].size()), "replace");
    if (name == nullptr) {
      Py_CLEAR(names);
    } else {
      PyTuple_SET_ITEM(names, static_cast<Py_ssize_t>(i), name);
    }
  }
  return names;
}

PyObject* raise_system_error(const Report& report) {
  errno = report.error;
  PyObject* path = PyUnicode_DecodeFSDefault(report.path);
  if (path == nullptr) return nullptr;
  PyErr_SetFromErrnoWithFilenameObject(PyExc_OSError, report.path[0] == '\0' ? nullptr : path);
  Py_DECREF(path);
  return nullptr;
}

PyObject* to_python(ModuleState* state, const Request& request, const Report& report) {
  if (report.error != 0) return raise_system_error(report);
  if (report.locked) {
    PyErr_Format(state->invalid_state,
                 "the rings in '%s' are in use by process %u; close its logger, or wait until it has ended",
                 request.rings, report.process);
    return nullptr;
  }
  if (report.refused) {
    PyErr_Format(state->data_error, "'%s' %s", request.rings, report.refused->c_str());
    return nullptr;
  }
  PyObject* damage = names_of(report.damage);
  if (damage == nullptr) return nullptr;
  PyObject* kept = PyUnicode_DecodeFSDefault(report.kept_as.c_str());
  if (kept == nullptr) {
    Py_DECREF(damage);
    return nullptr;
  }
  return Py_BuildValue("{sKsKsKsKsKsOsOsIsNsN}", "records", report.records, "damaged", report.damaged, "dropped",
                       report.dropped, "rest_lines", report.rest_lines, "torn_bytes", report.torn, "inexact",
                       report.inexact ? Py_True : Py_False, "unfinished", report.unfinished ? Py_True : Py_False,
                       "process", report.process, "damage", damage, "kept_as", kept);
}

PyObject* recover_log(PyObject* module, PyObject* args) {
  PyObject *rings, *log;
  int out, in_use, telling;
  if (!PyArg_ParseTuple(args, "O&O&ipp", PyUnicode_FSConverter, &rings, PyUnicode_FSConverter, &log, &out, &in_use,
                        &telling)) {
    return nullptr;
  }
  const Request request{PyBytes_AS_STRING(rings), PyBytes_AS_STRING(log), out, in_use != 0, telling != 0};
  PyObject* result = nullptr;
  try {
    Report report;
    without_gil([&] {
      try {
        report = recover(request);
      } catch (const std::bad_alloc&) {
        report = failed(request.rings, ENOMEM);
      } catch (const std::system_error& error) {
        report = failed(request.rings, error.code().value());
      }
    });
    result = to_python(state_of_module(module), request, report);
  } catch (const std::bad_alloc&) {
    PyErr_NoMemory();
  }
  Py_DECREF(rings);
  Py_DECREF(log);
  return result;
}

PyMethodDef functions[] = {
    {"recover_log", as_method(recover_log), METH_VARARGS,
     "recover_log($module, rings, log, out, in_use, telling, /)\n--\n\n"
     "Write what a killed process had logged to a descriptor, or to the log itself if it is -1."},
    {nullptr, nullptr, 0, nullptr},
};

}  // namespace

int add_log_recovery(PyObject* module) { return PyModule_AddFunctions(module, functions); }

}  // namespace latencykit::bind
