// The GPU twin of swiglu.cpp: silu(gate) * up and its gradients, element by element; f32 or bf16 rows, arithmetic in f32.
#include "../device/cuda.h"
#include "cuda/vector.cuh"
#include "kernels.h"

namespace rectify::RECTIFY_TARGET {

namespace {

constexpr int kThreads = 256;

__device__ __forceinline__ float sigmoid(float g) { return 1 / (1 + expf(-g)); }

/** One thread per N neighbouring values; `groups`: of a row of y. */
template <typename T, int N>
__global__ void __launch_bounds__(kThreads) swiglu_forward_kernel(T* y, const T* gate_up, int64_t rows, int64_t groups) {
  const int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (i >= rows * groups) return;
  const int64_t row = i / groups, at = (row * 2 * groups + (i - row * groups)) * N;
  float g[N], u[N];
  load(g, gate_up + at), load(u, gate_up + at + groups * N);
  for (int k = 0; k < N; k++) u[k] = g[k] * sigmoid(g[k]) * u[k];
  store(y + i * N, u);
}

template <typename T, int N>
__global__ void __launch_bounds__(kThreads)
    swiglu_backward_kernel(T* dgate_up, const T* dy, const T* gate_up, int64_t rows, int64_t groups) {
  const int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (i >= rows * groups) return;
  const int64_t row = i / groups, at = (row * 2 * groups + (i - row * groups)) * N;
  float g[N], u[N], d[N];
  load(g, gate_up + at), load(u, gate_up + at + groups * N), load(d, dy + i * N);
  for (int k = 0; k < N; k++) {
    const float s = sigmoid(g[k]), ds = d[k] * s, gate = g[k];
    g[k] = ds * u[k] * (1 + gate * (1 - s));
    u[k] = ds * gate;
  }
  store(dgate_up + at, g), store(dgate_up + at + groups * N, u);
}

void expect_one_type(Dtype a, Dtype b, const char* kernel) {
  if (a != b) throw std::runtime_error(std::string(kernel) + ": expected tensors of one type");
}

}  // namespace

void swiglu_forward(Device& device, Tensor y, Tensor gate_up) {
  expect_one_type(y.dtype, gate_up.dtype, "swiglu_forward");
  by_type(y.dtype, "swiglu_forward", [&](auto value) {
    using T = decltype(value);
    by_group<kGroup>(in_groups(kGroup, y.cols, y, gate_up), [&](auto n) {
      const int64_t groups = y.cols / n.value;
      LAUNCH((swiglu_forward_kernel<T, n.value>), blocks_for(y.rows * groups, kThreads), kThreads, 0, stream(device), y.as<T>(),
             gate_up.as<T>(), y.rows, groups);
    });
  });
}

void swiglu_backward(Device& device, Tensor dgate_up, Tensor dy, Tensor gate_up) {
  expect_one_type(dy.dtype, gate_up.dtype, "swiglu_backward");
  expect_one_type(dgate_up.dtype, gate_up.dtype, "swiglu_backward");
  by_type(dy.dtype, "swiglu_backward", [&](auto value) {
    using T = decltype(value);
    by_group<kGroup>(in_groups(kGroup, dy.cols, dgate_up, dy, gate_up), [&](auto n) {
      const int64_t groups = dy.cols / n.value;
      LAUNCH((swiglu_backward_kernel<T, n.value>), blocks_for(dy.rows * groups, kThreads), kThreads, 0, stream(device), dgate_up.as<T>(),
             dy.as<T>(), gate_up.as<T>(), dy.rows, groups);
    });
  });
}

}  // namespace rectify::RECTIFY_TARGET
