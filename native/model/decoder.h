// What generation keeps between two tokens. decode.cpp decides which rows live; decode_step.cpp computes their tokens.
#pragma once
#include <list>

#include "kv_pages.h"
#include "model.h"
#include "pass.h"

namespace rectify {

/** One generate call among those that decode together. */
struct LiveCall {
  std::shared_ptr<GenerateCall> call;
  std::vector<Completion> results;
  size_t next = 0;      // first completion not yet started
  size_t finished = 0;  // completions
  size_t slot = 0;      // live prompt of the last started completion
  size_t longest_stop = 0;

  const GenerateRequest& request() const { return call->request; }
};

/** A prompt being read or in use by its samples. */
struct LivePrompt {
  LiveCall* call = nullptr;
  int32_t prompt = 0;
  int samples_left = 0;  // not yet finished
  std::vector<int32_t> pages;

  const std::vector<int32_t>& ids() const { return call->request().prompts[static_cast<size_t>(prompt)]; }
};

struct LiveRow {
  LiveCall* call = nullptr;
  size_t slot = 0;        // of its live prompt
  size_t completion = 0;  // index into the call's results
  std::vector<int32_t> pages;
  std::string tail;  // last bytes of the text, for stop strings
};

class Model::Decoder {
 public:
  Decoder(Model& model, const std::vector<std::string>& vocabulary);

  /** Takes a call in; a bad one is answered at once. */
  void add(std::shared_ptr<GenerateCall> call);
  /** Until every call is answered; `more` adds those that came since the last token. */
  void run(const std::function<void()>& more);
  void fail(const std::string& error);

 private:
  void check(const GenerateRequest& request) const;
  void check_room(const GenerateRequest& request) const;
  void make_room(const LiveCall& live);
  void answer();
  void admit();
  void take_waiting(LiveCall& live, std::vector<size_t>& fresh_prompts);
  void keep(LiveRow& row);
  bool finished(LiveRow& row);

  // decode_step.cpp
  /** What sample_token reads beside the logits, for rows of any calls. */
  struct Keys {
    const int32_t *key = nullptr, *history_begin = nullptr, *history = nullptr;  // key: DrawKeys
  };
  void start_waiting(const std::vector<size_t>& fresh_prompts);
  void prefill(const std::vector<size_t>& slots);
  void decode();
  void add_keys(Indices& indices, Keys& keys, const std::vector<LiveRow>& rows) const;
  void sample(Arena& arena, Tensor hidden, const std::vector<LiveRow>& rows, const Keys& keys);
  /** The last hidden states of prompts, by their slots. */
  Tensor prompt_hidden() const { return {hidden_.data(), static_cast<int64_t>(max_rows_) + 1, model_.config_.hidden_size, activations_}; }

  Model& model_;
  const std::vector<std::string>& vocabulary_;
  std::list<LiveCall> calls_;  // in the order they came
  std::vector<LivePrompt> prompts_;
  std::vector<LiveRow> rows_, waiting_;
  size_t max_rows_ = 0;
  Dtype activations_ = Dtype::f32;
  KvPages pages_;
  Buffer hidden_, logits_;
};

}  // namespace rectify
