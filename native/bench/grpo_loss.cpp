// The clipped surrogate with k3 KL on 64 x 1024 log-probabilities: loss, gradient and statistics in one pass.
#include "../kernels/kernels.h"
#include "bench.h"

using namespace rectify;

int main(int, char**) {
  auto device = open_device("cpu", 1);
  constexpr int64_t sequences = 64, longest = 1024;
  std::vector<int32_t> begin = {0};
  for (int64_t s = 0; s < sequences; s++)
    begin.push_back(begin.back() + static_cast<int32_t>(longest / 2 + s * 7919 % (longest / 2)));
  const int64_t tokens = begin.back();
  bench::Array logp(*device, 1, tokens, 1.5f), old(*device, 1, tokens, 1.4f), ref(*device, 1, tokens, 1.6f);
  bench::Array advantage(*device, 1, tokens, 1), weight(*device, 1, tokens, 0), dlogp(*device, 1, tokens, 0);
  GrpoConfig config;
  config.epsilon_high = 0.28f;
  config.beta = 0.04f;
  config.num_tokens = static_cast<double>(tokens);
  config.num_sequences = sequences;
  GrpoInputs inputs;
  inputs.tokens = tokens;
  inputs.logp = logp.tensor.f32(), inputs.old_logp = old.tensor.f32(), inputs.ref_logp = ref.tensor.f32();
  inputs.advantage = advantage.tensor.f32(), inputs.weight = weight.tensor.f32();
  inputs.sequences = sequences, inputs.begin = begin.data();
  const double seconds = bench::seconds([&] {
    LossStats stats;
    grpo_weights(*device, weight.tensor.f32(), begin.data(), sequences, config);
    grpo_loss(*device, dlogp.tensor.f32(), &stats, inputs, config);
  });
  bench::emit("64x1024 against eager", seconds * 1e3, "ms");
  bench::emit("64x1024 against torch.compile", seconds * 1e3, "ms");
}
