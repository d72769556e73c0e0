// The blocks, forward and backward. A residual addition is the starting value of the matmul that adds to it.
// Each matmul W has, in a LoRA run, an adapter beside it: y = x W^T + scale (x A^T) B^T, in every pass alike.
//   mid = x + attention(rope(norm(x) Wqkv)) Wo        out = mid + (silu(gate) * up) Wdown,  gate, up = norm(mid) Wgate_up
#include "model.h"
#include "pass.h"

namespace rectify {

LinearAdapter Model::adapter_of(int64_t layer, Linear which) const {
  if (!adapters_ || adapters_off_) return {};
  return adapter_layout_.linears[static_cast<size_t>(layer)][static_cast<size_t>(which)];
}

DropoutConfig Model::dropout_of(int64_t layer, Linear which) const {
  return {static_cast<float>(options_.lora->dropout), options_.lora->seed, static_cast<uint64_t>(optimizer_step_),
          static_cast<uint32_t>(layer * 4 + static_cast<int64_t>(which))};
}

Tensor Model::adapter_input(int64_t layer, Linear which, Pass& pass, Tensor x) {
  if (!pass.shape.dropout) return x;
  const Tensor kept{pass.dropped.data, x.rows, x.cols, pass.dropped.dtype};
  dropout(device_, kept, x, pass.keys.i32(), dropout_of(layer, which), false);
  return kept;
}

void Model::linear(int64_t layer, Linear which, Pass& pass, Tensor y, Tensor x, bool accumulate) {
  const LinearParameters p = weights_.layout().layers[static_cast<size_t>(layer)].linear(which);
  matmul(device_, y, x, weights_.panels(p.weight), weights_.vector(p.bias), accumulate);
  const LinearAdapter adapter = adapter_of(layer, which);
  if (adapter.a < 0) return;
  const Panels a = adapters_->panels(adapter.a);
  const Tensor low{pass.low.data, x.rows, a.n, pass.low.dtype};
  matmul(device_, low, adapter_input(layer, which, pass, x), a, {}, false);
  matmul(device_, y, low, adapters_->panels(adapter.b), {}, true);
}

void Model::attend(int64_t layer, Pass& pass, int64_t cache_layer) {
  const LayerParameters& p = weights_.layout().layers[static_cast<size_t>(layer)];
  const Activations& a = pass.at(layer);
  const Tensor x = pass.x[static_cast<size_t>(layer)];
  const Heads heads = config_.head_shape();
  rmsnorm_forward(device_, pass.h, x, weights_.vector(p.input_norm), config_.rms_norm_eps);
  linear(layer, Linear::qkv, pass, config_.qk_norm ? a.raw : a.qkv, pass.h, false);
  if (config_.qk_norm)
    head_norm_forward(device_, a.qkv, a.raw, weights_.vector(p.q_norm), weights_.vector(p.k_norm), config_.rms_norm_eps, heads);
  rope_forward(device_, a.qkv, cosines(), sines(), pass.forest.position, heads);
  kv_append(device_, pass.cache, cache_layer, a.qkv, pass.forest, heads);
  attention_forward(device_, a.attn, a.lse, a.qkv, pass.cache, cache_layer, pass.forest, heads);
  if (a.mid.data != x.data) device_.copy(a.mid.data, x.data, x.bytes());
  linear(layer, Linear::output, pass, a.mid, a.attn, true);
}

void Model::feed_forward(int64_t layer, Pass& pass) {
  const LayerParameters& p = weights_.layout().layers[static_cast<size_t>(layer)];
  const Activations& a = pass.at(layer);
  const Tensor out = pass.x[static_cast<size_t>(layer) + 1];
  rmsnorm_forward(device_, pass.h, a.mid, weights_.vector(p.post_norm), config_.rms_norm_eps);
  linear(layer, Linear::gate_up, pass, a.gate_up, pass.h, false);
  swiglu_forward(device_, pass.f, a.gate_up);
  if (out.data != a.mid.data) device_.copy(out.data, a.mid.data, out.bytes());
  linear(layer, Linear::down, pass, out, pass.f, true);
}

void Model::forward(Pass& pass, bool cached) {
  embedding_forward(device_, pass.x[0], weights_.panels(weights_.layout().embedding), pass.tokens);
  for (int64_t layer = 0; layer < config_.layers; layer++) {
    attend(layer, pass, cached ? layer : 0);
    feed_forward(layer, pass);
  }
}

void Model::linear_backward(int64_t layer, Linear which, Pass& pass, Tensor dx, Tensor dy, Tensor x) {
  if (dy.dtype != pass.shape.activations) {
    convert(device_, pass.narrow, dy);
    dy = pass.narrow;
  }
  const LinearParameters p = weights_.layout().layers[static_cast<size_t>(layer)].linear(which);
  if (weights_.training()) {
    if (p.bias >= 0) bias_backward(device_, weights_.grad(p.bias), dy);
    matmul_dw(device_, weights_.grad(p.weight), dy, x, weights_.dtype());
  }
  if (dx) matmul_dx(device_, dx, dy, weights_.panels(p.weight), false);
  const LinearAdapter adapter = adapter_of(layer, which);
  if (adapter.a < 0) return;
  const Panels a = adapters_->panels(adapter.a), b = adapters_->panels(adapter.b);
  const Tensor low{pass.low.data, x.rows, a.n, pass.low.dtype}, dlow{pass.dlow.data, x.rows, a.n, pass.dlow.dtype};
  const Tensor input = adapter_input(layer, which, pass, x);
  matmul(device_, low, input, a, {}, false);
  matmul_dw(device_, adapters_->grad(adapter.b), dy, low, adapters_->dtype());
  matmul_dx(device_, dlow, dy, b, false);
  matmul_dw(device_, adapters_->grad(adapter.a), dlow, input, adapters_->dtype());
  if (!dx) return;
  if (!pass.shape.dropout) return matmul_dx(device_, dx, dlow, a, true);
  const Tensor through{pass.dropped.data, x.rows, x.cols, pass.dropped.dtype};
  matmul_dx(device_, through, dlow, a, false);
  dropout(device_, dx, through, pass.keys.i32(), dropout_of(layer, which), true);
}

/** pass.dx: gradient of the layer's output in, of its input out. */
void Model::block_backward(int64_t layer, Pass& pass) {
  const LayerParameters& p = weights_.layout().layers[static_cast<size_t>(layer)];
  const Activations& a = pass.at(layer);
  const Tensor x = pass.x[static_cast<size_t>(layer)];
  const Heads heads = config_.head_shape();
  const float eps = config_.rms_norm_eps;
  if (pass.shape.checkpointing) {
    attend(layer, pass, 0);
    rmsnorm_forward(device_, pass.h, a.mid, weights_.vector(p.post_norm), eps);
    linear(layer, Linear::gate_up, pass, a.gate_up, pass.h, false);
  } else {
    rmsnorm_forward(device_, pass.h, a.mid, weights_.vector(p.post_norm), eps);
  }
  swiglu_forward(device_, pass.f, a.gate_up);
  linear_backward(layer, Linear::down, pass, pass.df, pass.dx, pass.f);
  swiglu_backward(device_, pass.dgate_up, pass.df, a.gate_up);
  linear_backward(layer, Linear::gate_up, pass, pass.dh, pass.dgate_up, pass.h);
  rmsnorm_backward(device_, pass.dx, weights_.grad(p.post_norm), pass.dh, a.mid, weights_.vector(p.post_norm), eps);

  linear_backward(layer, Linear::output, pass, pass.dattn, pass.dx, a.attn);
  attention_backward(device_, pass.dqkv, pass.dattn, a.attn, a.lse, a.qkv, pass.forest, heads);
  rope_backward(device_, pass.dqkv, cosines(), sines(), pass.forest.position, heads);
  if (config_.qk_norm)
    head_norm_backward(device_, pass.dqkv, weights_.grad(p.q_norm), weights_.grad(p.k_norm), a.raw,
                       weights_.vector(p.q_norm), weights_.vector(p.k_norm), eps, heads);
  rmsnorm_forward(device_, pass.h, x, weights_.vector(p.input_norm), eps);
  // Below the first layer there is only the embedding: nobody asks for its gradient unless it is trained.
  const bool asked = layer > 0 || weights_.training();
  linear_backward(layer, Linear::qkv, pass, asked ? pass.dh : Tensor{}, pass.dqkv, pass.h);
  if (!asked) return;
  rmsnorm_backward(device_, pass.dx, weights_.grad(p.input_norm), pass.dh, x, weights_.vector(p.input_norm), eps);
}

void Model::backward(Pass& pass) {
  for (int64_t layer = config_.layers - 1; layer >= 0; layer--) block_backward(layer, pass);
  if (weights_.training()) embedding_backward(device_, weights_.grad(weights_.layout().embedding), pass.dx, pass.tokens);
}

}  // namespace rectify
