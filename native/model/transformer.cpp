// The blocks, forward and backward. A residual addition is the starting value of the matmul that adds to it.
//   mid = x + attention(rope(norm(x) Wqkv)) Wo        out = mid + (silu(gate) * up) Wdown,  gate, up = norm(mid) Wgate_up
#include "model.h"
#include "pass.h"

namespace rectify {

void Model::attend(int64_t layer, Pass& pass, int64_t cache_layer) {
  const LayerParameters& p = weights_.layout().layers[static_cast<size_t>(layer)];
  const Activations& a = pass.at(layer);
  const Tensor x = pass.x[static_cast<size_t>(layer)];
  const Heads heads = config_.head_shape();
  rmsnorm_forward(device_, pass.h, x, weights_.vector(p.input_norm), config_.rms_norm_eps);
  matmul(device_, config_.qk_norm ? a.raw : a.qkv, pass.h, weights_.panels(p.qkv), weights_.vector(p.qkv_bias), false);
  if (config_.qk_norm)
    head_norm_forward(device_, a.qkv, a.raw, weights_.vector(p.q_norm), weights_.vector(p.k_norm), config_.rms_norm_eps, heads);
  rope_forward(device_, a.qkv, cosines(), sines(), pass.forest.position, heads);
  kv_append(device_, pass.cache, cache_layer, a.qkv, pass.forest, heads);
  attention_forward(device_, a.attn, a.lse, a.qkv, pass.cache, cache_layer, pass.forest, heads);
  device_.copy(a.mid.data, x.data, x.bytes());
  matmul(device_, a.mid, a.attn, weights_.panels(p.output), weights_.vector(p.output_bias), true);
}

void Model::feed_forward(int64_t layer, Pass& pass) {
  const LayerParameters& p = weights_.layout().layers[static_cast<size_t>(layer)];
  const Activations& a = pass.at(layer);
  const Tensor out = pass.x[static_cast<size_t>(layer) + 1];
  rmsnorm_forward(device_, pass.h, a.mid, weights_.vector(p.post_norm), config_.rms_norm_eps);
  matmul(device_, a.gate_up, pass.h, weights_.panels(p.gate_up), weights_.vector(p.gate_up_bias), false);
  swiglu_forward(device_, pass.f, a.gate_up);
  device_.copy(out.data, a.mid.data, out.bytes());
  matmul(device_, out, pass.f, weights_.panels(p.down), weights_.vector(p.down_bias), true);
}

void Model::forward(Pass& pass, bool cached) {
  embedding_forward(device_, pass.x[0], weights_.panels(weights_.layout().embedding), pass.tokens);
  for (int64_t layer = 0; layer < config_.layers; layer++) {
    attend(layer, pass, cached ? layer : 0);
    feed_forward(layer, pass);
  }
}

void Model::linear_backward(Tensor dx, Tensor dy, Tensor x, int weight, int bias) {
  if (bias >= 0) bias_backward(device_, weights_.grad(bias), dy);
  matmul_dw(device_, weights_.grad(weight), dy, x, weights_.dtype());
  matmul_dx(device_, dx, dy, weights_.panels(weight), false);
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
    matmul(device_, a.gate_up, pass.h, weights_.panels(p.gate_up), weights_.vector(p.gate_up_bias), false);
  } else {
    rmsnorm_forward(device_, pass.h, a.mid, weights_.vector(p.post_norm), eps);
  }
  swiglu_forward(device_, pass.f, a.gate_up);
  linear_backward(pass.df, pass.dx, pass.f, p.down, p.down_bias);
  swiglu_backward(device_, pass.dgate_up, pass.df, a.gate_up);
  linear_backward(pass.dh, pass.dgate_up, pass.h, p.gate_up, p.gate_up_bias);
  rmsnorm_backward(device_, pass.dx, weights_.grad(p.post_norm), pass.dh, a.mid, weights_.vector(p.post_norm), eps);

  linear_backward(pass.dattn, pass.dx, a.attn, p.output, p.output_bias);
  attention_backward(device_, pass.dqkv, pass.dattn, a.attn, a.lse, a.qkv, pass.forest, heads);
  rope_backward(device_, pass.dqkv, cosines(), sines(), pass.forest.position, heads);
  if (config_.qk_norm)
    head_norm_backward(device_, pass.dqkv, weights_.grad(p.q_norm), weights_.grad(p.k_norm), a.raw,
                       weights_.vector(p.q_norm), weights_.vector(p.k_norm), eps, heads);
  rmsnorm_forward(device_, pass.h, x, weights_.vector(p.input_norm), eps);
  linear_backward(pass.dh, pass.dqkv, pass.h, p.qkv, p.qkv_bias);
  rmsnorm_backward(device_, pass.dx, weights_.grad(p.input_norm), pass.dh, x, weights_.vector(p.input_norm), eps);
}

void Model::backward(Pass& pass) {
  for (int64_t layer = config_.layers - 1; layer >= 0; layer--) block_backward(layer, pass);
  embedding_backward(device_, weights_.grad(weights_.layout().embedding), pass.dx, pass.tokens);
}

}  // namespace rectify
