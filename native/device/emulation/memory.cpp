// Device memory by mmap: each allocation has pages of its own, an unmapped page after it, and is shut to the host by mprotect. Huge
// pages keep that cheap.
#include "memory.h"

#include <sys/mman.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace rectify::emulation {

namespace {

constexpr size_t kPage = 4096, kHuge = size_t{2} << 20, kAddresses = size_t{256} << 30, kUsual = size_t{8} << 30;

size_t round_up(size_t bytes, size_t to) { return (bytes + to - 1) / to * to; }

void protect(char* data, size_t bytes, int how) {
  if (mprotect(data, bytes, how) != 0) misuse("the system does not change the protection of memory (mprotect)");
}

}  // namespace

void misuse(const std::string& what) {
  std::fprintf(stderr, "cuda emulation: %s\n", what.c_str());
  std::abort();
}

size_t CardMemory::total() const {
  const char* given = std::getenv("RECTIFY_EMULATION_MEMORY");
  return given && *given ? std::strtoull(given, nullptr, 10) : kUsual;
}

void* CardMemory::allocate(size_t bytes) {
  const size_t rounded = round_up(bytes, kPage), place = round_up(rounded + kPage, kHuge);
  if (rounded < bytes || used_ > total() || rounded > total() - used_) return nullptr;
  if (!addresses_.base()) {
    void* base = mmap(nullptr, kAddresses + kHuge, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base == MAP_FAILED) return nullptr;
    addresses_.open(reinterpret_cast<char*>(round_up(reinterpret_cast<uintptr_t>(base), kHuge)), kAddresses);
  }
  void* taken = addresses_.take(place);
  if (!taken) {
    for (char* data : freed_) addresses_.give(data);
    freed_.clear();
    if (!(taken = addresses_.take(place))) return nullptr;
  }
  char* data = static_cast<char*>(taken);
  protect(data, rounded, PROT_READ | PROT_WRITE);
  madvise(data, rounded, MADV_HUGEPAGE);
  std::memset(data, 0xff, rounded);
  if (!open_) protect(data, rounded, PROT_NONE);
  allocated_[data] = rounded;
  used_ += rounded;
  return data;
}

void CardMemory::release(void* data) {
  const auto at = allocated_.find(static_cast<char*>(data));
  if (at == allocated_.end()) misuse("cudaFree: expected memory that cudaMalloc gave and nobody freed");
  protect(at->first, at->second, PROT_NONE);
  madvise(at->first, at->second, MADV_DONTNEED);
  freed_.push_back(at->first);
  used_ -= at->second;
  allocated_.erase(at);
}

size_t CardMemory::bytes_from(const void* data) const {
  auto* const place = const_cast<char*>(static_cast<const char*>(data));
  auto at = allocated_.upper_bound(place);
  if (at == allocated_.begin()) return 0;
  --at;
  return place < at->first + at->second ? static_cast<size_t>(at->first + at->second - place) : 0;
}

void CardMemory::open() {
  open_ = true;
  for (const auto& [data, bytes] : allocated_) protect(data, bytes, PROT_READ | PROT_WRITE);
}

void CardMemory::close() {
  open_ = false;
  for (const auto& [data, bytes] : allocated_) protect(data, bytes, PROT_NONE);
}

}  // namespace rectify::emulation
