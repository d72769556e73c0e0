// bf16 products by cuBLASLt: one algorithm per shape of the weight, chosen for kUsualRows rows and kept for every number of rows, so
// that a row's bits depend on that row alone. cuBLASLt promises no such thing: it promises the same bits for the same call. What is
// left to it is how one tile adds up its terms: all schemes that cut a sum (split-K, stream-K) are masked out, keep their parts in
// a workspace, of which there is none, and are looked for in what it proposes. test:gpu compares a row's bits in batches of 1 to 4,096.
// In its column-major words, C^T [J, I] = B [J, S] A^T [S, I].
#pragma once
#include <array>
#include <map>
#include <mutex>

#include "../../device/cublaslt.h"
#include "mma.cuh"
#include "product.cuh"

#if !defined(RECTIFY_EMULATE_CUDA) && __has_include(<cublasLt.h>)
#include <cublasLt.h>
static_assert(CUBLAS_STATUS_SUCCESS == rectify::CublasLt::success && CUDA_R_32F == rectify::CublasLt::f32 &&
              CUDA_R_16BF == rectify::CublasLt::bf16 && CUBLAS_COMPUTE_32F == rectify::CublasLt::compute_f32 &&
              CUBLAS_OP_N == rectify::CublasLt::keep && CUBLAS_OP_T == rectify::CublasLt::transpose &&
              CUBLASLT_MATMUL_DESC_TRANSA == rectify::CublasLt::transpose_a &&
              CUBLASLT_MATMUL_DESC_TRANSB == rectify::CublasLt::transpose_b &&
              CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES == rectify::CublasLt::most_workspace &&
              CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK == rectify::CublasLt::reductions &&
              CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES == rectify::CublasLt::alignments[0] &&
              CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES == rectify::CublasLt::alignments[3] &&
              CUBLASLT_ALGO_CONFIG_SPLITK_NUM == rectify::CublasLt::split_k &&
              CUBLASLT_ALGO_CONFIG_REDUCTION_SCHEME == rectify::CublasLt::reduction && CUBLASLT_REDUCTION_SCHEME_NONE == 0 &&
              sizeof(cublasLtMatmulAlgo_t) == sizeof(rectify::CublasLt::Algorithm) &&
              sizeof(cublasLtMatmulHeuristicResult_t) == sizeof(rectify::CublasLt::Candidate));
#endif

namespace rectify::RECTIFY_TARGET {

constexpr int64_t kUsualRows = 512;
constexpr uint64_t kLibraryBytes = 0;
constexpr int kLibraryAlignment = 16;

/** The descriptions that one product needs, destroyed with it. */
class LibraryProduct {
 public:
  LibraryProduct(const CublasLt& lt, const Product& p, int64_t rows, int64_t depth) : lt_(lt) {
    const int32_t of_b = p.b.columns ? CublasLt::keep : CublasLt::transpose, of_a = p.a.columns ? CublasLt::transpose : CublasLt::keep;
    const auto u = [](int64_t n) { return static_cast<uint64_t>(n); };
    const int c_type = p.c_dtype == Dtype::f32 ? CublasLt::f32 : CublasLt::bf16;
    good = lt.product_create(&product, CublasLt::compute_f32, CublasLt::f32) == CublasLt::success &&
           lt.product_set(product, CublasLt::transpose_a, &of_b, sizeof of_b) == CublasLt::success &&
           lt.product_set(product, CublasLt::transpose_b, &of_a, sizeof of_a) == CublasLt::success &&
           lt.layout_create(&b, CublasLt::bf16, u(p.b.columns ? p.b.rows : depth), u(p.b.columns ? depth : p.b.rows), p.b.stride) ==
               CublasLt::success &&
           lt.layout_create(&a, CublasLt::bf16, u(p.a.columns ? rows : depth), u(p.a.columns ? depth : rows), p.a.stride) ==
               CublasLt::success &&
           lt.layout_create(&c, c_type, u(p.b.rows), u(rows), p.b.rows) == CublasLt::success;
  }
  ~LibraryProduct() {
    if (product) lt_.product_destroy(product);
    for (void* layout : {a, b, c})
      if (layout) lt_.layout_destroy(layout);
  }
  LibraryProduct(const LibraryProduct&) = delete;
  LibraryProduct& operator=(const LibraryProduct&) = delete;

  void *product = nullptr, *a = nullptr, *b = nullptr, *c = nullptr;
  bool good = false;

