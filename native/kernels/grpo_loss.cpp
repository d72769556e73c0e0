// The policy loss of a batch, its gradient for every token's log-probability, and its statistics, in one pass.
//   loss = sum_t w_t (f(r_t, A_t) + beta KL_t),   r_t = exp(logp_t - old_t), or GSPO's exp(mean of that over the sequence)
//   grpo, bnpo, dr_grpo, dapo:  f = -min(min(r, delta) A, clamp(r, 1 - epsilon, 1 + epsilon_high) A)   (2402.03300, 2503.14476)
//   cispo:  f = -min(r, epsilon_high) A logp, the ratio without gradient                               (2506.13585)
//   sapo:   f = -sigmoid(tau (r - 1)) 4 / tau A, tau by the sign of A                                  (2511.20347)
//   KL, d = ref - logp:  k1 = -d,  k2 = d^2 / 2,  k3 = e^d - d - 1;  times r when bias-corrected       (2512.02556)
// Formulas and defaults are TRL's; k1 and k2 put in the place of k3.
#include <cstdio>

#include "kernels.h"
#include "simd.h"

namespace rectify::RECTIFY_TARGET {

namespace {

typedef float v8f __attribute__((vector_size(32)));
typedef double v8d __attribute__((vector_size(64)));
typedef uint64_t v8u __attribute__((vector_size(64)));

constexpr float kInfinity = __builtin_inff();

struct Halves {
  v8d low, high;
};

RECTIFY_INLINE Halves widen(v16f x) {
  v8f half[2];
  memcpy(half, &x, sizeof x);
  return {__builtin_convertvector(half[0], v8d), __builtin_convertvector(half[1], v8d)};
}

/**
 * A sum in fixed point: each value is rounded to a multiple of 2^-bits, and those add up exactly, in whatever order and
 * however the batch is cut. Adding `shift` leaves the multiple in the low bits of the double, which are added as integers.
 */
template <int bits>
struct FixedSum {
  static constexpr double shift = 1.5 * static_cast<double>(int64_t{1} << (52 - bits));
  static constexpr float limit = static_cast<float>(int64_t{1} << (50 - bits));
  v8u lanes = {};
  uint64_t count = 0;

  inline __attribute__((always_inline)) void add(v16f x) {
    const Halves h = widen(min16(max16(x, broadcast(-limit)), broadcast(limit)));
    lanes += (v8u)(h.low + shift) + (v8u)(h.high + shift);
    count += 16;
  }

