// Makes malloc and its relatives visible to alloc_counter.h.
//
// What is seen: malloc, calloc, realloc, posix_memalign, aligned_alloc and memalign, and so operator new,
//   strdup and whatever else ends there.
// How: while somebody counts, the slots through which every loaded object calls these functions (GOT entries
//   and pointers in initialised data) lead to the hooks below; afterwards they hold again what they held.
//   Objects are scanned when counting starts, again only if any was loaded or unloaded since. A slot that
//   holds something else than the function all calls are bound to is somebody else's, and is left alone.
// Not seen: calls through a pointer that dlsym returned (ctypes), inside a statically linked allocator or
//   inside the dynamic linker; objects loaded while counting; mmap; valloc and pvalloc.
// Threads: all pass the hooks; those that do not count test one thread-local byte. The hooks take no lock and
//   allocate nothing; acquire and release take one mutex, then the dynamic linker's lock.
// Memory: where it is refused, acquire() is false and the next one looks again.
// Where: glibc on x86-64 and aarch64. Elsewhere acquire() is false: nothing is patched or counted.
#pragma once

#include <cstddef>
#include <cstdlib>

#include "latency/alloc_counter.h"

#if defined(__linux__) && defined(__GLIBC__) && (defined(__x86_64__) || defined(__aarch64__))
#define LATENCYKIT_SEES_MALLOC 1
#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <malloc.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <mutex>
#include <new>
#include <string>
#include <utility>
#include <vector>
#else
#define LATENCYKIT_SEES_MALLOC 0
#endif

namespace latencykit {

#if LATENCYKIT_SEES_MALLOC

namespace malloc_hooks {

enum Function : size_t { kMalloc, kCalloc, kRealloc, kPosixMemalign, kAlignedAlloc, kMemalign, kFunctions };

inline constexpr std::array<const char*, kFunctions> kNames = {"malloc",         "calloc",        "realloc",
                                                               "posix_memalign", "aligned_alloc", "memalign"};

// The functions that the hooks stand for. Written once, before the first slot is patched.
inline std::array<void*, kFunctions> real{};

template <typename F>
F* real_function(Function function) {
  return reinterpret_cast<F*>(real[function]);
}

inline void* hooked_malloc(size_t size) {
  return tallied(AllocationSource::malloc, size, [=] { return real_function<void*(size_t)>(kMalloc)(size); });
}
inline void* hooked_calloc(size_t count, size_t size) {
  return tallied(AllocationSource::malloc, count * size,
                 [=] { return real_function<void*(size_t, size_t)>(kCalloc)(count, size); });
}
inline void* hooked_realloc(void* block, size_t size) {
  return tallied(AllocationSource::malloc, size,
                 [=] { return real_function<void*(void*, size_t)>(kRealloc)(block, size); });
}
inline int hooked_posix_memalign(void** block, size_t alignment, size_t size) {
  int error = 0;
  tallied(AllocationSource::malloc, size, [&]() -> void* {
    error = real_function<int(void**, size_t, size_t)>(kPosixMemalign)(block, alignment, size);
    return error == 0 ? *block : nullptr;
  });
  return error;
}
inline void* hooked_aligned_alloc(size_t alignment, size_t size) {
  return tallied(AllocationSource::malloc, size,
                 [=] { return real_function<void*(size_t, size_t)>(kAlignedAlloc)(alignment, size); });
}
inline void* hooked_memalign(size_t alignment, size_t size) {
  return tallied(AllocationSource::malloc, size,
                 [=] { return real_function<void*(size_t, size_t)>(kMemalign)(alignment, size); });
}

inline const std::array<void*, kFunctions> kHooks = {
    reinterpret_cast<void*>(hooked_malloc),        reinterpret_cast<void*>(hooked_calloc),
    reinterpret_cast<void*>(hooked_realloc),       reinterpret_cast<void*>(hooked_posix_memalign),
    reinterpret_cast<void*>(hooked_aligned_alloc), reinterpret_cast<void*>(hooked_memalign)};

#if defined(__x86_64__)
inline constexpr uint32_t kJumpSlot = R_X86_64_JUMP_SLOT, kGlobalData = R_X86_64_GLOB_DAT, kAbsolute = R_X86_64_64;
#else
inline constexpr uint32_t kJumpSlot = R_AARCH64_JUMP_SLOT, kGlobalData = R_AARCH64_GLOB_DAT,
                          kAbsolute = R_AARCH64_ABS64;
#endif

// What the dynamic section and the program headers of one loaded object say, as far as it matters here.
struct Image {
  uintptr_t base = 0, begin = 0, end = 0;
  uintptr_t relro_begin = 0, relro_end = 0;
  const ElfW(Sym) * symbols = nullptr;
  const char* strings = nullptr;
  struct Table {
    const ElfW(Rela) * first = nullptr;
    size_t bytes = 0;
  } plt, data;