 private:
  const CublasLt& lt_;
};

/** What is kept per GPU: the handle, and the algorithm of each shape (none: our tiles take it). */
struct LibraryState {
  void* handle = nullptr;
  bool tried = false;
  struct Choice {
    bool any = false;
    CublasLt::Algorithm algorithm{};
  };
  std::map<std::array<int64_t, 6>, Choice> choices;
};

/** Can the algorithm compute this product? */
inline bool serves(const CublasLt& lt, void* handle, const LibraryProduct& p, const CublasLt::Algorithm& algorithm) {
  CublasLt::Candidate verdict{};
  return p.good && lt.check(handle, p.product, p.b, p.a, p.c, p.c, &algorithm, &verdict) == CublasLt::success &&
         verdict.state == CublasLt::success && verdict.workspace <= kLibraryBytes;
}

/** Does it add up each sum in one piece? */
inline bool whole_sums(const CublasLt& lt, const CublasLt::Algorithm& algorithm) {
  int32_t parts = 0;
  uint32_t scheme = 0;
  size_t written = 0;
  return lt.setting(&algorithm, CublasLt::split_k, &parts, sizeof parts, &written) == CublasLt::success && (parts == 0 || parts == 1) &&
         lt.setting(&algorithm, CublasLt::reduction, &scheme, sizeof scheme, &written) == CublasLt::success && scheme == 0;
}

inline LibraryState::Choice choose_algorithm(const CublasLt& lt, void* handle, const Product& p) {
  const bool by_weight = !p.a.columns;  // else a weight's gradient: the terms are rows
  const auto of_rows = [&](int64_t rows) { return LibraryProduct(lt, p, by_weight ? rows : p.a.rows, by_weight ? p.depth : rows); };
  const LibraryProduct usual = of_rows(kUsualRows);
  void* preference = nullptr;
  if (!usual.good || lt.preference_create(&preference) != CublasLt::success) return {};
  const uint32_t no_reduction = 0, alignment = kLibraryAlignment;
  bool good = lt.preference_set(preference, CublasLt::most_workspace, &kLibraryBytes, sizeof kLibraryBytes) == CublasLt::success &&
              lt.preference_set(preference, CublasLt::reductions, &no_reduction, sizeof no_reduction) == CublasLt::success;
  for (int attribute : CublasLt::alignments)
    good = good && lt.preference_set(preference, attribute, &alignment, sizeof alignment) == CublasLt::success;
  constexpr int most = 16;
  CublasLt::Candidate found[most];
  int count = 0;
  if (good && lt.candidates(handle, usual.product, usual.b, usual.a, usual.c, usual.c, preference, most, found, &count) != CublasLt::success)
    count = 0;
  lt.preference_destroy(preference);
  for (int i = 0; i < count; i++) {
    const CublasLt::Algorithm& algorithm = found[i].algorithm;
    bool serving = found[i].state == CublasLt::success && whole_sums(lt, algorithm);
    for (int64_t rows : {1, 7, 64, 513, 4096}) serving = serving && (!by_weight || serves(lt, handle, of_rows(rows), algorithm));
    if (serving) return {true, algorithm};
  }
  return {};
}

__global__ void start_from_bias(void* c, Dtype dtype, const float* bias, int64_t size, int64_t columns, bool accumulate) {
  const int64_t i = int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (i >= size) return;
  const float b = bias[i % columns];
  if (dtype == Dtype::f32) {
    float* to = static_cast<float*>(c) + i;
    *to = accumulate ? *to + b : b;
  } else {
    bf16* to = static_cast<bf16*>(c) + i;
    *to = from_float<bf16>(accumulate ? to_float(*to) + b : b);
  }
}

/** Computes the bf16 product, or returns false: no library, or none of its algorithms serves. */
inline bool multiply_by_library(Device& device, const Product& p) {
  const CublasLt* lt = cublaslt();
  const auto aligned = [](const void* data) { return reinterpret_cast<uintptr_t>(data) % kLibraryAlignment == 0; };
  if (!lt || lt->emulated != (device.target == Target::emulated) || p.depth == 0 || p.a.stride % 8 != 0 || p.b.stride % 8 != 0 || p.b.rows % 8 != 0 || !aligned(p.a.data) ||
      !aligned(p.b.data) || !aligned(p.c))
    return false;
  static std::mutex one_at_a_time;
  static std::map<int, LibraryState> states;
  const cudaStream_t on = stream(device);
  const std::lock_guard lock(one_at_a_time);
  LibraryState& state = states[gpu(device).index];
  if (!state.tried) {
    state.tried = true;
    if (lt->create(&state.handle) != CublasLt::success) state.handle = nullptr;
  }
  if (!state.handle) return false;
  const bool begun = p.accumulate || p.bias;
  const std::array<int64_t, 6> key{p.b.rows,    p.a.columns ? p.a.rows : p.depth,        p.b.stride,
                                   p.a.columns, p.b.columns,                             (p.c_dtype == Dtype::f32) * 2 + begun};
  auto at = state.choices.find(key);
  if (at == state.choices.end()) at = state.choices.emplace(key, choose_algorithm(*lt, state.handle, p)).first;
  if (!at->second.any) return false;
  const LibraryProduct call(*lt, p, p.a.rows, p.depth);
  if (!serves(*lt, state.handle, call, at->second.algorithm)) return false;
  if (p.bias) {
    constexpr int threads = 256;
    const int64_t size = p.rows() * p.columns();
    LAUNCH(start_from_bias, blocks_for(size, threads), threads, 0, on, p.c, p.c_dtype, p.bias, size, p.columns(), p.accumulate);
  }
  const float one = 1, beta = begun ? 1 : 0;
  if (lt->multiply(state.handle, call.product, &one, p.b.data, call.b, p.a.data, call.a, &beta, p.c, call.c, p.c, call.c,
                   &at->second.algorithm, nullptr, kLibraryBytes, on) != CublasLt::success)
    throw std::runtime_error("matmul: " + lt->path + " refused a product it had accepted; set RECTIFY_CUBLASLT=off");
  if (synchronous_launches()) check(cudaStreamSynchronize(on), "matmul by cuBLASLt");
  return true;
}

}  // namespace rectify::RECTIFY_TARGET
