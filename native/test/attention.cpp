// Forest attention against plain double loops over each row's path, and bit for bit against itself: shared and copied
// prefixes, decoding token by token, threads. Backward against double loops that finite differences vouch for.
#include "forest.h"

using namespace rectify;
using namespace rectify::test;

namespace {

using Rows = std::vector<double>;

/** out [T, H*D] and lse [T, H] of qkv [T, W], one row after another, in double. */
void judge_forward(const Forest& forest, Heads heads, const Rows& qkv, Rows* out, Rows* lse) {
  const int64_t D = heads.head_dim, W = heads.qkv(), group = heads.heads / heads.kv_heads;
  out->assign(static_cast<size_t>(forest.rows() * heads.q()), 0);
  lse->assign(static_cast<size_t>(forest.rows() * heads.heads), 0);
  for (int64_t row = 0; row < forest.rows(); row++) {
    const auto path = forest.path(row);
    for (int64_t h = 0; h < heads.heads; h++) {
      const double* q = &qkv[static_cast<size_t>(row * W + h * D)];
      std::vector<double> s;
      double top = -1e300, sum = 0;
      for (int64_t r : path) {
        const double* k = &qkv[static_cast<size_t>(r * W + heads.q() + h / group * D)];
        double dot = 0;
        for (int64_t d = 0; d < D; d++) dot += q[d] * k[d];
        s.push_back(dot / std::sqrt(static_cast<double>(D)));
        top = std::max(top, s.back());
      }
      for (double x : s) sum += std::exp(x - top);
      (*lse)[static_cast<size_t>(row * heads.heads + h)] = top + std::log(sum);
      for (size_t j = 0; j < path.size(); j++) {
        const double* v = &qkv[static_cast<size_t>(path[j] * W + heads.q() + heads.kv() + h / group * D)];
        for (int64_t d = 0; d < D; d++)
          (*out)[static_cast<size_t>(row * heads.q() + h * D + d)] += std::exp(s[j] - top) / sum * v[d];
      }
    }
  }
}

/** dqkv by the chain rule on the same loops. */
Rows judge_backward(const Forest& forest, Heads heads, const Rows& qkv, const Rows& dout) {
  const int64_t D = heads.head_dim, W = heads.qkv(), group = heads.heads / heads.kv_heads;
  const double scale = 1 / std::sqrt(static_cast<double>(D));
  Rows out, lse, dqkv(qkv.size());
  judge_forward(forest, heads, qkv, &out, &lse);
  for (int64_t row = 0; row < forest.rows(); row++)
    for (int64_t h = 0; h < heads.heads; h++) {
      const size_t at_q = static_cast<size_t>(row * W + h * D), at_o = static_cast<size_t>(row * heads.q() + h * D);
      double delta = 0;
      for (int64_t d = 0; d < D; d++) delta += dout[at_o + d] * out[at_o + d];
      for (int64_t r : forest.path(row)) {
        const size_t at_k = static_cast<size_t>(r * W + heads.q() + h / group * D);
        const size_t at_v = at_k + static_cast<size_t>(heads.kv());
        double s = 0, dp = 0;
        for (int64_t d = 0; d < D; d++) s += qkv[at_q + d] * qkv[at_k + d], dp += dout[at_o + d] * qkv[at_v + d];
        const double p = std::exp(s * scale - lse[static_cast<size_t>(row * heads.heads + h)]), ds = p * (dp - delta);
        for (int64_t d = 0; d < D; d++) {
          dqkv[at_q + d] += ds * scale * qkv[at_k + d];
          dqkv[at_k + d] += ds * scale * qkv[at_q + d];
          dqkv[at_v + d] += p * dout[at_o + d];
        }
      }
    }
  return dqkv;
}

struct Result {
  std::vector<float> out, lse;
};

Result forward(Device& device, const Forest& forest, Heads heads, std::vector<float> qkv) {
  const int64_t T = forest.rows();
  Result r{std::vector<float>(static_cast<size_t>(T * heads.q())), std::vector<float>(static_cast<size_t>(T * heads.heads))};
  Cache cache(forest, heads, 2);
  kv_append(device, cache.view, 1, view(qkv, T, heads.qkv()), forest.view(), heads);
  attention_forward(device, view(r.out, T, heads.q()), view(r.lse, T, heads.heads), view(qkv, T, heads.qkv()), cache.view, 1,
                    forest.view(), heads);
  return r;
}

std::vector<float> backward(Device& device, const Forest& forest, Heads heads, std::vector<float> qkv, std::vector<float> dout,
                            Result r) {
  const int64_t T = forest.rows();
  std::vector<float> dqkv(qkv.size(), std::numeric_limits<float>::quiet_NaN());
  ForestView v = forest.view();
  v.pages = nullptr, v.page_begin = nullptr;
  attention_backward(device, view(dqkv, T, heads.qkv()), view(dout, T, heads.q()), view(r.out, T, heads.q()),
                     view(r.lse, T, heads.heads), view(qkv, T, heads.qkv()), v, heads);
  return dqkv;
}

/** The same rows fed as a decoder would: level by level, one token of every segment of the level at a time. */
Result decode(Device& device, const Forest& forest, Heads heads, const std::vector<float>& qkv) {
  const int64_t W = heads.qkv(), T = forest.rows();
  Result r{std::vector<float>(static_cast<size_t>(T * heads.q())), std::vector<float>(static_cast<size_t>(T * heads.heads))};
  Cache cache(forest, heads);
  std::vector<int> level;
  for (const auto& s : forest.segments) level.push_back(s.parent < 0 ? 0 : level[static_cast<size_t>(s.parent)] + 1);
  for (int depth = 0; depth < 4; depth++)
    for (int token = 0; token < 2000; token++) {
      std::vector<int64_t> rows;
      for (size_t s = forest.segments.size(); s-- > 0;)
        if (level[s] == depth && token < forest.segments[s].length) rows.push_back(forest.row_begin[s] + token);
      if (rows.empty()) break;
      const auto n = static_cast<int64_t>(rows.size());
      std::vector<float> x, out(static_cast<size_t>(n * heads.q()));
      std::vector<int32_t> segment, position;
      for (int64_t row : rows) {
        x.insert(x.end(), qkv.begin() + row * W, qkv.begin() + (row + 1) * W);
        segment.push_back(forest.segment[static_cast<size_t>(row)]);
        position.push_back(forest.position[static_cast<size_t>(row)]);
      }
      ForestView v = forest.view();
      v.rows = n, v.segment = segment.data(), v.position = position.data(), v.row_begin = nullptr;
      kv_append(device, cache.view, 0, view(x, n, W), v, heads);
      attention_forward(device, view(out, n, heads.q()), Tensor{}, view(x, n, W), cache.view, 0, v, heads);
      for (int64_t i = 0; i < n; i++)
        std::memcpy(&r.out[static_cast<size_t>(rows[static_cast<size_t>(i)] * heads.q())],
                    &out[static_cast<size_t>(i * heads.q())], static_cast<size_t>(heads.q()) * sizeof(float));
    }
  return r;
}

/** Every row's whole path as a sequence of its own. */
void check_copies(Device& device, const Forest& forest, Heads heads, const std::vector<float>& qkv, const Result& whole) {
  const int64_t W = heads.qkv();
  std::vector<Segment> segments;
  std::vector<float> x;
  std::vector<int64_t> origin;
  for (size_t s = 0; s < forest.segments.size(); s++) {
    const auto path = forest.path(forest.row_begin[s + 1] - 1);
    segments.push_back({-1, 0, static_cast<int>(path.size())});
    for (int64_t row : path) {
      origin.push_back(row);
      x.insert(x.end(), qkv.begin() + row * W, qkv.begin() + (row + 1) * W);
    }
  }
  const Result copied = forward(device, Forest(segments), heads, x);
  bool same = true;
  for (size_t i = 0; i < origin.size(); i++)
    same = same && std::memcmp(&copied.out[i * static_cast<size_t>(heads.q())],
                               &whole.out[static_cast<size_t>(origin[i] * heads.q())],
                               static_cast<size_t>(heads.q()) * sizeof(float)) == 0 &&
           std::memcmp(&copied.lse[i * static_cast<size_t>(heads.heads)],
                       &whole.lse[static_cast<size_t>(origin[i] * heads.heads)],
                       static_cast<size_t>(heads.heads) * sizeof(float)) == 0;
  CHECK(same);
}

void check_near(const std::vector<float>& actual, const Rows& expected, double tolerance) {
  double worst = 0, size = 1e-3;
  for (size_t i = 0; i < expected.size(); i++) {
    if (!(std::fabs(actual[i] - expected[i]) <= worst)) worst = std::fabs(actual[i] - expected[i]);
    size = std::max(size, std::fabs(expected[i]));
  }
  CHECK_NEAR(worst / size, 0, tolerance);
}

const std::vector<std::vector<Segment>> kForests = {
    {{-1, 0, 1}},
    {{-1, 0, 7}, {-1, 0, 33}, {-1, 0, 64}},
    {{-1, 0, 31}, {0, 31, 40}, {0, 31, 1}, {0, 30, 33}},
    {{-1, 0, 37}, {0, 37, 100}, {1, 31, 3}, {1, 32, 4}, {1, 33, 5}, {1, 1, 2}, {1, 100, 70}, {6, 63, 3}},
    {{-1, 0, 32}, {-1, 0, 5}, {0, 32, 32}, {1, 5, 64}, {2, 32, 6}, {3, 64, 6}, {3, 17, 6}},
};

void test_shapes() {
  const Heads shapes[] = {{8, 4, 8}, {2, 1, 64}, {3, 3, 2}, {6, 2, 6}, {7, 1, 16}, {14, 2, 80},
                          {5, 1, 96}, {4, 4, 32}, {2, 2, 128}, {1, 1, 256}, {13, 1, 10}};
  int64_t seed = 1;
  for (const Heads& heads : shapes)
    for (const auto& segments : kForests) {
      const Forest forest(segments);
      Random random(static_cast<uint64_t>(seed++));
      const auto qkv = random.normals(forest.rows() * heads.qkv(), 1.5);
      const auto dout = random.normals(forest.rows() * heads.q());
      const Rows wide = exact(qkv);
      Rows out, lse;
      judge_forward(forest, heads, wide, &out, &lse);
      const Rows dqkv = judge_backward(forest, heads, wide, exact(dout));
      std::vector<std::unique_ptr<Device>> threaded[] = {devices(2), devices(3)};
      const auto all = cuda_wanted() ? std::vector<std::unique_ptr<Device>>() : devices(1);
      for (size_t i = 0; i < all.size(); i++) {
        const Result r = forward(*all[i], forest, heads, qkv);
        check_near(r.out, out, 2e-6);
        check_near(r.lse, lse, 2e-6);
        const auto gradient = backward(*all[i], forest, heads, qkv, dout, r);
        check_near(gradient, dqkv, 5e-6);
        for (auto& others : threaded) {
          const Result again = forward(*others[i], forest, heads, qkv);
          CHECK(same_bits(again.out, r.out) && same_bits(again.lse, r.lse));
          CHECK(same_bits(backward(*others[i], forest, heads, qkv, dout, again), gradient));
        }
        CHECK(same_bits(decode(*all[i], forest, heads, qkv).out, r.out));
        check_copies(*all[i], forest, heads, qkv, r);
      }
      const auto gpu = heads.heads > 8 && !cuda_wanted() ? nullptr : gpu_device();
      if (!gpu) continue;
      const Result r = forward(*gpu, forest, heads, qkv);
      check_near(r.out, out, 2e-6);
      check_near(r.lse, lse, 2e-6);
      check_near(backward(*gpu, forest, heads, qkv, dout, r), dqkv, 5e-6);
      CHECK(same_bits(decode(*gpu, forest, heads, qkv).out, r.out));
      check_copies(*gpu, forest, heads, qkv, r);
    }
}

std::vector<uint16_t> narrow(const std::vector<float>& x) {
  std::vector<uint16_t> y;
  for (float v : x) {
    uint32_t bits;
    std::memcpy(&bits, &v, 4);
    y.push_back(static_cast<uint16_t>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16));
  }
  return y;
}
std::vector<float> widen(const std::vector<uint16_t>& x) {
  std::vector<float> y;
  for (uint16_t v : x) {
    const uint32_t bits = uint32_t{v} << 16;
    float value;
    std::memcpy(&value, &bits, 4);
    y.push_back(value);
  }
  return y;
}

