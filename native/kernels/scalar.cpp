// Plain C++ for any CPU: the recurrences as they are written.
#include "kernels/generic.h"
#include "kernels/kernels.h"

namespace latencykit::kernels {
namespace {

template <typename T>
void ema_scalar(const T* x, T* out, std::size_t n, double alpha, T carry) {
  ema_sequence(x, out, n, alpha, carry);
}

}  // namespace

const Table scalar_table = {"scalar", ema_scalar<double>, ema_scalar<float>};

}  // namespace latencykit::kernels
