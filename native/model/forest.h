// A checked token forest and its device view.
#pragma once
#include <vector>

#include "../kernels/kernels.h"

namespace rectify {

/** Host side. Segments are in order: a parent comes before its children. */
struct Forest {
  std::vector<int32_t> parent, parent_length, length, tokens;
  // Derived:
  std::vector<int32_t> base;           // path position of each segment's first token
  std::vector<int32_t> row_begin;      // (S + 1)
  std::vector<int32_t> segment, position;              // per row
  std::vector<int32_t> piece_begin, piece_segment, piece_length;

  int64_t segments() const { return static_cast<int64_t>(length.size()); }
  int64_t rows() const { return static_cast<int64_t>(tokens.size()); }

  /** Checks everything (throws std::runtime_error with the place and the values) and derives the rest. */
  static Forest make(std::vector<int32_t> parent, std::vector<int32_t> parent_length, std::vector<int32_t> length,
                     std::vector<int32_t> tokens, int64_t vocab_size, int64_t max_positions);

  /** The row whose hidden state predicts row t: its predecessor along the path; -1 at a root's first token. */
  int32_t predictor(int64_t t) const;
};

}  // namespace rectify