/** bf16 rows through the GPU's tensor-core passes. */
struct TensorCores {
  const Forest& forest;
  Heads heads;
  std::vector<uint16_t> qkv, dout, out, dqkv, pages;
  std::vector<float> lse;
  KvCache cache;
  std::unique_ptr<Device> device = gpu_device();

  TensorCores(const Forest& forest, Heads heads, std::vector<uint16_t> qkv, std::vector<uint16_t> dout)
      : forest(forest), heads(heads), qkv(std::move(qkv)), dout(std::move(dout)), out(this->dout.size()), dqkv(this->qkv.size(), 0x7fff),
        lse(static_cast<size_t>(forest.rows() * heads.heads)) {
    cache.layers = 1, cache.pages = static_cast<int64_t>(forest.pages.size());
    cache.kv_heads = heads.kv_heads, cache.head_dim = heads.head_dim, cache.dtype = Dtype::bf16;
    pages.assign(cache.bytes() / 2, 0x7fff);
    cache.data = pages.data();
    kv_append(*device, cache, 0, all(this->qkv), forest.view(), heads);
    attention_forward(*device, all(out), view(lse, forest.rows(), heads.heads), all(this->qkv), cache, 0, forest.view(), heads);
  }
  Tensor all(std::vector<uint16_t>& x) const {
    return {x.data(), forest.rows(), static_cast<int64_t>(x.size()) / forest.rows(), Dtype::bf16};
  }
  void backward() {
    ForestView v = forest.view();
    v.pages = nullptr, v.page_begin = nullptr;
    attention_backward(*device, all(dqkv), all(dout), all(out), view(lse, forest.rows(), heads.heads), all(qkv), v, heads);
  }
  /** Some rows again, as a decoder asks for them: out of the cache, a short tile each; `longest` allows a block per split. */
  std::vector<uint16_t> again(const std::vector<int64_t>& rows, int64_t longest) {
    const auto n = static_cast<int64_t>(rows.size()), W = heads.qkv();
    std::vector<uint16_t> x, y(static_cast<size_t>(n * heads.q()));
    std::vector<int32_t> segment, position;
    for (int64_t row : rows) {
      x.insert(x.end(), qkv.begin() + row * W, qkv.begin() + (row + 1) * W);
      segment.push_back(forest.segment[static_cast<size_t>(row)]);
      position.push_back(forest.position[static_cast<size_t>(row)]);
    }
    ForestView v = forest.view();
    v.rows = n, v.longest = longest, v.segment = segment.data(), v.position = position.data(), v.row_begin = nullptr;
    attention_forward(*device, {y.data(), n, heads.q(), Dtype::bf16}, Tensor{}, {x.data(), n, W, Dtype::bf16}, cache, 0, v, heads);
    return y;
  }
};

