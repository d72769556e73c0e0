// What the emulated runtime says of itself: errors, cards, memory, limits, and what a test asks.
#include <cstring>

#include "state.h"

namespace rectify::emulation {

namespace {

constexpr int kMultiprocessors = 4, kMajor = 8;
constexpr size_t kMostShared = size_t{227} << 10;

/** Work that no one has waited for and that could use a card's memory; a captured stream's counts too. */
void expect_idle(int card, const char* where) {
  for (const EmulatedStream* stream : runtime().streams)
    if (stream->card == card && stream->done < stream->queued)
      misuse(std::string(where) + ": expected a card at rest, got " + std::to_string(stream->queued - stream->done) +
             " operations that nobody has waited for: synchronize first");
}

}  // namespace

Runtime& runtime() {
  static auto* const all = new Runtime;
  return *all;
}

bool reachable(const void* data) {
  if (!data || managed()) return true;
  const Call call;
  // One past the end is an address as well: of what is empty.
  for (const CardMemory& card : runtime().cards)
    if (card.bytes_from(data) || card.bytes_from(static_cast<const char*>(data) - 1)) return true;
  return false;
}

Counts counts() {
  const Call call;
  return runtime().counts;
}

std::string left_over() {
  const Call call;
  const Runtime& all = runtime();
  size_t memory = 0;
  for (const CardMemory& card : all.cards) memory += card.allocations();
  std::string text;
  for (const auto& [count, what] : {std::pair{memory, "device allocations"}, {all.pinned.size(), "pinned allocations"},
                                    {all.streams.count(), "streams"}, {all.events.count(), "events"}, {all.graphs.count(), "graphs"},
                                    {all.runs.count(), "runnable graphs"}})
    if (count) text += (text.empty() ? "" : ", ") + std::to_string(count) + " " + what;
  return text;
}

}  // namespace rectify::emulation

using namespace rectify::emulation;

const char* cudaGetErrorString(cudaError_t error) {
  switch (error) {
    case cudaSuccess: return "no error";
    case cudaErrorInvalidValue: return "invalid argument";
    case cudaErrorMemoryAllocation: return "out of memory";
    case cudaErrorInvalidConfiguration: return "invalid configuration argument";
    case cudaErrorInvalidMemcpyDirection: return "invalid copy direction for memcpy";
    case cudaErrorInvalidDevice: return "invalid device ordinal";
    case cudaErrorInvalidResourceHandle: return "invalid resource handle";
    case cudaErrorIllegalState: return "the operation cannot be performed in the present state";
    case cudaErrorIllegalAddress: return "an illegal memory access was encountered";
    case cudaErrorStreamCaptureUnsupported: return "operation not permitted when stream is capturing";
    case cudaErrorStreamCaptureInvalidated: return "operation failed due to a previous error during capture";
    case cudaErrorCapturedEvent: return "operation not permitted on an event last recorded in a capturing stream";
  }
  return "unrecognized error code";
}

cudaError_t cudaGetLastError() { return std::exchange(last, cudaSuccess); }
cudaError_t cudaRuntimeGetVersion(int* version) { return *version = 13000, cudaSuccess; }
cudaError_t cudaDriverGetVersion(int* version) { return *version = 13000, cudaSuccess; }

cudaError_t cudaGetDeviceCount(int* count) { return *count = kCards, cudaSuccess; }
cudaError_t cudaGetDevice(int* device) { return *device = current, cudaSuccess; }
cudaError_t cudaSetDevice(int device) {
  if (device < 0 || device >= kCards) return end(cudaErrorInvalidDevice);
  current = device;
  return cudaSuccess;
}
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device) {
  if (device < 0 || device >= kCards) return end(cudaErrorInvalidDevice);
  *properties = {"CUDA emulated on the CPU", kMajor, 0, kMultiprocessors, runtime().cards[device].total()};
  return cudaSuccess;
}
cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int device) {
  if (device < 0 || device >= kCards) return end(cudaErrorInvalidDevice);
  *value = attribute == cudaDevAttrMultiProcessorCount ? kMultiprocessors : kMajor;
  return cudaSuccess;
}

cudaError_t cudaMalloc(void** data, size_t bytes) {
  const Call call;
  if (forbidden()) return end(cudaErrorStreamCaptureUnsupported);
  *data = bytes ? runtime().cards[current].allocate(bytes) : nullptr;
  return end(bytes && !*data ? cudaErrorMemoryAllocation : cudaSuccess);
}
cudaError_t cudaFree(void* data) {
  const Call call;
  if (forbidden()) return end(cudaErrorStreamCaptureUnsupported);
  if (!data) return cudaSuccess;
  expect_idle(current, "cudaFree");
  runtime().cards[current].release(data);
  return cudaSuccess;
}
cudaError_t cudaMallocHost(void** data, size_t bytes) {
  const Call call;
  if (forbidden()) return end(cudaErrorStreamCaptureUnsupported);
  constexpr size_t page = 4096;
  *data = std::aligned_alloc(page, (bytes + page - 1) / page * page);
  if (!*data) return end(cudaErrorMemoryAllocation);
  std::memset(*data, 0xff, bytes);
  runtime().pinned[static_cast<char*>(*data)] = bytes;
  return cudaSuccess;
}
cudaError_t cudaFreeHost(void* data) {
  const Call call;
  if (forbidden()) return end(cudaErrorStreamCaptureUnsupported);
  if (!data) return cudaSuccess;
  for (int card = 0; card < kCards; card++) expect_idle(card, "cudaFreeHost");
  if (!runtime().pinned.erase(static_cast<char*>(data))) misuse("cudaFreeHost: expected memory that cudaMallocHost gave and nobody freed");
  std::free(data);
  return cudaSuccess;
}
cudaError_t cudaMemGetInfo(size_t* left, size_t* total) {
  const Call call;
  const CardMemory& card = runtime().cards[current];
  *total = card.total();
  *left = *total > card.used() ? *total - card.used() : 0;
  return cudaSuccess;
}

cudaError_t cudaFuncSetAttribute(const void* function, cudaFuncAttribute, int value) {
  const Call call;
  if (value < 0 || static_cast<size_t>(value) > kMostShared) return end(cudaErrorInvalidValue);
  runtime().shared_limits[function] = static_cast<size_t>(value);
  return cudaSuccess;
}
