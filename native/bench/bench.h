// What native benchmarks share: one thread, median times, and one JSON line per case as bench/peers/peer.ts reads it.
#pragma once
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "../device/device.h"

namespace rectify::bench {

struct Options {
  bool quick = false, memory = false;
  Options(int argc, char** argv) {
    for (int i = 1; i < argc; i++) {
      quick |= std::strcmp(argv[i], "--quick") == 0;
      memory |= std::strcmp(argv[i], "--memory") == 0;
    }
  }
};

inline void emit(const std::string& name, double value, const char* unit) {
  std::printf("{\"case\": \"%s\", \"value\": %.6g, \"unit\": \"%s\"}\n", name.c_str(), value, unit);
  std::fflush(stdout);
}

/** Median wall time of one call of run(); each sample repeats it until it lasts 20 ms. */
inline double seconds(const std::function<void()>& run, int samples = 7) {
  using clock = std::chrono::steady_clock;
  auto timed = [&](int times) {
    const auto start = clock::now();
    for (int i = 0; i < times; i++) run();
    return std::chrono::duration<double>(clock::now() - start).count();
  };
  const double first = (timed(1), timed(1));
  const int times = std::max(1, static_cast<int>(0.02 / std::max(first, 1e-9)));
  std::vector<double> all;
  for (int i = 0; i < samples; i++) all.push_back(timed(times) / times);
  std::nth_element(all.begin(), all.begin() + samples / 2, all.end());
  return all[static_cast<size_t>(samples / 2)];
}

inline double status_mib(const char* key) {
  double mib = 0;
  if (FILE* file = std::fopen("/proc/self/status", "r")) {
    char line[256];
    while (std::fgets(line, sizeof line, file))
      if (std::strncmp(line, key, std::strlen(key)) == 0) mib = std::atof(line + std::strlen(key) + 1) / 1024;
    std::fclose(file);
  }
  return mib;
}

/** How far resident memory rises above where it stands while run() works. */
inline double peak_mib(const std::function<void()>& run) {
  if (FILE* file = std::fopen("/proc/self/clear_refs", "w")) {
    std::fputs("5", file);
    std::fclose(file);
  }
  const double base = status_mib("VmRSS:");
  run();
  return status_mib("VmHWM:") - base;
}

/** Device memory filled with a fixed pseudo-random pattern of the given scale, or zeroed at scale 0. */
struct Array {
  Buffer buffer;
  Tensor tensor;
  Array(Device& device, int64_t rows, int64_t cols, float scale, Dtype dtype = Dtype::f32)
      : buffer(device, static_cast<size_t>(rows * cols) * dtype_bytes(dtype)), tensor{buffer.data(), rows, cols, dtype} {
    device.zero(buffer.data(), buffer.bytes());
    if (scale == 0) return;
    uint32_t state = 12345;
    for (int64_t i = 0; i < rows * cols; i++) {
      state = state * 1664525 + 1013904223;
      tensor.f32()[i] = scale * (static_cast<float>(state >> 8) * 0x1p-23f - 1);
    }
  }
};

}  // namespace rectify::bench
