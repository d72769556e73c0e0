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

constexpr float kInfinity = __builtin_inff();

/** Tokens go through in blocks: first the loss and its gradient, then the sums over what each token contributed. */
constexpr int64_t kBlock = 512;

struct Terms {
  float loss[kBlock], kl[kBlock], ratio[kBlock], distance[kBlock];
};

/**
 * A sum in fixed point: each value is rounded to a multiple of 2^-bits, and those add up exactly, in whatever order and
 * however the batch is cut. Adding `shift` leaves the multiple in the low bits of the double, which are added as integers.
 */
template <int bits>
struct FixedSum {
  uint64_t total = 0;

  static constexpr float limit = static_cast<float>(int64_t{1} << (50 - bits));

  /** |x| must not exceed `limit`. */
  void add(const float* __restrict x, int64_t n) {
    constexpr double shift = 1.5 * static_cast<double>(int64_t{1} << (52 - bits));
    uint64_t sum = 0, zero;
    memcpy(&zero, &shift, sizeof shift);
    for (int64_t i = 0; i < n; i++) {
      const double shifted = static_cast<double>(x[i]) + shift;
      uint64_t multiple;
      memcpy(&multiple, &shifted, sizeof shifted);
      sum += multiple;
    }
    total += sum - static_cast<uint64_t>(n) * zero;
  }

  double value() const { return static_cast<double>(static_cast<int64_t>(total)) / static_cast<double>(int64_t{1} << bits); }
};

struct Sums {
  FixedSum<40> loss;
  FixedSum<30> entropy, kl, ratio, distance;
  v16i low = {}, high = {};
  v16f ratio_min = broadcast(kInfinity), ratio_max = broadcast(-kInfinity), distance_max = {};
  v16f poison = {};  // NaN once an input was not finite
};

/** Where the next sixteen tokens are read. */
struct Lanes {
  const float *logp, *old_logp, *ref_logp, *advantage, *weight;
};

struct Padding {
  float logp[16], old_logp[16], ref_logp[16], advantage[16], weight[16];
};

RECTIFY_INLINE const float* pad(float* to, const float* from, int64_t n) {
  if (!from) return nullptr;
  store16(to, load16_part(from, n, 0));
  return to;
}

RECTIFY_INLINE void add_wide(double* sum, v16f x) {
  float lanes[16];
  store16(lanes, x);
  for (int i = 0; i < 16; i++) sum[i] += static_cast<double>(lanes[i]);
}

RECTIFY_INLINE double total(const double* lanes) {
  double sum = 0;
  for (int i = 0; i < 16; i++) sum += lanes[i];
  return sum;
}

enum class Form { clip, cispo, sapo };
enum class Kl { none, k1, k2, k3 };

/** Tokens [begin, end) of one block, every one with the ratio of its sequence if `sequence`, whose gradient is summed. */
template <Form form, Kl kl, bool sequence>
void block(float* dlogp, double* sequence_gradient, Terms& terms, Sums& sums, const Lanes& in, int64_t begin, int64_t end,
           v16f sequence_ratio, const GrpoConfig& c) {
  const v16f zero = {}, one = broadcast(1);
  const v16f low = broadcast(1 - c.epsilon), high = broadcast(1 + c.epsilon_high), cap = broadcast(c.epsilon_high);
  const v16f delta = broadcast(c.delta), beta = broadcast(c.beta), nothing = broadcast(-kInfinity);
  const v16f top_positive = min16(delta, high), top_negative = max16(delta, high);
  const v16f tau_pos = broadcast(c.sapo_temperature_pos), tau_neg = broadcast(c.sapo_temperature_neg);
  const v16f scale_pos = 4.0f / tau_pos, scale_neg = 4.0f / tau_neg;
  const v16f loss_limit = broadcast(decltype(sums.loss)::limit), limit = broadcast(decltype(sums.ratio)::limit);
  v16i clipped_low = sums.low, clipped_high = sums.high;
  v16f poison = sums.poison;
  Padding padding;
  for (int64_t i = begin; i < end; i += 16) {
    Lanes at = {in.logp + i, in.old_logp + i, kl == Kl::none ? nullptr : in.ref_logp + i, in.advantage + i, in.weight + i};
    const int64_t n = end - i, t = i - begin;
    // One copy of the arithmetic serves full and partial vectors: a token's bits never depend on where the cut is.
    if (n < 16)
      at = {pad(padding.logp, at.logp, n), pad(padding.old_logp, at.old_logp, n), pad(padding.ref_logp, at.ref_logp, n),
            pad(padding.advantage, at.advantage, n), pad(padding.weight, at.weight, n)};

    const v16f logp = load16(at.logp), a = load16(at.advantage), w = load16(at.weight);
    const v16f difference = logp - load16(at.old_logp);
    const v16f ratio = sequence ? sequence_ratio : exp16(difference);
    poison = poison + difference * zero;
    poison = poison + a * zero;
    poison = poison + w * zero;

    v16f value, direct = {}, through = {};  // this token's loss; its derivatives by logp (ratio fixed) and by the log-ratio
    if constexpr (form == Form::clip) {
      // The smaller of the two is A times the ratio held within bounds that depend on the sign of A.
      const v16i positive = less16(zero, a);
      const v16f held = min16(max16(ratio, select16(positive, nothing, low)), select16(positive, top_positive, top_negative));
      value = -(held * a);
      through = select16(equal16(held, ratio), value, zero);
      const v16f counted = min16(ratio, delta);
      clipped_low -= less16(counted, low) & less16(a, zero);
      clipped_high -= less16(high, counted) & positive;
    } else if constexpr (form == Form::cispo) {
      direct = -(min16(ratio, cap) * a);
      value = direct * logp;
      clipped_high -= less16(cap, ratio) & less16(zero, a);
    } else {
      const v16i positive = less16(zero, a);
      const v16f tau = select16(positive, tau_pos, tau_neg);
      const v16f gate = one / (one + exp16(tau * (one - ratio)));
      value = -(gate * select16(positive, scale_pos, scale_neg) * a);
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
      store16(terms.kl + t, min16(max16(k, -limit), limit));
    }
    const v16f gradient = (sequence ? direct : direct + through) * w;
    if (n >= 16) store16(dlogp + i, gradient);
    else store16_part(dlogp + i, gradient, n);
    if constexpr (sequence) add_wide(sequence_gradient, through * w);
    store16(terms.loss + t, min16(max16(value * w, -loss_limit), loss_limit));
    store16(terms.ratio + t, min16(ratio, limit));
    store16(terms.distance + t, min16(max16(difference, -difference), limit));
  }
  sums.low = clipped_low, sums.high = clipped_high, sums.poison = poison;
}

