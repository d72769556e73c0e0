// Attention over token forests, read from paged keys and values.
//   s_j = (q / sqrt(D)) . k_j,   e_j = exp(s_j - max s),   out = (sum_j e_j v_j) / sum_j e_j,   lse = max s + log sum_j e_j
// j runs over the path of the row, positions 0 .. p. Each s_j is one chain over D; the sum of e is kept in 16 lanes by
// path position; out[d] is one chain over j. Nothing of this depends on how the path is cut into segments and pages.
#include <cmath>

#include "kernels.h"
#include "tile.h"

namespace rectify::RECTIFY_TARGET {

namespace {

constexpr int64_t kPage = KvCache::page_tokens;

/** Scores of one tile of queries stay in the second-level cache. */
constexpr int64_t kScoreBytes = 1024 << 10;

/** Pages whose values are added in one go. */
constexpr int64_t kValuePages = 4;

struct PathPage {
  const float* data;
  int64_t start, count;  // path position of its first token, tokens that belong to the path
};

void check(const KvCache& cache, const Tensor& qkv, const Heads& heads, const char* refusal) {
  if (cache.dtype != Dtype::f32 || qkv.dtype != Dtype::f32 || heads.head_dim % 2 != 0 || heads.head_dim < 2 ||
      heads.kv_heads < 1 || heads.heads % heads.kv_heads != 0)
    throw std::runtime_error(refusal);
}

float* page_data(const KvCache& cache, int64_t layer, int64_t page) {
  return static_cast<float*>(cache.data) + (layer * cache.pages + page) * cache.page_values();
}

/** Calls body(row_begin, row_end) for each run of rows that follow one another in one segment. */
template <typename Body>
RECTIFY_INLINE void for_runs(const ForestView& forest, const Body& body) {
  for (int64_t begin = 0, end; begin < forest.rows; begin = end) {
    for (end = begin + 1; end < forest.rows && forest.segment[end] == forest.segment[begin] &&
                          forest.position[end] == forest.position[end - 1] + 1;)
      end++;
    body(begin, end);
  }
}

/** The pages along the path of `segment` that hold positions before `length`. */
int64_t path_pages(PathPage* pages, const KvCache& cache, int64_t layer, const ForestView& forest, int64_t segment,
                   int64_t length) {
  int64_t count = 0, start = 0;
  for (int64_t piece = forest.piece_begin[segment]; piece < forest.piece_begin[segment + 1]; piece++) {
    const int32_t* ids = forest.pages + forest.page_begin[forest.piece_segment[piece]];
    int64_t left = forest.piece_length[piece];
    if (piece + 1 == forest.piece_begin[segment + 1] || left > length - start) left = length - start;
    for (; left > 0; left -= kPage, ids++) {
      const int64_t tokens = left < kPage ? left : kPage;
      pages[count++] = {page_data(cache, layer, *ids), start, tokens};
      start += tokens;
    }
  }
  return count;
}

/** scores[0 .. n) become e^(s - max), the rest of the last 16 zero; returns their sum. */
float exponentiate(float* scores, int64_t n, float* max_score) {
  const v16f none = broadcast(-__builtin_inff());
  const int64_t last = (n - 1) / 16 * 16;
  const v16f lane = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  v16f top = select16(less16(lane, broadcast(static_cast<float>(n - last))), load16(scores + last), none);
  store16(scores + last, top);
  for (int64_t j = 0; j < last; j += 16) top = max16(top, load16(scores + j));
  const float m = largest16(top);
  v16f sum = {};
  for (int64_t j = 0; j < n; j += 16) {
    const v16f e = exp16(load16(scores + j) - m);
    store16(scores + j, e);
    sum = sum + e;
  }
  *max_score = m;
  return sum16(sum);
}

struct Forward {
  Tensor out, lse, qkv;
  KvCache cache;
  ForestView forest;
  Heads heads;
  int64_t layer, group, queries, ld;  // query heads per kv head, queries per tile, row length of the score buffer
  float scale;

  struct Workspace {
    float *scores, *q, *sum;
    int64_t* length;
    PathPage* path;
    KeyPage* keys;
    Span* values;
  };

