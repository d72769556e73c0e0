// Rotary positions: each query and key head of D columns turns its halves by the angles of its position,
//   y_i = x_i cos_i - x_(i + D/2) sin_i,   y_(i + D/2) = x_(i + D/2) cos_i + x_i sin_i,   i < D/2.
// Backward is the rotation by the negative angle. Values are left alone.
#include "kernels.h"
#include "lanes.h"

namespace rectify::RECTIFY_TARGET {

namespace {

template <bool Inverse>
RECTIFY_INLINE void rotate(Device& device, const Tensor& qkv, const Tensor& cos, const Tensor& sin, const int32_t* position,
                           const Heads& heads) {
  const int64_t half = heads.head_dim / 2, turned = heads.heads + heads.kv_heads;
  parallel(device, qkv.rows, 1, qkv.rows * turned * half * 4, [&](int64_t begin, int64_t end, int) {
    for (int64_t row = begin; row < end; row++) {
      const float *c = cos.f32() + position[row] * half, *s = sin.f32() + position[row] * half;
      float* x = qkv.f32() + row * qkv.cols;
      for (int64_t head = 0; head < turned; head++, x += 2 * half)
        for_vectors(half, [&](auto width, int64_t i) {
          using V = decltype(width);
          const auto a = V::load(x + i), b = V::load(x + half + i), co = V::load(c + i);
          const auto si = Inverse ? -V::load(s + i) : V::load(s + i);
          V::store(x + i, a * co - b * si);
          V::store(x + half + i, b * co + a * si);
        });
    }
  });
}

void check(const Tensor& qkv, const Heads& heads, const char* refusal) {
  if (qkv.dtype != Dtype::f32 || heads.head_dim % 2 != 0) throw std::runtime_error(refusal);
}

}  // namespace

void rope_forward(Device& device, Tensor qkv, Tensor cos, Tensor sin, const int32_t* position, Heads heads) {
  check(qkv, heads, "rope_forward: expected f32 rows and an even head_dim");
  rotate<false>(device, qkv, cos, sin, position, heads);
}

void rope_backward(Device& device, Tensor dqkv, Tensor cos, Tensor sin, const int32_t* position, Heads heads) {
  check(dqkv, heads, "rope_backward: expected f32 rows and an even head_dim");
  rotate<true>(device, dqkv, cos, sin, position, heads);
}

}  // namespace rectify::RECTIFY_TARGET
