// Linear layers on the GPU; a weight lies in memory as its rows [N, K] (row stride Panels::depth()).
//   y[m][n]  = start + sum over k ascending of x[m][k] W[n][k]      start: y (if accumulate) + bias, or 0
//   dx[m][k] = start + sum over n ascending of dy[m][n] W[n][k]     start: dx or 0
//   dW[n][k] = dW[n][k] + sum over m ascending of dy[m][n] x[m][k]
// All three are one product C[i][j] = start + sum over s of A(i, s) B(j, s) whose operands lie s by s or row by row.
// bf16: each output is one chain of tensor-core steps of 16 terms, begun with its start, whatever the tile: a row's bits depend on
// that row alone, and decoding's slim tiles give the bits of training's wide ones. f32: one chain of fused multiply-adds, the
// CPU's bits. With cuBLASLt at hand (cuda/library.cuh) it computes the bf16 products, by one algorithm per (N, K).
// Operands of a bf16 product that come in f32 are rounded to bf16 first; results are f32 or bf16.
#include "cuda/library.cuh"
#include "cuda/mma.cuh"
#include "kernels.h"

namespace rectify::RECTIFY_TARGET {

namespace {

/** A block's share of a bf16 product and how its warps divide it; `stages` slices of `depth` terms are in flight. `blocks` of
 *  them shall fit the registers of a multiprocessor. */
template <int rows_, int columns_, int depth_, int stages_, int warp_rows_, int warp_columns_, int blocks_>
struct Tile {
  static constexpr int rows = rows_, columns = columns_, depth = depth_, stages = stages_, blocks = blocks_;
  static constexpr int warp_columns = warp_columns_, threads = warp_rows_ * warp_columns_ * kWarp;
  /** 16 x 16 pieces of one warp. */
  static constexpr int pieces_m = rows / warp_rows_ / 16, pieces_n = columns / warp_columns_ / 16;
};
using WideTile = Tile<128, 128, 32, 4, 2, 2, 2>;
using MiddleTile = Tile<64, 64, 64, 3, 2, 2, 4>;
// Decoding, up to 64 and up to 16 rows: a stream of the weights, as much of it under way as shared memory holds.
using LowTile = Tile<64, 16, 64, 6, 4, 1, 2>;
using SlimTile = Tile<16, 16, 256, 4, 1, 1, 2>;

/** Tiles that share their columns of B follow one another, so that both operands stay in the second-level cache. */
constexpr int kTileGroup = 8;

/** One slice of an operand in shared memory, rows or columns padded by one copy so that no two lanes meet in a bank. A thread
 *  copies the same place of every `step`th line. */
template <int rows, int depth, bool columns, int threads>
struct Slice {
  static constexpr int lines = columns ? depth : rows, length = columns ? rows : depth;
  static constexpr int stride = length + kCopyValues;
  static constexpr int values = lines * stride;
  static constexpr int copies = length / kCopyValues, step = threads / copies;  // of a line; lines
  static_assert(threads % copies == 0 && lines % step == 0);

