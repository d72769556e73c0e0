// The norm of query and key heads against double loops; gradients against finite differences of those loops; the same bits
// for any cut of the batch.
#include "../kernels/kernels.h"
#include "bf16.h"

using namespace rectify;
using namespace rectify::test;

namespace {

constexpr float kEps = 1e-3f;

std::vector<double> judge(const std::vector<double>& x, const std::vector<double>& q, const std::vector<double>& k, Heads heads) {
  const auto D = static_cast<size_t>(heads.head_dim), W = static_cast<size_t>(heads.qkv());
  auto y = x;
  for (size_t row = 0; row < x.size(); row += W)
    for (size_t head = 0; head < static_cast<size_t>(heads.heads + heads.kv_heads); head++) {
      const auto& w = head < static_cast<size_t>(heads.heads) ? q : k;
      double sum = 0;
      for (size_t d = 0; d < D; d++) sum += x[row + head * D + d] * x[row + head * D + d];
      for (size_t d = 0; d < D; d++)
        y[row + head * D + d] = w[d] * (x[row + head * D + d] / std::sqrt(sum / static_cast<double>(D) + kEps));
    }
  return y;
}

void test_shape(int64_t T, Heads heads, bool slopes) {
  const int64_t D = heads.head_dim, W = heads.qkv();
  Random random(static_cast<uint64_t>(T * 1000 + W));
  auto x = random.normals(T * W, 0.7), q = random.normals(D), k = random.normals(D);
  const auto dy = random.normals(T * W), dq_before = random.normals(D), dk_before = random.normals(D);
  auto x_wide = exact(x), q_wide = exact(q), k_wide = exact(k);
  const auto expected = judge(x_wide, q_wide, k_wide, heads);
  const auto loss = [&] {
    const auto y = judge(x_wide, q_wide, k_wide, heads);
    double sum = 0;
    for (size_t i = 0; i < y.size(); i++) sum += y[i] * dy[i];
    return sum;
  };
  const auto one = all_devices(1), three = all_devices(3);
  for (size_t d = 0; d < one.size(); d++) {
    std::vector<float> y(x.size()), again = x;
    head_norm_forward(*one[d], view(y, T, W), view(x, T, W), view(q, 1, D), view(k, 1, D), kEps, heads);
    for (size_t i = 0; i < y.size(); i++) CHECK_NEAR(y[i], expected[i], 2e-6);
    head_norm_forward(*three[d], view(again, T, W), view(again, T, W), view(q, 1, D), view(k, 1, D), kEps, heads);
    CHECK(same_bits(y, again));
    auto dx = dy, dq = dq_before, dk = dk_before;
    head_norm_backward(*one[d], view(dx, T, W), view(dq, 1, D), view(dk, 1, D), view(x, T, W), view(q, 1, D), view(k, 1, D), kEps,
                       heads);
    if (slopes) {
      for (size_t i = 0; i < dx.size(); i++) CHECK_NEAR(dx[i], slope(x_wide, i, loss), 5e-6);
      for (size_t i = 0; i < dq.size(); i++) CHECK_NEAR(dq[i], dq_before[i] + slope(q_wide, i, loss), 1e-5);
      for (size_t i = 0; i < dk.size(); i++) CHECK_NEAR(dk[i], dk_before[i] + slope(k_wide, i, loss), 1e-5);
    }
    auto dx_frozen = dy;
    head_norm_backward(*one[d], view(dx_frozen, T, W), {}, {}, view(x, T, W), view(q, 1, D), view(k, 1, D), kEps, heads);
    CHECK(same_bits(dx, dx_frozen));
    auto dx_cut = dy, dq_cut = dq_before, dk_cut = dk_before;
    const int64_t first = T / 3;
    for (auto [begin, count] : {std::pair{int64_t{0}, first}, std::pair{first, T - first}})
      head_norm_backward(*three[d], view(dx_cut, T, W).slice(begin, count), view(dq_cut, 1, D), view(dk_cut, 1, D),
                         view(x, T, W).slice(begin, count), view(q, 1, D), view(k, 1, D), kEps, heads);
    CHECK(same_bits(dx, dx_cut));
    if (!is_gpu(*one[d])) CHECK(same_bits(dq, dq_cut) && same_bits(dk, dk_cut));
    for (size_t i = 0; i < dq.size(); i++) {
      CHECK_NEAR(dq[i], dq_cut[i], 1e-4);
      CHECK_NEAR(dk[i], dk_cut[i], 1e-4);
    }
  }
}

void test_bf16(Device& device, size_t shift, Heads heads) {
  const int64_t T = 21, W = heads.qkv(), D = heads.head_dim;
  Random random(static_cast<uint64_t>(W));
  auto q = random.normals(D), k = random.normals(D);
  Narrow x(T, W, shift, random.normals(T * W)), y(T, W, shift), dy(T, W, shift, random.normals(T * W));
  auto wide = x.values(), dwide = dy.values();
  std::vector<float> expected(wide.size());
  head_norm_forward(device, y.view(), x.view(), view(q, 1, D), view(k, 1, D), kEps, heads);
  head_norm_forward(device, view(expected, T, W), view(wide, T, W), view(q, 1, D), view(k, 1, D), kEps, heads);
  CHECK(y.holds(expected));
  std::vector<float> dq(static_cast<size_t>(D), 1), dk = dq, dq_wide = dq, dk_wide = dq;
  head_norm_backward(device, dy.view(), view(dq, 1, D), view(dk, 1, D), x.view(), view(q, 1, D), view(k, 1, D), kEps, heads);
  head_norm_backward(device, view(dwide, T, W), view(dq_wide, 1, D), view(dk_wide, 1, D), view(wide, T, W), view(q, 1, D), view(k, 1, D),
                     kEps, heads);
  const auto own = dy.values();
  for (size_t i = 0; i < own.size(); i++) CHECK_NEAR(own[i], dwide[i], 0x1.02p-8 * std::fabs(dwide[i]) + 1e-6);
  for (size_t i = 0; i < dq.size(); i++) {
    CHECK_NEAR(dq[i], dq_wide[i], 1e-5);
    CHECK_NEAR(dk[i], dk_wide[i], 1e-5);
  }
}

}  // namespace

int main() {
  on_gpus([](Device& device, size_t shift) {
    for (const Heads& heads : {Heads{3, 1, 6}, Heads{2, 1, 64}, Heads{4, 2, 128}}) test_bf16(device, shift, heads);
  });
  for (const Heads& heads : {Heads{2, 1, 2}, Heads{4, 2, 8}, Heads{1, 1, 16}, Heads{2, 1, 30}, Heads{2, 1, 80}})
    test_shape(3, heads, true);
  for (const Heads& heads : {Heads{8, 4, 8}, Heads{3, 1, 96}}) test_shape(200, heads, false);
  return finish("head_norm");
}
