// The verbs: what each needs of the model, checked, and the files that weights and optimizer state live in.
#include "engine.h"

#include <cmath>
#include <cstdio>
#include <stdexcept>
#include <unordered_map>

namespace rectify {

namespace {

int64_t count(const NamedTensor& part) { return part.vector ? part.cols : part.rows * part.cols; }

std::vector<int64_t> shape(const NamedTensor& part) {
  return part.vector ? std::vector<int64_t>{part.cols} : std::vector<int64_t>{part.rows, part.cols};
}

/** Tensor sources by name, each of which is asked for with the number of values it must have. */
class Sources {
 public:
  explicit Sources(const std::vector<TensorSource>& tensors) {
    for (const TensorSource& tensor : tensors) by_name_[tensor.name] = &tensor;
  }
  const TensorSource& find(const std::string& name, int64_t values) const {
    const auto at = by_name_.find(name);
    if (at == by_name_.end()) throw std::runtime_error("tensors: expected one named " + name + ", got none");
    const TensorSource& source = *at->second;
    const uint64_t bytes = static_cast<uint64_t>(values) * dtype_bytes(source.dtype);
    if (source.bytes != bytes)
      throw std::runtime_error(source.file + ": " + name + ": expected " + std::to_string(bytes) + " bytes, got " +
                               std::to_string(source.bytes));
    return source;
  }

