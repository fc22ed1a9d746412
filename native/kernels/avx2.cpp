// AVX2 and FMA: 4 doubles or 8 floats to a vector. Compiled with -mavx2 -mfma; nothing else may call in here
// before the CPU was asked.
#include <immintrin.h>

#include "kernels/generic.h"
#include "kernels/kernels.h"

namespace latencykit::kernels {
namespace {

struct Avx2Double {
  using Value = double;
  using Register = __m256d;
  static constexpr int lanes = 4;

  static Register zero() { return _mm256_setzero_pd(); }
  static Register broadcast(double value) { return _mm256_set1_pd(value); }
  static Register load(const double* from) { return _mm256_loadu_pd(from); }
  static void store(double* to, Register value) { _mm256_storeu_pd(to, value); }
  static Register add(Register a, Register b) { return _mm256_add_pd(a, b); }
  static Register mul(Register a, Register b) { return _mm256_mul_pd(a, b); }
  static Register fma(Register a, Register b, Register c) { return _mm256_fmadd_pd(a, b, c); }

  template <int s>
  static Register later(Register before, Register now) {
    static_assert(s == 1 || s == 2);
    const Register middle = _mm256_permute2f128_pd(before, now, 0x21);
    if constexpr (s == 2) return middle;
    return _mm256_shuffle_pd(middle, now, 0b0101);
  }

  static Register powers(double d) { return _mm256_setr_pd(d, d * d, d * d * d, (d * d) * (d * d)); }

  static bool all_finite(Register a, Register b) {
    const Register nought = add(_mm256_sub_pd(a, a), _mm256_sub_pd(b, b));
    return _mm256_movemask_pd(_mm256_cmp_pd(nought, zero(), _CMP_EQ_OQ)) == 0b1111;
  }
};

struct Avx2Float {
  using Value = float;
  using Register = __m256;
  static constexpr int lanes = 8;

  static Register zero() { return _mm256_setzero_ps(); }
  static Register broadcast(double value) { return _mm256_set1_ps(static_cast<float>(value)); }
  static Register load(const float* from) { return _mm256_loadu_ps(from); }
  static void store(float* to, Register value) { _mm256_storeu_ps(to, value); }
  static Register add(Register a, Register b) { return _mm256_add_ps(a, b); }
  static Register mul(Register a, Register b) { return _mm256_mul_ps(a, b); }
  static Register fma(Register a, Register b, Register c) { return _mm256_fmadd_ps(a, b, c); }

  template <int s>
  static Register later(Register before, Register now) {
    static_assert(s == 1 || s == 2 || s == 4);
    const Register middle = _mm256_permute2f128_ps(before, now, 0x21);
    if constexpr (s == 4) return middle;
    if constexpr (s == 2) return _mm256_shuffle_ps(middle, now, _MM_SHUFFLE(1, 0, 3, 2));
    const __m256i bytes =
        _mm256_alignr_epi8(_mm256_castps_si256(now), _mm256_castps_si256(middle), 16 - s * sizeof(float));
    return _mm256_castsi256_ps(bytes);
  }

  static Register powers(double d) {
    const double d2 = d * d, d4 = d2 * d2;
    const __m256d low = Avx2Double::powers(d);
    const __m256d high = _mm256_mul_pd(low, _mm256_set1_pd(d4));
    return _mm256_set_m128(_mm256_cvtpd_ps(high), _mm256_cvtpd_ps(low));
  }

  static bool all_finite(Register a, Register b) {
    const Register nought = add(_mm256_sub_ps(a, a), _mm256_sub_ps(b, b));
    return _mm256_movemask_ps(_mm256_cmp_ps(nought, zero(), _CMP_EQ_OQ)) == 0xFF;
  }
};

}  // namespace

const Table avx2_table = {"avx2", ema_continue<Avx2Double, double>, ema_continue<Avx2Float, float>};

}  // namespace latencykit::kernels
