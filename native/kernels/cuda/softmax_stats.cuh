// Log-sum-exp and entropy of rows of logits. token_logprob and sample_token share the steps, so that the log-probability noted
// while sampling is, to the bit, the one that training computes.
//   m = max z,  s = sum e^(z - m),  u = sum z e^(z - m);   lse = m + log s,   entropy = lse - u / s      (z = logit / temperature)
// A row is cut into parts, a block each, so that one row keeps many multiprocessors busy; then a warp folds the parts. Thread i of
// a part owns its entries 4 (i + n kSoftmaxThreads) .. + 3. Where z is rounded is said, not left to the compiler's contractions.
#pragma once
#include "mma.cuh"

namespace rectify::RECTIFY_TARGET {

constexpr int kSoftmaxThreads = 256, kSoftmaxWidth = 4, kSoftmaxWarps = kSoftmaxThreads / kWarp;
#if defined(RECTIFY_EMULATE_CUDA)
constexpr int64_t kLeastPart = 1024;  // several parts in the tests
#else
constexpr int64_t kLeastPart = 8192;
#endif
constexpr int64_t kMostParts = 256;

struct SoftmaxStats {
  float m = -INFINITY, s = 0, u = 0;
};

struct SoftmaxResult {
  float m, lse, entropy;
  __device__ float best() const { return m - lse; }  // the likeliest entry's log-probability
};

/** Entries of a part: a function of the row's length alone. */
static inline int64_t part_length(int64_t count) {
  const int64_t fitting = (count + kMostParts - 1) / kMostParts, step = kSoftmaxThreads * kSoftmaxWidth;
  return fitting <= kLeastPart ? kLeastPart : (fitting + step - 1) / step * step;
}
static inline int64_t part_count(int64_t count) { return (count + part_length(count) - 1) / part_length(count); }

__device__ __forceinline__ float scaled(float logit, float scale) { return __fmul_rn(logit, scale); }

__device__ __forceinline__ void rescale(SoftmaxStats& stats, float m) {
  if (stats.m == m) return;
  const float scale = expf(stats.m - m);
  stats = {m, __fmul_rn(stats.s, scale), __fmul_rn(stats.u, scale)};
}

/** Every lane gets the fold of the warp's. */
__device__ inline SoftmaxStats fold_warp(SoftmaxStats stats) {
  float m = stats.m;
  for (int with = 1; with < kWarp; with *= 2) m = fmaxf(m, __shfl_xor_sync(kAllLanes, m, with));
  rescale(stats, m);
  for (int with = 1; with < kWarp; with *= 2) {
    stats.s += __shfl_xor_sync(kAllLanes, stats.s, with);
    stats.u += __shfl_xor_sync(kAllLanes, stats.u, with);
  }
  return stats;
}

__device__ __forceinline__ void add(SoftmaxStats& stats, SoftmaxStats other) {
  const float m = fmaxf(stats.m, other.m);
  rescale(stats, m), rescale(other, m);
  stats.s += other.s, stats.u += other.u;
}

/** Calls body(first, z[4]) for this thread's entries of [first, last) in ascending order; what lies past `last` is -infinity. */
template <typename Body>
__device__ inline void for_own_logits(const float* logits, int64_t first, int64_t last, float scale, const Body& body) {
  const bool aligned = reinterpret_cast<uintptr_t>(logits) % sizeof(float4) == 0;
  for (int64_t i = first + int64_t{threadIdx.x} * kSoftmaxWidth; i < last; i += int64_t{blockDim.x} * kSoftmaxWidth) {
    float z[kSoftmaxWidth];
    if (aligned && i + kSoftmaxWidth <= last) {
      const float4 v = *reinterpret_cast<const float4*>(logits + i);
      z[0] = v.x, z[1] = v.y, z[2] = v.z, z[3] = v.w;
    } else {
      for (int k = 0; k < kSoftmaxWidth; k++) z[k] = i + k < last ? logits[i + k] : -INFINITY;
    }
    for (int k = 0; k < kSoftmaxWidth; k++) z[k] = scaled(z[k], scale);
    body(i, z);
  }
}

/** stats [rows][parts]; a block each. */
[[maybe_unused]] static __global__ void __launch_bounds__(kSoftmaxThreads)
    softmax_parts_kernel(SoftmaxStats* stats, const float* logits, int64_t count, int64_t length, int parts, float scale) {
  __shared__ SoftmaxStats of_warp[kSoftmaxWarps];
  const int64_t row = blockIdx.x / static_cast<unsigned>(parts), first = blockIdx.x % static_cast<unsigned>(parts) * length;
  const int64_t last = first + length < count ? first + length : count;
  SoftmaxStats own;
  for_own_logits(logits + row * count, first, last, scale, [&](int64_t, const float (&z)[kSoftmaxWidth]) {
    const float top = fmaxf(fmaxf(z[0], z[1]), fmaxf(z[2], z[3]));
    if (top > own.m) rescale(own, top);
    for (int k = 0; k < kSoftmaxWidth; k++) {
      if (z[k] == -INFINITY) continue;
      const float e = expf(z[k] - own.m);
      own.s += e;
      own.u = __fmaf_rn(z[k], e, own.u);
    }
  });
  own = fold_warp(own);
  if (lane_index() == 0) of_warp[warp_index()] = own;
  __syncthreads();
  if (threadIdx.x != 0) return;
  for (int warp = 1; warp < kSoftmaxWarps; warp++) add(own, of_warp[warp]);
  stats[blockIdx.x] = own;
}

/** By a warp: every lane gets the result of the row whose parts these are. */
__device__ inline SoftmaxResult fold_parts(const SoftmaxStats* stats, int parts) {
  SoftmaxStats all;
  for (int part = lane_index(); part < parts; part += kWarp) add(all, stats[part]);
  all = fold_warp(all);
  const float lse = all.m + logf(all.s);
  return {all.m, lse, lse - all.u / all.s};
}

/** What fold_parts needs of `rows` rows of logits; `stats` has room for rows * part_count(count). */
[[maybe_unused]] static void softmax_parts(Device& device, SoftmaxStats* stats, const float* logits, int64_t rows, int64_t count,
                                           float scale) {
  const int64_t parts = part_count(count);
  LAUNCH(softmax_parts_kernel, rows * parts, kSoftmaxThreads, 0, stream(device), stats, logits, count, part_length(count), parts, scale);
}

}  // namespace rectify::RECTIFY_TARGET
