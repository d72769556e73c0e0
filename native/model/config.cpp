// The numbers of a model, checked before anything is allocated.
#include "config.h"

#include <stdexcept>

namespace rectify {

namespace {
void expect(bool ok, const char* field, const char* what, double got) {
  if (ok) return;
  std::string number = std::to_string(got);
  while (number.size() > 1 && number.back() == '0') number.pop_back();
  if (number.back() == '.') number.pop_back();
  throw std::runtime_error(std::string("config.") + field + ": expected " + what + ", got " + number);
}
}  // namespace

void ModelConfig::check() const {
  const auto size = [](const char* field, int64_t n, int64_t most) {
    expect(n >= 1 && n <= most, field, ("1.." + std::to_string(most)).c_str(), static_cast<double>(n));
  };
  size("vocab_size", vocab_size, int64_t{1} << 24);
  size("hidden_size", hidden_size, int64_t{1} << 20);
  size("intermediate_size", intermediate_size, int64_t{1} << 22);
  size("num_hidden_layers", layers, 4096);
  size("num_attention_heads", heads, 4096);
  size("num_key_value_heads", kv_heads, 4096);
  size("head_dim", head_dim, 256);
  size("max_position_embeddings", max_position_embeddings, int64_t{1} << 24);
  expect(head_dim % 2 == 0, "head_dim", "an even number", head_dim);
  expect(heads % kv_heads == 0, "num_key_value_heads", "a divisor of num_attention_heads", kv_heads);
  expect(rms_norm_eps >= 0 && rms_norm_eps < 1, "rms_norm_eps", "0..1", rms_norm_eps);
  expect(rope_theta > 0 && rope_theta < 1e15, "rope_theta", "a positive number", rope_theta);
  expect(initializer_range >= 0 && initializer_range < 100, "initializer_range", "0..100", initializer_range);
  if (rope_scaling != RopeScaling::none) expect(rope_factor > 0, "rope_scaling.factor", "a positive number", rope_factor);
  if (rope_scaling == RopeScaling::llama3) {
    expect(rope_low_freq_factor > 0, "rope_scaling.low_freq_factor", "a positive number", rope_low_freq_factor);
    expect(rope_high_freq_factor > rope_low_freq_factor, "rope_scaling.high_freq_factor", "more than low_freq_factor",
           rope_high_freq_factor);
    expect(rope_original_positions >= 1, "rope_scaling.original_max_position_embeddings", "at least 1",
           static_cast<double>(rope_original_positions));
  }
}

}  // namespace rectify
