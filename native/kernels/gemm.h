// The loops around the tile, for any product C = start + A B: threads take parts of C, depth goes in blocks whose columns
// stay in the first-level cache, rows in blocks whose slivers stay in the second. Cutting depth only stores and reloads the
// chain's f32, so no cut is visible in the result.
#pragma once
#include "gemm_amx.h"
#include "gemm_pack.h"
#include "kernels.h"
#include "product.h"

namespace rectify::RECTIFY_TARGET {

constexpr int64_t kDepthBlock = 192;

/** Cuts n into parts of at most `most`, of nearly equal size. */
struct Cut {
  int64_t parts, base, extra;
  Cut(int64_t n, int64_t most) : parts(ceil_div(n, most)), base(parts ? n / parts : 0), extra(parts ? n % parts : 0) {}
  int64_t begin(int64_t part) const { return part * base + smaller(part, extra); }
  int64_t size(int64_t part) const { return base + (part < extra ? 1 : 0); }
};

/** One thread's part of a product: rows [row0, row1) x panels [panel0, panel1). */
template <class Kind, class Left, class Right>
RECTIFY_INLINE void multiply_part(Device& device, int thread, const Product& p, const Left& left, const Right& right,
                                  int64_t row0, int64_t row1, int64_t panel0, int64_t panel1) {
  const int64_t steps = ceil_div(p.depth, Kind::k_per_step);
  const bool one_tile = row1 - row0 <= kTileRows;
  const int64_t most = Right::direct && one_tile ? 8192 : kDepthBlock;
  const int64_t blocks = steps > most ? ceil_div(steps, most) : 1;
  const int64_t block = (ceil_div(steps, blocks) | 31) + 1;
  // Panels made for each block of rows want more of them than panels that only pass through the first-level cache.
  const Cut row_blocks(row1 - row0, (Right::direct ? 12 : 40) * kTileRows);
  const int64_t sliver = block * Kind::a_per_step;
  auto* a = static_cast<float*>(device.scratch(
      thread, sizeof(float) * static_cast<size_t>((row_blocks.base + 1) * sliver + 64 + block * kPanelColumns +
                                                  (2 * kTileRows + 2) * kPanelColumns)));
  float* b = a + ((row_blocks.base + 1) * sliver + kLanes + 15) / 16 * 16;
  float* edge = b + block * kPanelColumns;
  float* edge_start = edge + kTileRows * kPanelColumns;
  const float zeros[kPanelColumns * 6] = {};

  for (int64_t rb = 0; rb < row_blocks.parts; rb++) {
    const int64_t first_row = row0 + row_blocks.begin(rb);
    const Cut tiles(row_blocks.size(rb), kTileRows);
    for (int64_t s0 = 0; s0 < steps; s0 += block) {
      const int64_t count = smaller(block, steps - s0);
      const int64_t k0 = s0 * Kind::k_per_step, k1 = smaller(k0 + count * Kind::k_per_step, p.depth);
      for (int64_t i = 0; i < tiles.parts; i++)
        left(a + tiles.begin(i) * sliver, first_row + tiles.begin(i), tiles.size(i), k0, k1);
      const float* start = s0 > 0 ? p.c : p.start;
      const int64_t start_stride = s0 > 0 ? p.columns : p.start_stride;
      for (int64_t panel = panel0; panel < panel1;) {
        const int64_t column = panel * kPanelColumns;
        const int64_t width = smaller(kPanelColumns, p.columns - column);
        int64_t panels = 1;
        if (Right::direct && one_tile && tiles.base <= kFewRows &&
            column + kSidePanels[tiles.base] * kPanelColumns <= p.columns && panel + kSidePanels[tiles.base] <= panel1)
          panels = kSidePanels[tiles.base];
        TileArgs t;
        t.b = right(b, panel, k0, k1);
        t.b_stride = right.stride();
        t.steps = count;
        for (int64_t i = 0; i < tiles.parts; i++) {
          const int64_t row = first_row + tiles.begin(i), height = tiles.size(i);
          t.a = a + tiles.begin(i) * sliver;
          t.c = p.c + row * p.columns + column;
          t.c_stride = p.columns;
          t.start = start ? start + row * start_stride + column : zeros;
          t.start_stride = start ? start_stride : 0;
          t.next_c = t.c + (i + 1 < tiles.parts ? height * p.columns : 0);
          t.next_b = t.b;
          if (Right::direct) t.next_b = t.b + (i * count * 16 < count * 32 ? t.b_stride * panels + i * count * 16 : 0);
          if (width == kPanelColumns) {
            (panels > 1 ? side_function<Kind>(static_cast<int>(height)) : tile_function<Kind>(static_cast<int>(height)))(t);
            continue;
          }
          // The last columns go through a tile of full width.
          const auto bytes = static_cast<size_t>(width) * sizeof(float);
          for (int64_t r = 0; r < height; r++)
            memcpy(edge_start + r * kPanelColumns, t.start + r * t.start_stride, bytes);
          float* to = t.c;
          t.c = edge, t.start = edge_start;
          t.c_stride = t.start_stride = kPanelColumns;
          tile_function<Kind>(static_cast<int>(height))(t);
          for (int64_t r = 0; r < height; r++) memcpy(to + r * p.columns, edge + r * kPanelColumns, bytes);
        }
        panel += panels;
      }
    }
  }
}

/** multiply_part, by the matrix unit where the operands are its kind. */
template <class Kind, class Left, class Right>
RECTIFY_INLINE void multiply_any_part(Device& device, int thread, const Product& p, const Left& left, const Right& right,
                                      int64_t row0, int64_t row1, int64_t panel0, int64_t panel1) {
#if defined(__AMX_BF16__)
  if constexpr (Kind::amx) return AmxPart<Left, Right>(device, thread, p, left, right, row1 - row0).run(row0, row1, panel0, panel1);
#endif
  if constexpr (!Kind::amx) multiply_part<Kind>(device, thread, p, left, right, row0, row1, panel0, panel1);
}

/** left(out, row, rows, k0, k1) packs a sliver; right(scratch, panel, k0, k1) returns a panel, packed there or in place. */
template <class Kind, class Left, class Right>
RECTIFY_INLINE void multiply(Device& device, const Product& p, const Left& left, const Right& right) {
  if (p.rows == 0 || p.columns == 0) return;
  if (p.depth == 0) {
    for (int64_t i = 0; i < p.rows * p.columns; i++)
      p.c[i] = p.start ? p.start[i / p.columns * p.start_stride + i % p.columns] : 0;
    return;
  }
  const int64_t panels = ceil_div(p.columns, kPanelColumns);
  const int64_t work = p.rows * p.columns * (p.depth + 1) / (kLanes == 16 ? 4 : 2);
  if (p.split_columns)
    parallel(device, panels, 1, work, [&](int64_t begin, int64_t end, int thread) {
      multiply_any_part<Kind>(device, thread, p, left, right, 0, p.rows, begin, end);
    });
  else
    parallel(device, p.rows, 1, work, [&](int64_t begin, int64_t end, int thread) {
      multiply_any_part<Kind>(device, thread, p, left, right, begin, end, 0, panels);
    });
}

}  // namespace rectify::RECTIFY_TARGET
