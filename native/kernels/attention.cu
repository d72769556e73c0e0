// Attention over token forests on the GPU, read from paged keys and values.
//   x_j = (q . k_j) log2(e) / sqrt(D),   p_j = 2^(x_j - m),   out = (sum_j p_j v_j) / sum_j p_j,   lse = (m + log2 sum_j p_j) ln 2
// j runs over the path of the row in blocks cut by path position, m is the largest x so far: the online softmax of FlashAttention.
// A path is cut once more, every kSplit positions: each split begins anew, and splits are merged in order. So a row's bits depend
// on its path alone: not on how that is cut into segments and pages, not on whether one block walks all splits (training, prompts)
// or each split has a block of its own (decoding a few long paths), nor on the size of the tile.
// A page of one layer on the GPU: K [kv_heads][32][D], then V [kv_heads][32][D]. bf16 with D = 64, 96, 128 or 256 runs on tensor cores,
// the query heads of a key-value head side by side in one tile; everything else a thread per query. One NaN in a key or value may
// spoil the rows of its tile that come before it.
#include "cuda/attention_tile.cuh"

namespace rectify::RECTIFY_TARGET {

namespace {

constexpr auto kPage = static_cast<int32_t>(KvCache::page_tokens);

/** Positions of a path that are summed on their own; in the emulation few, so that short paths show it. */
#if defined(RECTIFY_EMULATE_CUDA)
constexpr int kSplit = 128;
#else
constexpr int kSplit = 512;
#endif

struct Forward {
  const void* qkv;
  void* out;
  float* lse;         // or null
  const void* pages;  // of the layer
  int64_t page_values;
  ForestView forest;
  AttentionShape shape;
  float* part;           // sums of splits not yet merged, [split][row][head][D]; a block that walks all splits uses the first
  float2* part_softmax;  // their m and sum of p