 private:
  std::unordered_map<std::string, const TensorSource*> by_name_;
};

/** Most memory that this process has held (getrusage would count its parent's before exec). */
size_t peak_bytes() {
  size_t kib = 0;
  if (std::FILE* file = std::fopen("/proc/self/status", "r")) {
    char line[256];
    while (std::fgets(line, sizeof line, file))
      if (std::sscanf(line, "VmHWM: %zu kB", &kib) == 1) break;
    std::fclose(file);
  }
  return kib * 1024;
}

void expect_finite(const char* name, const std::vector<float>& values, const std::vector<uint8_t>& mask) {
  for (size_t i = 0; i < values.size() && i < mask.size(); i++)
    if (mask[i] && !std::isfinite(values[i]))
      throw std::runtime_error(std::string("train.") + name + "[" + std::to_string(i) + "]: expected a finite number, got " +
                               std::to_string(values[i]));
}

}  // namespace

std::vector<TensorHeader> model_tensors(const ModelConfig& config, const std::optional<LoraConfig>& lora) {
  config.check();
  const Layout base(config, Dtype::f32);
  const Layout layout = lora ? AdapterLayout(base, *lora, Dtype::f32) : base;
  std::vector<TensorHeader> all;
  for (const NamedTensor& part : layout.tensors) all.push_back({part.name, shape(part)});
  return all;
}

GrpoLossResult grpo_loss(const GrpoLossRequest& request) {
  const auto bad = [](const std::string& where, const std::string& expected, int64_t got) {
    throw std::runtime_error("grpoLoss." + where + ": expected " + expected + ", got " + std::to_string(got));
  };
  std::vector<int32_t> begin{0};
  for (size_t s = 0; s < request.lengths.size(); s++) {
    const int32_t n = request.lengths[s];
    if (n < 1 || n > 0x7fffffff - begin.back()) bad("lengths[" + std::to_string(s) + "]", "at least 1", n);
    begin.push_back(begin.back() + n);
  }
  const int64_t tokens = begin.back(), sequences = static_cast<int64_t>(request.lengths.size());
  const auto expect = [&](const char* name, const std::vector<float>& values, bool optional) {
    const auto got = static_cast<int64_t>(values.size());
    if (got != tokens && !(optional && got == 0)) bad(name, std::to_string(tokens) + " values (one per token)", got);
  };
  expect("logprobs", request.logprobs, false);
  expect("advantages", request.advantages, false);
  expect("oldLogprobs", request.old_logprobs, true);
  expect("refLogprobs", request.ref_logprobs, request.config.beta == 0);
  const auto device = open_device("cpu", 1);
  std::vector<float> weight(request.logprobs.size());
  grpo_weights(*device, weight.data(), begin.data(), sequences, request.config);
  GrpoInputs inputs;
  inputs.tokens = tokens;
  inputs.logp = request.logprobs.data();
  inputs.old_logp = request.old_logprobs.empty() ? nullptr : request.old_logprobs.data();
  inputs.ref_logp = request.config.beta == 0 ? nullptr : request.ref_logprobs.data();
  inputs.advantage = request.advantages.data();
  inputs.weight = weight.data();
  inputs.sequences = sequences;
  inputs.begin = begin.data();
  GrpoLossResult result;
  result.gradient.resize(request.logprobs.size());
  if (tokens > 0) rectify::grpo_loss(*device, result.gradient.data(), &result.stats, inputs, request.config);
  return result;
}

Model& Engine::model() {
  if (!model_) throw std::runtime_error("engine: expected an open model, got none");
  return *model_;
}

void Engine::open(const OpenRequest& request) {
  if (model_) throw std::runtime_error("engine: expected one open() per engine, got a second");
  options_ = request.options;
  device_ = open_device(options_.device, options_.threads);
  try {
    model_ = std::make_unique<Model>(*device_, request.config, options_.model);
    if (request.seed) {
      model_->weights().initialize(*request.seed, request.config.initializer_range);
      model_->weights().pack();
    } else {
      load_weights(model_->weights(), request.tensors);
    }
  } catch (...) {
    close();
    throw;
  }
}

void Engine::close() noexcept {
  model_.reset();
  device_.reset();
  std::vector<std::string>().swap(vocabulary_);
}

void Engine::load_weights(Weights& weights, const std::vector<TensorSource>& tensors) {
  const Sources sources(tensors);
  TensorFiles files;
  for (const NamedTensor& part : weights.layout().tensors) {
    const TensorSource& source = sources.find(part.name, count(part));
    weights.load(part, files.read(source), source.dtype);
  }
  weights.pack();
}

void Engine::generate(std::shared_ptr<GenerateCall> call, const std::function<void()>& more) {
  model().generate(std::move(call), vocabulary_, more);
}

Forest Engine::forest(TokenForest f) {
  const ModelConfig& config = model().config();
  const int64_t most = options_.model.max_batch_tokens;
  if (static_cast<int64_t>(f.tokens.size()) > most)
    throw std::runtime_error("forest.tokens: expected at most " + std::to_string(most) + " tokens (maxBatchTokens), got " +
                             std::to_string(f.tokens.size()));
  return Forest::make(std::move(f.parent), std::move(f.parent_length), std::move(f.length), std::move(f.tokens),
                      config.vocab_size, config.max_position_embeddings);
}

TokenScores Engine::logprobs(ScoreRequest request) {
  const Forest checked = forest(std::move(request.forest));
  return model().logprobs(checked, request.mask ? *request.mask : std::vector<uint8_t>{}, request.temperature, request.reference,
                          request.top_logprobs);
}

LossStats Engine::train(TrainBatch batch) {
  const Forest checked = forest(std::move(batch.forest));
  const TrainRequest& r = batch.request;
  expect_finite("weights", r.weights, r.mask);
  expect_finite("advantages", r.advantages, r.mask);
  expect_finite("oldLogprobs", r.old_logp, r.mask);
  expect_finite("refLogprobs", r.ref_logp, r.mask);
  return model().train(checked, r);
}

ReproScores Engine::repro_score(const ReproRequest& request) {
  model();
  const auto bad = [](const std::string& where, const std::string& expected, const std::string& got) {
    throw std::runtime_error("reproScore." + where + ": expected " + expected + ", got " + got);
  };
  const std::vector<int32_t>& begin = request.begin;
  const size_t points = request.surrogate.size();
  if (begin.empty() || begin[0] != 0) bad("begin", "0 first", begin.empty() ? "nothing" : std::to_string(begin[0]));
  for (size_t i = 1; i < begin.size(); i++)
    if (begin[i] <= begin[i - 1])
      bad("begin[" + std::to_string(i) + "]", "more than " + std::to_string(begin[i - 1]) + " (each thought has its baseline)",
          std::to_string(begin[i]));
  if (static_cast<size_t>(begin.back()) != points)
    bad("begin", "the number of points, " + std::to_string(points) + ", last", std::to_string(begin.back()));
  for (size_t i = 0; i < points; i++)
    if (!std::isfinite(request.surrogate[i]))
      bad("surrogate[" + std::to_string(i) + "]", "a finite number", std::to_string(request.surrogate[i]));
  ReproScores out;
  for (auto* values : {&out.magnitude, &out.stability, &out.score, &out.reward}) values->resize(points);
  const Buffer there(*device_, (5 * points + begin.size()) * sizeof(float));
  const auto at = [&](size_t array) { return static_cast<float*>(there.data()) + array * points; };
  auto* begins = reinterpret_cast<int32_t*>(at(5));
  device_->copy_in(at(4), request.surrogate.data(), points * sizeof(float));
  device_->copy_in(begins, begin.data(), begin.size() * sizeof(int32_t));
  rectify::repro_score(*device_, at(0), at(1), at(2), at(3), at(4), begins, static_cast<int64_t>(begin.size()) - 1, request.config);
  size_t array = 0;
  for (auto* values : {&out.magnitude, &out.stability, &out.score, &out.reward})
    device_->copy_out(values->data(), at(array++), points * sizeof(float));
  return out;
}

StepResult Engine::step(const StepOptions& options) {
  const double norm = model().step(options.adamw, options.max_grad_norm);
  return {norm, model().optimizer_step()};
}

void Engine::freeze(const std::vector<TensorSource>& tensors) {
  Weights& weights = model().weights();
  if (lora()) throw std::runtime_error("freeze: expected an engine without adapters, got LoRA, whose reference is the base without them");
  const size_t bytes = Weights::weight_bytes(weights.layout(), Keep::panels);
  if (!weights.frozen() && bytes > model().memory().free)
    throw std::runtime_error("freeze: expected " + std::to_string(bytes) + " free bytes for the reference policy, got " +
                             std::to_string(model().memory().free) + "; lower per_device_train_batch_size or set beta: 0");
  if (tensors.empty()) return weights.freeze();
  std::vector<std::vector<float>> policy;
  for (const NamedTensor& part : weights.layout().tensors) policy.push_back(weights.read(part));
  const auto restore = [&] {
    for (size_t i = 0; i < policy.size(); i++) weights.load(weights.layout().tensors[i], policy[i].data(), Dtype::f32);
    weights.pack();
  };
  try {
    load_weights(weights, tensors);
    weights.freeze();
  } catch (...) {
    restore();
    throw;
  }
  restore();
}

void Engine::set_vocabulary(std::vector<std::string> bytes) {
  const size_t vocab = static_cast<size_t>(model().config().vocab_size);
  if (bytes.size() > vocab)
    throw std::runtime_error("setVocabulary: expected at most " + std::to_string(vocab) + " tokens (vocab_size), got " +
                             std::to_string(bytes.size()));
  bytes.resize(vocab);
  vocabulary_ = std::move(bytes);
}

Weights& Engine::trained(const char* verb) {
  Weights& weights = model().trained();
  if (!weights.training())
    throw std::runtime_error(std::string(verb) + ": expected an engine opened with training: true, got training: false");
  return weights;
}

std::vector<float> Engine::values(Values which, const std::string& name) {
  for (Weights* weights : {model().adapters(), &model().weights()}) {
    if (!weights) continue;
    for (const NamedTensor& part : weights->layout().tensors) {
      if (part.name != name) continue;
      if (which == Values::weight) return weights->read(part);
      if (!weights->training())
        throw std::runtime_error("values: expected a tensor that is trained, got " + name + ", which has no gradient");
      std::vector<float> gradient = weights->read(part, weights->grad(part.parameter));
      for (float& g : gradient) g *= weights->layout().parameters[static_cast<size_t>(part.parameter)].scale;
      return gradient;
    }
  }
  throw std::runtime_error("values: expected a tensor of this model, got " + name + "; known: " +
                           model().weights().layout().tensors.front().name + ", ...");
}

namespace {

template <class Read>
void write_tensors(const std::string& file, const Layout& layout, Dtype dtype, const Read& read) {
  std::vector<TensorHeader> headers;
  for (const NamedTensor& part : layout.tensors) headers.push_back({part.name, shape(part)});
  TensorWriter writer(file, dtype, headers, {{"format", "pt"}});
  for (const NamedTensor& part : layout.tensors) writer.write(read(part));
  writer.finish();
}

}  // namespace

void Engine::save(const std::string& file) {
  Weights& weights = trained("save");
  write_tensors(file, weights.layout(), lora() ? Dtype::f32 : weights.dtype(), [&](const NamedTensor& part) { return weights.read(part); });
}

void Engine::merge(const std::string& file) {
  const Weights& weights = model().weights();
  write_tensors(file, weights.layout(), weights.dtype(), [&](const NamedTensor& part) { return model().merged(part); });
}

void Engine::load_adapter(const std::vector<TensorSource>& tensors) {
  if (!lora()) throw std::runtime_error("loadAdapter: expected an engine opened with lora, got one without");
  load_weights(*model().adapters(), tensors);
}

void Engine::sync_reference(double share) {
  if (lora()) throw std::runtime_error("syncReference: expected an engine without adapters, got LoRA, whose reference is the base without them");
  model().weights().blend_reference(static_cast<float>(share));
}

void Engine::save_reference(const std::string& file) {
  Weights& weights = model().weights();
  struct Policy {
    Weights& weights;
    ~Policy() { weights.use_reference(false); }
  } restore{weights};
  weights.use_reference(true);
  write_tensors(file, weights.layout(), Dtype::f32, [&](const NamedTensor& part) { return weights.read(part); });
}

void Engine::save_optimizer(const std::string& file) {
  Weights& weights = trained("saveOptimizer");
  const auto& parts = weights.layout().tensors;
  const bool master = master_in_optimizer();
  std::vector<TensorHeader> headers;
  for (const NamedTensor& part : parts) {
    headers.push_back({part.name + ".m", shape(part)});
    headers.push_back({part.name + ".v", shape(part)});
    if (master) headers.push_back({part.name + ".master", shape(part)});
  }
  TensorWriter writer(file, Dtype::f32, headers, {{"format", "pt"}, {"step", std::to_string(model().optimizer_step())}});
  for (const NamedTensor& part : parts) {
    writer.write(weights.read(part, weights.moment1(part.parameter)));
    writer.write(weights.read(part, weights.moment2(part.parameter)));
    if (master) writer.write(weights.read(part));
  }
  writer.finish();
}

void Engine::load_optimizer(int64_t step, const std::vector<TensorSource>& tensors) {
  Weights& weights = trained("loadOptimizer");
  const Sources sources(tensors);
  TensorFiles files;
  // All of it is looked at before any of it is used: a bad file leaves the optimizer as it was.
  for (const bool use : {false, true}) {
    const auto each = [&](const std::string& name, const NamedTensor& part, Tensor whole) {
      const TensorSource& source = sources.find(name, count(part));
      if (source.dtype != Dtype::f32) throw std::runtime_error(source.file + ": " + name + ": expected dtype F32");
      const void* values = files.read(source);
      if (use) weights.write(part, whole, static_cast<const float*>(values));
    };
    for (const NamedTensor& part : weights.layout().tensors) {
      each(part.name + ".m", part, weights.moment1(part.parameter));
      each(part.name + ".v", part, weights.moment2(part.parameter));
      if (master_in_optimizer()) each(part.name + ".master", part, weights.master(part.parameter));
    }
  }
  model().set_optimizer_step(step);
  weights.pack();
}

EngineStats Engine::stats() {
  EngineStats s;
  s.plan = model().memory();
  s.device = options_.device;
  s.isa = target_name(device_->target);
  s.threads = device_->pool().size();
  s.parameters = model().weights().layout().count;
  s.trained_parameters = model().trained().training() ? model().trained().layout().count : 0;
  s.dtype = model().weights().dtype();
  s.optimizer_step = model().optimizer_step();
  s.peak_bytes = device_->is_gpu() ? device_->most_held() : peak_bytes();
  return s;
}

}  // namespace rectify
