// The GPU: one stream, one arena for everything the memory plan names, pinned staging, recorded graphs. By nvcc the CUDA runtime is
// linked statically and finds the driver at run time, so the addon loads without one; in emulation the runtime is ours
// (emulation/runtime.h).
#include "cuda.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

namespace rectify::RECTIFY_TARGET {

bool synchronous_launches() {
  static const bool yes = [] {
    const char* value = std::getenv("RECTIFY_CUDA_SYNCHRONOUS");
    return value && *value && *value != '0';
  }();
  return yes;
}

namespace {

#if defined(RECTIFY_EMULATE_CUDA)
constexpr const char* kKind = "cuda:emulated";
#else
constexpr const char* kKind = "cuda";
#endif

constexpr size_t kStaging = size_t{4} << 20;
constexpr int kStages = 4;

std::string name_of(int index) { return index == 0 ? kKind : kKind + (":" + std::to_string(index)); }

std::string mib(size_t bytes) { return std::to_string((bytes + (size_t{1} << 20) - 1) >> 20) + " MiB"; }

class CudaGraph final : public Graph {
 public:
  CudaGraph(cudaGraph_t graph, cudaStream_t stream) : stream_(stream) {
    const cudaError_t error = cudaGraphInstantiate(&run_, graph, 0);
    cudaGraphDestroy(graph);
    check(error, "cudaGraphInstantiate");
  }
  ~CudaGraph() override { cudaGraphExecDestroy(run_); }
  void run() override { check(cudaGraphLaunch(run_, stream_), "cudaGraphLaunch"); }

 private:
  cudaGraphExec_t run_ = nullptr;
  cudaStream_t stream_;
};

int multiprocessors_of(int index) {
  int count = 0;
  check(cudaDeviceGetAttribute(&count, cudaDevAttrMultiProcessorCount, index), "cudaDeviceGetAttribute");
  return count;
}

cudaStream_t new_stream() {
  cudaStream_t stream = nullptr;
  check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "cudaStreamCreate");
  return stream;
}

class CudaDevice final : public GpuDevice {
 public:
  CudaDevice(int index, int threads)
      : GpuDevice(Target::RECTIFY_TARGET, threads, index, new_stream(), multiprocessors_of(index)), on_(RECTIFY_TARGET::stream(*this)) {
    for (Stage& stage : stages_) stage.open();
    late_stage_.open();
  }
  ~CudaDevice() override {
    cudaSetDevice(index);
    cudaStreamSynchronize(on_);
    release_workspace();
    for (Stage& stage : stages_) stage.close();
    late_stage_.close();
    if (pool_.base()) cudaFree(pool_.base());
    cudaStreamDestroy(on_);
  }

  void reserve(size_t bytes) override {
    use();
    if (pool_.base()) return;
    pool_.open(static_cast<char*>(fresh(bytes)), bytes / Pool::align * Pool::align);
  }
  void* allocate(size_t bytes) override {
    use();
    const size_t rounded = (bytes + Pool::align - 1) / Pool::align * Pool::align;
    if (rounded < bytes) refuse(bytes);
    void* data = pool_.base() ? pool_.take(rounded) : nullptr;
    if (!data && recording_) throw std::runtime_error("cuda: expected memory before a graph is recorded, got " + mib(bytes) + " asked for within");
    if (!data) return fresh(rounded);
#if defined(RECTIFY_EMULATE_CUDA)
    if (!recording_) check(cudaMemsetAsync(data, 0xff, rounded, on_), "allocate");  // NaN, as new memory holds there
#endif
    return data;
  }
  void release(void* data) noexcept override {
    use();
    if (pool_.holds(data)) return pool_.give(data);  // what uses it next comes later in the stream
    if (recording_) return released_.push_back(data);
    cudaStreamSynchronize(on_);
    cudaFree(data);
  }

