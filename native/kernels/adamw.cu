// The GPU twin of adamw.cpp: one launch per call, which takes as many parameters as lie side by side.
#include <cmath>

#include "../device/cuda.h"
#include "cuda/vector.cuh"
#include "kernels.h"

namespace rectify::RECTIFY_TARGET {

namespace {

constexpr int kThreads = 256;

struct Factors {
  float keep, step, one_minus_beta1, beta2, one_minus_beta2, root_correction, epsilon, grad_scale;
};

template <int N>
__global__ void __launch_bounds__(kThreads)
    adamw_kernel(float* weight, float* moment1, float* moment2, float* grad, int64_t groups, Factors f) {
  const int64_t i = (int64_t{blockIdx.x} * kThreads + threadIdx.x) * N;
  if (i >= groups * N) return;
  float w[N], m[N], v[N], g[N];
  load(w, weight + i), load(m, moment1 + i), load(v, moment2 + i), load(g, grad + i);
  for (int k = 0; k < N; k++) {
    const float own = g[k] * f.grad_scale;
    m[k] += (own - m[k]) * f.one_minus_beta1;
    v[k] = v[k] * f.beta2 + own * own * f.one_minus_beta2;
    w[k] = w[k] * f.keep - f.step * (m[k] / (sqrtf(v[k]) / f.root_correction + f.epsilon));
    g[k] = 0;
  }
  store(weight + i, w), store(moment1 + i, m), store(moment2 + i, v), store(grad + i, g);
}

}  // namespace

void adamw(Device& device, Tensor weight, Tensor m, Tensor v, Tensor grad, AdamwConfig c) {
  const double correction1 = 1 - std::pow(c.beta1, static_cast<double>(c.step));
  const double correction2 = 1 - std::pow(c.beta2, static_cast<double>(c.step));
  const Factors factors = {static_cast<float>(1 - c.learning_rate * c.weight_decay),
                           static_cast<float>(c.learning_rate / correction1),
                           static_cast<float>(1 - c.beta1),
                           static_cast<float>(c.beta2),
                           static_cast<float>(1 - c.beta2),
                           static_cast<float>(std::sqrt(correction2)),
                           static_cast<float>(c.epsilon),
                           static_cast<float>(c.grad_scale)};
  by_group<4>(in_groups(4, weight.size(), weight, m, v, grad), [&](auto n) {
    const int64_t groups = weight.size() / n.value;
    LAUNCH(adamw_kernel<n.value>, blocks_for(groups, kThreads), kThreads, 0, stream(device), weight.f32(), m.f32(), v.f32(), grad.f32(),
           groups, factors);
  });
}

}  // namespace rectify::RECTIFY_TARGET
