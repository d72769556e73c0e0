// Streams as queues of work, and everything else of the runtime that acts on them.
#include "runtime.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <utility>
#include <vector>

#include "blocks.h"
#include "kernel.h"
#include "memory.h"
#include "observe.h"

using Work = std::function<void()>;

struct EmulatedGraph {
  std::vector<Work> work;
};
struct EmulatedGraphExec {
  std::vector<Work> work;
};
struct EmulatedStream {
  int card;
  bool eager;
  std::deque<Work> queue;
  uint64_t queued = 0, done = 0;
  std::unique_ptr<EmulatedGraph> capture;  // while it records
  bool invalid = false;                    // what it records
};
struct EmulatedEvent {
  EmulatedStream* stream = nullptr;
  uint64_t after = 0;  // of the stream's work
  bool captured = false;
};

namespace rectify::emulation {

namespace {

constexpr int kCards = 2, kMultiprocessors = 4, kMajor = 8;
constexpr size_t kUsualShared = size_t{48} << 10, kMostShared = size_t{227} << 10;

/** Handles that live, so that others are told from them. */
template <typename T>
class Handles {
 public:
  T* add(T value) {
    T* handle = new T(std::move(value));
    alive_.insert(handle);
    return handle;
  }
  void remove(T* handle, const char* where) {
    expect(handle, where);
    alive_.erase(handle);
    delete handle;
  }
  void expect(T* handle, const char* where) const {
    if (!alive_.count(handle)) misuse(std::string(where) + ": expected a handle that was created and not destroyed");
  }
  size_t count() const { return alive_.size(); }
  auto begin() const { return alive_.begin(); }
  auto end() const { return alive_.end(); }

