// What the engine computes with: the checked contents of a Hugging Face config.json.
#pragma once
#include <cstdint>
#include <string>

#include "../kernels/kernels.h"

namespace rectify {

enum class RopeScaling : int32_t { none, linear, llama3 };

struct ModelConfig {
  int64_t vocab_size = 0, hidden_size = 0, intermediate_size = 0, layers = 0;
  int heads = 0, kv_heads = 0, head_dim = 0;
  float rms_norm_eps = 1e-6f;
  double rope_theta = 10000;
  RopeScaling rope_scaling = RopeScaling::none;
  double rope_factor = 1, rope_low_freq_factor = 1, rope_high_freq_factor = 4;
  int64_t rope_original_positions = 8192;
  int64_t max_position_embeddings = 2048;
  bool tie_word_embeddings = false, qkv_bias = false, output_bias = false, mlp_bias = false, qk_norm = false;
  float initializer_range = 0.02f;

  Heads head_shape() const { return {heads, kv_heads, head_dim}; }

  /** Throws std::runtime_error naming the field when the numbers cannot be a model. */
  void check() const;
};

}  // namespace rectify