  /** The key of `slot` = page * 32 + lane; the value lies kv_heads * 32 * D further on. */
  template <typename T>
  __device__ const T* key(int32_t slot, int kv_head) const {
    return static_cast<const T*>(pages) + slot / kPage * page_values + (kv_head * kPage + slot % kPage) * shape.head_dim;
  }
  __device__ int64_t value_offset() const { return shape.kv_width() * kPage; }
  __device__ int32_t slot(int32_t segment, int32_t position) const {
    const PathPlace place = find_on_path(forest, segment, position);
    return forest.pages[forest.page_begin[place.segment] + place.index / kPage] * kPage + place.index % kPage;
  }
};

template <typename Q, typename C>
__global__ void append_rows(C* pages, int64_t page_values, const Q* qkv, ForestView forest, AttentionShape shape) {
  const int64_t row = blockIdx.x;
  const int32_t segment = forest.segment[row], index = forest.position[row] - forest.segment_base[segment];
  const int64_t page = forest.pages[forest.page_begin[segment] + index / kPage];
  C* to = pages + page * page_values;
  const Q* from = qkv + row * shape.width() + shape.q_width();
  const auto values = static_cast<int>(2 * shape.kv_width());
  for (int i = static_cast<int>(threadIdx.x); i < values; i += static_cast<int>(blockDim.x))  // K then V, head by head
    to[(i / shape.head_dim * kPage + index % kPage) * shape.head_dim + i % shape.head_dim] = from_float<C>(to_float(from[i]));
}

/** A thread per query: any type, any head_dim. Its scaled query and its sums lie in shared memory, [D][threads] each. */
template <typename T>
__global__ void __launch_bounds__(2 * kWarp) attention_plain(Forward f) {
  DYNAMIC_SHARED(float, shared);
  const AttentionShape& s = f.shape;
  const int D = s.head_dim, kv_head = static_cast<int>(blockIdx.y), threads = static_cast<int>(blockDim.x);
  const int64_t query = int64_t{blockIdx.x} * threads + threadIdx.x, row = s.row(query), head = s.head(query, kv_head);
  if (row >= f.forest.rows) return;
  float *q = shared + threadIdx.x, *sum = q + D * threads;
  const T* from = static_cast<const T*>(f.qkv) + row * s.width() + head * D;
  for (int d = 0; d < D; d++) q[d * threads] = to_float(from[d]) * s.scale, sum[d * threads] = 0;
  float m = -INFINITY, total = 0;
  const int32_t segment = f.forest.segment[row], length = f.forest.position[row] + 1;
  for (int32_t j = 0; j < length; j++) {
    const T* k = f.key<T>(f.slot(segment, j), kv_head);
    const T* v = k + f.value_offset();
    float x = 0;
    for (int d = 0; d < D; d++) x = fmaf(q[d * threads], to_float(k[d]), x);
    if (x > m) {
      const float keep = expf(m - x);
      total *= keep;
      for (int d = 0; d < D; d++) sum[d * threads] *= keep;
      m = x;
    }
    const float p = expf(x - m);
    total += p;
    for (int d = 0; d < D; d++) sum[d * threads] = fmaf(p, to_float(v[d]), sum[d * threads]);
  }
  T* to = static_cast<T*>(f.out) + row * s.q_width() + head * D;
  for (int d = 0; d < D; d++) to[d] = from_float<T>(sum[d * threads] / total);
  if (f.lse) f.lse[row * s.heads + head] = m + logf(total);
}

/** A tile of queries for one key-value head, a warp for every 16; all threads help to fetch keys and values. */
constexpr int kThreads = 128, kLongTile = 64, kShortTile = 16, kStages = 2;

template <int D, int queries>
struct ForwardTile {
  static constexpr int keys = D <= 128 ? 64 : 16;  // of one block
  static constexpr int blocks = D <= 64 ? 3 : 2;             // of one multiprocessor
  using Queries = RowTile<queries, D, kThreads>;
  using Keys = RowTile<keys, D, kThreads>;
  static constexpr size_t bytes =
      (Queries::values + 2 * kStages * Keys::values) * sizeof(uint16_t) + (kSplit + 2 * queries) * sizeof(int32_t);
  static_assert(bytes <= kMostShared);
};

/** m and the sum of p of the splits before one, and with it; weights of the two sums of values. */
struct Merge {
  float2 softmax;
  float keep, add;
  __device__ Merge(float2 before, float2 split) {
    const float m = fmaxf(before.x, split.x);
    keep = exp2_fast(before.x - m), add = exp2_fast(split.x - m);
    softmax = make_float2(m, fmaf(split.y, add, __fmul_rn(before.y, keep)));
  }
  __device__ float operator()(float before, float split) const { return fmaf(split, add, __fmul_rn(before, keep)); }
};

__device__ inline float natural_lse(float2 softmax) { return (softmax.x + log2f(softmax.y)) * kLn2; }

/** Scores become p, one of the thread's two rows at a time; what was summed before is scaled to the new maximum. `masked`: keys
 *  from `length` on are not seen. */
template <bool masked, int keys, int values>
__device__ inline void online_softmax(float (&x)[keys][4], float (&sums)[values][4], float2& softmax, int half, int32_t from, int32_t length,
                                      float to_log2) {
  const int t = lane_index() % 4;
  float top = -INFINITY;
#pragma unroll
  for (int n = 0; n < keys; n++)
#pragma unroll
    for (int e = 0; e < 2; e++) {
      float& score = x[n][half * 2 + e];
      if (masked && from + n * kMmaN + 2 * t + e >= length) score = -INFINITY;
      top = fmaxf(top, score);
    }
  top = fmaxf(top, __shfl_xor_sync(kAllLanes, top, 1));
  top = fmaxf(top, __shfl_xor_sync(kAllLanes, top, 2));
  top = fmaxf(softmax.x, __fmul_rn(top, to_log2));
  const float m = top == -INFINITY ? 0 : top, keep = exp2_fast(softmax.x - m);
  float sum = __fmul_rn(softmax.y, keep);
#pragma unroll
  for (int n = 0; n < keys; n++)
#pragma unroll
    for (int e = 0; e < 2; e++) {
      float& p = x[n][half * 2 + e];
      p = exp2_fast(fmaf(p, to_log2, -m));
      sum += p;
    }
  softmax = make_float2(top, sum);
#pragma unroll
  for (int n = 0; n < values; n++)
#pragma unroll
    for (int e = 0; e < 2; e++) sums[n][half * 2 + e] *= keep;
}

/** `taken` queries per tile: all of it, or one row's. `splits` > 1: block z takes split z of every path and leaves its sums in `part`. */
template <int D, int queries>
__global__ void __launch_bounds__(kThreads, (ForwardTile<D, queries>::blocks)) attention_bf16(Forward f, int taken, int splits) {
  using Tile = ForwardTile<D, queries>;
  using Keys = typename Tile::Keys;
  using Queries = typename Tile::Queries;
  DYNAMIC_SHARED(uint16_t, shared);
  uint16_t* q_tile = shared;
  uint16_t* kv_tiles = q_tile + Queries::values;                                           // [stages] of K, V
  auto* slots = reinterpret_cast<int32_t*>(kv_tiles + 2 * kStages * Keys::values);         // of the split's positions
  int32_t *length_of = slots + kSplit, *segment_of = length_of + queries;                  // keys that a query sees; 0: no query
  const AttentionShape& s = f.shape;
  const int thread = static_cast<int>(threadIdx.x), warp = warp_index(), t = lane_index() % 4, kv_head = static_cast<int>(blockIdx.y);
  const int64_t first = (gridDim.x - 1 - int64_t{blockIdx.x}) * taken;  // long paths first
  const int64_t end_query = min(first + taken, f.forest.rows * s.group);
  const auto* qkv = static_cast<const uint16_t*>(f.qkv);
  const float to_log2 = s.scale * kLog2e;
  const bool alone = splits > 1;

  for (int i = thread; i < queries; i += kThreads) {
    const int64_t row = s.row(first + i);
    length_of[i] = first + i < end_query ? f.forest.position[row] + 1 : 0;
    segment_of[i] = first + i < end_query ? f.forest.segment[row] : -1;
  }
  Queries::fetch(q_tile, thread, qkv, [&](int i) -> const uint16_t* {
    const int64_t query = first + i;
    return query < end_query ? qkv + s.row(query) * s.width() + s.head(query, kv_head) * D : nullptr;
  });
  copies_commit();
  copies_wait<0>();
  __syncthreads();

  // Each run of queries of one segment walks its own path.
  for (int begin = 0, end; begin < queries && length_of[begin] > 0; begin = end) {
    const int32_t segment = segment_of[begin];
    for (end = begin + 1; end < queries && segment_of[end] == segment;) end++;
    int32_t longest = 0, warp_longest = 0, length[2] = {0, 0};  // of the run, of the warp's rows in it, of the thread's two
    int32_t warp_shortest = begin <= warp * kMmaM && end >= (warp + 1) * kMmaM ? INT32_MAX : 0;
    for (int i = begin; i < end; i++) {
      longest = max(longest, length_of[i]);
      if (i / kMmaM != warp) continue;
      warp_longest = max(warp_longest, length_of[i]);
      warp_shortest = min(warp_shortest, length_of[i]);
    }
    const int own = warp * kMmaM + lane_index() / 4;
#pragma unroll
    for (int half = 0; half < 2; half++)
      if (own + half * 8 >= begin && own + half * 8 < end) length[half] = length_of[own + half * 8];

    float2 before[2];
    const int32_t last_split = (longest - 1) / kSplit;
    for (int32_t split = alone ? static_cast<int32_t>(blockIdx.z) : 0; split <= last_split; split += alone ? last_split + 1 : 1) {
      const int32_t start = split * kSplit, stop = min(longest, start + kSplit);
      for (int32_t j = start + thread; j < stop; j += kThreads) slots[j - start] = f.slot(segment, j);
      __syncthreads();
      const auto fetch = [&](int32_t from, uint16_t* tile) {
        for (int value = 0; value < 2; value++)
          Keys::fetch(tile + value * Keys::values, thread, qkv, [&](int i) -> const uint16_t* {
            if (from + i >= stop) return nullptr;
            return f.key<uint16_t>(slots[from + i - start], kv_head) + value * f.value_offset();
          });
      };
      float sums[D / kMmaN][4];
      float2 softmax[2] = {make_float2(-INFINITY, 0), make_float2(-INFINITY, 0)};
      clear(sums);
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
          float x[Tile::keys / kMmaN][4];
          multiply_rows<D, Tile::keys>(x, q_tile + warp * kMmaM * Queries::stride, k_tile);
          if (from + Tile::keys <= warp_shortest) {
#pragma unroll
            for (int half = 0; half < 2; half++) online_softmax<false>(x, sums, softmax[half], half, from, length[half], to_log2);
          } else {
#pragma unroll
            for (int half = 0; half < 2; half++) online_softmax<true>(x, sums, softmax[half], half, from, length[half], to_log2);
          }
          accumulate_rows<D, Tile::keys>(sums, x, k_tile + Keys::values);
        }
        __syncthreads();
      }
      if (start >= warp_longest) continue;
#pragma unroll
      for (int half = 0; half < 2; half++) {
        softmax[half].y += __shfl_xor_sync(kAllLanes, softmax[half].y, 1);
        softmax[half].y += __shfl_xor_sync(kAllLanes, softmax[half].y, 2);
      }
#pragma unroll
      for (int half = 0; half < 2; half++) {
        if (start >= length[half]) continue;
        const int64_t query = first + own + half * 8, row = s.row(query), id = row * s.heads + s.head(query, kv_head);
        const int64_t at = alone ? split * f.forest.rows * s.heads + id : id;
        const bool merges = !alone && split > 0, last = !alone && length[half] <= start + kSplit;
        const Merge merge(merges ? before[half] : softmax[half], softmax[half]);
        before[half] = merges ? merge.softmax : softmax[half];
        float* part = f.part + at * D;
        const float inverse = 1 / before[half].y;
#pragma unroll
        for (int n = 0; n < D / kMmaN; n++) {
          const int d = n * kMmaN + 2 * t;
          float left = sums[n][half * 2], right = sums[n][half * 2 + 1];
          if (merges) left = merge(part[d], left), right = merge(part[d + 1], right);
          if (last) store_pair(f.out, Dtype::bf16, id * D + d, left * inverse, right * inverse);
          else store_pair(part, Dtype::f32, d, left, right);
        }
        if (t != 0) continue;
        if (last && f.lse) f.lse[id] = natural_lse(before[half]);
        if (alone) f.part_softmax[at] = before[half];
      }
    }
  }
}

