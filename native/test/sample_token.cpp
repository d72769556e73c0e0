// Sampling: Philox's published vectors, supports of top-k, top-p and min-p against a sorting judge, frequencies against exact
// probabilities (chi-square), log-probabilities equal to token_logprob's bits, and draws that depend on their key alone.
#include <algorithm>

#include "../kernels/kernels.h"
#include "../kernels/philox.h"
#include "check.h"

using namespace rectify;
using test::is_gpu;

namespace {

struct Sampled {
  std::vector<int32_t> ids;
  std::vector<float> logp, entropy;
};

/** Samples rows[i] of `logits` with keys[i]; logits are left as they are. */
Sampled sample(Device& device, const std::vector<float>& logits, int64_t n, const SampleConfig& config,
               const std::vector<DrawKey>& keys, const std::vector<std::vector<int32_t>>& history = {}) {
  const auto rows = static_cast<int64_t>(logits.size()) / n;
  auto copy = logits;
  Sampled s{std::vector<int32_t>(static_cast<size_t>(rows)), std::vector<float>(static_cast<size_t>(rows)),
            std::vector<float>(static_cast<size_t>(rows))};
  std::vector<int32_t> begin{0}, tokens;
  for (int64_t r = 0; r < rows; r++) {
    if (!history.empty()) tokens.insert(tokens.end(), history[static_cast<size_t>(r)].begin(), history[static_cast<size_t>(r)].end());
    begin.push_back(static_cast<int32_t>(tokens.size()));
  }
  sample_token(device, test::view(s.ids, rows, 1), test::view(s.logp, rows, 1), test::view(s.entropy, rows, 1),
               test::view(copy, rows, n), config, keys.data(), begin.data(), tokens.data());
  return s;
}

std::vector<DrawKey> numbered_keys(int64_t rows) {
  std::vector<DrawKey> keys;
  for (int64_t r = 0; r < rows; r++) keys.push_back({3, static_cast<int32_t>(r % 8), static_cast<int32_t>(r / 8)});
  return keys;
}

/** Probabilities left by penalty, temperature, top-k, top-p and min-p, by sorting; `margin`: how near a limit was to a choice. */
std::vector<double> judge(const std::vector<float>& logits, const SampleConfig& config, const std::vector<int32_t>& history,
                          double* margin) {
  const size_t n = logits.size();
  std::vector<double> z(logits.begin(), logits.end());
  std::vector<bool> seen(n);
  for (int32_t id : history) {
    const auto i = static_cast<size_t>(id);
    if (!seen[i]) z[i] = z[i] > 0 ? z[i] / config.repetition_penalty : z[i] * config.repetition_penalty;
    seen[i] = true;
  }
  for (auto& v : z) v /= config.temperature;
  std::vector<size_t> order(n);
  for (size_t i = 0; i < n; i++) order[i] = i;
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return z[a] > z[b]; });
  std::vector<double> p(n, 0.0);
  size_t kept = n;
  if (config.top_k > 0 && config.top_k < static_cast<int>(n)) {
    kept = static_cast<size_t>(config.top_k);
    while (kept < n && z[order[kept]] == z[order[kept - 1]]) kept++;
  }
  double total = 0;
  for (size_t i = 0; i < kept; i++) total += p[order[i]] = std::exp(z[order[i]] - z[order[0]]);
  *margin = 1;
  double before = 0;
  const size_t after_k = kept;
  if (config.top_p < 1)
    for (size_t i = 0; i < after_k; i++) {
      if (i > 0) *margin = std::fmin(*margin, std::fabs(before / total - config.top_p));
      if (i > 0 && before / total >= config.top_p) {
        kept = std::min(kept, i);
        p[order[i]] = 0;
      }
      before += std::exp(z[order[i]] - z[order[0]]);
    }
  for (size_t i = 1; i < kept; i++) {
    if (config.min_p > 0) *margin = std::fmin(*margin, std::fabs(p[order[i]] - config.min_p));
    if (p[order[i]] < config.min_p) p[order[i]] = 0;
  }
  total = 0;
  for (double v : p) total += v;
  for (double& v : p) v /= total;
  return p;
}

