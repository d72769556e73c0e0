// LoRA: what is sampled is what is trained, to the bit; the adapters' gradient against finite differences, with dropout too;
// merging against a plain loop; the base left alone and without any memory for its training.
#include "model.h"

using namespace rectify;
using namespace rectify::test;

namespace {

constexpr float kScale = 1.5f;  // alpha 6, rank 4

ModelOptions lora_options(std::vector<std::string> targets, double dropout = 0, Dtype dtype = Dtype::f32) {
  ModelOptions o = options(dtype);
  o.lora = LoraConfig{4, 6, dropout, false, std::move(targets), 9};
  return o;
}

const std::vector<std::string> kAll{"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"};

/** B is zero at first: values that do something. */
void randomize_adapters(Model& model, uint64_t seed, double size = 0.3) {
  Random random(seed);
  for (const NamedTensor& t : model.adapters()->layout().tensors)
    model.adapters()->load(t, random.normals(t.rows * t.cols, size).data(), Dtype::f32);
  model.adapters()->pack();
}

bool same(const TokenScores& a, const TokenScores& b) {
  bool equal = a.logprobs.size() == b.logprobs.size();
  for (size_t i = 0; equal && i < a.logprobs.size(); i++)
    equal = test::same_bits(a.logprobs[i], b.logprobs[i]) && test::same_bits(a.entropy[i], b.entropy[i]);
  return equal;
}

void begins_as_the_base(Device& device, bool qwen3, Dtype dtype) {
  const ModelConfig c = tiny(qwen3);
  Model plain(device, c, options(dtype)), model(device, c, lora_options(kAll, 0, dtype));
  randomize(plain, 1, 0.3f);
  for (const NamedTensor& t : plain.weights().layout().tensors)
    model.weights().load(t, plain.weights().read(t).data(), Dtype::f32);
  Random random(2);
  const Forest f = forest(bushy(random, c.vocab_size), c);
  const TokenScores base = plain.logprobs(f, {}, 1, false);
  CHECK(same(base, model.logprobs(f, {}, 1, false)));
  randomize_adapters(model, 3);
  CHECK(!same(base, model.logprobs(f, {}, 1, false)));
  CHECK(same(base, model.logprobs(f, {}, 1, true)));  // the reference is the base, with nothing frozen
  CHECK(!same(base, model.logprobs(f, {}, 1, false)));
}

void decode_equals_forward(Device& device, bool qwen3, Dtype dtype) {
  const ModelConfig c = tiny(qwen3);
  Model model(device, c, lora_options({"q_proj", "v_proj", "up_proj", "down_proj"}, 0.4, dtype));
  randomize(model, 3, 0.2f);
  randomize_adapters(model, 5);
  Random random(4);
  GenerateRequest request;
  for (int64_t n : {5, 40}) request.prompts.push_back(random_ids(random, n, c.vocab_size));
  request.prompt_keys = {7, 8};
  request.samples = 2, request.max_tokens = 35;
  request.seed = 11;
  for (const Completion& done : generate(model, request)) {
    const auto& prompt = request.prompts[static_cast<size_t>(done.prompt)];
    const TokenScores scores =
        model.logprobs(forest({{-1, 0, prompt}, {0, static_cast<int>(prompt.size()), done.ids}}, c), {}, 1, false);
    bool equal = true;
    for (size_t i = 0; i < done.ids.size(); i++) equal &= test::same_bits(scores.logprobs[prompt.size() + i], done.logprobs[i]);
    CHECK(equal);
  }
}

/** Loss of the same batch with an adapter moved along a random direction, against the gradient. */
void gradient_is_the_slope(Device& device, bool qwen3, double dropout, const std::vector<std::string>& targets) {
  const ModelConfig c = tiny(qwen3);
  Model model(device, c, lora_options(targets, dropout));
  randomize(model, 5, 0.25f);
  randomize_adapters(model, 6);
  Random random(7);
  const Forest f = forest({{-1, 0, random_ids(random, 6, c.vocab_size)},
                           {0, 6, random_ids(random, 7, c.vocab_size)},
                           {0, 4, random_ids(random, 5, c.vocab_size)},
                           {1, 3, random_ids(random, 4, c.vocab_size)}},
                          c);
  const TrainRequest request = grpo_request(f, random, false);
  Weights& adapters = *model.adapters();
  model.train(f, request);
  adapters.finish_grad();
  const auto& tensors = adapters.layout().tensors;
  CHECK(tensors.size() == 2 * targets.size() * static_cast<size_t>(c.layers));
  std::vector<std::vector<float>> gradients;
  double counted = 0, all = 0;
  for (const NamedTensor& t : tensors) {
    gradients.push_back(gradient(model, t));
    for (float g : gradients.back()) counted += static_cast<double>(g) * g;
  }
  const Tensor flat = adapters.flat_grad();
  for (int64_t i = 0; i < flat.size(); i++) all += static_cast<double>(flat.f32()[i]) * flat.f32()[i];
  CHECK_NEAR(all, counted, 1e-12 + 1e-9 * counted);  // nothing outside the blocks
  for (size_t i = 0; i < tensors.size(); i++) {
    const std::vector<float> start = adapters.read(tensors[i]);
    const size_t n = start.size();
    std::vector<float> moved(n), direction(n);
    for (float& d : direction) d = static_cast<float>(random.normal());
    const float step = 4e-3f / std::sqrt(static_cast<float>(n));
    double losses[2], expected = 0;
    for (int side = 0; side < 2; side++) {
      for (size_t k = 0; k < n; k++) moved[k] = start[k] + (side ? step : -step) * direction[k];
      adapters.load(tensors[i], moved.data(), Dtype::f32);
      adapters.pack();
      losses[side] = model.train(f, request).loss;
    }
    adapters.load(tensors[i], start.data(), Dtype::f32);
    adapters.pack();
    for (size_t k = 0; k < n; k++) expected += static_cast<double>(gradients[i][k]) * direction[k];
    CHECK_NEAR((losses[1] - losses[0]) / (2.0 * step), expected, 2e-2 * std::fabs(expected) + 4e-3 * std::sqrt(static_cast<double>(n)));
  }
}

std::vector<float> gradients_of(Device& device, const ModelConfig& c, const ModelOptions& o, const std::vector<Forest>& batches,
                                const std::vector<TrainRequest>& requests) {
  Model model(device, c, o);
  randomize(model, 7, 0.3f);
  randomize_adapters(model, 8);
  for (size_t i = 0; i < batches.size(); i++) model.train(batches[i], requests[i]);
  const Tensor g = model.adapters()->flat_grad();
  return {g.f32(), g.f32() + g.size()};
}

/** Recomputed activations, threads and the cut into calls leave the gradient to the bit, dropout or not. */
void layouts_agree(Device& device, Device& threaded, double dropout) {
  const ModelConfig c = tiny(false);
  Random random(8);
  const std::vector<Segment> left{{-1, 0, random_ids(random, 12, c.vocab_size)}, {0, 12, random_ids(random, 9, c.vocab_size)}},
      right{{-1, 0, random_ids(random, 20, c.vocab_size)}};
  std::vector<Segment> both = left;
  both.push_back(right[0]);
  const auto sft = [](const Forest& f) {
    TrainRequest r;
    r.sft = true;
    for (int64_t t = 0; t < f.rows(); t++) r.mask.push_back(f.predictor(t) >= 0), r.weights.push_back(0.01f * static_cast<float>(f.tokens[static_cast<size_t>(t)]));
    return r;
  };
  const Forest whole = forest(both, c), first = forest(left, c), second = forest(right, c);
  ModelOptions o = lora_options(kAll, dropout);
  const auto base = gradients_of(device, c, o, {whole}, {sft(whole)});
  CHECK(base == gradients_of(threaded, c, o, {whole}, {sft(whole)}));
  CHECK(base == gradients_of(device, c, o, {first, second}, {sft(first), sft(second)}));
  o.gradient_checkpointing = true;
  CHECK(base == gradients_of(device, c, o, {whole}, {sft(whole)}));
  o.lora->seed++;
  CHECK((base == gradients_of(device, c, o, {whole}, {sft(whole)})) == (dropout == 0));
}

void merging(Device& device, bool qwen3) {
  const ModelConfig c = tiny(qwen3);
  Model model(device, c, lora_options({"k_proj", "v_proj", "o_proj", "gate_proj"})), plain(device, c, options());
  randomize(model, 1, 0.3f);
  randomize_adapters(model, 2);
  const auto& adapters = model.adapters()->layout().tensors;
  for (const NamedTensor& t : model.weights().layout().tensors) {
    std::vector<float> expected = model.weights().read(t);
    for (size_t i = 0; i + 1 < adapters.size(); i += 2) {
      if (t.vector || adapters[i].name != "base_model.model." + t.name.substr(0, t.name.rfind('.')) + ".lora_A.weight") continue;
      const auto a = model.adapters()->read(adapters[i]), b = model.adapters()->read(adapters[i + 1]);
      for (int64_t n = 0; n < t.rows; n++)
        for (int64_t k = 0; k < t.cols; k++) {
          double sum = 0;
          for (int64_t r = 0; r < 4; r++) sum += static_cast<double>(b[static_cast<size_t>(n * 4 + r)]) * a[static_cast<size_t>(r * t.cols + k)];
          expected[static_cast<size_t>(n * t.cols + k)] += static_cast<float>(kScale * sum);
        }
    }
    const std::vector<float> merged = model.merged(t);
    for (size_t i = 0; i < merged.size(); i++) CHECK_NEAR(merged[i], expected[i], 1e-6);
    plain.weights().load(t, merged.data(), Dtype::f32);
  }
  plain.weights().pack();
  Random random(3);
  const Forest f = forest(bushy(random, c.vocab_size), c);
  const TokenScores with = model.logprobs(f, {}, 1, false), alone = plain.logprobs(f, {}, 1, false);
  for (size_t i = 0; i < with.logprobs.size(); i++)
    if (!std::isnan(with.logprobs[i])) CHECK_NEAR(with.logprobs[i], alone.logprobs[i], 3e-5);
}

void steps_move_the_adapters_alone(Device& device) {
  const ModelConfig c = tiny(false);
  Model model(device, c, lora_options({"q_proj", "v_proj"}));
  randomize(model, 1, 0.3f);
  std::vector<std::vector<float>> base;
  for (const NamedTensor& t : model.weights().layout().tensors) base.push_back(model.weights().read(t));
  Random random(3);
  const Forest f = forest(bushy(random, c.vocab_size), c);
  TrainRequest r;
  r.sft = true;
  for (int64_t t = 0; t < f.rows(); t++) r.mask.push_back(f.predictor(t) >= 0), r.weights.push_back(0.02f);
  AdamwConfig adam;
  adam.learning_rate = 0.02, adam.weight_decay = 0.1;
  double losses[2] = {};
  for (int i = 0; i < 20; i++) {
    losses[i > 0] = model.train(f, r).loss;
    model.step(adam, 1);
  }
  CHECK(losses[1] < 0.9 * losses[0]);
  for (size_t i = 0; i < base.size(); i++) CHECK(base[i] == model.weights().read(model.weights().layout().tensors[i]));
  // What lies outside the blocks is still nothing.
  const auto& parameters = model.adapters()->layout().parameters;
  for (size_t p = 0; p < parameters.size(); p++) {
    if (parameters[p].blocks.count == 0) continue;
    const Tensor b = model.adapters()->master(static_cast<int>(p));
    double outside = 0, inside = 0;
    for (int64_t row = 0; row < b.rows; row++)
      for (int64_t col = 0; col < b.cols; col++) {
        const int64_t block = col / 4;
        const bool in = row >= parameters[p].blocks.row[block] && row < parameters[p].blocks.row[block] + parameters[p].blocks.rows[block];
        (in ? inside : outside) += std::fabs(b.f32()[row * b.cols + col]);
      }
    CHECK(outside == 0 && inside > 0);
  }
}

void the_plan_has_no_room_for_the_base() {
  const ModelConfig c = tiny(false);
  const MemoryPlan full = Model::plan(c, options()), lora = Model::plan(c, lora_options({"q_proj"}));
  const size_t values = static_cast<size_t>(2 * (4 * 24 + 24 * 4 + 2 * 24 * 4));  // two layers, A [4, 24], B [48, 4] of which 24 rows
  CHECK(lora.grads >= 2 * (4 * 24 + 24 * 4) * 4 && lora.grads <= values * 4 + 1024);
  CHECK(lora.adam == 2 * lora.grads && lora.grads * 10 < full.grads);
  CHECK(lora.weights < full.weights);
}

void bad_targets_are_refused() {
  const auto message = [](std::vector<std::string> targets) {
    try {
      Model::plan(tiny(false), lora_options(std::move(targets)));
    } catch (const std::runtime_error& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  CHECK(message({}).find("expected at least one of q_proj") != std::string::npos);
  CHECK(message({"q_proj", "lm_head"}).find("targetModules[1]: expected a linear layer, got \"lm_head\"; known: q_proj") != std::string::npos);
  CHECK(message({"q_proj", "q_proj"}).find("q_proj twice") != std::string::npos);
}

}  // namespace

int main() {
  const auto one = devices(1), three = devices(3);
  for (size_t d = 0; d < one.size(); d++) {
    for (bool qwen3 : {false, true}) {
      for (Dtype dtype : {Dtype::f32, Dtype::bf16}) {
        begins_as_the_base(*one[d], qwen3, dtype);
        decode_equals_forward(*three[d], qwen3, dtype);
      }
      for (double dropout : {0.0, 0.3}) gradient_is_the_slope(*one[d], qwen3, dropout, kAll);
      gradient_is_the_slope(*one[d], qwen3, 0.3, {"k_proj", "up_proj"});
      merging(*one[d], qwen3);
    }
    for (double dropout : {0.0, 0.3}) layouts_agree(*one[d], *three[d], dropout);
    steps_move_the_adapters_alone(*one[d]);
  }
  the_plan_has_no_room_for_the_base();
  bad_targets_are_refused();
  return finish("adapters");
}
