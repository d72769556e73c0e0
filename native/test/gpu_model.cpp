// The whole model by the GPU's kernels, in emulation or on a GPU (RECTIFY_TEST_CUDA=1), against the CPU's in f32: scores, gradients,
// twenty steps, LoRA; a forest against naive sequences, decoding against the forward pass; what crosses between host and device.
// The judge of bf16 is the CPU in f32 with the same weights, which bf16 holds. What rounding of rows, 2^-9 each, leaves of scores and of
// each tensor's gradient was measured; the limits are two to three times that, so that one kernel's scale of 0.9 is past them.
#include "../device/emulation/observe.h"
#include "model.h"

#include <map>

#include "bf16.h"

using namespace rectify;
using namespace rectify::test;

namespace {

struct Pair {
  std::unique_ptr<Device> cpu, gpu;
};

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

/** |a - b| / |a|, as vectors; `least`: what is taken for |a| where it is less. */
double relative(const std::vector<float>& a, const std::vector<float>& b, double least = 0) {
  double difference = 0, length = 0;
  for (size_t i = 0; i < a.size(); i++) {
    if (std::isnan(a[i]) && std::isnan(b[i])) continue;
    const double d = static_cast<double>(a[i]) - b[i];
    difference += d * d, length += static_cast<double>(a[i]) * a[i];
  }
  return std::sqrt(difference) / std::max(std::sqrt(length), least);
}

/** What was measured, by name: told at the end, so that limits can be looked at again. */
std::map<std::string, double> measured;
void within(const std::string& what, double value, double limit) {
  double& most = measured[what];
  most = std::max(most, std::isnan(value) ? HUGE_VAL : value);
  if (!CHECK(value <= limit)) std::printf("  %s: %g, limit %g\n", what.c_str(), value, limit);
}

/** Weights, and adapters, that bf16 holds. */
void randomize_narrow(Model& model, uint64_t seed, float range) {
  Random random(seed);
  for (Weights* weights : {&model.weights(), model.adapters()}) {
    if (!weights) continue;
    for (const NamedTensor& t : weights->layout().tensors) {
      std::vector<float> values(static_cast<size_t>(t.rows * t.cols));
      for (float& v : values) v = static_cast<float>((t.vector ? 1.0 : 0.0) + range * random.normal());
      Narrow narrow(t.rows, t.cols, 0, values);
      weights->load(t, narrow.values().data(), Dtype::f32);
    }
    weights->pack();
  }
}

/** A loss whose gradient by a log-probability does not depend on it: what is left are the errors of the backward pass. */
TrainRequest plain_request(const Forest& f, Random& random) {
  TrainRequest r;
  r.sft = true;
  for (int64_t t = 0; t < f.rows(); t++) {
    r.mask.push_back(f.predictor(t) >= 0 && t % 3 != 0);
    r.weights.push_back(static_cast<float>((0.5 + random.uniform()) / static_cast<double>(f.rows())));
  }
  return r;
}

/** Our products give a row the same bits in any batch; cuBLASLt, which a GPU may have, does not promise it for bf16. */
double same_bits_limit(const Device& device, Dtype dtype) { return device.target == Target::emulated || dtype == Dtype::f32 ? 0 : 0.05; }

ModelConfig small(bool qwen3) {
  ModelConfig c = tiny(qwen3);
  c.hidden_size = 64, c.intermediate_size = 96, c.head_dim = 16;
  return c;
}

void scores_agree(const Pair& on, bool qwen3, Dtype dtype) {
  const ModelConfig c = small(qwen3);
  Model cpu(*on.cpu, c, options()), gpu(*on.gpu, c, options(dtype));
  randomize_narrow(cpu, 1, 0.2f), randomize_narrow(gpu, 1, 0.2f);
  Random random(2);
  const auto segments = bushy(random, c.vocab_size);
  const Forest whole = forest(segments, c);
  const TokenScores a = cpu.logprobs(whole, {}, 0.7f, false), b = gpu.logprobs(whole, {}, 0.7f, false);
  const bool narrow = dtype == Dtype::bf16;
  const std::string in = narrow ? "bf16 " : "f32 ";
  within(in + "log-probabilities, largest", distance(a.logprobs, b.logprobs), narrow ? 0.2 : 2e-5);
  within(in + "log-probabilities, relative", relative(a.logprobs, b.logprobs), narrow ? 0.012 : 1e-6);
  within(in + "entropy, largest", distance(a.entropy, b.entropy), narrow ? 0.15 : 1e-5);
  // Alone, a path has the bits that it has in the forest.
  double worst = 0;
  for (size_t s : {size_t{1}, size_t{6}, size_t{9}}) {
    const auto ids = path(segments, s);
    const TokenScores alone = gpu.logprobs(forest({{-1, 0, ids}}, c), {}, 0.7f, false);
    const size_t own = segments[s].tokens.size(), first = static_cast<size_t>(whole.row_begin[s]);
    for (size_t i = 0; i < own; i++)
      worst = std::max(worst, std::fabs(static_cast<double>(alone.logprobs[ids.size() - own + i]) - b.logprobs[first + i]));
  }
  within(in + "a path alone", worst, same_bits_limit(*on.gpu, dtype));
}

enum class Loss { plain, grpo, gspo };

void training_agrees(const Pair& on, bool qwen3, Dtype dtype, Loss loss, bool lora) {
  const ModelConfig c = small(qwen3);
  ModelOptions o = options();
  if (lora) {
    o.lora.emplace();
    o.lora->rank = 4, o.lora->dropout = 0.2;
    o.lora->target_modules = {"q_proj", "v_proj", "o_proj", "up_proj", "down_proj"};
  }
  Model cpu(*on.cpu, c, o);
  o.dtype = dtype;
  Model gpu(*on.gpu, c, o);
  randomize_narrow(cpu, 5, 0.2f), randomize_narrow(gpu, 5, 0.2f);
  Random random(6);
  const Forest f = forest(bushy(random, c.vocab_size), c);
  const TrainRequest request = loss == Loss::plain ? plain_request(f, random) : grpo_request(f, random, loss == Loss::gspo);
  AdamwConfig adam;
  adam.learning_rate = 1e-3, adam.weight_decay = 0.1;
  const bool narrow = dtype == Dtype::bf16, ratios = loss != Loss::plain;
  const std::string in = narrow ? "bf16 " : "f32 ", of = std::string(lora ? "LoRA " : "") + "gradient" + (ratios ? ", ratios" : "");
  // A log-probability's error is the ratio's, and with it the gradient's.
  const double limit = narrow ? (ratios ? 0.12 : 0.08) : 3e-5;
  // In bf16 a first step tells rounding from nothing where a gradient is near 0: there is no second.
  for (int step = 0; step < (narrow ? 1 : 2); step++) {
    const LossStats a = cpu.train(f, request), b = gpu.train(f, request);
    if (!narrow || !ratios) within(in + "loss", std::fabs(b.loss / a.loss - 1), narrow ? 1.5e-3 : 2e-5);
    within(in + "entropy of a batch", std::fabs(b.entropy_sum / a.entropy_sum - 1), narrow ? 1.5e-3 : 1e-6);
    if (ratios) within(in + "log-ratio", std::fabs(b.logp_difference_max / a.logp_difference_max - 1), narrow ? 3e-3 : 3e-6);
    CHECK(b.tokens == a.tokens && b.sequences == a.sequences);
    std::vector<std::vector<float>> expected;
    double all = 0;
    for (const NamedTensor& t : cpu.trained().layout().tensors) {
      expected.push_back(gradient(cpu, t));
      for (float g : expected.back()) all += static_cast<double>(g) * g;
    }
    size_t i = 0;
    for (const NamedTensor& t : cpu.trained().layout().tensors) {
      const double error = relative(expected[i++], gradient(gpu, t), 1e-3 * std::sqrt(all));
      within(in + of, error, limit);
      if (error > limit) std::printf("  %s\n", t.name.c_str());
    }
    const double norm_cpu = cpu.step(adam, 1), norm_gpu = gpu.step(adam, 1);
    if (!narrow || !ratios) within(in + "gradient norm", std::fabs(norm_gpu / norm_cpu - 1), narrow ? 4e-3 : 5e-6);
    // Adam moves every weight by at most about the learning rate: a wrong sign shows, rounding does not.
    for (const NamedTensor& t : cpu.trained().layout().tensors)
      if (dtype == Dtype::f32) CHECK_NEAR(distance(cpu.trained().read(t), gpu.trained().read(t)), 0, 2.5e-3);
  }
}

/** Twenty steps on one batch: two curves, close together and downhill. */
void curves_agree(const Pair& on, Dtype dtype) {
  const ModelConfig c = small(true);
  Model cpu(*on.cpu, c, options()), gpu(*on.gpu, c, options(dtype));
  randomize_narrow(cpu, 15, 0.1f), randomize_narrow(gpu, 15, 0.1f);
  Random random(16);
  const Forest f = forest({{-1, 0, random_ids(random, 11, c.vocab_size)}, {0, 11, random_ids(random, 20, c.vocab_size)},
                           {0, 11, random_ids(random, 9, c.vocab_size)}}, c);
  TrainRequest request;
  request.sft = true;
  for (int64_t t = 0; t < f.rows(); t++) {
    request.mask.push_back(f.predictor(t) >= 0);
    request.weights.push_back(1 / static_cast<float>(f.rows()));
  }
  AdamwConfig adam;
  adam.learning_rate = 3e-3;
  const bool narrow = dtype == Dtype::bf16;
  double first = 0, last = 0;
  for (int step = 0; step < 20; step++) {
    const double a = cpu.train(f, request).loss, b = gpu.train(f, request).loss;
    within(std::string(narrow ? "bf16 " : "f32 ") + "loss of twenty steps", std::fabs(a - b), narrow ? 0.02 : 2e-6);
    (step == 0 ? first : last) = b;
    cpu.step(adam, 1), gpu.step(adam, 1);
  }
  CHECK(last < 0.5 * first);
}

/** Between host and device go a batch's indices and numbers, and back what each token and row was found to have: nothing else. */
void little_crosses(Device& device) {
  if (device.target != Target::emulated) return;
  const ModelConfig c = small(true);
  Model model(device, c, options(Dtype::bf16));
  randomize(model, 17, 0.2f);
  Random random(18);
  const Forest f = forest(bushy(random, c.vocab_size), c);
  const auto counted = [&](const auto& body) {
    body();  // scratch finds its size, tables are made
    device.synchronize();
    const emulation::Counts before = emulation::counts();
    body();
    device.synchronize();
    emulation::Counts after = emulation::counts();
    after.copies_in -= before.copies_in, after.copies_out -= before.copies_out, after.waits -= before.waits;
    after.bytes_in -= before.bytes_in, after.bytes_out -= before.bytes_out;
    return after;
  };
  const auto T = static_cast<uint64_t>(f.rows());
  for (const bool sequence_level : {false, true}) {
    const TrainRequest request = grpo_request(f, random, sequence_level);
    const auto trained = counted([&] { model.train(f, request); });
    CHECK(trained.copies_in == 1 && trained.copies_out == 1);
    CHECK(trained.bytes_in < 20 * 4 * T + 4096 && trained.bytes_out <= (3 * T + 64) * 4);
  }
  const auto scored = counted([&] { model.logprobs(f, {}, 1, false); });
  CHECK(scored.copies_in == 1 && scored.copies_out == 1 && scored.bytes_out <= 3 * T * 4);
  const auto stepped = counted([&] { model.step({}, 1); });
  CHECK(stepped.copies_in == 0 && stepped.copies_out == 1 && stepped.bytes_out == 8);
}

/** All that a run holds at once, kernels' scratch too, is in the plan, and the plan is not much more than that. */
void plan_is_true(bool lora, bool checkpointing, Dtype dtype, int64_t tokens) {
  const auto device = gpu_device();
  ModelConfig c = small(!lora);
  c.heads = 6, c.kv_heads = 3, c.head_dim = 64;
  ModelOptions o = options(dtype);
  o.max_batch_tokens = tokens, o.max_decode_rows = 3, o.gradient_checkpointing = checkpointing;
  if (lora) o.lora.emplace(), o.lora->target_modules = {"q_proj", "up_proj"};
  Model model(*device, c, o);
  randomize(model, 19, 0.2f);
  Random random(20);
  std::vector<Segment> segments;
  for (int64_t left = tokens; left > 0; left -= 8) segments.push_back({-1, 0, random_ids(random, std::min<int64_t>(8, left), c.vocab_size)});
  const Forest f = forest(segments, c);
  model.train(f, grpo_request(f, random, false));
  model.train(f, grpo_request(f, random, true));
  model.step({}, 1);
  model.logprobs(f, {}, 1, false);
  GenerateRequest request;
  request.prompts = {random_ids(random, 8, c.vocab_size)}, request.prompt_keys = {1};
  request.samples = 3, request.max_tokens = 4, request.sampling.repetition_penalty = 1.2f;
  generate(model, request);
  const MemoryPlan& p = model.memory();
  const size_t planned = p.weights + p.grads + p.adam + p.activations + p.kv;
  CHECK(device->most_held() <= planned);
  within("planned beside what was held, MiB", static_cast<double>(planned - device->most_held()) / 1048576, 12);
}

/** The reference policy moves on the device: no weight crosses. */
void reference_agrees(const Pair& on, Dtype dtype, bool training) {
  const ModelConfig c = small(true);
  ModelOptions o = options(dtype);
  o.training = training;
  Model cpu(*on.cpu, c, o), gpu(*on.gpu, c, o);
  for (Model* model : {&cpu, &gpu}) {
    randomize(*model, 21, 0.2f);
    model->weights().freeze();
    randomize(*model, 22, 0.2f);
  }
  cpu.weights().blend_reference(0.3f);
  on.gpu->synchronize();
  const emulation::Counts before = emulation::counts();
  gpu.weights().blend_reference(0.3f);
  on.gpu->synchronize();
  const emulation::Counts after = emulation::counts();
  const auto most = static_cast<uint64_t>(4 * (c.vocab_size + 2 * c.intermediate_size));  // numbers of rows
  if (on.gpu->target == Target::emulated) CHECK(after.bytes_out == before.bytes_out && after.bytes_in - before.bytes_in <= most);
  cpu.weights().use_reference(true), gpu.weights().use_reference(true);
  for (const NamedTensor& t : cpu.weights().layout().tensors)
    within("reference", distance(cpu.weights().read(t), gpu.weights().read(t)), 1e-6);
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
  request.sampling.temperature = 0.9f, request.seed = 11, request.sampling.top_k = 30, request.sampling.repetition_penalty = 1.1f;
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
  within(std::string(dtype == Dtype::f32 ? "f32 " : "bf16 ") + "decoding beside the forward pass", worst, same_bits_limit(device, dtype));
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
    training_agrees(on, true, dtype, Loss::grpo, false);
    training_agrees(on, false, dtype, Loss::gspo, false);
    training_agrees(on, true, dtype, Loss::plain, true);
    if (dtype == Dtype::f32) continue;
    for (bool qwen3 : {false, true}) training_agrees(on, qwen3, dtype, Loss::plain, false);
  }
  recomputation_agrees(*on.gpu);
  for (Dtype dtype : {Dtype::f32, Dtype::bf16}) curves_agree(on, dtype);
  little_crosses(*on.gpu);
  for (Dtype dtype : {Dtype::f32, Dtype::bf16})
    for (bool training : {false, true}) reference_agrees(on, dtype, training);
  on.gpu->synchronize();
  plan_is_true(false, false, Dtype::bf16, 1200);
  plan_is_true(true, true, Dtype::f32, 300);
  for (const auto& [what, value] : measured) std::printf("%s: %.3g\n", what.c_str(), value);
  return finish("gpu_model");
}
