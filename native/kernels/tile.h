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

/** Rows of the next block when `left` remain. */
RECTIFY_INLINE int block_rows(int64_t left) {
  if (left >= kTileRows) return kTileRows;
  if (kTileRows > 8 && left >= 8) return 8;
  return left >= 4 ? 4 : left >= 2 ? 2 : 1;
}

/** Vectors side by side in a block of M rows: as many as keep their sums in registers. */
constexpr int block_vectors(int rows, int most) {
  int n = most;
  while (n > 1 && n * rows > kAccumulators) n /= 2;
  return n;
}

/**
 * M rows by N vectors of L lanes. Vector n reads B at b[n] + k * ldb and writes C at c[n] + m * ldc. `Add` continues the
 * sums in C, otherwise they start at zero. With `limit`, row m stops before k = limit[m].
 */
template <int M, int N, int L, Order O, bool Add, bool Limited>
static __attribute__((noinline)) void tile(float* const* c, int64_t ldc, const float* a, int64_t lda, const float* const* b,
                                           int64_t ldb, int64_t from, int64_t to, const int64_t* limit) {
  typedef typename Vector<L>::type V;
  V sum[M][N];
  const float* bn[N];
#pragma GCC unroll 8
  for (int n = 0; n < N; n++) {
    bn[n] = b[n] + from * ldb;
#pragma GCC unroll 12
    for (int m = 0; m < M; m++) {
      if (Add) memcpy(&sum[m][n], c[n] + m * ldc, sizeof(V));
      else sum[m][n] = V{};
    }
  }
  for (int64_t k = from; k < to; k++) {
    V x[N];
#pragma GCC unroll 8
    for (int n = 0; n < N; n++) {
      memcpy(&x[n], bn[n], sizeof(V));
      bn[n] += ldb;
    }
#pragma GCC unroll 12
    for (int m = 0; m < M; m++) {
      if (Limited && k >= limit[m]) continue;
      const float f = O == Order::rows ? a[m * lda + k] : a[k * lda + m];
#pragma GCC unroll 8
      for (int n = 0; n < N; n++) sum[m][n] = sum[m][n] + f * x[n];
    }
  }
#pragma GCC unroll 12
  for (int m = 0; m < M; m++) {
#pragma GCC unroll 8
    for (int n = 0; n < N; n++) memcpy(c[n] + m * ldc, &sum[m][n], sizeof(V));
  }
}

template <int M, int N, int L, Order O, bool Limited>
RECTIFY_INLINE void mix_vectors(float* c, int64_t ldc, const float* a, int64_t lda, const float* b, int64_t ldb, int64_t from,
                                int64_t to, const int64_t* limit) {
  float* cn[N];
  const float* bn[N];
  for (int n = 0; n < N; n++) cn[n] = c + n * L, bn[n] = b + n * L;
  tile<M, N, L, O, true, Limited>(cn, ldc, a, lda, bn, ldb, from, to, limit);
}

template <int M, Order O, bool Limited>
static void mix_block(float* c, int64_t ldc, const float* a, int64_t lda, const float* b, int64_t ldb, int64_t columns,
                      int64_t from, int64_t to, const int64_t* limit) {
  constexpr int N = block_vectors(M, 4);
  int64_t j = 0;
  for (; j + N * kLanes <= columns; j += N * kLanes)
    mix_vectors<M, N, kLanes, O, Limited>(c + j, ldc, a, lda, b + j, ldb, from, to, limit);
  if constexpr (N == 4)
    if (j + 2 * kLanes <= columns) {
      mix_vectors<M, 2, kLanes, O, Limited>(c + j, ldc, a, lda, b + j, ldb, from, to, limit);
      j += 2 * kLanes;
    }
  if constexpr (N >= 2)
    if (j + kLanes <= columns) {
      mix_vectors<M, 1, kLanes, O, Limited>(c + j, ldc, a, lda, b + j, ldb, from, to, limit);
      j += kLanes;
    }
  if constexpr (kLanes > 8)
    if (j + 8 <= columns) {
      mix_vectors<M, 1, 8, O, Limited>(c + j, ldc, a, lda, b + j, ldb, from, to, limit);
      j += 8;
    }
  if constexpr (kLanes > 4)
    if (j + 4 <= columns) {
      mix_vectors<M, 1, 4, O, Limited>(c + j, ldc, a, lda, b + j, ldb, from, to, limit);
      j += 4;
    }
  for (; j < columns; j += 2) mix_vectors<M, 1, 2, O, Limited>(c + j, ldc, a, lda, b + j, ldb, from, to, limit);
}

