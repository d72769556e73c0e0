// Backward of forest attention on the GPU, from the rows of the whole batch:
//   P = 2^(x - lse log2 e), x = (q . k) log2(e) / sqrt(D);   dP = dout v^T;   delta = rowsum(dout out);   dS = P (dP - delta)
//   dq = dS k / sqrt(D);   dk = dS^T q / sqrt(D);   dv = P^T dout
// P is recomputed tile by tile, once for queries (a tile of queries walks its path, as in attention.cu) and once for keys (a tile of
// keys walks the rows of the segments that read it, in row order). Many rows may read one prompt, so their range is cut into
// parts, summed on their own and then in order. No atomics on floats: the same batch gives the same bits.
#include "cuda/attention_tile.cuh"

namespace rectify::RECTIFY_TARGET {

namespace {

struct Backward {
  const void *qkv, *dout, *out;
  const float* lse;  // [row][head]
  float* delta;      // [row][head]
  void* dqkv;
  Dtype dqkv_dtype;
  ForestView forest;
  AttentionShape shape;
  const int32_t *first_reader, *last_reader;  // (segments) among whose rows are all that read the segment, itself included
  float* part;                                // [parts][row][kv head] of dk [D], dv [D]
  int parts;

  __device__ int64_t end_of_part(int part) const { return (forest.rows * (part + 1) + parts - 1) / parts; }
  __device__ float* sums(int part, int64_t row, int kv_head) const {
    return this->part + ((part * forest.rows + row) * shape.kv_heads + kv_head) * 2 * shape.head_dim;
  }
  /** How many tokens of `segment` the row sees. */
  __device__ int32_t seen(int64_t row, int32_t segment) const {
    const int32_t reader = forest.segment[row];
    if (reader == segment) return forest.position[row] - forest.segment_base[segment] + 1;
    for (int32_t piece = forest.piece_begin[reader]; piece < forest.piece_begin[reader + 1]; piece++)
      if (forest.piece_segment[piece] == segment) return forest.piece_length[piece];
    return 0;
  }
  __device__ int64_t row_at(int32_t segment, int32_t position) const {
    const PathPlace place = find_on_path(forest, segment, position);
    return forest.row_begin[place.segment] + place.index;
  }
  __device__ void store(int64_t at, float value) const {
    if (dqkv_dtype == Dtype::f32) static_cast<float*>(dqkv)[at] = value;
    else static_cast<bf16*>(dqkv)[at] = from_float<bf16>(value);
  }
};

/** Integer minima and maxima: the same whatever the order. */
__global__ void find_readers(int32_t* first, int32_t* last, ForestView forest) {
  const int64_t reader = int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (reader >= forest.segments) return;
  for (int32_t piece = forest.piece_begin[reader]; piece < forest.piece_begin[reader + 1]; piece++) {
    atomicMin(&first[forest.piece_segment[piece]], static_cast<int32_t>(reader));
    atomicMax(&last[forest.piece_segment[piece]], static_cast<int32_t>(reader));
  }
}

/** delta: a warp per row and head. */
constexpr int kDeltaThreads = 256;

template <typename T>
__global__ void __launch_bounds__(kDeltaThreads) find_delta(Backward b) {
  const int64_t id = int64_t{blockIdx.x} * (kDeltaThreads / kWarp) + warp_index(), D = b.shape.head_dim;
  const bool any = id < b.forest.rows * b.shape.heads;
  float sum = 0;
  for (int64_t d = lane_index(); any && d < D; d += kWarp)
    sum = fmaf(to_float(static_cast<const T*>(b.dout)[id * D + d]), to_float(static_cast<const T*>(b.out)[id * D + d]), sum);
  for (int with = 1; with < kWarp; with *= 2) sum += __shfl_xor_sync(kAllLanes, sum, with);
  if (any && lane_index() == 0) b.delta[id] = sum;
}

/** Any type, any head_dim: a thread per query, then a thread per key. */
template <typename T>
__device__ inline float dot(const T* a, const T* b, int D) {
  float sum = 0;
  for (int d = 0; d < D; d++) sum = fmaf(to_float(a[d]), to_float(b[d]), sum);
  return sum;
}

/** P and dS of one query and one key. */
struct Weights {
  float p, ds;
};
template <typename T>
__device__ inline Weights weights(const Backward& b, const T* q, const T* k, const T* v, const T* dout, int64_t id) {
  const float p = expf(dot(q, k, b.shape.head_dim) * b.shape.scale - b.lse[id]);
  return {p, p * (dot(dout, v, b.shape.head_dim) - b.delta[id])};
}

template <typename T>
__global__ void __launch_bounds__(2 * kWarp) queries_plain(Backward b) {
  DYNAMIC_SHARED(float, shared);
  const AttentionShape& s = b.shape;
  const int D = s.head_dim, kv_head = static_cast<int>(blockIdx.y), threads = static_cast<int>(blockDim.x);
  const int64_t query = int64_t{blockIdx.x} * threads + threadIdx.x, row = s.row(query), head = s.head(query, kv_head);
  if (row >= b.forest.rows) return;
  const auto* qkv = static_cast<const T*>(b.qkv);
  const T *q = qkv + row * s.width() + head * D, *dout = static_cast<const T*>(b.dout) + row * s.q_width() + head * D;
  float* dq = shared + threadIdx.x;
  for (int d = 0; d < D; d++) dq[d * threads] = 0;
  const int32_t segment = b.forest.segment[row], length = b.forest.position[row] + 1;
  for (int32_t j = 0; j < length; j++) {
    const T* k = qkv + b.row_at(segment, j) * s.width() + s.q_width() + int64_t{kv_head} * D;
    const Weights w = weights(b, q, k, k + s.kv_width(), dout, row * s.heads + head);
    for (int d = 0; d < D; d++) dq[d * threads] = fmaf(w.ds, to_float(k[d]), dq[d * threads]);
  }
  for (int d = 0; d < D; d++) b.store(row * s.width() + head * D + d, dq[d * threads] * s.scale);
}

template <typename T>
__global__ void __launch_bounds__(2 * kWarp) keys_plain(Backward b) {
  DYNAMIC_SHARED(float, shared);
  const AttentionShape& s = b.shape;
  const int D = s.head_dim, kv_head = static_cast<int>(blockIdx.y), part = static_cast<int>(blockIdx.z);
  const auto threads = static_cast<int>(blockDim.x);
  const int64_t key = int64_t{blockIdx.x} * threads + threadIdx.x;
  if (key >= b.forest.rows) return;
  const auto* qkv = static_cast<const T*>(b.qkv);
  const T *k = qkv + key * s.width() + s.q_width() + int64_t{kv_head} * D, *v = k + s.kv_width();
  float *dk = shared + threadIdx.x, *dv = dk + D * threads;
  for (int d = 0; d < 2 * D; d++) dk[d * threads] = 0;
  const int32_t segment = b.forest.segment[key], index = static_cast<int32_t>(key - b.forest.row_begin[segment]);
  const int64_t begin = max(int64_t{b.forest.row_begin[b.first_reader[segment]]}, b.end_of_part(part - 1));
  const int64_t end = min(int64_t{b.forest.row_begin[b.last_reader[segment] + 1]}, b.end_of_part(part));
  for (int64_t row = begin; row < end; row++) {
    if (b.seen(row, segment) <= index) continue;
    for (int64_t head = kv_head * s.group; head < (kv_head + 1) * s.group; head++) {
      const T *q = qkv + row * s.width() + head * D, *dout = static_cast<const T*>(b.dout) + row * s.q_width() + head * D;
      const Weights w = weights(b, q, k, v, dout, row * s.heads + head);
      for (int d = 0; d < D; d++) {
        dk[d * threads] = fmaf(w.ds, to_float(q[d]), dk[d * threads]);
        dv[d * threads] = fmaf(w.p, to_float(dout[d]), dv[d * threads]);
      }
    }
  }
  float* to = b.sums(part, key, kv_head);
  for (int d = 0; d < 2 * D; d++) to[d] = dk[d * threads] * (d < D ? s.scale : 1);
}

/** dk and dv: the parts in order. */
__global__ void add_parts(Backward b) {
  const AttentionShape& s = b.shape;
  const int64_t row = blockIdx.x;
  const int D = s.head_dim, width = s.kv_heads * D;
  for (int i = static_cast<int>(threadIdx.x); i < 2 * width; i += static_cast<int>(blockDim.x)) {
    const int value = i / width, kv_head = i % width / D, d = i % D;
    float sum = 0;
    for (int part = 0; part < b.parts; part++) sum += b.sums(part, row, kv_head)[value * D + d];
    b.store(row * s.width() + s.q_width() + i, sum);
  }
}

/** Tensor cores: a warp for every 16 queries (or keys), blocks of keys (or queries) two stages deep, places of kPlaces of
 *  them found at a time. Many rows may read one prompt: its gradient is cut into parts of at least kPartRows of them. */
constexpr int kThreads = 128, kStages = 2;
constexpr int64_t kMostParts = 4;
#if defined(RECTIFY_EMULATE_CUDA)
constexpr int kPlaces = 128;
constexpr int64_t kPartRows = 64;
#else
constexpr int kPlaces = 1024;
constexpr int64_t kPartRows = 2048;
#endif

template <int D>
struct QueryTile {
  static constexpr int queries = D <= 128 ? 64 : 32, keys = D < 128 ? 64 : D == 128 ? 32 : 16, threads = queries / kMmaM * kWarp;
  static constexpr int blocks = D <= 64 ? 3 : 2;  // of one multiprocessor
  using Queries = RowTile<queries, D, threads>;
  using Keys = RowTile<keys, D, threads>;
  static constexpr size_t bytes =
      (2 * Queries::values + 2 * kStages * Keys::values) * sizeof(uint16_t) + (kPlaces + 2 * queries) * sizeof(int32_t);
  static_assert(bytes <= kMostShared);
};

/** dq of a tile of queries. */
template <int D>
__global__ void __launch_bounds__(QueryTile<D>::threads, QueryTile<D>::blocks) queries_bf16(Backward b) {
  using Tile = QueryTile<D>;
  using Keys = typename Tile::Keys;
  using Queries = typename Tile::Queries;
  DYNAMIC_SHARED(uint16_t, shared);
  uint16_t *q_tile = shared, *dout_tile = q_tile + Queries::values;
  uint16_t* kv_tiles = dout_tile + Queries::values;                                 // [stages] of K, V
  auto* rows = reinterpret_cast<int32_t*>(kv_tiles + 2 * kStages * Keys::values);   // of kPlaces positions
  int32_t *length_of = rows + kPlaces, *segment_of = length_of + Tile::queries;             // keys that a query sees; 0: no query
  const AttentionShape& s = b.shape;
  const int thread = static_cast<int>(threadIdx.x), warp = warp_index(), t = lane_index() % 4, kv_head = static_cast<int>(blockIdx.y);
  const int64_t first = (gridDim.x - 1 - int64_t{blockIdx.x}) * Tile::queries, all = b.forest.rows * s.group;  // long paths first
  const auto *qkv = static_cast<const uint16_t*>(b.qkv), *dout = static_cast<const uint16_t*>(b.dout);
  const float to_log2 = s.scale * kLog2e;

  for (int i = thread; i < Tile::queries; i += Tile::threads) {
    const int64_t row = s.row(first + i);
    length_of[i] = first + i < all ? b.forest.position[row] + 1 : 0;
    segment_of[i] = first + i < all ? b.forest.segment[row] : -1;
  }
  Queries::fetch(q_tile, thread, qkv, [&](int i) -> const uint16_t* {
    const int64_t query = first + i;
    return query < all ? qkv + s.row(query) * s.width() + s.head(query, kv_head) * D : nullptr;
  });
  Queries::fetch(dout_tile, thread, qkv, [&](int i) -> const uint16_t* {
    const int64_t query = first + i;
    return query < all ? dout + s.row(query) * s.q_width() + s.head(query, kv_head) * D : nullptr;
  });
  copies_commit();
  copies_wait<0>();
  __syncthreads();

  const int own = warp * kMmaM + lane_index() / 4;  // this thread's queries: own, own + 8
  float lse[2] = {0, 0}, delta[2] = {0, 0};
#pragma unroll
  for (int half = 0; half < 2; half++) {
    const int64_t query = first + own + half * 8;
    if (query >= all) continue;
    const int64_t id = s.row(query) * s.heads + s.head(query, kv_head);
    lse[half] = b.lse[id] * kLog2e, delta[half] = b.delta[id];
  }
  float dq[D / kMmaN][4];
  clear(dq);
  for (int begin = 0, end; begin < Tile::queries && length_of[begin] > 0; begin = end) {
    const int32_t segment = segment_of[begin];
    for (end = begin + 1; end < Tile::queries && segment_of[end] == segment;) end++;
    int32_t longest = 0, warp_longest = 0, length[2] = {0, 0};  // of the run, of the warp's rows in it, of the thread's two
    for (int i = begin; i < end; i++) {
      longest = max(longest, length_of[i]);
      if (i / kMmaM == warp) warp_longest = max(warp_longest, length_of[i]);
    }
#pragma unroll
    for (int half = 0; half < 2; half++)
      if (own + half * 8 >= begin && own + half * 8 < end) length[half] = length_of[own + half * 8];

    for (int32_t start = 0; start < longest; start += kPlaces) {
      const int32_t stop = min(longest, start + kPlaces);
      for (int32_t j = start + thread; j < stop; j += Tile::threads) rows[j - start] = static_cast<int32_t>(b.row_at(segment, j));
      __syncthreads();
      const auto fetch = [&](int32_t from, uint16_t* tile) {
        for (int value = 0; value < 2; value++)
          Keys::fetch(tile + value * Keys::values, thread, qkv, [&](int i) -> const uint16_t* {
            if (from + i >= stop) return nullptr;
            return qkv + rows[from + i - start] * s.width() + s.q_width() + value * s.kv_width() + kv_head * D;
          });
      };
      fetch(start, kv_tiles);
      copies_commit();
      int stage = 0;
      for (int32_t from = start; from < stop; from += Tile::keys, stage ^= 1) {
        if (from + Tile::keys < stop) fetch(from + Tile::keys, kv_tiles + (stage ^ 1) * 2 * Keys::values);
        copies_commit();
        copies_wait<1>();
        __syncthreads();
        if (from < warp_longest) {
          const uint16_t* k_tile = kv_tiles + stage * 2 * Keys::values;
          float p[Tile::keys / kMmaN][4], ds[Tile::keys / kMmaN][4];
          multiply_rows<D, Tile::keys>(p, q_tile + warp * kMmaM * Queries::stride, k_tile);
          multiply_rows<D, Tile::keys>(ds, dout_tile + warp * kMmaM * Queries::stride, k_tile + Keys::values);
#pragma unroll
          for (int n = 0; n < Tile::keys / kMmaN; n++)
#pragma unroll
            for (int e = 0; e < 4; e++) {
              const bool sees = from + n * kMmaN + 2 * t + e % 2 < length[e / 2];
              ds[n][e] = sees ? exp2_fast(p[n][e] * to_log2 - lse[e / 2]) * (ds[n][e] - delta[e / 2]) : 0;
            }
          accumulate_rows<D, Tile::keys>(dq, ds, k_tile);
        }
        __syncthreads();
      }
    }
  }
#pragma unroll
  for (int half = 0; half < 2; half++) {
    const int64_t query = first + own + half * 8;
    if (query >= all) continue;
    const int64_t at = s.row(query) * s.width() + s.head(query, kv_head) * D;
#pragma unroll
    for (int n = 0; n < D / kMmaN; n++) {
      store_pair(b.dqkv, b.dqkv_dtype, at + n * kMmaN + 2 * t, dq[n][half * 2] * s.scale, dq[n][half * 2 + 1] * s.scale);
    }
  }
}

template <int D>
struct KeyTile {
  static constexpr int keys = D <= 128 ? 64 : 32, queries = D <= 128 ? 32 : 16, threads = keys / kMmaM * kWarp;
  static constexpr int blocks = D <= 64 ? 3 : 2;
  using Keys = RowTile<keys, D, threads>;
  using Queries = RowTile<queries, D, threads>;
  static constexpr size_t bytes = (2 * Keys::values + 2 * kStages * Queries::values) * sizeof(uint16_t) +
                                  kPlaces * (sizeof(int32_t) + 2 * sizeof(float)) + keys * sizeof(int32_t);
  static_assert(bytes <= kMostShared);
};

/** dk (of_keys) and dv (of_values) of a tile of keys; both at once where the registers hold both. */
template <int D, bool of_keys, bool of_values>
__global__ void __launch_bounds__(KeyTile<D>::threads, KeyTile<D>::blocks) keys_bf16(Backward b) {
  using Tile = KeyTile<D>;
  using Keys = typename Tile::Keys;
  using Queries = typename Tile::Queries;
  DYNAMIC_SHARED(uint16_t, shared);
  uint16_t *k_tile = shared, *v_tile = k_tile + Keys::values;
  uint16_t* query_tiles = v_tile + Keys::values;                                           // [stages] of Q, dout
  auto* seen_of = reinterpret_cast<int32_t*>(query_tiles + 2 * kStages * Queries::values); // of kPlaces queries: keys it sees
  auto *lse_of = reinterpret_cast<float*>(seen_of + kPlaces), *delta_of = lse_of + kPlaces;
  auto* segment_of = reinterpret_cast<int32_t*>(delta_of + kPlaces);                       // of the tile's keys; -1: none
  const AttentionShape& s = b.shape;
  const int thread = static_cast<int>(threadIdx.x), warp = warp_index(), t = lane_index() % 4, kv_head = static_cast<int>(blockIdx.y);
  const int part = static_cast<int>(blockIdx.z);
  const int64_t first = int64_t{blockIdx.x} * Tile::keys;
  const auto *qkv = static_cast<const uint16_t*>(b.qkv), *dout = static_cast<const uint16_t*>(b.dout);
  const float to_log2 = s.scale * kLog2e;

  for (int i = thread; i < Tile::keys; i += Tile::threads) segment_of[i] = first + i < b.forest.rows ? b.forest.segment[first + i] : -1;
  for (int value = 0; value < 2; value++)
    Keys::fetch(k_tile + value * Keys::values, thread, qkv, [&](int i) -> const uint16_t* {
      const uint16_t* row = qkv + (first + i) * s.width() + s.q_width() + value * s.kv_width() + kv_head * D;
      return first + i < b.forest.rows ? row : nullptr;
    });
  copies_commit();
  copies_wait<0>();
  __syncthreads();

  const int own = warp * kMmaM + lane_index() / 4;  // this thread's keys: own, own + 8
  float dk[of_keys ? D / kMmaN : 1][4], dv[of_values ? D / kMmaN : 1][4];
  clear(dk);
  clear(dv);
  for (int begin = 0, end; begin < Tile::keys && segment_of[begin] >= 0; begin = end) {
    const int32_t segment = segment_of[begin];
    for (end = begin + 1; end < Tile::keys && segment_of[end] == segment;) end++;
    // Keys by their index within the segment.
    const int32_t tile_index = static_cast<int32_t>(first - b.forest.row_begin[segment]), first_index = tile_index + begin;
    const bool active = warp * kMmaM < end && (warp + 1) * kMmaM > begin;
    int32_t index[2];
#pragma unroll
    for (int half = 0; half < 2; half++) {
      const int i = own + half * 8;
      index[half] = i >= begin && i < end ? tile_index + i : INT32_MAX;
    }
    const int64_t row0 = max(int64_t{b.forest.row_begin[b.first_reader[segment]]}, max(b.end_of_part(part - 1), int64_t{first + begin}));
    const int64_t row1 = min(int64_t{b.forest.row_begin[b.last_reader[segment] + 1]}, b.end_of_part(part));
    for (int64_t start = row0 * s.group; start < row1 * s.group; start += kPlaces) {
      const auto count = static_cast<int>(min(int64_t{kPlaces}, row1 * s.group - start));
      __syncthreads();
      for (int i = thread; i < kPlaces; i += Tile::threads) {
        const int64_t query = start + i, row = s.row(query), id = row * s.heads + s.head(query, kv_head);
        seen_of[i] = i < count ? b.seen(row, segment) : 0;
        lse_of[i] = i < count ? b.lse[id] * kLog2e : 0;
        delta_of[i] = i < count ? b.delta[id] : 0;
      }
      __syncthreads();
      const auto fetch = [&](int from, uint16_t* tile) {
        Queries::fetch(tile, thread, qkv, [&](int i) -> const uint16_t* {
          const int64_t query = start + from + i;
          return seen_of[from + i] > 0 ? qkv + s.row(query) * s.width() + s.head(query, kv_head) * D : nullptr;
        });
        Queries::fetch(tile + Queries::values, thread, qkv, [&](int i) -> const uint16_t* {
          const int64_t query = start + from + i;
          return seen_of[from + i] > 0 ? dout + s.row(query) * s.q_width() + s.head(query, kv_head) * D : nullptr;
        });
      };
      // The next block from `from` on of which any query sees any of these keys.
      const auto next = [&](int from) {
        while (from < count && !__any_sync(kAllLanes, seen_of[from + lane_index() % Tile::queries] > first_index)) from += Tile::queries;
        return from;
      };
      int from = next(0), stage = 0;
      if (from < count) fetch(from, query_tiles);
      copies_commit();
      while (from < count) {
        const int after = next(from + Tile::queries);
        if (after < count) fetch(after, query_tiles + (stage ^ 1) * 2 * Queries::values);
        copies_commit();
        copies_wait<1>();
        __syncthreads();
        if (active) {
          const uint16_t *block = query_tiles + stage * 2 * Queries::values, *dout_block = block + Queries::values;
          float p[Tile::queries / kMmaN][4], ds[Tile::queries / kMmaN][4];
          multiply_rows<D, Tile::queries>(p, k_tile + warp * kMmaM * Keys::stride, block);
          if constexpr (of_keys) multiply_rows<D, Tile::queries>(ds, v_tile + warp * kMmaM * Keys::stride, dout_block);
#pragma unroll
          for (int n = 0; n < Tile::queries / kMmaN; n++)
#pragma unroll
            for (int e = 0; e < 4; e++) {
              const int i = from + n * kMmaN + 2 * t + e % 2;
              p[n][e] = index[e / 2] < seen_of[i] ? exp2_fast(p[n][e] * to_log2 - lse_of[i]) : 0;
              if constexpr (of_keys) ds[n][e] = p[n][e] * (ds[n][e] - delta_of[i]);
            }
          if constexpr (of_values) accumulate_rows<D, Tile::queries>(dv, p, dout_block);
          if constexpr (of_keys) accumulate_rows<D, Tile::queries>(dk, ds, block);
        }
        __syncthreads();
        from = after, stage ^= 1;
      }
    }
  }
#pragma unroll
  for (int half = 0; half < 2; half++) {
    const int64_t row = first + own + half * 8;
    if (row >= b.forest.rows) continue;
    float* to = b.sums(part, row, kv_head) + 2 * t;
#pragma unroll
    for (int n = 0; n < D / kMmaN; n++) {
      if constexpr (of_keys)
        *reinterpret_cast<float2*>(to + n * kMmaN) = make_float2(dk[n][half * 2] * s.scale, dk[n][half * 2 + 1] * s.scale);
      if constexpr (of_values)
        *reinterpret_cast<float2*>(to + D + n * kMmaN) = make_float2(dv[n][half * 2], dv[n][half * 2 + 1]);
    }
  }
}

template <int D>
void launch_tiles(Device& device, const Backward& b) {
  const AttentionShape& s = b.shape;
  const dim3 queries(blocks_for(b.forest.rows * s.group, QueryTile<D>::queries), static_cast<unsigned>(s.kv_heads));
  LAUNCH(queries_bf16<D>, queries, QueryTile<D>::threads, QueryTile<D>::bytes, stream(device), b);
  const dim3 keys(blocks_for(b.forest.rows, KeyTile<D>::keys), static_cast<unsigned>(s.kv_heads), static_cast<unsigned>(b.parts));
  if constexpr (D <= 128) {
    LAUNCH((keys_bf16<D, true, true>), keys, KeyTile<D>::threads, KeyTile<D>::bytes, stream(device), b);
  } else {
    LAUNCH((keys_bf16<D, true, false>), keys, KeyTile<D>::threads, KeyTile<D>::bytes, stream(device), b);
    LAUNCH((keys_bf16<D, false, true>), keys, KeyTile<D>::threads, KeyTile<D>::bytes, stream(device), b);
  }
}

}  // namespace

void attention_backward(Device& device, Tensor dqkv, Tensor dout, Tensor out, Tensor lse, Tensor qkv, ForestView forest,
                        Heads heads) {
  const auto is_real = [](Dtype t) { return t == Dtype::f32 || t == Dtype::bf16; };
  if (!is_real(qkv.dtype) || !is_real(dqkv.dtype) || dout.dtype != qkv.dtype || out.dtype != qkv.dtype || heads.head_dim % 2 != 0)
    throw std::runtime_error("attention_backward: expected rows of one type (f32 or bf16) and an even head_dim");
  if (forest.rows == 0) return;
  const AttentionShape shape(heads);
  if (!shape.takes(forest.rows)) throw std::runtime_error("attention_backward: expected fewer rows in one batch");
  const int64_t parts = std::max<int64_t>(1, std::min(kMostParts, forest.rows / kPartRows));
  const auto S = static_cast<size_t>(forest.segments), ids = static_cast<size_t>(forest.rows * heads.heads);
  const auto sums = static_cast<size_t>(parts * forest.rows * shape.kv_width() * 2);
  auto* part = static_cast<float*>(workspace(device, (sums + ids) * sizeof(float) + 2 * S * sizeof(int32_t), kAttentionSlot));
  float* delta = part + sums;
  auto *first_reader = reinterpret_cast<int32_t*>(delta + ids), *last_reader = first_reader + S;
  const Backward b{qkv.data, dout.data,  out.data,     lse.f32(),   delta, dqkv.data, dqkv.dtype, forest,
                   shape,    first_reader, last_reader, part, static_cast<int>(parts)};

  // Bytes 0x7f make a number above every segment, 0xff one below.
  check(cudaMemsetAsync(first_reader, 0x7f, S * sizeof(int32_t), stream(device)), "attention_backward");
  check(cudaMemsetAsync(last_reader, 0xff, S * sizeof(int32_t), stream(device)), "attention_backward");
  LAUNCH(find_readers, blocks_for(forest.segments, kThreads), kThreads, 0, stream(device), first_reader, last_reader, forest);
  by_type(qkv.dtype, "attention_backward", [&](auto value) {
    LAUNCH(find_delta<decltype(value)>, blocks_for(static_cast<int64_t>(ids), kDeltaThreads / kWarp), kDeltaThreads, 0, stream(device), b);
  });
  if (qkv.dtype == Dtype::bf16 && has_tiles(heads.head_dim) && can_copy(qkv.data) && can_copy(dout.data)) {
    by_head_dim(heads.head_dim, [&](auto D) { launch_tiles<D.value>(device, b); });
  } else {
    const int threads = plain_threads(heads.head_dim, 2);
    const size_t bytes = static_cast<size_t>(2 * heads.head_dim * threads) * sizeof(float);
    by_type(qkv.dtype, "attention_backward", [&](auto value) {
      using T = decltype(value);
      const dim3 queries(blocks_for(forest.rows * shape.group, threads), static_cast<unsigned>(heads.kv_heads));
      const dim3 keys(blocks_for(forest.rows, threads), static_cast<unsigned>(heads.kv_heads), static_cast<unsigned>(parts));
      LAUNCH(queries_plain<T>, queries, threads, bytes / 2, stream(device), b);
      LAUNCH(keys_plain<T>, keys, threads, bytes, stream(device), b);
    });
  }
  LAUNCH(add_parts, forest.rows, kThreads, 0, stream(device), b);
}

}  // namespace rectify::RECTIFY_TARGET
