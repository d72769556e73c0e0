// The fused LM head on the GPU. z[r][v] = hidden[r] . W[v] / temperature:
//   lse[r] = log sum_v e^z     entropy[r] = lse - sum_v p z     logp[i] = z[row i][target i] - lse[row i]     best[r] = max_v z - lse
//   dz[r][v] = (sum over the row's pairs of dlogp * ([v = target] - p) - dentropy * p * (z - lse + entropy)) / temperature
//   dhidden[r] = sum over v ascending of dz[r][v] W[v]          dW[v] += sum over r ascending of dz[r][v] hidden[r]
// Logits exist for a chunk of rows at a time, as many as kHeadBytes hold: one matmul, one pass for the statistics, one that turns
// them into their gradient (bf16 beside bf16 weights), two matmuls. Chunks are whole tensor-core steps, so no result depends on
// where they are cut. A row with a NaN or infinite logit has NaN results; other rows do not notice (dW does).
#include <algorithm>

#include "cuda/softmax_stats.cuh"
#include "cuda/vector.cuh"
#include "kernels.h"

namespace rectify::RECTIFY_TARGET {

namespace {

#if defined(RECTIFY_EMULATE_CUDA)
constexpr int64_t kHeadBytes = int64_t{1} << 20;  // several chunks in the tests
#else
constexpr int64_t kHeadBytes = int64_t{1} << 30;
#endif
constexpr int kHeadThreads = 128, kRowThreads = 512;
/** A chunk's rows are a multiple of this, unless it is all of them: whole tiles of the matmuls. */
constexpr int64_t kChunkStep = 128;

/** pair_begin[r]: the first pair of row r or later; r = 0 .. rows. */
__global__ void find_pairs(int32_t* pair_begin, const int32_t* pair_row, int64_t pairs, int64_t rows) {
  const int64_t r = int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (r > rows) return;
  int64_t low = 0, high = pairs;
  while (low < high) {
    const int64_t middle = (low + high) / 2;
    if (pair_row[middle] < r) low = middle + 1;
    else high = middle;
  }
  pair_begin[r] = static_cast<int32_t>(low);
}

/** What a block needs of its row; arrays by row and pair of the whole batch, any of the outputs may be null. */
struct HeadRows {
  int64_t first, vocabulary;  // the chunk's first row
  float scale;                // 1 / temperature
  const int32_t *pair_begin, *target;
  float *logp, *lse, *entropy, *best, *of_target;
};

/** A warp per row. */
__global__ void __launch_bounds__(kHeadThreads)
    head_statistics(HeadRows h, const float* logits, const SoftmaxStats* stats, int parts, int64_t count) {
  const int64_t row = int64_t{blockIdx.x} * (kHeadThreads / kWarp) + warp_index(), r = h.first + row;
  if (row >= count) return;
  const float* line = logits + row * h.vocabulary;
  const SoftmaxResult result = fold_parts(stats + row * parts, parts);
  for (int32_t i = h.pair_begin[r] + lane_index(); i < h.pair_begin[r + 1]; i += kWarp)
    h.logp[i] = scaled(line[h.target[i]], h.scale) - result.lse;
  if (lane_index() != 0) return;
  if (h.lse) h.lse[r] = result.lse;
  if (h.entropy) h.entropy[r] = result.entropy;
  if (h.best) h.best[r] = result.best();
}

/** Up to four values from v on. */
template <typename T>
__device__ __forceinline__ void put(T* out, int64_t v, int64_t count, const float (&values)[kSoftmaxWidth]) {
  const bool aligned = reinterpret_cast<uintptr_t>(out + v) % (kSoftmaxWidth * sizeof(T)) == 0;
  if (aligned && v + kSoftmaxWidth <= count) return store(out + v, values);
  for (int k = 0; k < kSoftmaxWidth && v + k < count; k++) out[v + k] = from_float<T>(values[k]);
}

/** dz of one row; `dz` may be where the logits are. */
template <typename T>
__global__ void __launch_bounds__(kRowThreads)
    head_gradient(HeadRows h, T* dz, const float* logits, const float* dlogp, const float* dentropy) {
  const int64_t r = h.first + blockIdx.x, V = h.vocabulary;
  const float* line = logits + int64_t{blockIdx.x} * V;
  T* out = dz + int64_t{blockIdx.x} * V;
  const int32_t first = h.pair_begin[r], last = h.pair_begin[r + 1];
  float sum = 0;
  bool none = true;
  for (int32_t i = first; i < last; i++) sum += dlogp[i], none = none && dlogp[i] == 0;
  const float through_entropy = dentropy ? dentropy[r] : 0;
  if (none && through_entropy == 0) {
    const float zeros[kSoftmaxWidth] = {};
    for (int64_t v = int64_t{threadIdx.x} * kSoftmaxWidth; v < V; v += kRowThreads * kSoftmaxWidth) put(out, v, V, zeros);
    return;
  }
  const float lse = h.lse[r], b = -through_entropy * h.scale;
  const float a = -(sum + (dentropy ? through_entropy * h.entropy[r] : 0)) * h.scale;
  const auto gradient = [&](float z) { return expf(z - lse) * ((z - lse) * b + a); };

  // The targets' values are computed before the line is overwritten; a token that several pairs ask for belongs to the first.
  const auto for_targets = [&](const auto& body) {
    for (int32_t i = first + static_cast<int32_t>(threadIdx.x); i < last; i += kRowThreads) {
      bool owner = true;
      for (int32_t j = first; owner && j < i; j++) owner = h.target[j] != h.target[i];
      if (owner) body(i, h.target[i]);
    }
  };
  for_targets([&](int32_t i, int32_t target) {
    float value = gradient(scaled(line[target], h.scale));
    for (int32_t j = i; j < last; j++)
      if (h.target[j] == target) value += dlogp[j] * h.scale;
    h.of_target[i] = value;
  });
  __syncthreads();
  for_own_logits(line, 0, V, h.scale, [&](int64_t v, const float (&z)[kSoftmaxWidth]) {
    float own[kSoftmaxWidth];
    for (int k = 0; k < kSoftmaxWidth; k++) own[k] = gradient(z[k]);
    put(out, v, V, own);
  });
  __syncthreads();
  for_targets([&](int32_t i, int32_t target) { out[target] = from_float<T>(h.of_target[i]); });
}

/** The logits of a chunk of rows, and what belongs to them. */
struct Head {
  Device& device;
  const Tensor hidden;
  const Panels weight;
  const float temperature;
  HeadRows rows{};
  int64_t chunk = 0;         // rows at a time
  float* logits = nullptr;   // [chunk, V]
  Tensor dz{};               // [chunk, V] in the type that the matmuls read; the logits' own place in f32
  float* own = nullptr;      // lse, entropy, dlogp where the caller keeps none
  SoftmaxStats* stats = nullptr;  // [chunk, parts]

