// From hidden states to their gradient: the fused LM head with the loss applied inside.
// A loss whose tokens stand alone is applied while a chunk's logits are at hand (one pass over the vocabulary); sequence-level
// ratios need every log-probability of a sequence first, so they take a forward and a backward walk.
#include "head_loss.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <exception>

namespace rectify {

namespace {

/** `values` (T) in the order of `token`; empty stays empty. */
std::vector<float> pick(const std::vector<float>& values, const std::vector<int32_t>& token) {
  std::vector<float> out(values.empty() ? 0 : token.size());
  for (size_t i = 0; i < out.size(); i++) out[i] = values[static_cast<size_t>(token[i])];
  return out;
}

constexpr int64_t kSums = (sizeof(LossStats) / 4 + 15) / 16 * 16;  // 4-byte values of LossStats, rounded up

/** Rounded so that sums are exact however the batch is cut, as grpo_loss's are. */
double fixed_point(double value, int bits) { return std::ldexp(std::nearbyint(std::ldexp(value, bits)), -bits); }

/** A likelihood to be raised, as a policy loss: the ratio is 1, so f = -logp where the advantage is 1. */
GrpoConfig supervised() {
  GrpoConfig c;
  c.loss_type = LossType::cispo;
  c.epsilon_high = 1;
  return c;
}

/** The token-level loss of a batch, its arrays in the order its pairs come in, on the device. */
struct TokenLoss {
  Device& device;
  GrpoConfig config;
  GrpoInputs all;
  LossStats* stats;
  std::exception_ptr failure = nullptr;