  void copy_in(void* device, const void* host, size_t bytes) override {
    use();
    expect_no_recording();
    for (size_t at = 0; at < bytes; at += kStaging) {
      const size_t n = std::min(kStaging, bytes - at);
      Stage& stage = next_stage();
      check(cudaEventSynchronize(stage.free), "copy_in");
      std::memcpy(stage.data, static_cast<const char*>(host) + at, n);
      check(cudaMemcpyAsync(static_cast<char*>(device) + at, stage.data, n, cudaMemcpyHostToDevice, on_), "copy_in");
      check(cudaEventRecord(stage.free, on_), "copy_in");
    }
  }
  /** The next piece is under way while one is copied out of its staging memory. A copy in that still reads that memory comes before it in
   *  the stream. */
  void copy_out(void* host, const void* device, size_t bytes) override {
    use();
    expect_no_recording();
    struct Piece {
      Stage* stage;
      char* to;
      size_t bytes;
    } under_way = {};
    const auto land = [&] {
      if (!under_way.stage) return;
      check(cudaEventSynchronize(under_way.stage->free), "copy_out (or a kernel before it)");
      std::memcpy(under_way.to, under_way.stage->data, under_way.bytes);
    };
    for (size_t at = 0; at < bytes; at += kStaging) {
      const size_t n = std::min(kStaging, bytes - at);
      Stage& stage = next_stage();
      check(cudaMemcpyAsync(stage.data, static_cast<const char*>(device) + at, n, cudaMemcpyDeviceToHost, on_), "copy_out");
      check(cudaEventRecord(stage.free, on_), "copy_out");
      land();
      under_way = {&stage, static_cast<char*>(host) + at, n};
    }
    land();
  }
  void copy_out_later(void* host, const void* device, size_t bytes) override {
    use();
    expect_no_recording();
    late_ = {};
    if (bytes > kStaging) return copy_out(host, device, bytes);
    check(cudaEventSynchronize(late_stage_.free), "copy_out_later");
    check(cudaMemcpyAsync(late_stage_.data, device, bytes, cudaMemcpyDeviceToHost, on_), "copy_out_later");
    check(cudaEventRecord(late_stage_.free, on_), "copy_out_later");
    late_ = {host, bytes};
  }
  void land() override {
    if (!late_.host) return;
    check(cudaEventSynchronize(late_stage_.free), "land (or a kernel before it)");
    std::memcpy(late_.host, late_stage_.data, late_.bytes);
    late_ = {};
  }
  void copy(void* to, const void* from, size_t bytes) override {
    if (bytes) check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, on_), "copy");
  }
  void zero(void* device, size_t bytes) override {
    if (bytes) check(cudaMemsetAsync(device, 0, bytes, on_), "zero");
  }
  size_t free_memory() const override {
    size_t left = 0, total = 0;
    use();
    return cudaMemGetInfo(&left, &total) == cudaSuccess ? left : 0;
  }
  void synchronize() override {
    use();
    check(cudaStreamSynchronize(on_), "synchronize");
  }

  bool records() const override {
    const char* off = std::getenv("RECTIFY_CUDA_GRAPHS");
    return !synchronous_launches() && !(off && *off == '0');
  }
  std::unique_ptr<Graph> record(const std::function<void()>& launches) override {
    if (!records()) return nullptr;
    check(cudaStreamBeginCapture(on_, cudaStreamCaptureModeThreadLocal), "cudaStreamBeginCapture");
    recording_ = true;
    cudaGraph_t graph = nullptr;
    bool kept = true;
    const auto stop = [&] {
      recording_ = false;
      const cudaError_t error = cudaStreamEndCapture(on_, &graph);
      kept = released_.empty();
      for (void* data : released_) release(data);
      released_.clear();
      return error;
    };
    try {
      launches();
    } catch (...) {
      if (stop() == cudaSuccess) cudaGraphDestroy(graph);
      throw;
    }
    check(stop(), "cudaStreamEndCapture");
    if (!kept) {
      cudaGraphDestroy(graph);
      throw std::runtime_error("cuda: expected memory to be kept while a graph is recorded, got some of it released");
    }
    return std::make_unique<CudaGraph>(graph, on_);
  }
  bool recording() const override { return recording_; }

 private:
  struct Stage {
    void* data = nullptr;
    cudaEvent_t free = nullptr;  // recorded when the copy that uses it is in the stream

    void open() {
      check(cudaMallocHost(&data, kStaging), "cudaMallocHost");
      check(cudaEventCreateWithFlags(&free, cudaEventDisableTiming), "cudaEventCreate");
    }
    void close() {
      if (data) cudaFreeHost(data);
      if (free) cudaEventDestroy(free);
    }
  };

  void use() const noexcept { cudaSetDevice(index); }
  /** Staging memory holds something else when a graph runs. */
  void expect_no_recording() const {
    if (recording_) throw std::runtime_error("cuda: expected copies from and to the host before or after a graph is recorded, got one within");
  }
  Stage& next_stage() { return stages_[static_cast<size_t>(turn_++ % kStages)]; }

  void* fresh(size_t bytes) {
    void* data = nullptr;
    if (cudaMalloc(&data, bytes) == cudaSuccess) return data;
    cudaGetLastError();
    refuse(bytes);
  }
  [[noreturn]] void refuse(size_t bytes) const {
    size_t left = 0, total = 0;
    cudaMemGetInfo(&left, &total);
    throw std::runtime_error("device: expected " + mib(bytes) + " of memory on " + name_of(index) + ", got " + mib(left) +
                             " free of " + mib(total) +
                             "; lower per_device_train_batch_size, set gradient_checkpointing: true, use dtype: bfloat16 or end "
                             "what else runs on this GPU (nvidia-smi)");
  }

  cudaStream_t on_;
  Pool pool_;
  Stage stages_[kStages], late_stage_;
  struct {
    void* host = nullptr;
    size_t bytes = 0;
  } late_;
  int turn_ = 0;
  bool recording_ = false;
  std::vector<void*> released_;  // while a graph is recorded, which allows no cudaFree
};