/** Merges the splits of one query in order, as a block that walks them all would. */
__global__ void merge_splits(Forward f) {
  const AttentionShape& s = f.shape;
  const int64_t row = blockIdx.x / s.heads, id = blockIdx.x, step = f.forest.rows * s.heads, D = s.head_dim;
  const int32_t splits = f.forest.position[row] / kSplit + 1;
  for (int64_t d = threadIdx.x; d < D; d += blockDim.x) {
    float2 softmax = f.part_softmax[id];
    float sum = f.part[id * D + d];
    for (int64_t at = id + step; at < id + splits * step; at += step) {
      const Merge merge(softmax, f.part_softmax[at]);
      sum = merge(sum, f.part[at * D + d]);
      softmax = merge.softmax;
    }
    static_cast<bf16*>(f.out)[id * D + d] = from_float<bf16>(sum * (1 / softmax.y));
    if (d == 0 && f.lse) f.lse[id] = natural_lse(softmax);
  }
}

void check(const KvCache& cache, const Tensor& qkv, const Heads& heads, const char* kernel) {
  const bool types = (qkv.dtype == Dtype::f32 || qkv.dtype == Dtype::bf16) && cache.dtype == qkv.dtype;
  if (!types || heads.head_dim % 2 != 0 || heads.head_dim < 2 || heads.kv_heads < 1 || heads.heads % heads.kv_heads != 0)
    throw std::runtime_error(std::string(kernel) + ": expected rows, keys and values of one type (f32 or bf16), and an even head_dim");
}

