// Streams as queues of work that run when the host waits, events as places in them, and recorded graphs.
#include <cstring>

#include "blocks.h"
#include "state.h"

namespace rectify::emulation {

namespace {

constexpr size_t kUsualShared = size_t{48} << 10;

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

enum class Side { host, pinned, card, beyond };

/** Where [data, data + bytes) lies; beyond: only its beginning lies in an allocation. */
Side side_of(const void* data, size_t bytes, int card) {
  if (const size_t left = runtime().cards[card].bytes_from(data)) return bytes <= left ? Side::card : Side::beyond;
  const char* place = static_cast<const char*>(data);
  auto at = runtime().pinned.upper_bound(place);
  if (at == runtime().pinned.begin() || place >= (--at)->first + at->second) return Side::host;
  return bytes <= static_cast<size_t>(at->first + at->second - place) ? Side::pinned : Side::beyond;
}

}  // namespace

cudaError_t enqueue(cudaStream_t stream, Work work) {
  const Call call;
  return end(add(stream, std::move(work)));
}

int enqueue_work(void* stream, Work work) { return enqueue(static_cast<cudaStream_t>(stream), std::move(work)); }

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

}  // namespace rectify::emulation

using namespace rectify::emulation;

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
