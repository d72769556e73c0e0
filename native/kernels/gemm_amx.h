// bf16 products by the matrix unit (AMX): tiles of 16 rows by 16 columns, two by two, gain 32 terms at a time,
//   c[r][j] = c[r][j] + (sum of a[r][k] b[k][j] over the even k of the 32) + (the same over the odd k).
// A step's terms are summed among themselves first, so depth is cut at multiples of 32 only; what is cut off at the end is
// filled up with zeros. Rows and columns past the edges are computed and dropped. Denormals count as zero, as in the hardware.
#pragma once
#if defined(__AMX_BF16__)
#include <immintrin.h>

#include "gemm_pack.h"
#include "product.h"

namespace rectify::RECTIFY_TARGET {

constexpr int64_t kAmxRows = 16, kAmxDepth = 32;
/** Words of 32 bits in a tile of A or B, and from one step of B to the next 32 terms. */
constexpr int64_t kAmxTile = kAmxRows * kAmxDepth / 2, kAmxPanel = kAmxDepth / 2 * kPanelColumns;

/** Eight tiles of 16 x 64 bytes, for as long as it lives. */
struct AmxTiles {
  AmxTiles() {
    struct {
      uint8_t palette = 1, start = 0, reserved[14] = {};
      uint16_t bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
      uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
    } shape;
    asm volatile("" : : "r"(&shape) : "memory");
    _tile_loadconfig(&shape);
  }
  ~AmxTiles() { _tile_release(); }
};

/** Rows x[0 .. rows)[begin .. end) as tiles of A: [32 terms][16 rows], zeros past the last row and term. */
RECTIFY_INLINE void pack_left_tiles(float* out, const float* x, int64_t ld, int64_t rows, int64_t begin, int64_t end) {
  for (int64_t k = begin; k < end; k += kAmxDepth, out += kAmxTile) {
    for (int64_t r = 0; r < rows; r++) {
      const float* from = x + r * ld + k;
      float last[kAmxDepth] = {};
      if (end - k < kAmxDepth) from = static_cast<float*>(memcpy(last, from, static_cast<size_t>(end - k) * sizeof(float)));
      store_bits(out + r * kLanes, load_pairs(from));
    }
    memset(out + rows * kLanes, 0, static_cast<size_t>((kAmxRows - rows) * kLanes) * sizeof(float));
  }
}

/** Columns x[begin .. end)[0 .. columns) of which `width` may be read, likewise: columns <= 16 become the tile's rows. */
RECTIFY_INLINE void pack_left_tiles_transposed(float* out, const float* x, int64_t ld, int64_t columns, int64_t begin, int64_t end) {
  for (int64_t k = begin; k < end; k += kAmxDepth, out += kAmxTile) {
    vecu block[kLanes];
#pragma GCC unroll 16
    for (int p = 0; p < kLanes; p++) {
      const float* from = x + (k + 2 * p) * ld;
      const vecf first = k + 2 * p < end ? load_part(from, columns) : vecf{};
      const vecf second = k + 2 * p + 1 < end ? load_part(from + ld, columns) : vecf{};
      block[p] = round_pairs(first, second);
    }
    transpose(block);
#pragma GCC unroll 16
    for (int r = 0; r < kLanes; r++) store_bits(out + r * kLanes, block[r]);
  }
}

/** A block of C: 32 rows by one panel, or 16 rows by one or two. */
struct AmxArgs {
  const float* a;  // slivers of 16 rows, `a_stride` apart
  int64_t a_stride;
  const float* b;  // panels, `b_stride` apart
  int64_t b_stride;
  const float* b_last;  // the last, incomplete 32 terms of each panel, filled up; null: there are none
  int64_t steps;        // complete ones
  const float* start;   // null: zeros
  int64_t start_stride; // 0: the same line for every row
  float* c;
  int64_t c_stride;
  const float* next_c;  // what the next block will touch, fetched meanwhile: its outputs, and a part of the next columns
  const float* next_b;
  int64_t next_rows, next_lines;  // of it at each step: rows, and lines of 64 bytes
};

#define RECTIFY_EACH_C(body) body(0, 0, 0) body(1, 0, 1) body(2, 1, 0) body(3, 1, 1)

/** C tiles 0 1 / 2 3: rows down and columns across when `tall`, else two panels side by side. */
template <bool tall, bool whole>
static void amx_block(const AmxArgs& t) {
  constexpr int64_t half = kPanelColumns / 2;
  const int64_t start_line = t.start_stride * 4, c_line = t.c_stride * 4;
  const auto place = [](int64_t stride, int down, int across) {
    return (tall ? down * kAmxRows * stride : down * kPanelColumns) + across * half;
  };
#define RECTIFY_START(tile, down, across)                                                              \
  if (whole || (down) == 0) {                                                                          \
    if (t.start) _tile_loadd(tile, t.start + place(t.start_stride, down, across), start_line);         \
    else _tile_zero(tile);                                                                             \
  }
  asm volatile("" : : : "memory");
  RECTIFY_EACH_C(RECTIFY_START)
#undef RECTIFY_START
  const float *a = t.a, *b = t.b;
  const auto step = [&](const float* b, int64_t b_stride) __attribute__((always_inline)) {
    constexpr int64_t line = kPanelColumns * 4;
    _tile_loadd(4, a, 64);
    _tile_loadd(6, b, line);
    _tile_loadd(7, b + half, line);
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 7);
    if constexpr (whole && tall) {
      _tile_loadd(5, a + t.a_stride, 64);
      _tile_dpbf16ps(2, 5, 6);
      _tile_dpbf16ps(3, 5, 7);
    } else if constexpr (whole) {
      _tile_loadd(6, b + b_stride, line);
      _tile_loadd(7, b + b_stride + half, line);
      _tile_dpbf16ps(2, 4, 6);
      _tile_dpbf16ps(3, 4, 7);
    }
    a += kAmxTile;
  };
  const float* next = t.next_b;
  for (int64_t s = 0; s < t.steps; s++, b += kAmxPanel) {
    for (int64_t i = 0; i < t.next_lines; i++, next += 16) fetch(next);
    if (tall)
      for (int64_t row = s * t.next_rows; row < smaller((s + 1) * t.next_rows, 2 * kAmxRows); row++)
        fetch(t.next_c + row * t.c_stride), fetch(t.next_c + row * t.c_stride + 16);
    step(b, t.b_stride);
  }
  if (t.b_last) step(t.b_last, kAmxPanel);
#define RECTIFY_END(tile, down, across) \
  if (whole || (down) == 0) _tile_stored(tile, t.c + place(t.c_stride, down, across), c_line);
  RECTIFY_EACH_C(RECTIFY_END)
#undef RECTIFY_END
}
#undef RECTIFY_EACH_C

