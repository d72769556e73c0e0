// Lays out the working memory of a pass, and finds which tokens it scores.
#include "pass.h"

#include <algorithm>
#include <numeric>

namespace rectify {

Pass::Pass(Arena& arena, const ModelConfig& config, PassShape shape) : shape(shape) {
  const int64_t T = shape.rows, C = config.hidden_size, F = config.intermediate_size, L = config.layers;
  const Heads heads = config.head_shape();
  // Scoring needs one residual stream, overwritten by each layer; training keeps every layer's input.
  for (int64_t i = 0; i <= L; i++) x.push_back(i == 0 || shape.training ? arena.take(T, C) : x[0]);
  const int64_t kept = shape.training && !shape.checkpointing ? L : 1;
  for (int64_t i = 0; i < kept; i++) {
    Activations a;
    if (config.qk_norm) a.raw = arena.take(T, heads.qkv(), shape.activations);
    a.qkv = arena.take(T, heads.qkv(), shape.activations);
    a.attn = arena.take(T, heads.q(), shape.activations);
    if (shape.training) a.lse = arena.take(T, heads.heads);
    a.mid = shape.training ? arena.take(T, C) : x[0];
    a.gate_up = arena.take(T, 2 * F, shape.activations);
    layers.push_back(a);
  }
  h = arena.take(T, C, shape.activations);
  f = arena.take(T, F, shape.activations);
  tokens = {nullptr, T, 1, Dtype::i32};
  if (shape.adapter_width > 0) low = arena.take(T, shape.adapter_width, shape.activations);
  if (shape.training && shape.adapter_width > 0) dlow = arena.take(T, shape.adapter_width, shape.activations);
  if (shape.dropout) {
    dropped = arena.take(T, shape.adapter_depth, shape.activations);
    keys = arena.take(T, 2, Dtype::i32);
  }
  if (shape.training) {
    dx = arena.take(T, C);
    dh = arena.take(T, C, shape.activations);
    dqkv = arena.take(T, heads.qkv(), shape.activations);
    dattn = arena.take(T, heads.q(), shape.activations);
    dgate_up = arena.take(T, 2 * F, shape.activations);
    df = arena.take(T, F, shape.activations);
    if (shape.activations != Dtype::f32) narrow = arena.take(T, C, shape.activations);
  }
}

void Pass::bind(Arena& arena, Device& device, const ModelConfig& config, const Forest& batch, Indices& indices) {
  std::vector<int32_t> page_begin, pages;
  for (int32_t length : batch.length) {
    page_begin.push_back(static_cast<int32_t>(pages.size()));
    for (int64_t i = 0; i < length; i += KvCache::page_tokens) pages.push_back(static_cast<int32_t>(pages.size()));
  }
  forest.rows = batch.rows();
  forest.longest = *std::max_element(batch.position.begin(), batch.position.end()) + 1;
  forest.segments = batch.segments();
  const int32_t* ids = nullptr;
  indices.add(ids, batch.tokens);
  indices.add(forest.segment, batch.segment);
  indices.add(forest.position, batch.position);
  indices.add(forest.segment_base, batch.base);
  indices.add(forest.row_begin, batch.row_begin);
  indices.add(forest.piece_begin, batch.piece_begin);
  indices.add(forest.piece_segment, batch.piece_segment);
  indices.add(forest.piece_length, batch.piece_length);
  indices.add(forest.page_begin, page_begin);
  indices.add(forest.pages, pages);
  indices.send(arena, device);
  tokens.data = const_cast<int32_t*>(ids);
  cache = {nullptr, 1, static_cast<int64_t>(pages.size()), config.kv_heads, config.head_dim, shape.activations};
  cache.data = arena.take(cache.pages, cache.page_values(), cache.dtype).data;
  if (!shape.dropout) return;
  // A token's mask is that of its path: the same wherever the batch is cut and however often the path is laid out.
  std::vector<uint64_t> path(batch.tokens.size());
  for (int64_t t = 0; t < batch.rows(); t++) {
    const int32_t before = batch.predictor(t);
    uint64_t z = (before < 0 ? 0 : path[static_cast<size_t>(before)]) ^ (static_cast<uint64_t>(batch.tokens[static_cast<size_t>(t)]) + 1);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    path[static_cast<size_t>(t)] = (z ^ (z >> 31)) + 0x9e3779b97f4a7c15ull;
  }
  device.copy_in(keys.data, path.data(), keys.bytes());
}

ScoredTokens::ScoredTokens(const Forest& forest, const std::vector<uint8_t>& mask, const char* verb) {
  if (!mask.empty() && static_cast<int64_t>(mask.size()) != forest.rows())
    throw std::runtime_error(std::string(verb) + ".mask: expected " + std::to_string(forest.rows()) +
                             " values (one per token), got " + std::to_string(mask.size()));
  std::vector<int32_t> predictor;
  for (int64_t t = 0; t < forest.rows(); t++) {
    if (!mask.empty() && !mask[static_cast<size_t>(t)]) continue;
    const int32_t from = forest.predictor(t);
    if (from < 0) {
      if (mask.empty()) continue;
      throw std::runtime_error(std::string(verb) + ".mask[" + std::to_string(t) +
                               "]: expected 0 at the first token of a root segment (nothing predicts it), got 1");
    }
    predictor.push_back(from);
    token.push_back(static_cast<int32_t>(t));
  }
  std::vector<int32_t> order(token.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int32_t a, int32_t b) {
    return predictor[static_cast<size_t>(a)] < predictor[static_cast<size_t>(b)];
  });
  std::vector<int32_t> sorted;
  for (int32_t i : order) {
    const int32_t from = predictor[static_cast<size_t>(i)], t = token[static_cast<size_t>(i)];
    if (rows.empty() || rows.back() != from) rows.push_back(from);
    row.push_back(static_cast<int32_t>(rows.size()) - 1);
    target.push_back(forest.tokens[static_cast<size_t>(t)]);
    sorted.push_back(t);
  }
  token = std::move(sorted);
}

}  // namespace rectify