void test_tensor_cores(const Forest& forest, Heads heads, bool judged) {
  Random random(static_cast<uint64_t>(forest.rows() * 31 + heads.head_dim));
  TensorCores gpu(forest, heads, narrow(random.normals(forest.rows() * heads.qkv(), 1.2)), narrow(random.normals(forest.rows() * heads.q())));
  if (judged) {
    const Rows qkv = exact(widen(gpu.qkv));
    Rows out, lse;
    judge_forward(forest, heads, qkv, &out, &lse);
    // P, dS and the results are rounded to bf16, 2^-9 each; scores and sums are f32.
    check_near(widen(gpu.out), out, 6e-3);
    check_near(gpu.lse, lse, 2e-6);
    gpu.backward();
    check_near(widen(gpu.dqkv), judge_backward(forest, heads, qkv, exact(widen(gpu.dout))), 1e-2);
    const auto first = gpu.dqkv;
    gpu.backward();
    CHECK(gpu.dqkv == first);
  }
  for (size_t s = 0; s < forest.segments.size(); s++) {
    const int64_t end = forest.row_begin[s + 1], row = std::max<int64_t>(forest.row_begin[s], end - 3);
    const std::vector<int64_t> rows{row, end - 1};
    for (int64_t longest : {int64_t{0}, int64_t{forest.position[static_cast<size_t>(end - 1)]} + 1}) {
      const auto alone = gpu.again(rows, longest);
      bool same = true;
      for (size_t i = 0; i < rows.size(); i++)
        same &= std::memcmp(&alone[i * static_cast<size_t>(heads.q())], &gpu.out[static_cast<size_t>(rows[i] * heads.q())],
                            static_cast<size_t>(heads.q()) * 2) == 0;
      CHECK(same);
    }
  }
  // Every path as a sequence of its own.
  std::vector<Segment> segments;
  std::vector<uint16_t> x;
  std::vector<int64_t> origin;
  for (size_t s = 0; s < forest.segments.size(); s++) {
    const auto path = forest.path(forest.row_begin[s + 1] - 1);
    segments.push_back({-1, 0, static_cast<int>(path.size())});
    for (int64_t row : path) {
      origin.push_back(row);
      x.insert(x.end(), gpu.qkv.begin() + row * heads.qkv(), gpu.qkv.begin() + (row + 1) * heads.qkv());
    }
  }
  const Forest copies(segments);
  const TensorCores copied(copies, heads, x, std::vector<uint16_t>(origin.size() * static_cast<size_t>(heads.q())));
  bool same = true;
  for (size_t i = 0; i < origin.size(); i++)
    same &= std::memcmp(&copied.out[i * static_cast<size_t>(heads.q())], &gpu.out[static_cast<size_t>(origin[i] * heads.q())],
                        static_cast<size_t>(heads.q()) * 2) == 0;
  CHECK(same);
}

