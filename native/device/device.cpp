// The CPU device: aligned memory, the thread pool, and the choice of instruction set at run time.
#include "device.h"
#include "gpu.h"

#include <sys/mman.h>
#if defined(__x86_64__) && defined(__linux__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <thread>

namespace rectify {

namespace {

constexpr Target kCpuTargets[] = {Target::avx512amx, Target::avx512bf16, Target::avx512, Target::avx2, Target::baseline};

/** Does the processor have bf16 tiles, and does the system let this process keep them? Asked once, before any thread wants them. */
[[maybe_unused]] bool has_amx() {
#if defined(__x86_64__) && defined(__linux__) && defined(RECTIFY_X86_TARGETS)
  static const bool yes = [] {
    unsigned a = 0, b = 0, c = 0, d = 0;
    constexpr unsigned bf16 = 1u << 22, tile = 1u << 24;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || (d & bf16) == 0 || (d & tile) == 0) return false;
    constexpr long ask = 0x1023, tile_data = 18;  // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
    return syscall(SYS_arch_prctl, ask, tile_data) == 0;
  }();
  return yes;
#else
  return false;
#endif
}

bool cpu_supports(Target target) {
#if defined(__x86_64__) && defined(RECTIFY_X86_TARGETS)
  __builtin_cpu_init();
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  switch (target) {
    case Target::avx512amx: return avx512 && __builtin_cpu_supports("avx512bf16") && has_amx();
    case Target::avx512bf16: return avx512 && __builtin_cpu_supports("avx512bf16");
    case Target::avx512: return avx512;
    case Target::avx2: return avx2;
    default: return target == Target::baseline;
  }
#else
  return target == Target::baseline;
#endif
}

/** Intel's vdpbf16ps has half the rate of two f32 multiply-adds, which give the same bits (measured: 105 to 155 GFLOP/s). */
bool slow_bf16([[maybe_unused]] Target target) {
#if defined(__x86_64__)
  return target == Target::avx512bf16 && __builtin_cpu_is("intel");
#endif
  return false;
}

class CpuDevice final : public Device {
 public:
  CpuDevice(Target target, int threads) : Device(target, threads) {}

  void* allocate(size_t bytes) override {
    const size_t align = bytes >= (size_t{4} << 20) ? size_t{2} << 20 : 64;
    const size_t rounded = (bytes + align - 1) / align * align;
    void* data = rounded >= bytes ? std::aligned_alloc(align, rounded) : nullptr;
    if (!data) throw std::runtime_error("device: expected " + std::to_string(bytes) + " bytes of memory, got none");
    if (align > 64) madvise(data, rounded, MADV_HUGEPAGE);
    return data;
  }
  void release(void* data) noexcept override { std::free(data); }
  void copy_in(void* device, const void* host, size_t bytes) override { if (bytes) std::memcpy(device, host, bytes); }
  void copy_out(void* host, const void* device, size_t bytes) override { if (bytes) std::memcpy(host, device, bytes); }
  void copy(void* to, const void* from, size_t bytes) override { if (bytes) std::memmove(to, from, bytes); }
  void zero(void* device, size_t bytes) override { if (bytes) std::memset(device, 0, bytes); }
  void synchronize() override {}
};

/** N of `kind` (0) or "`kind`:N"; -1 when it is neither. */
int index_of(const std::string& kind, const std::string& name) {
  if (name == kind) return 0;
  const size_t digits = kind.size() + 1;
  if (name.rfind(kind + ":", 0) != 0 || name.size() <= digits || name.size() > digits + 3) return -1;
  int index = 0;
  for (const char c : name.substr(digits)) {
    if (c < '0' || c > '9') return -1;
    index = index * 10 + (c - '0');
  }
  return index;
}

struct Named {
  Target target;
  int index = 0;  // of the GPU
};

/** What a device's name means, whether it is here or not. */
Named named(const std::string& name) {
  if (name == "cpu") {
    for (Target target : kCpuTargets)
      if (target_available(target) && !slow_bf16(target)) return {target};
  }
  for (Target target : kCpuTargets)
    if (name == std::string("cpu:") + target_name(target)) return {target};
  if (const int index = index_of("cuda:emulated", name); index >= 0) return {Target::emulated, index};
  if (const int index = index_of("cuda", name); index >= 0) return {Target::cuda, index};
  throw std::runtime_error("device: expected a device, got \"" + name +
                           "\"; known: cpu, cpu:baseline, cpu:avx2, cpu:avx512, cpu:avx512bf16, cpu:avx512amx, cuda, cuda:N, cuda:emulated");
}

/** Only what this build and this processor can run. */
Named available(const std::string& name) {
  const Named device = named(name);
  if (device.target != Target::cuda && !target_available(device.target))
    throw std::runtime_error("device: this processor has no " + std::string(target_name(device.target)) + "; use \"cpu\"");
#if !defined(RECTIFY_CUDA)
  if (device.target == Target::cuda)
    throw std::runtime_error("device: " + name + " was asked for, and this build has no CUDA backend; install nvcc and build again "
                             "(`bun run doctor` says how), or use device: cpu");
#endif
  return device;
}

int core_count() {
  const unsigned cores = std::thread::hardware_concurrency();
  return cores > 0 ? static_cast<int>(cores) : 1;
}

}  // namespace

