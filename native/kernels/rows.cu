// The GPU twin of rows.cpp: gathered and scattered rows, and a matrix in another type.
#include "../device/cuda.h"
#include "cuda/vector.cuh"
#include "kernels.h"

namespace rectify::RECTIFY_TARGET {

namespace {

constexpr int kThreads = 256;

/** Rows of `width` values of T, which may be a vector of the tensor's. */
template <typename T>
__global__ void __launch_bounds__(kThreads) gather_kernel(T* y, const T* x, const int32_t* rows, int64_t count, int64_t width) {
  const int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (i >= count * width) return;
  const int64_t row = i / width;
  y[i] = x[int64_t{rows[row]} * width + (i - row * width)];
}

template <int N>
__global__ void __launch_bounds__(kThreads)
    scatter_kernel(float* x, const float* y, const int32_t* rows, int64_t count, int64_t groups) {
  const int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (i >= count * groups) return;
  const int64_t row = i / groups;
  float* to = x + (int64_t{rows[row]} * groups + (i - row * groups)) * N;
  float sum[N], own[N];
  load(sum, to), load(own, y + i * N);
  for (int k = 0; k < N; k++) sum[k] += own[k];
  store(to, sum);
}

template <typename Y, typename X, int N>
__global__ void __launch_bounds__(kThreads) convert_kernel(Y* y, const X* x, int64_t groups) {
  const int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (i >= groups) return;
  float v[N];
  load(v, x + i * N), store(y + i * N, v);
}

template <typename T>
void gather(Device& device, const Tensor& y, const Tensor& x, const Tensor& rows) {
  const int64_t width = y.cols * static_cast<int64_t>(dtype_bytes(y.dtype)) / static_cast<int64_t>(sizeof(T));
  LAUNCH(gather_kernel<T>, blocks_for(y.rows * width, kThreads), kThreads, 0, stream(device), y.as<T>(), x.as<T>(), rows.i32(), y.rows,
         width);
}

}  // namespace

void gather_rows(Device& device, Tensor y, Tensor x, Tensor rows) {
  const auto bytes = static_cast<int64_t>(dtype_bytes(y.dtype));
  if (in_groups(16 / bytes, y.cols, y, x)) gather<uint4>(device, y, x, rows);
  else if (bytes == 4) gather<uint32_t>(device, y, x, rows);
  else gather<uint16_t>(device, y, x, rows);
}

void scatter_rows(Device& device, Tensor x, Tensor y, Tensor rows) {
  by_group<4>(in_groups(4, y.cols, x, y), [&](auto n) {
    const int64_t groups = y.cols / n.value;
    LAUNCH(scatter_kernel<n.value>, blocks_for(y.rows * groups, kThreads), kThreads, 0, stream(device), x.f32(), y.f32(), rows.i32(),
           y.rows, groups);
  });
}

void convert(Device& device, Tensor y, Tensor x) {
  by_type(y.dtype, "convert", [&](auto to) {
    by_type(x.dtype, "convert", [&](auto from) {
      using Y = decltype(to);
      using X = decltype(from);
      by_group<kGroup>(in_groups(kGroup, y.size(), y, x), [&](auto n) {
        const int64_t groups = y.size() / n.value;
        LAUNCH((convert_kernel<Y, X, n.value>), blocks_for(groups, kThreads), kThreads, 0, stream(device), y.as<Y>(), x.as<X>(), groups);
      });
    });
  });
}

}  // namespace rectify::RECTIFY_TARGET
