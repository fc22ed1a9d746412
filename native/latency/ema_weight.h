// The weight of an exponential average's newest value, as analysts name averages by their period.
//
// Promises: no state. Always inlined, so that no copy of it exists that the linker could share between translation
// units that are compiled for different instruction sets, of which the kernels are some.
#pragma once

namespace latencykit {

[[gnu::always_inline]] constexpr double ema_weight(double period) { return 2 / (period + 1); }

}  // namespace latencykit