  Head(Device& device, const Tensor& hidden, const Panels& weight, const TokenPairs& pairs, float temperature, bool gradient)
      : device(device), hidden(hidden), weight(weight), temperature(temperature) {
    const int64_t R = hidden.rows, V = weight.n;
    const bool narrow = gradient && weight.dtype == Dtype::bf16;
    const int64_t fitting = kHeadBytes / (V * (narrow ? 6 : 4)) / kChunkStep * kChunkStep;
    chunk = fitting < kChunkStep ? kChunkStep : fitting;
    if (chunk > R) chunk = R;
    const auto size = static_cast<size_t>(chunk * V), logit_bytes = (size * sizeof(float) + 255) / 256 * 256;
    logits = static_cast<float*>(workspace(device, logit_bytes + (narrow ? size * sizeof(bf16) : 0), kLogitsSlot));
    dz = {logits, chunk, V, Dtype::f32};
    if (narrow) dz = {reinterpret_cast<char*>(logits) + logit_bytes, chunk, V, Dtype::bf16};
    const auto of_rows = static_cast<size_t>(3 * R + 1 + 2 * pairs.count), of_parts = static_cast<size_t>(chunk * part_count(V));
    own = static_cast<float*>(workspace(device, of_rows * sizeof(float) + of_parts * sizeof(SoftmaxStats), kHeadSlot));
    stats = reinterpret_cast<SoftmaxStats*>(own + of_rows);
    rows.of_target = own + 2 * R + pairs.count;
    auto* pair_begin = reinterpret_cast<int32_t*>(rows.of_target + pairs.count);
    constexpr int threads = 256;
    LAUNCH(find_pairs, blocks_for(R + 1, threads), threads, 0, stream(device), pair_begin, pairs.row, pairs.count, R);
    rows.vocabulary = V, rows.scale = 1 / temperature, rows.pair_begin = pair_begin, rows.target = pairs.target;
  }