  bool contains(const void* address) const {
    const auto a = reinterpret_cast<uintptr_t>(address);
    return begin <= a && a < end;
  }
};

inline uintptr_t page_of(uintptr_t address) {
  static const auto page_size = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  return address & ~(page_size - 1);
}

inline Image read_image(const dl_phdr_info& info) {
  Image image;
  image.base = info.dlpi_addr;
  image.begin = UINTPTR_MAX;
  const ElfW(Dyn)* dynamic = nullptr;
  for (size_t i = 0; i < info.dlpi_phnum; ++i) {
    const ElfW(Phdr) & header = info.dlpi_phdr[i];
    const uintptr_t begin = info.dlpi_addr + header.p_vaddr, end = begin + header.p_memsz;
    if (header.p_type == PT_LOAD) {
      image.begin = begin < image.begin ? begin : image.begin;
      image.end = end > image.end ? end : image.end;
    } else if (header.p_type == PT_GNU_RELRO) {
      image.relro_begin = page_of(begin);
      image.relro_end = page_of(end);  // As the dynamic linker rounds: a last part of a page stays writable.
    } else if (header.p_type == PT_DYNAMIC) {
      dynamic = reinterpret_cast<const ElfW(Dyn)*>(begin);
    }
  }
  // The dynamic linker has made these absolute, but not in the kernel's own object.
  const auto address = [&](const ElfW(Dyn) & entry) {
    return entry.d_un.d_ptr < image.base ? image.base + entry.d_un.d_ptr : entry.d_un.d_ptr;
  };
  for (; dynamic != nullptr && dynamic->d_tag != DT_NULL; ++dynamic) {
    switch (dynamic->d_tag) {
      case DT_SYMTAB:
        image.symbols = reinterpret_cast<const ElfW(Sym)*>(address(*dynamic));
        break;
      case DT_STRTAB:
        image.strings = reinterpret_cast<const char*>(address(*dynamic));
        break;
      case DT_JMPREL:
        image.plt.first = reinterpret_cast<const ElfW(Rela)*>(address(*dynamic));
        break;
      case DT_PLTRELSZ:
        image.plt.bytes = dynamic->d_un.d_val;
        break;
      case DT_RELA:
        image.data.first = reinterpret_cast<const ElfW(Rela)*>(address(*dynamic));
        break;
      case DT_RELASZ:
        image.data.bytes = dynamic->d_un.d_val;
        break;
      default:
        break;
    }
  }
  return image;
}

// One slot through which an object reaches one of the functions.
struct Slot {
  void** address;
  Function function;
  uint32_t kind;
  bool read_only;            // In the part that the dynamic linker protects after relocation.
  bool bound_late;           // May still hold the address of its own lookup stub.
  uintptr_t begin, end;      // Of the object.
  void* original = nullptr;  // Not null while patched.
};

inline Function function_named(const char* name) {
  size_t i = 0;
  while (i < kFunctions && std::strcmp(name, kNames[i]) != 0) ++i;
  return static_cast<Function>(i);
}

inline void find_slots(const Image& image, const Image::Table& table, std::vector<Slot>& slots) {
  for (size_t i = 0; i < table.bytes / sizeof(ElfW(Rela)); ++i) {
    const ElfW(Rela) & relocation = table.first[i];
    const auto kind = static_cast<uint32_t>(ELF64_R_TYPE(relocation.r_info));
    if (kind != kJumpSlot && kind != kGlobalData && (kind != kAbsolute || relocation.r_addend != 0)) continue;
    const ElfW(Sym) & symbol = image.symbols[ELF64_R_SYM(relocation.r_info)];
    const Function function = function_named(image.strings + symbol.st_name);
    if (function == kFunctions) continue;
    const uintptr_t address = image.base + relocation.r_offset;
    slots.push_back({reinterpret_cast<void**>(address), function, kind,
                     image.relro_begin <= address && address < image.relro_end,
                     kind == kJumpSlot && symbol.st_shndx == SHN_UNDEF, image.begin, image.end});
  }
}

inline bool write_slot(const Slot& slot, void* value) {
  const uintptr_t page = page_of(reinterpret_cast<uintptr_t>(slot.address));
  void* const start = reinterpret_cast<void*>(page);
  const auto size = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  if (slot.read_only && mprotect(start, size, PROT_READ | PROT_WRITE) != 0) return false;
  // Other threads call through the slot meanwhile: either value is right for them.
  __atomic_store_n(slot.address, value, __ATOMIC_RELEASE);
  return !slot.read_only || mprotect(start, size, PROT_READ) == 0;
}

inline void* read_slot(const Slot& slot) { return __atomic_load_n(slot.address, __ATOMIC_ACQUIRE); }

}  // namespace malloc_hooks

// The patched slots of the process. There is one, shared by all that count at the same time.
class MallocPatch {
 public:
  // Never destroyed: a thread may still count while the process ends.
  static MallocPatch& instance() {
    static MallocPatch* const patch = new MallocPatch;
    return *patch;
  }

