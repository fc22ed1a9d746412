// Which tables this CPU can run, and the parts of an indicator that no instruction set makes faster.
#include <array>
#include <cmath>
#include <limits>

#include "kernels/kernels.h"

namespace latencykit::kernels {
namespace {

constexpr std::array<std::string_view, 2> kKnown = {"scalar", "avx2"};

struct Available {
  std::array<const Table*, kKnown.size()> tables{};
  std::size_t count = 0;

  Available() {
    tables[count++] = &scalar_table;
#ifdef LATENCYKIT_HAVE_AVX2
    // Asks the operating system too, through XGETBV: it must save the wide registers.
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) tables[count++] = &avx2_table;
#endif
  }
};

template <typename T>
EmaContinue<T> ema_of(const Table& table) {
  if constexpr (std::is_same_v<T, double>) {
    return table.ema_f64;
  } else {
    return table.ema_f32;
  }
}

}  // namespace

std::span<const Table* const> available() {
  static const Available found;
  return {found.tables.data(), found.count};
}

const Table& best() { return *available().back(); }

const Table* find(std::string_view isa) {
  for (const Table* table : available()) {
    if (table->isa == isa) return table;
  }
  return nullptr;
}

bool is_known(std::string_view isa) {
  for (std::string_view known : kKnown) {
    if (known == isa) return true;
  }
  return false;
}

template <typename T>
void ema(const Table& table, const T* x, T* out, std::size_t n, double alpha, std::size_t seed_count) {
  std::size_t i = 0;
  std::size_t seen = 0;
  double sum = 0;
  for (; i < n && seen < seed_count; ++i) {
    const T value = x[i];
    out[i] = std::numeric_limits<T>::quiet_NaN();
    if (std::isfinite(value)) {
      sum += value;
      ++seen;
    }
  }
  if (seen < seed_count) return;
  const T average = static_cast<T>(sum / static_cast<double>(seed_count));
  out[i - 1] = average;
  ema_of<T>(table)(x + i, out + i, n - i, alpha, average);
}

template void ema<double>(const Table&, const double*, double*, std::size_t, double, std::size_t);
template void ema<float>(const Table&, const float*, float*, std::size_t, double, std::size_t);

}  // namespace latencykit::kernels