  /** Gradient of pairs [begin, end); called between the forward and the backward half of a chunk. Nothing may be thrown
   *  through the kernel that calls. */
  void try_apply(int64_t begin, int64_t end, const float* logp, float* dlogp) noexcept {
    try {
      GrpoInputs inputs;
      inputs.tokens = end - begin;
      inputs.logp = logp;
      inputs.old_logp = all.old_logp ? all.old_logp + begin : nullptr;
      inputs.ref_logp = all.ref_logp ? all.ref_logp + begin : nullptr;
      inputs.advantage = all.advantage + begin;
      inputs.weight = all.weight + begin;
      grpo_loss(device, dlogp, stats, inputs, config);
    } catch (...) {
      failure = std::current_exception();
      try {
        device.zero(dlogp, static_cast<size_t>(end - begin) * sizeof(float));
      } catch (...) {
      }
    }
  }
};

void expect_finite(const LossStats& stats) {
  const char* names[] = {"logp", "old_logp", "ref_logp", "advantage", "weight", "entropy"};
  for (int i = 0; i < 6; i++)
    if (stats.not_finite >> i & 1)
      throw std::runtime_error(std::string("grpo_loss: expected finite ") + names[i] + ", got nan or inf");
}

}  // namespace

HeadLoss::HeadLoss(const Forest& forest, const ScoredTokens& scored, const TrainRequest& request)
    : scored_(scored), request_(request), by_sequence_(!request.sft && request.grpo.sequence_level) {
  // A segment with loss tokens is a sequence; its tokens are consecutive here, in order.
  std::vector<int32_t> order(scored.token), pair_of(static_cast<size_t>(forest.rows()), -1);
  for (size_t i = 0; i < scored.token.size(); i++) pair_of[static_cast<size_t>(scored.token[i])] = static_cast<int32_t>(i);
  std::sort(order.begin(), order.end());
  for (size_t i = 0; i < order.size(); i++)
    if (i == 0 || forest.segment[static_cast<size_t>(order[i])] != forest.segment[static_cast<size_t>(order[i - 1])])
      begin_.push_back(static_cast<int32_t>(i));
  sequences_ = static_cast<int64_t>(begin_.size());
  begin_.push_back(static_cast<int32_t>(scored.count()));
  // to_order[i]: the pair that comes i-th in the sequences; to_pair: the opposite.
  to_order_.resize(order.size()), to_pair_.resize(order.size());
  for (size_t i = 0; i < order.size(); i++) {
    to_order_[i] = pair_of[static_cast<size_t>(order[i])];
    to_pair_[static_cast<size_t>(to_order_[i])] = static_cast<int32_t>(i);
  }
  const std::vector<int32_t>& token = by_sequence_ ? order : scored.token;
  old_logp_ = pick(request.old_logp, token), ref_logp_ = pick(request.ref_logp, token);
  advantage_ = request.sft ? std::vector<float>(token.size(), 1.0f) : pick(request.advantages, token);
  weight_ = pick(request.weights, token);
  const LossStats none;
  zero_.resize(static_cast<size_t>(kSums));
  std::memcpy(zero_.data(), &none, sizeof none);
}

void HeadLoss::add_to(Indices& indices) {
  indices.add(begin_there_, begin_);
  if (by_sequence_) indices.add(to_order_there_, to_order_);
  if (!request_.sft) indices.add(to_pair_there_, to_pair_);
  indices.add(zero_there_, zero_);
  indices.add(inputs_.advantage, advantage_);
  if (request_.sft) indices.add(inputs_.weight, weight_);
  if (!old_logp_.empty()) indices.add(inputs_.old_logp, old_logp_);
  if (!ref_logp_.empty()) indices.add(inputs_.ref_logp, ref_logp_);
}

Tensor HeadLoss::permuted(Device& device, Arena& arena, Tensor from, const int32_t* places) const {
  const Tensor to = arena.take(from.rows, 1);
  gather_rows(device, to, from, {const_cast<int32_t*>(places), from.rows, 1, Dtype::i32});
  return to;
}

void HeadLoss::launch(Device& device, Arena& arena, const Head& head) {
  const int64_t n = scored_.count(), R = head.hidden.rows;
  results_ = arena.take(kSums + 2 * R + n, 1);
  const Tensor entropy = results_.slice(kSums, R), best = results_.slice(kSums + R, R), logp = results_.slice(kSums + 2 * R, n);
  device.copy(results_.data, zero_there_, kSums * 4);
  auto* sums = results_.as<LossStats>();
  inputs_.tokens = n;
  inputs_.sequences = sequences_;
  inputs_.begin = begin_there_;
  if (!request_.sft) {
    Tensor weight = arena.take(n, 1);  // in the order of the sequences
    grpo_weights(device, weight.f32(), begin_there_, sequences_, request_.grpo);
    if (!by_sequence_) weight = permuted(device, arena, weight, to_pair_there_);
    inputs_.weight = weight.f32();
  }
  values_.resize(static_cast<size_t>(results_.size()));
  if (by_sequence_) {
    const Tensor lse = arena.take(R, 1), gradient = arena.take(n, 1);
    token_logprob_forward(device, logp, lse, entropy, best, head.hidden, head.weight, head.pairs, request_.temperature);
    inputs_.logp = permuted(device, arena, logp, to_order_there_).f32();
    grpo_loss(device, gradient.f32(), sums, inputs_, request_.grpo);
    token_logprob_backward(device, head.dhidden, head.dweight, head.hidden, head.weight, lse, entropy, head.pairs,
                           permuted(device, arena, gradient, to_pair_there_), {}, request_.temperature);
    return device.copy_out_later(values_.data(), results_.data, results_.bytes());
  }
  TokenLoss loss{device, request_.sft ? supervised() : request_.grpo, inputs_, sums};
  token_logprob_loss(
      device, head.dhidden, head.dweight, logp, entropy, best, head.hidden, head.weight, head.pairs, request_.temperature,
      [](void* context, int64_t from, int64_t to, const float* logp, float* dlogp) {
        static_cast<TokenLoss*>(context)->try_apply(from, to, logp, dlogp);
      },
      &loss);
  if (loss.failure) std::rethrow_exception(loss.failure);
  device.copy_out_later(values_.data(), results_.data, results_.bytes());
}

LossStats HeadLoss::finish(Device& device) const {
  device.land();
  LossStats sums;
  std::memcpy(static_cast<void*>(&sums), values_.data(), sizeof sums);
  expect_finite(sums);
  LossStats stats;
  if (request_.sft) stats.loss = sums.loss, stats.tokens = sums.tokens;
  else stats = sums;
  stats.sequences = sequences_;
  const size_t R = scored_.rows.size();
  const float *entropy = values_.data() + kSums, *best = entropy + R, *logp = best + R;
  for (size_t i = 0; i < scored_.row.size(); i++) {
    const auto row = static_cast<size_t>(scored_.row[i]);
    stats.entropy_sum += fixed_point(entropy[row], 30);
    stats.likeliest += logp[i] == best[row];
  }
  return stats;
}

}  // namespace rectify
