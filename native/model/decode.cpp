// Generation: a prompt is read once for its whole group, rows decode together against paged keys and values, and a finished
// row's place is taken by the next one at once, be it of this call or of one that came meanwhile. What a row samples never
// depends on who its neighbours are.
#include <algorithm>
#include <stdexcept>

#include "decoder.h"

namespace rectify {

Model::Decoder::Decoder(Model& model, const std::vector<std::string>& vocabulary)
    : model_(model),
      vocabulary_(vocabulary),
      max_rows_(static_cast<size_t>(model.options_.max_decode_rows)),
      activations_(model.shape(1, false).activations),
      pages_(model.device_, {nullptr, model.config_.layers, 0, model.config_.kv_heads, model.config_.head_dim, activations_},
             model.plan_.kv, model.kv_) {
  hidden_ = Buffer(model.device_, prompt_hidden().bytes());
}

void Model::Decoder::add(std::shared_ptr<GenerateCall> call) {
  LiveCall live{std::move(call), {}};
  const GenerateRequest& r = live.request();
  try {
    check(r);
    int64_t longest = 0;
    for (const auto& prompt : r.prompts) longest = std::max(longest, static_cast<int64_t>(prompt.size()));
    check_room(r);
    model_.ensure_positions(longest + r.max_tokens);
  } catch (const std::exception& error) {
    live.call->fail(error.what());
    return;
  }
  for (size_t p = 0; p < r.prompts.size(); p++) {
    for (int s = 0; s < r.samples; s++) {
      Completion c;
      c.prompt = static_cast<int32_t>(p);
      c.sample = s;
      c.finish = FinishReason::cancelled;
      live.results.push_back(std::move(c));
    }
  }
  for (const std::string& stop : r.stop_strings) live.longest_stop = std::max(live.longest_stop, stop.size());
  calls_.push_back(std::move(live));
}

void Model::Decoder::run(const std::function<void()>& more) {
  for (;;) {
    more();
    answer();
    if (calls_.empty()) return;
    admit();
    if (!rows_.empty()) decode();
  }
}

void Model::Decoder::fail(const std::string& error) {
  for (LiveCall& live : calls_) live.call->fail(error);
  calls_.clear();
}

void Model::Decoder::check(const GenerateRequest& r) const {
  const auto bad = [](const std::string& where, const std::string& expected, const std::string& got) {
    throw std::runtime_error("generate." + where + ": expected " + expected + ", got " + got);
  };
  if (r.samples < 1) bad("n", "at least 1", std::to_string(r.samples));
  if (r.max_tokens < 1) bad("maxTokens", "at least 1", std::to_string(r.max_tokens));
  if (r.prompt_keys.size() != r.prompts.size())
    bad("promptKeys", std::to_string(r.prompts.size()) + " values (one per prompt)", std::to_string(r.prompt_keys.size()));
  for (size_t p = 0; p < r.prompts.size(); p++) {
    const std::string at = "prompts[" + std::to_string(p) + "]";
    if (r.prompts[p].empty()) bad(at, "at least one token", "none");
    const int64_t most = model_.config_.max_position_embeddings, all = static_cast<int64_t>(r.prompts[p].size()) + r.max_tokens;
    if (all > most) bad(at, "prompt + maxTokens within max_position_embeddings = " + std::to_string(most), std::to_string(all));
    for (int32_t id : r.prompts[p])
      if (id < 0 || id >= model_.config_.vocab_size)
        bad(at, "token ids 0.." + std::to_string(model_.config_.vocab_size - 1), std::to_string(id));
  }
  if (!r.stop_strings.empty() && vocabulary_.empty())
    bad("stopStrings", "setVocabulary() before stop strings", "no vocabulary");
  for (const std::string& stop : r.stop_strings)
    if (stop.empty()) bad("stopStrings", "non-empty strings", "\"\"");
}

/** Every admitted row can reach max_tokens without waiting for pages, so nothing ever has to be thrown out again. */
void Model::Decoder::check_room(const GenerateRequest& r) const {
  for (const auto& prompt : r.prompts) {
    const int64_t needed = KvPages::count_for(static_cast<int64_t>(prompt.size())) + KvPages::count_for(r.max_tokens);
    if (needed <= pages_.affordable()) continue;
    throw std::runtime_error("generate: expected room for one prompt and completion (" + std::to_string(needed) +
                             " pages of keys and values), got " + std::to_string(pages_.affordable()) +
                             "; lower max_completion_length or give the engine more memory");
  }
}

/** Pages for the completions of a call that are not started, as far as they fit among the rows that decode. */
void Model::Decoder::make_room(const LiveCall& live) {
  int64_t wanted = 0, rows = static_cast<int64_t>(max_rows_ - rows_.size() - waiting_.size());
  for (size_t i = live.next; i < live.results.size() && rows > 0; i++, rows--) {
    const auto& prompt = live.request().prompts[static_cast<size_t>(live.results[i].prompt)];
    wanted += KvPages::count_for(live.request().max_tokens);
    if (live.results[i].sample == 0) wanted += KvPages::count_for(static_cast<int64_t>(prompt.size()));
  }
  pages_.make_room(wanted);
}

/** Ends the calls that are cancelled, and answers those that have nothing left to do. */
void Model::Decoder::answer() {
  for (auto live = calls_.begin(); live != calls_.end();) {
    const bool cancelled = live->call->control->cancel.load(std::memory_order_relaxed);
    if (!cancelled && live->finished < live->results.size()) {
      ++live;
      continue;
    }
    std::erase_if(rows_, [&](LiveRow& row) {
      if (row.call != &*live) return false;
      pages_.give(row.pages);
      return true;
    });
    for (LivePrompt& prompt : prompts_) {
      if (prompt.call != &*live) continue;
      pages_.give(prompt.pages);
      prompt = {};
    }
    live->call->done(std::move(live->results));
    live = calls_.erase(live);
  }
}

/** Starts as many waiting rows as there is room for, first call first: reads new prompts, samples each new row's first token. */
void Model::Decoder::admit() {
  for (LiveCall& live : calls_) {
    while (live.next < live.results.size()) {
      std::vector<size_t> fresh_prompts;
      take_waiting(live, fresh_prompts);
      if (waiting_.empty()) return;
      start_waiting(fresh_prompts);
    }
  }
}

void Model::Decoder::take_waiting(LiveCall& live, std::vector<size_t>& fresh_prompts) {
  const int64_t row_pages = KvPages::count_for(live.request().max_tokens);
  make_room(live);
  while (live.next < live.results.size() && rows_.size() + waiting_.size() < max_rows_) {
    const Completion& c = live.results[live.next];
    const bool fresh = c.sample == 0;
    const auto length = static_cast<int64_t>(live.request().prompts[static_cast<size_t>(c.prompt)].size());
    const int64_t prompt_pages = fresh ? KvPages::count_for(length) : 0;
    if (pages_.free() < prompt_pages + row_pages) return;
    if (fresh) {
      live.slot = 0;
      while (live.slot < prompts_.size() && prompts_[live.slot].samples_left > 0) live.slot++;
      if (live.slot == prompts_.size()) prompts_.emplace_back();
      prompts_[live.slot] = {&live, c.prompt, live.request().samples, pages_.take(prompt_pages)};
      fresh_prompts.push_back(live.slot);
    }
    waiting_.push_back({&live, live.slot, live.next++, pages_.take(row_pages), {}});
  }
}

/** A row stays while it has more to say; else its pages go back. */
void Model::Decoder::keep(LiveRow& row) {
  if (!finished(row)) {
    rows_.push_back(std::move(row));
    return;
  }
  row.call->finished++;
  pages_.give(row.pages);
  LivePrompt& prompt = prompts_[row.slot];
  if (--prompt.samples_left == 0) pages_.give(prompt.pages);
}

bool Model::Decoder::finished(LiveRow& row) {
  const GenerateRequest& request = row.call->request();
  Completion& c = row.call->results[row.completion];
  const int32_t id = c.ids.back();
  if (std::find(request.stop_tokens.begin(), request.stop_tokens.end(), id) != request.stop_tokens.end()) {
    c.finish = FinishReason::stop;
    return true;
  }
  const size_t longest_stop = row.call->longest_stop;
  if (longest_stop > 0 && static_cast<size_t>(id) < vocabulary_.size()) {
    row.tail += vocabulary_[static_cast<size_t>(id)];
    for (const std::string& stop : request.stop_strings) {
      if (row.tail.find(stop) == std::string::npos) continue;
      c.finish = FinishReason::stop;
      return true;
    }
    if (row.tail.size() >= longest_stop) row.tail.erase(0, row.tail.size() - longest_stop + 1);
  }
  if (static_cast<int64_t>(c.ids.size()) == request.max_tokens) {
    c.finish = FinishReason::length;
    return true;
  }
  return false;
}

void Model::generate(std::shared_ptr<GenerateCall> call, const std::vector<std::string>& vocabulary,
                     const std::function<void()>& more) {
  if (decoder_) return decoder_->add(std::move(call));
  Decoder decoder(*this, vocabulary);
  struct Joinable {
    Decoder*& slot;
    ~Joinable() { slot = nullptr; }
  } joinable{decoder_ = &decoder};
  decoder.add(std::move(call));
  try {
    decoder.run(more);
  } catch (const std::bad_alloc&) {
    decoder.fail("generate: expected enough memory, got none; lower maxBatchTokens or maxDecodeRows");
  } catch (const std::exception& error) {
    decoder.fail(error.what());
  }
}

}  // namespace rectify
