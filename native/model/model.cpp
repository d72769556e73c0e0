// The memory plan, and the verbs that score and train.
#include "model.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>

#include "head_loss.h"
#include "rope_table.h"
#include "top_tokens.h"

namespace rectify {

namespace {

// On a CPU: tiles of the fused LM head and packing scratch of the matmuls. On a GPU: sums of a few blocks, and what rounding takes.
constexpr size_t kCpuScratch = size_t{64} << 20, kGpuScratch = size_t{4} << 20;
// What kernels hold at most: token_logprob.cu of logits and their gradient, attention.cu of a few long paths.
constexpr size_t kMostLogits = size_t{1} << 30, kMostSplits = size_t{256} << 20;
// Of a chunk of decoding rows on a CPU.
constexpr int64_t kLogitValues = int64_t{8} << 20;

/** bf16 runs on a GPU keep in bf16 what only matmuls and elementwise kernels read. */
Dtype activations_of(const ModelOptions& options) { return options.gpu ? options.dtype : Dtype::f32; }

/** A GPU reads the LM head once for all rows that decode; a CPU keeps a chunk of them in its caches. */
int64_t decode_logit_rows(const ModelConfig& config, const ModelOptions& options) {
  if (options.gpu) return options.max_decode_rows;
  return std::max<int64_t>(1, std::min(options.max_decode_rows, kLogitValues / config.vocab_size));
}

/** What the kernels and the decoder hold beside the arena. On a GPU each kernel that needs scratch has its line here. */
size_t scratch_bytes(const ModelConfig& config, const ModelOptions& options) {
  if (!options.gpu) return kCpuScratch;
  const auto rows = static_cast<size_t>(std::max(options.max_batch_tokens, options.max_decode_rows));
  const auto vocabulary = static_cast<size_t>(config.vocab_size), hidden = static_cast<size_t>(config.hidden_size);
  const auto decoding = static_cast<size_t>(options.max_decode_rows), positions = static_cast<size_t>(config.max_position_embeddings);
  const Heads heads = config.head_shape();
  const auto width = static_cast<size_t>(heads.qkv()), kv = static_cast<size_t>(heads.kv()), D = static_cast<size_t>(heads.head_dim);
  const auto queries = static_cast<size_t>(heads.heads), normed = queries + static_cast<size_t>(heads.kv_heads);
  const size_t logits = std::min(rows * vocabulary * 6, kMostLogits) + rows * 5 * 4 + rows * (vocabulary / 8192 + 2) * 12;
  const size_t one_split = rows * queries * (D + 2) * 4;
  const size_t attending = std::max(one_split, std::min(one_split * (positions / 512 + 1), kMostSplits));
  const size_t attending_back = options.training ? 4 * rows * 2 * kv * 4 + rows * queries * 4 + rows * 2 * 4 : 0;
  const size_t norms = std::max(rows * 4 + (rows / 64 + 1) * hidden * 4, rows * normed * 4 + (rows / 16 + 1) * 2 * D * 4);
  const size_t drawing = decoding * (vocabulary * 4 + vocabulary / 8 + (vocabulary / 8192 + 2) * 12 + hidden * 4);
  const size_t turning = positions * D * 4;
  const size_t biases = (rows / 512 + 1) * std::max(width, 2 * static_cast<size_t>(config.intermediate_size)) * 4;
  return kGpuScratch + logits + std::max(attending, attending_back) + norms + drawing + turning + biases;
}

size_t machine_memory() {
  size_t kib = 0;
  if (std::FILE* file = std::fopen("/proc/meminfo", "r")) {
    char line[256];
    while (std::fgets(line, sizeof line, file))
      if (std::sscanf(line, "MemAvailable: %zu kB", &kib) == 1) break;
    std::fclose(file);
  }
  return kib ? kib * 1024 / 10 * 9 : size_t{4} << 30;
}

std::string mib(size_t bytes) { return std::to_string((bytes + (size_t{1} << 20) - 1) >> 20) + " MiB"; }

PassShape shape_of(int64_t rows, bool training, const ModelOptions& options, const AdapterLayout& adapters) {
  return {rows,
          training,
          training && options.gradient_checkpointing,
          adapters.widest,
          adapters.deepest,
          training && options.lora && options.lora->dropout > 0,
          activations_of(options)};
}

AdapterLayout adapters_of(const ModelConfig& config, const ModelOptions& options) {
  return options.lora ? AdapterLayout(Layout(config, options.dtype), *options.lora, options.dtype) : AdapterLayout();
}

/** Of the model's own weights, which adapters leave as they are. */
Keep keep_of(const ModelOptions& options) { return options.training && !options.lora ? Keep::all : Keep::panels; }

/** Working memory of a batch of the planned size in at most a quarter as many segments: the pass, its indices and pages, the
 *  LM head's rows. */
size_t working_bytes(const ModelConfig& config, const ModelOptions& options, const AdapterLayout& adapters) {
  const PassShape shape = shape_of(std::max(options.max_batch_tokens, options.max_decode_rows), options.training, options, adapters);
  Arena count;
  Pass(count, config, shape);
  const int64_t rows = shape.rows, segments = rows / 4 + 64;
  count.take(options.max_decode_rows, config.max_position_embeddings / KvCache::page_tokens + 2, Dtype::i32);
  const KvCache page{nullptr, 1, 1, config.kv_heads, config.head_dim, activations_of(options)};
  count.take(rows / KvCache::page_tokens + segments, page.page_values(), page.dtype);
  count.take(32 * (rows + segments), 1, Dtype::i32);
  count.take(rows, 4 * config.hidden_size);
  return count.used();
}

void expect_size(const char* name, size_t got, int64_t expected, bool optional) {
  if ((optional && got == 0) || static_cast<int64_t>(got) == expected) return;
  throw std::runtime_error(std::string("train.") + name + ": expected " + std::to_string(expected) +
                           " values (one per token), got " + std::to_string(got));
}

}  // namespace

size_t usable_memory(size_t free) { return free / 20 * 19; }

MemoryPlan Model::plan(const ModelConfig& config, const ModelOptions& options) {
  config.check();
  if (options.max_batch_tokens < 1)
    throw std::runtime_error("maxBatchTokens: expected at least 1, got " + std::to_string(options.max_batch_tokens));
  if (options.max_decode_rows < 1)
    throw std::runtime_error("maxDecodeRows: expected at least 1, got " + std::to_string(options.max_decode_rows));
  const Layout layout(config, options.dtype);
  const AdapterLayout adapters = adapters_of(config, options);
  MemoryPlan plan;
  plan.weights = Weights::weight_bytes(layout, keep_of(options));
  if (options.lora) plan.weights += Weights::weight_bytes(adapters, Keep::master);
  if (options.training) plan.grads = static_cast<size_t>(options.lora ? adapters.values : layout.values) * 4;
  plan.adam = 2 * plan.grads;
  plan.activations = working_bytes(config, options, adapters) + scratch_bytes(config, options);

  const size_t limit = options.memory_limit ? options.memory_limit : machine_memory();
  const size_t fixed = plan.weights + plan.grads + plan.adam + plan.activations;
  const KvCache page{nullptr, config.layers, 1, config.kv_heads, config.head_dim, activations_of(options)};
  const size_t pages = static_cast<size_t>((config.max_position_embeddings + KvCache::page_tokens - 1) / KvCache::page_tokens + 1);
  const size_t row = page.bytes() * pages, spare = options.gpu ? page.bytes() : 0, least = std::min(row, page.bytes() * 64) + spare;
  // What every decode row could need, but no more than nine tenths of what is left; one row must fit.
  const size_t left = limit > fixed ? (limit - fixed) / 10 * 9 : 0;
  plan.kv = std::min(row * static_cast<size_t>(options.max_decode_rows) + spare, left);
  if (fixed > limit || plan.kv < least)
    throw std::runtime_error("memory: expected a run that fits in " + mib(limit) + ", got weights " + mib(plan.weights) + " + grads " +
                             mib(plan.grads) + " + adam " + mib(plan.adam) + " + activations " + mib(plan.activations) +
                             " + kv at least " + mib(least) +
                             "; lower per_device_train_batch_size, set gradient_checkpointing: true, use dtype: bfloat16 or a "
                             "smaller model");
  plan.free = limit - fixed - plan.kv;
  return plan;
}

namespace {

ModelOptions on_device(ModelOptions options, const Device& device) {
  options.gpu = device.is_gpu();
  if (options.memory_limit == 0) options.memory_limit = usable_memory(device.free_memory());
  return options;
}

/** The plan, with its memory set aside where the device keeps one arena. */
MemoryPlan planned(Device& device, const ModelConfig& config, const ModelOptions& options) {
  const MemoryPlan plan = Model::plan(config, options);
  device.reserve(plan.weights + plan.grads + plan.adam + plan.activations + plan.kv);
  return plan;
}

}  // namespace

Model::Model(Device& device, const ModelConfig& config, const ModelOptions& options)
    : device_(device),
      config_(config),
      options_(on_device(options, device)),
      plan_(planned(device, config, options_)),
      adapter_layout_(adapters_of(config, options)),
      weights_(device, Layout(config, options.dtype), options.dtype, keep_of(options)) {
  if (options.lora) {
    adapters_.emplace(device, adapter_layout_, options.dtype, options.training ? Keep::all : Keep::master);
    initialize_adapters(*adapters_, options.lora->seed);
  }
  arena_ = Buffer(device, plan_.activations - scratch_bytes(config, options_));
}

Model::~Model() = default;

PassShape Model::shape(int64_t rows, bool training) const { return shape_of(rows, training, options_, adapter_layout_); }

void Model::use_reference(bool yes) {
  if (adapters_) adapters_off_ = yes;
  else weights_.use_reference(yes);
}

std::vector<float> Model::merged(const NamedTensor& tensor) {
  std::vector<float> values = weights_.read(tensor);
  if (!adapters_) return values;
  const auto find = [&](const char* end) -> const NamedTensor* {
    const std::string name = "base_model.model." + tensor.name.substr(0, tensor.name.rfind('.') + 1) + end;
    for (const NamedTensor& t : adapter_layout_.tensors)
      if (t.name == name) return &t;
    return nullptr;
  };
  const NamedTensor *a = find("lora_A.weight"), *b = find("lora_B.weight");
  if (!a || tensor.vector) return values;
  // W + (scale B) A, as the gradient of a weight adds up: rows of B^T against rows of A.
  const std::vector<float> up = adapters_->read(*b), down = adapters_->read(*a);
  std::vector<float> turned(up.size());
  for (int64_t n = 0; n < b->rows; n++)
    for (int64_t r = 0; r < b->cols; r++)
      turned[static_cast<size_t>(r * b->rows + n)] = up[static_cast<size_t>(n * b->cols + r)] * options_.lora->scale();
  const Buffer w(device_, values.size() * 4), left(device_, turned.size() * 4), right(device_, down.size() * 4);
  device_.copy_in(w.data(), values.data(), w.bytes());
  device_.copy_in(left.data(), turned.data(), left.bytes());
  device_.copy_in(right.data(), down.data(), right.bytes());
  matmul_dw(device_, {w.data(), b->rows, a->cols, Dtype::f32}, {left.data(), b->cols, b->rows, Dtype::f32},
            {right.data(), a->rows, a->cols, Dtype::f32}, Dtype::f32);
  device_.copy_out(values.data(), w.data(), w.bytes());
  return values;
}

int64_t Model::logit_rows() const { return decode_logit_rows(config_, options_); }

Arena Model::working_memory() { return Arena(arena_.data(), arena_.bytes()); }

void Model::ensure_positions(int64_t count) {
  if (count <= positions_) return;
  const int64_t half = config_.head_dim / 2;
  const int64_t positions = std::min(std::max(count, 2 * positions_), std::max(count, config_.max_position_embeddings));
  const std::vector<float> frequency = rope_frequencies(config_);
  std::vector<float> cos(static_cast<size_t>(positions * half)), sin(cos.size());
  for (int64_t p = 0; p < positions; p++) {
    for (int64_t i = 0; i < half; i++) {
      const float angle = static_cast<float>(p) * frequency[static_cast<size_t>(i)];
      cos[static_cast<size_t>(p * half + i)] = static_cast<float>(std::cos(static_cast<double>(angle)));
      sin[static_cast<size_t>(p * half + i)] = static_cast<float>(std::sin(static_cast<double>(angle)));
    }
  }
  cos_ = Buffer(device_, cos.size() * 4);
  sin_ = Buffer(device_, sin.size() * 4);
  device_.copy_in(cos_.data(), cos.data(), cos.size() * 4);
  device_.copy_in(sin_.data(), sin.data(), sin.size() * 4);
  positions_ = positions;
}

Tensor Model::head_input(Arena& arena, const Pass& pass, const int32_t* rows, int64_t count, Tensor* raw) {
  const Tensor picked = arena.take(count, config_.hidden_size);
  const Tensor hidden = arena.take(count, config_.hidden_size, pass.shape.activations);
  gather_rows(device_, picked, pass.x.back(), {const_cast<int32_t*>(rows), count, 1, Dtype::i32});
  rmsnorm_forward(device_, hidden, picked, weights_.vector(weights_.layout().final_norm), config_.rms_norm_eps);
  if (raw) *raw = picked;
  return hidden;
}

TokenScores Model::logprobs(const Forest& forest, const std::vector<uint8_t>& mask, float temperature, bool reference,
                            int64_t top_logprobs) {
  const ScoredTokens scored(forest, mask, "logprobs");
  TokenScores scores;
  scores.logprobs.assign(static_cast<size_t>(forest.rows()), std::numeric_limits<float>::quiet_NaN());
  scores.entropy = scores.best = scores.logprobs;
  if (top_logprobs > 0) {
    scores.top.ids.assign(static_cast<size_t>(forest.rows() * top_logprobs), -1);
    scores.top.logprobs.assign(scores.top.ids.size(), std::numeric_limits<float>::quiet_NaN());
  }
  if (scored.count() == 0) return scores;
  struct Reference {
    Model& model;
    ~Reference() { model.use_reference(false); }
  } restore{*this};
  use_reference(reference);

  ensure_positions(*std::max_element(forest.position.begin(), forest.position.end()) + 1);
  Arena arena = working_memory();
  Pass pass(arena, config_, shape(forest.rows(), false));
  const int32_t* rows = nullptr;
  TokenPairs pairs;
  Indices indices;
  scored.add_to(indices, rows, pairs);
  pass.bind(arena, device_, config_, forest, indices);
  forward(pass, false);
  const int64_t R = static_cast<int64_t>(scored.rows.size()), n = scored.count();
  const Tensor hidden = head_input(arena, pass, rows, R, nullptr);
  const Tensor results = arena.take(2 * R + n, 1), lse = arena.take(R, 1);
  const Tensor entropies = results.slice(0, R), tops = results.slice(R, R), logprobs = results.slice(2 * R, n);
  token_logprob_forward(device_, logprobs, lse, entropies, tops, hidden, weights_.panels(weights_.layout().lm_head), pairs, temperature);
  const std::vector<float> found = host_values(device_, results);
  const float *entropy = found.data(), *best = entropy + R, *values = best + R;
  for (size_t i = 0; i < scored.token.size(); i++) {
    const auto t = static_cast<size_t>(scored.token[i]), row = static_cast<size_t>(scored.row[i]);
    scores.logprobs[t] = values[i], scores.entropy[t] = entropy[row], scores.best[t] = best[row];
  }
  if (top_logprobs == 0) return scores;
  const Buffer buffer(device_, static_cast<size_t>(config_.vocab_size) * 4);
  const Tensor row{buffer.data(), 1, config_.vocab_size, Dtype::f32};
  std::vector<float> logits;
  for (size_t i = 0; i < scored.token.size(); i++) {
    if (i == 0 || scored.row[i] != scored.row[i - 1]) {
      matmul(device_, row, hidden.slice(scored.row[i], 1), weights_.panels(weights_.layout().lm_head), {}, false);
      logits = host_values(device_, row);
    }
    TopLogprobs own;
    append_top(logits, top_logprobs, scored.target[i], values[i], temperature, own);
    const auto at = static_cast<std::ptrdiff_t>(scored.token[i] * top_logprobs);
    std::copy(own.ids.begin(), own.ids.end(), scores.top.ids.begin() + at);
    std::copy(own.logprobs.begin(), own.logprobs.end(), scores.top.logprobs.begin() + at);
  }
  return scores;
}

LossStats Model::train(const Forest& forest, const TrainRequest& request) {
  if (!trained().training()) throw std::runtime_error("train: expected an engine opened with training: true, got training: false");
  const int64_t T = forest.rows();
  expect_size("mask", request.mask.size(), T, false);
  expect_size("weights", request.weights.size(), request.sft ? T : 0, false);
  expect_size("advantages", request.advantages.size(), request.sft ? 0 : T, false);
  expect_size("oldLogprobs", request.old_logp.size(), T, true);
  expect_size("refLogprobs", request.ref_logp.size(), T, true);
  if (!request.sft && request.grpo.beta != 0 && request.ref_logp.empty())
    throw std::runtime_error("train.refLogprobs: expected one value per token when beta is not 0, got none");
  const ScoredTokens scored(forest, request.mask, "train");
  if (scored.count() == 0) return {};

  ensure_positions(*std::max_element(forest.position.begin(), forest.position.end()) + 1);
  Arena arena = working_memory();
  Pass pass(arena, config_, shape(T, true));
  HeadLoss loss(forest, scored, request);
  const int32_t* rows = nullptr;
  TokenPairs pairs;
  Indices indices;
  scored.add_to(indices, rows, pairs);
  loss.add_to(indices);
  pass.bind(arena, device_, config_, forest, indices);

  forward(pass, false);
  const int64_t R = static_cast<int64_t>(scored.rows.size());
  Tensor raw;
  const Tensor hidden = head_input(arena, pass, rows, R, &raw), dhidden = arena.take(R, config_.hidden_size);
  const int head = weights_.layout().lm_head, norm = weights_.layout().final_norm;
  const Tensor draw = arena.take(R, config_.hidden_size);
  try {
    loss.launch(device_, arena, {dhidden, weights_.grad(head), hidden, weights_.panels(head), pairs});
    device_.zero(draw.data, draw.bytes());
    rmsnorm_backward(device_, draw, weights_.grad(norm), dhidden, raw, weights_.vector(norm), config_.rms_norm_eps);
    device_.zero(pass.dx.data, pass.dx.bytes());
    scatter_rows(device_, pass.dx, draw, {const_cast<int32_t*>(rows), R, 1, Dtype::i32});
    backward(pass);
    return loss.finish(device_);
  } catch (...) {
    trained().zero_grad();  // what the batch has added so far is of no use
    throw;
  }
}

double Model::step(const AdamwConfig& config, double max_grad_norm) {
  Weights& weights = trained();
  if (!weights.training()) throw std::runtime_error("step: expected an engine opened with training: true, got training: false");
  double sum = 0;
  weights.finish_grad();
  grad_norm(device_, &sum, weights.flat_grad());
  const double norm = std::sqrt(sum);
  if (!std::isfinite(norm)) {
    weights.zero_grad();
    throw std::runtime_error("step: expected a finite gradient norm, got " + std::to_string(norm) +
                             "; the weights are unchanged and the gradients cleared; lower learning_rate or look at the last batch");
  }
  AdamwConfig adam = config;
  adam.step = optimizer_step_ + 1;
  adam.grad_scale = max_grad_norm > 0 ? std::min(1.0, max_grad_norm / (norm + 1e-6)) : 1.0;
  for (const bool decay : {true, false}) {
    adam.weight_decay = decay ? config.weight_decay : 0;
    const Weights::Flat flat = weights.flat(decay);
    if (flat.weight.cols > 0) adamw(device_, flat.weight, flat.moment1, flat.moment2, flat.grad, adam);
  }
  optimizer_step_++;
  weights.pack();
  return norm;
}

}  // namespace rectify
