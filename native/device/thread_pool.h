// A fixed set of threads that run one function over a fixed partition. No queue, no stealing: which thread computes what
// never depends on timing, and results never depend on how many threads there are.
#pragma once
#include <cstdint>

namespace rectify {

class ThreadPool {
 public:
  using Task = void (*)(void* context, int thread);

  /** `threads` >= 1 counts the calling thread. */
  explicit ThreadPool(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int size() const { return threads_; }

  /** Calls task(context, t) for t in [0, size()) and waits for all; thread 0 is the caller. Tasks must not throw. */
  void run(Task task, void* context);

 private:
  struct State;
  State* state_;
  int threads_;
};

}  // namespace rectify
