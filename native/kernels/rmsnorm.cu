// The GPU twin of rmsnorm.cpp: one block per row; the weight's gradient in two stages, parts of 64 rows and then their sum.
#include "../device/cuda.h"
#include "cuda/reduce.cuh"
#include "cuda/vector.cuh"
#include "kernels.h"

namespace rectify::RECTIFY_TARGET {

namespace {

constexpr int kMostThreads = 256, kFour = 4;
constexpr int64_t kPart = 64;

/** Calls body(first of N columns) for those of this thread. */
template <int N, typename Body>
__device__ __forceinline__ void for_own_columns(int64_t C, const Body& body) {
  for (int64_t c = int64_t{threadIdx.x} * N; c < C; c += int64_t{blockDim.x} * N) body(c);
}

template <typename Y, int N>
__global__ void __launch_bounds__(kMostThreads) rmsnorm_forward_kernel(Y* y, const float* x, const float* weight, int64_t C, float eps) {
  const int64_t at = int64_t{blockIdx.x} * C;
  float sum = 0, v[N], w[N];
  for_own_columns<N>(C, [&](int64_t c) {
    load(v, x + at + c);
    for (int k = 0; k < N; k++) sum += v[k] * v[k];
  });
  const float r = 1 / sqrtf(block_sum(sum) / static_cast<float>(C) + eps);
  for_own_columns<N>(C, [&](int64_t c) {
    load(v, x + at + c), load(w, weight + c);
    for (int k = 0; k < N; k++) v[k] = w[k] * (v[k] * r);
    store(y + at + c, v);
  });
}

template <typename G, int N>
__global__ void __launch_bounds__(kMostThreads)
    rmsnorm_backward_kernel(float* dx, float* inverse, const G* dy, const float* x, const float* weight, int64_t C, float eps) {
  const int64_t at = int64_t{blockIdx.x} * C;
  float squares = 0, products = 0, v[N], g[N], w[N], d[N];
  for_own_columns<N>(C, [&](int64_t c) {
    load(v, x + at + c), load(g, dy + at + c), load(w, weight + c);
    for (int k = 0; k < N; k++) squares += v[k] * v[k], products += g[k] * w[k] * v[k];
  });
  const float r = 1 / sqrtf(block_sum(squares) / static_cast<float>(C) + eps);
  const float pull = r * r * (block_sum(products) / static_cast<float>(C));
  for_own_columns<N>(C, [&](int64_t c) {
    load(v, x + at + c), load(g, dy + at + c), load(w, weight + c), load(d, dx + at + c);
    for (int k = 0; k < N; k++) d[k] += (g[k] * w[k] - v[k] * pull) * r;
    store(dx + at + c, d);
  });
  if (threadIdx.x == 0) inverse[blockIdx.x] = r;
}

template <typename G, int N>
__global__ void __launch_bounds__(kMostThreads)
    rmsnorm_weight_kernel(float* partial, const G* dy, const float* x, const float* inverse, int64_t rows, int64_t C) {
  const int64_t c = (int64_t{blockIdx.x} * blockDim.x + threadIdx.x) * N, first = int64_t{blockIdx.y} * kPart;
  if (c >= C) return;
  const int64_t last = min(first + kPart, rows);
  float sum[N] = {}, v[N], g[N];
  for (int64_t row = first; row < last; row++) {
    load(v, x + row * C + c), load(g, dy + row * C + c);
    for (int k = 0; k < N; k++) sum[k] += g[k] * (v[k] * inverse[row]);
  }
  store(partial + int64_t{blockIdx.y} * C + c, sum);
}

}  // namespace

void rmsnorm_forward(Device& device, Tensor y, Tensor x, Tensor weight, float eps) {
  if (x.dtype != Dtype::f32 || weight.dtype != Dtype::f32) throw std::runtime_error("rmsnorm_forward: expected f32 tensors");
  by_type(y.dtype, "rmsnorm_forward", [&](auto value) {
    using Y = decltype(value);
    by_group<kFour>(in_groups(kFour, x.cols, y, x, weight), [&](auto n) {
      LAUNCH((rmsnorm_forward_kernel<Y, n.value>), x.rows, threads_for(x.cols), 0, stream(device), y.as<Y>(), x.f32(), weight.f32(), x.cols,
             eps);
    });
  });
}

void rmsnorm_backward(Device& device, Tensor dx, Tensor dweight, Tensor dy, Tensor x, Tensor weight, float eps) {
  if (x.dtype != Dtype::f32 || dx.dtype != Dtype::f32 || dweight.dtype != Dtype::f32)
    throw std::runtime_error("rmsnorm_backward: expected f32 tensors");
  const int64_t C = x.cols, parts = (x.rows + kPart - 1) / kPart;
  if (x.rows == 0) return;
  auto* partial = static_cast<float*>(workspace(device, static_cast<size_t>(x.rows + parts * C) * sizeof(float)));
  float* inverse = partial + parts * C;
  by_type(dy.dtype, "rmsnorm_backward", [&](auto value) {
    using G = decltype(value);
    by_group<kFour>(in_groups(kFour, C, dx, dy, x, weight), [&](auto n) {
      LAUNCH((rmsnorm_backward_kernel<G, n.value>), x.rows, threads_for(C), 0, stream(device), dx.f32(), inverse, dy.as<G>(), x.f32(),
             weight.f32(), C, eps);
      if (!dweight) return;
      constexpr int threads = 64;
      LAUNCH((rmsnorm_weight_kernel<G, n.value>), dim3(blocks_for(C, threads * n.value), static_cast<unsigned>(parts)), threads, 0,
             stream(device), partial, dy.as<G>(), x.f32(), inverse, x.rows, C);
    });
  });
  if (dweight) add_partials(device, dweight.f32(), partial, parts, C);
}

}  // namespace rectify::RECTIFY_TARGET
