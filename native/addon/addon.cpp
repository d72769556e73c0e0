// What JavaScript sees: the Engine class, whose methods are the engine's verbs, and the functions that need no engine.
#include <napi.h>

#include "../device/cublaslt.h"
#include "options.h"
#include "promise.h"
#include "types.h"

namespace rectify {

namespace {

using bind::read_struct;
using bind::write;

/** One per environment: worker_threads load the addon once more. */
struct Instance {
  std::shared_ptr<Environment> environment;
};

class EngineObject : public Napi::ObjectWrap<EngineObject> {
 public:
  explicit EngineObject(const Napi::CallbackInfo& info)
      : Napi::ObjectWrap<EngineObject>(info),
        environment_(info.Env().GetInstanceData<Instance>()->environment),
        handle_(std::make_shared<Handle>()) {
    const std::lock_guard lock(environment_->mutex);
    std::erase_if(environment_->handles, [](const auto& handle) { return handle.expired(); });
    environment_->handles.push_back(handle_);
  }

  ~EngineObject() override {
    handle_->cancel();
    handle_->worker.close([handle = handle_] { handle->engine.close(); });
  }

  static Napi::Function define(Napi::Env env) {
#define VERB(name, types) InstanceMethod<&EngineObject::name>(#name),
    return DefineClass(env, "Engine", {RECTIFY_VERBS(VERB)});
#undef VERB
  }

 private:
  using Info = const Napi::CallbackInfo&;

  /** Runs `verb(engine)` on the engine's thread; its result, if any, becomes the promise's value. */
  template <class Verb>
  Napi::Value run(Info info, Verb verb, bool joins = false) {
    const auto work = [handle = handle_, verb = std::move(verb)]() mutable -> Answer {
      if constexpr (std::is_void_v<decltype(verb(handle->engine))>) {
        verb(handle->engine);
        return {};
      } else {
        auto result = std::make_shared<decltype(verb(handle->engine))>(verb(handle->engine));
        return [result](Napi::Env env) { return write(env, *result); };
      }
    };
    return promise(info.Env(), environment_, handle_, work, joins);
  }

  Napi::Value open(Info info) {
    return run(info, [request = read_struct<OpenRequest>(info[0], "open")](Engine& e) { e.open(request); });
  }
  Napi::Value generate(Info info) {
    const int64_t id = bind::read_integer(info[0], "generate.call", kCount);
    auto request = read_struct<GenerateRequest>(info[1], "generate");
    const auto control = handle_->begin_generate(id);
    struct End {
      std::shared_ptr<Handle> handle;
      int64_t id;
      ~End() { handle->end_generate(id); }
    };
    auto end = std::shared_ptr<End>(new End{handle_, id});
    auto call = std::make_shared<GenerateCall>(GenerateCall{std::move(request), control, {}, {}});
    return later_promise(info.Env(), environment_, handle_, [call, end = std::move(end)](const std::shared_ptr<Reply>& reply) mutable {
      const auto held = std::make_shared<std::shared_ptr<End>>(std::move(end));
      call->done = [reply, held](std::vector<Completion> completions) {
        held->reset();
        auto result = std::make_shared<std::vector<Completion>>(std::move(completions));
        reply->answer([result](Napi::Env env) { return write(env, *result); });
      };
      call->fail = [reply, held](const std::string& error) {
        held->reset();
        reply->fail(error);
      };
      Handle& handle = *(*held)->handle;
      handle.engine.generate(std::move(call), [&worker = handle.worker] { worker.let_in(); });
    });
  }
  Napi::Value generated(Info info) {
    return Napi::Number::New(info.Env(), static_cast<double>(
                                             handle_->generated(bind::read_integer(info[0], "generated.call", kCount))));
  }
  Napi::Value fresh(Info info) {
    FreshTokens tokens = handle_->fresh(bind::read_integer(info[0], "fresh.call", kCount));
    return write(info.Env(), tokens);
  }
  Napi::Value cancel(Info info) {
    if (info[0].IsUndefined()) {
      handle_->cancel();
    } else {
      handle_->cancel(bind::read_integer(info[0], "cancel.call", kCount));
    }
    return info.Env().Undefined();
  }
  Napi::Value logprobs(Info info) {
    return run(info, [request = read_struct<ScoreRequest>(info[0], "logprobs")](Engine& e) mutable {
      return e.logprobs(std::move(request));
    }, true);
  }
  Napi::Value train(Info info) {
    return run(info, [batch = read_struct<TrainBatch>(info[0], "train")](Engine& e) mutable { return e.train(std::move(batch)); });
  }
  Napi::Value reproScore(Info info) {
    return run(info, [request = read_struct<ReproRequest>(info[0], "reproScore")](Engine& e) { return e.repro_score(request); });
  }
  Napi::Value step(Info info) {
    return run(info, [options = read_struct<StepOptions>(info[0], "step")](Engine& e) { return e.step(options); });
  }
  Napi::Value freeze(Info info) {
    return run(info, [tensors = read_struct<std::vector<TensorSource>>(info[0], "freeze.tensors")](Engine& e) { e.freeze(tensors); });
  }
  Napi::Value setVocabulary(Info info) {
    std::vector<std::string> text;
    for (const auto& bytes : read_struct<std::vector<std::vector<uint8_t>>>(info[0], "setVocabulary"))
      text.emplace_back(bytes.begin(), bytes.end());
    return run(info, [text = std::move(text)](Engine& e) mutable { e.set_vocabulary(std::move(text)); });
  }
  Napi::Value save(Info info) {
    return run(info, [file = read_struct<std::string>(info[0], "save.file")](Engine& e) { e.save(file); });
  }
  Napi::Value merge(Info info) {
    return run(info, [file = read_struct<std::string>(info[0], "merge.file")](Engine& e) { e.merge(file); });
  }
  Napi::Value loadAdapter(Info info) {
    return run(info, [tensors = read_struct<std::vector<TensorSource>>(info[0], "loadAdapter.tensors")](Engine& e) {
      e.load_adapter(tensors);
    });
  }
  Napi::Value syncReference(Info info) {
    return run(info, [share = bind::read_number(info[0], "syncReference.share", kUnit)](Engine& e) { e.sync_reference(share); });
  }
  Napi::Value saveReference(Info info) {
    return run(info, [file = read_struct<std::string>(info[0], "saveReference.file")](Engine& e) { e.save_reference(file); });
  }
  Napi::Value saveOptimizer(Info info) {
    return run(info, [file = read_struct<std::string>(info[0], "saveOptimizer.file")](Engine& e) { e.save_optimizer(file); });
  }
  Napi::Value loadOptimizer(Info info) {
    return run(info, [file = read_struct<OptimizerFile>(info[0], "loadOptimizer")](Engine& e) {
      e.load_optimizer(file.step, file.tensors);
    });
  }
  Napi::Value values(Info info) {
    return run(info, [which = read_struct<Values>(info[0], "values.which"),
                      name = read_struct<std::string>(info[1], "values.name")](Engine& e) { return e.values(which, name); });
  }
  Napi::Value stats(Info info) {
    return run(info, [](Engine& e) { return e.stats(); }, true);
  }
  Napi::Value dispose(Info info) {
    handle_->cancel();
    return last_promise(info.Env(), environment_, handle_, [handle = handle_]() -> Answer {
      handle->engine.close();
      return {};
    });
  }

