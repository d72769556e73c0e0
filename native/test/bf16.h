// Rows in bf16 for the GPU's kernels, and their judge: the same kernel in f32, which other tests hold to double loops, rounded once.
#pragma once
#include "check.h"

namespace rectify::test {

inline float widened(uint16_t bits) {
  const uint32_t wide = static_cast<uint32_t>(bits) << 16;
  float value;
  std::memcpy(&value, &wide, sizeof value);
  return value;
}

/** A matrix that begins `shift` values after an aligned address. */
struct Narrow {
  int64_t rows, cols;
  size_t shift;
  std::vector<uint16_t> bits;

  Narrow(int64_t rows, int64_t cols, size_t shift, const std::vector<float>& from = {})
      : rows(rows), cols(cols), shift(shift), bits(static_cast<size_t>(rows * cols) + shift, 0x7fc0) {
    for (size_t i = 0; i < from.size(); i++) {
      uint32_t u;
      std::memcpy(&u, &from[i], sizeof u);
      bits[shift + i] = static_cast<uint16_t>((u + 0x7fff + ((u >> 16) & 1)) >> 16);
    }
  }
  Tensor view() { return {bits.data() + shift, rows, cols, Dtype::bf16}; }
  std::vector<float> values() const {
    std::vector<float> all;
    for (size_t i = shift; i < bits.size(); i++) all.push_back(widened(bits[i]));
    return all;
  }
  /** Does it hold these values, rounded? A kernel in bf16 may contract a product that its twin in f32 rounds, or not. */
  bool holds(const std::vector<float>& exact) const {
    const auto own = values();
    for (size_t i = 0; i < own.size(); i++)
      if (!(std::fabs(own[i] - exact[i]) <= 0x1.02p-8f * std::fabs(exact[i]) + 1e-30f)) return false;
    return own.size() == exact.size();
  }
};

/** Calls body(device, shift) on the GPU's kernels, with rows that begin at an aligned address and beside one. */
template <typename Body>
void on_gpus(const Body& body) {
  for (auto& device : all_devices(1))
    if (is_gpu(*device))
      for (size_t shift : {size_t{0}, size_t{1}}) body(*device, shift);
}

}  // namespace rectify::test
