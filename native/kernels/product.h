// What every matrix product on the CPU is told, and how work is cut.
#pragma once
#include "simd.h"

namespace rectify::RECTIFY_TARGET {

struct Product {
  int64_t rows = 0, columns = 0, depth = 0;
  float* c = nullptr;            // [rows, columns]
  const float* start = nullptr;  // where the chains start: c itself (stride columns), a bias (stride 0), or null for zero
  int64_t start_stride = 0;
  bool split_columns = false;  // between threads; else rows
};

RECTIFY_INLINE int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
RECTIFY_INLINE int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

}  // namespace rectify::RECTIFY_TARGET