  // Makes malloc visible until as many release() calls. False if it is not, or not everywhere: a slot could
  // not be written, or somebody else's hook is in it. release() is due in either case.
  bool acquire() {
    const std::lock_guard lock(mutex_);
    if (users_++ == 0) complete_ = find_functions() && patch_objects();
    return complete_;
  }

  void release() {
    const std::lock_guard lock(mutex_);
    if (--users_ == 0) restore_objects();
  }

  // How many slots lead to a hook now; for tests.
  size_t patched() {
    const std::lock_guard lock(mutex_);
    size_t count = 0;
    for (const Slot& slot : slots_) count += leads_to_hook(slot);
    return count;
  }

 private:
  using Slot = malloc_hooks::Slot;

  // The definition that calls are bound to: the first in load order. dlsym alone does not tell: in a program
  // that is not position-independent it answers with the program's own stub, which calls through a slot.
  bool find_functions() {
    if (found_) return true;
    std::vector<std::string> objects;
    dl_iterate_phdr(
        [](dl_phdr_info* info, size_t, void* names) {
          if (info->dlpi_name == nullptr || *info->dlpi_name == '\0') return 0;
          return tried([&] { static_cast<std::vector<std::string>*>(names)->emplace_back(info->dlpi_name); });
        },
        &objects);
    for (size_t i = 0; i < malloc_hooks::kFunctions; ++i) {
      named_[i] = dlsym(RTLD_DEFAULT, malloc_hooks::kNames[i]);
      void* definition = is_definition(named_[i]) ? named_[i] : nullptr;
      for (size_t j = 0; j < objects.size() && definition == nullptr; ++j) {
        definition = defined_in(objects[j], malloc_hooks::kNames[i]);
      }
      if (definition == nullptr) return false;
      malloc_hooks::real[i] = definition;
    }
    return found_ = true;
  }

  // 1, which ends a walk over the objects, if memory was refused: no exception passes through the linker.
  template <typename F>
  static int tried(F f) {
    try {
      f();
      return 0;
    } catch (const std::bad_alloc&) {
      return 1;
    }
  }

  static bool is_definition(void* address) {
    Dl_info info;
    ElfW(Sym)* symbol = nullptr;
    return address != nullptr && dladdr1(address, &info, reinterpret_cast<void**>(&symbol), RTLD_DL_SYMENT) != 0 &&
           info.dli_saddr == address && symbol != nullptr && symbol->st_shndx != SHN_UNDEF;
  }

