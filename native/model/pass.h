// The working memory of one forward (and backward) pass: what each layer keeps, what all layers share, the batch's indices.
#pragma once
#include <cstring>
#include <stdexcept>
#include <string>
#include <vector>

#include "config.h"
#include "forest.h"

namespace rectify {

/** Hands out 64-byte aligned pieces of one buffer; with no base it only counts, which is how the memory plan is made. */
class Arena {
 public:
  Arena() = default;
  Arena(void* base, size_t capacity) : base_(static_cast<char*>(base)), capacity_(capacity) {}

  Tensor take(int64_t rows, int64_t cols, Dtype dtype = Dtype::f32) {
    Tensor t{nullptr, rows, cols, dtype};
    const size_t begin = used_;
    used_ += (t.bytes() + 63) / 64 * 64;
    if (!base_) return t;
    if (used_ > capacity_)
      throw std::runtime_error("batch: expected at most the planned " + std::to_string(capacity_ >> 20) +
                               " MiB of working memory, got a batch that needs more; lower per_device_train_batch_size");
    t.data = base_ + begin;
    return t;
  }

  /** The values, copied to the device. */
  const int32_t* put(Device& device, const std::vector<int32_t>& values) {
    const Tensor t = take(static_cast<int64_t>(values.size()), 1, Dtype::i32);
    if (base_) device.copy_in(t.data, values.data(), t.bytes());
    return t.i32();
  }

  size_t used() const { return used_; }
  const void* base() const { return base_; }

 private:
  char* base_ = nullptr;
  size_t capacity_ = 0, used_ = 0;
};

/** A batch's index arrays, laid side by side on the host and sent to the device in one copy. */
class Indices {
 public:
  /** send() makes `to` point at the values. With `room` for as many at least, what is added next lies where it lies in every
   *  batch that keeps to its rooms. */
  void add(const int32_t*& to, const std::vector<int32_t>& values, size_t room = 0) {
    arrays_.push_back({&to, packed_.size()});
    const size_t end = packed_.size() + (values.size() > room ? values.size() : room);
    packed_.insert(packed_.end(), values.begin(), values.end());
    packed_.resize((end + 15) / 16 * 16);
  }
  void add(const float*& to, const std::vector<float>& values) {
    std::vector<int32_t> bits(values.size());
    std::memcpy(bits.data(), values.data(), values.size() * sizeof(float));
    floats_.push_back({&to, packed_.size()});
    packed_.insert(packed_.end(), bits.begin(), bits.end());
    packed_.resize((packed_.size() + 15) / 16 * 16);
  }
  void send(Arena& arena, Device& device) {
    const int32_t* there = arena.put(device, packed_);
    for (const auto& array : arrays_) *array.to = there + array.begin;
    for (const auto& array : floats_) *array.to = reinterpret_cast<const float*>(there + array.begin);
  }

 private:
  template <typename T>
  struct Array {
    const T** to;
    size_t begin;
  };
  std::vector<int32_t> packed_;
  std::vector<Array<int32_t>> arrays_;
  std::vector<Array<float>> floats_;
};

/** What a layer's backward pass needs of its forward pass. T rows; W = width of q, k, v side by side. */
struct Activations {
  Tensor raw;      // [T, W] q, k, v before head norm; only with qk_norm
  Tensor qkv;      // [T, W]
  Tensor attn;     // [T, H*D]
  Tensor lse;      // [T, H]; training only
  Tensor mid;      // [T, C] after attention; where nothing is kept for a backward pass, the layer's input itself
  Tensor gate_up;  // [T, 2F]
};

struct PassShape {
  int64_t rows = 0;
  bool training = false;
  bool checkpointing = false;  // keep only each layer's input; its backward pass computes the rest again
  int64_t adapter_width = 0, adapter_depth = 0;  // most columns of an adapter's B and A; 0: no adapters
  bool dropout = false;        // on what the adapters read
  Dtype activations = Dtype::f32;  // kernels.h says which tensors these are
};

struct Pass {
  PassShape shape;
  std::vector<Tensor> x;            // [layers + 1] of [T, C]: the input of each layer, and the result
  std::vector<Activations> layers;  // one per layer, or one that all share
  Tensor h, f;                      // [T, C], [T, F]
  Tensor tokens;                    // i32 [T, 1], among the indices
  Tensor dx, dh, dqkv, dattn, dgate_up, df;  // training only
  Tensor narrow;                    // [T, C] dx as the matmuls read it, where activations are not f32
  Tensor low, dlow;                 // [T, adapter_width] x A^T and its gradient
  Tensor dropped;                   // [T, adapter_depth], with dropout
  Tensor keys;                      // i32 [T, 2], with dropout: a hash of each token's path
  ForestView forest;
  KvCache cache;

  Pass(Arena& arena, const ModelConfig& config, PassShape shape);

  const Activations& at(int64_t layer) const { return layers[layers.size() > 1 ? static_cast<size_t>(layer) : 0]; }

  /** Sends the forest's indices to the device, with those that are in `indices`, and gives each segment its pages of a one-layer cache. */
  void bind(Arena& arena, Device& device, const ModelConfig& config, const Forest& batch, Indices& indices);
};

/** Which tokens a pass scores: pair i asks for token target[i] after hidden row rows[row[i]]. */
struct ScoredTokens {
  std::vector<int32_t> rows;                // (R) distinct rows of the batch, ascending
  std::vector<int32_t> row, target, token;  // (pairs) by ascending row; token: the index in the batch

  /** `mask` (T), empty: every token that something predicts. Throws when a masked-in token has no predecessor. */
  ScoredTokens(const Forest& forest, const std::vector<uint8_t>& mask, const char* verb);

  int64_t count() const { return static_cast<int64_t>(target.size()); }
  /** They are to stay where they are until the indices are sent. */
  void add_to(Indices& indices, const int32_t*& hidden_rows, TokenPairs& pairs) const {
    indices.add(hidden_rows, rows), indices.add(pairs.row, row), indices.add(pairs.target, target);
    pairs.count = count(), pairs.row_on_host = row.data();
  }
};

}  // namespace rectify
