// Layout, loading, initialisation and packing of the parameters.
#include "weights.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>
#include <stdexcept>

namespace rectify {

namespace {

constexpr int64_t kAlign = 16;  // values: every parameter begins on a vector boundary

int64_t align(int64_t n) { return (n + kAlign - 1) / kAlign * kAlign; }

float from_bf16(uint16_t bits) {
  const uint32_t wide = static_cast<uint32_t>(bits) << 16;
  float value;
  std::memcpy(&value, &wide, sizeof value);
  return value;
}

float from_f16(uint16_t bits) {
  const uint32_t sign = static_cast<uint32_t>(bits & 0x8000) << 16, exponent = (bits >> 10) & 31, mantissa = bits & 1023;
  if (exponent == 0) {
    const float value = std::ldexp(static_cast<float>(mantissa), -24);
    return sign ? -value : value;
  }
  const uint32_t wide = sign | (exponent == 31 ? 0x7f800000u : (exponent + 112) << 23) | mantissa << 13;
  float value;
  std::memcpy(&value, &wide, sizeof value);
  return value;
}

void to_f32(float* out, const void* values, int64_t n, Dtype dtype) {
  if (dtype == Dtype::f32) {
    std::memcpy(out, values, static_cast<size_t>(n) * 4);
    return;
  }
  const auto* bits = static_cast<const uint16_t*>(values);
  if (dtype == Dtype::bf16)
    for (int64_t i = 0; i < n; i++) out[i] = from_bf16(bits[i]);
  else
    for (int64_t i = 0; i < n; i++) out[i] = from_f16(bits[i]);
}

uint64_t mix(uint64_t z) {
  z += 0x9e3779b97f4a7c15ull;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
  return z ^ (z >> 31);
}

/** Normal deviate number `i` of stream `key` (Box-Muller on two hashed uniforms). */
double normal(uint64_t key, uint64_t i) {
  const uint64_t pair = mix(key ^ mix(i >> 1));
  const double u = (static_cast<double>(pair >> 32) + 0.5) * 0x1p-32;
  const double v = (static_cast<double>(pair & 0xffffffffu) + 0.5) * 0x1p-32;
  const double r = std::sqrt(-2 * std::log(u)), angle = 6.283185307179586 * v;
  return i & 1 ? r * std::sin(angle) : r * std::cos(angle);
}

constexpr int64_t kRowsAtOnce = 1024;  // of panels that are read back

}  // namespace

double uniform_of(uint64_t seed, uint64_t tensor, uint64_t i) {
  return static_cast<double>(mix(mix(mix(seed) ^ tensor) ^ mix(i)) >> 11) * 0x1p-53;
}

int Layout::add(int64_t rows, int64_t cols, bool matrix, Dtype dtype) {
  Parameter p{rows, cols, matrix, matrix, values, matrix ? panel_bytes : vector_bytes, {}, 1};
  values += align(rows * cols);
  if (matrix) panel_bytes += (Panels{nullptr, rows, cols, dtype}.bytes() + 63) / 64 * 64;
  else vector_bytes += static_cast<size_t>(align(cols)) * 4;
  parameters.push_back(p);
  return static_cast<int>(parameters.size()) - 1;
}

void Layout::order() {
  int64_t at = 0;
  for (const bool decay : {true, false}) {
    for (Parameter& p : parameters) {
      if (p.decay != decay) continue;
      p.offset = at;
      at += align(p.rows * p.cols);
    }
    if (decay) decayed = at;
  }
}

Layout::Layout(const ModelConfig& c, Dtype dtype) {
  const auto add = [&](int64_t rows, int64_t cols, bool matrix) {
    count += rows * cols;
    return Layout::add(rows, cols, matrix, dtype);
  };
  const auto name = [&](std::string text, int parameter, int64_t row, int64_t rows, int64_t cols, bool vector) {
    tensors.push_back({std::move(text), parameter, row, rows, cols, vector});
  };
  const auto matrix = [&](const std::string& text, int64_t rows, int64_t cols) {
    const int p = add(rows, cols, true);
    name(text, p, 0, rows, cols, false);
    return p;
  };
  const auto vector = [&](const std::string& text, int64_t n) {
    const int p = add(1, n, false);
    name(text, p, 0, 1, n, true);
    return p;
  };
  const int64_t C = c.hidden_size, F = c.intermediate_size;
  const Heads h = c.head_shape();
  embedding = matrix("model.embed_tokens.weight", c.vocab_size, C);
  for (int64_t l = 0; l < c.layers; l++) {
    const std::string at = "model.layers." + std::to_string(l) + ".";
    LayerParameters p{};
    p.qkv_bias = p.q_norm = p.k_norm = p.output_bias = p.gate_up_bias = p.down_bias = -1;
    p.input_norm = vector(at + "input_layernorm.weight", C);
    p.qkv = add(h.qkv(), C, true);
    name(at + "self_attn.q_proj.weight", p.qkv, 0, h.q(), C, false);
    name(at + "self_attn.k_proj.weight", p.qkv, h.q(), h.kv(), C, false);
    name(at + "self_attn.v_proj.weight", p.qkv, h.q() + h.kv(), h.kv(), C, false);
    if (c.qkv_bias) {
      p.qkv_bias = add(1, h.qkv(), false);
      name(at + "self_attn.q_proj.bias", p.qkv_bias, 0, 1, h.q(), true);
      name(at + "self_attn.k_proj.bias", p.qkv_bias, h.q(), 1, h.kv(), true);
      name(at + "self_attn.v_proj.bias", p.qkv_bias, h.q() + h.kv(), 1, h.kv(), true);
    }
    if (c.qk_norm) {
      p.q_norm = vector(at + "self_attn.q_norm.weight", h.head_dim);
      p.k_norm = vector(at + "self_attn.k_norm.weight", h.head_dim);
    }
    p.output = matrix(at + "self_attn.o_proj.weight", C, h.q());
    if (c.output_bias) p.output_bias = vector(at + "self_attn.o_proj.bias", C);
    p.post_norm = vector(at + "post_attention_layernorm.weight", C);
    p.gate_up = add(2 * F, C, true);
    name(at + "mlp.gate_proj.weight", p.gate_up, 0, F, C, false);
    name(at + "mlp.up_proj.weight", p.gate_up, F, F, C, false);
    if (c.mlp_bias) {
      p.gate_up_bias = add(1, 2 * F, false);
      name(at + "mlp.gate_proj.bias", p.gate_up_bias, 0, 1, F, true);
      name(at + "mlp.up_proj.bias", p.gate_up_bias, F, 1, F, true);
    }
    p.down = matrix(at + "mlp.down_proj.weight", C, F);
    if (c.mlp_bias) p.down_bias = vector(at + "mlp.down_proj.bias", C);
    layers.push_back(p);
  }
  final_norm = vector("model.norm.weight", C);
  lm_head = c.tie_word_embeddings ? embedding : matrix("lm_head.weight", c.vocab_size, C);
  order();
}

size_t Weights::weight_bytes(const Layout& layout, Keep keep) {
  return layout.panel_bytes + layout.vector_bytes + (keep == Keep::panels ? 0 : static_cast<size_t>(layout.values) * 4);
}

Weights::Weights(Device& device, Layout layout, Dtype dtype, Keep keep)
    : device_(device), layout_(std::move(layout)), dtype_(dtype), keep_(keep) {
  panels_ = Buffer(device, layout_.panel_bytes);
  vectors_ = Buffer(device, layout_.vector_bytes);
  const size_t bytes = static_cast<size_t>(layout_.values) * 4;
  for (Buffer* buffer : {&master_, &grad_, &moment1_, &moment2_}) {
    if (keep == Keep::panels || (keep == Keep::master && buffer != &master_)) continue;
    *buffer = Buffer(device, bytes);
    device.zero(buffer->data(), bytes);
  }
  if (keep == Keep::panels) staging_.resize(layout_.parameters.size());
  int64_t most = 0;
  for (const Parameter& p : layout_.parameters)
    if (p.blocks.count > 0) most = std::max(most, p.rows * p.cols);
  scaled_ = Buffer(device, static_cast<size_t>(most) * 4);
}

Tensor Weights::view(const Buffer& buffer, int parameter) const {
  if (parameter < 0 || !buffer.data()) return {};
  const Parameter& p = layout_.parameters[static_cast<size_t>(parameter)];
  return {static_cast<float*>(buffer.data()) + p.offset, p.rows, p.cols, Dtype::f32};
}

Panels Weights::panels(int parameter) const {
  const Parameter& p = layout_.parameters[static_cast<size_t>(parameter)];
  const Buffer& buffer = reference_ ? reference_panels_ : panels_;
  return {static_cast<char*>(buffer.data()) + p.panels_offset, p.rows, p.cols, dtype_};
}

Tensor Weights::vector(int parameter) const {
  if (parameter < 0) return {};
  const Parameter& p = layout_.parameters[static_cast<size_t>(parameter)];
  const Buffer& buffer = reference_ ? reference_vectors_ : vectors_;
  return {static_cast<char*>(buffer.data()) + p.panels_offset, 1, p.cols, Dtype::f32};
}

void Weights::load(const NamedTensor& tensor, const void* values, Dtype dtype) {
  const Parameter& p = layout_.parameters[static_cast<size_t>(tensor.parameter)];
  const int64_t n = tensor.rows * tensor.cols;
  const int64_t at = tensor.vector ? tensor.row : tensor.row * tensor.cols;
  if (has_master()) {
    if (dtype == Dtype::f32) return write(tensor, master(tensor.parameter), static_cast<const float*>(values));
    std::vector<float> wide(static_cast<size_t>(n));
    to_f32(wide.data(), values, n, dtype);
    return write(tensor, master(tensor.parameter), wide.data());
  }
  auto& staged = staging_[static_cast<size_t>(tensor.parameter)];
  staged.resize(static_cast<size_t>(p.rows * p.cols));
  to_f32(staged.data() + at, values, n, dtype);
  // The last part of a parameter packs it at once, so that a big model is never held twice.
  const bool last = tensor.vector ? at + n == p.cols : tensor.row + tensor.rows == p.rows;
  if (last) {
    if (device_.is_gpu()) {
      const Buffer there(device_, staged.size() * 4);
      device_.copy_in(there.data(), staged.data(), there.bytes());
      pack_parameter(tensor.parameter, static_cast<const float*>(there.data()));
    } else {
      pack_parameter(tensor.parameter, staged.data());
    }
    std::vector<float>().swap(staged);
  }
}

std::vector<float> Weights::read(const NamedTensor& tensor) const {
  if (has_master() && !reference_) return read(tensor, master(tensor.parameter));
  std::vector<float> values(static_cast<size_t>(tensor.rows * tensor.cols));
  if (tensor.vector) {
    device_.copy_out(values.data(), vector(tensor.parameter).f32() + tensor.row, values.size() * 4);
    return values;
  }
  // The embedding's lookup reads any rows of any panels.
  const int64_t most = std::min(tensor.rows, kRowsAtOnce);
  const Buffer rows(device_, static_cast<size_t>(most * tensor.cols) * 4), ids(device_, static_cast<size_t>(most) * 4);
  std::vector<int32_t> id(static_cast<size_t>(most));
  for (int64_t row = 0; row < tensor.rows; row += most) {
    const int64_t n = std::min(most, tensor.rows - row);
    for (int64_t i = 0; i < n; i++) id[static_cast<size_t>(i)] = static_cast<int32_t>(tensor.row + row + i);
    device_.copy_in(ids.data(), id.data(), static_cast<size_t>(n) * 4);
    const Tensor out{rows.data(), n, tensor.cols, Dtype::f32};
    embedding_forward(device_, out, panels(tensor.parameter), {ids.data(), n, 1, Dtype::i32});
    device_.copy_out(values.data() + row * tensor.cols, out.data, out.bytes());
  }
  return values;
}

std::vector<float> Weights::read(const NamedTensor& tensor, Tensor whole) const {
  const int64_t n = tensor.rows * tensor.cols;
  std::vector<float> values(static_cast<size_t>(n));
  if (tensor.vector || tensor.cols == whole.cols) {
    device_.copy_out(values.data(), whole.f32() + (tensor.vector ? tensor.row : tensor.row * tensor.cols), values.size() * 4);
    return values;
  }
  std::vector<float> rows(static_cast<size_t>(tensor.rows * whole.cols));
  device_.copy_out(rows.data(), whole.slice(tensor.row, tensor.rows).data, rows.size() * 4);
  for (int64_t r = 0; r < tensor.rows; r++)
    std::memcpy(values.data() + r * tensor.cols, rows.data() + r * whole.cols + tensor.col, static_cast<size_t>(tensor.cols) * 4);
  return values;
}

void Weights::write(const NamedTensor& tensor, Tensor whole, const float* values) {
  if (tensor.vector || tensor.cols == whole.cols) {
    float* to = whole.f32() + (tensor.vector ? tensor.row : tensor.row * tensor.cols);
    return device_.copy_in(to, values, static_cast<size_t>(tensor.rows * tensor.cols) * 4);
  }
  const Tensor slice = whole.slice(tensor.row, tensor.rows);
  std::vector<float> rows(static_cast<size_t>(tensor.rows * whole.cols));
  device_.copy_out(rows.data(), slice.data, slice.bytes());
  for (int64_t r = 0; r < tensor.rows; r++)
    std::memcpy(rows.data() + r * whole.cols + tensor.col, values + r * tensor.cols, static_cast<size_t>(tensor.cols) * 4);
  device_.copy_in(slice.data, rows.data(), slice.bytes());
}

void Weights::initialize(uint64_t seed, float range) {
  for (size_t i = 0; i < layout_.tensors.size(); i++) {
    const NamedTensor& tensor = layout_.tensors[i];
    const int64_t n = tensor.rows * tensor.cols;
    std::vector<float> values(static_cast<size_t>(n), 0.0f);
    if (!tensor.vector) {
      const uint64_t key = mix(mix(seed) ^ (i + 1));
      const int parts = device_.pool().size();
      auto fill = [&](int part) {
        for (int64_t k = n * part / parts; k < n * (part + 1) / parts; k++)
          values[static_cast<size_t>(k)] = static_cast<float>(range * normal(key, static_cast<uint64_t>(k)));
      };
      device_.pool().run([](void* context, int part) { (*static_cast<decltype(fill)*>(context))(part); }, &fill);
    } else if (tensor.name.size() > 7 && tensor.name.compare(tensor.name.size() - 7, 7, ".weight") == 0) {
      std::fill(values.begin(), values.end(), 1.0f);
    }
    load(tensor, values.data(), Dtype::f32);
  }
}

void Weights::pack_parameter(int parameter, const float* values) {
  const Parameter& p = layout_.parameters[static_cast<size_t>(parameter)];
  Tensor source{const_cast<float*>(values), p.rows, p.cols, Dtype::f32};
  if (p.blocks.count > 0) {
    const Tensor scaled{scaled_.data(), p.rows, p.cols, Dtype::f32};
    scale_blocks(device_, scaled, source, p.blocks, p.scale);
    source = scaled;
  }
  if (p.matrix) pack_panels(device_, panels(parameter), source);
  else device_.copy(vector(parameter).data, values, static_cast<size_t>(p.cols) * 4);
}

void Weights::pack() {
  if (!has_master()) return;
  for (int i = 0; i < static_cast<int>(layout_.parameters.size()); i++) pack_parameter(i, master(i).f32());
}

Weights::Flat Weights::flat(bool decay) const {
  const int64_t begin = decay ? 0 : layout_.decayed, count = decay ? layout_.decayed : layout_.values - layout_.decayed;
  const auto part = [&](const Buffer& buffer) { return Tensor{static_cast<float*>(buffer.data()) + begin, 1, count, Dtype::f32}; };
  return {part(master_), part(moment1_), part(moment2_), part(grad_)};
}

void Weights::zero_grad() { device_.zero(grad_.data(), grad_.bytes()); }

void Weights::finish_grad() {
  for (size_t i = 0; i < layout_.parameters.size(); i++) {
    const Parameter& p = layout_.parameters[i];
    if (p.blocks.count > 0) scale_blocks(device_, grad(static_cast<int>(i)), grad(static_cast<int>(i)), p.blocks, p.scale);
  }
}

void Weights::freeze() {
  if (!reference_panels_.data()) {
    reference_panels_ = Buffer(device_, panels_.bytes());
    reference_vectors_ = Buffer(device_, vectors_.bytes());
  }
  device_.copy(reference_panels_.data(), panels_.data(), panels_.bytes());
  device_.copy(reference_vectors_.data(), vectors_.data(), vectors_.bytes());
}

void Weights::blend_reference(float share) {
  if (!frozen()) throw std::runtime_error("syncReference: expected a frozen reference policy, got none; call freeze() first");
  if (share == 1) return freeze();
  int64_t most_rows = 0, most_cols = 0, most_values = 0;
  for (const Parameter& p : layout_.parameters) {
    most_rows = std::max(most_rows, p.rows), most_cols = std::max(most_cols, p.cols);
    most_values = std::max(most_values, p.rows * p.cols);
  }
  std::vector<int32_t> numbers(static_cast<size_t>(most_rows));
  std::iota(numbers.begin(), numbers.end(), 0);
  const Buffer whole(device_, static_cast<size_t>(most_values) * 4), some(device_, static_cast<size_t>(kRowsAtOnce * most_cols) * 4);
  const Buffer ids(device_, numbers.size() * 4);
  device_.copy_in(ids.data(), numbers.data(), ids.bytes());
  for (int i = 0; i < static_cast<int>(layout_.parameters.size()); i++) {
    const Parameter& p = layout_.parameters[static_cast<size_t>(i)];
    const auto read_rows = [&](Tensor to, int64_t begin) {
      if (!p.matrix) return device_.copy(to.data, vector(i).data, to.bytes());
      embedding_forward(device_, to, panels(i), Tensor{ids.data(), p.rows, 1, Dtype::i32}.slice(begin, to.rows));
    };
    for (int64_t begin = 0; begin < p.rows; begin += kRowsAtOnce) {
      const int64_t n = std::min(kRowsAtOnce, p.rows - begin);
      const Tensor mixed = Tensor{whole.data(), p.rows, p.cols, Dtype::f32}.slice(begin, n), part{some.data(), n, p.cols, Dtype::f32};
      Blocks all;
      all.count = 1, all.rank = p.cols, all.rows[0] = n;
      if (!has_master()) read_rows(part, begin);
      scale_blocks(device_, part, has_master() ? master(i).slice(begin, n) : part, all, share);
      reference_ = true;
      read_rows(mixed, begin);
      reference_ = false;
      scale_blocks(device_, mixed, mixed, all, 1 - share);
      scatter_rows(device_, mixed, part, {ids.data(), n, 1, Dtype::i32});
    }
    reference_ = true;
    pack_parameter(i, static_cast<const float*>(whole.data()));
    reference_ = false;
  }
}

void Weights::use_reference(bool yes) {
  if (yes && !frozen()) throw std::runtime_error("logprobs: expected a frozen reference policy, got none; call freeze() first");
  reference_ = yes;
}

}  // namespace rectify
