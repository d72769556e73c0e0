// NVIDIA's matrix products, opened at run time: where libcublasLt is looked for, and the few of its functions that we call.
// Written from its C interface, so that it builds without cublasLt.h; where that is at hand it is compared (kernels/cuda/library.cuh).
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace rectify {

struct CublasLt {
  struct Algorithm {
    uint64_t data[8];
  };
  struct Candidate {
    Algorithm algorithm;
    size_t workspace;
    int state;
    float waves;
    int reserved[4];
  };
  static constexpr int success = 0, f32 = 0, bf16 = 14, compute_f32 = 68, keep = 0, transpose = 1;
  /** Attributes: of a product, of a preference (and its least alignments of A, B, C and D), of an algorithm. */
  static constexpr int transpose_a = 3, transpose_b = 4, most_workspace = 1, reductions = 3, alignments[] = {5, 6, 7, 8}, split_k = 2,
                       reduction = 3;

  std::string path;
  bool emulated;  // a stand-in that serves emulated GPUs, and they no other
  size_t (*version)();
  int (*create)(void** handle);
  int (*product_create)(void** product, int compute, int scale);
  int (*product_set)(void* product, int attribute, const void* value, size_t bytes);
  int (*product_destroy)(void* product);
  int (*layout_create)(void** layout, int type, uint64_t rows, uint64_t columns, int64_t stride);
  int (*layout_destroy)(void* layout);
  int (*preference_create)(void** preference);
  int (*preference_set)(void* preference, int attribute, const void* value, size_t bytes);
  int (*preference_destroy)(void* preference);
  int (*candidates)(void* handle, void* product, void* a, void* b, void* c, void* d, void* preference, int most,
                    Candidate* found, int* count);
  int (*setting)(const Algorithm* algorithm, int attribute, void* value, size_t bytes, size_t* written);
  int (*check)(void* handle, void* product, void* a, void* b, void* c, void* d, const Algorithm* algorithm, Candidate* result);
  int (*multiply)(void* handle, void* product, const void* alpha, const void* a, void* a_layout, const void* b, void* b_layout,
                  const void* beta, const void* c, void* c_layout, void* d, void* d_layout, const Algorithm* algorithm,
                  void* workspace, size_t workspace_bytes, void* stream);
};

/** The library, or null where there is none or RECTIFY_CUBLASLT=off. It is looked for once. */
const CublasLt* cublaslt();

/** Where it is looked for, in order: RECTIFY_CUBLASLT (a file or a folder), the loader's own places, CUDA's folders, Python wheels. */
std::vector<std::string> cublaslt_candidates();

}  // namespace rectify
