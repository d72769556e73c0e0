// Moves operands into the order in which the tile reads them: slivers of rows [step][row] and panels of columns [step][32],
// by in-register transposition, rounding to bf16 (to nearest even) on the way where the product is in bf16.
#pragma once
#include <utility>

#include "gemm_tile.h"

namespace rectify::RECTIFY_TARGET {

/** f32 rounded to bf16, which is left in the upper half; the lower half is undefined. NaN stays NaN. */
RECTIFY_INLINE vecu round_bf16(vecf v) {
  const vecu u = (vecu)v;
  const vecu rounded = u + 0x7fffu + ((u >> 16) & 1u);
  const vecu nan = (vecu)(v != v);
  return (rounded & ~nan) | ((u | 0x400000u) & nan);
}

RECTIFY_INLINE uint32_t round_bf16(float v) {
  uint32_t u;
  memcpy(&u, &v, sizeof u);
  return v != v ? u | 0x400000u : u + 0x7fffu + ((u >> 16) & 1u);
}

/** Two rounded values as the pair (first low, second high). */
template <typename T>
RECTIFY_INLINE T pair_bf16(T first, T second) {
  return (first >> 16) | (second & 0xffff0000u);
}

template <int... I>
RECTIFY_INLINE vecu interleave(vecu a, vecu b, bool high, std::integer_sequence<int, I...>) {
  return high ? __builtin_shufflevector(a, b, (kLanes / 2 + I / 2 + I % 2 * kLanes)...)
              : __builtin_shufflevector(a, b, (I / 2 + I % 2 * kLanes)...);
}
/** a0 b0 a1 b1 ... of the lower or the upper half. */
RECTIFY_INLINE vecu interleave(vecu a, vecu b, bool high) {
  return interleave(a, b, high, std::make_integer_sequence<int, kLanes>());
}

template <int... I>
RECTIFY_INLINE vecu every_other(vecu a, vecu b, bool odd, std::integer_sequence<int, I...>) {
  return odd ? __builtin_shufflevector(a, b, (2 * I + 1)...) : __builtin_shufflevector(a, b, (2 * I)...);
}
/** The even or the odd elements of a then b. */
RECTIFY_INLINE vecu every_other(vecu a, vecu b, bool odd) {
  return every_other(a, b, odd, std::make_integer_sequence<int, kLanes>());
}

/** Swaps rows and lanes of a kLanes x kLanes block: each round rotates the bits of (row, lane) by one. */
RECTIFY_INLINE void transpose(vecu (&rows)[kLanes]) {
#pragma GCC unroll 4
  for (int round = 1; round < kLanes; round *= 2) {
    vecu next[kLanes];
#pragma GCC unroll 8
    for (int i = 0; i < kLanes / 2; i++) {
      next[2 * i] = interleave(rows[i], rows[i + kLanes / 2], false);
      next[2 * i + 1] = interleave(rows[i], rows[i + kLanes / 2], true);
    }
#pragma GCC unroll 16
    for (int i = 0; i < kLanes; i++) rows[i] = next[i];
  }
}

RECTIFY_INLINE vecu load_bits(const void* p) {
  vecu v;
  memcpy(&v, p, sizeof v);
  return v;
}
RECTIFY_INLINE void store_bits(void* p, vecu v) { memcpy(p, &v, sizeof v); }

/** Lane by lane the pair of two values, rounded. */
RECTIFY_INLINE vecu round_pairs(vecf first, vecf second) {
#if defined(__AVX512BF16__)
  const auto rounded = (__m512i)_mm512_cvtne2ps_pbh((__m512)second, (__m512)first);
  typedef uint16_t v32h __attribute__((vector_size(64)));
  const v32h order = {0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
  return (vecu)_mm512_permutexvar_epi16((__m512i)order, rounded);
#else
  return pair_bf16(round_bf16(first), round_bf16(second));
#endif
}

/** The first n of kLanes values, zeros after them. */
RECTIFY_INLINE vecf load_part(const float* p, int64_t n) {
  if (n >= kLanes) return load(p);
  vecf v = {};
  if (n > 0) memcpy(&v, p, static_cast<size_t>(n) * sizeof(float));
  return v;
}

/** kLanes pairs of bf16 from 2 * kLanes consecutive values. */
RECTIFY_INLINE vecu load_pairs(const float* p) {
#if defined(__AVX512BF16__)
  return (vecu)_mm512_cvtne2ps_pbh(_mm512_loadu_ps(p + kLanes), _mm512_loadu_ps(p));
#else
  const vecu a = round_bf16(load(p)), b = round_bf16(load(p + kLanes));
  return pair_bf16(every_other(a, b, false), every_other(a, b, true));
#endif
}

/**
 * Rows x[0 .. rows)[begin .. end) of a row-major matrix -> [step][stride] with the rows side by side. `rows` <= kLanes; up to
 * kLanes values are written from each step's place on, so that garbage follows the last step. As pairs when `pairs`.
 */
template <bool pairs>
RECTIFY_INLINE void pack_rows(float* out, int64_t stride, const float* x, int64_t ld, int64_t rows, int64_t begin,
                              int64_t end) {
  constexpr int64_t per_step = pairs ? 2 : 1;
  int64_t k = begin;
  for (; k + kLanes * per_step <= end; k += kLanes * per_step, out += kLanes * stride) {
    vecu block[kLanes];
#pragma GCC unroll 16
    for (int r = 0; r < kLanes; r++) {
      const float* from = x + (r < rows ? r : rows - 1) * ld + k;
      block[r] = pairs ? load_pairs(from) : load_bits(from);
    }
    transpose(block);
#pragma GCC unroll 16
    for (int i = 0; i < kLanes; i++) store_bits(out + i * stride, block[i]);
  }
  for (; k < end; k += per_step, out += stride)
    for (int64_t r = 0; r < rows; r++) {
      const float* from = x + r * ld + k;
      if (pairs) {
        const uint32_t pair = pair_bf16(round_bf16(from[0]), k + 1 < end ? round_bf16(from[1]) : 0u);
        memcpy(out + r, &pair, sizeof pair);
      } else {
        out[r] = from[0];
      }
    }
}

/** The left operand of x W^T: rows of x as a sliver of tiles. Values are rounded but not paired where a tile wants them so. */
template <class Kind>
RECTIFY_INLINE void pack_left(float* out, const float* x, int64_t ld, int64_t rows, int64_t begin, int64_t end) {
  pack_rows<Kind::bf16 && Kind::a_per_step == 1>(out, rows, x, ld, rows, begin, end);
  if constexpr (Kind::a_per_step == 2) {
    int64_t count = (end - begin) * rows, i = 0;
    for (; i + kLanes <= count; i += kLanes) store_bits(out + i, round_bf16(load(out + i)) & 0xffff0000u);
    for (; i < count; i++) {
      const uint32_t u = round_bf16(out[i]) & 0xffff0000u;
      memcpy(out + i, &u, sizeof u);
    }
    if ((end - begin) % 2)
      for (int64_t r = 0; r < rows; r++) out[count + r] = 0;
  }
}

/** The left operand of dy^T x: columns x[begin .. end)[0 .. columns), of which `width` may be read, as a sliver. */
template <class Kind>
RECTIFY_INLINE void pack_left_transposed(float* out, const float* x, int64_t ld, int64_t columns, int64_t width,
                                         int64_t begin, int64_t end) {
  for (int64_t k = begin; k < end; k += Kind::k_per_step) {
    const vecf first = load_part(x + k * ld, width);
    if constexpr (!Kind::bf16) {
      store(out, first);
    } else {
      const vecf second = k + 1 < end ? load_part(x + (k + 1) * ld, width) : vecf{};
      if constexpr (Kind::a_per_step == 1) {
        store_bits(out, round_pairs(first, second));
      } else {
        store_bits(out, round_bf16(first) & 0xffff0000u);
        store_bits(out + columns, round_bf16(second) & 0xffff0000u);
      }
    }
    out += columns * Kind::a_per_step;
  }
}

/** The right operand of dy^T x: columns of x as a panel [step][32], zeros past `width`. */
template <class Kind>
RECTIFY_INLINE void pack_right(float* out, const float* x, int64_t ld, int64_t width, int64_t begin, int64_t end) {
  for (int64_t k = begin; k < end; k += Kind::k_per_step, out += kPanelColumns)
    for (int64_t j = 0; j < kPanelColumns; j += kLanes) {
      const vecf first = load_part(x + k * ld + j, width - j);
      if constexpr (!Kind::bf16) {
        store(out + j, first);
      } else {
        const vecf second = k + 1 < end ? load_part(x + (k + 1) * ld + j, width - j) : vecf{};
        store_bits(out + j, round_pairs(first, second));
      }
    }
}

/**
 * The right operand of dy W: the panels of W [n, k] give, for 32 columns k (of which `width` exist) and the rows
 * [begin, end) of W, a panel whose steps are n. begin is a multiple of 32; steps are written up to a multiple of 32 rows.
 */
template <class Kind>
RECTIFY_INLINE void transpose_panels(float* out, const Panels& weight, int64_t column, int64_t width, int64_t begin,
                                     int64_t end) {
  // In words of 32 bits: a panel is [k / k_per_step][32].
  const int64_t words = (width + Kind::k_per_step - 1) / Kind::k_per_step;
  for (int64_t n = begin; n < end; n += Panels::width, out += kPanelColumns * Panels::width / Kind::k_per_step) {
    const auto* panel = static_cast<const uint32_t*>(weight.data) + n / Panels::width * (weight.depth() / Kind::k_per_step) * 32 +
                        column / Kind::k_per_step * 32;
    for (int64_t word = 0; word < kPanelColumns / Kind::k_per_step; word += kLanes)
      for (int64_t lane = 0; lane < Panels::width; lane += kLanes) {
        vecu block[kLanes];
#pragma GCC unroll 16
        for (int r = 0; r < kLanes; r++) {
          const int64_t from = word + r < words ? word + r : words - 1;
          block[r] = load_bits(panel + from * 32 + lane);
          fetch(panel + (from + kPanelColumns / Kind::k_per_step) * 32 + lane);  // the next 32 columns' turn comes soon
        }
        transpose(block);
        if constexpr (!Kind::bf16) {
#pragma GCC unroll 16
          for (int i = 0; i < kLanes; i++) store_bits(out + (lane + i) * 32 + word, block[i]);
        } else {
#pragma GCC unroll 8
          for (int i = 0; i < kLanes; i += 2) {
            const vecu even = (block[i] & 0xffffu) | (block[i + 1] << 16);
            const vecu odd = (block[i] >> 16) | (block[i + 1] & 0xffff0000u);
            float* to = out + (lane + i) / 2 * 32 + 2 * word;
            store_bits(to, interleave(even, odd, false));
            store_bits(to + kLanes, interleave(even, odd, true));
          }
        }
      }
  }
}

}  // namespace rectify::RECTIFY_TARGET
