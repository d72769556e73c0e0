// Builds the view of a token forest from parents and lengths, with its pages scattered through a poisoned cache, and walks
// the path of a row the slow way.
#pragma once
#include <limits>

#include "../kernels/kernels.h"
#include "check.h"

namespace rectify::test {

struct Segment {
  int parent, parent_length, length;
};

struct Forest {
  std::vector<Segment> segments;
  std::vector<int32_t> base, row_begin{0}, piece_begin{0}, piece_segment, piece_length, page_begin, pages;
  std::vector<int32_t> segment, position;  // rows of the batch in segment order

  explicit Forest(std::vector<Segment> all) : segments(std::move(all)) {
    for (size_t s = 0; s < segments.size(); s++) {
      const auto [parent, parent_length, length] = segments[s];
      base.push_back(parent < 0 ? 0 : base[static_cast<size_t>(parent)] + parent_length);
      std::vector<std::pair<int, int>> pieces{{static_cast<int>(s), length}};
      for (int p = parent, n = parent_length; p >= 0; n = segments[p].parent_length, p = segments[p].parent)
        pieces.insert(pieces.begin(), {p, n});
      for (auto [owner, count] : pieces) piece_segment.push_back(owner), piece_length.push_back(count);
      piece_begin.push_back(static_cast<int32_t>(piece_segment.size()));
      for (int i = 0; i < length; i++) {
        segment.push_back(static_cast<int32_t>(s));
        position.push_back(base.back() + i);
      }
      row_begin.push_back(static_cast<int32_t>(segment.size()));
      page_begin.push_back(static_cast<int32_t>(pages.size()));
      for (int i = 0; i < length; i += 32) pages.push_back(0);
    }
    const auto count = static_cast<int32_t>(pages.size());
    for (int32_t i = 0; i < count; i++) pages[static_cast<size_t>(i)] = (i * 7 + 3) % count;
    if (count % 7 == 0)
      for (int32_t i = 0; i < count; i++) pages[static_cast<size_t>(i)] = count - 1 - i;
  }

  int64_t rows() const { return static_cast<int64_t>(segment.size()); }

  ForestView view() const {
    ForestView v;
    v.rows = rows(), v.segments = static_cast<int64_t>(segments.size());
    v.segment = segment.data(), v.position = position.data(), v.segment_base = base.data();
    v.row_begin = row_begin.data(), v.piece_begin = piece_begin.data();
    v.piece_segment = piece_segment.data(), v.piece_length = piece_length.data();
    v.page_begin = page_begin.data(), v.pages = pages.data();
    return v;
  }

  /** Rows that `row` sees, root first, itself last. */
  std::vector<int64_t> path(int64_t row) const {
    std::vector<int64_t> seen;
    int s = segment[static_cast<size_t>(row)];
    int count = static_cast<int>(row) - row_begin[static_cast<size_t>(s)] + 1;
    while (s >= 0) {
      for (int i = count; i-- > 0;) seen.insert(seen.begin(), row_begin[static_cast<size_t>(s)] + i);
      count = segments[static_cast<size_t>(s)].parent_length, s = segments[static_cast<size_t>(s)].parent;
    }
    return seen;
  }
};

/** A cache whose every value is NaN until a kernel writes it. */
struct Cache {
  std::vector<float> values;
  KvCache view;
  Cache(const Forest& forest, Heads heads, int64_t layers = 1) {
    view.layers = layers, view.pages = static_cast<int64_t>(forest.pages.size());
    view.kv_heads = heads.kv_heads, view.head_dim = heads.head_dim;
    values.assign(view.bytes() / sizeof(float), std::numeric_limits<float>::quiet_NaN());
    view.data = values.data();
  }
};

}  // namespace rectify::test
