// The two loops that time an operation, over any tick clock of tsc_clock.h.
//
// Promises:
// - Nothing is allocated and nothing but the operation runs between the two reads of a sample.
// - `call` returns false to stop; the loops then return the number of samples that are complete.
// - Samples are raw tick differences: what a read costs is still in them (the floor is measured the same way).
#pragma once

#include <cstddef>
#include <cstdint>

namespace latencykit {

// One pair of reads around each call.
template <typename Clock, typename Call>
size_t sample_per_call(Clock& clock, Call&& call, uint64_t* out, size_t samples) {
  for (size_t i = 0; i < samples; ++i) {
    const uint64_t begin = clock.begin();
    const bool ok = call();
    const uint64_t end = clock.end();
    if (!ok) return i;
    out[i] = end - begin;
  }
  return samples;
}

// One pair of reads around each `batch` calls in a row.
template <typename Clock, typename Call>
size_t sample_batched(Clock& clock, Call&& call, uint64_t* out, size_t samples, size_t batch) {
  for (size_t i = 0; i < samples; ++i) {
    const uint64_t begin = clock.begin();
    for (size_t j = 0; j < batch; ++j) {
      if (!call()) return i;
    }
    out[i] = clock.end() - begin;
  }
  return samples;
}

}  // namespace latencykit
