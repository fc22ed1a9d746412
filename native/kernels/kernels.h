// The indicator kernels: one table of functions per instruction set, and the choice among them.
//
// Promises: nothing here allocates, throws or keeps state; every function may be called from any thread. Each
// table is compiled in its own translation unit with its own ISA flags, and `available` lists only those that
// this CPU can run, so that a table found there is safe to call. The choice is the caller's: see `best`.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

namespace latencykit::kernels {

// Continues an exponential average over x[0..n): out[i] = (1 - alpha) * average + alpha * x[i], where
// `average` is the last average, `carry` before the first. An input that is not finite gives NaN at its index
// and leaves the average as it was. alpha is in (0, 1], carry is finite, out is x itself or does not overlap it.
template <typename T>
using EmaContinue = void (*)(const T* x, T* out, std::size_t n, double alpha, T carry);

struct Table {
  std::string_view isa;
  EmaContinue<double> ema_f64;
  EmaContinue<float> ema_f32;
};

extern const Table scalar_table;
#ifdef LATENCYKIT_HAVE_AVX2
extern const Table avx2_table;
#endif

// The tables that this CPU can run, the plainest first and the fastest last.
std::span<const Table* const> available();

// The fastest of them.
const Table& best();

// The available table of that name, or nullptr.
const Table* find(std::string_view isa);

// Whether an instruction set of that name exists at all, here or on another machine.
bool is_known(std::string_view isa);

// The exponential moving average of x[0..n) from its beginning. The first average is the mean of the first
// `seed_count` (at least 1) finite inputs and stands at the last of them; before it the output is NaN.
template <typename T>
void ema(const Table& table, const T* x, T* out, std::size_t n, double alpha, std::size_t seed_count);

}  // namespace latencykit::kernels