char* layer_pages(const KvCache& cache, int64_t layer) {
  return static_cast<char*>(cache.data) + static_cast<size_t>(layer * cache.pages * cache.page_values()) * dtype_bytes(cache.dtype);
}

/** Of the splits of a few tiles; the memory plan counts on it. */
constexpr size_t kMostSplitBytes = size_t{256} << 20;

template <int D, int queries>
void launch_tiles(Device& device, Forward f, int64_t longest) {
  const AttentionShape& s = f.shape;
  const int64_t taken = queries == kShortTile ? s.group : queries;
  const int64_t tiles = (f.forest.rows * s.group + taken - 1) / taken, sums = f.forest.rows * s.heads;
  int64_t splits = (longest + kSplit - 1) / kSplit;
  const bool few = tiles * s.kv_heads < 2 * multiprocessors(device);
  const auto bytes_of = [&](int64_t n) { return static_cast<size_t>(n * sums) * (sizeof(float2) + static_cast<size_t>(D) * sizeof(float)); };
  if (!few || bytes_of(splits) > kMostSplitBytes || longest == 0) splits = 1;
  if (splits > 1 || longest == 0 || longest > kSplit) {
    f.part_softmax = static_cast<float2*>(workspace(device, bytes_of(splits), kAttentionSlot));
    f.part = reinterpret_cast<float*>(f.part_softmax + splits * sums);
  }
  const dim3 grid(static_cast<unsigned>(tiles), static_cast<unsigned>(s.kv_heads), static_cast<unsigned>(splits));
  LAUNCH((attention_bf16<D, queries>), grid, kThreads, ForwardTile<D, queries>::bytes, stream(device), f, static_cast<int>(taken),
         static_cast<int>(splits));
  if (splits > 1) LAUNCH(merge_splits, sums, D, 0, stream(device), f);
}

}  // namespace

