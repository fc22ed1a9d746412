// A hint to the processor that a loop is waiting for another core.
#pragma once

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace latencykit {

inline void cpu_relax() {
#if defined(__x86_64__)
  _mm_pause();
#endif
}

}  // namespace latencykit
