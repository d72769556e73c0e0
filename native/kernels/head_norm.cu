// The GPU twin of head_norm.cpp: one warp per row and head; the weights' gradients in two stages, parts of 16 rows and then their sum.
#include "../device/cuda.h"
#include "cuda/reduce.cuh"
#include "kernels.h"

namespace rectify::RECTIFY_TARGET {

namespace {

constexpr int kWarps = 4, kThreads = 32 * kWarps;
constexpr int64_t kPart = 16;

template <typename T>
__device__ __forceinline__ float inverse_rms(const T* x, int D, float eps) {
  float sum = 0;
  for (int i = static_cast<int>(threadIdx.x) & 31; i < D; i += 32) sum += to_float(x[i]) * to_float(x[i]);
  return 1 / sqrtf(warp_sum(sum) / static_cast<float>(D) + eps);
}

/** One warp per row and head of q, k and v; the heads of v are copied. */
template <typename T>
__global__ void __launch_bounds__(kThreads) head_norm_forward_kernel(T* y, const T* x, const float* q_weight, const float* k_weight,
                                                                    float eps, int64_t rows, int heads, int kv_heads, int D) {
  const int all = heads + 2 * kv_heads;
  const int64_t item = int64_t{blockIdx.x} * kWarps + (threadIdx.x >> 5);
  if (item >= rows * all) return;
  const int head = static_cast<int>(item % all);
  const int64_t at = item * D;
  const int lane = static_cast<int>(threadIdx.x) & 31;
  if (head >= heads + kv_heads) {
    for (int i = lane; i < D; i += 32) y[at + i] = x[at + i];
    return;
  }
  const float* w = head < heads ? q_weight : k_weight;
  const float r = inverse_rms(x + at, D, eps);
  for (int i = lane; i < D; i += 32) y[at + i] = from_float<T>(w[i] * (to_float(x[at + i]) * r));
}

template <typename T>
__global__ void __launch_bounds__(kThreads)
    head_norm_inverse_kernel(float* inverse, const T* x, float eps, int64_t rows, int normed, int all, int D) {
  const int64_t item = int64_t{blockIdx.x} * kWarps + (threadIdx.x >> 5);
  if (item >= rows * normed) return;
  const int64_t row = item / normed, head = item % normed;
  const float r = inverse_rms(x + (row * all + head) * D, D, eps);
  if ((threadIdx.x & 31) == 0) inverse[item] = r;
}

/** partial [parts][2][D]: the rows of a part, their heads in order; blockIdx.y 0 for the queries, 1 for the keys. */
template <typename T>
__global__ void __launch_bounds__(kThreads) head_norm_weight_kernel(float* partial, const T* dy, const T* x, const float* inverse,
                                                                   int64_t rows, int heads, int normed, int all, int D) {
  const int64_t first = int64_t{blockIdx.x} * kPart, last = min(first + kPart, rows);
  const bool keys = blockIdx.y == 1;
  for (int i = static_cast<int>(threadIdx.x); i < D; i += kThreads) {
    float sum = 0;
    for (int64_t row = first; row < last; row++)
      for (int head = keys ? heads : 0; head < (keys ? normed : heads); head++) {
        const int64_t at = (row * all + head) * D + i;
        sum += to_float(dy[at]) * (to_float(x[at]) * inverse[row * normed + head]);
      }
    partial[(int64_t{blockIdx.y} * gridDim.x + blockIdx.x) * D + i] = sum;
  }
}

template <typename T>
__global__ void __launch_bounds__(kThreads)
    head_norm_backward_kernel(T* dqkv, const T* x, const float* inverse, const float* q_weight, const float* k_weight, int64_t rows,
                              int heads, int normed, int all, int D) {
  const int64_t item = int64_t{blockIdx.x} * kWarps + (threadIdx.x >> 5);
  if (item >= rows * normed) return;
  const int64_t row = item / normed, head = item % normed, at = (row * all + head) * D;
  const int lane = static_cast<int>(threadIdx.x) & 31;
  const float* w = head < heads ? q_weight : k_weight;
  const float r = inverse[item];
  float along = 0;
  for (int i = lane; i < D; i += 32) along += to_float(dqkv[at + i]) * w[i] * to_float(x[at + i]);
  const float pull = r * r * (warp_sum(along) / static_cast<float>(D));
  for (int i = lane; i < D; i += 32) dqkv[at + i] = from_float<T>((to_float(dqkv[at + i]) * w[i] - to_float(x[at + i]) * pull) * r);
}

void expect(bool ok, const char* what) {
  if (!ok) throw std::runtime_error(what);
}

}  // namespace

void head_norm_forward(Device& device, Tensor y, Tensor x, Tensor q_weight, Tensor k_weight, float eps, Heads heads) {
  expect(y.dtype == x.dtype && q_weight.dtype == Dtype::f32 && k_weight.dtype == Dtype::f32,
         "head_norm_forward: expected rows of one type and f32 weights");
  by_type(x.dtype, "head_norm_forward", [&](auto value) {
    using T = decltype(value);
    LAUNCH(head_norm_forward_kernel<T>, blocks_for(x.rows * (heads.heads + 2 * heads.kv_heads), kWarps), kThreads, 0, stream(device),
           y.as<T>(), x.as<T>(), q_weight.f32(), k_weight.f32(), eps, x.rows, heads.heads, heads.kv_heads, heads.head_dim);
  });
}

void head_norm_backward(Device& device, Tensor dqkv, Tensor dq_weight, Tensor dk_weight, Tensor x, Tensor q_weight,
                        Tensor k_weight, float eps, Heads heads) {
  expect(dqkv.dtype == x.dtype && q_weight.dtype == Dtype::f32 && k_weight.dtype == Dtype::f32 &&
             dq_weight.dtype == Dtype::f32 && dk_weight.dtype == Dtype::f32,
         "head_norm_backward: expected rows of one type, f32 weights and f32 gradients");
  if (x.rows == 0) return;
  const int normed = heads.heads + heads.kv_heads, all = normed + heads.kv_heads, D = heads.head_dim;
  const int64_t parts = (x.rows + kPart - 1) / kPart;
  auto* inverse = static_cast<float*>(workspace(device, static_cast<size_t>(x.rows * normed + 2 * parts * D) * sizeof(float)));
  float* partial = inverse + x.rows * normed;
  const unsigned blocks = blocks_for(x.rows * normed, kWarps);
  by_type(x.dtype, "head_norm_backward", [&](auto value) {
    using T = decltype(value);
    LAUNCH(head_norm_inverse_kernel<T>, blocks, kThreads, 0, stream(device), inverse, x.as<T>(), eps, x.rows, normed, all, D);
    if (dq_weight || dk_weight) {
      LAUNCH(head_norm_weight_kernel<T>, dim3(parts, 2), kThreads, 0, stream(device), partial, dqkv.as<T>(), x.as<T>(), inverse, x.rows,
             heads.heads, normed, all, D);
      if (dq_weight) add_partials(device, dq_weight.f32(), partial, parts, D);
      if (dk_weight) add_partials(device, dk_weight.f32(), partial + parts * D, parts, D);
    }
    LAUNCH(head_norm_backward_kernel<T>, blocks, kThreads, 0, stream(device), dqkv.as<T>(), x.as<T>(), inverse, q_weight.f32(),
           k_weight.f32(), x.rows, heads.heads, normed, all, D);
  });
}

}  // namespace rectify::RECTIFY_TARGET