  /** Calls body(i, row within the run, head) for queries begin + i, counted row by row, head by head. */
  template <typename Body>
  void for_queries(int64_t begin, int64_t count, int64_t kv_head, const Body& body) const {
    int64_t at = begin / group, g = begin % group;
    for (int64_t i = 0; i < count; i++) {
      body(i, at, kv_head * group + g);
      if (++g == group) g = 0, at++;
    }
  }

  /** Adds the values of some pages to the sums of M queries from i on: first the keys that all of them see, then the rest. */
  template <int M>
  void mix_values(const Workspace& w, int64_t i, const Span* pages, int64_t count) const {
    const int64_t D = heads.head_dim, shortest = w.length[i], longest = w.length[i + M - 1];
    Span all[kValuePages], some[kValuePages];
    int64_t alls = 0, somes = 0;
    for (int64_t p = 0; p < count && pages[p].begin < longest; p++) {
      const auto [rows, begin, end] = pages[p];
      if (begin < shortest) all[alls++] = {rows, begin, end < shortest ? end : shortest};
      if (end <= shortest) continue;
      const int64_t from = begin < shortest ? shortest : begin;
      some[somes++] = {rows + (from - begin) * D, from, end < longest ? end : longest};
    }
    float* sum = w.sum + i * D;
    const float* e = w.scores + i * ld;
    if (alls > 0) mix_block<M, Order::rows, false>(sum, D, e, ld, all, alls, D, D, nullptr);
    if (somes > 0) mix_block<M, Order::rows, true>(sum, D, e, ld, some, somes, D, D, w.length + i);
  }

