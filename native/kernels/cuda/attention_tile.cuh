// What attention's passes on the GPU share: shapes, the walk along a path, and tiles of rows in shared memory that tensor cores multiply.
#pragma once
#include <algorithm>

#include "../kernels.h"
#include "mma.cuh"

namespace rectify::RECTIFY_TARGET {

constexpr float kLog2e = 1.4426950408889634f, kLn2 = 0.6931471805599453f;

/** Fused rows hold queries, keys, values; `group` query heads share a key-value head and lie side by side. Query i of a key-value
 *  head's tile is row i / group, head i % group. */
struct AttentionShape {
  int heads, kv_heads, head_dim, group;
  float scale;  // 1 / sqrt(head_dim)
  uint32_t inverse;  // 2^32 / group, rounded up

  explicit AttentionShape(const Heads& h)
      : heads(h.heads), kv_heads(h.kv_heads), head_dim(h.head_dim), group(h.heads / h.kv_heads),
        scale(1 / sqrtf(static_cast<float>(h.head_dim))),
        inverse(static_cast<uint32_t>(((int64_t{1} << 32) + group - 1) / group)) {}
  /** Are there few enough rows for row() to be exact? */
  bool takes(int64_t rows) const { return rows * group * group < int64_t{1} << 32; }
  __host__ __device__ int64_t q_width() const { return int64_t{heads} * head_dim; }
  __host__ __device__ int64_t kv_width() const { return int64_t{kv_heads} * head_dim; }
  __host__ __device__ int64_t width() const { return q_width() + 2 * kv_width(); }
  /** query / group: a division would be a call of a hundred instructions, for every 16 bytes copied. */
  __device__ int64_t row(int64_t query) const { return group == 1 ? query : __umulhi(static_cast<uint32_t>(query), inverse); }
  __device__ int64_t head(int64_t query, int kv_head) const { return kv_head * group + (query - row(query) * group); }
};

struct PathPlace {
  int32_t segment, index;
};

/** The segment that owns position `position` of the path of `segment`, and which of its tokens that is. */
__device__ inline PathPlace find_on_path(const ForestView& forest, int32_t segment, int32_t position) {
  int32_t piece = forest.piece_begin[segment + 1] - 1;
  for (;; piece--) {
    const int32_t owner = forest.piece_segment[piece], base = forest.segment_base[owner];
    if (position >= base) return {owner, position - base};
  }
}

/** `rows` rows of D bf16 values in shared memory, each padded by one copy so that no two lanes meet in a bank; fetched by `threads`. */
template <int rows, int D, int threads>
struct RowTile {
  static constexpr int stride = D + kCopyValues, values = rows * stride;

  /** row(i) points at the values of row i, or is null for zeros. */
  template <typename Row>
  static __device__ void fetch(uint16_t* tile, int thread, const void* any, const Row& row) {
    constexpr int copies = D / kCopyValues, all = rows * copies;
#pragma unroll
    for (int begin = 0; begin < all; begin += threads) {
      const int i = begin + thread, at = i % copies * kCopyValues;
      if (begin + threads > all && i >= all) break;
      const uint16_t* from = row(i / copies);
      copy_async(tile + i / copies * stride + at, from ? from + at : any, from != nullptr);
    }
  }
};

/** x [16, columns] = a b^T for 16 rows of `a` and `columns` rows of `b`, D terms each. */
template <int D, int columns>
__device__ inline void multiply_rows(float (&x)[columns / kMmaN][4], const uint16_t* a_rows, const uint16_t* b_rows) {
  constexpr int stride = D + kCopyValues;
#pragma unroll
  for (int n = 0; n < columns / kMmaN; n++)
#pragma unroll
    for (int e = 0; e < 4; e++) x[n][e] = 0;
#pragma unroll
  for (int d = 0; d < D; d += kMmaK) {
    uint32_t a[4], b[4];
    load_a<false>(a, a_rows + d, stride);
#pragma unroll
    for (int n = 0; n < columns / kMmaN; n += 2) {
      load_b<false>(b, b_rows + n * kMmaN * stride + d, stride);
      mma_bf16(x[n], a, b[0], b[1]);
      mma_bf16(x[n + 1], a, b[2], b[3]);
    }
  }
}

/** sums [16, D] += p b, p [16, terms] rounded to bf16, for `terms` rows of `b`. */
template <int D, int terms>
__device__ inline void accumulate_rows(float (&sums)[D / kMmaN][4], const float (&p)[terms / kMmaN][4], const uint16_t* b_rows) {
  constexpr int stride = D + kCopyValues;
#pragma unroll
  for (int n = 0; n < terms / kMmaN; n += 2) {
    const uint32_t a[4] = {pack_bf16(p[n][0], p[n][1]), pack_bf16(p[n][2], p[n][3]), pack_bf16(p[n + 1][0], p[n + 1][1]),
                           pack_bf16(p[n + 1][2], p[n + 1][3])};
#pragma unroll
    for (int d = 0; d < D / kMmaN; d += 2) {
      uint32_t b[4];
      load_b<true>(b, b_rows + n * kMmaN * stride + d * kMmaN, stride);
      mma_bf16(sums[d], a, b[0], b[1]);
      mma_bf16(sums[d + 1], a, b[2], b[3]);
    }
  }
}

/** Threads of the passes that give each query (or key) one, and `arrays` rows of f32 in shared memory. */
inline int plain_threads(int head_dim, int arrays) {
  return static_cast<size_t>(arrays * head_dim) * 2 * kWarp * sizeof(float) <= kMostShared ? 2 * kWarp : kWarp;
}

/** Head sizes that the tensor-core passes are compiled for. */
inline bool has_tiles(int head_dim) { return head_dim == 64 || head_dim == 96 || head_dim == 128 || head_dim == 256; }

/** Calls body(constant of head_dim). */
template <typename Body>
void by_head_dim(int head_dim, const Body& body) {
  switch (head_dim) {
    case 64: return body(std::integral_constant<int, 64>{});
    case 96: return body(std::integral_constant<int, 96>{});
    case 128: return body(std::integral_constant<int, 128>{});
    case 256: return body(std::integral_constant<int, 256>{});
    default: throw std::runtime_error("attention: expected a head_dim with tiles");
  }
}

inline bool can_copy(const void* data) { return reinterpret_cast<uintptr_t>(data) % kCopyBytes == 0; }

}  // namespace rectify::RECTIFY_TARGET
