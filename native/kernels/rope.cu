// The GPU twin of rope.cpp: one thread per group of pairs of columns of a query or key head; f32 or bf16 rows, angles in f32.
#include "../device/cuda.h"
#include "cuda/vector.cuh"
#include "kernels.h"

namespace rectify::RECTIFY_TARGET {

namespace {

constexpr int kThreads = 256;

/** `groups`: of N pairs of a head. */
template <typename T, int N, bool Inverse>
__global__ void __launch_bounds__(kThreads)
    rope_kernel(T* qkv, const float* cos, const float* sin, const int32_t* position, int64_t rows, int64_t width, int turned, int groups) {
  const int64_t item = int64_t{blockIdx.x} * kThreads + threadIdx.x, per_row = int64_t{turned} * groups;
  if (item >= rows * per_row) return;
  const int64_t row = item / per_row;
  const int rest = static_cast<int>(item - row * per_row), head = rest / groups, i = (rest - head * groups) * N, half = groups * N;
  T* x = qkv + row * width + int64_t{head} * 2 * half + i;
  const int64_t angle = int64_t{position[row]} * half + i;
  float a[N], b[N], c[N], s[N];
  load(a, x), load(b, x + half), load(c, cos + angle), load(s, sin + angle);
  for (int k = 0; k < N; k++) {
    const float by = Inverse ? -s[k] : s[k], first = a[k];
    a[k] = first * c[k] - b[k] * by;
    b[k] = b[k] * c[k] + first * by;
  }
  store(x, a), store(x + half, b);
}

template <bool Inverse>
void rotate(Device& device, const Tensor& qkv, const Tensor& cos, const Tensor& sin, const int32_t* position, const Heads& heads,
            const char* name) {
  if (heads.head_dim % 2 != 0) throw std::runtime_error(std::string(name) + ": expected an even head_dim");
  const int turned = heads.heads + heads.kv_heads, half = heads.head_dim / 2;
  by_type(qkv.dtype, name, [&](auto value) {
    using T = decltype(value);
    by_group<kGroup>(in_groups(kGroup, half, qkv, cos, sin) && qkv.cols % kGroup == 0, [&](auto n) {
      const int groups = half / n.value;
      LAUNCH((rope_kernel<T, n.value, Inverse>), blocks_for(qkv.rows * turned * groups, kThreads), kThreads, 0, stream(device),
             qkv.as<T>(), cos.f32(), sin.f32(), position, qkv.rows, qkv.cols, turned, groups);
    });
  });
}

}  // namespace

void rope_forward(Device& device, Tensor qkv, Tensor cos, Tensor sin, const int32_t* position, Heads heads) {
  rotate<false>(device, qkv, cos, sin, position, heads, "rope_forward");
}

void rope_backward(Device& device, Tensor dqkv, Tensor cos, Tensor sin, const int32_t* position, Heads heads) {
  rotate<true>(device, dqkv, cos, sin, position, heads, "rope_backward");
}

}  // namespace rectify::RECTIFY_TARGET
