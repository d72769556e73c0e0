// Chosen rows of a matrix: y[i] = x[rows[i]], and back, x[rows[i]] += y[i] for rows that all differ.
#include "kernels.h"
#include "simd.h"

namespace rectify::RECTIFY_TARGET {

void gather_rows(Device& device, Tensor y, Tensor x, Tensor rows) {
  parallel(device, y.rows, 1, y.size(), [&](int64_t begin, int64_t end, int) {
    const size_t bytes = static_cast<size_t>(y.cols) * dtype_bytes(y.dtype);
    for (int64_t i = begin; i < end; i++)
      memcpy(static_cast<char*>(y.data) + static_cast<size_t>(i) * bytes,
             static_cast<const char*>(x.data) + static_cast<size_t>(rows.i32()[i]) * bytes, bytes);
  });
}

void scatter_rows(Device& device, Tensor x, Tensor y, Tensor rows) {
  parallel(device, y.rows, 1, y.size(), [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; i++) {
      float* to = x.f32() + int64_t{rows.i32()[i]} * x.cols;
      const float* from = y.f32() + i * y.cols;
      for (int64_t c = 0; c < y.cols; c++) to[c] += from[c];
    }
  });
}

}  // namespace rectify::RECTIFY_TARGET
