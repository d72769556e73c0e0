// The few words a native test needs: CHECK, CHECK_NEAR, a seeded generator, and every CPU target that this machine has.
#pragma once
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "../device/device.h"
#include "managed.h"

namespace rectify::test {

inline int failures = 0, checks = 0;

inline bool report(bool ok, const char* file, int line, const std::string& what) {
  checks++;
  if (!ok && ++failures <= 20) std::printf("FAILED %s:%d: %s\n", file, line, what.c_str()), std::fflush(stdout);
  return ok;
}

/** Of what was compared with a tolerance, what came nearest to it; told at the end. */
struct Nearest {
  double share = -1, difference = 0, tolerance = 0;
  const char* file = "";
  int line = 0;
};
inline Nearest nearest;

inline void measure(double difference, double tolerance, const char* file, int line) {
  const double share = tolerance > 0 ? difference / tolerance : difference > 0 ? 1 : 0;
  if (share > nearest.share) nearest = {share, difference, tolerance, file, line};
}

#define CHECK(condition) ::rectify::test::report((condition), __FILE__, __LINE__, #condition)
#define CHECK_NEAR(actual, expected, tolerance)                                                          \
  do {                                                                                                   \
    const double a_ = (actual), e_ = (expected), t_ = (tolerance);                                       \
    ::rectify::test::measure(std::fabs(a_ - e_), t_, __FILE__, __LINE__);                                \
    ::rectify::test::report(std::fabs(a_ - e_) <= t_, __FILE__, __LINE__,                                \
                            std::string(#actual " = ") + std::to_string(a_) + ", expected " +            \
                                std::to_string(e_) + " +- " + std::to_string(t_));                       \
  } while (0)

/** splitmix64: values for tests, the same everywhere. */
struct Random {
  uint64_t state;
  explicit Random(uint64_t seed) : state(seed) {}
  uint64_t next() {
    uint64_t z = (state += 0x9e3779b97f4a7c15ull);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
  }
  double uniform() { return static_cast<double>(next() >> 11) * 0x1p-53; }
  double normal() { return std::sqrt(-2 * std::log(1 - uniform())) * std::cos(6.283185307179586 * uniform()); }
  int64_t below(int64_t n) { return static_cast<int64_t>(next() % static_cast<uint64_t>(n)); }
  std::vector<float> normals(int64_t n, double scale = 1) {
    std::vector<float> v(static_cast<size_t>(n));
    for (auto& x : v) x = static_cast<float>(scale * normal());
    return v;
  }
};

inline Tensor view(std::vector<float>& v, int64_t rows, int64_t cols) { return {v.data(), rows, cols, Dtype::f32}; }
inline Tensor view(std::vector<int32_t>& v, int64_t rows, int64_t cols) { return {v.data(), rows, cols, Dtype::i32}; }

/** d loss() / d x[i] by central differences. */
template <typename Loss>
double slope(std::vector<double>& x, size_t i, const Loss& loss) {
  const double at = x[i], step = 1e-5;
  x[i] = at + step;
  const double up = loss();
  x[i] = at - step;
  const double down = loss();
  x[i] = at;
  return (up - down) / (2 * step);
}

inline std::vector<double> exact(const std::vector<float>& x) { return {x.begin(), x.end()}; }

inline bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0);
}

/** Every CPU target this machine can run, with the given number of threads. */
inline std::vector<std::unique_ptr<Device>> devices(int threads = 1) {
  std::vector<std::unique_ptr<Device>> all;
  for (Target t : {Target::baseline, Target::avx2, Target::avx512, Target::avx512bf16, Target::avx512amx})
    if (target_available(t)) all.push_back(open_device(std::string("cpu:") + target_name(t), threads));
  return all;
}

/** RECTIFY_TEST_EMULATED=0 leaves the GPU's kernels out: emulated tensor cores are very slow under the sanitizers. */
inline bool emulation_wanted() {
  const char* given = std::getenv("RECTIFY_TEST_EMULATED");
  return !given || *given != '0';
}

/** RECTIFY_TEST_CUDA=1: a GPU is here, and only what it does is tested. */
inline bool cuda_wanted() {
  const char* given = std::getenv("RECTIFY_TEST_CUDA");
  return given && *given == '1';
}

/** The GPU, or else its emulation. */
inline const char* gpu_name() { return cuda_wanted() ? "cuda" : "cuda:emulated"; }

/** What runs the GPU's kernels on plain vectors (managed.h) and is waited for after each; null where not wanted. */
inline std::unique_ptr<Device> gpu_device(int threads = 1) {
  setenv("RECTIFY_CUDA_SYNCHRONOUS", "1", 1);
  setenv("RECTIFY_EMULATION_MANAGED", "1", 1);
  return cuda_wanted() || emulation_wanted() ? open_device(gpu_name(), threads) : nullptr;
}

/** Every CPU target and the emulated GPU, or the GPU alone. */
inline std::vector<std::unique_ptr<Device>> all_devices(int threads = 1) {
  auto all = cuda_wanted() ? std::vector<std::unique_ptr<Device>>() : devices(threads);
  if (auto gpu = gpu_device(threads)) all.push_back(std::move(gpu));
  return all;
}

/** Does it run the GPU's kernels, whose sums over rows depend on how the rows are cut into calls? */
inline bool is_gpu(const Device& device) { return device.target == Target::cuda || device.target == Target::emulated; }

inline int finish(const char* name) {
  if (checks == 0) failures++;
  std::printf("%s: %d checks, %d failed", name, checks, failures);
  if (const char* slash = std::strrchr(nearest.file, '/'); nearest.share >= 0)
    std::printf("; nearest to its tolerance: %.1e of %.1e, %s:%d", nearest.difference, nearest.tolerance, slash ? slash + 1 : nearest.file,
                nearest.line);
  std::printf("\n");
  return failures == 0 ? 0 : 1;
}

}  // namespace rectify::test
