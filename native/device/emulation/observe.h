// What a test asks the emulated runtime: how much ran, what nobody has given back, and, for a library's stand-in, to run its work.
#pragma once
#include <cstdint>
#include <functional>
#include <string>

namespace rectify::emulation {

/** Since the process began, on all emulated cards. `waits` counts the host's, `graphs` launches of recorded ones (whose kernels
 *  and copies are counted too). */
struct Counts {
  uint64_t kernels = 0, copies = 0, fills = 0, waits = 0, graphs = 0;
  uint64_t copies_in = 0, copies_out = 0, bytes_in = 0, bytes_out = 0;  // of the copies those between host and card
};
Counts counts();

/** Allocations and handles that live, in words; empty: none. */
std::string left_over();

/** Puts work of the card into a stream (a cudaStream_t); 0: done. */
int enqueue_work(void* stream, std::function<void()> work);

}  // namespace rectify::emulation
