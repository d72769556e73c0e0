// The table of contents of all our arithmetic. Each kernel of kernels.def is declared once here for every target and called
// as `rectify::name(device, ...)`, which picks the twin that the device runs: name.cpp, compiled once per instruction set
// into its own namespace, or name.cu.
//
// What every CPU kernel promises: the result for a row depends on that row alone (its inputs and its path), never on the
// other rows, on how many there are, or on the number of threads. Each output is one chain of additions in a fixed order.
//
// Types. On the CPU every tensor is f32 (weights: f32 or bf16 panels, whose type the products are made in). On the GPU a bf16 run
// keeps rows that only products and elementwise kernels read in bf16, here "activations": h, raw, qkv, attn, gate_up, f, the LM
// head's hidden, their gradients, and the keys and values. Always f32: the residual stream and its gradient (x, mid, dx), dhidden,
// lse, logp, entropy, logits, norm weights, biases, master weights, all weight gradients. So on the GPU:
//   matmul           x activations; y activations, or f32 (residual, logits); bias f32
//   matmul_dx, _dw   dy, x and dx activations, dw f32; bias_backward dy activations (the model narrows dx first: convert)
//   embedding        y, dy f32        attention  qkv, out, dqkv, dout and the cache activations, lse f32
//   rmsnorm          x, dx f32; y, dy activations, or f32        token_logprob  hidden activations; dhidden, dweight f32
// Sums are f32 or wider, in a fixed order, without atomics on floats. Everything stays on the device: a pointer is to device
// memory unless its kernel says "host".
#pragma once
#include <cstdint>
#include <stdexcept>

#include "../device/device.h"
#include "../device/tensor.h"

namespace rectify {

struct Heads {
  int heads = 0, kv_heads = 0, head_dim = 0;
  /** Columns of a fused row: queries, then keys, then values. */
  int64_t q() const { return int64_t{heads} * head_dim; }
  int64_t kv() const { return int64_t{kv_heads} * head_dim; }
  int64_t qkv() const { return q() + 2 * kv(); }
};

/**
 * Rows (tokens) of a batch and where each hangs in the token forest; all pointers are device memory.
 * A path is a list of pieces from the root down: (segment, how many of its tokens); a segment's own piece comes last and
 * reaches up to the row itself. Keys and values of a segment lie in its pages, 32 tokens each.
 */
struct ForestView {
  int64_t rows = 0, segments = 0;
  int64_t longest = 0;                     // no path here is longer; 0: not said
  const int32_t* segment = nullptr;        // (rows)
  const int32_t* position = nullptr;       // (rows) along the path, from 0
  const int32_t* segment_base = nullptr;   // (segments) path position of the segment's first token
  const int32_t* row_begin = nullptr;      // (segments + 1) the segment's rows in this batch, side by side; training only
  const int32_t* piece_begin = nullptr;    // (segments + 1)
  const int32_t* piece_segment = nullptr;  // (pieces)
  const int32_t* piece_length = nullptr;   // (pieces)
  const int32_t* page_begin = nullptr;     // (segments) where the segment's pages begin in `pages`
  const int32_t* pages = nullptr;          // page ids
};

/** Keys and values. A page of one layer: K transposed [kv_heads][head_dim][32], then V [kv_heads][32][head_dim]. */
struct KvCache {
  static constexpr int64_t page_tokens = 32;
  void* data = nullptr;
  int64_t layers = 0, pages = 0;
  int kv_heads = 0, head_dim = 0;
  Dtype dtype = Dtype::f32;

