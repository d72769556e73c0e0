// One thread and its in-order queue.
#include "worker.h"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

namespace rectify {

struct Worker::Queue {
  std::mutex mutex;
  std::condition_variable ready;
  std::deque<Job> jobs;
  bool closed = false;

  void run() {
    for (;;) {
      Job job;
      {
        std::unique_lock lock(mutex);
        ready.wait(lock, [&] { return closed || !jobs.empty(); });
        if (jobs.empty()) return;
        job = std::move(jobs.front());
        jobs.pop_front();
      }
      job();
    }
  }

  bool close(Job last, bool drop) {
    std::deque<Job> dropped;  // destroyed after the lock is released
    {
      std::lock_guard lock(mutex);
      if (closed) return false;
      closed = true;
      if (drop) dropped.swap(jobs);
      if (last) jobs.push_back(std::move(last));
    }
    ready.notify_one();
    return true;
  }
};

Worker::Worker() : queue_(std::make_shared<Queue>()) {
  std::thread([queue = queue_] { queue->run(); }).detach();
}

Worker::~Worker() { queue_->close(nullptr, false); }

bool Worker::post(Job job) {
  {
    std::lock_guard lock(queue_->mutex);
    if (queue_->closed) return false;
    queue_->jobs.push_back(std::move(job));
  }
  queue_->ready.notify_one();
  return true;
}

bool Worker::close(Job last) { return queue_->close(std::move(last), false); }
void Worker::abandon(Job last) { queue_->close(std::move(last), true); }

}  // namespace rectify
