// The loss of a batch on the fused LM head, in three moves: what it reads goes to the device among the batch's indices, then it is
// launched, and what it has found comes back in one copy while the backward pass runs.
#pragma once
#include <vector>

#include "model.h"
#include "pass.h"

namespace rectify {

class HeadLoss {
 public:
  struct Head {
    Tensor dhidden, dweight, hidden;
    Panels weight;
    TokenPairs pairs;
  };

  HeadLoss(const Forest& forest, const ScoredTokens& scored, const TrainRequest& request);
  /** The loss is to stay where it is until they are sent. */
  void add_to(Indices& indices);
  /** Gradients of `head`; logits exist only inside. */
  void launch(Device& device, Arena& arena, const Head& head);
  /** Waits for the loss, not for what was launched after it; throws when a number that it met was not finite. */
  LossStats finish(Device& device) const;

 private:
  Tensor permuted(Device& device, Arena& arena, Tensor from, const int32_t* places) const;

  const ScoredTokens& scored_;
  const TrainRequest& request_;
  const bool by_sequence_;
  int64_t sequences_ = 0;
  // On the host.
  std::vector<int32_t> begin_, to_order_, to_pair_, zero_;
  std::vector<float> old_logp_, ref_logp_, advantage_, weight_;
  // On the device.
  const int32_t *begin_there_ = nullptr, *to_order_there_ = nullptr, *to_pair_there_ = nullptr, *zero_there_ = nullptr;
  GrpoInputs inputs_;
  Tensor results_;             // LossStats, then entropy [R], best [R], logp [n]
  std::vector<float> values_;  // the same on the host
};

}  // namespace rectify
