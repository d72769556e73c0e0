// Rotary positions against complex multiplication in double; backward undoes forward and is its transpose.
#include <complex>

#include "../kernels/kernels.h"
#include "bf16.h"

using namespace rectify;
using namespace rectify::test;

namespace {

void test_shape(int64_t T, Heads heads) {
  const int64_t half = heads.head_dim / 2, W = heads.qkv(), positions = 50;
  Random random(static_cast<uint64_t>(T * 1000 + W));
  const auto x = random.normals(T * W), dy = random.normals(T * W);
  std::vector<float> cos, sin;
  for (int64_t p = 0; p < positions; p++)
    for (int64_t i = 0; i < half; i++) {
      const double angle = static_cast<double>(p) * std::pow(10000.0, -static_cast<double>(i) / static_cast<double>(half));
      cos.push_back(static_cast<float>(std::cos(angle))), sin.push_back(static_cast<float>(std::sin(angle)));
    }
  std::vector<int32_t> position;
  for (int64_t row = 0; row < T; row++) position.push_back(static_cast<int32_t>(random.below(positions)));
  std::vector<double> expected = exact(x);
  for (int64_t row = 0; row < T; row++)
    for (int64_t head = 0; head < heads.heads + heads.kv_heads; head++)
      for (int64_t i = 0; i < half; i++) {
        const auto a = static_cast<size_t>(row * W + head * heads.head_dim + i), b = a + static_cast<size_t>(half);
        const auto at = static_cast<size_t>(position[static_cast<size_t>(row)] * half + i);
        const auto turned = std::complex<double>(x[a], x[b]) * std::complex<double>(cos[at], sin[at]);
        expected[a] = turned.real(), expected[b] = turned.imag();
      }
  for (int threads : {1, 3})
    for (auto& device : all_devices(threads)) {
      auto y = x, dx = dy;
      rope_forward(*device, view(y, T, W), view(cos, positions, half), view(sin, positions, half), position.data(), heads);
      for (size_t i = 0; i < y.size(); i++) CHECK_NEAR(y[i], expected[i], 1e-6);
      rope_backward(*device, view(dx, T, W), view(cos, positions, half), view(sin, positions, half), position.data(), heads);
      double forward = 0, backward = 0;  // <dy, R x> = <R' dy, x>
      for (size_t i = 0; i < y.size(); i++)
        forward += expected[i] * static_cast<double>(dy[i]), backward += static_cast<double>(dx[i]) * static_cast<double>(x[i]);
      CHECK_NEAR(backward, forward, 1e-5 * std::sqrt(static_cast<double>(T * W)));
      rope_backward(*device, view(y, T, W), view(cos, positions, half), view(sin, positions, half), position.data(), heads);
      for (size_t i = 0; i < y.size(); i++) CHECK_NEAR(y[i], x[i], 2e-6);
      // One row at a time, the same bits.
      auto single = x, whole = x;
      rope_forward(*device, view(whole, T, W), view(cos, positions, half), view(sin, positions, half), position.data(), heads);
      for (int64_t row = 0; row < T; row++)
        rope_forward(*device, view(single, T, W).slice(row, 1), view(cos, positions, half), view(sin, positions, half),
                     position.data() + row, heads);
      CHECK(same_bits(single, whole));
    }
}

void test_bf16(Device& device, size_t shift, Heads heads) {
  const int64_t half = heads.head_dim / 2, W = heads.qkv(), T = 7, positions = 9;
  Random random(static_cast<uint64_t>(W));
  auto cos = random.normals(positions * half), sin = random.normals(positions * half);
  const std::vector<int32_t> position{0, 8, 3, 3, 1, 7, 2};
  for (const bool inverse : {false, true}) {
    Narrow x(T, W, shift, random.normals(T * W));
    auto wide = x.values();
    const auto turn = [&](Tensor rows) {
      (inverse ? rope_backward : rope_forward)(device, rows, view(cos, positions, half), view(sin, positions, half), position.data(),
                                               heads);
    };
    turn(x.view()), turn(view(wide, T, W));
    // Where two products cancel, rounding one of them or not shows.
    const auto own = x.values();
    double worst = 0;
    for (size_t i = 0; i < own.size(); i++)
      worst = std::max(worst, std::fabs(static_cast<double>(own[i] - wide[i])) - 0x1.02p-8 * std::fabs(wide[i]));
    CHECK_NEAR(worst, 0, 1e-6);
  }
}

}  // namespace

int main() {
  on_gpus([](Device& device, size_t shift) {
    for (int D : {6, 16, 32, 64, 128}) test_bf16(device, shift, {3, 1, D});
  });
  for (int D : {2, 6, 8, 16, 30, 32, 64, 80, 96, 128, 256}) test_shape(5, {4, 2, D});
  test_shape(400, {8, 4, 8});
  return finish("rope");
}
