// Which tables this CPU can run, and the parts of an indicator that no instruction set makes faster.
#include <algorithm>
#include <array>

#include "kernels/ema_series.h"
#include "kernels/kernels.h"
#include "kernels/missing.h"

namespace latencykit::kernels {
namespace {

constexpr std::array<std::string_view, 3> kKnown = {"scalar", "avx2", "avx512"};

struct Available {
  std::array<const Table*, kKnown.size()> tables{};
  std::size_t count = 0;

  Available() {
    tables[count++] = &scalar_table;
#ifdef LATENCYKIT_HAVE_X86
    // Asks the operating system too, through XGETBV: it must save the wide registers.
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return;
    tables[count++] = &avx2_table;
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq")) tables[count++] = &avx512_table;
#endif
  }
};

// Most of the windows in use are shorter: their scratch is on the stack.
constexpr std::size_t kScratchOnStack = 2 * window_room(496);

std::size_t scratch_size(Indicator indicator, const Settings& settings) {
  switch (indicator) {
    case Indicator::sma:
    case Indicator::rolling_min:
    case Indicator::rolling_max:
      return window_room(settings.period);
    case Indicator::rolling_std:
    case Indicator::bollinger:
    case Indicator::zscore:
      return 2 * window_room(settings.period);
    case Indicator::vwap:
      return settings.period == 0 ? 0 : 2 * window_room(settings.period);
    default:
      return 0;
  }
}

// Any indicator but ema; false if memory was refused.
template <typename T>
bool compute_others(const Table& table, Indicator indicator, const Settings& settings, const Series<T>& series,
                    std::size_t count) {
  T on_stack[kScratchOnStack];
  Memory<T> memory;
  // No window that is longer than the series is ever filled.
  const bool filled = settings.period <= series.n;
  const std::size_t needed = filled ? scratch_size(indicator, settings) : 0;
  if (needed > kScratchOnStack) {
    memory = memory_for<T>(needed);
    if (memory == nullptr) return false;
  }
  const Work<T> work{table, indicator, settings, shape_of(indicator, settings), memory ? memory.get() : on_stack};
  for (std::size_t r = 0; r < count; ++r) {
    if (!work.compute(part_of(series, work.shape, r * series.n, series.n))) return false;
  }
  return true;
}

}  // namespace

std::span<const Table* const> available() {
  static const Available found;
  return {found.tables.data(), found.count};
}

const Table& best() {
  const Table* wide = find("avx2");
  return wide != nullptr ? *wide : scalar_table;
}

const Table* find(std::string_view isa) {
  for (const Table* table : available()) {
    if (table->isa == isa) return table;
  }
  return nullptr;
}

bool is_known(std::string_view isa) { return std::ranges::find(kKnown, isa) != kKnown.end(); }

Shape shape_of(Indicator indicator, const Settings& settings) {
  switch (indicator) {
    case Indicator::ema:
    case Indicator::rsi:
      return {1, 1, false};
    case Indicator::macd:
      return {1, 3, false};
    case Indicator::atr:
      return {3, 1, false};
    case Indicator::bollinger:
      return {1, 3, true};
    case Indicator::vwap:
      return {2, 1, settings.period != 0};
    default:
      return {1, 1, true};
  }
}

template <typename T>
bool compute(const Table& table, Indicator indicator, const Settings& settings, const Series<T>& series,
             std::size_t count) {
  if (indicator != Indicator::ema) return compute_others(table, indicator, settings, series, count);
  if (count == 1) {
    compute_ema(table, settings, series.in[0], series.out[0], series.n);
  } else {
    compute_emas(table, settings, series, count);
  }
  return true;
}

template bool compute<double>(const Table&, Indicator, const Settings&, const Series<double>&, std::size_t);
template bool compute<float>(const Table&, Indicator, const Settings&, const Series<float>&, std::size_t);

}  // namespace latencykit::kernels
