// Where tensors live and kernels run. A kernel is chosen by `target`; model code never looks inside device memory.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "tensor.h"
#include "thread_pool.h"

namespace rectify {

/** The instruction sets that one kernel source is compiled for, the GPU, and the GPU's kernels run on the CPU (for tests). */
enum class Target : uint8_t { baseline, avx2, avx512, avx512bf16, avx512amx, cuda, emulated };

const char* target_name(Target target);

/** Can this machine run it (and was it built)? */
bool target_available(Target target);

/** Launches recorded once, to be run again as one. */
class Graph {
 public:
  virtual ~Graph() = default;
  virtual void run() = 0;
};

class Device {
 public:
  virtual ~Device();

  const Target target;

  /** Is its memory out of the host's reach? */
  bool is_gpu() const { return target == Target::cuda || target == Target::emulated; }

  /** 64-byte aligned, uninitialised; throws std::runtime_error with the size when there is none left. */
  virtual void* allocate(size_t bytes) = 0;
  virtual void release(void* data) noexcept = 0;
  virtual void copy_in(void* device, const void* host, size_t bytes) = 0;
  virtual void copy_out(void* host, const void* device, size_t bytes) = 0;
  /** A copy out that what is launched next does not hold up: `host` has the bytes after land(). One at a time. */
  virtual void copy_out_later(void* host, const void* device, size_t bytes) { copy_out(host, device, bytes); }
  virtual void land() {}
  virtual void copy(void* to, const void* from, size_t bytes) = 0;
  virtual void zero(void* device, size_t bytes) = 0;
  virtual void synchronize() = 0;
  /** Most bytes that buffers have held at once. */
  size_t most_held() const { return most_held_; }
  /** Bytes that are its own and free; 0: it shares the machine's. */
  virtual size_t free_memory() const { return 0; }
  /** One allocation that later ones are cut from; the GPU only. */
  virtual void reserve(size_t bytes) { (void)bytes; }
  virtual bool records() const { return false; }
  /** Counts how often scratch has moved that graphs hold; those recorded before are void. */
  virtual int64_t scratch_moves() const { return 0; }
  /** What `launches` would launch, or null where the device records nothing. */
  virtual std::unique_ptr<Graph> record(const std::function<void()>& launches) {
    (void)launches;
    return nullptr;
  }

  /** CPU kernels only. */
  ThreadPool& pool() { return *pool_; }

  /** Scratch of the calling kernel for one thread (64-byte aligned, contents undefined); valid until the next call for it. */
  void* scratch(int thread, size_t bytes);

 protected:
  Device(Target target, int threads);

 private:
  friend class Buffer;
  struct Scratch;
  size_t held_ = 0, most_held_ = 0;
  std::unique_ptr<ThreadPool> pool_;
  std::unique_ptr<Scratch[]> scratch_;
};

/** `name`: "cpu" (the best instruction set here), "cpu:avx2", ... or "cuda", "cuda:1"; `threads` 0 means one per core. */
std::unique_ptr<Device> open_device(const std::string& name, int threads);

/** Is it a GPU's name? Refuses what is no device's name at all. */
bool names_gpu(const std::string& name);

/** Bytes free on the GPU of that name, whatever else runs there; 0 for what shares the machine's memory. Refuses as open_device does. */
size_t device_memory(const std::string& name);

/** Owns one allocation. */
class Buffer {
 public:
  Buffer() = default;
  Buffer(Device& device, size_t bytes) : device_(&device), data_(bytes ? device.allocate(bytes) : nullptr), bytes_(bytes) {
    device.most_held_ = std::max(device.most_held_, device.held_ += bytes);
  }
  ~Buffer() { reset(); }
  Buffer(Buffer&& other) noexcept { *this = static_cast<Buffer&&>(other); }
  Buffer& operator=(Buffer&& other) noexcept {
    if (this != &other) {
      reset();
      device_ = other.device_, data_ = other.data_, bytes_ = other.bytes_;
      other.data_ = nullptr, other.bytes_ = 0;
    }
    return *this;
  }

  void* data() const { return data_; }
  size_t bytes() const { return bytes_; }
  void reset() noexcept {
    if (data_) device_->release(data_), device_->held_ -= bytes_;
    data_ = nullptr, bytes_ = 0;
  }

 private:
  Device* device_ = nullptr;
  void* data_ = nullptr;
  size_t bytes_ = 0;
};

}  // namespace rectify
