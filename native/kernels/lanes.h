// Short runs of columns (a head of 8, half a head of 4) in vectors of whatever width fits, without a scalar loop.
#pragma once
#include "simd.h"

namespace rectify::RECTIFY_TARGET {

template <int L>
struct Vector {
  static constexpr int lanes = L;
  typedef float type __attribute__((vector_size(L * sizeof(float))));
  RECTIFY_INLINE type load(const float* p) {
    type v;
    memcpy(&v, p, sizeof v);
    return v;
  }
  RECTIFY_INLINE void store(float* p, type v) { memcpy(p, &v, sizeof v); }
};

/** Calls body(Vector<L>{}, i) so that the vectors cover [0, n): 16 lanes while they fit, then 8, 4, 2 and 1. */
template <typename Body>
RECTIFY_INLINE void for_vectors(int64_t n, const Body& body) {
  int64_t i = 0;
  for (; i + 16 <= n; i += 16) body(Vector<16>{}, i);
  if (n & 8) body(Vector<8>{}, i), i += 8;
  if (n & 4) body(Vector<4>{}, i), i += 4;
  if (n & 2) body(Vector<2>{}, i), i += 2;
  if (n & 1) body(Vector<1>{}, i);
}

/** The sum over n columns of term(width, column), kept in 16 lanes, narrower vectors in the first of them. */
template <typename Term>
RECTIFY_INLINE float sum_columns(int64_t n, const Term& term) {
  v16f sum = {};
  for_vectors(n, [&](auto width, int64_t i) {
    const auto value = term(width, i);
    v16f wide = {};
    for (size_t lane = 0; lane < sizeof value / sizeof(float); lane++) wide[lane] = value[lane];
    sum = sum + wide;
  });
  return sum16(sum);
}

RECTIFY_INLINE float dot(const float* a, const float* b, int64_t n) {
  return sum_columns(n, [&](auto width, int64_t i) {
    using V = decltype(width);
    return V::load(a + i) * V::load(b + i);
  });
}

/** y = x * scale; y may be x. */
RECTIFY_INLINE void scale_columns(float* y, const float* x, float scale, int64_t n) {
  for_vectors(n, [&](auto width, int64_t i) {
    using V = decltype(width);
    V::store(y + i, V::load(x + i) * scale);
  });
}

RECTIFY_INLINE void zero_columns(float* y, int64_t n) {
  for_vectors(n, [&](auto width, int64_t i) {
    using V = decltype(width);
    V::store(y + i, typename V::type{});
  });
}

}  // namespace rectify::RECTIFY_TARGET
