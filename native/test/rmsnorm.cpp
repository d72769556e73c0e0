// rmsnorm against double loops; gradients against finite differences of those loops; the same bits for any cut of the batch.
#include "../kernels/kernels.h"
#include "bf16.h"

using namespace rectify;
using namespace rectify::test;

namespace {

constexpr float kEps = 1e-3f;

std::vector<double> judge(const std::vector<double>& x, const std::vector<double>& w) {
  const size_t C = w.size();
  std::vector<double> y(x.size());
  for (size_t row = 0; row < x.size(); row += C) {
    double sum = 0;
    for (size_t c = 0; c < C; c++) sum += x[row + c] * x[row + c];
    for (size_t c = 0; c < C; c++) y[row + c] = w[c] * (x[row + c] / std::sqrt(sum / static_cast<double>(C) + kEps));
  }
  return y;
}

void test_shape(int64_t T, int64_t C, bool slopes) {
  Random random(static_cast<uint64_t>(T * 1000 + C));
  auto x = random.normals(T * C, 0.7), w = random.normals(C), dy = random.normals(T * C);
  const auto dx_before = random.normals(T * C), dw_before = random.normals(C);
  auto x_wide = exact(x), w_wide = exact(w);
  const auto expected = judge(x_wide, w_wide);
  const auto loss = [&] {
    const auto y = judge(x_wide, w_wide);
    double sum = 0;
    for (size_t i = 0; i < y.size(); i++) sum += y[i] * dy[i];
    return sum;
  };
  const auto one = all_devices(1), three = all_devices(3);
  for (size_t d = 0; d < one.size(); d++) {
    std::vector<float> y(x.size()), again(x.size());
    rmsnorm_forward(*one[d], view(y, T, C), view(x, T, C), view(w, 1, C), kEps);
    for (size_t i = 0; i < y.size(); i++) CHECK_NEAR(y[i], expected[i], 2e-6);
    rmsnorm_forward(*three[d], view(again, T, C), view(x, T, C), view(w, 1, C), kEps);
    CHECK(same_bits(y, again));
    auto dx = dx_before, dw = dw_before;
    rmsnorm_backward(*one[d], view(dx, T, C), view(dw, 1, C), view(dy, T, C), view(x, T, C), view(w, 1, C), kEps);
    if (slopes) {
      for (size_t i = 0; i < dx.size(); i++) CHECK_NEAR(dx[i], dx_before[i] + slope(x_wide, i, loss), 5e-6);
      for (size_t i = 0; i < dw.size(); i++) CHECK_NEAR(dw[i], dw_before[i] + slope(w_wide, i, loss), 5e-6);
    }
    auto dx_frozen = dx_before;
    rmsnorm_backward(*one[d], view(dx_frozen, T, C), {}, view(dy, T, C), view(x, T, C), view(w, 1, C), kEps);
    CHECK(same_bits(dx, dx_frozen));
    // In two micro-batches, on three threads.
    auto dx_cut = dx_before, dw_cut = dw_before;
    const int64_t first = T / 3;
    for (auto [begin, count] : {std::pair{int64_t{0}, first}, std::pair{first, T - first}})
      rmsnorm_backward(*three[d], view(dx_cut, T, C).slice(begin, count), view(dw_cut, 1, C), view(dy, T, C).slice(begin, count),
                       view(x, T, C).slice(begin, count), view(w, 1, C), kEps);
    CHECK(same_bits(dx, dx_cut));
    if (!is_gpu(*one[d])) CHECK(same_bits(dw, dw_cut));
    for (size_t i = 0; i < dw.size(); i++) CHECK_NEAR(dw[i], dw_cut[i], 3e-5);
  }
}

void test_bf16(Device& device, size_t shift, int64_t T, int64_t C) {
  Random random(static_cast<uint64_t>(C));
  auto x = random.normals(T * C), w = random.normals(C);
  std::vector<float> y(x.size());
  Narrow narrow(T, C, shift), dy(T, C, shift, random.normals(T * C));
  rmsnorm_forward(device, narrow.view(), view(x, T, C), view(w, 1, C), kEps);
  rmsnorm_forward(device, view(y, T, C), view(x, T, C), view(w, 1, C), kEps);
  CHECK(narrow.holds(y));
  auto wide = dy.values(), dx = random.normals(T * C), again = dx, dw = random.normals(C), dw_again = dw;
  rmsnorm_backward(device, view(dx, T, C), view(dw, 1, C), dy.view(), view(x, T, C), view(w, 1, C), kEps);
  rmsnorm_backward(device, view(again, T, C), view(dw_again, 1, C), view(wide, T, C), view(x, T, C), view(w, 1, C), kEps);
  for (size_t i = 0; i < dx.size(); i++) CHECK_NEAR(dx[i], again[i], 4e-6);
  for (size_t i = 0; i < dw.size(); i++) CHECK_NEAR(dw[i], dw_again[i], 1e-5);
}

}  // namespace

int main() {
  on_gpus([](Device& device, size_t shift) {
    for (int64_t C : {3, 20, 64, 1100}) test_bf16(device, shift, 70, C);
  });
  for (int64_t C : {1, 5, 16, 17, 64, 100}) test_shape(3, C, true);
  for (int64_t C : {64, 257}) test_shape(301, C, false);
  return finish("rmsnorm");
}