/** No token outside the support, every token inside it that should come, and chi-square within five of its deviations. */
void check_frequencies(Device& device, const std::vector<float>& logits, const SampleConfig& config,
                       const std::vector<int32_t>& history = {}) {
  const auto n = static_cast<int64_t>(logits.size());
  double margin = 0;
  const auto p = judge(logits, config, history, &margin);
  CHECK(margin > 1e-6);
  const int64_t draws = device.target == Target::emulated ? 120 : 20000;
  std::vector<float> rows;
  for (int64_t i = 0; i < draws; i++) rows.insert(rows.end(), logits.begin(), logits.end());
  const Sampled s = sample(device, rows, n, config, numbered_keys(draws),
                           history.empty() ? std::vector<std::vector<int32_t>>{}
                                           : std::vector<std::vector<int32_t>>(static_cast<size_t>(draws), history));
  std::vector<int64_t> hits(static_cast<size_t>(n));
  for (int32_t id : s.ids) hits[static_cast<size_t>(id)]++;
  double chi = 0, rest = 0, rest_hits = 0;
  int64_t cells = 0;
  for (size_t i = 0; i < p.size(); i++) {
    if (p[i] == 0) CHECK(hits[i] == 0);
    const double expected = p[i] * draws, seen = static_cast<double>(hits[i]);
    if (p[i] > 0 && expected > 25) CHECK(hits[i] > 0);
    if (expected < 8) {
      rest += expected, rest_hits += seen;
      continue;
    }
    chi += (seen - expected) * (seen - expected) / expected;
    cells++;
  }
  if (rest > 8) chi += (rest_hits - rest) * (rest_hits - rest) / rest, cells++;
  const double freedom = static_cast<double>(cells - 1);
  CHECK(chi <= freedom + 5 * std::sqrt(2 * freedom) + 1);
}

void check_philox() {
  // Known answers of the authors' Random123 distribution (kat_vectors, philox4x32 10).
  const PhiloxWords zero = philox({{0, 0, 0, 0}}, 0);
  const uint32_t of_zero[4] = {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8};
  const PhiloxWords ones = philox({{~0u, ~0u, ~0u, ~0u}}, ~uint64_t{0});
  const uint32_t of_ones[4] = {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd};
  const PhiloxWords pi = philox({{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}}, 0x299f31d0a4093822ull);
  const uint32_t of_pi[4] = {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1};
  for (int i = 0; i < 4; i++) CHECK(zero.word[i] == of_zero[i] && ones.word[i] == of_ones[i] && pi.word[i] == of_pi[i]);
}

void check_keys(Device& device, Device& other) {
  const int64_t n = 700, rows = 60;
  test::Random random(9);
  const auto logits = random.normals(n * rows, 2);
  const SampleConfig config;
  auto keys = numbered_keys(rows);
  for (DrawKey& key : keys) key.step = 7, key.seed_low = 42;
  const Sampled whole = sample(device, logits, n, config, keys), threaded = sample(other, logits, n, config, keys);
  CHECK(threaded.ids == whole.ids && threaded.logp == whole.logp && threaded.entropy == whole.entropy);
  for (int64_t r = rows - 1; r >= 0; r--) {
    const Sampled one = sample(device, {logits.begin() + r * n, logits.begin() + (r + 1) * n}, n, config,
                               {keys[static_cast<size_t>(r)]});
    CHECK(one.ids[0] == whole.ids[static_cast<size_t>(r)] && one.logp[0] == whole.logp[static_cast<size_t>(r)]);
  }
  // A CPU and a GPU draw the same tokens: none of these falls on a boundary.
  if (is_gpu(device)) {
    const Sampled cpu = sample(*open_device("cpu", 1), logits, n, config, keys);
    CHECK(cpu.ids == whole.ids);
    for (size_t r = 0; r < cpu.ids.size(); r++) CHECK_NEAR(cpu.logp[r], whole.logp[r], 5e-6);
    SampleConfig cut = config;
    cut.top_k = 40, cut.top_p = 0.9f, cut.min_p = 0.001f, cut.temperature = 0.8f;
    CHECK(sample(*open_device("cpu", 1), logits, n, cut, keys).ids == sample(device, logits, n, cut, keys).ids);
  }
  // Each part of the key matters.
  const auto differs = [&](auto change) {
    auto moved = keys;
    for (DrawKey& key : moved) change(key);
    return sample(device, logits, n, config, moved).ids != whole.ids;
  };
  CHECK(!differs([](DrawKey&) {}));
  CHECK(differs([](DrawKey& key) { key.prompt += 100; }) && differs([](DrawKey& key) { key.sample += 100; }));
  CHECK(differs([](DrawKey& key) { key.position += 100; }) && differs([](DrawKey& key) { key.step++; }));
  CHECK(differs([](DrawKey& key) { key.seed_low++; }) && differs([](DrawKey& key) { key.seed_high++; }));
}

