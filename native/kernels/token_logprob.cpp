// The fused LM head. z[r][v] = hidden[r] . W[v] / temperature, walked in tiles of the vocabulary, never kept as a whole:
//   lse[r] = log sum_v e^z     entropy[r] = lse - sum_v p z     logp[i] = z[row i][target i] - lse[row i]      (p = e^(z - lse))
//   best[r] = max_v z[r][v] - lse[r]
// Backward makes the tiles again and turns each into its gradient where it lies:
//   dz[r][v] = (sum over the row's pairs of dlogp * ([v = target] - p) - dentropy * p * (z - lse + entropy)) / temperature
//   dhidden[r] = sum over v ascending of dz[r][v] W[v]          dW[v] += sum over r ascending of dz[r][v] hidden[r]
// A row's numbers depend on that row alone: tiles begin at multiples of kVocabTile whatever the chunk or the threads. A row
// with a NaN or infinite logit has NaN lse, logp, entropy and gradients; other rows do not notice.
#include "softmax_stats.h"

namespace rectify::RECTIFY_TARGET {

namespace {

constexpr int64_t kTileBytes = int64_t{8} << 20, kChunkBytes = int64_t{56} << 20;
constexpr int64_t kChunkRows = 1024;
/** Keeping a chunk's logits saves a product in four, unless it holds too few rows to pay for reading W and dW; where the matrix
 *  unit multiplies, the product is cheap. */
constexpr int64_t fewest_chunk_rows([[maybe_unused]] Dtype dtype) {
#if defined(__AMX_BF16__)
  if (dtype == Dtype::bf16) return 512;
#endif
  return 64;
}
/** Rows of a bf16 weight gradient that are added in one step: where chunks may begin without a trace. */
#if defined(__AMX_BF16__)
constexpr int64_t kRowsTogether = 32;
#else
constexpr int64_t kRowsTogether = 2;
#endif

/** The tiles of a chunk of rows, and where each row's pairs begin. */
struct Head {
  Device& device;
  const Tensor hidden;
  const Panels weight;
  const TokenPairs pairs;
  const float scale;   // 1 / temperature
  char* memory;
  int32_t* pair_begin; // (rows + 1)
  SoftmaxStats* stats; // (rows of a chunk)
  float* z;            // [rows of a chunk, columns of a tile]

