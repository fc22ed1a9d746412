// AVX-512 F and DQ: 8 doubles or 16 floats to a vector. Compiled with -mavx512f -mavx512dq -mfma; nothing else
// may call in here before the CPU was asked.
#include <immintrin.h>

#include "kernels/generic.h"

namespace latencykit::kernels {
namespace {

struct Avx512Double {
  using Value = double;
  using Register = __m512d;
  static constexpr std::size_t lanes = 8;

  static Register zero() { return _mm512_setzero_pd(); }
  static Register broadcast(double value) { return _mm512_set1_pd(value); }
  static Register load(const double* from) { return _mm512_loadu_pd(from); }
  static void store(double* to, Register value) { _mm512_storeu_pd(to, value); }
  static __mmask8 mask(std::size_t count) { return static_cast<__mmask8>((1u << count) - 1); }
  static Register load_low(const double* from, std::size_t count) { return _mm512_maskz_loadu_pd(mask(count), from); }
  static void store_low(double* to, Register value, std::size_t count) {
    _mm512_mask_storeu_pd(to, mask(count), value);
  }
  static Register add(Register a, Register b) { return _mm512_add_pd(a, b); }
  static Register sub(Register a, Register b) { return _mm512_sub_pd(a, b); }
  static Register mul(Register a, Register b) { return _mm512_mul_pd(a, b); }
  static Register div(Register a, Register b) { return _mm512_div_pd(a, b); }
  static Register min(Register a, Register b) { return _mm512_min_pd(a, b); }
  static Register max(Register a, Register b) { return _mm512_max_pd(a, b); }
  static Register sqrt(Register a) { return _mm512_sqrt_pd(a); }
  static Register size(Register a) { return _mm512_abs_pd(a); }
  static Register fma(Register a, Register b, Register c) { return _mm512_fmadd_pd(a, b, c); }

  template <int s>
  static Register from_pair(Register low, Register high) {
    return _mm512_castsi512_pd(_mm512_alignr_epi64(_mm512_castpd_si512(high), _mm512_castpd_si512(low), s));
  }
  template <int s>
  static Register later(Register before, Register now) {
    return from_pair<8 - s>(before, now);
  }
  template <int s>
  static Register earlier(Register now, Register after) {
    return from_pair<s>(now, after);
  }
  static Register first(Register r) { return _mm512_broadcastsd_pd(_mm512_castpd512_pd128(r)); }
  static Register last(Register r) { return _mm512_permutexvar_pd(_mm512_set1_epi64(7), r); }
  static Register low(Register r, std::size_t count, Register fill) {
    return _mm512_mask_blend_pd(mask(count), fill, r);
  }

  static Register powers(double d) {
    const double d2 = d * d, d3 = d2 * d, d4 = d2 * d2;
    return _mm512_setr_pd(d, d2, d3, d4, d4 * d, d4 * d2, d4 * d3, d4 * d4);
  }
  static bool all_zero(Register r) { return _mm512_cmp_pd_mask(r, zero(), _CMP_EQ_OQ) == 0xFF; }
};

struct Avx512Float {
  using Value = float;
  using Register = __m512;
  static constexpr std::size_t lanes = 16;

  static Register zero() { return _mm512_setzero_ps(); }
  static Register broadcast(double value) { return _mm512_set1_ps(static_cast<float>(value)); }
  static Register load(const float* from) { return _mm512_loadu_ps(from); }
  static void store(float* to, Register value) { _mm512_storeu_ps(to, value); }
  static __mmask16 mask(std::size_t count) { return static_cast<__mmask16>((1u << count) - 1); }
  static Register load_low(const float* from, std::size_t count) { return _mm512_maskz_loadu_ps(mask(count), from); }
  static void store_low(float* to, Register value, std::size_t count) { _mm512_mask_storeu_ps(to, mask(count), value); }
  static Register add(Register a, Register b) { return _mm512_add_ps(a, b); }
  static Register sub(Register a, Register b) { return _mm512_sub_ps(a, b); }
  static Register mul(Register a, Register b) { return _mm512_mul_ps(a, b); }
  static Register div(Register a, Register b) { return _mm512_div_ps(a, b); }
  static Register min(Register a, Register b) { return _mm512_min_ps(a, b); }
  static Register max(Register a, Register b) { return _mm512_max_ps(a, b); }
  static Register sqrt(Register a) { return _mm512_sqrt_ps(a); }
  static Register size(Register a) { return _mm512_abs_ps(a); }
  static Register fma(Register a, Register b, Register c) { return _mm512_fmadd_ps(a, b, c); }

  template <int s>
  static Register from_pair(Register low, Register high) {
    return _mm512_castsi512_ps(_mm512_alignr_epi32(_mm512_castps_si512(high), _mm512_castps_si512(low), s));
  }
  template <int s>
  static Register later(Register before, Register now) {
    return from_pair<16 - s>(before, now);
  }
  template <int s>
  static Register earlier(Register now, Register after) {
    return from_pair<s>(now, after);
  }
  static Register first(Register r) { return _mm512_broadcastss_ps(_mm512_castps512_ps128(r)); }
  static Register last(Register r) { return _mm512_permutexvar_ps(_mm512_set1_epi32(15), r); }
  static Register low(Register r, std::size_t count, Register fill) {
    return _mm512_mask_blend_ps(mask(count), fill, r);
  }

  static Register powers(double d) {
    const __m512d low = Avx512Double::powers(d);
    const double d2 = d * d, d4 = d2 * d2;
    const __m512d high = _mm512_mul_pd(low, _mm512_set1_pd(d4 * d4));
    return _mm512_insertf32x8(_mm512_castps256_ps512(_mm512_cvtpd_ps(low)), _mm512_cvtpd_ps(high), 1);
  }
  static bool all_zero(Register r) { return _mm512_cmp_ps_mask(r, zero(), _CMP_EQ_OQ) == 0xFFFF; }
};

}  // namespace

const Table avx512_table = table_of<Avx512Double, Avx512Float>("avx512");

}  // namespace latencykit::kernels
