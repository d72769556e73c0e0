// A pass over cached segments as the host lays it out: rows that read their paths from pages.
#pragma once
#include <algorithm>
#include <vector>

#include "pass.h"

namespace rectify {

struct CachedForest {
  std::vector<int32_t> tokens, segment, position, base, piece_begin{0}, piece_segment, piece_length, page_begin, pages;

  int64_t rows() const { return static_cast<int64_t>(tokens.size()); }
  int64_t longest() const { return *std::max_element(position.begin(), position.end()) + 1; }

  /** A segment whose path is `above`, or nothing, in front of itself. */
  int32_t add_segment(int32_t begins_at, const std::vector<int32_t>& own_pages, int64_t length, int32_t above = -1) {
    const auto own = static_cast<int32_t>(base.size());
    base.push_back(begins_at);
    page_begin.push_back(static_cast<int32_t>(pages.size()));
    pages.insert(pages.end(), own_pages.begin(), own_pages.end());
    if (above >= 0) piece_segment.push_back(above), piece_length.push_back(begins_at);
    piece_segment.push_back(own), piece_length.push_back(static_cast<int32_t>(length));
    piece_begin.push_back(static_cast<int32_t>(piece_segment.size()));
    return own;
  }
  void add_row(int32_t token, int32_t of, int64_t at) {
    tokens.push_back(token);
    segment.push_back(of);
    position.push_back(static_cast<int32_t>(at));
  }

  /** Rows up to `count` that fill up a step: each is the first of a path of its own on the page `spare`. */
  void pad(int64_t count, int32_t spare) {
    if (rows() >= count) return;
    const int32_t own = add_segment(0, {spare}, 1);
    while (rows() < count) add_row(0, own, 0);
  }

  /** For `pass`, once `indices` are sent. `alike`: decoding steps of as many rows find everything in the same place. */
  void add_to(Indices& indices, Pass& pass, const int32_t*& ids, bool alike) const {
    const size_t n = alike ? static_cast<size_t>(rows()) : 0;  // a row has a segment, a prompt at most, and the path of both
    pass.forest.rows = rows(), pass.forest.segments = static_cast<int64_t>(base.size()), pass.forest.longest = longest();
    indices.add(ids, tokens);
    indices.add(pass.forest.segment, segment);
    indices.add(pass.forest.position, position);
    indices.add(pass.forest.segment_base, base, 2 * n + 1);
    indices.add(pass.forest.piece_begin, piece_begin, 2 * n + 2);
    indices.add(pass.forest.piece_segment, piece_segment, 3 * n + 1);
    indices.add(pass.forest.piece_length, piece_length, 3 * n + 1);
    indices.add(pass.forest.page_begin, page_begin, 2 * n + 1);
    indices.add(pass.forest.pages, pages);
  }
};

}  // namespace rectify