void kv_append(Device& device, KvCache cache, int64_t layer, Tensor qkv, ForestView forest, Heads heads) {
  check(cache, qkv, heads, "kv_append");
  by_type(qkv.dtype, "kv_append", [&](auto value) {
    using T = decltype(value);
    LAUNCH((append_rows<T, T>), forest.rows, kThreads, 0, stream(device), reinterpret_cast<T*>(layer_pages(cache, layer)),
           cache.page_values(), qkv.as<T>(), forest, AttentionShape(heads));
  });
}

void attention_forward(Device& device, Tensor out, Tensor lse, Tensor qkv, KvCache cache, int64_t layer, ForestView forest,
                       Heads heads) {
  check(cache, qkv, heads, "attention_forward");
  const AttentionShape shape(heads);
  if (!shape.takes(forest.rows)) throw std::runtime_error("attention_forward: expected fewer rows in one batch");
  const Forward f{qkv.data, out.data, lse.f32(), layer_pages(cache, layer), cache.page_values(), forest, shape, nullptr, nullptr};
  if (qkv.dtype == Dtype::bf16 && has_tiles(heads.head_dim) && can_copy(qkv.data) && can_copy(cache.data)) {
    by_head_dim(heads.head_dim, [&](auto D) {
      // A decoder's rows each have a path of their own: a tile for one of them is short.
      if (forest.rows <= forest.segments && shape.group <= kShortTile) launch_tiles<D.value, kShortTile>(device, f, forest.longest);
      else launch_tiles<D.value, kLongTile>(device, f, forest.longest);
    });
    return;
  }
  const int threads = plain_threads(heads.head_dim, 2);
  const dim3 grid(blocks_for(forest.rows * shape.group, threads), static_cast<unsigned>(heads.kv_heads));
  const size_t bytes = static_cast<size_t>(2 * heads.head_dim * threads) * sizeof(float);
  by_type(qkv.dtype, "attention_forward", [&](auto value) {
    LAUNCH(attention_plain<decltype(value)>, grid, threads, bytes, stream(device), f);
  });
}

}  // namespace rectify::RECTIFY_TARGET
