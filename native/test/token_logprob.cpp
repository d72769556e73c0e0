// The fused LM head against a plain softmax in double, its gradients against finite differences of that judge, and the same
// bits for any batch, thread count and form.
#include <functional>

#include "../kernels/kernels.h"
#include "check.h"

using namespace rectify;

namespace {

struct Case {
  int64_t rows, width, vocabulary;
  float temperature;
  Dtype dtype = Dtype::f32;
  std::vector<float> hidden, weight, dlogp, dentropy;
  std::vector<int32_t> row, target;

  /** Rows with one pair, some with none, and one with many (a prompt's last row), two of them the same token. */
  Case(int64_t rows, int64_t width, int64_t vocabulary, float temperature, Dtype dtype = Dtype::f32)
      : rows(rows), width(width), vocabulary(vocabulary), temperature(temperature), dtype(dtype) {
    test::Random random(static_cast<uint64_t>(rows * 7919 + width * 31 + vocabulary));
    hidden = random.normals(rows * width);
    weight = random.normals(vocabulary * width, 1.5 / std::sqrt(static_cast<double>(width)));
    for (int64_t r = 0; r < rows; r++) {
      const int64_t pairs = r % 5 == 4 ? 0 : r == rows / 2 ? 9 : 1;
      for (int64_t i = 0; i < pairs; i++) {
        row.push_back(static_cast<int32_t>(r));
        target.push_back(static_cast<int32_t>(i == 1 ? target.back() : random.below(vocabulary)));
      }
    }
    dlogp = random.normals(count());
    dentropy = random.normals(rows);
  }
  int64_t count() const { return static_cast<int64_t>(row.size()); }
  TokenPairs pairs() const { return {count(), row.data(), target.data()}; }
};

struct Packed {
  std::unique_ptr<Buffer> buffer;
  Panels panels;
  Packed(Device& device, Case& c) : panels{nullptr, c.vocabulary, c.width, c.dtype} {
    buffer = std::make_unique<Buffer>(device, panels.bytes());
    panels.data = buffer->data();
    pack_panels(device, panels, test::view(c.weight, c.vocabulary, c.width));
  }
};

struct Outputs {
  std::vector<float> logp, lse, entropy, best, dhidden, dweight;
  explicit Outputs(const Case& c)
      : logp(c.row.size(), -7), lse(static_cast<size_t>(c.rows), -7), entropy(static_cast<size_t>(c.rows), -7),
        best(static_cast<size_t>(c.rows), 7), dhidden(static_cast<size_t>(c.rows * c.width), -7), dweight(static_cast<size_t>(c.vocabulary * c.width), 0.5f) {}
};

bool same(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

Outputs run(Device& device, Case& c, bool with_entropy) {
  Outputs o(c);
  Packed packed(device, c);
  const Tensor hidden = test::view(c.hidden, c.rows, c.width), lse = test::view(o.lse, c.rows, 1),
               entropy = test::view(o.entropy, c.rows, 1);
  token_logprob_forward(device, test::view(o.logp, c.count(), 1), lse, entropy, test::view(o.best, c.rows, 1), hidden, packed.panels, c.pairs(), c.temperature);
  token_logprob_backward(device, test::view(o.dhidden, c.rows, c.width), test::view(o.dweight, c.vocabulary, c.width), hidden,
                         packed.panels, lse, entropy, c.pairs(), test::view(c.dlogp, c.count(), 1),
                         with_entropy ? test::view(c.dentropy, c.rows, 1) : Tensor{}, c.temperature);
  return o;
}

struct Judge {
  std::vector<double> logp, lse, entropy, best;
  std::vector<int32_t> likeliest;
};

Judge judge(const Case& c, const std::vector<double>& hidden, const std::vector<double>& weight) {
  Judge j{std::vector<double>(c.row.size()), std::vector<double>(static_cast<size_t>(c.rows)),
          std::vector<double>(static_cast<size_t>(c.rows)), std::vector<double>(static_cast<size_t>(c.rows)),
          std::vector<int32_t>(static_cast<size_t>(c.rows))};
  std::vector<double> z(static_cast<size_t>(c.vocabulary));
  size_t pair = 0;
  for (int64_t r = 0; r < c.rows; r++) {
    double top = -1e300, sum = 0, mean = 0;
    for (int64_t v = 0; v < c.vocabulary; v++) {
      double dot = 0;
      for (int64_t k = 0; k < c.width; k++)
        dot += hidden[static_cast<size_t>(r * c.width + k)] * weight[static_cast<size_t>(v * c.width + k)];
      z[static_cast<size_t>(v)] = dot / c.temperature;
      if (z[static_cast<size_t>(v)] > top) top = z[static_cast<size_t>(v)], j.likeliest[static_cast<size_t>(r)] = static_cast<int32_t>(v);
    }
    for (double value : z) sum += std::exp(value - top), mean += value * std::exp(value - top);
    const double lse = top + std::log(sum);
    j.lse[static_cast<size_t>(r)] = lse;
    j.entropy[static_cast<size_t>(r)] = lse - mean / sum;
    j.best[static_cast<size_t>(r)] = top - lse;
    for (; pair < c.row.size() && c.row[pair] == r; pair++) j.logp[pair] = z[static_cast<size_t>(c.target[pair])] - lse;
  }
  return j;
}

std::vector<double> widened(const std::vector<float>& v, Dtype dtype) {
  std::vector<double> d;
  for (float x : v) {
    uint32_t u;
    std::memcpy(&u, &x, 4);
    if (dtype == Dtype::bf16) u = (u + 0x7fff + ((u >> 16) & 1)) & 0xffff0000u;
    std::memcpy(&x, &u, 4);
    d.push_back(x);
  }
  return d;
}

double objective(const Case& c, const std::vector<double>& hidden, const std::vector<double>& weight, bool with_entropy) {
  const Judge j = judge(c, hidden, weight);
  double sum = 0;
  for (size_t i = 0; i < c.row.size(); i++) sum += c.dlogp[i] * j.logp[i];
  for (size_t r = 0; with_entropy && r < j.entropy.size(); r++) sum += c.dentropy[r] * j.entropy[r];
  return sum;
}

void check_against_judge(Device& device, Case c) {
  const auto hidden = widened(c.hidden, c.dtype), weight = widened(c.weight, c.dtype);
  const Judge expected = judge(c, hidden, weight);
  const Outputs actual = run(device, c, false);
  // logits of size 10 in f32 chains of `width` terms, e^z within 2 ulp: 1e-5 is some ten roundings.
  double worst = 0;
  for (size_t i = 0; i < c.row.size(); i++) worst = std::fmax(worst, std::fabs(actual.logp[i] - expected.logp[i]));
  for (size_t r = 0; r < expected.lse.size(); r++) {
    worst = std::fmax(worst, std::fabs(actual.lse[r] - expected.lse[r]));
    worst = std::fmax(worst, std::fabs(actual.entropy[r] - expected.entropy[r]));
    worst = std::fmax(worst, std::fabs(actual.best[r] - expected.best[r]));
  }
  CHECK_NEAR(worst, 0, 1.5e-5);
  // Asked for the likeliest token, logp is `best` to the bit; for another it is less.
  for (size_t i = 0; i < c.row.size(); i++) c.target[i] = expected.likeliest[static_cast<size_t>(c.row[i])];
  const Outputs again = run(device, c, false);
  for (size_t i = 0; i < c.row.size(); i++) CHECK(again.logp[i] == actual.best[static_cast<size_t>(c.row[i])]);
}

void check_gradient(Device& device, Case c, bool with_entropy) {
  const Outputs actual = run(device, c, with_entropy);
  const auto hidden = widened(c.hidden, c.dtype), weight = widened(c.weight, c.dtype);
  // Central differences of a double judge are good to 1e-8; f32 leaves 1e-5, bf16 rounds dz itself to 2^-9 of each term.
  const double tolerance = c.dtype == Dtype::bf16 ? 0.02 : 3e-5, h = 1e-5;
  test::Random random(3);
  for (int sample = 0; sample < 24; sample++) {
    for (bool of_weight : {false, true}) {
      auto values = of_weight ? weight : hidden;
      const auto i = static_cast<size_t>(random.below(static_cast<int64_t>(values.size())));
      const auto value = [&](double step) {
        auto moved = values;
        moved[i] += step;
        return of_weight ? objective(c, hidden, moved, with_entropy) : objective(c, moved, weight, with_entropy);
      };
      const double expected = (value(h) - value(-h)) / (2 * h);
      CHECK_NEAR(of_weight ? actual.dweight[i] - 0.5 : actual.dhidden[i], expected, tolerance);
    }
  }
}

struct LossCall {
  const Case* c;
  Device* device;
  int64_t next = 0, calls = 0;
  std::vector<float> logp;
};

void apply_loss(void* context, int64_t begin, int64_t end, const float* logp, float* dlogp) {
  auto& call = *static_cast<LossCall*>(context);
  CHECK(begin == call.next && end > begin && end <= call.c->count());
  call.next = end;
  call.calls++;
  const size_t count = static_cast<size_t>(end - begin), had = call.logp.size();
  call.logp.resize(had + count);
  call.device->copy_out(&call.logp[had], logp, count * sizeof(float));
  call.device->copy_in(dlogp, &call.c->dlogp[static_cast<size_t>(begin)], count * sizeof(float));
}

/** The one-pass form gives what forward and backward give, and so do other threads and batches. */
int64_t check_bits(const std::function<std::unique_ptr<Device>(int threads)>& open, Case c) {
  int64_t calls = 0;
  const Outputs whole = run(*open(1), c, false);
  for (int threads : {1, 2, 3}) {
    const auto device = open(threads);
    const Outputs again = run(*device, c, false);
    CHECK(same(again.logp, whole.logp) && same(again.lse, whole.lse) && same(again.entropy, whole.entropy));
    CHECK(same(again.dhidden, whole.dhidden) && same(again.dweight, whole.dweight));

    Outputs one(c);
    Packed packed(*device, c);
    LossCall call{&c, device.get(), 0, 0, {}};
    token_logprob_loss(*device, test::view(one.dhidden, c.rows, c.width), test::view(one.dweight, c.vocabulary, c.width),
                       test::view(one.logp, c.count(), 1), test::view(one.entropy, c.rows, 1), test::view(one.best, c.rows, 1),
                       test::view(c.hidden, c.rows, c.width), packed.panels, c.pairs(), c.temperature, apply_loss, &call);
    CHECK(call.next == c.count() && same(call.logp, whole.logp));
    CHECK(same(one.logp, whole.logp) && same(one.entropy, whole.entropy) && same(one.best, whole.best));
    CHECK(same(one.dhidden, whole.dhidden) && same(one.dweight, whole.dweight));
    calls = call.calls;

    // One row at a time.
    size_t pair = 0;
    for (int64_t r = 0; r < c.rows; r += c.rows > 40 ? 17 : 1) {
      Case single(1, c.width, c.vocabulary, c.temperature, c.dtype);
      single.weight = c.weight;
      single.hidden.assign(c.hidden.begin() + r * c.width, c.hidden.begin() + (r + 1) * c.width);
      single.row.clear(), single.target.clear(), single.dlogp.clear();
      while (pair < c.row.size() && c.row[pair] < r) pair++;
      for (size_t i = pair; i < c.row.size() && c.row[i] == r; i++)
        single.row.push_back(0), single.target.push_back(c.target[i]), single.dlogp.push_back(c.dlogp[i]);
      const Outputs alone = run(*device, single, false);
      for (size_t i = 0; i < alone.logp.size(); i++) CHECK(alone.logp[i] == whole.logp[pair + i]);
      CHECK(alone.lse[0] == whole.lse[static_cast<size_t>(r)]);
      CHECK(alone.entropy[0] == whole.entropy[static_cast<size_t>(r)]);
      CHECK(std::memcmp(alone.dhidden.data(), &whole.dhidden[static_cast<size_t>(r * c.width)], alone.dhidden.size() * 4) == 0);
    }
  }
  return calls;
}

/** Rows cut into micro-batches leave the same weight gradient. */
void check_micro_batches(Device& device) {
  Case c(31, 40, 1100, 0.9f);
  const Outputs whole = run(device, c, false);
  Outputs cut(c);
  Packed packed(device, c);
  for (int64_t from = 0; from < c.rows; from += 7) {
    const int64_t rows = std::min<int64_t>(7, c.rows - from);
    std::vector<int32_t> row, target;
    std::vector<float> dlogp;
    for (size_t i = 0; i < c.row.size(); i++)
      if (c.row[i] >= from && c.row[i] < from + rows)
        row.push_back(c.row[i] - static_cast<int32_t>(from)), target.push_back(c.target[i]), dlogp.push_back(c.dlogp[i]);
    std::vector<float> logp(row.size());
    const auto count = static_cast<int64_t>(row.size());
    const TokenPairs pairs{count, row.data(), target.data()};
    const Tensor hidden = test::view(c.hidden, c.rows, c.width).slice(from, rows);
    const Tensor lse = test::view(cut.lse, c.rows, 1).slice(from, rows), entropy = test::view(cut.entropy, c.rows, 1).slice(from, rows);
    token_logprob_forward(device, test::view(logp, count, 1), lse, entropy, {}, hidden, packed.panels, pairs, c.temperature);
    token_logprob_backward(device, test::view(cut.dhidden, c.rows, c.width).slice(from, rows),
                           test::view(cut.dweight, c.vocabulary, c.width), hidden, packed.panels, lse, entropy, pairs,
                           test::view(dlogp, count, 1), {}, c.temperature);
  }
  CHECK(same(cut.dweight, whole.dweight) && same(cut.dhidden, whole.dhidden));
}

void check_nan(Device& device) {
  Case c(12, 20, 600, 1);
  const Outputs clean = run(device, c, true);
  c.hidden[3 * 20] = NAN;
  c.hidden[5 * 20] = INFINITY;
  const Outputs o = run(device, c, true);
  for (size_t r = 0; r < 12; r++) {
    const bool bad = r == 3 || r == 5;
    CHECK(bad ? std::isnan(o.lse[r]) && std::isnan(o.entropy[r]) && std::isnan(o.dhidden[r * 20]) : o.lse[r] == clean.lse[r]);
  }
  for (size_t i = 0; i < c.row.size(); i++)
    CHECK(c.row[i] == 3 || c.row[i] == 5 ? std::isnan(o.logp[i]) : o.logp[i] == clean.logp[i]);
}

}  // namespace

int main() {
  for (int threads : {1, 3})
    for (auto& device : threads == 1 || test::cuda_wanted() ? test::all_devices(threads) : test::devices(threads)) {
      check_against_judge(*device, Case(1, 1, 1, 1));
      check_against_judge(*device, Case(1, 3, 2, 1));
      check_against_judge(*device, Case(7, 64, 38, 0.7f));
      check_against_judge(*device, Case(33, 31, 513, 1));
      check_against_judge(*device, Case(20, 33, 1545, 1.3f));
      check_against_judge(*device, Case(20, 33, 1545, 1.3f, Dtype::bf16));
      check_against_judge(*device, Case(5, 8, 9000, 1));
      for (Dtype dtype : {Dtype::f32, Dtype::bf16})
        for (bool with_entropy : {false, true}) {
          check_gradient(*device, Case(7, 9, 38, 0.7f, dtype), with_entropy);
          check_gradient(*device, Case(6, 17, 650, 1, dtype), with_entropy);
        }
      check_micro_batches(*device);
      check_nan(*device);
    }
  for (size_t target = 0; !test::cuda_wanted() && target < test::devices().size(); target++) {
    const auto open = [&](int threads) { return std::move(test::devices(threads)[target]); };
    CHECK(check_bits(open, Case(37, 33, 1545, 0.8f)) == 1);
    CHECK(check_bits(open, Case(30, 64, 38, 1)) == 1);
    CHECK(check_bits(open, Case(30, 34, 700, 1, Dtype::bf16)) == 1);
    CHECK(check_bits(open, Case(700, 4, 30000, 1)) == 2);   // several chunks of kept logits
    CHECK(check_bits(open, Case(66, 2, 240001, 1)) == 1);   // too few rows fit: two passes
  }
  if (test::gpu_device()) {
    CHECK(check_bits(test::gpu_device, Case(37, 33, 1545, 0.8f)) == 1);
    CHECK(check_bits(test::gpu_device, Case(30, 34, 700, 1, Dtype::bf16)) == 1);
    // The GPU's chunks: as many times 128 rows as its memory for logits holds, in the emulation few.
    if (test::cuda_wanted()) {
      CHECK(check_bits(test::gpu_device, Case(1300, 8, 152064, 1, Dtype::bf16)) == 2);
    } else {
      CHECK(check_bits(test::gpu_device, Case(300, 4, 1030, 1)) == 3);
      CHECK(check_bits(test::gpu_device, Case(300, 6, 1030, 1, Dtype::bf16)) == 3);
    }
  }
  return test::finish("token_logprob");
}
