// Running log-sum-exp and entropy of a row of logits, tile after tile. token_logprob and sample_token share it, so that the
// log-probability noted while sampling is, to the bit, the one that training computes.
//   m = max z,  s = sum e^(z - m),  u = sum z e^(z - m);   lse = m + log s,   entropy = lse - u / s      (z = logit / temperature)
#pragma once
#include <cmath>

#include "kernels.h"
#include "simd.h"

namespace rectify::RECTIFY_TARGET {

/** Tiles begin at multiples of this many vocabulary entries, whoever walks them. */
constexpr int64_t kVocabTile = 512;

/** Logits -> z, in place; `scale` is 1 / temperature, computed in f32. */
RECTIFY_INLINE void scale_logits(float* z, int64_t n, float scale) {
  if (scale == 1) return;
  for (int64_t i = 0; i < n; i++) z[i] *= scale;
}

struct SoftmaxStats {
  float m = -__builtin_inff();
  v16f s = {}, u = {};
};

/** Adds one tile of `n` <= kVocabTile scaled logits z. */
RECTIFY_INLINE void add_tile(SoftmaxStats& stats, const float* z, int64_t n) {
  const float none = -__builtin_inff();
  v16f top = broadcast(none);
  int64_t i = 0;
  for (; i + 16 <= n; i += 16) top = max16(top, load16(z + i));
  if (i < n) top = max16(top, load16_part(z + i, n - i, none));
  const float m = largest16(top);
  if (m > stats.m) {
    const v16f scale = exp16(broadcast(stats.m - m));
    stats.s = stats.s * scale;
    stats.u = stats.u * scale;
    stats.m = m;
  }
  for (i = 0; i + 16 <= n; i += 16) {
    const v16f v = load16(z + i);
    const v16f e = exp16(v - stats.m);
    stats.s = stats.s + e;
    stats.u = stats.u + v * e;
  }
  if (i < n) {
    const v16f v = load16_part(z + i, n - i, stats.m);
    v16f e = exp16(v - stats.m);
    const v16f zero = {};
    float mask[16];
    for (int64_t k = 0; k < 16; k++) mask[k] = k < n - i ? 1.0f : 0.0f;
    e = select16(less16(zero, load16(mask)), e, zero);
    stats.s = stats.s + e;
    stats.u = stats.u + v * e;
  }
}

struct SoftmaxResult {
  float lse, entropy;
};

RECTIFY_INLINE SoftmaxResult finish(const SoftmaxStats& stats) {
  const float s = sum16(stats.s);
  const float lse = stats.m + logf(s);
  return {lse, lse - sum16(stats.u) / s};
}

}  // namespace rectify::RECTIFY_TARGET