  /** Fetches the slice that begins at row `row` and term `s`; past the ends there are zeros. */
  static __device__ void fetch(uint16_t* shared, const Operand& from, bool aligned, int64_t row, int64_t s, int64_t depth_end, int thread) {
    const int line = thread / copies, at = thread % copies * kCopyValues;
    const int64_t first = (columns ? s : row) + line, begin = (columns ? row : s) + at;
    const int64_t lines_left = (columns ? depth_end : from.rows) - first, left = (columns ? from.rows : depth_end) - begin;
    const uint16_t* source = static_cast<const uint16_t*>(from.data) + first * from.stride + begin;
    uint16_t* to = shared + line * stride + at;
    if (aligned) {
#pragma unroll
      for (int i = 0; i < lines; i += step) copy_async(to + i * stride, source + i * from.stride, left > 0 && i < lines_left);
    } else {
#pragma unroll 1
      for (int i = 0; i < lines; i += step)
        for (int v = 0; v < kCopyValues; v++) to[i * stride + v] = v < left && i < lines_left ? source[i * from.stride + v] : 0;
    }
  }
};

__device__ inline float load_value(const void* data, Dtype dtype, int64_t i) {
  if (dtype == Dtype::f32) return static_cast<const float*>(data)[i];
  return to_float(static_cast<const bf16*>(data)[i]);
}

__device__ inline void store_value(void* data, Dtype dtype, int64_t i, float value) {
  if (dtype == Dtype::f32) static_cast<float*>(data)[i] = value;
  else static_cast<bf16*>(data)[i] = from_float<bf16>(value);
}

__device__ inline float start_value(const Product& p, int64_t i, int64_t j) {
  if (i >= p.a.rows || j >= p.b.rows) return 0;
  const float kept = p.accumulate ? load_value(p.c, p.c_dtype, i * p.b.rows + j) : 0;
  return p.bias ? kept + p.bias[j] : kept;
}

/** Which tile of C a block makes: groups of about kTileGroup tiles down, all but the last of one height, then across. */
__device__ inline void place_tile(int64_t down, int64_t across, int64_t* tile_i, int64_t* tile_j) {
  const int64_t groups = down < kTileGroup ? 1 : (down + kTileGroup / 2) / kTileGroup, most = (down + groups - 1) / groups;
  const int64_t block = blockIdx.x, first = block / (most * across) * most;
  const int64_t height = down - first < most ? down - first : most, within = block - first * across;
  *tile_i = first + within % height;
  *tile_j = within / height;
}

template <class T, bool a_columns, bool b_columns>
__global__ void __launch_bounds__(T::threads, T::blocks) matmul_bf16(Product p, bool a_aligned, bool b_aligned) {
  using A = Slice<T::rows, T::depth, a_columns, T::threads>;
  using B = Slice<T::columns, T::depth, b_columns, T::threads>;
  DYNAMIC_SHARED(uint16_t, shared);
  const int thread = static_cast<int>(threadIdx.x), g = lane_index() / 4, t = lane_index() % 4;
  int64_t tile_i, tile_j;
  place_tile((p.a.rows + T::rows - 1) / T::rows, (p.b.rows + T::columns - 1) / T::columns, &tile_i, &tile_j);
  const int64_t i0 = tile_i * T::rows, j0 = tile_j * T::columns;
  const int warp_i = warp_index() / T::warp_columns * T::pieces_m * 16, warp_j = warp_index() % T::warp_columns * T::pieces_n * 16;

  const auto fetch = [&](int64_t slice) {
    uint16_t* stage = shared + slice % T::stages * (A::values + B::values);
    A::fetch(stage, p.a, a_aligned, i0, slice * T::depth, p.depth, thread);
    B::fetch(stage + A::values, p.b, b_aligned, j0, slice * T::depth, p.depth, thread);
  };
  const int64_t slices = (p.depth + T::depth - 1) / T::depth;
  for (int slice = 0; slice < T::stages - 1; slice++) {
    if (slice < slices) fetch(slice);
    copies_commit();
  }

  float c[T::pieces_m][2 * T::pieces_n][4];
#pragma unroll
  for (int m = 0; m < T::pieces_m; m++) clear(c[m]);
  if (p.accumulate || p.bias) {
#pragma unroll
    for (int m = 0; m < T::pieces_m; m++)
#pragma unroll
      for (int n = 0; n < 2 * T::pieces_n; n++)
#pragma unroll
        for (int e = 0; e < 4; e++)
          c[m][n][e] = start_value(p, i0 + warp_i + m * 16 + g + e / 2 * 8, j0 + warp_j + n * kMmaN + 2 * t + e % 2);
  }

  for (int64_t slice = 0; slice < slices; slice++) {
    copies_wait<T::stages - 2>();
    __syncthreads();
    if (slice + T::stages - 1 < slices) fetch(slice + T::stages - 1);
    copies_commit();
    const uint16_t* a_slice = shared + slice % T::stages * (A::values + B::values);
    const uint16_t* b_slice = a_slice + A::values;
#pragma unroll
    for (int s = 0; s < T::depth; s += kMmaK) {
      uint32_t a[T::pieces_m][4], b[T::pieces_n][4];
#pragma unroll
      for (int m = 0; m < T::pieces_m; m++)
        load_a<a_columns>(a[m], a_slice + (a_columns ? s * A::stride + warp_i + m * 16 : (warp_i + m * 16) * A::stride + s), A::stride);
#pragma unroll
      for (int n = 0; n < T::pieces_n; n++)
        load_b<b_columns>(b[n], b_slice + (b_columns ? s * B::stride + warp_j + n * 16 : (warp_j + n * 16) * B::stride + s), B::stride);
#pragma unroll
      for (int m = 0; m < T::pieces_m; m++)
#pragma unroll
        for (int n = 0; n < 2 * T::pieces_n; n++) mma_bf16(c[m][n], a[m], b[n / 2][n % 2 * 2], b[n / 2][n % 2 * 2 + 1]);
    }
  }

#pragma unroll
  for (int m = 0; m < T::pieces_m; m++)
#pragma unroll
    for (int n = 0; n < 2 * T::pieces_n; n++)
#pragma unroll
      for (int half = 0; half < 2; half++) {
        const int64_t i = i0 + warp_i + m * 16 + g + half * 8, j = j0 + warp_j + n * kMmaN + 2 * t;
        if (i >= p.a.rows || j >= p.b.rows) continue;
        const int64_t at = i * p.b.rows + j;
        if (j + 1 < p.b.rows) store_pair(p.c, p.c_dtype, at, c[m][n][half * 2], c[m][n][half * 2 + 1]);
        else store_value(p.c, p.c_dtype, at, c[m][n][half * 2]);
      }
}

/** The f32 product: 16 x 16 threads of 4 x 4 outputs, each output one chain of fused multiply-adds. */
constexpr int kF32Tile = 64, kF32Depth = 16, kF32Threads = 256, kF32Side = 16, kF32Each = kF32Tile / kF32Side;

template <bool columns>
__device__ inline void fetch_f32(float (&to)[kF32Depth][kF32Tile + 4], const Operand& from, int64_t row, int64_t s, int64_t depth) {
  const auto* data = static_cast<const float*>(from.data);
  for (int i = static_cast<int>(threadIdx.x); i < kF32Depth * kF32Tile; i += kF32Threads) {
    const int r = columns ? i % kF32Tile : i / kF32Depth, d = columns ? i / kF32Tile : i % kF32Depth;
    const bool inside = row + r < from.rows && s + d < depth;
    to[d][r] = inside ? data[columns ? (s + d) * from.stride + row + r : (row + r) * from.stride + s + d] : 0;
  }
}

template <bool a_columns, bool b_columns>
__global__ void __launch_bounds__(kF32Threads, 3) matmul_f32(Product p) {
  __shared__ float a[kF32Depth][kF32Tile + 4], b[kF32Depth][kF32Tile + 4];
  const int x = static_cast<int>(threadIdx.x) % kF32Side, y = static_cast<int>(threadIdx.x) / kF32Side;
  int64_t tile_i, tile_j;
  place_tile((p.a.rows + kF32Tile - 1) / kF32Tile, (p.b.rows + kF32Tile - 1) / kF32Tile, &tile_i, &tile_j);
  const int64_t i0 = tile_i * kF32Tile + y * kF32Each, j0 = tile_j * kF32Tile + x * kF32Each;
  float c[kF32Each][kF32Each];
#pragma unroll
  for (int m = 0; m < kF32Each; m++)
#pragma unroll
    for (int n = 0; n < kF32Each; n++) c[m][n] = start_value(p, i0 + m, j0 + n);
  for (int64_t s = 0; s < p.depth; s += kF32Depth) {
    fetch_f32<a_columns>(a, p.a, tile_i * kF32Tile, s, p.depth);
    fetch_f32<b_columns>(b, p.b, tile_j * kF32Tile, s, p.depth);
    __syncthreads();
    const int terms = p.depth - s < kF32Depth ? static_cast<int>(p.depth - s) : kF32Depth;
    for (int d = 0; d < terms; d++) {
#pragma unroll
      for (int m = 0; m < kF32Each; m++)
#pragma unroll
        for (int n = 0; n < kF32Each; n++)
          c[m][n] = fmaf(a[d][y * kF32Each + m], b[d][x * kF32Each + n], c[m][n]);
    }
    __syncthreads();
  }
#pragma unroll
  for (int m = 0; m < kF32Each; m++)
#pragma unroll
    for (int n = 0; n < kF32Each; n++)
      if (i0 + m < p.a.rows && j0 + n < p.b.rows) store_value(p.c, p.c_dtype, (i0 + m) * p.b.rows + j0 + n, c[m][n]);
}

__global__ void round_to_bf16(bf16* to, const float* from, int64_t count) {
  const int64_t step = int64_t{gridDim.x} * blockDim.x;
  for (int64_t i = int64_t{blockIdx.x} * blockDim.x + threadIdx.x; i < count; i += step) to[i] = from_float<bf16>(from[i]);
}

/** Can it be fetched by whole copies? */
bool aligned(const Operand& x, int64_t depth) {
  return reinterpret_cast<uintptr_t>(x.data) % kCopyBytes == 0 && x.stride % kCopyValues == 0 && (x.columns ? x.rows : depth) % kCopyValues == 0;
}

template <class T, bool a_columns, bool b_columns>
void launch_tiles(Device& device, const Product& p) {
  using A = Slice<T::rows, T::depth, a_columns, T::threads>;
  using B = Slice<T::columns, T::depth, b_columns, T::threads>;
  const int64_t tiles = (p.a.rows + T::rows - 1) / T::rows * ((p.b.rows + T::columns - 1) / T::columns);
  constexpr size_t bytes = sizeof(uint16_t) * T::stages * (A::values + B::values);
  static_assert(bytes <= kMostShared);
  const auto matmul = matmul_bf16<T, a_columns, b_columns>;
  LAUNCH(matmul, tiles, T::threads, bytes, stream(device), p, aligned(p.a, p.depth), aligned(p.b, p.depth));
}

/** The largest tile that still gives every multiprocessor work. */
template <bool a_columns, bool b_columns>
void multiply_bf16(Device& device, const Product& p) {
  const auto fills = [&](int64_t rows, int64_t columns) {
    return (p.rows() + rows - 1) / rows * ((p.columns() + columns - 1) / columns) >= multiprocessors(device);
  };
  if (p.rows() <= SlimTile::rows) launch_tiles<SlimTile, a_columns, b_columns>(device, p);
  else if (fills(WideTile::rows, WideTile::columns)) launch_tiles<WideTile, a_columns, b_columns>(device, p);
  else if (p.rows() > LowTile::rows || fills(MiddleTile::rows, MiddleTile::columns))
    launch_tiles<MiddleTile, a_columns, b_columns>(device, p);
  else launch_tiles<LowTile, a_columns, b_columns>(device, p);
}

template <bool a_columns, bool b_columns>
void multiply(Device& device, const Product& p, Dtype dtype) {
  if (p.rows() == 0 || p.columns() == 0) return;
  if (dtype == Dtype::f32) {
    const int64_t tiles = (p.rows() + kF32Tile - 1) / kF32Tile * ((p.columns() + kF32Tile - 1) / kF32Tile);
    const auto matmul = matmul_f32<a_columns, b_columns>;
    LAUNCH(matmul, tiles, kF32Threads, 0, stream(device), p);
  } else if (!multiply_by_library(device, p)) {
    multiply_bf16<a_columns, b_columns>(device, p);
  }
}

/** `x` as a bf16 product reads it; f32 is rounded into the workspace `slot`. */
const void* operand(Device& device, const Tensor& x, Dtype compute, Slot slot, const char* kernel) {
  if (x.dtype == compute || x.size() == 0) return x.data;
  if (compute != Dtype::bf16 || x.dtype != Dtype::f32)
    throw std::runtime_error(std::string(kernel) + ": expected operands in f32, or in bf16 beside bf16 weights");
  auto* rounded = static_cast<bf16*>(workspace(device, static_cast<size_t>(x.size()) * 2, slot));
  constexpr int64_t threads = 256, most = 4096;
  const int64_t blocks = (x.size() + threads - 1) / threads;
  LAUNCH(round_to_bf16, blocks < most ? blocks : most, threads, 0, stream(device), rounded, x.f32(), x.size());
  return rounded;
}

bool is_real(const Tensor& t) { return !t.data || t.dtype == Dtype::f32 || t.dtype == Dtype::bf16; }

/** A block per row. */
__global__ void pack_rows(void* out, Dtype dtype, int64_t depth, const float* weight, int64_t k) {
  const int64_t row = blockIdx.x;
  const float* from = weight + row * k;
  for (int64_t c = 2 * threadIdx.x; c < depth; c += 2 * blockDim.x) {
    const float left = c < k ? from[c] : 0, right = c + 1 < k ? from[c + 1] : 0;
    if (c + 1 < depth) store_pair(out, dtype, row * depth + c, left, right);
    else store_value(out, dtype, row * depth + c, left);
  }
}

/** Rows of dy in runs of kBiasRows: each run's sums, then the runs in order. */
constexpr int kBiasColumns = 32, kBiasLines = 8, kBiasRows = 512;

__global__ void sum_run(float* partial, const void* dy, Dtype dtype, int64_t rows, int64_t columns) {
  __shared__ float sums[kBiasLines][kBiasColumns];
  const int x = static_cast<int>(threadIdx.x) % kBiasColumns, y = static_cast<int>(threadIdx.x) / kBiasColumns;
  const int64_t j = int64_t{blockIdx.x} * kBiasColumns + x, begin = int64_t{blockIdx.y} * kBiasRows;
  const int64_t end = begin + kBiasRows < rows ? begin + kBiasRows : rows;
  float sum = 0;
  if (j < columns)
    for (int64_t i = begin + y; i < end; i += kBiasLines) sum += load_value(dy, dtype, i * columns + j);
  sums[y][x] = sum;
  __syncthreads();
  if (y != 0 || j >= columns) return;
  for (int line = 1; line < kBiasLines; line++) sum += sums[line][x];
  partial[int64_t{blockIdx.y} * columns + j] = sum;
}

__global__ void add_runs(float* dbias, const float* partial, int64_t runs, int64_t columns) {
  const int64_t j = int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (j >= columns) return;
  float sum = dbias[j];
  for (int64_t run = 0; run < runs; run++) sum += partial[run * columns + j];
  dbias[j] = sum;
}

}  // namespace

void pack_panels(Device& device, Panels out, Tensor weight) {
  if (weight.dtype != Dtype::f32) throw std::runtime_error("pack_panels: expected a weight in f32");
  if (out.n * out.depth() == 0) return;
  constexpr int threads = 256;
  LAUNCH(pack_rows, out.n, threads, 0, stream(device), out.data, out.dtype, out.depth(), weight.f32(), out.k);
}

void matmul(Device& device, Tensor y, Tensor x, Panels weight, Tensor bias, bool accumulate) {
  if (!is_real(y) || (bias && bias.dtype != Dtype::f32)) throw std::runtime_error("matmul: expected rows in f32 or bf16, bias in f32");
  const void* rows = operand(device, x, weight.dtype, kLeftSlot, "matmul");
  const Operand left{rows, weight.k, x.rows, false}, right{weight.data, weight.depth(), weight.n, false};
  multiply<false, false>(device, {left, right, weight.k, y.data, y.dtype, accumulate, bias.f32()}, weight.dtype);
}

void matmul_dx(Device& device, Tensor dx, Tensor dy, Panels weight, bool accumulate) {
  if (!is_real(dx)) throw std::runtime_error("matmul_dx: expected gradients in f32 or bf16");
  const void* rows = operand(device, dy, weight.dtype, kLeftSlot, "matmul_dx");
  const Operand left{rows, weight.n, dy.rows, false}, right{weight.data, weight.depth(), weight.k, true};
  multiply<false, true>(device, {left, right, weight.n, dx.data, dx.dtype, accumulate, nullptr}, weight.dtype);
}

void matmul_dw(Device& device, Tensor dw, Tensor dy, Tensor x, Dtype compute) {
  if (dw.dtype != Dtype::f32) throw std::runtime_error("matmul_dw: expected weight gradients in f32");
  const Operand left{operand(device, dy, compute, kLeftSlot, "matmul_dw"), dy.cols, dy.cols, true};
  const Operand right{operand(device, x, compute, kRightSlot, "matmul_dw"), x.cols, x.cols, true};
  multiply<true, true>(device, {left, right, dy.rows, dw.data, Dtype::f32, true, nullptr}, compute);
}

void bias_backward(Device& device, Tensor dbias, Tensor dy) {
  if (dbias.dtype != Dtype::f32 || !is_real(dy)) throw std::runtime_error("bias_backward: expected a gradient in f32");
  if (dy.size() == 0) return;
  const int64_t runs = (dy.rows + kBiasRows - 1) / kBiasRows;
  auto* partial = static_cast<float*>(workspace(device, static_cast<size_t>(runs * dy.cols) * sizeof(float), kLeftSlot));
  const dim3 grid(blocks_for(dy.cols, kBiasColumns), static_cast<unsigned>(runs));
  LAUNCH(sum_run, grid, kBiasColumns * kBiasLines, 0, stream(device), partial, dy.data, dy.dtype, dy.rows, dy.cols);
  constexpr int64_t threads = 256;
  LAUNCH(add_runs, blocks_for(dy.cols, threads), threads, 0, stream(device), dbias.f32(), partial, runs,
         dy.cols);
}

}  // namespace rectify::RECTIFY_TARGET