  static void* defined_in(const std::string& object, const char* function) {
    void* const handle = dlopen(object.c_str(), RTLD_LAZY | RTLD_NOLOAD);
    if (handle == nullptr) return nullptr;
    void* const address = dlsym(handle, function);  // In the object or in what it depends on.
    link_map *asked = nullptr, *found = nullptr;
    Dl_info info;
    const bool here = is_definition(address) && dlinfo(handle, RTLD_DI_LINKMAP, &asked) == 0 &&
                      dladdr1(address, &info, reinterpret_cast<void**>(&found), RTLD_DL_LINKMAP) != 0 && asked == found;
    dlclose(handle);
    return here ? address : nullptr;
  }

  // Both walks happen inside dl_iterate_phdr, which keeps objects from being unloaded meanwhile.
  bool patch_objects() {
    complete_ = true;
    first_object_ = true;
    dl_iterate_phdr(
        [](dl_phdr_info* info, size_t, void* self) { return static_cast<MallocPatch*>(self)->patch(*info); }, this);
    return complete_;
  }

  int patch(const dl_phdr_info& info) {
    const bool first = std::exchange(first_object_, false);
    const bool unchanged = info.dlpi_adds == loaded_ && info.dlpi_subs == unloaded_;
    if (first && unchanged) {
      for (Slot& slot : slots_) patch_slot(slot);
      return 1;
    }
    if (first) {
      slots_.clear();
      loaded_ = info.dlpi_adds;
      unloaded_ = info.dlpi_subs;
    }
    const malloc_hooks::Image image = malloc_hooks::read_image(info);
    if (image.symbols == nullptr || image.strings == nullptr) return 0;
    const size_t known = slots_.size();
    const int refused = tried([&] {
      malloc_hooks::find_slots(image, image.plt, slots_);
      malloc_hooks::find_slots(image, image.data, slots_);
    });
    if (refused != 0) {
      complete_ = false;
      loaded_ = 0;  // As if something had been loaded since.
    }
    for (size_t i = known; i < slots_.size(); ++i) patch_slot(slots_[i]);
    return refused;
  }

  void patch_slot(Slot& slot) {
    void* const value = malloc_hooks::read_slot(slot);
    const auto address = reinterpret_cast<uintptr_t>(value);
    const bool own = slot.begin <= address && address < slot.end;
    if (value == malloc_hooks::real[slot.function] || (own && slot.bound_late)) {
      slot.original = value;
      if (!malloc_hooks::write_slot(slot, malloc_hooks::kHooks[slot.function])) complete_ = false;
    } else if (value != malloc_hooks::kHooks[slot.function] && value != named_[slot.function] && !own &&
               slot.kind != malloc_hooks::kAbsolute) {
      complete_ = false;
    }
  }

  static bool leads_to_hook(const Slot& slot) {
    return malloc_hooks::read_slot(slot) == malloc_hooks::kHooks[slot.function];
  }

  void restore_objects() {
    first_object_ = true;
    dl_iterate_phdr(
        [](dl_phdr_info* info, size_t, void* self) { return static_cast<MallocPatch*>(self)->restore(*info); }, this);
    for (Slot& slot : slots_) slot.original = nullptr;
  }

  int restore(const dl_phdr_info& info) {
    const bool first = std::exchange(first_object_, false);
    if (first && info.dlpi_subs == unloaded_) {
      for (const Slot& slot : slots_) restore_slot(slot);
      return 1;
    }
    // Something was unloaded: only slots inside an object that is still there may be looked at.
    const malloc_hooks::Image image = malloc_hooks::read_image(info);
    for (const Slot& slot : slots_) {
      if (image.begin == slot.begin && image.end == slot.end) restore_slot(slot);
    }
    return 0;
  }

  static void restore_slot(const Slot& slot) {
    if (slot.original != nullptr && leads_to_hook(slot)) {
      malloc_hooks::write_slot(slot, slot.original);
    }
  }

  std::mutex mutex_;
  size_t users_ = 0;
  bool found_ = false;
  bool complete_ = false;
  bool first_object_ = false;
  unsigned long long loaded_ = 0, unloaded_ = 0;
  std::array<void*, malloc_hooks::kFunctions> named_{};
  std::vector<Slot> slots_;
};

#else

class MallocPatch {
 public:
  static MallocPatch& instance() {
    static MallocPatch patch;
    return patch;
  }
  bool acquire() { return false; }
  void release() {}
  size_t patched() { return 0; }
};

#endif

}  // namespace latencykit
