// Workers spin briefly for the next task (kernels of a small model follow each other within microseconds), then sleep.
#include "thread_pool.h"

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace rectify {

namespace {
constexpr int kSpins = 4000;

void relax() {
#if defined(__x86_64__)
  _mm_pause();
#endif
}
}  // namespace

struct ThreadPool::State {
  std::atomic<uint64_t> epoch{0};
  std::atomic<int> running{0};
  std::atomic<int> sleepers{0};
  std::atomic<bool> stop{false};
  Task task = nullptr;
  void* context = nullptr;
  std::mutex mutex;
  std::condition_variable wake;
  std::vector<std::thread> workers;

  void wait_for(uint64_t next) {
    for (int i = 0; i < kSpins; i++) {
      if (epoch.load(std::memory_order_acquire) >= next) return;
      relax();
    }
    std::unique_lock lock(mutex);
    sleepers.fetch_add(1);
    wake.wait(lock, [&] { return epoch.load(std::memory_order_acquire) >= next; });
    sleepers.fetch_sub(1);
  }

  void work(int thread) {
    for (uint64_t next = 1;; next++) {
      wait_for(next);
      if (stop.load(std::memory_order_acquire)) return;
      task(context, thread);
      running.fetch_sub(1, std::memory_order_acq_rel);
    }
  }

  void publish() {
    epoch.fetch_add(1);
    if (sleepers.load() > 0) {
      std::lock_guard lock(mutex);
      wake.notify_all();
    }
  }
};

ThreadPool::ThreadPool(int threads) : state_(new State), threads_(threads < 1 ? 1 : threads) {
  for (int t = 1; t < threads_; t++) state_->workers.emplace_back([this, t] { state_->work(t); });
}

ThreadPool::~ThreadPool() {
  state_->stop.store(true);
  {
    std::lock_guard lock(state_->mutex);
    state_->epoch.fetch_add(1);
    state_->wake.notify_all();
  }
  for (auto& worker : state_->workers) worker.join();
  delete state_;
}

void ThreadPool::run(Task task, void* context) {
  if (threads_ == 1) return task(context, 0);
  state_->task = task;
  state_->context = context;
  state_->running.store(threads_ - 1, std::memory_order_release);
  state_->publish();
  task(context, 0);
  for (int i = 0; state_->running.load(std::memory_order_acquire) > 0; i++) {
    if (i < kSpins) relax();
    else std::this_thread::yield();
  }
}

}  // namespace rectify