/** One thread's part of a product: rows [row0, row1) x panels [panel0, panel1). */
template <class Left, class Right>
class AmxPart {
 public:
  AmxPart(Device& device, int thread, const Product& product, const Left& left, const Right& right, int64_t rows)
      : p(product), left(left), right(right), few(rows <= kAmxRows) {
    // A panel's block of terms stays in the first-level cache, the rows' in the second, beside the panels that are kept.
    const int64_t blocks = ceil_div(p.depth, few && Right::direct ? 8192 : 512);
    block = ceil_div(ceil_div(p.depth, blocks), kAmxDepth) * kAmxDepth;
    row_block = smaller(ceil_div(rows, kAmxRows) * kAmxRows, 512);
    kept = !Right::direct && rows > row_block ? 28 : 1;
    sliver = block / kAmxDepth * kAmxTile, panel_words = block / 2 * kPanelColumns;
    a = static_cast<float*>(device.scratch(
        thread, sizeof(float) * static_cast<size_t>(row_block / kAmxRows * sliver + kept * panel_words + 2 * kAmxPanel + 2 * kEdge)));
    b = a + row_block / kAmxRows * sliver, last = b + kept * panel_words, edge = last + 2 * kAmxPanel;
  }

  void run(int64_t row0, int64_t row1, int64_t panel0, int64_t panel1) {
    const AmxTiles tiles;
    if (kept > 1) {  // panels are made once for many rows
      for (int64_t k0 = 0; k0 < p.depth; k0 += block)
        for (int64_t panel = panel0; panel < panel1; panel += kept) {
          const int64_t end = smaller(panel + kept, panel1);
          for (int64_t i = panel; i < end; i++) right(b + (i - panel) * panel_words, i, k0, smaller(k0 + block, p.depth));
          for (int64_t row = row0; row < row1; row += row_block)
            rows_by_panels(row, smaller(row_block, row1 - row), panel, end, k0);
        }
      return;
    }
    for (int64_t row = row0; row < row1; row += row_block)
      for (int64_t k0 = 0; k0 < p.depth; k0 += block) rows_by_panels(row, smaller(row_block, row1 - row), panel0, panel1, k0);
  }