  int64_t page_values() const { return 2 * page_tokens * kv_heads * head_dim; }
  size_t bytes() const { return static_cast<size_t>(layers * pages * page_values()) * dtype_bytes(dtype); }
};

/** Which tokens a fused LM head scores: pair i asks for `target[i]` after hidden row `row[i]`; rows ascend. Device memory. */
struct TokenPairs {
  int64_t count = 0;
  const int32_t* row = nullptr;
  const int32_t* target = nullptr;
  const int32_t* row_on_host = nullptr;  // `row` again, for who may not wait for the device; or null
};

struct SampleConfig {
  float temperature = 1;
  int top_k = 0;  // 0: off
  float top_p = 1, min_p = 0, repetition_penalty = 1;
  bool operator==(const SampleConfig& c) const {
    return temperature == c.temperature && top_k == c.top_k && top_p == c.top_p && min_p == c.min_p &&
           repetition_penalty == c.repetition_penalty;
  }
};

/** What a draw is for, and all that its random number depends on. */
struct DrawKey {
  int32_t prompt = 0, sample = 0, position = 0;
  uint32_t step = 0, seed_low = 0, seed_high = 0;
};

enum class LossType : int32_t { grpo, bnpo, dr_grpo, dapo, cispo, sapo };
enum class KlEstimator : int32_t { k1, k2, k3 };

/** TRL's names and formulas (vocabulary: GRPOConfig). */
struct GrpoConfig {
  LossType loss_type = LossType::dapo;
  float epsilon = 0.2f, epsilon_high = 0.2f;
  float delta = __builtin_inff();  // dual clip; infinity: off
  float beta = 0;
  KlEstimator kl = KlEstimator::k3;
  bool bias_correction_kl = true;
  bool sequence_level = false;  // GSPO: one ratio per sequence, exp of the mean log-ratio
  float sapo_temperature_neg = 1.05f, sapo_temperature_pos = 1.0f;
  // Normalisers of the whole batch, so that the result does not depend on how it is cut into micro-batches.
  double num_sequences = 1, num_tokens = 1, max_completion_length = 1;
};

/**
 * Per-token inputs of the loss, device memory; only tokens that carry loss. With token-level ratios each token stands alone, so
 * that a batch may be cut anywhere; with sequence_level the cut is between sequences.
 */
struct GrpoInputs {
  int64_t tokens = 0;
  const float* logp = nullptr;
  const float* old_logp = nullptr;  // null: on-policy, the token's own logp without gradient
  const float* ref_logp = nullptr;  // null unless beta != 0
  const float* advantage = nullptr;
  const float* weight = nullptr;    // one over the token's normaliser: grpo_weights
  const float* entropy = nullptr;   // null: not summed
  int64_t sequences = 0;            // sequence s owns tokens [begin[s], begin[s + 1]); read when sequence_level
  const int32_t* begin = nullptr;   // (sequences + 1)
};

/** Sums over tokens; those of the parts of a batch add up to those of the whole, to the bit. A token counts at most 2^20,
 *  in the loss 2^10. */
struct LossStats {
  double loss = 0;
  int64_t tokens = 0, sequences = 0;
  double entropy_sum = 0, kl_sum = 0, clip_low = 0, clip_high = 0;
  double likeliest = 0;  // tokens that the policy holds likeliest
  double ratio_sum = 0, ratio_min = 1e30, ratio_max = -1e30;
  double logp_difference_sum = 0, logp_difference_max = 0;
  /** Inputs that were not finite, from a device that cannot say so at once: 1 logp, 2 old_logp, 4 ref_logp, 8 advantage,
   *  16 weight, 32 entropy. */
  uint32_t not_finite = 0;
};

/** Which entries are dropped is a function of (seed, step, site, the row's key, column), never of where the row lies. */
struct DropoutConfig {
  float p = 0;
  uint64_t seed = 0, step = 0;
  uint32_t site = 0;  // which input of the model
};

/** Blocks of a matrix: block b holds rows [row[b], row[b] + rows[b]) of columns [b * rank, (b + 1) * rank). */
struct Blocks {
  static constexpr int most = 3;
  int count = 0;
  int64_t rank = 0;
  int64_t row[most] = {}, rows[most] = {};
};

struct AdamwConfig {
  double learning_rate = 0, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, weight_decay = 0;
  double grad_scale = 1;  // from global-norm clipping
  int64_t step = 1;       // counts from 1
};

struct ReproConfig {
  float stability_weight = 0, ema_weight = 1;
  bool first_difference = false;  // r_1 = S_1 - S_0 instead of S_1
};

#define RECTIFY_UNPACK(...) __VA_ARGS__
#define KERNEL(name, params, args) void name(Device& device, RECTIFY_UNPACK params);
namespace baseline {
#include "kernels.def"
}
namespace avx2 {
#include "kernels.def"
}
namespace avx512 {
#include "kernels.def"
}
namespace avx512bf16 {
#include "kernels.def"
}
namespace avx512amx {
#include "kernels.def"
}
namespace cuda {
#include "kernels.def"
}
namespace emulated {
#include "kernels.def"
}
#undef KERNEL

#if defined(RECTIFY_X86_TARGETS)
#define RECTIFY_X86_CASES(name, args)                                                   \
  case Target::avx2: return avx2::name(device, RECTIFY_UNPACK args);                    \
  case Target::avx512: return avx512::name(device, RECTIFY_UNPACK args);                \
  case Target::avx512bf16: return avx512bf16::name(device, RECTIFY_UNPACK args);        \
  case Target::avx512amx: return avx512amx::name(device, RECTIFY_UNPACK args);
#else
#define RECTIFY_X86_CASES(name, args)
#endif
#if defined(RECTIFY_CUDA)
#define RECTIFY_CUDA_CASE(name, args) \
  case Target::cuda: return cuda::name(device, RECTIFY_UNPACK args);
#else
#define RECTIFY_CUDA_CASE(name, args)
#endif

#define KERNEL(name, params, args)                                        \
  inline void name(Device& device, RECTIFY_UNPACK params) {               \
    switch (device.target) {                                              \
      case Target::baseline: return baseline::name(device, RECTIFY_UNPACK args); \
        RECTIFY_X86_CASES(name, args)                                     \
        RECTIFY_CUDA_CASE(name, args)                                     \
      case Target::emulated: return emulated::name(device, RECTIFY_UNPACK args); \
      default: throw std::runtime_error(#name ": not built for this device"); \
    }                                                                     \
  }
#include "kernels.def"
#undef KERNEL

}  // namespace rectify