  /** Queries [begin, begin + count) of a run, counted row by row and head by head within one kv head. */
  void tile(const Workspace& w, int64_t pages, int64_t first_row, int64_t kv_head, int64_t begin, int64_t count) const {
    const int64_t D = heads.head_dim;
    for_queries(begin, count, kv_head, [&](int64_t i, int64_t at, int64_t head) {
      scale_columns(w.q + i * D, qkv.f32() + (first_row + at) * qkv.cols + head * D, scale, D);
      w.length[i] = forest.position[first_row + at] + 1;
    });
    zero_columns(w.sum, count * D);
    const int64_t longest = w.length[count - 1];
    int64_t used = 0;
    for (; used < pages && w.path[used].start < longest; used++) {
      const PathPage& page = w.path[used];
      w.keys[used] = {page.data + kv_head * D * kPage, page.start};
      w.values[used] = {page.data + (heads.kv_heads + kv_head) * D * kPage, page.start, page.start + page.count};
    }

    const int64_t step = count <= kTileRows ? used : 1;
    for (int64_t p = 0; p < used; p += step) score(count, w.scores, ld, w.q, D, w.keys + p, used - p < step ? used - p : step);

    float top[4 * kTileRows], total[4 * kTileRows];
    for (int64_t i = 0; i < count; i++) total[i] = exponentiate(w.scores + i * ld, w.length[i], &top[i]);

    for (int64_t p = 0; p < used; p += kValuePages)
      for_blocks(count, [&](auto block, int64_t i) {
        mix_values<block.count>(w, i, w.values + p, used - p < kValuePages ? used - p : kValuePages);
      });

    for_queries(begin, count, kv_head, [&](int64_t i, int64_t at, int64_t head) {
      const int64_t row = first_row + at;
      scale_columns(out.f32() + row * out.cols + head * D, w.sum + i * D, 1 / total[i], D);
      if (lse) lse.f32()[row * lse.cols + head] = top[i] + logf(total[i]);
    });
  }
};

}  // namespace

void kv_append(Device& device, KvCache cache, int64_t layer, Tensor qkv, ForestView forest, Heads heads) {
  check(cache, qkv, heads, "kv_append: expected f32 keys, values and rows, and an even head_dim");
  const int64_t D = heads.head_dim, kv_heads = heads.kv_heads;
  parallel(device, forest.rows, 32, forest.rows * heads.kv() * 4, [&](int64_t begin, int64_t end, int) {
    for (int64_t row = begin; row < end; row++) {
      const int64_t segment = forest.segment[row], index = forest.position[row] - forest.segment_base[segment];
      const int64_t lane = index % kPage;
      float* page = page_data(cache, layer, forest.pages[forest.page_begin[segment] + index / kPage]);
      const float* k = qkv.f32() + row * qkv.cols + heads.q();
      const float* v = k + heads.kv();
      for (int64_t i = 0; i < kv_heads * D; i++) page[i * kPage + lane] = k[i];
      page += kv_heads * D * kPage;
      for (int64_t h = 0; h < kv_heads; h++)
        memcpy(page + (h * kPage + lane) * D, v + h * D, static_cast<size_t>(D) * sizeof(float));
    }
  });
}

void attention_forward(Device& device, Tensor out, Tensor lse, Tensor qkv, KvCache cache, int64_t layer, ForestView forest,
                       Heads heads) {
  check(cache, qkv, heads, "attention_forward: expected f32 keys, values and rows, and an even head_dim");
  int64_t longest = 0, pieces = 0, positions = 0;
  for (int64_t row = 0; row < forest.rows; row++) {
    const int64_t segment = forest.segment[row], length = forest.position[row] + 1;
    const int64_t count = forest.piece_begin[segment + 1] - forest.piece_begin[segment];
    longest = length > longest ? length : longest;
    pieces = count > pieces ? count : pieces;
    positions += length;
  }
  const int64_t D = heads.head_dim, group = heads.heads / heads.kv_heads;
  const int64_t ld = ((longest + kPage) / 16 + 1) / 2 * 32 + 16;  // an odd number of cache lines
  int64_t queries = kScoreBytes / (ld * 4) / kTileRows * kTileRows;
  queries = queries < kTileRows ? kTileRows : queries > 4 * kTileRows ? 4 * kTileRows : queries;
  const int64_t pages = longest / kPage + pieces + 1;
  const Forward f{out, lse, qkv, cache, forest, heads, layer, group, queries, ld, 1 / sqrtf(static_cast<float>(D))};

  // Each share is the tiles whose work begins in its part of the whole.
  const int64_t shares = device.pool().size();
  int64_t work = 0;
  const auto cost = [&](int64_t row_begin, int64_t query) { return forest.position[row_begin + query / group] + 16; };
  for_runs(forest, [&](int64_t begin, int64_t end) {
    for (int64_t q = 0; q < (end - begin) * group; q += queries) work += cost(begin, q) * heads.kv_heads;
  });
  parallel(device, shares, 1, positions * heads.heads * D * 2, [&](int64_t share_begin, int64_t share_end, int thread) {
    const int64_t floats = queries * (ld + 2 * D);
    char* memory = static_cast<char*>(device.scratch(
        thread, static_cast<size_t>(floats) * 4 + static_cast<size_t>(queries) * 8 +
                    static_cast<size_t>(pages) * (sizeof(PathPage) + sizeof(KeyPage) + sizeof(Span))));
    Forward::Workspace w;
    w.scores = reinterpret_cast<float*>(memory);
    w.q = w.scores + queries * ld;
    w.sum = w.q + queries * D;
    w.length = reinterpret_cast<int64_t*>(w.sum + queries * D);
    w.path = reinterpret_cast<PathPage*>(w.length + queries);
    w.keys = reinterpret_cast<KeyPage*>(w.path + pages);
    w.values = reinterpret_cast<Span*>(w.keys + pages);
    int64_t done = 0;
    for_runs(forest, [&](int64_t begin, int64_t end) {
      int64_t used = -1;
      for (int64_t h = 0; h < heads.kv_heads; h++)
        for (int64_t q = 0; q < (end - begin) * group; q += queries) {
          const int64_t share = done * shares / work;
          done += cost(begin, q);
          if (share < share_begin || share >= share_end) continue;
          if (used < 0)
            used = path_pages(w.path, cache, layer, forest, forest.segment[begin], forest.position[end - 1] + 1);
          const int64_t left = (end - begin) * group - q;
          f.tile(w, used, begin, h, q, left < queries ? left : queries);
        }
    });
  });
}

}  // namespace rectify::RECTIFY_TARGET
