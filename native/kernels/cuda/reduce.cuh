// Sums over a warp and over a block in a fixed order: the same bits on every run, whatever else the GPU does.
#pragma once
#include "../../device/cuda.h"

namespace rectify::RECTIFY_TARGET {

/** Every lane gets fold over the warp's values. */
template <typename T, typename Fold>
__device__ __forceinline__ T warp_fold(T value, const Fold& fold) {
  for (int offset = 16; offset > 0; offset /= 2) value = fold(value, __shfl_xor_sync(kAllLanes, value, offset));
  return value;
}

struct Plus {
  template <typename T>
  __device__ __forceinline__ T operator()(T a, T b) const {
    return a + b;
  }
};
/** The larger; a NaN on the right is passed over. */
struct Larger {
  template <typename T>
  __device__ __forceinline__ T operator()(T a, T b) const {
    return b > a ? b : a;
  }
};
struct Smaller {
  template <typename T>
  __device__ __forceinline__ T operator()(T a, T b) const {
    return b < a ? b : a;
  }
};

template <typename T>
__device__ __forceinline__ T warp_sum(T value) {
  return warp_fold(value, Plus{});
}

/** Every thread of a block of at most 1024 gets fold over the block's values; `none` changes nothing. */
template <typename T, typename Fold>
__device__ __forceinline__ T block_fold(T value, T none, const Fold& fold) {
  __shared__ T of_warp[32];
  const int lane = static_cast<int>(threadIdx.x) & 31, warp = static_cast<int>(threadIdx.x) >> 5;
  value = warp_fold(value, fold);
  __syncthreads();  // the last call's values have been read
  if (lane == 0) of_warp[warp] = value;
  __syncthreads();
  return warp_fold(lane < static_cast<int>(blockDim.x) / 32 ? of_warp[lane] : none, fold);
}

template <typename T>
__device__ __forceinline__ T block_sum(T value) {
  return block_fold(value, T{}, Plus{});
}

/** Threads of a block that walks `n` columns: whole warps, a function of n alone. */
static inline int threads_for(int64_t n, int most = 256) {
  const int64_t wanted = (n + 127) / 128 * 32;
  return static_cast<int>(wanted < 32 ? 32 : wanted > most ? most : wanted);
}

constexpr int kPartialColumns = 32, kPartialLines = 8;

/** Line y of a block adds the parts y, y + 8, ...; then the lines in order. */
[[maybe_unused]] static __global__ void add_partials_kernel(float* out, const float* partial, int64_t parts, int64_t columns) {
  __shared__ float sums[kPartialLines][kPartialColumns];
  const int x = static_cast<int>(threadIdx.x) % kPartialColumns, y = static_cast<int>(threadIdx.x) / kPartialColumns;
  const int64_t c = int64_t{blockIdx.x} * kPartialColumns + x;
  float sum = 0;
  if (c < columns)
    for (int64_t part = y; part < parts; part += kPartialLines) sum += partial[part * columns + c];
  sums[y][x] = sum;
  __syncthreads();
  if (y != 0 || c >= columns) return;
  for (int line = 1; line < kPartialLines; line++) sum += sums[line][x];
  out[c] += sum;
}

/** out[c] += sum over the parts of partial[part][c]; c < columns. */
[[maybe_unused]] static void add_partials(Device& device, float* out, const float* partial, int64_t parts, int64_t columns) {
  LAUNCH(add_partials_kernel, blocks_for(columns, kPartialColumns), kPartialColumns * kPartialLines, 0, stream(device), out, partial,
         parts, columns);
}

}  // namespace rectify::RECTIFY_TARGET