/** Without a driver the runtime would say that it is too old. */
std::string none_because(cudaError_t error) {
  cudaGetLastError();
  int driver = 0;
  cudaDriverGetVersion(&driver);
  return driver == 0 ? "no driver" : error == cudaSuccess ? "no device" : cudaGetErrorString(error);
}

}  // namespace

GpuReport report() {
  GpuReport found;
  found.built = true;
  cudaRuntimeGetVersion(&found.runtime);
  cudaDriverGetVersion(&found.driver);
  int count = 0;
  const cudaError_t error = cudaGetDeviceCount(&count);
  if (error != cudaSuccess) {
    found.error = none_because(error);
    return found;
  }
  for (int i = 0; i < count; i++) {
    cudaDeviceProp properties;
    if (cudaGetDeviceProperties(&properties, i) != cudaSuccess) continue;
    GpuReport::Gpu gpu;
    gpu.name = properties.name;
    gpu.major = properties.major, gpu.minor = properties.minor;
    gpu.multiprocessors = properties.multiProcessorCount;
    gpu.memory = properties.totalGlobalMem;
    size_t total = 0;
    cudaError_t unusable = cudaSetDevice(i);
    if (unusable == cudaSuccess) unusable = cudaMemGetInfo(&gpu.free, &total);
    if (unusable != cudaSuccess) cudaGetLastError(), gpu.error = cudaGetErrorString(unusable);
    found.gpus.push_back(gpu);
  }
  if (count > 0) cudaSetDevice(0);
  return found;
}

namespace {

/** Makes it the thread's, or says why it cannot be. */
void choose(int index) {
  const std::string name = name_of(index);
  int count = 0;
  const cudaError_t error = cudaGetDeviceCount(&count);
  if (error != cudaSuccess || count == 0) {
    throw std::runtime_error("device: expected an NVIDIA GPU and its driver for " + name + ", got none (" + none_because(error) +
                             "); install the driver or use device: cpu; `bun run doctor` says what is here");
  }
  if (index >= count)
    throw std::runtime_error("device: expected " + name_of(0) + (count > 1 ? " to " + name_of(count - 1) : "") + ", got " + name +
                             "; `bun run doctor` lists them");
  int major = 0;
  check(cudaSetDevice(index), "cudaSetDevice");
  check(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, index), "cudaDeviceGetAttribute");
  if (major < 8)
    throw std::runtime_error("device: expected compute capability 8.0 (Ampere) or newer for " + name + ", got " + std::to_string(major) +
                             ".x; use device: cpu");
}

}  // namespace

size_t free_memory(int index) {
  choose(index);
  size_t left = 0, total = 0;
  check(cudaMemGetInfo(&left, &total), "cudaMemGetInfo");
  return left;
}

std::unique_ptr<Device> open(int index, int threads) {
  choose(index);
  return std::make_unique<CudaDevice>(index, threads);
}

}  // namespace rectify::RECTIFY_TARGET
