// What a test asks the emulated runtime: how much ran, and what nobody has given back.
#pragma once
#include <cstdint>
#include <string>

namespace rectify::emulation {

/** Since the process began, on all emulated cards. `waits` counts the host's, `graphs` launches of recorded ones (whose kernels
 *  and copies are counted too). */
struct Counts {
  uint64_t kernels = 0, copies = 0, fills = 0, waits = 0, graphs = 0;
};
Counts counts();

/** Allocations and handles that live, in words; empty: none. */
std::string left_over();

}  // namespace rectify::emulation