const char* target_name(Target target) {
  switch (target) {
    case Target::baseline: return "baseline";
    case Target::avx2: return "avx2";
    case Target::avx512: return "avx512";
    case Target::avx512bf16: return "avx512bf16";
    case Target::avx512amx: return "avx512amx";
    case Target::cuda: return "cuda";
    case Target::emulated: return "emulated";
  }
  return "unknown";
}

bool target_available(Target target) { return target == Target::emulated || (target != Target::cuda && cpu_supports(target)); }

struct Device::Scratch {
  void* data = nullptr;
  size_t bytes = 0;
  ~Scratch() { std::free(data); }
};

Device::Device(Target target, int threads)
    : target(target), pool_(std::make_unique<ThreadPool>(threads)), scratch_(new Scratch[pool_->size()]) {}
Device::~Device() = default;

void* Device::scratch(int thread, size_t bytes) {
  Scratch& s = scratch_[thread];
  if (s.bytes < bytes) {
    std::free(s.data);
    s.bytes = (bytes + (size_t{1} << 16) - 1) >> 16 << 16;
    s.data = std::aligned_alloc(64, s.bytes);
    if (!s.data) {
      s.bytes = 0;
      std::abort();
    }
  }
  return s.data;
}

GpuReport find_gpus() {
#if defined(RECTIFY_CUDA)
  return cuda::report();
#else
  GpuReport report;
  report.error = "the engine was built without nvcc";
  return report;
#endif
}

bool names_gpu(const std::string& name) {
  const Target target = named(name).target;
  return target == Target::cuda || target == Target::emulated;
}

size_t device_memory(const std::string& name) {
  const Named device = available(name);
#if defined(RECTIFY_CUDA)
  if (device.target == Target::cuda) return cuda::free_memory(device.index);
#endif
  return device.target == Target::emulated ? emulated::free_memory(device.index) : 0;
}

std::unique_ptr<Device> open_device(const std::string& name, int threads) {
  if (threads < 0 || threads > 1024)
    throw std::runtime_error("threads: expected 0 (one per core) to 1024, got " + std::to_string(threads));
  const int count = threads == 0 ? core_count() : threads;
  const Named device = available(name);
#if defined(RECTIFY_CUDA)
  if (device.target == Target::cuda) return cuda::open(device.index, count);
#endif
  if (device.target == Target::emulated) return emulated::open(device.index, count);
  return std::make_unique<CpuDevice>(device.target, count);
}

}  // namespace rectify