  int64_t rows() const { return hidden.rows; }
  int64_t vocabulary() const { return weight.n; }
};

int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }
size_t aligned(size_t bytes) { return (bytes + 63) / 64 * 64; }

/** Columns of a tile for so many rows: about kTileBytes, a multiple of kVocabTile. */
int64_t tile_columns(int64_t rows, int64_t vocabulary) {
  const int64_t tiles = kTileBytes / (rows * kVocabTile * 4);
  return smaller((tiles < 1 ? 1 : tiles) * kVocabTile, (vocabulary + kVocabTile - 1) / kVocabTile * kVocabTile);
}

Head open_head(Device& device, const Tensor& hidden, const Panels& weight, const TokenPairs& pairs, float temperature,
               int64_t chunk, int64_t columns) {
  const size_t begins = aligned(static_cast<size_t>(hidden.rows + 1) * sizeof(int32_t));
  const size_t stats = aligned(static_cast<size_t>(chunk) * sizeof(SoftmaxStats));
  auto* memory = static_cast<char*>(
      device.allocate(begins + stats + static_cast<size_t>(chunk * columns) * sizeof(float)));
  Head head{device, hidden, weight, pairs, 1 / temperature, memory, reinterpret_cast<int32_t*>(memory),
            reinterpret_cast<SoftmaxStats*>(memory + begins), reinterpret_cast<float*>(memory + begins + stats)};
  int64_t i = 0;
  for (int64_t r = 0; r <= hidden.rows; r++) {
    while (i < pairs.count && pairs.row[i] < r) i++;
    head.pair_begin[r] = static_cast<int32_t>(i);
  }
  return head;
}

/** Logits [rows, columns] of a tile, not yet divided by the temperature. */
void logits_tile(const Head& h, float* z, int64_t row, int64_t rows, int64_t column, int64_t columns) {
  RECTIFY_TARGET::matmul(h.device, {z, rows, columns, Dtype::f32}, h.hidden.slice(row, rows),
                         h.weight.slice(column, columns), {}, false);
}

/** Statistics of tiles that begin at `column`, and the logits of the targets that lie in them. */
void add_columns(const Head& h, float* z, int64_t row, int64_t rows, int64_t column, int64_t columns, float* logp) {
  parallel(h.device, rows, 1, rows * columns * 8, [&](int64_t begin, int64_t end, int) {
    for (int64_t r = begin; r < end; r++) {
      float* line = z + r * columns;
      scale_logits(line, columns, h.scale);
      for (int64_t c = 0; c < columns; c += kVocabTile) add_tile(h.stats[r], line + c, smaller(kVocabTile, columns - c));
      for (int64_t i = h.pair_begin[row + r]; i < h.pair_begin[row + r + 1]; i++) {
        const int64_t target = h.pairs.target[i] - column;
        if (target >= 0 && target < columns) logp[i] = line[target];
      }
    }
  });
}

/** After the last tile: logp was the target's logit. */
void finish_rows(const Head& h, int64_t row, int64_t rows, float* logp, float* lse, float* entropy, float* best) {
  for (int64_t r = row; r < row + rows; r++) {
    const SoftmaxResult result = finish(h.stats[r - row]);
    if (lse) lse[r] = result.lse;
    if (entropy) entropy[r] = result.entropy;
    if (best) best[r] = h.stats[r - row].m - result.lse;
    for (int64_t i = h.pair_begin[r]; i < h.pair_begin[r + 1]; i++) logp[i] -= result.lse;
  }
}

/** Turns scaled logits (or unscaled, with `scale`) into their gradient, in place. */
void gradient_columns(const Head& h, float* z, int64_t row, int64_t rows, int64_t column, int64_t columns, float scale,
                      const float* lse, const float* entropy, const float* dlogp, const float* dentropy) {
  parallel(h.device, rows, 1, rows * columns * 8, [&](int64_t begin, int64_t end, int) {
    for (int64_t r = begin; r < end; r++) {
      float* line = z + r * columns;
      const int64_t first = h.pair_begin[row + r], last = h.pair_begin[row + r + 1];
      float sum = 0;
      for (int64_t i = first; i < last; i++) sum += dlogp[i];
      const float through_entropy = dentropy ? dentropy[row + r] : 0;
      if (sum == 0 && through_entropy == 0) {
        bool none = true;
        for (int64_t i = first; i < last; i++) none = none && dlogp[i] == 0;
        if (none) {
          memset(line, 0, static_cast<size_t>(columns) * sizeof(float));
          continue;
        }
      }
      scale_logits(line, columns, scale);
      const float norm = lse[row + r];
      const float b = -through_entropy * h.scale;
      const float a = -(sum + (dentropy ? through_entropy * entropy[row + r] : 0)) * h.scale;
      int64_t c = 0;
      for (; c + 16 <= columns; c += 16) {
        const v16f lp = load16(line + c) - norm;
        store16(line + c, exp16(lp) * (lp * b + a));
      }
      if (c < columns) {
        const v16f lp = load16_part(line + c, columns - c, 0) - norm;
        store16_part(line + c, exp16(lp) * (lp * b + a), columns - c);
      }
      for (int64_t i = first; i < last; i++) {
        const int64_t target = h.pairs.target[i] - column;
        if (target >= 0 && target < columns) line[target] += dlogp[i] * h.scale;
      }
    }
  });
}

/** dhidden and dweight of a tile's gradient. */
void gradient_products(const Head& h, Tensor dhidden, Tensor dweight, float* dz, int64_t row, int64_t rows, int64_t column,
                       int64_t columns) {
  const Tensor gradient{dz, rows, columns, Dtype::f32};
  RECTIFY_TARGET::matmul_dx(h.device, dhidden.slice(row, rows), gradient, h.weight.slice(column, columns), column > 0);
  if (dweight)
    RECTIFY_TARGET::matmul_dw(h.device, dweight.slice(column, columns), gradient, h.hidden.slice(row, rows), h.weight.dtype);
}

void clear(const Head& h, int64_t rows) {
  for (int64_t r = 0; r < rows; r++) h.stats[r] = SoftmaxStats{};
}

}  // namespace

void token_logprob_forward(Device& device, Tensor logp, Tensor lse, Tensor entropy, Tensor best, Tensor hidden, Panels weight,
                           TokenPairs pairs, float temperature) {
  const int64_t chunk = smaller(hidden.rows, kChunkRows), columns = tile_columns(chunk, weight.n);
  if (chunk == 0) return;
  const Head h = open_head(device, hidden, weight, pairs, temperature, chunk, columns);
  for (int64_t row = 0; row < h.rows(); row += chunk) {
    const int64_t rows = smaller(chunk, h.rows() - row);
    clear(h, rows);
    for (int64_t column = 0; column < h.vocabulary(); column += columns) {
      const int64_t width = smaller(columns, h.vocabulary() - column);
      logits_tile(h, h.z, row, rows, column, width);
      add_columns(h, h.z, row, rows, column, width, logp.f32());
    }
    finish_rows(h, row, rows, logp.f32(), lse.f32(), entropy.f32(), best.f32());
  }
  device.release(h.memory);
}

