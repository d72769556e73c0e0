// The whole model against itself laid out otherwise: a forest against naive separate sequences, decode against the training
// forward (both to the bit), threads, micro-batches, recomputation; and the gradient against finite differences of the loss.
// Parity with transformers is judged by the goldens in test/engine.
#include "model.h"

#include <functional>

using namespace rectify;
using namespace rectify::test;

namespace {

void forest_equals_sequences(Device& device, bool qwen3, Dtype dtype) {
  const ModelConfig c = tiny(qwen3);
  Model model(device, c, options(dtype));
  randomize(model, 1, 0.3f);
  Random random(2);
  const auto segments = bushy(random, c.vocab_size);
  const Forest whole = forest(segments, c);
  const TokenScores all = model.logprobs(whole, {}, 0.7f, false);
  for (size_t s = 0; s < segments.size(); s++) {
    const auto ids = path(segments, s);
    const TokenScores alone = model.logprobs(forest({{-1, 0, ids}}, c), {}, 0.7f, false);
    const size_t own = segments[s].tokens.size(), first = static_cast<size_t>(whole.row_begin[s]);
    bool equal = true;
    for (size_t i = 0; i < own; i++) {
      const size_t at = ids.size() - own + i;
      equal &= same_bits(all.logprobs[first + i], alone.logprobs[at]);
      equal &= same_bits(all.entropy[first + i], alone.entropy[at]);
      equal &= same_bits(all.best[first + i], alone.best[at]) && !(all.best[first + i] < all.logprobs[first + i]);
    }
    CHECK(equal);
  }
}

void decode_equals_forward(Device& device, bool qwen3, Dtype dtype) {
  const ModelConfig c = tiny(qwen3);
  Model model(device, c, options(dtype));
  randomize(model, 3, 0.2f);
  Random random(4);
  GenerateRequest request;
  for (int64_t n : {5, 40, 1}) request.prompts.push_back(random_ids(random, n, c.vocab_size));
  request.prompt_keys = {7, 8, 9};
  request.samples = 2;
  request.max_tokens = 45;
  request.sampling.temperature = 0.9f;
  request.seed = 11, request.step = 2;
  request.stop_tokens = {3};
  int64_t generated = 0;
  const auto completions = generate(model, request, &generated);
  CHECK(completions.size() == 6);
  int64_t tokens = 0;
  for (const Completion& done : completions) {
    const auto& prompt = request.prompts[static_cast<size_t>(done.prompt)];
    const TokenScores scores =
        model.logprobs(forest({{-1, 0, prompt}, {0, static_cast<int>(prompt.size()), done.ids}}, c), {}, 0.9f, false);
    bool equal = true;
    for (size_t i = 0; i < done.ids.size(); i++) {
      equal &= same_bits(scores.logprobs[prompt.size() + i], done.logprobs[i]);
      equal &= same_bits(scores.entropy[prompt.size() + i], done.entropy[i]);
    }
    CHECK(equal);
    CHECK(done.finish == (done.ids.back() == 3 ? FinishReason::stop : FinishReason::length));
    tokens += static_cast<int64_t>(done.ids.size());
  }
  CHECK(tokens == generated);
  // One prompt alone, one row at a time, in its own batch: the same words.
  GenerateRequest alone = request;
  alone.prompts = {request.prompts[1]};
  alone.prompt_keys = {8};
  const auto again = generate(model, alone);
  for (size_t s = 0; s < 2; s++) CHECK(again[s].ids == completions[2 + s].ids);
}

void gradient_is_the_slope(Device& device, bool qwen3, bool sequence_level) {
  const ModelConfig c = tiny(qwen3);
  Model model(device, c, options());
  randomize(model, 5, 0.25f);
  Random random(6);
  const std::vector<Segment> segments{{-1, 0, random_ids(random, 6, c.vocab_size)},
                                      {0, 6, random_ids(random, 7, c.vocab_size)},
                                      {0, 4, random_ids(random, 5, c.vocab_size)},
                                      {1, 3, random_ids(random, 4, c.vocab_size)}};
  const Forest f = forest(segments, c);
  const TrainRequest request = grpo_request(f, random, sequence_level);
  model.weights().zero_grad();
  model.train(f, request);
  std::vector<std::vector<float>> gradients;
  for (const NamedTensor& t : model.weights().layout().tensors) gradients.push_back(gradient(model, t));
  for (size_t i = 0; i < gradients.size(); i++) {
    const NamedTensor& t = model.weights().layout().tensors[i];
    const size_t n = gradients[i].size();
    // Along a random direction the loss must change by <gradient, direction>.
    const std::vector<float> start = model.weights().read(t);
    std::vector<float> moved(n), direction(n);
    
    double expected = 0;
    for (size_t k = 0; k < n; k++) direction[k] = static_cast<float>(random.normal());
    const float step = 2e-3f / std::sqrt(static_cast<float>(n));
    double losses[2];
    for (int side = 0; side < 2; side++) {
      for (size_t k = 0; k < n; k++) moved[k] = start[k] + (side ? step : -step) * direction[k];
      model.weights().load(t, moved.data(), Dtype::f32);
      model.weights().pack();
      losses[side] = model.train(f, request).loss;
    }
    model.weights().load(t, start.data(), Dtype::f32);
    model.weights().pack();
    for (size_t k = 0; k < n; k++) expected += static_cast<double>(gradients[i][k]) * direction[k];
    const double slope = (losses[1] - losses[0]) / (2.0 * step);
    // The loss is a sum of f32 log-probabilities: its rounding over the step is what limits the slope.
    CHECK_NEAR(slope, expected, 2e-2 * std::fabs(expected) + 5e-3 * std::sqrt(static_cast<double>(n)));
  }
}

/** The gradient of the same batch, cut or laid out by `run`. */
std::vector<float> all_gradients(Device& device, const ModelConfig& c, const ModelOptions& o, const std::function<void(Model&)>& run) {
  Model model(device, c, o);
  randomize(model, 7, 0.3f);
  model.weights().zero_grad();
  run(model);
  const Tensor g = model.weights().flat_grad();
  return {g.f32(), g.f32() + g.size()};
}

void layouts_agree(Device& device, Device& threaded, bool qwen3) {
  const ModelConfig c = tiny(qwen3);
  Random random(8);
  const auto segments = bushy(random, c.vocab_size);
  const Forest f = forest(segments, c);
  const TrainRequest request = grpo_request(f, random, false);
  const auto base = all_gradients(device, c, options(), [&](Model& m) { m.train(f, request); });
  const auto more_threads = all_gradients(threaded, c, options(), [&](Model& m) { m.train(f, request); });
  CHECK(base == more_threads);
  ModelOptions recompute = options();
  recompute.gradient_checkpointing = true;
  CHECK(base == all_gradients(device, c, recompute, [&](Model& m) { m.train(f, request); }));

  // The same loss over naive sequences: every path alone, only its own tokens masked in.
  const auto naive = all_gradients(device, c, options(), [&](Model& m) {
    for (size_t s = 0; s < segments.size(); s++) {
      const auto ids = path(segments, s);
      const Forest one = forest({{-1, 0, ids}}, c);
      TrainRequest part = request;
      const size_t own = segments[s].tokens.size(), first = static_cast<size_t>(f.row_begin[s]);
      part.mask.assign(ids.size(), 0);
      part.advantages.assign(ids.size(), 0), part.old_logp = part.advantages, part.ref_logp = part.advantages;
      for (size_t i = 0; i < own; i++) {
        const size_t to = ids.size() - own + i;
        part.mask[to] = request.mask[first + i];
        part.advantages[to] = request.advantages[first + i];
        part.old_logp[to] = request.old_logp[first + i];
        part.ref_logp[to] = request.ref_logp[first + i];
      }
      m.train(one, part);
    }
  });
  const auto close = [&](const std::vector<float>& other) {
    double worst = 0, scale = 0;
    for (size_t i = 0; i < base.size(); i++) {
      worst = std::max(worst, std::fabs(static_cast<double>(base[i]) - other[i]));
      scale = std::max(scale, std::fabs(static_cast<double>(base[i])));
    }
    return scale > 0.01 && worst <= 2e-5 * scale;  // another order of the same f32 additions
  };
  CHECK(close(naive));

  // Two trees in two calls or one: the same bits; a tied embedding takes the head's and the tokens' parts in another order.
  std::vector<Segment> left(segments.begin(), segments.begin() + 12), right(segments.begin() + 12, segments.end());
  right[1].parent = 0;
  const size_t cut = static_cast<size_t>(f.row_begin[12]);
  const auto slice = [&](size_t from, size_t to) {
    TrainRequest r = request;
    r.mask.assign(request.mask.begin() + static_cast<long>(from), request.mask.begin() + static_cast<long>(to));
    r.advantages.assign(request.advantages.begin() + static_cast<long>(from), request.advantages.begin() + static_cast<long>(to));
    r.old_logp.assign(request.old_logp.begin() + static_cast<long>(from), request.old_logp.begin() + static_cast<long>(to));
    r.ref_logp.assign(request.ref_logp.begin() + static_cast<long>(from), request.ref_logp.begin() + static_cast<long>(to));
    return r;
  };
  const auto in_two = all_gradients(device, c, options(), [&](Model& m) {
    m.train(forest(left, c), slice(0, cut));
    m.train(forest(right, c), slice(cut, static_cast<size_t>(f.rows())));
  });
  CHECK(c.tie_word_embeddings ? close(in_two) : base == in_two);
}

void bad_forests_are_refused() {
  const ModelConfig c = tiny(false);
  const auto refused = [&](std::vector<int32_t> parent, std::vector<int32_t> keep, std::vector<int32_t> length,
                           std::vector<int32_t> tokens, const std::string& where) {
    try {
      Forest::make(parent, keep, length, tokens, c.vocab_size, c.max_position_embeddings);
    } catch (const std::runtime_error& error) {
      return std::string(error.what()).rfind("forest." + where, 0) == 0;
    }
    return false;
  };
  CHECK(refused({}, {}, {}, {}, "length"));
  CHECK(refused({-1, 1}, {0, 1}, {1, 1}, {0, 0}, "parent[1]"));
  CHECK(refused({-1, 0}, {0, 2}, {1, 1}, {0, 0}, "parentLength[1]"));
  CHECK(refused({-1, 0}, {0, 0}, {1, 1}, {0, 0}, "parentLength[1]"));
  CHECK(refused({-1}, {1}, {1}, {0}, "parentLength[0]"));
  CHECK(refused({-1}, {0}, {0}, {}, "length[0]"));
  CHECK(refused({-1}, {0}, {2}, {0}, "tokens"));
  CHECK(refused({-1}, {0}, {1}, {0, 0}, "tokens"));
  CHECK(refused({-1}, {0}, {1}, {53}, "tokens[0]"));
  CHECK(refused({-1}, {0}, {1}, {-1}, "tokens[0]"));
  CHECK(refused({-1}, {0}, {513}, std::vector<int32_t>(513, 0), "length[0]"));
  CHECK(refused({-1, 0}, {0}, {1, 1}, {0, 0}, "parentLength"));
}

}  // namespace

int main() {
  const auto all = devices(1), threaded = devices(3);
  for (size_t d = 0; d < all.size(); d++) {
    for (bool qwen3 : {false, true}) {
      for (Dtype dtype : {Dtype::f32, Dtype::bf16}) {
        forest_equals_sequences(*all[d], qwen3, dtype);
        decode_equals_forward(*threaded[d], qwen3, dtype);
      }
      layouts_agree(*all[d], *threaded[d], qwen3);
      for (bool sequence_level : {false, true}) gradient_is_the_slope(*all[d], qwen3, sequence_level);
    }
  }
  bad_forests_are_refused();
  return finish("model");
}
