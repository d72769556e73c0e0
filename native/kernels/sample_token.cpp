// One token per row of logits [R, V]. First logp and entropy of softmax(logits / temperature), by the same steps as
// token_logprob; then Hugging Face's order of processors: repetition penalty, temperature, top-k, top-p, min-p; then a draw
// by inverse transform, with the uniform number Philox(seed; position, sample, prompt, step).
//   penalty: z > 0 ? z / penalty : z * penalty, once per token of the history     top-k: z >= the k-th largest
//   top-p: kept while the tokens before it (larger z, or equal z and smaller id) hold less than top_p of what top-k left
//   min-p: p >= min_p * largest p
// Temperature 0 takes the largest z (the smallest id of equals), and logp and entropy are those of temperature 1.
// NaN logits are never chosen while another is left; their row's logp and entropy are NaN. One -inf makes entropy NaN only.
#include "philox.h"
#include "softmax_stats.h"

namespace rectify::RECTIFY_TARGET {

namespace {

constexpr float kNever = -__builtin_inff();

/** Bits that order as the floats do. */
uint32_t order_bits(float z) {
  z += 0.0f;  // -0 is 0
  uint32_t u;
  memcpy(&u, &z, sizeof u);
  return u & 0x80000000u ? ~u : u | 0x80000000u;
}

/** Scratch of one row. */
struct Work {
  double mass[2048];
  int64_t count[2048];
  uint64_t seen[1];  // bits of the vocabulary
};

constexpr int kShifts[4] = {32, 21, 10, 0};

float largest(const float* z, int64_t n) {
  v16f top = broadcast(kNever);
  int64_t i = 0;
  for (; i + 16 <= n; i += 16) top = max16(load16(z + i), top);
  if (i < n) top = max16(load16_part(z + i, n - i, kNever), top);
  return largest16(top);
}

/** e^(z - m) of up to 16 entries, 0 where z is -inf. */
v16f weights(const float* z, int64_t n, float m) {
  const v16f none = broadcast(kNever), zero = {};
  const v16f v = n >= 16 ? load16(z) : load16_part(z, n, kNever);
  return select16(less16(none, v), exp16(v - m), zero);
}

/**
 * Finds, in descending order of z, the entry at which `reached(entries before it, their mass)` first holds, by three rounds
 * over the digits of order_bits. Returns its bits, and through `equals` how many entries equal to it come before.
 */
template <typename Reached>
RECTIFY_INLINE uint32_t find_descending(Work& w, const float* z, int64_t n, float m, bool needs_mass, int64_t* equals,
                                        const Reached& reached) {
  uint32_t prefix = 0;
  int64_t before = 0;
  double mass_before = 0;
  for (int round = 0; round < 3; round++) {
    const int shift = kShifts[round + 1], digits = 1 << (kShifts[round] - shift);
    memset(w.mass, 0, sizeof w.mass);
    memset(w.count, 0, sizeof w.count);
    for (int64_t i = 0; i < n; i += 16) {
      const int64_t group = n - i < 16 ? n - i : 16;
      float e[16] = {};
      if (needs_mass) store16(e, weights(z + i, group, m));
      for (int64_t k = 0; k < group; k++) {
        if (!(z[i + k] > kNever)) continue;
        const uint32_t bits = order_bits(z[i + k]);
        if (round > 0 && bits >> kShifts[round] != prefix) continue;
        const uint32_t digit = bits >> shift & static_cast<uint32_t>(digits - 1);
        w.count[digit]++;
        w.mass[digit] += e[k];
      }
    }
    int digit = digits - 1;
    // The last digit with entries is the answer when no earlier one is: sums may fall short of 1 by a rounding.
    int last = digit;
    for (; digit >= 0; digit--) {
      if (w.count[digit] == 0) continue;
      last = digit;
      if (reached(before + w.count[digit], mass_before + w.mass[digit])) break;
      before += w.count[digit];
      mass_before += w.mass[digit];
    }
    if (digit < 0) {
      digit = last;
      before -= w.count[digit];
      mass_before -= w.mass[digit];
    }
    prefix = (round == 0 ? 0 : prefix << (kShifts[round] - shift)) | static_cast<uint32_t>(digit);
  }
  // All entries left are equal: how many of them are needed?
  const int64_t many = w.count[prefix & 1023];
  const double each = w.mass[prefix & 1023] / static_cast<double>(many);
  int64_t need = 1;
  while (need < many && !reached(before + need, mass_before + each * static_cast<double>(need))) need++;
  *equals = need;
  return prefix;
}

void keep_top_k(Work& w, float* z, int64_t n, int64_t k) {
  int64_t equals;
  const uint32_t threshold =
      find_descending(w, z, n, 0, false, &equals, [k](int64_t entries, double) { return entries >= k; });
  for (int64_t i = 0; i < n; i++)
    if (!(order_bits(z[i]) >= threshold)) z[i] = kNever;
}

double total_weight(const float* z, int64_t n, float m) {
  double total = 0;
  for (int64_t i = 0; i < n; i += 16) total += static_cast<double>(sum16(weights(z + i, n - i, m)));
  return total;
}

void keep_top_p(Work& w, float* z, int64_t n, float m, float p) {
  const double wanted = static_cast<double>(p) * total_weight(z, n, m);
  int64_t equals;
  const uint32_t threshold =
      find_descending(w, z, n, m, true, &equals, [wanted](int64_t, double mass) { return mass >= wanted; });
  for (int64_t i = 0; i < n; i++) {
    const uint32_t bits = order_bits(z[i]);
    if (bits > threshold || (bits == threshold && equals-- > 0)) continue;
    z[i] = kNever;
  }
}

void keep_min_p(float* z, int64_t n, float m, float min_p) {
  for (int64_t i = 0; i < n; i += 16) {
    const int64_t group = n - i < 16 ? n - i : 16;
    float e[16];
    store16(e, weights(z + i, group, m));
    for (int64_t k = 0; k < group; k++)
      if (e[k] < min_p) z[i + k] = kNever;
  }
}

/** The first entry whose running sum of weights passes uniform * total; groups of 16 are added as total_weight adds them. */
int64_t draw(const float* z, int64_t n, float m, double uniform) {
  const double target = uniform * total_weight(z, n, m);
  double sum = 0;
  for (int64_t i = 0; i < n; i += 16) {
    const v16f w = weights(z + i, n - i, m);
    const auto group = static_cast<double>(sum16(w));
    if (sum + group <= target) {
      sum += group;
      continue;
    }
    float e[16];
    store16(e, w);
    int64_t chosen = i;
    for (int64_t k = 0; k < 16 && sum <= target; k++) {
      if (e[k] == 0) continue;
      chosen = i + k;
      sum += static_cast<double>(e[k]);
    }
    return chosen;
  }
  return 0;
}

int64_t first_of_largest(const float* z, int64_t n, float m) {
  for (int64_t i = 0; i < n; i++)
    if (z[i] == m) return i;
  return 0;
}

void penalise(Work& w, float* z, int64_t n, const int32_t* history, int64_t length, float penalty) {
  for (int64_t i = 0; i < length; i++) {
    const int64_t id = history[i];
    if (id < 0 || id >= n || w.seen[id / 64] >> (id % 64) & 1) continue;
    w.seen[id / 64] |= uint64_t{1} << (id % 64);
    z[id] = z[id] > 0 ? z[id] / penalty : z[id] * penalty;
  }
  for (int64_t i = 0; i < length; i++)
    if (history[i] >= 0 && history[i] < n) w.seen[history[i] / 64] = 0;
}

int64_t choose(Work& w, float* z, int64_t n, const SampleConfig& config, const DrawKey& key) {
  const float m = largest(z, n);
  if (config.temperature == 0 || !(m > kNever && m < -kNever)) return first_of_largest(z, n, m);
  if (config.top_k > 0 && config.top_k < n) keep_top_k(w, z, n, config.top_k);
  if (config.top_p < 1) keep_top_p(w, z, n, m, config.top_p);
  if (config.min_p > 0) keep_min_p(z, n, m, config.min_p);
  return draw(z, n, m, philox_uniform(key));
}

}  // namespace

void sample_token(Device& device, Tensor ids, Tensor logp, Tensor entropy, Tensor logits, SampleConfig config,
                  const DrawKey* keys, const int32_t* history_begin, const int32_t* history) {
  const int64_t n = logits.cols;
  const float scale = config.temperature == 0 ? 1 : 1 / config.temperature;
  const bool penalty = config.repetition_penalty != 1 && history_begin;
  parallel(device, logits.rows, 1, logits.size() * 32, [&](int64_t begin, int64_t end, int thread) {
    const size_t seen_bytes = static_cast<size_t>(n + 63) / 64 * sizeof(uint64_t);
    auto& work = *static_cast<Work*>(
        device.scratch(thread, sizeof(Work) + seen_bytes + (penalty ? static_cast<size_t>(n) * sizeof(float) : 0)));
    auto* copy = reinterpret_cast<float*>(work.seen + seen_bytes / sizeof(uint64_t));
    memset(work.seen, 0, seen_bytes);
    for (int64_t r = begin; r < end; r++) {
      float* z = logits.f32() + r * n;
      scale_logits(z, n, scale);
      SoftmaxStats stats;
      for (int64_t i = 0; i < n; i += kVocabTile) add_tile(stats, z + i, n - i < kVocabTile ? n - i : kVocabTile);
      const SoftmaxResult result = finish(stats);
      const float* raw = z;
      if (penalty) {
        raw = static_cast<const float*>(memcpy(copy, z, static_cast<size_t>(n) * sizeof(float)));
        penalise(work, z, n, history + history_begin[r], history_begin[r + 1] - history_begin[r], config.repetition_penalty);
      }
      const int64_t id = choose(work, z, n, config, keys[r]);
      ids.i32()[r] = static_cast<int32_t>(id);
      logp.f32()[r] = raw[id] - result.lse;
      entropy.f32()[r] = result.entropy;
    }
  });
}

}  // namespace rectify::RECTIFY_TARGET