void test_judge_by_finite_differences() {
  const Forest forest({{-1, 0, 3}, {0, 2, 3}, {0, 3, 2}, {1, 1, 2}});
  const Heads heads{4, 2, 6};
  Random random(99);
  const auto x = random.normals(forest.rows() * heads.qkv()), g = random.normals(forest.rows() * heads.q());
  Rows qkv = exact(x);
  const Rows dout = exact(g);
  const Rows dqkv = judge_backward(forest, heads, qkv, dout);
  const auto loss = [&] {
    Rows out, lse;
    judge_forward(forest, heads, qkv, &out, &lse);
    double sum = 0;
    for (size_t i = 0; i < out.size(); i++) sum += out[i] * dout[i];
    return sum;
  };
  for (size_t i = 0; i < qkv.size(); i++) CHECK_NEAR(slope(qkv, i, loss), dqkv[i], 1e-8);
}

/** Large scores, a long path, tied maxima: the softmax neither overflows nor loses its sum. */
void test_extremes() {
  const Heads heads{2, 1, 8};
  const Forest forest({{-1, 0, 1500}, {0, 1499, 3}});
  Random random(5);
  auto qkv = random.normals(forest.rows() * heads.qkv(), 40);
  for (size_t i = 0; i < 500 * static_cast<size_t>(heads.qkv()); i++) qkv[i] = 1;
  const Rows wide = exact(qkv);
  Rows out, lse;
  judge_forward(forest, heads, wide, &out, &lse);
  for (auto& device : devices(2)) {
    const Result r = forward(*device, forest, heads, qkv);
    check_near(r.out, out, 2e-3);  // scores of several thousand: one part in 2^24 of them is an error of 1e-3 in e^s
    check_near(r.lse, lse, 1e-6);
    for (int64_t row = 0; row < 500; row++) CHECK_NEAR(r.out[static_cast<size_t>(row * heads.q())], 1, 1e-6);
  }
}

