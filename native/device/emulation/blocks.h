// Runs a kernel: block after block, a fiber for each of a block's threads.
#pragma once
#include <functional>

#include "kernel.h"

namespace rectify::emulation {

/** One kernel at a time in a process: what is __shared__ is static. */
void run_blocks(const char* kernel, dim3 grid, dim3 block, size_t shared, const std::function<void()>& body);

}  // namespace rectify::emulation