void token_logprob_backward(Device& device, Tensor dhidden, Tensor dweight, Tensor hidden, Panels weight, Tensor lse,
                            Tensor entropy, TokenPairs pairs, Tensor dlogp, Tensor dentropy, float temperature) {
  const int64_t chunk = smaller(hidden.rows, kChunkRows), columns = tile_columns(chunk, weight.n);
  if (chunk == 0) return;
  const Head h = open_head(device, hidden, weight, pairs, temperature, chunk, columns);
  for (int64_t row = 0; row < h.rows(); row += chunk) {
    const int64_t rows = smaller(chunk, h.rows() - row);
    for (int64_t column = 0; column < h.vocabulary(); column += columns) {
      const int64_t width = smaller(columns, h.vocabulary() - column);
      logits_tile(h, h.z, row, rows, column, width);
      gradient_columns(h, h.z, row, rows, column, width, h.scale, lse.f32(), entropy.f32(), dlogp.f32(), dentropy.f32());
      gradient_products(h, dhidden, dweight, h.z, row, rows, column, width);
    }
  }
  device.release(h.memory);
}

void token_logprob_loss(Device& device, Tensor dhidden, Tensor dweight, Tensor logp, Tensor entropy, Tensor best, Tensor hidden,
                        Panels weight, TokenPairs pairs, float temperature,
                        void (*loss)(void* context, int64_t begin, int64_t end, const float* logp, float* dlogp),
                        void* context) {
  if (hidden.rows == 0) return;
  const int64_t fitting = kChunkBytes / (weight.n * 4) / 2 * 2;
  auto* own = static_cast<float*>(
      device.allocate(static_cast<size_t>(2 * hidden.rows + pairs.count + 1) * sizeof(float)));
  float* lse = own;
  float* row_entropy = entropy ? entropy.f32() : own + hidden.rows;
  float* dlogp = own + 2 * hidden.rows;
  if (fitting < smaller(hidden.rows, fewest_chunk_rows(weight.dtype))) {
    const Tensor kept{lse, hidden.rows, 1, Dtype::f32}, entropies{row_entropy, hidden.rows, 1, Dtype::f32};
    RECTIFY_TARGET::token_logprob_forward(device, logp, kept, entropies, best, hidden, weight, pairs, temperature);
    loss(context, 0, pairs.count, logp.f32(), dlogp);
    RECTIFY_TARGET::token_logprob_backward(device, dhidden, dweight, hidden, weight, kept, entropies, pairs,
                                           {dlogp, pairs.count, 1, Dtype::f32}, {}, temperature);
    device.release(own);
    return;
  }
  // Chunks of nearly equal size, cut where the rows of bf16 weight gradients are in one piece too.
  const int64_t most = smaller(fitting, kChunkRows), chunks = (hidden.rows + most - 1) / most;
  const int64_t chunk = smaller(hidden.rows, ((hidden.rows + chunks - 1) / chunks + kRowsTogether - 1) / kRowsTogether * kRowsTogether);
  const Head h = open_head(device, hidden, weight, pairs, temperature, chunk, weight.n);
  for (int64_t row = 0; row < h.rows(); row += chunk) {
    const int64_t rows = smaller(chunk, h.rows() - row);
    const int64_t begin = h.pair_begin[row], end = h.pair_begin[row + rows];
    clear(h, rows);
    logits_tile(h, h.z, row, rows, 0, weight.n);
    add_columns(h, h.z, row, rows, 0, weight.n, logp.f32());
    finish_rows(h, row, rows, logp.f32(), lse, row_entropy, best.f32());
    if (end > begin) loss(context, begin, end, logp.f32() + begin, dlogp + begin);
    gradient_columns(h, h.z, row, rows, 0, weight.n, 1, lse, row_entropy, dlogp, nullptr);
    gradient_products(h, dhidden, dweight, h.z, row, rows, 0, weight.n);
  }
  device.release(h.memory);
  device.release(own);
}

}  // namespace rectify::RECTIFY_TARGET
