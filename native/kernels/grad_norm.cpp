// Adds sum(grad^2) to *sum. Products and sums are in double (a square of a float is exact there): 16 lanes within a block of
// 4096 values, then the blocks in order, so that the bits do not depend on the number of threads.
#include "kernels.h"
#include "simd.h"

namespace rectify::RECTIFY_TARGET {

namespace {

constexpr int64_t kBlock = 4096;

double sum_of_squares(const float* __restrict x, int64_t n) {
  double lanes[16] = {};
  int64_t i = 0;
  for (; i + 16 <= n; i += 16)
    for (int k = 0; k < 16; k++) {
      const double value = static_cast<double>(x[i + k]);
      lanes[k] += value * value;
    }
  for (int k = 0; i < n; i++, k++) lanes[k] += static_cast<double>(x[i]) * static_cast<double>(x[i]);
  double total = 0;
  for (int k = 0; k < 16; k++) total += lanes[k];
  return total;
}

}  // namespace

void grad_norm(Device& device, double* sum, Tensor grad) {
  const int64_t n = grad.size(), blocks = (n + kBlock - 1) / kBlock;
  if (n <= 0) return;
  auto* partial = static_cast<double*>(device.scratch(0, static_cast<size_t>(blocks) * sizeof(double)));
  parallel(device, n, kBlock, n, [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; i += kBlock)
      partial[i / kBlock] = sum_of_squares(grad.f32() + i, end - i < kBlock ? end - i : kBlock);
  });
  for (int64_t b = 0; b < blocks; b++) *sum += partial[b];
}

}  // namespace rectify::RECTIFY_TARGET
