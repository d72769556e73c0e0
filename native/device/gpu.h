// What kernels see of the GPU: a stream, multiprocessors, scratch; and how a GPU, real or emulated, is found and opened.
#pragma once
#include <algorithm>
#include <iterator>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#include "device.h"

namespace rectify {

/** First fit over one allocation; neighbours are joined again when they are given back. */
class Pool {
 public:
  static constexpr size_t align = 512;

  void open(char* base, size_t bytes) { base_ = base, bytes_ = bytes, free_[0] = bytes; }
  bool holds(const void* data) const { return base_ && data >= base_ && data < base_ + bytes_; }

  void* take(size_t bytes) {
    for (auto at = free_.begin(); at != free_.end(); ++at) {
      if (at->second < bytes) continue;
      const size_t offset = at->first, left = at->second - bytes;
      free_.erase(at);
      if (left) free_[offset + bytes] = left;
      taken_[offset] = bytes;
      return base_ + offset;
    }
    return nullptr;
  }
  void give(const void* data) {
    size_t offset = static_cast<size_t>(static_cast<const char*>(data) - base_);
    size_t bytes = taken_[offset];
    taken_.erase(offset);
    auto after = free_.lower_bound(offset);
    if (after != free_.end() && after->first == offset + bytes) bytes += after->second, after = free_.erase(after);
    if (after != free_.begin()) {
      const auto before = std::prev(after);
      if (before->first + before->second == offset) offset = before->first, bytes += before->second, free_.erase(before);
    }
    free_[offset] = bytes;
  }
  char* base() const { return base_; }

 private:
  char* base_ = nullptr;
  size_t bytes_ = 0;
  std::map<size_t, size_t> free_, taken_;  // offset -> bytes
};

/** Versions as CUDA counts them (13000 is 13.0), 0 where there is none. */
struct GpuReport {
  struct Gpu {
    std::string name;
    int major = 0, minor = 0, multiprocessors = 0;
    size_t memory = 0, free = 0;
    std::string error;  // why it cannot be used
  };
  bool built = false;  // with nvcc
  int driver = 0, runtime = 0;
  std::string error;  // why there is no device
  std::string cublas_lt;  // its file, empty where there is none; looked for only when asked
  size_t cublas_lt_version = 0;  // 130100 is 13.1.0
  std::vector<Gpu> gpus;
};

class GpuDevice : public Device {
 public:
  const int index;
  /** A cudaStream_t. */
  void* const stream;
  const int multiprocessors;

  /** Device scratch of at least `bytes`, contents undefined, valid until the next call for the same slot. It grows outside of
   *  recorded graphs only: run once what is to be recorded. */
  void* workspace(size_t bytes, int slot = 0) {
    if (static_cast<size_t>(slot) >= slots_.size()) slots_.resize(static_cast<size_t>(slot) + 1);
    Buffer& buffer = slots_[static_cast<size_t>(slot)];
    if (buffer.bytes() < bytes) {
      if (recording()) throw std::runtime_error("cuda: expected scratch to have its size before a graph is recorded");
      if (buffer.data()) scratch_moves_++;
      const size_t roomy = std::min(2 * buffer.bytes(), size_t{4} << 20);  // what is small moves seldom
      buffer.reset();
      buffer = Buffer(*this, std::max((bytes + 255) / 256 * 256, roomy));
    }
    return buffer.data();
  }

  virtual bool recording() const { return false; }
  int64_t scratch_moves() const override { return scratch_moves_; }

 protected:
  GpuDevice(Target target, int threads, int index, void* stream, int multiprocessors)
      : Device(target, threads), index(index), stream(stream), multiprocessors(multiprocessors) {}
  void release_workspace() { slots_.clear(); }

 private:
  std::vector<Buffer> slots_;
  int64_t scratch_moves_ = 0;
};

/** What the machine has; in a build without nvcc only that. */
GpuReport find_gpus();

// device.cu, compiled by nvcc where it is, and everywhere by the C++ compiler against the emulation of CUDA.
namespace cuda {
GpuReport report();
size_t free_memory(int index);
std::unique_ptr<Device> open(int index, int threads);
}  // namespace cuda
namespace emulated {
GpuReport report();
size_t free_memory(int index);
std::unique_ptr<Device> open(int index, int threads);
}  // namespace emulated

}  // namespace rectify
