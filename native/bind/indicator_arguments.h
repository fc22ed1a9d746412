// What an indicator is asked for, besides its series: the arguments that the batch function and the streaming class of
// an indicator share, read into the kernels' settings.
//
// A refusal is InvalidValueError or InvalidTypeError with the value received and the remedy. Reading may run the
// caller's code (__index__, __float__), so whatever that code could change is looked at afterwards.
#pragma once

#include <array>
#include <optional>
#include <span>

#include "bind/types.h"
#include "kernels/kernels.h"

namespace latencykit::bind {

// The names of the arguments; each indicator takes some of them.
enum class Argument : unsigned { period, fast, slow, signal, width, alpha, ddof, seed, missing };
inline constexpr std::size_t kArguments = 9;
inline constexpr std::array<const char*, kArguments> kArgumentNames = {"period", "fast", "slow", "signal", "width",
                                                                       "alpha",  "ddof", "seed", "missing"};

// What a caller passed, borrowed, by Argument; nullptr where nothing was.
struct GivenArguments {
  std::array<PyObject*, kArguments> values{};
  PyObject*& operator[](Argument name) { return values[static_cast<std::size_t>(name)]; }
  PyObject* operator[](Argument name) const { return values[static_cast<std::size_t>(name)]; }
};

// The arguments that an indicator takes, in the order of its signature. The first `positional` may be given by
// position, the others by keyword only. Of these the first `required` have no default.
struct Signature {
  std::array<Argument, 5> names;
  std::size_t count;
  std::size_t positional;
  std::size_t required;
  std::span<const Argument> arguments() const { return std::span(names).first(count); }
};

const Signature& signature_of(kernels::Indicator indicator);

// The settings that the arguments ask for, with the defaults where nothing was passed; empty with an exception. Without
// a period, ema's is 1 and vwap's 0. A required argument that is missing is a TypeError.
// With an exception, `read_settings` returns false; it writes in place, for calls that count nanoseconds.
bool read_settings(ModuleState* state, kernels::Indicator indicator, const GivenArguments& given,
                   kernels::Settings* settings);
std::optional<kernels::Settings> settings_from(ModuleState* state, kernels::Indicator indicator,
                                               const GivenArguments& given);

}  // namespace latencykit::bind