 private:
  static constexpr int64_t kTall = 2 * kAmxRows, kEdgeStride = 2 * kPanelColumns, kEdge = kTall * kEdgeStride;

  const Product& p;
  const Left& left;
  const Right& right;
  const bool few;
  int64_t block, row_block, kept, sliver, panel_words;
  float *a, *b, *last, *edge;

  void rows_by_panels(int64_t first, int64_t rows, int64_t panel0, int64_t panel1, int64_t k0) {
    const int64_t k1 = smaller(k0 + block, p.depth), rest = (k1 - k0) % kAmxDepth;
    for (int64_t r = 0; r < rows; r += kAmxRows) left(a + r / kAmxRows * sliver, first + r, smaller(kAmxRows, rows - r), k0, k1);
    AmxArgs t;
    t.a_stride = sliver;
    t.steps = (k1 - k0) / kAmxDepth;
    t.b_last = rest > 0 ? last : nullptr;
    t.next_rows = t.steps > 0 ? ceil_div(kTall, t.steps) : 0;
    t.next_lines = few || !Right::direct ? 0 : smaller(8, ceil_div(2 * kAmxPanel / 32, ceil_div(rows, kTall)));
    for (int64_t panel = panel0, panels; panel < panel1; panel += panels) {
      panels = few && Right::direct && panel + 1 < panel1 ? 2 : 1;
      t.b = kept > 1 ? b + (panel - panel0) * panel_words : right(b, panel, k0, k1);
      t.b_stride = right.stride();
      for (int64_t i = 0; rest > 0 && i < panels; i++) {
        const auto bytes = static_cast<size_t>((rest + 1) / 2 * kPanelColumns) * sizeof(float);
        memcpy(last + i * kAmxPanel, t.b + i * t.b_stride + t.steps * kAmxPanel, bytes);
        memset(reinterpret_cast<char*>(last + i * kAmxPanel) + bytes, 0, kAmxPanel * sizeof(float) - bytes);
      }
      for (int64_t r = 0; r < rows; r += kTall) {
        t.a = a + r / kAmxRows * sliver;
        t.next_b = t.b + t.b_stride + r / kTall * t.steps * t.next_lines * 16;
        block_of_c(t, first + r, smaller(kTall, rows - r), r + kTall < rows, panel, panels, k0 > 0);
      }
    }
  }

  void block_of_c(AmxArgs& t, int64_t row, int64_t height, bool more, int64_t panel, int64_t panels, bool begun) {
    const int64_t column = panel * kPanelColumns, width = smaller(panels * kPanelColumns, p.columns - column);
    const float* start = begun ? p.c : p.start;
    const int64_t stride = begun ? p.columns : p.start_stride;
    const bool two = height > kAmxRows || panels == 2;
    float* const to = p.c + row * p.columns + column;
    t.start = start ? start + row * stride + column : nullptr;
    t.start_stride = stride, t.c = to, t.c_stride = p.columns;
    t.next_c = to + (more ? kTall * p.columns : 0);
    const bool inside = width == panels * kPanelColumns && height == (two && panels == 1 ? kTall : kAmxRows);
    if (!inside) {
      t.c = edge, t.c_stride = kEdgeStride;
      for (int64_t i = 0; t.start && i < height; i++)
        memcpy(edge + kEdge + i * kEdgeStride, t.start + i * stride, static_cast<size_t>(width) * sizeof(float));
      if (t.start) t.start = edge + kEdge, t.start_stride = kEdgeStride;
    }
    if (!two) amx_block<true, false>(t);
    else if (panels == 1) amx_block<true, true>(t);
    else amx_block<false, true>(t);
    for (int64_t i = 0; !inside && i < height; i++)
      memcpy(to + i * p.columns, edge + i * kEdgeStride, static_cast<size_t>(width) * sizeof(float));
  }
};

}  // namespace rectify::RECTIFY_TARGET
#endif