  double value() const {
    uint64_t shift_bits, total = 0;
    memcpy(&shift_bits, &shift, sizeof shift);
    for (int i = 0; i < 8; i++) total += lanes[i];
    return static_cast<double>(static_cast<int64_t>(total - count * shift_bits)) / static_cast<double>(int64_t{1} << bits);
  }
};

struct Sums {
  FixedSum<40> loss;
  FixedSum<30> entropy, kl, ratio, difference;
  v16i low = {}, high = {};
  v16f ratio_min = broadcast(kInfinity), ratio_max = broadcast(-kInfinity), difference_max = {};
  v16f poison = {};  // NaN once an input was not finite
};

/** Where the next sixteen tokens are read. */
struct Lanes {
  const float *logp, *old_logp, *ref_logp, *advantage, *weight, *entropy;
};

struct Padding {
  float logp[16], old_logp[16], ref_logp[16], advantage[16], weight[16], entropy[16];
};

RECTIFY_INLINE const float* pad(float* to, const float* from, int64_t n) {
  if (!from) return nullptr;
  store16(to, load16_part(from, n, 0));
  return to;
}

enum class Form { clip, cispo, sapo };
enum class Kl { none, k1, k2, k3 };

/** Tokens [begin, end), every one with the ratio of its sequence if `sequence`; returns the gradient for that log-ratio. */
template <Form form, Kl kl, bool sequence>
double pass(float* dlogp, Sums& sums, const Lanes& in, int64_t begin, int64_t end, v16f sequence_ratio, const GrpoConfig& c) {
  const v16i index = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  const v16f zero = {}, one = broadcast(1);
  const v16f low = broadcast(1 - c.epsilon), high = broadcast(1 + c.epsilon_high), cap = broadcast(c.epsilon_high);
  const v16f delta = broadcast(c.delta), beta = broadcast(c.beta);
  const v16f tau_pos = broadcast(c.sapo_temperature_pos), tau_neg = broadcast(c.sapo_temperature_neg);
  Sums s = sums;
  v8d sequence_gradient = {};
  Padding padding;
  for (int64_t i = begin; i < end; i += 16) {
    Lanes at = {in.logp + i, in.old_logp + i, kl == Kl::none ? nullptr : in.ref_logp + i, in.advantage + i, in.weight + i,
                in.entropy ? in.entropy + i : nullptr};
    const int64_t n = end - i;
    // One copy of the arithmetic serves full and partial blocks: a token's bits never depend on where its block begins.
    if (n < 16)
      at = {pad(padding.logp, at.logp, n),           pad(padding.old_logp, at.old_logp, n),
            pad(padding.ref_logp, at.ref_logp, n),   pad(padding.advantage, at.advantage, n),
            pad(padding.weight, at.weight, n),       pad(padding.entropy, at.entropy, n)};
    const v16i used = index < (v16i{} + static_cast<int32_t>(n < 16 ? n : 16));

    const v16f logp = load16(at.logp), a = load16(at.advantage), w = load16(at.weight);
    const v16f difference = logp - load16(at.old_logp);
    const v16f ratio = sequence ? sequence_ratio : exp16(difference);
    v16f poison = difference * zero + a * zero + w * zero;

    v16f value, direct = {}, through = {};  // this token's loss; its derivatives by logp (ratio fixed) and by the log-ratio
    if constexpr (form == Form::clip) {
      const v16f below_delta = min16(ratio, delta), clamped = min16(max16(ratio, low), high);
      const v16f first = below_delta * a, second = clamped * a;
      const v16i active = ((first <= second) & (ratio <= delta)) | ((first > second) & (ratio >= low) & (ratio <= high));
      value = -min16(first, second);
      through = select16(active, -(a * ratio), zero);
      s.low -= (below_delta < low) & (a < zero);
      s.high -= (below_delta > high) & (a > zero);
    } else if constexpr (form == Form::cispo) {
      direct = -(min16(ratio, cap) * a);
      value = direct * logp;
      s.high -= (ratio > cap) & (a > zero);
    } else {
      const v16f tau = select16(a > zero, tau_pos, tau_neg);
      const v16f gate = one / (one + exp16(tau * (one - ratio)));
      value = -(gate * (4.0f / tau) * a);
      through = -(4.0f * gate * (one - gate) * a) * ratio;
    }
    if constexpr (kl != Kl::none) {
      const v16f d = load16(at.ref_logp) - logp;
      v16f k, slope;
      if constexpr (kl == Kl::k1) k = -d, slope = one;
      if constexpr (kl == Kl::k2) k = 0.5f * d * d, slope = -d;
      if constexpr (kl == Kl::k3) {
        const v16f e = exp16(d);
        k = e - one - d, slope = one - e;
      }
      if (c.bias_correction_kl) {
        k = k * ratio, slope = slope * ratio;
        through = through + beta * k;
      }
      value = value + beta * k;
      direct = direct + beta * slope;
      poison = poison + d * zero;
      s.kl.add(k);
    }
    if (at.entropy) {
      const v16f entropy = load16(at.entropy);
      poison = poison + entropy * zero;
      s.entropy.add(entropy);
    }
    const v16f gradient = (sequence ? direct : direct + through) * w;
    if (n >= 16) store16(dlogp + i, gradient);
    else store16_part(dlogp + i, gradient, n);
    if constexpr (sequence) {
      const Halves h = widen(through * w);
      sequence_gradient += h.low;
      sequence_gradient += h.high;
    }

    const v16f distance = max16(difference, -difference);
    s.loss.add(value * w);
    s.ratio.add(select16(used, ratio, zero));
    s.difference.add(distance);
    s.ratio_min = min16(s.ratio_min, select16(used, ratio, s.ratio_min));
    s.ratio_max = max16(s.ratio_max, select16(used, ratio, s.ratio_max));
    s.difference_max = max16(s.difference_max, distance);
    s.poison = s.poison + poison;
  }
  sums = s;
  double total = 0;
  for (int i = 0; i < 8; i++) total += sequence_gradient[i];
  return total;
}

using Pass = double (*)(float*, Sums&, const Lanes&, int64_t, int64_t, v16f, const GrpoConfig&);

template <Form form, Kl kl>
Pass pass_of(bool sequence) {
  return sequence ? pass<form, kl, true> : pass<form, kl, false>;
}

template <Form form>
Pass pass_of(const GrpoConfig& c) {
  if (c.beta == 0) return pass_of<form, Kl::none>(c.sequence_level);
  if (c.kl == KlEstimator::k1) return pass_of<form, Kl::k1>(c.sequence_level);
  if (c.kl == KlEstimator::k2) return pass_of<form, Kl::k2>(c.sequence_level);
  return pass_of<form, Kl::k3>(c.sequence_level);
}

Pass choose(const GrpoConfig& c) {
  if (c.loss_type == LossType::cispo) return pass_of<Form::cispo>(c);
  if (c.loss_type == LossType::sapo) return pass_of<Form::sapo>(c);
  return pass_of<Form::clip>(c);
}

/** exp(mean(logp - old_logp)) over one sequence. */
v16f ratio_of(const Lanes& in, int64_t begin, int64_t end) {
  v8d sum = {};
  for (int64_t i = begin; i < end; i += 16) {
    const int64_t n = end - i;
    const Halves h = widen(n < 16 ? load16_part(in.logp + i, n, 0) - load16_part(in.old_logp + i, n, 0)
                                  : load16(in.logp + i) - load16(in.old_logp + i));
    sum += h.low;
    sum += h.high;
  }
  double total = 0;
  for (int i = 0; i < 8; i++) total += sum[i];
  return exp16(broadcast(static_cast<float>(total / static_cast<double>(end - begin))));
}

[[noreturn]] void refuse(const char* what) { throw std::runtime_error(what); }

void check_finite(const char* name, const float* values, int64_t tokens) {
  for (int64_t i = 0; values && i < tokens; i++) {
    const float x = values[i];
    if (x - x == 0) continue;
    char text[128];
    snprintf(text, sizeof text, "grpo_loss: expected finite %s, got %s at token %lld", name,
             x != x ? "nan" : x > 0 ? "inf" : "-inf", static_cast<long long>(i));
    refuse(text);
  }
}

}  // namespace

void grpo_weights(Device&, float* weight, const int32_t* begin, int64_t sequences, GrpoConfig c) {
  for (int64_t s = 0; s < sequences; s++) {
    double normaliser = c.num_tokens;
    if (c.loss_type == LossType::grpo || c.loss_type == LossType::sapo) normaliser = c.num_sequences * (begin[s + 1] - begin[s]);
    if (c.loss_type == LossType::dr_grpo) normaliser = c.num_sequences * c.max_completion_length;
    const float w = static_cast<float>(1 / (normaliser > 1 ? normaliser : 1));
    for (int64_t i = begin[s]; i < begin[s + 1]; i++) weight[i] = w;
  }
}

void grpo_loss(Device&, float* dlogp, LossStats* stats, GrpoInputs in, GrpoConfig c) {
  if (c.beta != 0 && !in.ref_logp) refuse("grpo_loss: expected ref_logp because beta is not 0, got none");
  if (c.sequence_level && in.begin[in.sequences] - in.begin[0] != in.tokens)
    refuse("grpo_loss: expected the sequences to hold all tokens, got other lengths");
  const float* old_logp = in.old_logp ? in.old_logp : in.logp;
  const Lanes lanes = {in.logp, old_logp, in.ref_logp, in.advantage, in.weight, in.entropy};
  const Pass run = choose(c);
  Sums sums;
  if (!c.sequence_level) run(dlogp, sums, lanes, 0, in.tokens, v16f{}, c);
  for (int64_t s = 0; c.sequence_level && s < in.sequences; s++) {
    const int64_t begin = in.begin[s] - in.begin[0], end = in.begin[s + 1] - in.begin[0];
    if (begin >= end) continue;
    const double gradient = run(dlogp, sums, lanes, begin, end, ratio_of(lanes, begin, end), c);
    const float share = static_cast<float>(gradient / static_cast<double>(end - begin));
    for (int64_t i = begin; i < end; i++) dlogp[i] += share;
  }
  if (sum16(sums.poison) != 0) {
    check_finite("logp", in.logp, in.tokens);
    check_finite("old_logp", in.old_logp, in.tokens);
    if (c.beta != 0) check_finite("ref_logp", in.ref_logp, in.tokens);
    check_finite("advantage", in.advantage, in.tokens);
    check_finite("weight", in.weight, in.tokens);
    check_finite("entropy", in.entropy, in.tokens);
  }
  for (int i = 0; i < 16; i++) {
    stats->clip_low += sums.low[i];
    stats->clip_high += sums.high[i];
  }
  stats->loss += sums.loss.value();
  stats->tokens += in.tokens;
  stats->sequences += in.sequences;
  stats->entropy_sum += sums.entropy.value();
  stats->kl_sum += sums.kl.value();
  stats->ratio_sum += sums.ratio.value();
  stats->logp_difference_sum += sums.difference.value();
  const double least = -static_cast<double>(largest16(-sums.ratio_min)), most = static_cast<double>(largest16(sums.ratio_max));
  const double furthest = static_cast<double>(largest16(sums.difference_max));
  if (least < stats->ratio_min) stats->ratio_min = least;
  if (most > stats->ratio_max) stats->ratio_max = most;
  if (furthest > stats->logp_difference_max) stats->logp_difference_max = furthest;
}

}  // namespace rectify::RECTIFY_TARGET
