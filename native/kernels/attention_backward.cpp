// Backward of forest attention, from the rows of the whole batch:
//   P = exp(q' k^T - lse), q' = q / sqrt(D);   dP = dout v^T;   dS = P (dP - rowsum(dout out))
//   dq = dS k / sqrt(D);   dk = dS^T q';   dv = P^T dout
// P is recomputed tile by tile. A key's gradient is one chain over the rows below it in row order, a query's one chain over
// its path, so neither depends on the number of threads. One thread takes a whole tree for one key-value head.
#include <cmath>

#include "kernels.h"
#include "tile.h"

namespace rectify::RECTIFY_TARGET {

namespace {

constexpr int64_t kPage = KvCache::page_tokens;
constexpr int64_t kQueries = 4 * kTileRows;
constexpr int64_t kKeys = 2 * kPage;
constexpr int64_t kLd = kKeys + 16;

struct Workspace {
  float *p, *ds, *q, *dout, *dq;  // one tile: [kQueries][kLd] twice, [kQueries][D] three times
  float *keys, *values;           // the tree's pages, transposed [D][32]
};

/** x [count, D] of stride ldx -> pages [D][32], zeros in the lanes past the end. */
void transpose(float* pages, const float* x, int64_t ldx, int64_t count, int64_t D) {
  for (int64_t first = 0; first < count; first += kPage, pages += D * kPage) {
    const int64_t n = count - first < kPage ? count - first : kPage;
    for (int64_t d = 0; d < D; d++) {
      float* line = pages + d * kPage;
      for (int64_t lane = 0; lane < n; lane++) line[lane] = x[(first + lane) * ldx + d];
      for (int64_t lane = n; lane < kPage; lane++) line[lane] = 0;
    }
  }
}

struct Backward {
  Tensor dqkv, dout, out, lse, qkv;
  ForestView forest;
  Heads heads;
  const int32_t* page_at;  // (segments) first page of the segment among its tree's
  int64_t group;
  float scale;

  float* row(const Tensor& t, int64_t r) const { return t.f32() + r * t.cols; }

  /** Calls body(i, row within the segment, head) for queries begin + i, counted row by row, head by head. */
  template <typename Body>
  void for_queries(int64_t begin, int64_t count, int64_t kv_head, const Body& body) const {
    int64_t at = begin / group, g = begin % group;
    for (int64_t i = 0; i < count; i++) {
      body(i, at, kv_head * group + g);
      if (++g == group) g = 0, at++;
    }
  }

  /** p and ds of `count` queries against `keys` keys; query i sees the first visible[i] of them. */
  void gradients(const Workspace& w, const float* lse_of, const float* delta, int64_t count, int64_t keys,
                 const int64_t* visible) const {
    for (int64_t i = 0; i < count; i++) {
      float *p = w.p + i * kLd, *ds = w.ds + i * kLd;
      for (int64_t j = 0; j < keys; j += 16) {
        const v16f e = exp16(load16(p + j) - lse_of[i]);
        store16(p + j, e);
        store16(ds + j, e * (load16(ds + j) - delta[i]));
      }
      for (int64_t j = visible[i] > 0 ? visible[i] : 0; j < keys; j++) p[j] = 0, ds[j] = 0;
    }
  }

  void tile(const Workspace& w, int64_t segment, int64_t kv_head, int64_t begin, int64_t count) const {
    const int64_t D = heads.head_dim, first_row = forest.row_begin[segment];
    const int64_t k_column = heads.q() + kv_head * D, v_column = k_column + heads.kv();
    float lse_of[kQueries], delta[kQueries];
    int64_t index[kQueries];  // the query's row within the segment
    for_queries(begin, count, kv_head, [&](int64_t i, int64_t at, int64_t head) {
      const int64_t r = first_row + at;
      const float* g = row(dout, r) + head * D;
      scale_columns(w.q + i * D, row(qkv, r) + head * D, scale, D);
      scale_columns(w.dout + i * D, g, 1, D);
      index[i] = at;
      lse_of[i] = row(lse, r)[head];
      delta[i] = dot(g, row(out, r) + head * D, D);
    });
    zero_columns(w.dq, count * D);
    const int64_t last = index[count - 1];
    for (int64_t piece = forest.piece_begin[segment]; piece < forest.piece_begin[segment + 1]; piece++) {
      const int64_t owner = forest.piece_segment[piece];
      const int64_t length = owner == segment ? last + 1 : forest.piece_length[piece];
      for (int64_t j = 0; j < length; j += kKeys) {
        const int64_t keys = length - j < kKeys ? length - j : kKeys, pages = (keys + kPage - 1) / kPage;
        const int64_t at = (page_at[owner] + j / kPage) * D * kPage, r = forest.row_begin[owner] + j;
        const KeyPage key_pages[] = {{w.keys + at, 0}, {w.keys + at + D * kPage, kPage}};
        const KeyPage value_pages[] = {{w.values + at, 0}, {w.values + at + D * kPage, kPage}};
        int64_t visible[kQueries];
        for (int64_t i = 0; i < count; i++) visible[i] = owner == segment ? index[i] + 1 - j : keys;
        score(count, w.p, kLd, w.q, D, key_pages, pages);
        score(count, w.ds, kLd, w.dout, D, value_pages, pages);
        gradients(w, lse_of, delta, count, keys, visible);
        const Span key_rows{row(qkv, r) + k_column, 0, keys}, q_rows{w.q, 0, count}, dout_rows{w.dout, 0, count};
        mix<Order::rows>(count, w.dq, D, w.ds, kLd, &key_rows, 1, qkv.cols, D);
        mix<Order::columns>(keys, row(dqkv, r) + k_column, dqkv.cols, w.ds, kLd, &q_rows, 1, D, D);
        mix<Order::columns>(keys, row(dqkv, r) + v_column, dqkv.cols, w.p, kLd, &dout_rows, 1, D, D);
      }
    }
    for_queries(begin, count, kv_head, [&](int64_t i, int64_t at, int64_t head) {
      scale_columns(row(dqkv, first_row + at) + head * D, w.dq + i * D, scale, D);
    });
  }