  /** Calls body(first row, rows) chunk by chunk. */
  template <typename Body>
  void for_chunks(const Body& body) {
    for (int64_t row = 0; row < hidden.rows; row += chunk) {
      rows.first = row;
      body(row, hidden.rows - row < chunk ? hidden.rows - row : chunk);
    }
  }

  void compute_logits(int64_t row, int64_t count) const {
    RECTIFY_TARGET::matmul(device, {logits, count, weight.n, Dtype::f32}, hidden.slice(row, count), weight, {}, false);
  }
  void compute_statistics(int64_t count) const {
    softmax_parts(device, stats, logits, count, rows.vocabulary, rows.scale);
    LAUNCH(head_statistics, blocks_for(count, kHeadThreads / kWarp), kHeadThreads, 0, stream(device), rows, logits, stats,
           part_count(rows.vocabulary), count);
  }
  void compute_gradients(int64_t row, int64_t count, const Tensor& dhidden, const Tensor& dweight, const float* dlogp,
                         const float* dentropy) const {
    by_type(dz.dtype, "token_logprob", [&](auto value) {
      using T = decltype(value);
      LAUNCH(head_gradient<T>, count, kRowThreads, 0, stream(device), rows, dz.as<T>(), logits, dlogp, dentropy);
    });
    const Tensor gradient = dz.slice(0, count);
    RECTIFY_TARGET::matmul_dx(device, dhidden.slice(row, count), gradient, weight, false);
    if (dweight) RECTIFY_TARGET::matmul_dw(device, dweight, gradient, hidden.slice(row, count), weight.dtype);
  }
};

}  // namespace

void token_logprob_forward(Device& device, Tensor logp, Tensor lse, Tensor entropy, Tensor best, Tensor hidden, Panels weight,
                           TokenPairs pairs, float temperature) {
  if (hidden.rows == 0) return;
  Head h(device, hidden, weight, pairs, temperature, false);
  h.rows.logp = logp.f32(), h.rows.lse = lse.f32(), h.rows.entropy = entropy.f32(), h.rows.best = best.f32();
  h.for_chunks([&](int64_t row, int64_t count) {
    h.compute_logits(row, count);
    h.compute_statistics(count);
  });
}

void token_logprob_backward(Device& device, Tensor dhidden, Tensor dweight, Tensor hidden, Panels weight, Tensor lse,
                            Tensor entropy, TokenPairs pairs, Tensor dlogp, Tensor dentropy, float temperature) {
  if (hidden.rows == 0) return;
  Head h(device, hidden, weight, pairs, temperature, true);
  h.rows.lse = lse.f32(), h.rows.entropy = entropy.f32();
  h.for_chunks([&](int64_t row, int64_t count) {
    h.compute_logits(row, count);
    h.compute_gradients(row, count, dhidden, dweight, dlogp.f32(), dentropy.f32());
  });
}

void token_logprob_loss(Device& device, Tensor dhidden, Tensor dweight, Tensor logp, Tensor entropy, Tensor best, Tensor hidden,
                        Panels weight, TokenPairs pairs, float temperature,
                        void (*loss)(void* context, int64_t begin, int64_t end, const float* logp, float* dlogp),
                        void* context) {
  if (hidden.rows == 0) return;
  Head h(device, hidden, weight, pairs, temperature, true);
  float* dlogp = h.own + 2 * hidden.rows;
  h.rows.logp = logp.f32(), h.rows.lse = h.own, h.rows.best = best.f32();
  h.rows.entropy = entropy ? entropy.f32() : h.own + hidden.rows;
  std::vector<int32_t> copied(pairs.row_on_host ? 0 : static_cast<size_t>(pairs.count));
  if (!copied.empty()) device.copy_out(copied.data(), pairs.row, copied.size() * sizeof(int32_t));
  const int32_t* row_of = pairs.row_on_host ? pairs.row_on_host : copied.data();
  h.for_chunks([&](int64_t row, int64_t count) {
    h.compute_logits(row, count);
    h.compute_statistics(count);
    const int64_t begin = std::lower_bound(row_of, row_of + pairs.count, row) - row_of;
    const int64_t end = std::lower_bound(row_of + begin, row_of + pairs.count, row + count) - row_of;
    if (end > begin) loss(context, begin, end, logp.f32() + begin, dlogp + begin);
    h.compute_gradients(row, count, dhidden, dweight, dlogp, nullptr);
  });
}

}  // namespace rectify::RECTIFY_TARGET
