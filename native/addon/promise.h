// Promises answered from an engine's thread. Each call has a thread-safe function of its own, which keeps the process alive
// while the call is in flight, is called once and released there; when the environment is gone nothing is called at all.
#pragma once
#include <napi.h>

#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "../engine/engine.h"
#include "../engine/worker.h"

namespace rectify {

/** An engine with its thread, and the generate calls that may be watched and ended from outside it. */
class Handle {
 public:
  Engine engine;
  Worker worker;

  std::shared_ptr<GenerateControl> begin_generate(int64_t call);
  void end_generate(int64_t call);
  /** Tokens generated so far by a call that has not ended; 0 for others. */
  int64_t generated(int64_t call);
  void cancel();

 private:
  std::mutex mutex_;
  std::vector<std::pair<int64_t, std::shared_ptr<GenerateControl>>> generating_;
};

/** One JavaScript environment (the main thread's or a worker_thread's), and whether it can still be answered. */
struct Environment {
  std::mutex mutex;
  bool alive = true;
  std::vector<std::weak_ptr<Handle>> handles;

  /** Created once per environment; `leave` is its cleanup hook. */
  static std::shared_ptr<Environment> enter(Napi::Env env);
  void leave();
};

/** Makes a result on the JavaScript thread. */
using Answer = std::function<Napi::Value(Napi::Env)>;

/** Runs `work` on the handle's thread after the calls before it; what it throws rejects the promise. */
Napi::Value promise(Napi::Env env, const std::shared_ptr<Environment>& environment, const std::shared_ptr<Handle>& handle,
                    std::function<Answer()> work);
/** As promise(), for the last call: the queue closes behind it. */
Napi::Value last_promise(Napi::Env env, const std::shared_ptr<Environment>& environment,
                         const std::shared_ptr<Handle>& handle, std::function<Answer()> work);

}  // namespace rectify
