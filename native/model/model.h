// The transformer: forward over a token forest, backward, decode. Every verb of the engine ends here; one thread calls it.
#pragma once
#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "forest.h"
#include "adapters.h"
#include "step_graphs.h"

namespace rectify {

class Arena;
struct Pass;
struct PassShape;
struct ScoredTokens;

struct ModelOptions {
  Dtype dtype = Dtype::f32;  // f32 or bf16
  bool training = true;
  int64_t max_batch_tokens = 8192;
  bool gradient_checkpointing = false;
  int64_t max_decode_rows = 64;
  size_t memory_limit = 0;  // bytes; 0: what the machine has free
  bool gpu = false;         // for a GPU: its memory is its own, and bf16 runs keep activations in bf16
  std::optional<LoraConfig> lora;  // train adapters; the model's own weights stay as they are
};

/** Of a GPU's free bytes those that a run may plan with: the rest is for what kernels and the driver take on their own. */
size_t usable_memory(size_t free);

/** Bytes. */
struct MemoryPlan {
  size_t weights = 0, grads = 0, adam = 0, activations = 0, kv = 0, free = 0;
};

struct GenerateRequest {
  std::vector<std::vector<int32_t>> prompts;
  std::vector<int32_t> prompt_keys;  // one per prompt
  int samples = 1;
  int64_t max_tokens = 1;
  SampleConfig sampling;
  uint64_t seed = 0, step = 0;  // of its draws
  std::vector<int32_t> stop_tokens;
  std::vector<std::string> stop_strings;
  int64_t top_logprobs = 0;  // likeliest tokens told at each position
  bool stream = false;       // keep tokens for whoever follows the call
};

enum class FinishReason : int32_t { stop, length, cancelled };

/** The likeliest tokens at each of some positions, likeliest first: k of each. */
struct TopLogprobs {
  std::vector<int32_t> ids;
  std::vector<float> logprobs;
};

struct Completion {
  int32_t prompt = 0, sample = 0;
  std::vector<int32_t> ids;
  std::vector<float> logprobs, entropy;
  TopLogprobs top;
  FinishReason finish = FinishReason::length;
};

/** (T) each; `best` is the log-probability of the likeliest token in that place. */
struct TokenScores {
  std::vector<float> logprobs, entropy, best;
  TopLogprobs top;
};

/** Tokens since someone last looked, in the order they came. */
struct FreshTokens {
  std::vector<int32_t> completion, ids;  // completion: its index in the result
  std::vector<float> logprobs;
  TopLogprobs top;
};

/** What a caller may watch and end while it runs. */
struct GenerateControl {
  std::atomic<bool> cancel{false};
  std::atomic<int64_t> generated{0};
  std::mutex mutex;
  FreshTokens fresh;  // under the mutex
};

/** A generate call on its way; exactly one of `done` and `fail` is called, once. */
struct GenerateCall {
  GenerateRequest request;
  std::shared_ptr<GenerateControl> control;
  std::function<void(std::vector<Completion>)> done;
  std::function<void(const std::string&)> fail;
};

/** What train() is asked to do with the forest: per-token arrays of forest.rows() values. */
struct TrainRequest {
  std::vector<uint8_t> mask;  // 1 where a token carries loss
  float temperature = 1;
  bool sft = false;
  std::vector<float> weights;  // sft: loss = sum -weight * logp
  GrpoConfig grpo;
  std::vector<float> advantages, old_logp, ref_logp;  // the last two may be empty
};

class Model {
 public:
  Model(Device& device, const ModelConfig& config, const ModelOptions& options);
  ~Model();

  static MemoryPlan plan(const ModelConfig& config, const ModelOptions& options);
  const MemoryPlan& memory() const { return plan_; }
  const ModelConfig& config() const { return config_; }
  Weights& weights() { return weights_; }
  /** What steps move and checkpoints hold: the adapters of a LoRA run, else the weights. */
  Weights& trained() { return adapters_ ? *adapters_ : weights_; }
  Weights* adapters() { return adapters_ ? &*adapters_ : nullptr; }
  /** One tensor of the model with its adapter added. */
  std::vector<float> merged(const NamedTensor& tensor);

  /** NaN where nothing predicts the token or the mask (empty: all) leaves it out; the likeliest tokens, k of each, when wanted. */
  TokenScores logprobs(const Forest& forest, const std::vector<uint8_t>& mask, float temperature, bool reference,
                       int64_t top_logprobs = 0);
  /** Forward, loss, backward; gradients add up. */
  LossStats train(const Forest& forest, const TrainRequest& request);
  /** Global-norm clipping (0: none) and AdamW, then repacks the weights. Returns the norm before clipping. */
  double step(const AdamwConfig& config, double max_grad_norm);
  int64_t optimizer_step() const { return optimizer_step_; }
  void set_optimizer_step(int64_t step) { optimizer_step_ = step; }

  /**
   * `vocabulary`: byte text of each token, for stop strings (may be empty). `more` runs between two tokens: what it passes to
   * generate() joins the rows that are decoded, and what it asks of logprobs() is answered there.
   */
  void generate(std::shared_ptr<GenerateCall> call, const std::vector<std::string>& vocabulary, const std::function<void()>& more);
  /** How the decoding steps so far were launched. */
  const StepGraphs::Counts& decode_steps() const { return graphs_.counts(); }

 private:
  class Decoder;

  // transformer.cpp
  void forward(Pass& pass, bool cached);
  void attend(int64_t layer, Pass& pass, int64_t cache_layer);
  void feed_forward(int64_t layer, Pass& pass);
  void backward(Pass& pass);
  void block_backward(int64_t layer, Pass& pass);
  /** y = x W^T + bias (+ y) + scale (x A^T) B^T. */
  void linear(int64_t layer, Linear which, Pass& pass, Tensor y, Tensor x, bool accumulate);
  /** Adds to the gradients of what is trained; overwrites dx unless it is empty. */
  void linear_backward(int64_t layer, Linear which, Pass& pass, Tensor dx, Tensor dy, Tensor x);
  LinearAdapter adapter_of(int64_t layer, Linear which) const;
  /** What the adapter of a layer reads: x, or, in a training pass with dropout, part of it. */
  Tensor adapter_input(int64_t layer, Linear which, Pass& pass, Tensor x);
  DropoutConfig dropout_of(int64_t layer, Linear which) const;
  PassShape shape(int64_t rows, bool training) const;
  void use_reference(bool yes);

  /** Hidden states after the final norm, [R, C]: `raw` before it (kept for the backward pass). */
  Tensor head_input(Arena& arena, const Pass& pass, const int32_t* rows, int64_t count, Tensor* raw);
  Arena working_memory();
  /** Rows whose logits are in memory at once while decoding. */
  int64_t logit_rows() const;
  void ensure_positions(int64_t count);
  Tensor cosines() const { return {cos_.data(), positions_, config_.head_dim / 2, Dtype::f32}; }
  Tensor sines() const { return {sin_.data(), positions_, config_.head_dim / 2, Dtype::f32}; }

  Device& device_;
  ModelConfig config_;
  ModelOptions options_;
  MemoryPlan plan_;
  AdapterLayout adapter_layout_;
  Weights weights_;
  std::optional<Weights> adapters_;
  bool adapters_off_ = false;
  int64_t optimizer_step_ = 0;
  Buffer arena_, kv_, cos_, sin_;
  StepGraphs graphs_;
  Decoder* decoder_ = nullptr;  // while generate() runs
  int64_t positions_ = 0;
};

}  // namespace rectify