/** Tokens [begin, end); returns the gradient for the log-ratio of their sequence. */
template <Form form, Kl kl, bool sequence>
double pass(float* dlogp, Sums& sums, const Lanes& in, const float* entropy, int64_t begin, int64_t end, v16f sequence_ratio,
            const GrpoConfig& c) {
  double sequence_gradient[16] = {};
  Terms terms;
  for (int64_t from = begin; from < end; from += kBlock) {
    const int64_t n = end - from < kBlock ? end - from : kBlock;
    block<form, kl, sequence>(dlogp, sequence_gradient, terms, sums, in, from, from + n, sequence_ratio, c);
    sums.loss.add(terms.loss, n);
    sums.ratio.add(terms.ratio, n);
    sums.distance.add(terms.distance, n);
    if (kl != Kl::none) sums.kl.add(terms.kl, n);
    if (entropy) sums.entropy.add(entropy + from, n);
    for (int64_t i = 0; i < n; i += 16) {
      const v16f ratio = n - i < 16 ? load16_part(terms.ratio + i, n - i, terms.ratio[0]) : load16(terms.ratio + i);
      sums.ratio_min = min16(ratio, sums.ratio_min);
      sums.ratio_max = max16(ratio, sums.ratio_max);
      sums.distance_max = max16(load16(terms.distance + i), sums.distance_max);  // zero in the padding
      if (entropy) {
        const float* at = entropy + from + i;
        sums.poison = sums.poison + (n - i < 16 ? load16_part(at, n - i, 0) : load16(at)) * v16f{};
      }
    }
  }
  return total(sequence_gradient);
}

using Pass = double (*)(float*, Sums&, const Lanes&, const float*, int64_t, int64_t, v16f, const GrpoConfig&);

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
  double sum[16] = {};
  for (int64_t i = begin; i < end; i += 16) {
    const int64_t n = end - i;
    add_wide(sum, n < 16 ? load16_part(in.logp + i, n, 0) - load16_part(in.old_logp + i, n, 0)
                         : load16(in.logp + i) - load16(in.old_logp + i));
  }
  return exp16(broadcast(static_cast<float>(total(sum) / static_cast<double>(end - begin))));
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
  const Lanes lanes = {in.logp, old_logp, in.ref_logp, in.advantage, in.weight};
  const Pass run = choose(c);
  Sums sums;
  if (!c.sequence_level) run(dlogp, sums, lanes, in.entropy, 0, in.tokens, v16f{}, c);
  for (int64_t s = 0; c.sequence_level && s < in.sequences; s++) {
    const int64_t begin = in.begin[s] - in.begin[0], end = in.begin[s + 1] - in.begin[0];
    if (begin >= end) continue;
    const double gradient = run(dlogp, sums, lanes, in.entropy, begin, end, ratio_of(lanes, begin, end), c);
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
  stats->logp_difference_sum += sums.distance.value();
  const double least = -static_cast<double>(largest16(-sums.ratio_min)), most = static_cast<double>(largest16(sums.ratio_max));
  const double furthest = static_cast<double>(largest16(sums.distance_max));
  if (least < stats->ratio_min) stats->ratio_min = least;
  if (most > stats->ratio_max) stats->ratio_max = most;
  if (furthest > stats->logp_difference_max) stats->logp_difference_max = furthest;
}

}  // namespace rectify::RECTIFY_TARGET
