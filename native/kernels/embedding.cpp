// Rows of the token table: y[t] = W[id[t]] read out of the panels that the output layer multiplies with (bf16 widens to f32);
// backward: dW[id[t]] += dy[t], t ascending, so that the sum does not depend on how rows are cut into calls.
#include "kernels.h"
#include "simd.h"

namespace rectify::RECTIFY_TARGET {

void embedding_forward(Device& device, Tensor y, Panels table, Tensor ids) {
  parallel(device, y.rows, 1, y.size(), [&](int64_t begin, int64_t end, int) {
    for (int64_t t = begin; t < end; t++) {
      const int64_t id = ids.i32()[t], lane = id % Panels::width;
      const char* panel = static_cast<const char*>(table.data) + table.panel_bytes() * static_cast<size_t>(id / Panels::width);
      float* to = y.f32() + t * y.cols;
      if (table.dtype == Dtype::bf16) {
        const auto* from = reinterpret_cast<const uint16_t*>(panel) + 2 * lane;
        for (int64_t c = 0; c < y.cols; c++) {
          const uint32_t bits = static_cast<uint32_t>(from[c / 2 * 2 * Panels::width + c % 2]) << 16;
          memcpy(to + c, &bits, sizeof bits);
        }
      } else {
        const float* from = reinterpret_cast<const float*>(panel) + lane;
        for (int64_t c = 0; c < y.cols; c++) to[c] = from[c * Panels::width];
      }
    }
  });
}

void embedding_backward(Device& device, Tensor dtable, Tensor dy, Tensor ids) {
  parallel(device, dy.cols, 16, dy.size(), [&](int64_t begin, int64_t end, int) {
    for (int64_t t = 0; t < dy.rows; t++) {
      float* to = dtable.f32() + int64_t{ids.i32()[t]} * dtable.cols;
      const float* from = dy.f32() + t * dy.cols;
      for (int64_t c = begin; c < end; c++) to[c] += from[c];
    }
  });
}

}  // namespace rectify::RECTIFY_TARGET
