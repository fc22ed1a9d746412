// The table of one instruction set, from its vector types.
#pragma once

#include "kernels/averages.h"
#include "kernels/cumulative.h"
#include "kernels/ema.h"
#include "kernels/windows.h"

namespace latencykit::kernels {
namespace {

template <typename V>
using Lowest = Extreme<V, Least>;
template <typename V>
using Highest = Extreme<V, Greatest>;

template <typename V, typename W>
bool vwap(const Settings& settings, const Series<typename V::Value>& s, typename V::Value* scratch) {
  if (settings.period == 0) return vwap_from_begin<V, W>(s);
  return windowed<V, WeightedPrice, 2, 1>(settings, s, scratch);
}

// V computes, W is the vector of doubles. In the order of Indicator.
template <typename V, typename W>
constexpr Functions<typename V::Value> functions_of() {
  return {
      ema_continue<V>,
      ema_rows<V>,
      {nullptr, windowed<V, Mean, 1, 1>, rsi<V>, macd<V>, windowed<V, Bands, 1, 3>, atr<V>, vwap<V, W>,
       windowed<V, Deviation, 1, 1>, windowed<V, Lowest, 1, 1>, windowed<V, Highest, 1, 1>, windowed<V, Score, 1, 1>},
  };
}

template <typename Doubles, typename Floats>
constexpr Table table_of(std::string_view isa) {
  return {isa, functions_of<Doubles, Doubles>(), functions_of<Floats, Doubles>()};
}

}  // namespace
}  // namespace latencykit::kernels
