// The memory of the emulated cards, out of the host's reach but while a kernel or a copy runs.
#pragma once
#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include "../gpu.h"

namespace rectify::emulation {

class CardMemory {
 public:
  /** Null where the card has no more. New memory holds NaN. */
  void* allocate(size_t bytes);
  void release(void* data);
  /** Bytes of the allocation from `data` on; 0 where there is none. */
  size_t bytes_from(const void* data) const;
  size_t used() const { return used_; }
  size_t total() const;
  size_t allocations() const { return allocated_.size(); }

  void open();
  void close();

 private:
  Pool addresses_;
  std::map<char*, size_t> allocated_;
  std::vector<char*> freed_;  // addresses that come back into use when no others are left
  size_t used_ = 0;
  bool open_ = false;
};

/** Ends the process with what was wrong. */
[[noreturn]] void misuse(const std::string& what);

}  // namespace rectify::emulation
