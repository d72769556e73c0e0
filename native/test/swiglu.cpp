// silu(gate) * up against double; gradients against finite differences; saturated gates; the same bits row by row.
#include "../kernels/kernels.h"
#include "bf16.h"

using namespace rectify;
using namespace rectify::test;

namespace {

double judge(double gate, double up) { return gate / (1 + std::exp(-gate)) * up; }

void test_shape(int64_t T, int64_t F, double scale) {
  Random random(static_cast<uint64_t>(T * 1000 + F));
  auto x = random.normals(T * 2 * F, scale), dy = random.normals(T * F);
  const double size = std::max(1.0, scale * scale);
  for (int threads : {1, 3})
    for (auto& device : all_devices(threads)) {
      std::vector<float> y(dy.size()), dx(x.size(), std::nanf("")), single(dy.size()), dsingle(x.size());
      swiglu_forward(*device, view(y, T, F), view(x, T, 2 * F));
      swiglu_backward(*device, view(dx, T, 2 * F), view(dy, T, F), view(x, T, 2 * F));
      for (int64_t row = 0; row < T; row++) {
        for (int64_t i = 0; i < F; i++) {
          const auto g = static_cast<size_t>(row * 2 * F + i), u = g + static_cast<size_t>(F), o = static_cast<size_t>(row * F + i);
          std::vector<double> pair{x[g], x[u]};
          const auto loss = [&] { return judge(pair[0], pair[1]) * dy[o]; };
          CHECK_NEAR(y[o], judge(x[g], x[u]), 4e-6 * size);
          CHECK_NEAR(dx[g], slope(pair, 0, loss), 6e-6 * size);
          CHECK_NEAR(dx[u], slope(pair, 1, loss), 6e-6 * size);
        }
        swiglu_forward(*device, view(single, T, F).slice(row, 1), view(x, T, 2 * F).slice(row, 1));
        swiglu_backward(*device, view(dsingle, T, 2 * F).slice(row, 1), view(dy, T, F).slice(row, 1),
                        view(x, T, 2 * F).slice(row, 1));
      }
      CHECK(same_bits(y, single) && same_bits(dx, dsingle));
    }
}

void test_saturated() {
  for (auto& device : all_devices(1)) {
    std::vector<float> x{-1e30f, -200, 0, 200, 1e30f, 2, 2, 2, 2, 2}, y(5), dy(5, 1), dx(10);
    swiglu_forward(*device, view(y, 1, 5), view(x, 1, 10));
    swiglu_backward(*device, view(dx, 1, 10), view(dy, 1, 5), view(x, 1, 10));
    CHECK_NEAR(y[1], 0, 1e-30);
    CHECK(y[2] == 0 && y[3] == 400 && y[4] == 2e30f);
    CHECK_NEAR(dx[1], 0, 1e-30);
    CHECK(dx[2] == 1 && dx[3] == 2 && dx[4] == 2 && dx[7] == 0 && dx[8] == 200);
    for (float v : y) CHECK(std::isfinite(v));
    for (float v : dx) CHECK(std::isfinite(v));
  }
}

void test_bf16(Device& device, size_t shift, int64_t T, int64_t F) {
  Random random(static_cast<uint64_t>(F));
  Narrow x(T, 2 * F, shift, random.normals(T * 2 * F, 2)), dy(T, F, shift, random.normals(T * F)), y(T, F, shift), dx(T, 2 * F, shift);
  auto wide = x.values(), dwide = dy.values();
  std::vector<float> expected(dwide.size()), dexpected(wide.size());
  swiglu_forward(device, y.view(), x.view());
  swiglu_forward(device, view(expected, T, F), view(wide, T, 2 * F));
  CHECK(y.holds(expected));
  swiglu_backward(device, dx.view(), dy.view(), x.view());
  swiglu_backward(device, view(dexpected, T, 2 * F), view(dwide, T, F), view(wide, T, 2 * F));
  CHECK(dx.holds(dexpected));
}

}  // namespace

int main() {
  on_gpus([](Device& device, size_t shift) {
    for (int64_t F : {3, 8, 36, 520}) test_bf16(device, shift, 5, F);
  });
  for (int64_t F : {1, 15, 16, 33, 192}) test_shape(7, F, 1);
  test_shape(3, 48, 20);
  test_shape(150, 192, 1);
  test_saturated();
  return finish("swiglu");
}
