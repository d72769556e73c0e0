// A library with the part of cuBLASLt's interface that the engine binds (device/cublaslt.h), for tests without a GPU: it checks what it is
// given as the real one documents, and computes column-major products by plain loops on an emulated stream. Each of its algorithms adds
// up in an order of its own, and which is offered first depends on the number of columns, as with the real one: who does not keep to
// one algorithm gets other bits.
#include "cublaslt.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <set>
#include <vector>

namespace {

enum Status { success = 0, not_initialized = 1, invalid_value = 7, not_supported = 15 };
enum Type { f32 = 0, bf16 = 14 };

struct Handle {};
struct Product {
  int32_t transpose_a = 0, transpose_b = 0;
};
struct Layout {
  int type;
  uint64_t rows, columns;
  int64_t stride;
};
struct Preference {
  uint64_t most_workspace = 0;
  uint32_t reductions = ~0u, alignments[4] = {256, 256, 256, 256};
};
struct Algorithm {
  uint64_t kind, parts, most_columns, unused[5];
};
struct Candidate {
  Algorithm algorithm;
  size_t workspace;
  int state;
  float waves;
  int reserved[4];
};

rectify::test::StandIn stand_in;
std::set<const void*> handles, products, layouts, preferences;

[[noreturn]] void wrong(const char* what) {
  std::fprintf(stderr, "cuBLASLt stand-in: %s\n", what);
  std::abort();
}
void expect(bool right, const char* what) {
  if (!right) wrong(what);
}
template <typename T>
const T& alive(const std::set<const void*>& all, const void* one, const char* what) {
  if (!all.count(one)) wrong(what);
  return *static_cast<const T*>(one);
}
template <typename T>
int create(std::set<const void*>& all, void** out, T value) {
  *out = new T(value);
  all.insert(*out);
  stand_in.alive++;
  return success;
}
template <typename T>
int destroy(std::set<const void*>& all, void* one) {
  expect(all.erase(one) == 1, "expected what was created and not destroyed");
  delete static_cast<T*>(one);
  stand_in.alive--;
  return success;
}

/** op(A) [m, k] op(B) [k, n] -> D [m, n]. */
struct Shape {
  uint64_t m, n, k;
  bool fits;
};
Shape shape_of(const Product& p, const Layout& a, const Layout& b, const Layout& d) {
  const uint64_t m = p.transpose_a ? a.columns : a.rows, k = p.transpose_a ? a.rows : a.columns;
  const uint64_t n = p.transpose_b ? b.rows : b.columns, depth = p.transpose_b ? b.columns : b.rows;
  return {m, n, k, k == depth && d.rows == m && d.columns == n && m > 0 && n > 0 && k > 0};
}

/** All that a call must have right; the shape is supported or not. */
Shape checked(void* handle, void* product, void* a, void* b, void* c, void* d) {
  alive<Handle>(handles, handle, "expected a handle");
  const auto& p = alive<Product>(products, product, "expected a product's description");
  for (const void* layout : {a, b, c, d}) alive<Layout>(layouts, layout, "expected a matrix's description");
  const auto &la = *static_cast<Layout*>(a), &lb = *static_cast<Layout*>(b), &lc = *static_cast<Layout*>(c), &ld = *static_cast<Layout*>(d);
  for (const Layout* l : {&la, &lb, &lc, &ld})
    expect(l->stride >= static_cast<int64_t>(l->rows), "expected columns at least as far apart as they are long");
  expect(la.type == bf16 && lb.type == bf16 && lc.type == ld.type, "expected bf16 A and B, C and D of one type");
  expect(lc.rows == ld.rows && lc.columns == ld.columns, "expected C and D of one shape");
  const Shape s = shape_of(p, la, lb, ld);
  expect(s.fits, "expected matrices that fit together");
  return s;
}

bool takes(const Algorithm& algorithm, const Shape& s) {
  return algorithm.kind >= 1 && algorithm.kind <= 3 && s.n <= algorithm.most_columns && s.k % 8 == 0 && s.m % 8 == 0 && s.k != 24;
}

float read(const void* data, int type, int64_t at) {
  if (type == f32) return static_cast<const float*>(data)[at];
  const uint32_t bits = static_cast<uint32_t>(static_cast<const uint16_t*>(data)[at]) << 16;
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}
void write(void* data, int type, int64_t at, float value) {
  if (type == f32) {
    static_cast<float*>(data)[at] = value;
    return;
  }
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  static_cast<uint16_t*>(data)[at] = value != value ? 0x7fff : static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

/** Terms ascending, descending, or in `parts` sums of their own. */
float sum_of(const Algorithm& algorithm, const std::vector<float>& terms) {
  const size_t count = terms.size(), parts = algorithm.parts;
  float all = 0;
  for (size_t part = 0; part < parts; part++) {
    float sum = 0;
    for (size_t i = part; i < count; i += parts) sum += terms[algorithm.kind == 2 ? count - 1 - i : i];
    all += sum;
  }
  return all;
}

}  // namespace

#define EXPORT extern "C" __attribute__((visibility("default")))

EXPORT rectify::test::StandIn* rectify_stand_in() { return &stand_in; }

EXPORT size_t cublasLtGetVersion() { return 130000; }

EXPORT int cublasLtCreate(void** handle) {
  if (stand_in.no_handle) return not_initialized;
  static Handle only;  // kept for good
  handles.insert(&only);
  *handle = &only;
  return success;
}

EXPORT int cublasLtMatmulDescCreate(void** product, int compute, int scale) {
  expect(compute == 68 && scale == f32, "expected sums and scales in f32");
  return create(products, product, Product{});
}
EXPORT int cublasLtMatmulDescSetAttribute(void* product, int attribute, const void* value, size_t bytes) {
  alive<Product>(products, product, "expected a product's description");
  if (bytes != sizeof(int32_t) || (attribute != 3 && attribute != 4)) return invalid_value;
  auto& p = *static_cast<Product*>(product);
  int32_t& to = attribute == 3 ? p.transpose_a : p.transpose_b;
  std::memcpy(&to, value, sizeof to);
  return to == 0 || to == 1 ? success : invalid_value;
}
EXPORT int cublasLtMatmulDescDestroy(void* product) { return destroy<Product>(products, product); }

EXPORT int cublasLtMatrixLayoutCreate(void** layout, int type, uint64_t rows, uint64_t columns, int64_t stride) {
  return create(layouts, layout, Layout{type, rows, columns, stride});
}
EXPORT int cublasLtMatrixLayoutDestroy(void* layout) { return destroy<Layout>(layouts, layout); }

EXPORT int cublasLtMatmulPreferenceCreate(void** preference) { return create(preferences, preference, Preference{}); }
EXPORT int cublasLtMatmulPreferenceSetAttribute(void* preference, int attribute, const void* value, size_t bytes) {
  alive<Preference>(preferences, preference, "expected a preference");
  auto& p = *static_cast<Preference*>(preference);
  const bool large = attribute == 1;
  if (bytes != (large ? sizeof(uint64_t) : sizeof(uint32_t))) return invalid_value;
  if (large) return std::memcpy(&p.most_workspace, value, bytes), success;
  if (attribute == 3) return std::memcpy(&p.reductions, value, bytes), success;
  if (attribute < 5 || attribute > 8) return invalid_value;
  return std::memcpy(&p.alignments[attribute - 5], value, bytes), success;
}
EXPORT int cublasLtMatmulPreferenceDestroy(void* preference) { return destroy<Preference>(preferences, preference); }

EXPORT int cublasLtMatmulAlgoGetHeuristic(void* handle, void* product, void* a, void* b, void* c, void* d, void* preference, int most,
                                          Candidate* found, int* count) {
  const Shape s = checked(handle, product, a, b, c, d);
  const auto& p = alive<Preference>(preferences, preference, "expected a preference");
  for (const uint32_t alignment : p.alignments) expect(alignment == 16, "expected alignments of 16 bytes");
  expect(most > 0, "expected room for algorithms");
  stand_in.asked++;
  stand_in.columns = s.n;
  const uint64_t any = ~uint64_t{0}, kept = stand_in.most_rows_513 ? 513 : any;
  std::vector<Candidate> all;
  const auto offer = [&](uint64_t kind, uint64_t parts, uint64_t columns, size_t workspace, int state) {
    all.push_back({{kind, parts, columns, {}}, workspace, state, 1, {}});
  };
  offer(9, 1, any, 0, not_supported);
  offer(3, 4, any, 0, success);
  offer(1, 1, 512, 0, success);  // serves few rows
  if (!stand_in.split_alone) {
    offer(s.n < 64 ? 2 : 1, 1, kept, 0, success);
    offer(s.n < 64 ? 1 : 2, 1, kept, 0, success);
  }
  *count = 0;
  if (!takes({1, 1, any, {}}, s)) return not_supported;
  for (const Candidate& one : all)
    if (*count < most && one.workspace <= p.most_workspace) found[(*count)++] = one;
  return *count ? success : not_supported;
}

EXPORT int cublasLtMatmulAlgoConfigGetAttribute(const Algorithm* algorithm, int attribute, void* value, size_t bytes, size_t* written) {
  const uint32_t out = attribute == 2 ? static_cast<uint32_t>(algorithm->parts) : 0;
  if ((attribute != 2 && attribute != 3) || bytes != sizeof out) return invalid_value;
  std::memcpy(value, &out, sizeof out);
  if (written) *written = sizeof out;
  return success;
}

EXPORT int cublasLtMatmulAlgoCheck(void* handle, void* product, void* a, void* b, void* c, void* d, const Algorithm* algorithm,
                                   Candidate* result) {
  const Shape s = checked(handle, product, a, b, c, d);
  if (!takes(*algorithm, s)) return not_supported;
  *result = {*algorithm, 0, success, 1, {}};
  return success;
}

EXPORT int cublasLtMatmul(void* handle, void* product, const void* alpha, const void* a, void* a_layout, const void* b, void* b_layout,
                          const void* beta, const void* c, void* c_layout, void* d, void* d_layout, const Algorithm* algorithm,
                          void* workspace, size_t workspace_bytes, void* stream) {
  const Shape s = checked(handle, product, a_layout, b_layout, c_layout, d_layout);
  if (!takes(*algorithm, s)) return not_supported;
  for (const void* data : {a, b, c, static_cast<const void*>(d)})
    expect(data && reinterpret_cast<uintptr_t>(data) % 16 == 0, "expected data aligned to 16 bytes, as the preference has it");
  expect(c == d && std::memcmp(c_layout, d_layout, sizeof(Layout)) == 0, "expected C and D in one place");
  expect(workspace || workspace_bytes == 0, "expected a workspace of the size it is given with");
  expect(stream && stand_in.enqueue, "expected an emulated stream");
  const Product p = *static_cast<Product*>(product);
  const Layout la = *static_cast<Layout*>(a_layout), lb = *static_cast<Layout*>(b_layout), ld = *static_cast<Layout*>(d_layout);
  float scale, keep;
  std::memcpy(&scale, alpha, sizeof scale);
  std::memcpy(&keep, beta, sizeof keep);
  stand_in.products++;
  return stand_in.enqueue(stream, [=, chosen = *algorithm] {
    std::vector<float> terms(s.k);
    for (uint64_t j = 0; j < s.n; j++)
      for (uint64_t i = 0; i < s.m; i++) {
        for (uint64_t k = 0; k < s.k; k++) {
          const auto of = [](const Layout& l, uint64_t row, uint64_t column) { return static_cast<int64_t>(column) * l.stride + static_cast<int64_t>(row); };
          terms[k] = read(a, bf16, p.transpose_a ? of(la, k, i) : of(la, i, k)) * read(b, bf16, p.transpose_b ? of(lb, j, k) : of(lb, k, j));
        }
        const int64_t at = static_cast<int64_t>(j) * ld.stride + static_cast<int64_t>(i);
        const float start = keep == 0 ? 0 : keep * read(c, ld.type, at);
        write(d, ld.type, at, scale * sum_of(chosen, terms) + start);
      }
  }) == 0 ? success : invalid_value;
}
