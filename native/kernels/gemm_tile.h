// The innermost loop of every matrix product: a tile of R rows by some columns held in registers, one chain per element,
//   c[r][j] = start[r][j] + sum over steps of a[step][r] * b[step][j],    steps ascending.
// A step is one k in f32 and the pair (k, k + 1) in bf16. Whatever the height R, each element sees the same operations.
#pragma once
#include <cstdint>
#include <cstring>

#include "simd.h"

#if defined(__AVX512BF16__)
#include <immintrin.h>
#endif

namespace rectify::RECTIFY_TARGET {

// Lanes of one register, and the height that fills the register file together with two registers of columns.
#if defined(__AVX512F__)
constexpr int kLanes = 16, kTileRows = 14;
#elif defined(__AVX2__)
constexpr int kLanes = 8, kTileRows = 6;
#else
constexpr int kLanes = 4, kTileRows = 4;
#endif
constexpr int kPanelColumns = 32;

typedef float vecf __attribute__((vector_size(kLanes * 4)));
typedef uint32_t vecu __attribute__((vector_size(kLanes * 4)));

RECTIFY_INLINE vecf load(const float* p) {
  vecf v;
  memcpy(&v, p, sizeof v);
  return v;
}
RECTIFY_INLINE void store(float* p, vecf v) { memcpy(p, &v, sizeof v); }

/** f32 operands: one value per step on either side. */
struct F32 {
  static constexpr bool bf16 = false, amx = false;
  static constexpr int k_per_step = 1, a_per_step = 1;
};

/** bf16 operands: columns hold the pair (k, k + 1) in 32 bits; rows too where the processor multiplies pairs, else widened. */
struct Bf16 {
  static constexpr bool bf16 = true;
#if defined(__AMX_BF16__)
  static constexpr bool amx = true;  // gemm_amx.h
#else
  static constexpr bool amx = false;
#endif
  static constexpr int k_per_step = 2;
#if defined(__AVX512BF16__)
  static constexpr int a_per_step = 1;
#else
  static constexpr int a_per_step = 2;
#endif
};

struct TileArgs {
  const float* a;  // [steps][a_per_step][R]
  const float* b;  // [steps][32], one panel or several `b_stride` apart
  int64_t b_stride;
  int64_t steps;
  const float* start;
  int64_t start_stride;
  float* c;
  int64_t c_stride;
  const float* next_c;  // what the next tile will touch, fetched meanwhile: its outputs, and a part of its columns
  const float* next_b;
};

/** One line of 64 bytes towards the cache. */
RECTIFY_INLINE void fetch(const void* p) { __builtin_prefetch(p, 0, 2); }

/** One step of a tile: V registers of columns, from P panels of W registers each, times R values. */
template <class Kind, int R, int V, int W>
RECTIFY_INLINE void tile_step(vecf (&acc)[R][V], const float* a, const float* b, int64_t b_stride) {
  vecf w[V];
#pragma GCC unroll 16
  for (int v = 0; v < V; v++) w[v] = load(b + v / W * b_stride + v % W * kLanes);
#pragma GCC unroll 16
  for (int r = 0; r < R; r++) {
    if constexpr (!Kind::bf16) {
      const vecf x = a[r] - vecf{};  // x - 0 is x, so this is one broadcasting load
#pragma GCC unroll 16
      for (int v = 0; v < V; v++) acc[r][v] += x * w[v];
    } else {
#if defined(__AVX512BF16__)
      uint32_t pair;
      memcpy(&pair, a + r, sizeof pair);
      const __m512i x = _mm512_set1_epi32(static_cast<int>(pair));
#pragma GCC unroll 16
      for (int v = 0; v < V; v++) acc[r][v] = (vecf)_mm512_dpbf16_ps((__m512)acc[r][v], (__m512bh)x, (__m512bh)w[v]);
#else
      const vecf even = a[r] - vecf{}, odd = a[R + r] - vecf{};
#pragma GCC unroll 16
      for (int v = 0; v < V; v++) {
        acc[r][v] += odd * (vecf)((vecu)w[v] & 0xffff0000u);
        acc[r][v] += even * (vecf)((vecu)w[v] << 16);
      }
#endif
    }
  }
}

/** A tile over P panels, W registers of each at a time. */
template <class Kind, int R, int P, int W>
static void tile(const TileArgs& t) {
  constexpr int V = P * W, kUnroll = 4;
  constexpr int a_step = R * Kind::a_per_step;
  if (t.steps < 1) __builtin_unreachable();
  const float* ahead = t.next_b;
#pragma GCC unroll 16
  for (int r = 0; r < R; r++)
#pragma GCC unroll 16
    for (int i = 0; i < 2 * P; i++) fetch(t.next_c + r * t.c_stride + 16 * i);
  for (int64_t column = 0; column < kPanelColumns; column += W * kLanes) {
    vecf acc[R][V];
    int64_t offset[V];
#pragma GCC unroll 16
    for (int v = 0; v < V; v++) offset[v] = v / W * kPanelColumns + column + v % W * kLanes;
#pragma GCC unroll 16
    for (int r = 0; r < R; r++)
#pragma GCC unroll 16
      for (int v = 0; v < V; v++) acc[r][v] = load(t.start + r * t.start_stride + offset[v]);
    const float* a = t.a;
    const float* b = t.b + column;
    int64_t s = t.steps;
    for (; s >= kUnroll; s -= kUnroll) {
#pragma GCC unroll 4
      for (int u = 0; u < kUnroll; u++) {
        fetch(ahead + 16 * u);
        tile_step<Kind, R, V, W>(acc, a + u * a_step, b + u * kPanelColumns, t.b_stride);
      }
      ahead += 16 * kUnroll, a += kUnroll * a_step, b += kUnroll * kPanelColumns;
    }
    for (; s > 0; s--, a += a_step, b += kPanelColumns) tile_step<Kind, R, V, W>(acc, a, b, t.b_stride);
#pragma GCC unroll 16
    for (int r = 0; r < R; r++)
#pragma GCC unroll 16
      for (int v = 0; v < V; v++) store(t.c + r * t.c_stride + offset[v], acc[r][v]);
  }
}

using TileFunction = void (*)(const TileArgs&);

/** How many panels one call covers when a tile is only `rows` high: enough chains to hide the latency of an addition. */
constexpr int kSidePanels[5] = {1, kLanes == 16 ? 6 : kLanes == 8 ? 2 : 1, kLanes == 16 ? 4 : 1, kLanes == 16 ? 3 : 1,
                                kLanes == 16 ? 2 : 1};
constexpr int kFewRows = kLanes == 16 ? 4 : kLanes == 8 ? 1 : 0;

template <class Kind, int R>
constexpr int tile_width() {
  constexpr int full = kPanelColumns / kLanes;
  if (kLanes == 16) return full;
  if (kLanes == 8) return R <= 2 ? full : 2;
  return R == 1 ? full : R == 2 ? 4 : 2;
}

/** The tile of the given height over one panel. */
template <class Kind>
static TileFunction tile_function(int rows) {
#define RECTIFY_TILE(R) &tile<Kind, R, 1, tile_width<Kind, R>()>
  static constexpr TileFunction functions[kTileRows + 1] = {
      nullptr,         RECTIFY_TILE(1),  RECTIFY_TILE(2),  RECTIFY_TILE(3),  RECTIFY_TILE(4),
#if defined(__AVX2__)
      RECTIFY_TILE(5), RECTIFY_TILE(6),
#endif
#if defined(__AVX512F__)
      RECTIFY_TILE(7), RECTIFY_TILE(8),  RECTIFY_TILE(9),  RECTIFY_TILE(10), RECTIFY_TILE(11),
      RECTIFY_TILE(12), RECTIFY_TILE(13), RECTIFY_TILE(14),
#endif
  };
#undef RECTIFY_TILE
  return functions[rows];
}

/** The tile of a height up to kFewRows over kSidePanels[rows] panels side by side. */
template <class Kind>
static TileFunction side_function(int rows) {
#define RECTIFY_TILE(R) &tile<Kind, R, kSidePanels[R], kPanelColumns / kLanes>
  static constexpr TileFunction functions[] = {
      nullptr,
#if defined(__AVX2__)
      RECTIFY_TILE(1),
#endif
#if defined(__AVX512F__)
      RECTIFY_TILE(2), RECTIFY_TILE(3), RECTIFY_TILE(4),
#endif
  };
#undef RECTIFY_TILE
  return functions[rows];
}

}  // namespace rectify::RECTIFY_TARGET
