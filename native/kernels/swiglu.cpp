// Gated linear unit with silu(g) = g s, s = 1 / (1 + e^-g):   y = silu(g) u.
// Backward:   du = dy g s,   dg = dy u s (1 + g (1 - s)).   gate_up [T, 2F] holds g, then u.
#include "kernels.h"
#include "simd.h"

namespace rectify::RECTIFY_TARGET {

namespace {

RECTIFY_INLINE v16f load(const float* p, int64_t n) { return n == 16 ? load16(p) : load16_part(p, n, 0); }

RECTIFY_INLINE void store(float* p, v16f v, int64_t n) {
  if (n == 16) store16(p, v);
  else store16_part(p, v, n);
}

RECTIFY_INLINE v16f sigmoid(v16f g) { return 1.0f / (1.0f + exp16(-g)); }

}  // namespace

void swiglu_forward(Device& device, Tensor y, Tensor gate_up) {
  if (y.dtype != Dtype::f32 || gate_up.dtype != Dtype::f32) throw std::runtime_error("swiglu_forward: expected f32 tensors");
  const int64_t F = y.cols;
  parallel(device, y.rows, 1, y.size() * 16, [&](int64_t begin, int64_t end, int) {
    for (int64_t row = begin; row < end; row++) {
      const float *gate = gate_up.f32() + row * 2 * F, *up = gate + F;
      float* out = y.f32() + row * F;
      for (int64_t i = 0; i < F; i += 16) {
        const int64_t n = F - i < 16 ? F - i : 16;
        const v16f g = load(gate + i, n);
        store(out + i, g * sigmoid(g) * load(up + i, n), n);
      }
    }
  });
}

void swiglu_backward(Device& device, Tensor dgate_up, Tensor dy, Tensor gate_up) {
  if (dy.dtype != Dtype::f32 || gate_up.dtype != Dtype::f32 || dgate_up.dtype != Dtype::f32)
    throw std::runtime_error("swiglu_backward: expected f32 tensors");
  const int64_t F = dy.cols;
  parallel(device, dy.rows, 1, dy.size() * 20, [&](int64_t begin, int64_t end, int) {
    for (int64_t row = begin; row < end; row++) {
      const float *gate = gate_up.f32() + row * 2 * F, *up = gate + F, *d = dy.f32() + row * F;
      float *dgate = dgate_up.f32() + row * 2 * F, *dup = dgate + F;
      for (int64_t i = 0; i < F; i += 16) {
        const int64_t n = F - i < 16 ? F - i : 16;
        const v16f g = load(gate + i, n), u = load(up + i, n), s = sigmoid(g);
        const v16f ds = load(d + i, n) * s;
        store(dup + i, ds * g, n);
        store(dgate + i, ds * u * (1.0f + g * (1.0f - s)), n);
      }
    }
  });
}

}  // namespace rectify::RECTIFY_TARGET
