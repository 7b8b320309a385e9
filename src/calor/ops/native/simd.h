// One vector of floats, as wide as the instruction set that this file is compiled for has them.
//
// The compilers' own vector types are portable: arithmetic, comparisons and `mask ? a : b` work on all elements at
// once, and `sum += a * b` becomes one fused multiply-add (-ffp-contract=fast).
#pragma once
#include <cstdint>
#include <cstring>
#include <utility>

#include "kernels.h"

#if defined(__AVX__)
#include <immintrin.h>
#endif

// Clang knows no other way to shuffle, GCC knows this one from 12 on.
#if defined(__has_builtin)
#define CALOR_SHUFFLES __has_builtin(__builtin_shufflevector)
#else
#define CALOR_SHUFFLES 0
#endif

#define CALOR_UNROLL _Pragma("GCC unroll 32")

namespace calor {
namespace {

template <class T>
CALOR_INLINE constexpr T least(T a, T b) { return b < a ? b : a; }
template <class T>
CALOR_INLINE constexpr T most(T a, T b) { return a < b ? b : a; }
template <class T>
CALOR_INLINE constexpr T parts(T total, T size) { return (total + size - 1) / size; }
template <class T>
CALOR_INLINE constexpr T rounded_up(T total, T size) { return parts(total, size) * size; }

#if defined(__AVX512F__)
constexpr int kLanes = 16, kRegisters = 32;
#elif defined(__AVX__)
constexpr int kLanes = 8, kRegisters = 16;
#elif defined(__ARM_NEON)
constexpr int kLanes = 4, kRegisters = 32;
#else
constexpr int kLanes = 4, kRegisters = 16;
#endif

using Vec = float __attribute__((vector_size(kLanes * 4)));
using Ints = int32_t __attribute__((vector_size(kLanes * 4)));
using Bytes = uint8_t __attribute__((vector_size(kLanes)));

CALOR_INLINE Vec load(const float* from) {
  Vec v;
  std::memcpy(&v, from, sizeof v);
  return v;
}

CALOR_INLINE void store(float* to, Vec v) { std::memcpy(to, &v, sizeof v); }

CALOR_INLINE Vec spread(float x) { return x - Vec{}; }  // not x + 0, which would turn -0 into 0
CALOR_INLINE Ints spread(int x) { return x - Ints{}; }

CALOR_INLINE void store_bytes(uint8_t* to, Ints v) {
  const Bytes bytes = __builtin_convertvector(v, Bytes);
  std::memcpy(to, &bytes, sizeof bytes);
}

CALOR_INLINE Ints load_bytes(const uint8_t* from) {
  Bytes bytes;
  std::memcpy(&bytes, from, sizeof bytes);
  return __builtin_convertvector(bytes, Ints);
}

CALOR_INLINE Ints load_ints(const int* from) {
  Ints v;
  std::memcpy(&v, from, sizeof v);
  return v;
}

// 0, 1, 2, ...
CALOR_INLINE Ints ramp() {
  Ints v;
  CALOR_UNROLL for (int i = 0; i < kLanes; i++) v[i] = i;
  return v;
}

// The first `count` elements only, and `rest` for the others.
CALOR_INLINE Ints load_some_bytes(const uint8_t* from, int count, uint8_t rest = 0) {
  if (count >= kLanes) return load_bytes(from);
  uint8_t bytes[kLanes];
  std::memset(bytes, rest, kLanes);
  std::memcpy(bytes, from, count);
  return load_bytes(bytes);
}

// The first `count` elements only.
CALOR_INLINE Vec load_some(const float* from, int count) {
  if (count >= kLanes) return load(from);
  Vec v{};
  std::memcpy(&v, from, count * sizeof(float));
  return v;
}

CALOR_INLINE void store_some(float* to, Vec v, int count) {
  if (count >= kLanes) return store(to, v);
  std::memcpy(to, &v, count * sizeof(float));
}

// max(v, 0), with NaN kept.
CALOR_INLINE Vec relu(Vec v) { return v < Vec{} ? Vec{} : v; }

// The elements of a square of vectors mirrored at its diagonal: in each round, pairs of rows swap blocks twice as
// large.
template <int S, int... I>
CALOR_INLINE void swap_blocks(Vec& a, Vec& b, std::integer_sequence<int, I...>) {
  const Vec first = a, second = b;
#if CALOR_SHUFFLES
  a = __builtin_shufflevector(first, second, (I & S ? kLanes + I - S : I)...);
  b = __builtin_shufflevector(first, second, (I & S ? kLanes + I : I + S)...);
#else
  a = Vec{(I & S ? second[I & S ? I - S : 0] : first[I])...};
  b = Vec{(I & S ? second[I] : first[I & S ? 0 : I + S])...};
#endif
}

template <int S = 1>
CALOR_INLINE void transpose(Vec (&rows)[kLanes]) {
  CALOR_UNROLL for (int i = 0; i < kLanes; i++)
    if (!(i & S)) swap_blocks<S>(rows[i], rows[i + S], std::make_integer_sequence<int, kLanes>());
  if constexpr (2 * S < kLanes) transpose<2 * S>(rows);
}

// Which elements of a comparison hold, as bits.
CALOR_INLINE unsigned bits(Ints mask) {
#if defined(__AVX512DQ__)
  return _mm512_movepi32_mask((__m512i)mask);
#elif defined(__AVX__)
  return _mm256_movemask_ps((__m256)mask);
#else
  unsigned found = 0;
  CALOR_UNROLL for (int i = 0; i < kLanes; i++) found |= (mask[i] & 1u) << i;
  return found;
#endif
}

// Where the elements that `bits` names are to be found, for kLanes of at most 8.
struct Packing {
  alignas(32) int32_t from[1 << least(kLanes, 8)][least(kLanes, 8)];
  constexpr Packing() : from{} {
    for (int bits = 0; bits < 1 << least(kLanes, 8); bits++)
      for (int i = 0, n = 0; i < least(kLanes, 8); i++)
        if (bits >> i & 1) from[bits][n++] = i;
  }
};

// Writes the elements that `bits` names side by side, and anything after them, kLanes in all.
CALOR_INLINE void store_packed(float* to, Vec v, unsigned bits) {
#if defined(__AVX512F__)
  store(to, (Vec)_mm512_maskz_compress_ps(bits, (__m512)v));
#else
  static constexpr Packing packing;
#if defined(__AVX2__)
  store(to, (Vec)_mm256_permutevar8x32_ps((__m256)v, *(const __m256i*)packing.from[bits]));
#else
  CALOR_UNROLL for (int i = 0; i < kLanes; i++) to[i] = v[packing.from[bits][i]];
#endif
#endif
}

}  // namespace
}  // namespace calor
