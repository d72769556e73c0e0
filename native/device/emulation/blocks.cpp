// Fibers for the threads of a block, and their barriers and warp collectives.
#include "blocks.h"

#include <sys/mman.h>

#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <vector>

#if !defined(__x86_64__)
#include <ucontext.h>
#endif
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

namespace rectify::emulation {

const Place* here = nullptr;
dim3 block_index, block_size, grid_size;
unsigned char* dynamic_shared = nullptr;
bool copies_land_early = false;
uint64_t block_serial = 0;

namespace {

constexpr size_t kStack = size_t{256} << 10, kMostThreads = 1024, kMostShared = size_t{227} << 10;

#if defined(__x86_64__)
using Context = void*;  // the stack pointer; what a call must keep lies on the stack
extern "C" void rectify_switch_stack(void** save, void* load);
asm(R"(
.text
.p2align 4
.hidden rectify_switch_stack
.globl rectify_switch_stack
.type rectify_switch_stack, @function
rectify_switch_stack:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size rectify_switch_stack, .-rectify_switch_stack
)");
void switch_to(Context& from, Context& to) { rectify_switch_stack(&from, to); }
void prepare(Context& context, unsigned char* stack, void (*entry)()) {
  auto** top = reinterpret_cast<void**>(stack + kStack) - 2;  // entry begins as after a call: 8 past a multiple of 16
  *top = reinterpret_cast<void*>(entry);
  context = top - 6;
}
#else
using Context = ucontext_t;
void switch_to(Context& from, Context& to) { swapcontext(&from, &to); }
void prepare(Context& context, unsigned char* stack, void (*entry)()) {
  getcontext(&context);
  context.uc_stack.ss_sp = stack;
  context.uc_stack.ss_size = kStack;
  context.uc_link = nullptr;
  makecontext(&context, entry, 0);
}
#endif

enum class State : uint8_t { fresh, ready, at_barrier, at_collective, done };

struct Thread {
  Place place;
  Context context;
  State state = State::fresh;
  uint64_t waits_past = 0;  // the generation of what it waits for
};

struct Warp {
  alignas(128) unsigned char lanes[2][32 * 128];
  unsigned arrived = 0;
  uint64_t generation = 0;
};

/** One launch at a time in a process: what is __shared__ is static. */
std::mutex one_launch;
std::vector<Thread> threads;
std::vector<Warp> warps;
unsigned char* stacks = nullptr;
Context scheduler;
const char* kernel_name = "";
const std::function<void()>* kernel_body = nullptr;
unsigned barrier_arrived = 0;
uint64_t barrier_generation = 0;

Thread& self() { return *const_cast<Thread*>(reinterpret_cast<const Thread*>(here)); }

// The address sanitizer is told of every change of stacks.
#if defined(__SANITIZE_ADDRESS__)
const void* main_stack = nullptr;
size_t main_stack_bytes = 0;
void leave_thread() {
  void* keep = nullptr;
  __sanitizer_start_switch_fiber(self().state == State::done ? nullptr : &keep, main_stack, main_stack_bytes);
  switch_to(self().context, scheduler);
  __sanitizer_finish_switch_fiber(keep, nullptr, nullptr);
}
void enter_thread(Thread& t, const unsigned char* stack) {
  void* keep = nullptr;
  __sanitizer_start_switch_fiber(&keep, stack, kStack);
  switch_to(scheduler, t.context);
  __sanitizer_finish_switch_fiber(keep, nullptr, nullptr);
}
void first_entry() { __sanitizer_finish_switch_fiber(nullptr, &main_stack, &main_stack_bytes); }
/** The last fiber's outermost calls never returned: what they marked is not the next one's. */
void clean(const unsigned char* stack) { __asan_unpoison_memory_region(stack + kStack - 4096, 4096); }
#else
void leave_thread() { switch_to(self().context, scheduler); }
void enter_thread(Thread& t, const unsigned char*) { switch_to(scheduler, t.context); }
void first_entry() {}
void clean(const unsigned char*) {}
#endif

void thread_main() {
  first_entry();
  (*kernel_body)();
  self().state = State::done;
  leave_thread();
  std::abort();
}

bool can_run(const Thread& t) {
  switch (t.state) {
    case State::at_barrier: return barrier_generation > t.waits_past;
    case State::at_collective: return warps[t.place.warp].generation > t.waits_past;
    default: return t.state != State::done;
  }
}

[[noreturn]] void deadlock() {
  size_t counts[5] = {}, first[5] = {};
  for (size_t i = threads.size(); i-- > 0;) counts[static_cast<int>(threads[i].state)]++, first[static_cast<int>(threads[i].state)] = i;
  char text[240];
  std::snprintf(text, sizeof text,
                "threads wait for others that never come: %zu at __syncthreads (first: %zu), %zu at a warp collective (first: %zu), "
                "%zu returned (first: %zu)",
                counts[2], first[2], counts[3], first[3], counts[4], first[4]);
  fail(text);
}

/** The turns in which a block's threads run: whatever the turn, a right kernel computes the same. */
struct Order {
  unsigned step, first;  // lane k of a warp's turn is (k step + first) mod 32, step odd
  bool last_warp_first;
};

Order order_of(uint64_t turn) {
  if (turn % 4 == 0) return {1, 0, false};
  if (turn % 4 == 1) return {31, 31, true};
  const uint64_t random = (turn + 1) * 0x9e3779b97f4a7c15u;
  return {static_cast<unsigned>(random >> 40) % 32 | 1, static_cast<unsigned>(random >> 50) % 32, turn % 4 == 3};
}

void run_block(uint64_t turn) {
  const size_t n = threads.size();
  size_t left = n;
  const Order order = order_of(turn);
  copies_land_early = (turn / 2 + turn / 4) % 2 == 1;
  block_serial++;
  for (Thread& t : threads) t.state = State::fresh;
  while (left > 0) {
    bool moved = false;
    // A warp runs as far as it can before the next one does, so that a missing barrier between them shows.
    for (size_t first = 0; first < n; first += 32)
      for (bool again = true; again;) {
        again = false;
        const size_t warp = order.last_warp_first ? n - 32 - first : first;
        for (unsigned k = 0; k < 32; k++) {
          const size_t i = warp + (k * order.step + order.first) % 32;
          Thread& t = threads[i];
          if (!can_run(t)) continue;
          if (t.state == State::fresh) {
            clean(stacks + i * kStack);
            prepare(t.context, stacks + i * kStack, thread_main);
          }
          t.state = State::ready;
          here = &t.place;
          moved = again = true;
          enter_thread(t, stacks + i * kStack);
          if (t.state == State::done) left--;
        }
      }
    if (!moved) deadlock();
  }
}

}  // namespace

void fail(const char* what) {
  std::fprintf(stderr, "cuda emulation: %s: block (%u, %u, %u): %s\n", kernel_name, block_index.x, block_index.y, block_index.z, what);
  std::abort();
}

void block_barrier() {
  Thread& t = self();
  if (++barrier_arrived == threads.size()) {
    barrier_arrived = 0;
    barrier_generation++;
    return;
  }
  t.waits_past = barrier_generation;
  t.state = State::at_barrier;
  leave_thread();
}

const unsigned char* exchange(const void* value, size_t bytes) {
  Thread& t = self();
  Warp& warp = warps[t.place.warp];
  unsigned char* lanes = warp.lanes[warp.generation & 1];
  if (bytes) std::memcpy(lanes + t.place.lane * 128, value, bytes);
  if (++warp.arrived == 32) {
    warp.arrived = 0;
    warp.generation++;
  } else {
    t.waits_past = warp.generation;
    t.state = State::at_collective;
    leave_thread();
  }
  return lanes;  // not written again before every lane has come to the next collective
}

void run_blocks(const char* kernel, dim3 grid, dim3 block, size_t shared, const std::function<void()>& body) {
  const std::lock_guard lock(one_launch);
  const size_t count = size_t{block.x} * block.y * block.z;
  kernel_name = kernel, kernel_body = &body;
  block_size = block, grid_size = grid, block_index = dim3(0, 0, 0);
  if (count % 32 != 0) fail("expected a block of whole warps");
  if (!stacks) {
    stacks = static_cast<unsigned char*>(mmap(nullptr, kMostThreads * kStack, PROT_READ | PROT_WRITE,
                                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
    if (stacks == MAP_FAILED) fail("no memory for the stacks");
    dynamic_shared = static_cast<unsigned char*>(std::aligned_alloc(128, (kMostShared + 127) / 128 * 128));
  }
  threads.assign(count, Thread{});
  warps.resize(count / 32);
  for (Warp& warp : warps) warp.arrived = 0, warp.generation = 0;
  barrier_arrived = 0, barrier_generation = 0;
  for (size_t i = 0; i < count; i++) {
    const auto n = static_cast<unsigned>(i);
    threads[i].place = {{n % block.x, n / block.x % block.y, n / block.x / block.y}, n % 32, n / 32};
  }
  // Every launch begins with another turn, so that kernels of one block see them all.
  static uint64_t launches = [] {
    const char* seed = std::getenv("RECTIFY_EMULATION_ORDER");
    return seed ? std::strtoull(seed, nullptr, 10) : 0;
  }();
  uint64_t turn = launches++;
  for (unsigned z = 0; z < grid.z; z++)
    for (unsigned y = 0; y < grid.y; y++)
      for (unsigned x = 0; x < grid.x; x++, turn++) {
        block_index = dim3(x, y, z);
        std::memset(dynamic_shared, 0xff, shared);
        run_block(turn);
      }
  here = nullptr;
}

}  // namespace rectify::emulation
