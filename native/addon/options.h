// The fields of every struct that crosses the boundary, each written once: name in JavaScript, place in C++, allowed values.
#pragma once
#include "../device/gpu.h"
#include "../engine/engine.h"
#include "bind.h"

namespace rectify {

struct OptimizerFile {
  int64_t step = 0;
  std::vector<TensorSource> tensors;
};

namespace bind {

template <>
struct Names<Dtype> {
  static constexpr const char* values[] = {"f32", "bf16", "f16"};
};
enum class RunDtype { float32, bfloat16 };
template <>
struct Names<RunDtype> {
  static constexpr const char* values[] = {"float32", "bfloat16"};
};
template <>
struct Names<RopeScaling> {
  static constexpr const char* values[] = {"default", "linear", "llama3"};
};
template <>
struct Names<LossType> {
  static constexpr const char* values[] = {"grpo", "bnpo", "dr_grpo", "dapo", "cispo", "sapo"};
};
template <>
struct Names<KlEstimator> {
  static constexpr const char* values[] = {"k1", "k2", "k3"};
};
enum class SamplingLevel { token, sequence };
template <>
struct Names<SamplingLevel> {
  static constexpr const char* values[] = {"token", "sequence"};
};
enum class FirstReward { score, difference };
template <>
struct Names<FirstReward> {
  static constexpr const char* values[] = {"score", "difference"};
};
template <>
struct Names<FinishReason> {
  static constexpr const char* values[] = {"stop", "length", "cancelled"};
};
template <>
struct Names<Values> {
  static constexpr const char* values[] = {"weight", "gradient"};
};
enum class LossKind { grpo, sft };
template <>
struct Names<LossKind> {
  static constexpr const char* values[] = {"grpo", "sft"};
};

/** The loss of a batch: one of two objects, told apart by `kind`. */
struct Loss {
  TrainRequest& request;
};

#define RECTIFY_TYPE_NAME(type, name)            \
  template <>                                    \
  struct TypeName<type> {                        \
    static constexpr const char* value = name;   \
  };
RECTIFY_TYPE_NAME(ModelConfig, "NativeConfig")
RECTIFY_TYPE_NAME(EngineOptions, "NativeOptions")
RECTIFY_TYPE_NAME(LoraConfig, "LoraOptions")
RECTIFY_TYPE_NAME(TensorSource, "TensorSource")
RECTIFY_TYPE_NAME(TensorHeader, "TensorHeader")
RECTIFY_TYPE_NAME(OpenRequest, "OpenRequest")
RECTIFY_TYPE_NAME(OptimizerFile, "OptimizerFile")
RECTIFY_TYPE_NAME(GenerateRequest, "GenerateRequest")
RECTIFY_TYPE_NAME(Completion, "Completion")
RECTIFY_TYPE_NAME(FreshTokens, "FreshTokens")
RECTIFY_TYPE_NAME(TokenForest, "Forest")
RECTIFY_TYPE_NAME(ScoreRequest, "ScoreRequest")
RECTIFY_TYPE_NAME(TokenScores, "Scores")
RECTIFY_TYPE_NAME(Loss, "GrpoLoss | SftLoss")
RECTIFY_TYPE_NAME(GrpoConfig, "GrpoConfig")
RECTIFY_TYPE_NAME(TrainBatch, "TrainBatch")
RECTIFY_TYPE_NAME(LossStats, "LossStats")
RECTIFY_TYPE_NAME(StepOptions, "StepOptions")
RECTIFY_TYPE_NAME(StepResult, "StepResult")
RECTIFY_TYPE_NAME(ReproRequest, "ReproRequest")
RECTIFY_TYPE_NAME(ReproScores, "ReproScores")
RECTIFY_TYPE_NAME(MemoryPlan, "MemoryPlan")
RECTIFY_TYPE_NAME(GpuReport::Gpu, "Gpu")
RECTIFY_TYPE_NAME(GpuReport, "GpuReport")
RECTIFY_TYPE_NAME(EngineStats, "EngineStats")
RECTIFY_TYPE_NAME(GrpoLossRequest, "GrpoLossRequest")
RECTIFY_TYPE_NAME(GrpoLossResult, "GrpoLossResult")
#undef RECTIFY_TYPE_NAME

}  // namespace bind

inline constexpr bind::Limits kCount{0, bind::kSafeInteger}, kOne{1, bind::kSafeInteger}, kUnit{0, 1},
    kNotNegative{0, FLT_MAX}, kDecay{0, 0.9999999}, kTemperature{1e-4, 1e4};
inline constexpr bind::Limits kTokens{1, 16777216}, kToken{0, 2147483647}, kTop{0, 1000};

template <class V>
void fields(V& v, ModelConfig& c) {
  v("vocabSize", c.vocab_size, kOne);
  v("hiddenSize", c.hidden_size, kOne);
  v("intermediateSize", c.intermediate_size, kOne);
  v("layers", c.layers, kOne);
  v("heads", c.heads, kOne);
  v("kvHeads", c.kv_heads, kOne);
  v("headDim", c.head_dim, kOne);
  v("rmsNormEps", c.rms_norm_eps, kUnit);
  v("ropeTheta", c.rope_theta, kNotNegative);
  v("ropeType", c.rope_scaling);
  v("ropeFactor", c.rope_factor, kNotNegative);
  v("ropeLowFreqFactor", c.rope_low_freq_factor, kNotNegative);
  v("ropeHighFreqFactor", c.rope_high_freq_factor, kNotNegative);
  v("ropeOriginalPositions", c.rope_original_positions, kOne);
  v("maxPositionEmbeddings", c.max_position_embeddings, kOne);
  v("tieWordEmbeddings", c.tie_word_embeddings);
  v("qkvBias", c.qkv_bias);
  v("outputBias", c.output_bias);
  v("mlpBias", c.mlp_bias);
  v("qkNorm", c.qk_norm);
  v("initializerRange", c.initializer_range, kNotNegative);
}

/** A run's dtype has its long name, unlike that of a stored tensor. */
template <class V>
void run_dtype(V& v, Dtype& dtype) {
  auto name = dtype == Dtype::bf16 ? bind::RunDtype::bfloat16 : bind::RunDtype::float32;
  v("dtype", name);
  dtype = name == bind::RunDtype::bfloat16 ? Dtype::bf16 : Dtype::f32;
}

template <class V>
void fields(V& v, LoraConfig& c) {
  v("rank", c.rank, bind::Limits{1, 65536});
  v("alpha", c.alpha, kNotNegative);
  v("dropout", c.dropout, kDecay);
  v("rslora", c.rslora);
  v("targetModules", c.target_modules);
  v("seed", c.seed, kCount);
}

template <class V>
void fields(V& v, EngineOptions& o) {
  run_dtype(v, o.model.dtype);
  v("device", o.device);
  v("threads", o.threads, bind::Limits{0, 1024});
  v("training", o.model.training);
  v("maxBatchTokens", o.model.max_batch_tokens, kTokens);
  v("gradientCheckpointing", o.model.gradient_checkpointing);
  v("maxDecodeRows", o.model.max_decode_rows, bind::Limits{1, 65536});
  v("memoryLimit", o.model.memory_limit, kCount);
  v("lora", o.model.lora);
}

template <class V>
void fields(V& v, TensorSource& t) {
  v("name", t.name);
  v("file", t.file);
  v("offset", t.offset, kCount);
  v("bytes", t.bytes, kCount);
  v("dtype", t.dtype);
}

template <class V>
void fields(V& v, TensorHeader& t) {
  v("name", t.name);
  v("shape", bind::Numbers{t.shape});
}

template <class V>
void fields(V& v, OpenRequest& r) {
  v("config", r.config);
  v("options", r.options);
  v("tensors", r.tensors);
  v("seed", r.seed, kCount);
}

template <class V>
void fields(V& v, OptimizerFile& f) {
  v("step", f.step, kCount);
  v("tensors", f.tensors);
}

template <class V>
void fields(V& v, GenerateRequest& r) {
  v("prompts", r.prompts);
  v("n", r.samples, bind::Limits{1, 65536});
  v("promptKeys", r.prompt_keys);
  v("maxTokens", r.max_tokens, kTokens);
  v("temperature", r.sampling.temperature, bind::Limits{0, 1e4});
  v("topK", r.sampling.top_k, kCount);
  v("topP", r.sampling.top_p, kUnit);
  v("minP", r.sampling.min_p, kUnit);
  v("repetitionPenalty", r.sampling.repetition_penalty, bind::Limits{1e-3, 1e3});
  v("stopTokens", bind::Numbers{r.stop_tokens}, kToken);
  v("stopStrings", r.stop_strings);
  v("seed", r.seed, kCount);
  v("step", r.step, kCount);
  v("topLogprobs", r.top_logprobs, kTop);
  v("stream", r.stream);
}

template <class V>
void fields(V& v, TopLogprobs& top) {
  v("topIds", top.ids);
  v("topLogprobs", top.logprobs);
}

template <class V>
void fields(V& v, Completion& c) {
  v("prompt", c.prompt);
  v("sample", c.sample);
  v("ids", c.ids);
  v("logprobs", c.logprobs);
  v("entropy", c.entropy);
  fields(v, c.top);
  v("finishReason", c.finish);
}

template <class V>
void fields(V& v, FreshTokens& f) {
  v("completion", f.completion);
  v("ids", f.ids);
  v("logprobs", f.logprobs);
  fields(v, f.top);
}

template <class V>
void fields(V& v, TokenForest& f) {
  v("parent", f.parent);
  v("parentLength", f.parent_length);
  v("length", f.length);
  v("tokens", f.tokens);
}

template <class V>
void fields(V& v, ScoreRequest& r) {
  v("forest", r.forest);
  v("mask", r.mask);
  v("temperature", r.temperature, kTemperature);
  v("reference", r.reference);
  v("topLogprobs", r.top_logprobs, kTop);
}

template <class V>
void fields(V& v, TokenScores& s) {
  v("logprobs", s.logprobs);
  v("entropy", s.entropy);
  v("best", s.best);
  fields(v, s.top);
}

template <class V>
void fields(V& v, GrpoConfig& c) {
  v("lossType", c.loss_type);
  v("epsilon", c.epsilon, kNotNegative);
  v("epsilonHigh", c.epsilon_high, kNotNegative);
  v("delta", c.delta, bind::Limits{0, HUGE_VAL});
  v("beta", c.beta, kNotNegative);
  v("kl", c.kl);
  v("useBiasCorrectionKl", c.bias_correction_kl);
  auto level = c.sequence_level ? bind::SamplingLevel::sequence : bind::SamplingLevel::token;
  v("importanceSamplingLevel", level);
  c.sequence_level = level == bind::SamplingLevel::sequence;
  v("sapoTemperatureNeg", c.sapo_temperature_neg, kTemperature);
  v("sapoTemperaturePos", c.sapo_temperature_pos, kTemperature);
  v("numSequences", c.num_sequences, bind::Limits{1, 1e15});
  v("numTokens", c.num_tokens, bind::Limits{1, 1e15});
  v("maxCompletionLength", c.max_completion_length, bind::Limits{1, 1e15});
}

template <class V>
void grpo_fields(V& v, TrainRequest& r) {
  v("kind", bind::Tag{"grpo"});
  fields(v, r.grpo);
  v("advantages", r.advantages);
  v("oldLogprobs", bind::Maybe{r.old_logp});
  v("refLogprobs", bind::Maybe{r.ref_logp});
}

template <class V>
void sft_fields(V& v, TrainRequest& r) {
  v("kind", bind::Tag{"sft"});
  v("weights", r.weights);
}

template <class V>
void fields(V& v, TrainBatch& b) {
  v("forest", b.forest);
  v("mask", b.request.mask);
  v("temperature", b.request.temperature, kTemperature);
  v("loss", bind::Loss{b.request});
}

template <class V>
void fields(V& v, LossStats& s) {
  v("loss", s.loss);
  v("tokens", s.tokens);
  v("sequences", s.sequences);
  v("entropySum", s.entropy_sum);
  v("likeliest", s.likeliest);
  v("klSum", s.kl_sum);
  v("clipLow", s.clip_low);
  v("clipHigh", s.clip_high);
  v("ratioSum", s.ratio_sum);
  v("ratioMin", s.ratio_min);
  v("ratioMax", s.ratio_max);
  v("logpDifferenceSum", s.logp_difference_sum);
  v("logpDifferenceMax", s.logp_difference_max);
}

template <class V>
void fields(V& v, StepOptions& o) {
  v("learningRate", o.adamw.learning_rate, kNotNegative);
  v("weightDecay", o.adamw.weight_decay, kNotNegative);
  v("adamBeta1", o.adamw.beta1, kDecay);
  v("adamBeta2", o.adamw.beta2, kDecay);
  v("adamEpsilon", o.adamw.epsilon, kNotNegative);
  v("maxGradNorm", o.max_grad_norm, kNotNegative);
}

template <class V>
void fields(V& v, StepResult& r) {
  v("gradNorm", r.grad_norm);
  v("step", r.step);
}

template <class V>
void fields(V& v, ReproRequest& r) {
  v("surrogate", r.surrogate);
  v("begin", r.begin);
  v("stabilityWeight", r.config.stability_weight, kUnit);
  v("emaWeight", r.config.ema_weight, kUnit);
  auto first = r.config.first_difference ? bind::FirstReward::difference : bind::FirstReward::score;
  v("firstReward", first);
  r.config.first_difference = first == bind::FirstReward::difference;
}

template <class V>
void fields(V& v, ReproScores& s) {
  v("magnitude", s.magnitude);
  v("stability", s.stability);
  v("score", s.score);
  v("reward", s.reward);
}

template <class V>
void fields(V& v, MemoryPlan& p) {
  v("weights", p.weights);
  v("grads", p.grads);
  v("adam", p.adam);
  v("activations", p.activations);
  v("kv", p.kv);
  v("free", p.free);
}

template <class V>
void fields(V& v, GpuReport::Gpu& g) {
  v("name", g.name);
  v("major", g.major);
  v("minor", g.minor);
  v("multiprocessors", g.multiprocessors);
  v("memory", g.memory);
  v("free", g.free);
  v("error", g.error);
}

template <class V>
void fields(V& v, GpuReport& r) {
  v("built", r.built);
  v("driver", r.driver);
  v("runtime", r.runtime);
  v("error", r.error);
  v("cublasLt", r.cublas_lt);
  v("cublasLtVersion", r.cublas_lt_version);
  v("gpus", r.gpus);
}

template <class V>
void fields(V& v, EngineStats& s) {
  v("device", s.device);
  v("isa", s.isa);
  v("threads", s.threads);
  v("parameters", s.parameters);
  v("trainedParameters", s.trained_parameters);
  run_dtype(v, s.dtype);
  v("optimizerStep", s.optimizer_step);
  v("plan", s.plan);
  v("peakBytes", s.peak_bytes);
}

template <class V>
void fields(V& v, GrpoLossRequest& r) {
  v("config", r.config);
  v("lengths", r.lengths);
  v("logprobs", r.logprobs);
  v("advantages", r.advantages);
  v("oldLogprobs", bind::Maybe{r.old_logprobs});
  v("refLogprobs", bind::Maybe{r.ref_logprobs});
}

template <class V>
void fields(V& v, GrpoLossResult& r) {
  v("stats", r.stats);
  v("gradient", r.gradient);
}

namespace bind {

inline void read(Napi::Value value, const std::string& where, Loss& loss, Limits) {
  LossKind kind = LossKind::grpo;
  Reader(value, where)("kind", kind);
  loss.request.sft = kind == LossKind::sft;
  Reader reader(value, where);
  if (loss.request.sft) {
    sft_fields(reader, loss.request);
  } else {
    grpo_fields(reader, loss.request);
  }
  reader.done();
}

}  // namespace bind

}  // namespace rectify
