// AVX2 and FMA: 4 doubles or 8 floats to a vector. Compiled with -mavx2 -mfma; nothing else may call in here
// before the CPU was asked.
#include <immintrin.h>

#include <cstdint>

#include "kernels/generic.h"

namespace latencykit::kernels {
namespace {

// Sixteen halves: a load at 8 - n gives a mask of the n lowest lanes of 4 bytes.
alignas(64) constexpr std::int32_t kMasks32[16] = {-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0};
alignas(64) constexpr std::int64_t kMasks64[8] = {-1, -1, -1, -1, 0, 0, 0, 0};

struct Avx2Double {
  using Value = double;
  using Register = __m256d;
  static constexpr std::size_t lanes = 4;

  static Register zero() { return _mm256_setzero_pd(); }
  static Register broadcast(double value) { return _mm256_set1_pd(value); }
  static Register load(const double* from) { return _mm256_loadu_pd(from); }
  static void store(double* to, Register value) { _mm256_storeu_pd(to, value); }
  static __m256i mask(std::size_t count) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(kMasks64 + 4 - count));
  }
  static Register load_low(const double* from, std::size_t count) { return _mm256_maskload_pd(from, mask(count)); }
  static void store_low(double* to, Register value, std::size_t count) {
    __m128d rest = _mm256_castpd256_pd128(value);
    if (count & 2) {
      _mm_storeu_pd(to, rest);
      to += 2;
      rest = _mm256_extractf128_pd(value, 1);
    }
    if (count & 1) _mm_store_sd(to, rest);
  }
  static Register add(Register a, Register b) { return _mm256_add_pd(a, b); }
  static Register sub(Register a, Register b) { return _mm256_sub_pd(a, b); }
  static Register mul(Register a, Register b) { return _mm256_mul_pd(a, b); }
  static Register div(Register a, Register b) { return _mm256_div_pd(a, b); }
  static Register min(Register a, Register b) { return _mm256_min_pd(a, b); }
  static Register max(Register a, Register b) { return _mm256_max_pd(a, b); }
  static Register sqrt(Register a) { return _mm256_sqrt_pd(a); }
  static Register size(Register a) { return _mm256_andnot_pd(_mm256_set1_pd(-0.0), a); }
  static Register fma(Register a, Register b, Register c) { return _mm256_fmadd_pd(a, b, c); }

  template <int s>
  static Register later(Register before, Register now) {
    static_assert(s == 1 || s == 2);
    const Register middle = _mm256_permute2f128_pd(before, now, 0x21);
    if constexpr (s == 2) return middle;
    return _mm256_shuffle_pd(middle, now, 0b0101);
  }
  template <int s>
  static Register earlier(Register now, Register after) {
    static_assert(s == 1 || s == 2);
    const Register middle = _mm256_permute2f128_pd(now, after, 0x21);
    if constexpr (s == 2) return middle;
    return _mm256_shuffle_pd(now, middle, 0b0101);
  }
  static Register first(Register r) { return _mm256_permute4x64_pd(r, 0x00); }
  static Register last(Register r) { return _mm256_permute4x64_pd(r, 0xFF); }
  static Register low(Register r, std::size_t count, Register fill) {
    return _mm256_blendv_pd(fill, r, _mm256_castsi256_pd(mask(count)));
  }

  static Register powers(double d) { return _mm256_setr_pd(d, d * d, d * d * d, (d * d) * (d * d)); }
  static bool all_zero(Register r) { return _mm256_movemask_pd(_mm256_cmp_pd(r, zero(), _CMP_EQ_OQ)) == 0b1111; }
};

struct Avx2Float {
  using Value = float;
  using Register = __m256;
  static constexpr std::size_t lanes = 8;

  static Register zero() { return _mm256_setzero_ps(); }
  static Register broadcast(double value) { return _mm256_set1_ps(static_cast<float>(value)); }
  static Register load(const float* from) { return _mm256_loadu_ps(from); }
  static void store(float* to, Register value) { _mm256_storeu_ps(to, value); }
  static __m256i mask(std::size_t count) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(kMasks32 + 8 - count));
  }
  static Register load_low(const float* from, std::size_t count) { return _mm256_maskload_ps(from, mask(count)); }
  static void store_low(float* to, Register value, std::size_t count) {
    __m128 rest = _mm256_castps256_ps128(value);
    if (count & 4) {
      _mm_storeu_ps(to, rest);
      to += 4;
      rest = _mm256_extractf128_ps(value, 1);
    }
    if (count & 2) {
      _mm_storel_pi(reinterpret_cast<__m64*>(to), rest);
      to += 2;
      rest = _mm_movehl_ps(rest, rest);
    }
    if (count & 1) _mm_store_ss(to, rest);
  }
  static Register add(Register a, Register b) { return _mm256_add_ps(a, b); }
  static Register sub(Register a, Register b) { return _mm256_sub_ps(a, b); }
  static Register mul(Register a, Register b) { return _mm256_mul_ps(a, b); }
  static Register div(Register a, Register b) { return _mm256_div_ps(a, b); }
  static Register min(Register a, Register b) { return _mm256_min_ps(a, b); }
  static Register max(Register a, Register b) { return _mm256_max_ps(a, b); }
  static Register sqrt(Register a) { return _mm256_sqrt_ps(a); }
  static Register size(Register a) { return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a); }
  static Register fma(Register a, Register b, Register c) { return _mm256_fmadd_ps(a, b, c); }

  // Bytes of the low and of the high half apart, each shifted in from its neighbour.
  template <int s>
  static Register from_pair(Register low, Register high) {
    return _mm256_castsi256_ps(_mm256_alignr_epi8(_mm256_castps_si256(high), _mm256_castps_si256(low), s * 4));
  }
  template <int s>
  static Register later(Register before, Register now) {
    static_assert(s == 1 || s == 2 || s == 4);
    const Register middle = _mm256_permute2f128_ps(before, now, 0x21);
    if constexpr (s == 4) return middle;
    if constexpr (s == 2) return _mm256_shuffle_ps(middle, now, _MM_SHUFFLE(1, 0, 3, 2));
    return from_pair<4 - s>(middle, now);
  }
  template <int s>
  static Register earlier(Register now, Register after) {
    static_assert(s == 1 || s == 2 || s == 4);
    const Register middle = _mm256_permute2f128_ps(now, after, 0x21);
    if constexpr (s == 4) return middle;
    if constexpr (s == 2) return _mm256_shuffle_ps(now, middle, _MM_SHUFFLE(1, 0, 3, 2));
    return from_pair<s>(now, middle);
  }
  static Register first(Register r) { return _mm256_permutevar8x32_ps(r, _mm256_setzero_si256()); }
  static Register last(Register r) { return _mm256_permutevar8x32_ps(r, _mm256_set1_epi32(7)); }
  static Register low(Register r, std::size_t count, Register fill) {
    return _mm256_blendv_ps(fill, r, _mm256_castsi256_ps(mask(count)));
  }

  static Register powers(double d) {
    const double d2 = d * d, d4 = d2 * d2;
    const __m256d low = Avx2Double::powers(d);
    const __m256d high = _mm256_mul_pd(low, _mm256_set1_pd(d4));
    return _mm256_set_m128(_mm256_cvtpd_ps(high), _mm256_cvtpd_ps(low));
  }
  static bool all_zero(Register r) { return _mm256_movemask_ps(_mm256_cmp_ps(r, zero(), _CMP_EQ_OQ)) == 0xFF; }
};

}  // namespace

const Table avx2_table = table_of<Avx2Double, Avx2Float>("avx2");

}  // namespace latencykit::kernels