void test_refusals() {
  const Forest forest({{-1, 0, 1}});
  for (auto& device : devices(1))
    for (const Heads& heads : {Heads{1, 1, 8}, Heads{1, 1, 7}}) {
      std::vector<float> qkv(static_cast<size_t>(heads.qkv())), out(static_cast<size_t>(heads.q()));
      Cache cache(forest, heads);
      if (heads.head_dim == 8) cache.view.dtype = Dtype::bf16;
      std::string said;
      try {
        attention_forward(*device, view(out, 1, heads.q()), Tensor{}, view(qkv, 1, heads.qkv()), cache.view, 0, forest.view(),
                          heads);
      } catch (const std::runtime_error& error) {
        said = error.what();
      }
      CHECK(said.rfind("attention_forward: ", 0) == 0);
    }
}

}  // namespace

int main() {
  test_judge_by_finite_differences();
  test_shapes();
  if (gpu_device()) {
    for (const auto& segments : kForests) test_tensor_cores(Forest(segments), {7, 1, 64}, true);
    for (const Heads& heads : {Heads{4, 2, 128}, Heads{2, 1, 96}, Heads{1, 1, 256}})
      for (size_t i : {1u, 2u, 4u}) test_tensor_cores(Forest(kForests[i]), heads, true);
    test_tensor_cores(Forest({{-1, 0, 300}, {0, 290, 280}, {0, 255, 4}, {1, 200, 3}}), {2, 1, 64}, true);
    // Where the splits of a path are 1,024 positions, and gradients are summed in parts of 2,048 rows.
    if (cuda_wanted()) test_tensor_cores(Forest({{-1, 0, 2500}, {0, 2400, 2200}, {0, 1024, 4}, {1, 2000, 3}}), {1, 1, 128}, true);
  }
  test_extremes();
  test_refusals();
  return finish("attention");
}
