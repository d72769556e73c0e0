// What the parts of the emulated runtime share: handles, cards, and what the calling thread has set.
#pragma once
#include <cstdlib>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <utility>
#include <vector>

#include "kernel.h"
#include "memory.h"
#include "observe.h"
#include "runtime.h"

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

constexpr int kCards = 2;

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

Runtime& runtime();

/** Of the calling thread: its card, its last error, the stream that it records. */
inline thread_local int current = 0;
inline thread_local cudaError_t last = cudaSuccess;
inline thread_local EmulatedStream* capturing = nullptr;

/** Held by every call; what a call returns passes through `end`. */
struct Call : std::lock_guard<std::mutex> {
  Call() : std::lock_guard<std::mutex>(runtime().mutex) {}
};

inline cudaError_t end(cudaError_t error) {
  if (error != cudaSuccess) last = error;
  return error;
}

inline bool set(const char* name) {
  const char* value = std::getenv(name);
  return value && *value == '1';
}
inline bool managed() { return set("RECTIFY_EMULATION_MANAGED"); }

/** What must not be called while this thread records. */
inline bool forbidden() {
  if (capturing) capturing->invalid = true;
  return capturing != nullptr;
}

}  // namespace rectify::emulation
