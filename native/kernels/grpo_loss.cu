// The GPU twin of grpo_loss.cpp: the same formulas token by token. Sums are the same fixed-point integers as on the CPU, so they add
// up exactly in whatever order. It cannot throw about values that it finds on the way: it notes them in stats->not_finite.
#include "../device/cuda.h"
#include "cuda/reduce.cuh"
#include "kernels.h"

namespace rectify::RECTIFY_TARGET {

namespace {

constexpr int kThreads = 128;
constexpr int kLossBits = 40, kBits = 30;

struct Partial {
  long long loss, entropy, kl, ratio, distance;
  int clip_low, clip_high;
  float ratio_min, ratio_max, distance_max;
  unsigned not_finite;
};

/** x as a multiple of 2^-bits, held within what the sum can take. */
__device__ __forceinline__ long long fixed(float x, int bits) {
  const float limit = static_cast<float>(1ll << (50 - bits));
  return llrint(static_cast<double>(fminf(fmaxf(x, -limit), limit)) * static_cast<double>(1ll << bits));
}

/** As exp16: 0 below -87.3, 2.4e38 above 88.37. */
__device__ __forceinline__ float bounded_exp(float x) { return x < -87.33654f ? 0.0f : expf(fminf(x, 88.37626f)); }

__device__ __forceinline__ bool finite(float x) { return x - x == 0; }

__device__ __forceinline__ void add(Partial& p, const Partial& q) {
  p.loss += q.loss, p.entropy += q.entropy, p.kl += q.kl, p.ratio += q.ratio, p.distance += q.distance;
  p.clip_low += q.clip_low, p.clip_high += q.clip_high;
  p.ratio_min = fminf(p.ratio_min, q.ratio_min), p.ratio_max = fmaxf(p.ratio_max, q.ratio_max);
  p.distance_max = fmaxf(p.distance_max, q.distance_max);
  p.not_finite |= q.not_finite;
}

/** The first thread gets the sum over the block. */
__device__ __forceinline__ Partial reduce(const Partial& mine) {
  __shared__ Partial all[kThreads];
  const int thread = static_cast<int>(threadIdx.x);
  all[thread] = mine;
  for (int half = kThreads / 2; half > 0; half /= 2) {
    __syncthreads();
    if (thread < half) add(all[thread], all[thread + half]);
  }
  return all[thread];
}

__device__ __forceinline__ Partial nothing() { return {0, 0, 0, 0, 0, 0, 0, 1e38f, -1e38f, 0, 0}; }

/** One block per kThreads tokens, or, with sequence-level ratios, per sequence. */
__global__ void __launch_bounds__(kThreads) grpo_loss_kernel(float* dlogp, Partial* partial, GrpoInputs in, GrpoConfig c) {
  const bool sequence = c.sequence_level, kl = c.beta != 0;
  int64_t begin = int64_t{blockIdx.x} * kThreads, end = min(begin + kThreads, in.tokens);
  if (sequence) begin = in.begin[blockIdx.x] - in.begin[0], end = in.begin[blockIdx.x + 1] - in.begin[0];
  const float* old_logp = in.old_logp ? in.old_logp : in.logp;
  const float low = 1 - c.epsilon, high = 1 + c.epsilon_high;
  float ratio = 1;
  if (sequence) {
    double sum = 0;
    for (int64_t i = begin + threadIdx.x; i < end; i += kThreads) sum += static_cast<double>(in.logp[i] - old_logp[i]);
    sum = block_sum(sum);
    ratio = bounded_exp(static_cast<float>(sum / static_cast<double>(end > begin ? end - begin : 1)));
  }
  Partial p = nothing();
  double sequence_gradient = 0;
  for (int64_t i = begin + threadIdx.x; i < end; i += kThreads) {
    const float logp = in.logp[i], a = in.advantage[i], w = in.weight[i], difference = logp - old_logp[i];
    if (!sequence) ratio = bounded_exp(difference);
    p.not_finite |= (finite(logp) ? 0u : 1u) | (finite(old_logp[i]) ? 0u : 2u) | (finite(a) ? 0u : 8u) | (finite(w) ? 0u : 16u);
    const bool positive = 0 < a;
    float value, direct = 0, through = 0;  // this token's loss; its derivatives by logp (ratio fixed) and by the log-ratio
    if (c.loss_type == LossType::cispo) {
      direct = -(fminf(ratio, c.epsilon_high) * a);
      value = direct * logp;
      p.clip_high += c.epsilon_high < ratio && positive;
    } else if (c.loss_type == LossType::sapo) {
      const float tau = positive ? c.sapo_temperature_pos : c.sapo_temperature_neg;
      const float gate = 1 / (1 + bounded_exp(tau * (1 - ratio)));
      value = -(gate * (4 / tau) * a);
      through = -(4 * gate * (1 - gate) * a) * ratio;
    } else {
      // The smaller of the two is A times the ratio held within bounds that depend on the sign of A.
      const float held = positive ? fminf(ratio, fminf(c.delta, high)) : fminf(fmaxf(ratio, low), fmaxf(c.delta, high));
      value = -(held * a);
      through = held == ratio ? value : 0.0f;
      const float counted = fminf(ratio, c.delta);
      p.clip_low += counted < low && a < 0;
      p.clip_high += high < counted && positive;
    }
    if (kl) {
      const float d = in.ref_logp[i] - logp;
      float k, slope;
      if (c.kl == KlEstimator::k1) {
        k = -d, slope = 1;
      } else if (c.kl == KlEstimator::k2) {
        k = 0.5f * d * d, slope = -d;
      } else {
        const float e = bounded_exp(d);
        k = e - 1 - d, slope = 1 - e;
      }
      if (c.bias_correction_kl) {
        k *= ratio, slope *= ratio;
        through += c.beta * k;
      }
      value += c.beta * k;
      direct += c.beta * slope;
      p.kl += fixed(k, kBits);
      p.not_finite |= finite(in.ref_logp[i]) ? 0u : 4u;
    }
    dlogp[i] = (sequence ? direct : direct + through) * w;
    sequence_gradient += static_cast<double>(through * w);
    p.loss += fixed(value * w, kLossBits);
    p.ratio += fixed(ratio, kBits);
    p.distance += fixed(fabsf(difference), kBits);
    const float limit = static_cast<float>(1ll << (50 - kBits)), shown = fminf(ratio, limit);
    p.ratio_min = fminf(p.ratio_min, shown), p.ratio_max = fmaxf(p.ratio_max, shown);
    p.distance_max = fmaxf(p.distance_max, fminf(fabsf(difference), limit));
    if (in.entropy) {
      p.entropy += fixed(in.entropy[i], kBits);
      p.not_finite |= finite(in.entropy[i]) ? 0u : 32u;
    }
  }
  if (sequence) {
    sequence_gradient = block_sum(sequence_gradient);
    const float share = static_cast<float>(sequence_gradient / static_cast<double>(end > begin ? end - begin : 1));
    for (int64_t i = begin + threadIdx.x; i < end; i += kThreads) dlogp[i] += share;
  }
  p = reduce(p);
  if (threadIdx.x == 0) partial[blockIdx.x] = p;
}

__device__ __forceinline__ double real(long long sum, int bits) { return static_cast<double>(sum) / static_cast<double>(1ll << bits); }

__global__ void __launch_bounds__(kThreads)
    grpo_stats_kernel(LossStats* stats, const Partial* partial, int64_t parts, int64_t tokens, int64_t sequences) {
  Partial p = nothing();
  for (int64_t i = threadIdx.x; i < parts; i += kThreads) add(p, partial[i]);
  p = reduce(p);
  if (threadIdx.x != 0) return;
  stats->loss += real(p.loss, kLossBits);
  stats->tokens += tokens;
  stats->sequences += sequences;
  stats->entropy_sum += real(p.entropy, kBits);
  stats->kl_sum += real(p.kl, kBits);
  stats->clip_low += p.clip_low;
  stats->clip_high += p.clip_high;
  stats->ratio_sum += real(p.ratio, kBits);
  stats->logp_difference_sum += real(p.distance, kBits);
  stats->not_finite |= p.not_finite;
  if (tokens == 0) return;
  stats->ratio_min = fmin(stats->ratio_min, static_cast<double>(p.ratio_min));
  stats->ratio_max = fmax(stats->ratio_max, static_cast<double>(p.ratio_max));
  stats->logp_difference_max = fmax(stats->logp_difference_max, static_cast<double>(p.distance_max));
}

__global__ void __launch_bounds__(kThreads) grpo_weights_kernel(float* weight, const int32_t* begin, GrpoConfig c) {
  const int64_t first = begin[blockIdx.x], last = begin[blockIdx.x + 1];
  double normaliser = c.num_tokens;
  if (c.loss_type == LossType::grpo || c.loss_type == LossType::sapo) normaliser = c.num_sequences * static_cast<double>(last - first);
  if (c.loss_type == LossType::dr_grpo) normaliser = c.num_sequences * c.max_completion_length;
  const float w = static_cast<float>(1 / (normaliser > 1 ? normaliser : 1));
  for (int64_t i = first + threadIdx.x; i < last; i += kThreads) weight[i] = w;
}

}  // namespace

void grpo_weights(Device& device, float* weight, const int32_t* begin, int64_t sequences, GrpoConfig config) {
  LAUNCH(grpo_weights_kernel, sequences, kThreads, 0, stream(device), weight, begin, config);
}

void grpo_loss(Device& device, float* dlogp, LossStats* stats, GrpoInputs in, GrpoConfig c) {
  if (c.beta != 0 && !in.ref_logp) throw std::runtime_error("grpo_loss: expected ref_logp because beta is not 0, got none");
  const int64_t parts = c.sequence_level ? in.sequences : (in.tokens + kThreads - 1) / kThreads;
  auto* partial = static_cast<Partial*>(workspace(device, static_cast<size_t>(parts) * sizeof(Partial) + 8));
  LAUNCH(grpo_loss_kernel, parts, kThreads, 0, stream(device), dlogp, partial, in, c);
  LAUNCH(grpo_stats_kernel, 1, kThreads, 0, stream(device), stats, partial, parts, in.tokens, in.sequences);
}

}  // namespace rectify::RECTIFY_TARGET