  std::shared_ptr<Environment> environment_;
  std::shared_ptr<Handle> handle_;
};

Napi::Value tensors(const Napi::CallbackInfo& info) {
  std::optional<LoraConfig> lora;
  if (!info[1].IsUndefined()) lora = read_struct<LoraConfig>(info[1], "lora");
  auto all = model_tensors(read_struct<ModelConfig>(info[0], "config"), lora);
  return write(info.Env(), all);
}

Napi::Value plan(const Napi::CallbackInfo& info) {
  const auto config = read_struct<ModelConfig>(info[0], "config");
  auto options = read_struct<EngineOptions>(info[1], "options");
  options.model.gpu = names_gpu(options.device);
  if (options.model.memory_limit == 0) options.model.memory_limit = usable_memory(device_memory(options.device));
  MemoryPlan plan = Model::plan(config, options.model);
  return write(info.Env(), plan);
}

Napi::Value gpus(const Napi::CallbackInfo& info) {
  GpuReport report = find_gpus();
  if (const CublasLt* lt = cublaslt()) report.cublas_lt = lt->path, report.cublas_lt_version = lt->version();
  return write(info.Env(), report);
}

Napi::Value grpoLoss(const Napi::CallbackInfo& info) {
  GrpoLossResult result = grpo_loss(read_struct<GrpoLossRequest>(info[0], "grpoLoss"));
  return write(info.Env(), result);
}

Napi::Value types(const Napi::CallbackInfo& info) { return Napi::String::New(info.Env(), types_text()); }

Napi::Object init(Napi::Env env, Napi::Object exports) {
  env.SetInstanceData(new Instance{Environment::enter(env)});
  exports.Set("Engine", EngineObject::define(env));
#define FUNCTION(name, types) exports.Set(#name, Napi::Function::New<name>(env, #name));
  RECTIFY_FUNCTIONS(FUNCTION)
#undef FUNCTION
  return exports;
}

}  // namespace

}  // namespace rectify

static Napi::Object init_rectify(Napi::Env env, Napi::Object exports) { return rectify::init(env, exports); }

NODE_API_MODULE(rectify, init_rectify)