/** C [rows, columns] += sum over k in [from, to) of A[m][k] B[k][:]; columns is even. */
template <Order O, bool Limited = false>
static void mix(int64_t rows, float* c, int64_t ldc, const float* a, int64_t lda, const float* b, int64_t ldb,
                int64_t columns, int64_t from, int64_t to, const int64_t* limit = nullptr) {
  while (rows > 0) {
    const int m = block_rows(rows);
    switch (m) {
      case kTileRows: mix_block<kTileRows, O, Limited>(c, ldc, a, lda, b, ldb, columns, from, to, limit); break;
#if defined(__AVX512F__)
      case 8: mix_block<8, O, Limited>(c, ldc, a, lda, b, ldb, columns, from, to, limit); break;
#endif
      case 4: mix_block<4, O, Limited>(c, ldc, a, lda, b, ldb, columns, from, to, limit); break;
      case 2: mix_block<2, O, Limited>(c, ldc, a, lda, b, ldb, columns, from, to, limit); break;
      default: mix_block<1, O, Limited>(c, ldc, a, lda, b, ldb, columns, from, to, limit);
    }
    rows -= m, c += m * ldc, a += O == Order::rows ? m * lda : m;
    if (Limited) limit += m;
  }
}

/** 32 keys of one head, transposed [D][32], and the column of the scores where the first of them goes. */
struct KeyPage {
  const float* keys;
  int64_t column;
};

template <int M, int N>
RECTIFY_INLINE void score_vectors(float* scores, int64_t ld, const float* q, int64_t depth, const KeyPage* pages, int64_t v) {
  constexpr int per_page = 32 / kLanes;
  float* c[N];
  const float* b[N];
  for (int n = 0; n < N; n++) {
    const KeyPage& page = pages[(v + n) / per_page];
    const int64_t lane = (v + n) % per_page * kLanes;
    c[n] = scores + page.column + lane, b[n] = page.keys + lane;
  }
  tile<M, N, kLanes, Order::rows, false, false>(c, ld, q, depth, b, 32, 0, depth, nullptr);
}

template <int M>
static void score_block(float* scores, int64_t ld, const float* q, int64_t depth, const KeyPage* pages, int64_t count) {
  constexpr int N = block_vectors(M, 8);
  const int64_t vectors = count * (32 / kLanes);
  int64_t v = 0;
  for (; v + N <= vectors; v += N) score_vectors<M, N>(scores, ld, q, depth, pages, v);
  for (; v < vectors; v += 2) score_vectors<M, 2>(scores, ld, q, depth, pages, v);
}

/** scores[m][column + lane] = q[m] . key for every key of `count` pages, pages in ascending order of columns. */
static void score(int64_t rows, float* scores, int64_t ld, const float* q, int64_t depth, const KeyPage* pages,
                  int64_t count) {
  while (rows > 0) {
    const int m = block_rows(rows);
    switch (m) {
      case kTileRows: score_block<kTileRows>(scores, ld, q, depth, pages, count); break;
#if defined(__AVX512F__)
      case 8: score_block<8>(scores, ld, q, depth, pages, count); break;
#endif
      case 4: score_block<4>(scores, ld, q, depth, pages, count); break;
      case 2: score_block<2>(scores, ld, q, depth, pages, count); break;
      default: score_block<1>(scores, ld, q, depth, pages, count);
    }
    rows -= m, scores += m * ld, q += m * depth;
  }
}

}  // namespace rectify::RECTIFY_TARGET
