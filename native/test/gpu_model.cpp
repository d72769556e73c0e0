// The whole model by the GPU's kernels, in emulation or on a GPU (RECTIFY_TEST_CUDA=1), against the CPU's: scores, gradients, steps,
// LoRA; a forest against naive sequences, decoding against the forward pass. The emulated device's memory is out of the host's
// reach while no kernel runs, as a GPU's is. bf16 rows differ from the CPU's f32 rows by their rounding.
#include "model.h"

using namespace rectify;
using namespace rectify::test;

namespace {

struct Pair {
  std::unique_ptr<Device> cpu, gpu;
};

double largest(const std::vector<float>& a) {
  double most = 0;
  for (float v : a)
    if (std::isfinite(v)) most = std::max(most, std::fabs(static_cast<double>(v)));
  return most;
}

/** The largest difference; infinite where one is a number and the other is not. */
double distance(const std::vector<float>& a, const std::vector<float>& b) {
  double most = a.size() == b.size() ? 0 : HUGE_VAL;
  for (size_t i = 0; i < a.size() && i < b.size(); i++) {
    if (std::isnan(a[i]) && std::isnan(b[i])) continue;
    const double d = std::fabs(static_cast<double>(a[i]) - static_cast<double>(b[i]));
    most = std::max(most, std::isnan(d) ? HUGE_VAL : d);
  }
  return most;
}

ModelConfig small(bool qwen3) {
  ModelConfig c = tiny(qwen3);
  c.hidden_size = 64, c.intermediate_size = 96, c.head_dim = 16;
  return c;
}

void scores_agree(const Pair& on, bool qwen3, Dtype dtype) {
  const ModelConfig c = small(qwen3);
  Model cpu(*on.cpu, c, options(dtype)), gpu(*on.gpu, c, options(dtype));
  randomize(cpu, 1, 0.2f), randomize(gpu, 1, 0.2f);
  Random random(2);
  const auto segments = bushy(random, c.vocab_size);
  const Forest whole = forest(segments, c);
  const TokenScores a = cpu.logprobs(whole, {}, 0.7f, false), b = gpu.logprobs(whole, {}, 0.7f, false);
  const double tolerance = dtype == Dtype::f32 ? 2e-4 : 0.25;
  CHECK_NEAR(distance(a.logprobs, b.logprobs), 0, tolerance);
  CHECK_NEAR(distance(a.entropy, b.entropy), 0, tolerance);
  // Alone, a path has the bits that it has in the forest, or nearly: a key block may be cut elsewhere.
  double worst = 0;
  for (size_t s : {size_t{1}, size_t{6}, size_t{9}}) {
    const auto ids = path(segments, s);
    const TokenScores alone = gpu.logprobs(forest({{-1, 0, ids}}, c), {}, 0.7f, false);
    const size_t own = segments[s].tokens.size(), first = static_cast<size_t>(whole.row_begin[s]);
    for (size_t i = 0; i < own; i++)
      worst = std::max(worst, std::fabs(static_cast<double>(alone.logprobs[ids.size() - own + i]) - b.logprobs[first + i]));
  }
  CHECK_NEAR(worst, 0, dtype == Dtype::f32 ? 1e-5 : 0.05);
}

void training_agrees(const Pair& on, bool qwen3, Dtype dtype, bool sequence_level, bool lora) {
  const ModelConfig c = small(qwen3);
  ModelOptions o = options(dtype);
  if (lora) {
    o.lora.emplace();
    o.lora->rank = 4, o.lora->dropout = 0.2;
    o.lora->target_modules = {"q_proj", "v_proj", "o_proj", "up_proj", "down_proj"};
  }
  Model cpu(*on.cpu, c, o), gpu(*on.gpu, c, o);
  randomize(cpu, 5, 0.2f), randomize(gpu, 5, 0.2f);
  Random random(6);
  const Forest f = forest(bushy(random, c.vocab_size), c);
  const TrainRequest request = grpo_request(f, random, sequence_level);
  AdamwConfig adam;
  adam.learning_rate = 1e-3, adam.weight_decay = 0.1;
  for (int step = 0; step < 2; step++) {
    const LossStats a = cpu.train(f, request), b = gpu.train(f, request);
    const double loose = dtype == Dtype::f32 ? 1 : 300;
    CHECK_NEAR(b.loss, a.loss, 2e-4 * loose);
    CHECK_NEAR(b.entropy_sum, a.entropy_sum, 2e-2 * loose);
    CHECK_NEAR(b.logp_difference_max, a.logp_difference_max, 1e-3 * loose);
    CHECK(b.tokens == a.tokens && b.sequences == a.sequences);
    for (const NamedTensor& t : cpu.trained().layout().tensors) {
      const auto x = gradient(cpu, t), y = gradient(gpu, t);
      const double scale = std::max(largest(x), 1e-2);
      if (!CHECK(distance(x, y) <= (dtype == Dtype::f32 ? 2e-4 : 0.25) * scale))
        std::printf("  %s: %g of %g\n", t.name.c_str(), distance(x, y), scale);
    }
    const double norm_cpu = cpu.step(adam, 1), norm_gpu = gpu.step(adam, 1);
    CHECK_NEAR(norm_gpu, norm_cpu, (dtype == Dtype::f32 ? 1e-4 : 0.05) * norm_cpu);
    // Adam moves every weight by at most about the learning rate: a wrong sign shows, rounding does not.
    for (const NamedTensor& t : cpu.trained().layout().tensors)
      if (dtype == Dtype::f32) CHECK_NEAR(distance(cpu.trained().read(t), gpu.trained().read(t)), 0, 2.5e-3);
  }
}

void recomputation_agrees(Device& device) {
  const ModelConfig c = small(true);
  Random random(8);
  const Forest f = forest(bushy(random, c.vocab_size), c);
  const TrainRequest request = grpo_request(f, random, false);
  std::vector<std::vector<float>> kept[2];
  for (const bool recompute : {false, true}) {
    ModelOptions o = options();
    o.gradient_checkpointing = recompute;
    Model model(device, c, o);
    randomize(model, 7, 0.2f);
    model.train(f, request);
    for (const NamedTensor& t : model.weights().layout().tensors) kept[recompute].push_back(gradient(model, t));
  }
  CHECK(kept[0] == kept[1]);
}

void decode_agrees_with_forward(Device& device, bool qwen3, Dtype dtype) {
  const ModelConfig c = small(qwen3);
  Model model(device, c, options(dtype));
  randomize(model, 3, 0.15f);
  Random random(4);
  GenerateRequest request;
  for (int64_t n : {5, 40, 1}) request.prompts.push_back(random_ids(random, n, c.vocab_size));
  request.prompt_keys = {7, 8, 9};
  request.samples = 2, request.max_tokens = 12;
  request.sampling.temperature = 0.9f, request.sampling.seed = 11, request.sampling.top_k = 30, request.sampling.repetition_penalty = 1.1f;
  const auto completions = generate(model, request);
  CHECK(completions.size() == 6);
  double worst = 0;
  for (const Completion& done : completions) {
    const auto& prompt = request.prompts[static_cast<size_t>(done.prompt)];
    const TokenScores scores =
        model.logprobs(forest({{-1, 0, prompt}, {0, static_cast<int>(prompt.size()), done.ids}}, c), {}, 0.9f, false);
    for (size_t i = 0; i < done.ids.size(); i++)
      worst = std::max(worst, std::fabs(static_cast<double>(scores.logprobs[prompt.size() + i]) - done.logprobs[i]));
  }
  CHECK_NEAR(worst, 0, dtype == Dtype::f32 ? 2e-5 : 0.05);
  GenerateRequest alone = request;
  alone.prompts = {request.prompts[1]};
  alone.prompt_keys = {8};
  const auto again = generate(model, alone);
  for (size_t s = 0; s < 2; s++) CHECK(again[s].ids == completions[2 + s].ids);
}

}  // namespace

int main() {
  Pair on{open_device("cpu", 1), nullptr};
  on.gpu = open_device(gpu_name(), 1);
  for (Dtype dtype : {Dtype::f32, Dtype::bf16}) {
    for (bool qwen3 : {false, true}) {
      scores_agree(on, qwen3, dtype);
      decode_agrees_with_forward(*on.gpu, qwen3, dtype);
    }
    training_agrees(on, true, dtype, false, false);
    training_agrees(on, false, dtype, true, false);
    training_agrees(on, true, dtype, false, true);
  }
  recomputation_agrees(*on.gpu);
  return finish("gpu_model");
}
