// Sixteen f32 lanes as a GCC vector: one source for every instruction set, the same lane order and the same operations on
// all of them. Included by kernel sources only; everything is static, so that no code of one target leaks into another.
#pragma once
#include <cstdint>
#include <cstring>

#include "../device/device.h"

#ifndef RECTIFY_TARGET
#error "kernel sources are compiled once per target: define RECTIFY_TARGET"
#endif

#define RECTIFY_INLINE static inline __attribute__((always_inline))

namespace rectify::RECTIFY_TARGET {

typedef float v16f __attribute__((vector_size(64)));
typedef int32_t v16i __attribute__((vector_size(64)));

/** x - 0 is x (x + 0 is not, for -0), so this is a single instruction. */
RECTIFY_INLINE v16f broadcast(float x) { return x - v16f{}; }

RECTIFY_INLINE v16f load16(const float* p) {
  v16f v;
  memcpy(&v, p, sizeof v);
  return v;
}

RECTIFY_INLINE void store16(float* p, v16f v) { memcpy(p, &v, sizeof v); }

/** The first n lanes (n < 16), the rest `fill`. */
RECTIFY_INLINE v16f load16_part(const float* p, int64_t n, float fill) {
  v16f v = broadcast(fill);
  memcpy(&v, p, static_cast<size_t>(n) * sizeof(float));
  return v;
}

RECTIFY_INLINE void store16_part(float* p, v16f v, int64_t n) { memcpy(p, &v, static_cast<size_t>(n) * sizeof(float)); }

// GCC takes a comparison of vectors wider than the machine's apart into scalars, so those are done on pieces that fit.
#if defined(__AVX512F__)
constexpr int kPieceLanes = 16;
#elif defined(__AVX2__)
constexpr int kPieceLanes = 8;
#else
constexpr int kPieceLanes = 4;
#endif
typedef float PieceF __attribute__((vector_size(kPieceLanes * 4)));
typedef int32_t PieceI __attribute__((vector_size(kPieceLanes * 4)));

#define RECTIFY_BY_PIECES(Result, result, expression)             \
  PieceF x[16 / kPieceLanes], y[16 / kPieceLanes];                \
  Result r[16 / kPieceLanes];                                     \
  memcpy(x, &a, sizeof x);                                        \
  memcpy(y, &b, sizeof y);                                        \
  for (int i = 0; i < 16 / kPieceLanes; i++) r[i] = (expression); \
  result all;                                                     \
  memcpy(&all, r, sizeof r);                                      \
  return all

/** Minus one where true, zero where not. */
RECTIFY_INLINE v16i less16(v16f a, v16f b) { RECTIFY_BY_PIECES(PieceI, v16i, x[i] < y[i]); }
RECTIFY_INLINE v16i equal16(v16f a, v16f b) { RECTIFY_BY_PIECES(PieceI, v16i, x[i] == y[i]); }

/** The second where one is NaN. */
RECTIFY_INLINE v16f max16(v16f a, v16f b) { RECTIFY_BY_PIECES(PieceF, v16f, x[i] > y[i] ? x[i] : y[i]); }
RECTIFY_INLINE v16f min16(v16f a, v16f b) { RECTIFY_BY_PIECES(PieceF, v16f, x[i] < y[i] ? x[i] : y[i]); }
#undef RECTIFY_BY_PIECES

RECTIFY_INLINE v16f select16(v16i mask, v16f yes, v16f no) {
#if defined(__AVX512F__)
  return mask ? yes : no;
#else
  return (v16f)(((v16i)yes & mask) | ((v16i)no & ~mask));
#endif
}

/** Folds the upper half of the lanes onto the lower until one is left. */
template <typename Fold>
RECTIFY_INLINE float fold16(v16f v, const Fold& fold) {
  typedef float v8f __attribute__((vector_size(32)));
  typedef float v4f __attribute__((vector_size(16)));
  const v8f low = {v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7]};
  const v8f high = {v[8], v[9], v[10], v[11], v[12], v[13], v[14], v[15]};
  const v8f eight = fold(low, high);
  const v4f even = {eight[0], eight[1], eight[2], eight[3]}, odd = {eight[4], eight[5], eight[6], eight[7]};
  const v4f four = fold(even, odd);
  return fold(fold(four[0], four[2]), fold(four[1], four[3]));
}

/** Lanes added in the fixed order ((0+8)+(4+12)) + ... */
RECTIFY_INLINE float sum16(v16f v) {
  return fold16(v, [](auto a, auto b) __attribute__((always_inline)) { return a + b; });
}

RECTIFY_INLINE float largest16(v16f v) {
  return fold16(v, [](auto a, auto b) __attribute__((always_inline)) { return a > b ? a : b; });
}

/** e^x, within 2 ulp for |x| < 87; 0 below -87.3, 2.4e38 above 88.37. NaN stays NaN. */
RECTIFY_INLINE v16f exp16(v16f x) {
  const v16f low = broadcast(-87.33654f), high = broadcast(88.37626f);
  const v16i under = less16(x, low);
  x = min16(high, max16(low, x));
  const v16f magic = broadcast(12582912.0f);  // 1.5 * 2^23: adding and subtracting rounds to the nearest integer
  const v16f shifted = x * 1.44269504f + magic;
  const v16f n = shifted - magic;
  v16f r = x - n * 0.693359375f;
  r = r - n * -2.12194440e-4f;
  v16f p = broadcast(1.9875691500e-4f);
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  const v16f r2 = r * r;
  p = p * r2 + r;
  p = p + 1.0f;
  p = p * (v16f)(((v16i)shifted << 23) + (127 << 23));  // 2^n: the low bits of `shifted` are n
  return select16(under, v16f{}, p);
}

/** Splits [0, n) into one range per thread in multiples of `grain`; every thread runs body(begin, end, thread) if its range
 *  is not empty. `work` is about how many multiply-adds there are in all: a little work stays on the calling thread. */
template <typename Body>
RECTIFY_INLINE void parallel(Device& device, int64_t n, int64_t grain, int64_t work, const Body& body) {
  ThreadPool& pool = device.pool();
  const int64_t blocks = (n + grain - 1) / grain;
  if (n <= 0) return;
  if (pool.size() == 1 || blocks == 1 || work < 40000) return body(int64_t{0}, n, 0);
  struct Context {
    const Body* body;
    int64_t n, grain, blocks;
    int threads;
  } context{&body, n, grain, blocks, pool.size()};
  pool.run(
      [](void* opaque, int thread) {
        const auto& c = *static_cast<Context*>(opaque);
        const int64_t begin = c.blocks * thread / c.threads * c.grain;
        int64_t end = c.blocks * (thread + 1) / c.threads * c.grain;
        if (end > c.n) end = c.n;
        if (begin < end) (*c.body)(begin, end, thread);
      },
      &context);
}

}  // namespace rectify::RECTIFY_TARGET
