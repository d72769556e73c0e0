// A forest is checked once, here; kernels trust it.
#include "forest.h"

#include <stdexcept>
#include <string>

namespace rectify {

namespace {
[[noreturn]] void bad(const std::string& where, const std::string& expected, int64_t got) {
  throw std::runtime_error("forest." + where + ": expected " + expected + ", got " + std::to_string(got));
}
}  // namespace

Forest Forest::make(std::vector<int32_t> parent, std::vector<int32_t> parent_length, std::vector<int32_t> length,
                    std::vector<int32_t> tokens, int64_t vocab_size, int64_t max_positions) {
  Forest f;
  const size_t segments = length.size();
  if (segments == 0) bad("length", "at least one segment", 0);
  if (parent.size() != segments) bad("parent", std::to_string(segments) + " values", static_cast<int64_t>(parent.size()));
  if (parent_length.size() != segments)
    bad("parentLength", std::to_string(segments) + " values", static_cast<int64_t>(parent_length.size()));
  if (tokens.size() > 0x7fffffff) bad("tokens", "fewer than 2^31 tokens", static_cast<int64_t>(tokens.size()));
  f.base.resize(segments);
  f.row_begin.resize(segments + 1);
  f.piece_begin.resize(segments + 1);
  f.segment.reserve(tokens.size());
  f.position.reserve(tokens.size());
  int64_t row = 0;
  for (size_t s = 0; s < segments; s++) {
    const std::string at = "[" + std::to_string(s) + "]";
    const int32_t p = parent[s], keep = parent_length[s], n = length[s];
    if (n < 1) bad("length" + at, "at least 1", n);
    if (p < -1 || p >= static_cast<int32_t>(s)) bad("parent" + at, "-1 or an earlier segment", p);
    if (p < 0 && keep != 0) bad("parentLength" + at, "0 for a root", keep);
    if (p >= 0 && (keep < 1 || keep > length[static_cast<size_t>(p)]))
      bad("parentLength" + at, "1.." + std::to_string(length[static_cast<size_t>(p)]), keep);
    const int64_t base = p < 0 ? 0 : int64_t{f.base[static_cast<size_t>(p)]} + keep;
    if (base + n > max_positions)
      bad("length" + at, "a path of at most " + std::to_string(max_positions) + " tokens (max_position_embeddings)", base + n);
    if (row + n > static_cast<int64_t>(tokens.size()))
      bad("tokens", "at least " + std::to_string(row + n) + " values (the sum of lengths)", static_cast<int64_t>(tokens.size()));
    f.base[s] = static_cast<int32_t>(base);
    f.row_begin[s] = static_cast<int32_t>(row);
    f.piece_begin[s] = static_cast<int32_t>(f.piece_segment.size());
    if (p >= 0) {
      for (int32_t i = f.piece_begin[static_cast<size_t>(p)]; i < f.piece_begin[static_cast<size_t>(p) + 1]; i++) {
        const int32_t ancestor = f.piece_segment[static_cast<size_t>(i)];
        f.piece_segment.push_back(ancestor);
        f.piece_length.push_back(ancestor == p ? keep : f.piece_length[static_cast<size_t>(i)]);
      }
    }
    f.piece_segment.push_back(static_cast<int32_t>(s));
    f.piece_length.push_back(n);
    f.piece_begin[s + 1] = static_cast<int32_t>(f.piece_segment.size());
    for (int32_t i = 0; i < n; i++) {
      const int32_t id = tokens[static_cast<size_t>(row + i)];
      if (id < 0 || id >= vocab_size)
        bad("tokens[" + std::to_string(row + i) + "]", "a token id 0.." + std::to_string(vocab_size - 1), id);
      f.segment.push_back(static_cast<int32_t>(s));
      f.position.push_back(static_cast<int32_t>(base + i));
    }
    row += n;
  }
  if (row != static_cast<int64_t>(tokens.size()))
    bad("tokens", std::to_string(row) + " values (the sum of lengths)", static_cast<int64_t>(tokens.size()));
  f.row_begin[segments] = static_cast<int32_t>(row);
  f.parent = std::move(parent);
  f.parent_length = std::move(parent_length);
  f.length = std::move(length);
  f.tokens = std::move(tokens);
  return f;
}

int32_t Forest::predictor(int64_t t) const {
  const int32_t s = segment[static_cast<size_t>(t)];
  const int32_t begin = row_begin[static_cast<size_t>(s)];
  if (t > begin) return static_cast<int32_t>(t - 1);
  const int32_t p = parent[static_cast<size_t>(s)];
  return p < 0 ? -1 : row_begin[static_cast<size_t>(p)] + parent_length[static_cast<size_t>(s)] - 1;
}

}  // namespace rectify
