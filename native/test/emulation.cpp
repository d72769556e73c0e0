// The emulated CUDA runtime keeps CUDA's rules, and is stricter where the head of runtime.h says so: every rule that the tests of the
// device lean on is broken here once.
#undef RECTIFY_CUDA  // no header of CUDA's own beside the emulation's
#include "../device/emulation/runtime.h"

#include <sys/wait.h>
#include <unistd.h>

#include "../device/emulation/kernel.h"
#include "../device/emulation/observe.h"
#include "check.h"

using namespace rectify;
using namespace rectify::test;

namespace {

#define OK(call) CHECK((call) == cudaSuccess)

int some_kernel;  // its address stands for a kernel's

cudaError_t launch(cudaStream_t stream, std::function<void()> body, dim3 grid = 1, dim3 block = 32, size_t shared = 0) {
  return emulation::launch("a kernel of the test", &some_kernel, grid, block, shared, stream, std::move(body));
}

struct Stream {
  cudaStream_t on = nullptr;
  Stream() { OK(cudaStreamCreateWithFlags(&on, cudaStreamNonBlocking)); }
  ~Stream() {
    OK(cudaStreamSynchronize(on));
    OK(cudaStreamDestroy(on));
  }
};
struct Memory {
  int* data = nullptr;
  bool pinned;
  explicit Memory(size_t bytes, bool pinned = false) : pinned(pinned) {
    void* all = nullptr;
    OK(pinned ? cudaMallocHost(&all, bytes) : cudaMalloc(&all, bytes));
    data = static_cast<int*>(all);
  }
  ~Memory() { OK(pinned ? cudaFreeHost(data) : cudaFree(data)); }
};

/** Only what has been waited for has happened, with what lay there then. */
void order() {
  Memory card(64), in(64, true), out(64, true);
  cudaEvent_t event = nullptr;
  OK(cudaEventCreateWithFlags(&event, cudaEventDisableTiming));
  OK(cudaEventSynchronize(event));  // never recorded: nothing to wait for
  CHECK(in.data[0] == -1);  // NaN
  {
    Stream stream;
    int ran = 0;
    in.data[0] = 1;
    OK(cudaMemcpyAsync(card.data, in.data, 4, cudaMemcpyHostToDevice, stream.on));
    in.data[0] = 2;  // too early: the copy has not been waited for
    OK(cudaMemcpyAsync(out.data, card.data, 8, cudaMemcpyDeviceToHost, stream.on));
    OK(cudaEventRecord(event, stream.on));
    OK(launch(stream.on, [&ran] { ran++; }));
    CHECK(out.data[0] == -1 && ran == 0);
    OK(cudaEventSynchronize(event));
    CHECK(out.data[0] == 2 && out.data[1] == -1 && ran == 0);
    OK(cudaMemsetAsync(card.data, 7, 4, stream.on));
    OK(cudaStreamSynchronize(stream.on));
    CHECK(ran == 32);
  }
  {
    setenv("RECTIFY_EMULATION_EAGER", "1", 1);
    Stream stream;
    unsetenv("RECTIFY_EMULATION_EAGER");
    OK(cudaMemcpyAsync(out.data, card.data, 4, cudaMemcpyDeviceToHost, stream.on));
    CHECK(out.data[0] == 0x07070707);
  }
  OK(cudaEventDestroy(event));
}

void limits() {
  Stream stream;
  const auto nothing = [] {};
  CHECK(launch(stream.on, nothing, 1, 1056) == cudaErrorInvalidConfiguration && cudaGetLastError() == cudaErrorInvalidConfiguration);
  CHECK(cudaGetLastError() == cudaSuccess);
  CHECK(launch(stream.on, nothing, 1, dim3(1, 1, 96)) == cudaErrorInvalidConfiguration);
  CHECK(launch(stream.on, nothing, dim3(1, 65536, 1)) == cudaErrorInvalidConfiguration);
  CHECK(launch(stream.on, nothing, dim3(1, 1, 65536)) == cudaErrorInvalidConfiguration);
  CHECK(launch(stream.on, nothing, dim3(int64_t{1} << 31)) == cudaErrorInvalidConfiguration);
  CHECK(launch(stream.on, nothing, 0) == cudaErrorInvalidConfiguration);
  OK(launch(stream.on, nothing, 1, 1024, 48 << 10));
  CHECK(launch(stream.on, nothing, 1, 32, (48 << 10) + 1) == cudaErrorInvalidValue);
  CHECK(cudaFuncSetAttribute(&some_kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, (227 << 10) + 1) == cudaErrorInvalidValue);
  OK(cudaFuncSetAttribute(&some_kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, 100 << 10));
  OK(launch(stream.on, nothing, 1, 32, 100 << 10));
  CHECK(launch(stream.on, nothing, 1, 32, (100 << 10) + 1) == cudaErrorInvalidValue);
  OK(cudaSetDevice(1));
  CHECK(launch(stream.on, nothing) == cudaErrorInvalidResourceHandle);
  CHECK(cudaSetDevice(2) == cudaErrorInvalidDevice);
  OK(cudaSetDevice(0));
}

void copies() {
  std::vector<int> host(1024);
  Memory card(4096), pinned(4096, true);
  Stream stream;
  const auto copy = [&](void* to, const void* from, size_t bytes, cudaMemcpyKind kind) { return cudaMemcpyAsync(to, from, bytes, kind, stream.on); };
  CHECK(copy(card.data, pinned.data, 4097, cudaMemcpyHostToDevice) == cudaErrorInvalidValue);
  CHECK(copy(card.data + 1, host.data(), 4096, cudaMemcpyHostToDevice) == cudaErrorInvalidValue);
  CHECK(copy(pinned.data, host.data(), 8, cudaMemcpyHostToDevice) == cudaErrorInvalidMemcpyDirection);
  CHECK(copy(card.data, host.data(), 8, cudaMemcpyDeviceToDevice) == cudaErrorInvalidMemcpyDirection);
  CHECK(copy(card.data, card.data + 8, 8, cudaMemcpyDeviceToHost) == cudaErrorInvalidMemcpyDirection);
  CHECK(cudaMemsetAsync(host.data(), 0, 8, stream.on) == cudaErrorInvalidValue);
  CHECK(!emulation::takes(host.data()) && emulation::takes(card.data) && emulation::takes(card.data + 1024) && emulation::takes<int*>(nullptr));
  OK(copy(card.data, host.data(), 4096, cudaMemcpyHostToDevice));
}

void capture() {
  Memory card(64), pinned(64, true);
  Stream stream;
  int host = 0, ran = 0;
  cudaEvent_t event = nullptr;
  OK(cudaEventCreateWithFlags(&event, cudaEventDisableTiming));
  cudaGraph_t graph = nullptr;
  const auto begin = [&] { OK(cudaStreamBeginCapture(stream.on, cudaStreamCaptureModeThreadLocal)); };
  void* more = nullptr;
  const std::function<cudaError_t()> forbidden[] = {
      [&] { return cudaMalloc(&more, 4); },
      [&] { return cudaFree(card.data); },
      [&] { return cudaMallocHost(&more, 4); },
      [&] { return cudaStreamSynchronize(stream.on); },
      [&] { return cudaEventSynchronize(event); },
      [&] { return cudaMemcpyAsync(card.data, &host, 4, cudaMemcpyHostToDevice, stream.on); },
  };
  for (const auto& call : forbidden) {
    begin();
    CHECK(call() == cudaErrorStreamCaptureUnsupported);
    CHECK(cudaStreamEndCapture(stream.on, &graph) == cudaErrorStreamCaptureInvalidated && !graph);
  }
  CHECK(cudaStreamEndCapture(stream.on, &graph) == cudaErrorIllegalState);
  begin();
  CHECK(cudaStreamBeginCapture(stream.on, cudaStreamCaptureModeThreadLocal) == cudaErrorIllegalState);
  OK(cudaMemcpyAsync(card.data, pinned.data, 4, cudaMemcpyHostToDevice, stream.on));
  int argument = 10;
  OK(launch(stream.on, [&ran, argument] { ran += argument; }));
  argument = 1000;
  OK(cudaMemcpyAsync(pinned.data + 1, card.data, 4, cudaMemcpyDeviceToHost, stream.on));
  OK(cudaEventRecord(event, stream.on));
  OK(cudaStreamEndCapture(stream.on, &graph));
  CHECK(cudaEventSynchronize(event) == cudaErrorCapturedEvent);
  OK(cudaStreamSynchronize(stream.on));
  CHECK(ran == 0);
  cudaGraphExec_t run = nullptr;
  OK(cudaGraphInstantiate(&run, graph, 0));
  OK(cudaGraphDestroy(graph));
  for (int i = 1; i <= 3; i++) {
    pinned.data[0] = i;
    OK(cudaGraphLaunch(run, stream.on));
    CHECK(pinned.data[1] == (i == 1 ? -1 : i - 1));
    OK(cudaStreamSynchronize(stream.on));
    CHECK(pinned.data[1] == i && ran == i * 320);
  }
  OK(cudaGraphExecDestroy(run));
  OK(cudaEventDestroy(event));
}

void memory() {
  setenv("RECTIFY_EMULATION_MEMORY", "1048576", 1);
  size_t left = 0, total = 0;
  void* data = nullptr;
  {
    Memory half(512 << 10);
    OK(cudaMemGetInfo(&left, &total));
    CHECK(left == 512 << 10 && total == 1 << 20);
    CHECK(cudaMalloc(&data, (512 << 10) + 1) == cudaErrorMemoryAllocation && !data);
    Memory rest(512 << 10);
  }
  unsetenv("RECTIFY_EMULATION_MEMORY");
}

/** What a process of its own ends with. */
int end_of(const std::function<void()>& action) {
  std::fflush(stdout);
  const pid_t child = fork();
  if (child == 0) {
    if (!std::freopen("/dev/null", "w", stderr)) _exit(1);
    action();
    _exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

void misuse() {
  cudaStream_t stream = nullptr;
  cudaEvent_t event = nullptr;
  void *data = nullptr, *host = nullptr;
  const auto prepare = [&] {
    cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking);
    cudaEventCreateWithFlags(&event, cudaEventDisableTiming);
    cudaMalloc(&data, 64);
    cudaMallocHost(&host, 64);
  };
  CHECK(end_of(prepare) == 0);
  const std::pair<std::function<void()>, int> all[] = {
      {[&] { cudaFree(data), cudaFree(data); }, SIGABRT},
      {[&] { cudaFree(static_cast<char*>(data) + 8); }, SIGABRT},
      {[&] { cudaFree(host); }, SIGABRT},
      {[&] { cudaFreeHost(data); }, SIGABRT},
      {[&] { cudaMemsetAsync(data, 0, 64, stream), cudaFree(data); }, SIGABRT},
      {[&] { cudaMemsetAsync(data, 0, 64, stream), cudaStreamDestroy(stream); }, SIGABRT},
      {[&] { cudaStreamDestroy(stream), cudaStreamSynchronize(stream); }, SIGABRT},
      {[&] { cudaEventDestroy(event), cudaEventDestroy(event); }, SIGABRT},
      {[&] { *static_cast<volatile int*>(data) = 1; }, SIGSEGV},
      {[&] { launch(stream, [at = static_cast<int*>(data)] { at[4096 / 4] = 1; }), cudaStreamSynchronize(stream); }, SIGSEGV},
      {[&] { cudaFree(data), launch(stream, [at = static_cast<int*>(data)] { at[0] = 1; }), cudaStreamSynchronize(stream); }, SIGSEGV},
      {[&] { launch(stream, [] {}, 1, 40), cudaStreamSynchronize(stream); }, SIGABRT},
  };
  int i = 0;
  for (const auto& [action, signal] : all) {
    const int got = end_of([&] { prepare(), action(); });
#if defined(__SANITIZE_ADDRESS__)
    if (signal == SIGSEGV) continue;  // told in its own way
#endif
    if (!CHECK(got == signal)) std::printf("  misuse %d: %d\n", i, got);
    i++;
  }
}

/** A missing barrier shows in some turn, in whichever direction values go; copies land early in some blocks and late in others. */
void turns() {
  Stream stream;
  static int shared[64];
  for (const int distance : {1, 32, 63}) {
    int wrong[2] = {};
    bool early[2] = {};
    for (const bool barrier : {false, true})
      for (int i = 0; i < 8; i++) {
        OK(launch(stream.on, [&, barrier] {
          const int t = static_cast<int>(threadIdx.x);
          early[emulation::copies_land_early] = true;
          shared[t] = -1;
          emulation::block_barrier();
          shared[t] = t;
          if (barrier) emulation::block_barrier();
          if (shared[(t + distance) % 64] != (t + distance) % 64) wrong[barrier]++;
        }, 1, 64));
        OK(cudaStreamSynchronize(stream.on));
      }
    CHECK(wrong[0] > 0 && wrong[1] == 0 && early[0] && early[1]);
  }
}

}  // namespace

int main() {
  if (emulation_wanted()) {
    misuse();
    order();
    limits();
    copies();
    capture();
    memory();
    turns();
    CHECK(emulation::left_over() == "");
  } else {
    CHECK(true);
  }
  return finish("emulation");
}