 private:
  std::set<T*> alive_;
};

struct Runtime {
  std::mutex mutex;
  CardMemory cards[kCards];
  std::map<const char*, size_t> pinned;
  Handles<EmulatedStream> streams;
  Handles<EmulatedEvent> events;
  Handles<EmulatedGraph> graphs;
  Handles<EmulatedGraphExec> runs;
  std::map<const void*, size_t> shared_limits;
  Counts counts;
};

Runtime& runtime() {
  static auto* const all = new Runtime;
  return *all;
}

thread_local int current = 0;
thread_local cudaError_t last = cudaSuccess;
thread_local EmulatedStream* capturing = nullptr;  // by this thread

/** Held by every call; what a call returns passes through `end`. */
struct Call : std::lock_guard<std::mutex> {
  Call() : std::lock_guard<std::mutex>(runtime().mutex) {}
};

cudaError_t end(cudaError_t error) {
  if (error != cudaSuccess) last = error;
  return error;
}

bool set(const char* name) {
  const char* value = std::getenv(name);
  return value && *value == '1';
}

/** What must not be called while this thread records. */
bool forbidden() {
  if (capturing) capturing->invalid = true;
  return capturing != nullptr;
}

/** Runs the stream's first work, up to what was its `mark`-th. */
void run_until(EmulatedStream& stream, uint64_t mark) {
  if (stream.done >= mark) return;
  CardMemory& memory = runtime().cards[stream.card];
  memory.open();
  for (; stream.done < mark; stream.done++) {
    const Work work = std::move(stream.queue.front());
    stream.queue.pop_front();
    work();
  }
  memory.close();
}

cudaError_t add(EmulatedStream* stream, Work work) {
  runtime().streams.expect(stream, "stream");
  if (stream->capture) {
    stream->capture->work.push_back(std::move(work));
    return cudaSuccess;
  }
  stream->queue.push_back(std::move(work));
  stream->queued++;
  if (stream->eager) run_until(*stream, stream->queued);
  return cudaSuccess;
}

/** Work that no one has waited for and that could use a card's memory; a captured stream's counts too. */
void expect_idle(int card, const char* where) {
  for (const EmulatedStream* stream : runtime().streams)
    if (stream->card == card && stream->done < stream->queued)
      misuse(std::string(where) + ": expected a card at rest, got " + std::to_string(stream->queued - stream->done) +
             " operations that nobody has waited for: synchronize first");
}

enum class Side { host, pinned, card, beyond };

/** Where [data, data + bytes) lies; beyond: only its beginning lies in an allocation. */
Side side_of(const void* data, size_t bytes, int card) {
  if (const size_t left = runtime().cards[card].bytes_from(data)) return bytes <= left ? Side::card : Side::beyond;
  const char* place = static_cast<const char*>(data);
  auto at = runtime().pinned.upper_bound(place);
  if (at == runtime().pinned.begin() || place >= (--at)->first + at->second) return Side::host;
  return bytes <= static_cast<size_t>(at->first + at->second - place) ? Side::pinned : Side::beyond;
}

bool managed() { return set("RECTIFY_EMULATION_MANAGED"); }

}  // namespace

cudaError_t enqueue(cudaStream_t stream, Work work) {
  const Call call;
  return end(add(stream, std::move(work)));
}

int enqueue_work(void* stream, Work work) { return enqueue(static_cast<cudaStream_t>(stream), std::move(work)); }

bool reachable(const void* data) {
  if (!data || managed()) return true;
  const Call call;
  // One past the end is an address as well: of what is empty.
  for (const CardMemory& card : runtime().cards)
    if (card.bytes_from(data) || card.bytes_from(static_cast<const char*>(data) - 1)) return true;
  return false;
}

cudaError_t launch(const char* kernel, const void* function, dim3 grid, dim3 block, size_t shared, cudaStream_t stream, Work body) {
  const Call call;
  runtime().streams.expect(stream, kernel);
  if (stream->card != current) return end(cudaErrorInvalidResourceHandle);
  const size_t threads = size_t{block.x} * block.y * block.z;
  if (threads == 0 || threads > 1024 || block.z > 64 || grid.x == 0 || grid.y == 0 || grid.z == 0 || grid.x > 0x7fffffffu ||
      grid.y > 65535 || grid.z > 65535)
    return end(cudaErrorInvalidConfiguration);
  const auto limit = runtime().shared_limits.find(function);
  if (shared > (limit == runtime().shared_limits.end() ? kUsualShared : limit->second)) return end(cudaErrorInvalidValue);
  return end(add(stream, [=, body = std::move(body)] {
    runtime().counts.kernels++;
    run_blocks(kernel, grid, block, shared, body);
  }));
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

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags) {
  const Call call;
  if (flags != cudaStreamNonBlocking) misuse("cudaStreamCreate: expected cudaStreamNonBlocking, or others wait for the stream");
  EmulatedStream fresh;
  fresh.card = current;
  fresh.eager = set("RECTIFY_EMULATION_EAGER");
  *stream = runtime().streams.add(std::move(fresh));
  return cudaSuccess;
}
cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  const Call call;
  runtime().streams.expect(stream, "cudaStreamDestroy");
  if (stream->done < stream->queued) misuse("cudaStreamDestroy: expected a stream that somebody has waited for");
  runtime().streams.remove(stream, "cudaStreamDestroy");
  return cudaSuccess;
}
cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  const Call call;
  runtime().streams.expect(stream, "cudaStreamSynchronize");
  if (stream->capture) {
    stream->invalid = true;
    return end(cudaErrorStreamCaptureUnsupported);
  }
  runtime().counts.waits++;
  run_until(*stream, stream->queued);
  return cudaSuccess;
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
  const Call call;
  *event = runtime().events.add({});
  return cudaSuccess;
}
cudaError_t cudaEventDestroy(cudaEvent_t event) {
  const Call call;
  runtime().events.remove(event, "cudaEventDestroy");
  return cudaSuccess;
}
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  const Call call;
  runtime().events.expect(event, "cudaEventRecord");
  runtime().streams.expect(stream, "cudaEventRecord");
  *event = {stream, stream->queued, stream->capture != nullptr};
  return cudaSuccess;
}
cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  const Call call;
  runtime().events.expect(event, "cudaEventSynchronize");
  if (event->captured) return end(cudaErrorCapturedEvent);
  if (forbidden()) return end(cudaErrorStreamCaptureUnsupported);
  if (!event->stream) return cudaSuccess;
  runtime().streams.expect(event->stream, "cudaEventSynchronize");
  runtime().counts.waits++;
  run_until(*event->stream, event->after);
  return cudaSuccess;
}

cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind kind, cudaStream_t stream) {
  const Call call;
  runtime().streams.expect(stream, "cudaMemcpyAsync");
  const Side at = side_of(to, bytes, stream->card), of = side_of(from, bytes, stream->card);
  if (at == Side::beyond || of == Side::beyond) return end(cudaErrorInvalidValue);
  const bool to_card = at == Side::card || managed(), from_card = of == Side::card || managed();
  if (kind == cudaMemcpyDeviceToHost ? at == Side::card : !to_card) return end(cudaErrorInvalidMemcpyDirection);
  if (kind == cudaMemcpyHostToDevice ? of == Side::card : !from_card) return end(cudaErrorInvalidMemcpyDirection);
  if (stream->capture && kind != cudaMemcpyDeviceToDevice && (at == Side::host || of == Side::host)) {
    stream->invalid = true;
    return end(cudaErrorStreamCaptureUnsupported);
  }
  return end(add(stream, [=] {
    Counts& counts = runtime().counts;
    counts.copies++;
    if (kind == cudaMemcpyHostToDevice) counts.copies_in++, counts.bytes_in += bytes;
    if (kind == cudaMemcpyDeviceToHost) counts.copies_out++, counts.bytes_out += bytes;
    std::memmove(to, from, bytes);
  }));
}
cudaError_t cudaMemsetAsync(void* to, int value, size_t bytes, cudaStream_t stream) {
  const Call call;
  runtime().streams.expect(stream, "cudaMemsetAsync");
  const Side at = side_of(to, bytes, stream->card);
  if (at != Side::card && !(at == Side::host && managed())) return end(cudaErrorInvalidValue);
  return end(add(stream, [=] {
    runtime().counts.fills++;
    std::memset(to, value, bytes);
  }));
}

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode mode) {
  const Call call;
  runtime().streams.expect(stream, "cudaStreamBeginCapture");
  if (mode != cudaStreamCaptureModeThreadLocal) misuse("cudaStreamBeginCapture: expected cudaStreamCaptureModeThreadLocal");
  if (stream->capture || capturing) return end(cudaErrorIllegalState);
  stream->capture = std::make_unique<EmulatedGraph>();
  stream->invalid = false;
  capturing = stream;
  return cudaSuccess;
}
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  const Call call;
  runtime().streams.expect(stream, "cudaStreamEndCapture");
  *graph = nullptr;
  if (!stream->capture || capturing != stream) return end(cudaErrorIllegalState);
  const auto recorded = std::move(stream->capture);
  capturing = nullptr;
  if (stream->invalid) return end(cudaErrorStreamCaptureInvalidated);
  *graph = runtime().graphs.add(std::move(*recorded));
  return cudaSuccess;
}
cudaError_t cudaGraphInstantiate(cudaGraphExec_t* run, cudaGraph_t graph, unsigned long long) {
  const Call call;
  runtime().graphs.expect(graph, "cudaGraphInstantiate");
  *run = runtime().runs.add({graph->work});
  return cudaSuccess;
}
cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  const Call call;
  runtime().graphs.remove(graph, "cudaGraphDestroy");
  return cudaSuccess;
}
cudaError_t cudaGraphLaunch(cudaGraphExec_t run, cudaStream_t stream) {
  const Call call;
  runtime().runs.expect(run, "cudaGraphLaunch");
  runtime().streams.expect(stream, "cudaGraphLaunch");
  if (stream->capture) {
    stream->invalid = true;
    return end(cudaErrorStreamCaptureUnsupported);
  }
  runtime().counts.graphs++;
  for (const Work& work : run->work) add(stream, work);
  return cudaSuccess;
}
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t run) {
  const Call call;
  runtime().runs.remove(run, "cudaGraphExecDestroy");
  return cudaSuccess;
}

cudaError_t cudaFuncSetAttribute(const void* function, cudaFuncAttribute, int value) {
  const Call call;
  if (value < 0 || static_cast<size_t>(value) > kMostShared) return end(cudaErrorInvalidValue);
  runtime().shared_limits[function] = static_cast<size_t>(value);
  return cudaSuccess;
}