  void segment(const Workspace& w, int64_t s, int64_t kv_head) const {
    const int64_t D = heads.head_dim, begin = forest.row_begin[s], rows = forest.row_begin[s + 1] - begin;
    const int64_t k_column = heads.q() + kv_head * D, v_column = k_column + heads.kv();
    const int64_t at = page_at[s] * D * kPage;
    transpose(w.keys + at, row(qkv, begin) + k_column, qkv.cols, rows, D);
    transpose(w.values + at, row(qkv, begin) + v_column, qkv.cols, rows, D);
    for (int64_t r = begin; r < begin + rows; r++) {
      zero_columns(row(dqkv, r) + k_column, D);
      zero_columns(row(dqkv, r) + v_column, D);
    }
    for (int64_t q = 0; q < rows * group; q += kQueries)
      tile(w, s, kv_head, q, rows * group - q < kQueries ? rows * group - q : kQueries);
  }
};

}  // namespace

void attention_backward(Device& device, Tensor dqkv, Tensor dout, Tensor out, Tensor lse, Tensor qkv, ForestView forest,
                        Heads heads) {
  if (qkv.dtype != Dtype::f32 || dqkv.dtype != Dtype::f32 || heads.head_dim % 2 != 0)
    throw std::runtime_error("attention_backward: expected f32 rows and an even head_dim");
  const int64_t D = heads.head_dim, S = forest.segments;

  // Shared index: each segment's tree (named by its root) and place among the tree's pages; each tree's pages and work.
  const size_t work_at = (static_cast<size_t>(S) * 3 * sizeof(int32_t) + 63) / 64 * 64;
  const size_t index_bytes = work_at + (static_cast<size_t>(S) * sizeof(int64_t) + 63) / 64 * 64;
  const auto fill = [&](char* memory) {
    int32_t *root = reinterpret_cast<int32_t*>(memory), *page_at = root + S, *pages = page_at + S;
    auto* work = reinterpret_cast<int64_t*>(memory + work_at);
    int64_t most = 0;
    for (int64_t s = 0; s < S; s++) {
      const int64_t rows = forest.row_begin[s + 1] - forest.row_begin[s];
      root[s] = forest.piece_segment[forest.piece_begin[s]];
      if (root[s] == s) pages[s] = 0, work[s] = 0;
      page_at[s] = pages[root[s]];
      pages[root[s]] += static_cast<int32_t>((rows + kPage - 1) / kPage);
      work[root[s]] += rows * (2 * forest.segment_base[s] + rows + 16);
      if (pages[root[s]] > most) most = pages[root[s]];
    }
    return most;
  };
  const int64_t most_pages = fill(static_cast<char*>(device.scratch(0, index_bytes)));
  const int64_t floats = kQueries * (2 * kLd + 3 * D) + 2 * (most_pages + 1) * D * kPage;
  const size_t bytes = static_cast<size_t>(floats) * sizeof(float);
  char* index = static_cast<char*>(device.scratch(0, index_bytes + bytes));
  fill(index);
  const auto* root = reinterpret_cast<const int32_t*>(index);
  const auto* work = reinterpret_cast<const int64_t*>(index + work_at);
  const Backward b{dqkv, dout, out, lse, qkv, forest, heads, root + S, heads.heads / heads.kv_heads,
                   1 / sqrtf(static_cast<float>(D))};

  int64_t total = 0;
  for (int64_t s = 0; s < S; s++)
    if (root[s] == s) total += work[s] * heads.kv_heads;
  const int64_t shares = device.pool().size();
  parallel(device, shares, 1, total / 2 * b.group * D * 5, [&](int64_t share_begin, int64_t share_end, int thread) {
    char* memory = thread == 0 ? index + index_bytes : static_cast<char*>(device.scratch(thread, bytes));
    Workspace w;
    w.p = reinterpret_cast<float*>(memory);
    w.ds = w.p + kQueries * kLd;
    w.q = w.ds + kQueries * kLd;
    w.dout = w.q + kQueries * D;
    w.dq = w.dout + kQueries * D;
    w.keys = w.dq + kQueries * D;
    w.values = w.keys + (most_pages + 1) * D * kPage;
    int64_t done = 0;
    for (int64_t tree = 0; tree < S; tree++) {
      if (root[tree] != tree) continue;
      for (int64_t h = 0; h < heads.kv_heads; h++) {
        const int64_t share = (done + work[tree] / 2) * shares / total;
        done += work[tree];
        if (share < share_begin || share >= share_end) continue;
        for (int64_t s = tree; s < S; s++)
          if (root[s] == tree) b.segment(w, s, h);
      }
    }
  });
}

}  // namespace rectify::RECTIFY_TARGET