void check_same_bits_as_training(Device& device, float temperature) {
  const int64_t rows = 9, width = 20, vocabulary = 1700;
  test::Random random(13);
  auto hidden = random.normals(rows * width), weight = random.normals(vocabulary * width, 0.4);
  Panels panels{nullptr, vocabulary, width, Dtype::f32};
  Buffer buffer(device, panels.bytes());
  panels.data = buffer.data();
  pack_panels(device, panels, test::view(weight, vocabulary, width));
  std::vector<float> logits(static_cast<size_t>(rows * vocabulary));
  matmul(device, test::view(logits, rows, vocabulary), test::view(hidden, rows, width), panels, {}, false);
  for (int variant = 0; variant < 4; variant++) {
    SampleConfig config;
    config.temperature = temperature;
    if (variant & 1) config.top_k = 50, config.top_p = 0.9f, config.min_p = 0.01f;
    std::vector<std::vector<int32_t>> history;
    if (variant & 2) {
      config.repetition_penalty = 1.5f;
      for (int64_t r = 0; r < rows; r++) {
        history.emplace_back();
        for (int32_t v = 0; v < vocabulary; v++) history.back().push_back(v);
      }
    }
    const Sampled s = sample(device, logits, vocabulary, config, numbered_keys(rows), history);
    std::vector<int32_t> row, target = s.ids;
    for (int32_t r = 0; r < rows; r++) row.push_back(r);
    std::vector<float> logp(9), lse(9), entropy(9);
    token_logprob_forward(device, test::view(logp, rows, 1), test::view(lse, rows, 1), test::view(entropy, rows, 1), {},
                          test::view(hidden, rows, width), panels, {rows, row.data(), target.data()},
                          temperature == 0 ? 1 : temperature);
    CHECK(s.logp == logp && s.entropy == entropy);
  }
}

void check_edges(Device& device) {
  const float inf = INFINITY;
  SampleConfig greedy, plain;
  greedy.temperature = 0;
  const auto pick = [&](std::vector<float> z, const SampleConfig& config, std::vector<int32_t> history = {}) {
    const auto n = static_cast<int64_t>(z.size());
    return sample(device, z, n, config, {DrawKey()}, {history});
  };
  CHECK(pick({1, 5, 5, 2}, greedy).ids[0] == 1);
  CHECK(pick({1, -3, -2}, greedy).ids[0] == 0);
  SampleConfig penalised = greedy;
  penalised.repetition_penalty = 2;
  // 5 / 2 < 3 once; were it applied for each mention, 8 / 2 / 2 would lose too.
  CHECK(pick({1, 5, 3}, penalised, {1}).ids[0] == 2);
  CHECK(pick({1, 8, 3}, penalised, {1, 1, 1}).ids[0] == 1);
  CHECK(pick({-1, -1.5f, -9}, penalised, {0}).ids[0] == 1);
  CHECK(pick({7}, plain).ids[0] == 0 && pick({7}, plain).logp[0] == 0);
  // NaN: never chosen while another is left, and told by logp and entropy.
  for (const SampleConfig& config : {greedy, plain}) {
    const Sampled s = pick({NAN, 0, NAN, -1}, config);
    CHECK(s.ids[0] == 1 || s.ids[0] == 3);
    CHECK(std::isnan(s.logp[0]) && std::isnan(s.entropy[0]));
    CHECK(pick({0, inf, 1}, config).ids[0] == 1);
    CHECK(pick({NAN, NAN}, config).ids[0] == 0 && pick({-inf, -inf}, config).ids[0] == 0);
    CHECK(pick({-inf, 2, -inf}, config).ids[0] == 1);
  }
  SampleConfig tight;
  tight.top_p = 0, tight.top_k = 3, tight.min_p = 1;
  CHECK(pick({0, 3, 1, 3, -2}, tight).ids[0] == 1);
}

}  // namespace

int main() {
  check_philox();
  test::Random random(21);
  const std::vector<float> small = random.normals(38, 2), large = random.normals(600, 2.5);
  std::vector<float> ties = random.normals(60, 2);
  for (size_t i = 0; i < ties.size(); i++) ties[i] = std::round(ties[i]);
  ties[5] = -0.0f, ties[6] = 0.0f;
  auto single = test::all_devices(1), several = test::all_devices(3);
  for (size_t d = 0; d < single.size(); d++) {
    Device& device = *single[d];
    check_keys(device, *several[d]);
    for (float temperature : {0.0f, 1.0f, 0.7f, 1.9f}) {
      check_same_bits_as_training(device, temperature);
      check_same_bits_as_training(*several[d], temperature);
    }
    check_edges(device);
    for (const auto& logits : {small, large, ties}) {
      SampleConfig plain, k, p, m, all, everything;
      k.top_k = 5, p.top_p = 0.61f, m.min_p = 0.043f, m.temperature = 1.4f;
      all.temperature = 0.8f, all.top_k = 20, all.top_p = 0.83f, all.min_p = 0.02f;
      for (const auto& config : {plain, k, p, m, all}) check_frequencies(*several[d], logits, config);
      all.repetition_penalty = 1.3f;
      check_frequencies(device, logits, all, {1, 2, 3, 3, 30});
    }
  }
  return test::finish("sample_token");
}
