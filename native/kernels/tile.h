// The inner product of attention: a block of C [rows, columns] gains A B, each element one chain of multiply-adds over k in
// ascending order, whatever the block's size. A is read element by element, B and C in vectors of the machine's own width.
#pragma once
#include "lanes.h"

namespace rectify::RECTIFY_TARGET {

constexpr int kLanes = kPieceLanes;
#if defined(__AVX512F__)
constexpr int kTileRows = 12, kAccumulators = 24;
#else
constexpr int kTileRows = 6, kAccumulators = 12;
#endif

/** How A lies in memory: A[m][k] at m * lda + k, or transposed at k * lda + m. */
enum class Order { rows, columns };

template <int N>
struct Count {
  static constexpr int count = N;
};

/** Calls body(Count<M>{}, m) for blocks of M rows from m on that cover [0, rows). */
template <typename Body>
RECTIFY_INLINE void for_blocks(int64_t rows, const Body& body) {
  int64_t m = 0;
  for (; m + kTileRows <= rows; m += kTileRows) body(Count<kTileRows>{}, m);
  if constexpr (kTileRows > 8)
    if (m + 8 <= rows) body(Count<8>{}, m), m += 8;
  if (m + 4 <= rows) body(Count<4>{}, m), m += 4;
  if (m + 2 <= rows) body(Count<2>{}, m), m += 2;
  if (m < rows) body(Count<1>{}, m);
}

/** Vectors side by side in a block of M rows: as many as keep their sums in registers. */
constexpr int block_vectors(int rows, int most) {
  int n = most;
  while (n > 1 && n * rows > kAccumulators) n /= 2;
  return n;
}

/** B's rows for k in [begin, end): row k lies at rows + (k - begin) * ldb. */
struct Span {
  const float* rows;
  int64_t begin, end;
};

/** M rows by N vectors of L lanes of C += A B over the spans. With `limit`, row m stops before k = limit[m]. */
template <int M, int N, int L, Order O, bool Limited>
static __attribute__((noinline)) void mix_tile(float* c, int64_t ldc, const float* a, int64_t lda, const Span* span,
                                               int64_t spans, int64_t column, int64_t ldb, const int64_t* limit) {
  typedef typename Vector<L>::type V;
  V sum[M][N];
#pragma GCC unroll 12
  for (int m = 0; m < M; m++) {
#pragma GCC unroll 4
    for (int n = 0; n < N; n++) sum[m][n] = Vector<L>::load(c + m * ldc + n * L);
  }
  for (const Span* last = span + spans; span < last; span++) {
    const float* b = span->rows + column;
    for (int64_t k = span->begin; k < span->end; k++, b += ldb) {
      V x[N];
#pragma GCC unroll 4
      for (int n = 0; n < N; n++) x[n] = Vector<L>::load(b + n * L);
#pragma GCC unroll 12
      for (int m = 0; m < M; m++) {
        if (Limited && k >= limit[m]) continue;
        const float f = O == Order::rows ? a[m * lda + k] : a[k * lda + m];
#pragma GCC unroll 4
        for (int n = 0; n < N; n++) sum[m][n] = sum[m][n] + f * x[n];
      }
    }
  }
#pragma GCC unroll 12
  for (int m = 0; m < M; m++) {
#pragma GCC unroll 4
    for (int n = 0; n < N; n++) Vector<L>::store(c + m * ldc + n * L, sum[m][n]);
  }
}

template <int M, Order O, bool Limited>
static void mix_block(float* c, int64_t ldc, const float* a, int64_t lda, const Span* span, int64_t spans, int64_t ldb,
                      int64_t columns, const int64_t* limit) {
  constexpr int N = block_vectors(M, 4);
  int64_t j = 0;
  const auto some = [&](auto vectors, auto width) __attribute__((always_inline)) {
    mix_tile<M, vectors.count, width.lanes, O, Limited>(c + j, ldc, a, lda, span, spans, j, ldb, limit);
    j += vectors.count * width.lanes;
  };
  while (j + N * kLanes <= columns) some(Count<N>{}, Vector<kLanes>{});
  if constexpr (N == 4)
    if (j + 2 * kLanes <= columns) some(Count<2>{}, Vector<kLanes>{});
  if constexpr (N >= 2)
    if (j + kLanes <= columns) some(Count<1>{}, Vector<kLanes>{});
  if constexpr (kLanes > 8)
    if (j + 8 <= columns) some(Count<1>{}, Vector<8>{});
  if constexpr (kLanes > 4)
    if (j + 4 <= columns) some(Count<1>{}, Vector<4>{});
  while (j < columns) some(Count<1>{}, Vector<2>{});
}

/** C [rows, columns] += sum over the spans' k of A[m][k] B[k][:]; columns is even. */
template <Order O, bool Limited = false>
static void mix(int64_t rows, float* c, int64_t ldc, const float* a, int64_t lda, const Span* span, int64_t spans,
                int64_t ldb, int64_t columns, const int64_t* limit = nullptr) {
  for_blocks(rows, [&](auto block, int64_t m) __attribute__((always_inline)) {
    mix_block<block.count, O, Limited>(c + m * ldc, ldc, a + (O == Order::rows ? m * lda : m), lda, span, spans, ldb, columns,
                                       limit + (Limited ? m : 0));
  });
}

/** 32 keys of one head, transposed [D][32], and the column of the scores where the first of them goes. */
struct KeyPage {
  const float* keys;
  int64_t column;
};

/** M rows by N vectors of keys, the first of them vector v of the pages. */
template <int M, int N>
static __attribute__((noinline)) void score_tile(float* scores, int64_t ld, const float* q, int64_t depth,
                                                 const KeyPage* pages, int64_t v) {
  constexpr int per_page = 32 / kLanes;
  typedef Vector<kLanes>::type V;
  V sum[M][N] = {};
  const float* key[N];
#pragma GCC unroll 8
  for (int n = 0; n < N; n++) key[n] = pages[(v + n) / per_page].keys + (v + n) % per_page * kLanes;
  for (int64_t d = 0; d < depth; d++) {
    V x[N];
#pragma GCC unroll 8
    for (int n = 0; n < N; n++) x[n] = Vector<kLanes>::load(key[n] + d * 32);
#pragma GCC unroll 12
    for (int m = 0; m < M; m++) {
      const float f = q[m * depth + d];
#pragma GCC unroll 8
      for (int n = 0; n < N; n++) sum[m][n] = sum[m][n] + f * x[n];
    }
  }
  // Ascending: what a page holds past its last token is written over by the page after it.
#pragma GCC unroll 8
  for (int n = 0; n < N; n++) {
    float* c = scores + pages[(v + n) / per_page].column + (v + n) % per_page * kLanes;
#pragma GCC unroll 12
    for (int m = 0; m < M; m++) Vector<kLanes>::store(c + m * ld, sum[m][n]);
  }
}

/** scores[m][column + lane] = q[m] . key for every key of `count` pages, pages in ascending order of columns. */
static void score(int64_t rows, float* scores, int64_t ld, const float* q, int64_t depth, const KeyPage* pages,
                  int64_t count) {
  const int64_t vectors = count * (32 / kLanes);
  for_blocks(rows, [&](auto block, int64_t m) __attribute__((always_inline)) {
    constexpr int M = block.count, N = block_vectors(M, 8);
    int64_t v = 0;
    for (; v + N <= vectors; v += N) score_tile<M, N>(scores + m * ld, ld, q + m * depth, depth, pages, v);
    for (; v < vectors; v += 2) score_tile<M, 2>(scores + m * ld, ld, q + m * depth, depth, pages, v);
  });
}

}  // namespace rectify::RECTIFY_TARGET
