// Short runs of columns (a head of 8, half a head of 4) in vectors of whatever width fits, without a scalar loop.
#pragma once
#include "simd.h"

namespace rectify::RECTIFY_TARGET {

template <int L>
struct Vector {
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

}  // namespace rectify::RECTIFY_TARGET
