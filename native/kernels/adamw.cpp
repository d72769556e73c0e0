// AdamW with decoupled weight decay (arXiv 1711.05101), in the order of operations of torch.optim.AdamW:
//   w -= lr decay w;   m += (1 - beta1)(g - m);   v = beta2 v + (1 - beta2) g^2;
//   w -= lr / (1 - beta1^step) m / (sqrt(v) / sqrt(1 - beta2^step) + epsilon),   g = grad_scale grad, and grad = 0 after.
#include <cmath>

#include "kernels.h"
#include "simd.h"

namespace rectify::RECTIFY_TARGET {

namespace {

struct Factors {
  float keep, step, one_minus_beta1, beta2, one_minus_beta2, root_correction, epsilon, grad_scale;
};

void update(float* __restrict w, float* __restrict m, float* __restrict v, float* __restrict grad, int64_t n, Factors f) {
  for (int64_t i = 0; i < n; i++) {
    const float g = grad[i] * f.grad_scale;
    grad[i] = 0;
    const float m_new = m[i] + (g - m[i]) * f.one_minus_beta1;
    const float v_new = v[i] * f.beta2 + g * g * f.one_minus_beta2;
    m[i] = m_new;
    v[i] = v_new;
    w[i] = w[i] * f.keep - f.step * (m_new / (__builtin_sqrtf(v_new) / f.root_correction + f.epsilon));
  }
}

}  // namespace

void adamw(Device& device, Tensor weight, Tensor m, Tensor v, Tensor grad, AdamwConfig c) {
  const double correction1 = 1 - pow(c.beta1, static_cast<double>(c.step));
  const double correction2 = 1 - pow(c.beta2, static_cast<double>(c.step));
  const Factors factors = {static_cast<float>(1 - c.learning_rate * c.weight_decay),
                           static_cast<float>(c.learning_rate / correction1),
                           static_cast<float>(1 - c.beta1),
                           static_cast<float>(c.beta2),
                           static_cast<float>(1 - c.beta2),
                           static_cast<float>(sqrt(correction2)),
                           static_cast<float>(c.epsilon),
                           static_cast<float>(c.grad_scale)};
  parallel(device, weight.size(), 4096, 8 * weight.size(), [&](int64_t begin, int64_t end, int) {
    update(weight.f32() + begin, m.f32() + begin, v.f32() + begin, grad.f32() + begin, end - begin, factors);
  });
}

}  // namespace rectify::RECTIFY_TARGET
