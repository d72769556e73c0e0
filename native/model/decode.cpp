// Generation: a prompt is read once for its whole group, rows decode together against paged keys and values, and a finished
// row's place is taken by the next one at once. What a row samples never depends on who its neighbours are.
#include <algorithm>
#include <stdexcept>

#include "model.h"
#include "pass.h"

namespace rectify {

namespace {

constexpr size_t kLogitBytes = size_t{32} << 20;  // logits of a chunk of rows

int64_t pages_for(int64_t tokens) { return (tokens + KvCache::page_tokens - 1) / KvCache::page_tokens; }

/** A prompt being read or in use by its samples. */
struct LivePrompt {
  int32_t prompt = 0;
  int samples_left = 0;  // not yet finished
  std::vector<int32_t> pages;
};

struct LiveRow {
  size_t slot = 0;        // of its live prompt
  size_t completion = 0;  // index into the result
  std::vector<int32_t> pages;
  std::string tail;  // last bytes of the text, for stop strings
};

/** Host side of a ForestView over cached segments, rebuilt for every pass. */
struct CachedForest {
  std::vector<int32_t> segment, position, base, piece_begin{0}, piece_segment, piece_length, page_begin, pages;

  int32_t add_segment(int32_t begins_at, const std::vector<int32_t>& own_pages) {
    base.push_back(begins_at);
    page_begin.push_back(static_cast<int32_t>(pages.size()));
    pages.insert(pages.end(), own_pages.begin(), own_pages.end());
    return static_cast<int32_t>(base.size()) - 1;
  }
  void add_piece(int32_t of, int64_t length) {
    piece_segment.push_back(of);
    piece_length.push_back(static_cast<int32_t>(length));
  }
  void end_pieces() { piece_begin.push_back(static_cast<int32_t>(piece_segment.size())); }
};

}  // namespace

class Model::Decoder {
 public:
  Decoder(Model& model, const GenerateRequest& request, const std::vector<std::string>& vocabulary)
      : model_(model), request_(request), vocabulary_(vocabulary) {
    check();
    int64_t longest = 0;
    for (const auto& prompt : request.prompts) longest = std::max(longest, static_cast<int64_t>(prompt.size()));
    model.ensure_positions(longest + request.max_tokens);
    open_cache(longest);
    for (size_t p = 0; p < request.prompts.size(); p++) {
      for (int s = 0; s < request.samples; s++) {
        Completion c;
        c.prompt = static_cast<int32_t>(p);
        c.sample = s;
        c.finish = FinishReason::cancelled;
        results_.push_back(std::move(c));
      }
    }
    for (const std::string& stop : request.stop_strings) longest_stop_ = std::max(longest_stop_, stop.size());
  }

  std::vector<Completion> run(const std::atomic<bool>& cancel, std::atomic<int64_t>& generated) {
    while (!cancel.load(std::memory_order_relaxed)) {
      admit(generated);
      if (rows_.empty()) break;
      decode(generated);
    }
    return std::move(results_);
  }

 private:
  void check() const {
    const GenerateRequest& r = request_;
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
  void open_cache(int64_t longest_prompt) {
    const int64_t per_prompt = pages_for(longest_prompt), per_row = pages_for(request_.max_tokens);
    const KvCache page{nullptr, model_.config_.layers, 1, model_.config_.kv_heads, model_.config_.head_dim, Dtype::f32};
    const int64_t affordable = static_cast<int64_t>(model_.plan_.kv / page.bytes());
    if (affordable < per_prompt + per_row)
      throw std::runtime_error("generate: expected room for one prompt and completion (" + std::to_string(per_prompt + per_row) +
                               " pages of keys and values), got " + std::to_string(affordable) +
                               "; lower max_completion_length or give the engine more memory");
    const int64_t rows = std::min(model_.options_.max_decode_rows,
                                  static_cast<int64_t>(request_.prompts.size()) * request_.samples);
    const int64_t wanted = rows * per_row + std::min<int64_t>(rows, static_cast<int64_t>(request_.prompts.size())) * per_prompt;
    cache_ = page;
    cache_.pages = std::min(affordable, wanted);
    if (model_.kv_.bytes() < cache_.bytes()) {
      model_.kv_.reset();
      model_.kv_ = Buffer(model_.device_, cache_.bytes());
    }
    cache_.data = model_.kv_.data();
    for (int64_t i = cache_.pages - 1; i >= 0; i--) free_pages_.push_back(static_cast<int32_t>(i));
    hidden_ = Buffer(model_.device_, static_cast<size_t>(rows * model_.config_.hidden_size) * 4);
    max_rows_ = static_cast<size_t>(rows);
  }

  std::vector<int32_t> take_pages(int64_t count) {
    std::vector<int32_t> pages(free_pages_.end() - count, free_pages_.end());
    free_pages_.resize(free_pages_.size() - static_cast<size_t>(count));
    return pages;
  }
  void give_pages(std::vector<int32_t>& pages) {
    free_pages_.insert(free_pages_.end(), pages.begin(), pages.end());
    pages.clear();
  }

  Tensor hidden_row(size_t slot) const {
    const int64_t C = model_.config_.hidden_size;
    return {static_cast<float*>(hidden_.data()) + static_cast<int64_t>(slot) * C, 1, C, Dtype::f32};
  }

  /** Starts as many waiting rows as there is room for: reads new prompts, samples each new row's first token. */
  void admit(std::atomic<int64_t>& generated) {
    while (next_ < results_.size() && rows_.size() < max_rows_) {
      std::vector<size_t> fresh_prompts;
      while (next_ < results_.size() && rows_.size() + waiting_.size() < max_rows_) {
        const Completion& c = results_[next_];
        const int64_t row_pages = pages_for(request_.max_tokens);
        const auto& ids = request_.prompts[static_cast<size_t>(c.prompt)];
        const bool fresh = c.sample == 0;
        const int64_t prompt_pages = fresh ? pages_for(static_cast<int64_t>(ids.size())) : 0;
        if (static_cast<int64_t>(free_pages_.size()) < prompt_pages + row_pages) break;
        if (fresh) {
          slot_ = 0;
          while (slot_ < prompts_.size() && prompts_[slot_].samples_left > 0) slot_++;
          if (slot_ == prompts_.size()) prompts_.emplace_back();
          prompts_[slot_] = {c.prompt, request_.samples, take_pages(prompt_pages)};
          fresh_prompts.push_back(slot_);
        }
        LiveRow row;
        row.slot = slot_;
        row.completion = next_++;
        row.pages = take_pages(row_pages);
        waiting_.push_back(std::move(row));
      }
      if (waiting_.empty()) return;
      prefill(fresh_prompts);
      Arena arena = model_.working_memory();
      const int64_t C = model_.config_.hidden_size, n = static_cast<int64_t>(waiting_.size());
      const Tensor hidden = arena.take(n, C);
      for (int64_t i = 0; i < n; i++) {
        const Tensor from = hidden_row(waiting_[static_cast<size_t>(i)].slot);
        model_.device_.copy(hidden.slice(i, 1).data, from.data, from.bytes());
      }
      sample(arena, hidden, waiting_, generated);
      for (LiveRow& row : waiting_) keep(row);
      waiting_.clear();
    }
  }

  /** A row stays while it has more to say; else its pages go back. */
  void keep(LiveRow& row) {
    if (!finished(row)) {
      rows_.push_back(std::move(row));
      return;
    }
    give_pages(row.pages);
    LivePrompt& prompt = prompts_[row.slot];
    if (--prompt.samples_left == 0) give_pages(prompt.pages);
  }

  bool finished(LiveRow& row) {
    Completion& c = results_[row.completion];
    const int32_t id = c.ids.back();
    if (std::find(request_.stop_tokens.begin(), request_.stop_tokens.end(), id) != request_.stop_tokens.end()) {
      c.finish = FinishReason::stop;
      return true;
    }
    if (longest_stop_ > 0 && static_cast<size_t>(id) < vocabulary_.size()) {
      row.tail += vocabulary_[static_cast<size_t>(id)];
      for (const std::string& stop : request_.stop_strings) {
        if (row.tail.find(stop) == std::string::npos) continue;
        c.finish = FinishReason::stop;
        return true;
      }
      if (row.tail.size() >= longest_stop_) row.tail.erase(0, row.tail.size() - longest_stop_ + 1);
    }
    if (static_cast<int64_t>(c.ids.size()) == request_.max_tokens) {
      c.finish = FinishReason::length;
      return true;
    }
    return false;
  }

  void bind(Arena& arena, Pass& pass, const CachedForest& f, const std::vector<int32_t>& tokens) {
    Device& device = model_.device_;
    device.copy_in(pass.tokens.data, tokens.data(), pass.tokens.bytes());
    pass.forest.rows = static_cast<int64_t>(tokens.size());
    pass.forest.segments = static_cast<int64_t>(f.base.size());
    pass.forest.segment = arena.put(device, f.segment);
    pass.forest.position = arena.put(device, f.position);
    pass.forest.segment_base = arena.put(device, f.base);
    pass.forest.piece_begin = arena.put(device, f.piece_begin);
    pass.forest.piece_segment = arena.put(device, f.piece_segment);
    pass.forest.piece_length = arena.put(device, f.piece_length);
    pass.forest.page_begin = arena.put(device, f.page_begin);
    pass.forest.pages = arena.put(device, f.pages);
    pass.cache = cache_;
  }

  /** Reads prompts in runs of at most the planned batch; each prompt's last hidden state (after the final norm) is kept. */
  void prefill(const std::vector<size_t>& slots) {
    const int64_t most = model_.options_.max_batch_tokens;
    size_t at = 0;
    int64_t done = 0;
    while (at < slots.size()) {
      CachedForest f;
      std::vector<int32_t> tokens, last_rows;
      std::vector<size_t> last_slots;
      while (at < slots.size() && static_cast<int64_t>(tokens.size()) < most) {
        const LivePrompt& live = prompts_[slots[at]];
        const auto& ids = request_.prompts[static_cast<size_t>(live.prompt)];
        const int64_t length = static_cast<int64_t>(ids.size());
        const int64_t count = std::min(length - done, most - static_cast<int64_t>(tokens.size()));
        const int32_t segment = f.add_segment(0, live.pages);
        f.add_piece(segment, length);
        f.end_pieces();
        for (int64_t i = 0; i < count; i++) {
          tokens.push_back(ids[static_cast<size_t>(done + i)]);
          f.segment.push_back(segment);
          f.position.push_back(static_cast<int32_t>(done + i));
        }
        done += count;
        if (done < length) break;
        last_rows.push_back(static_cast<int32_t>(tokens.size()) - 1);
        last_slots.push_back(slots[at]);
        at++;
        done = 0;
      }
      Arena arena = model_.working_memory();
      Pass pass(arena, model_.config_, {static_cast<int64_t>(tokens.size()), false, false});
      bind(arena, pass, f, tokens);
      model_.forward(pass, true);
      if (last_rows.empty()) continue;
      const Tensor hidden = model_.head_input(arena, pass, arena.put(model_.device_, last_rows),
                                              static_cast<int64_t>(last_rows.size()), nullptr);
      for (size_t i = 0; i < last_slots.size(); i++) {
        const Tensor to = hidden_row(last_slots[i]);
        model_.device_.copy(to.data, hidden.slice(static_cast<int64_t>(i), 1).data, to.bytes());
      }
    }
  }

  /** One token for every row. */
  void decode(std::atomic<int64_t>& generated) {
    CachedForest f;
    std::vector<int32_t> prompt_segment(prompts_.size(), -1), tokens;
    const auto prompt_length = [&](size_t slot) {
      return static_cast<int64_t>(request_.prompts[static_cast<size_t>(prompts_[slot].prompt)].size());
    };
    for (const LiveRow& row : rows_) {
      int32_t& prompt = prompt_segment[row.slot];
      if (prompt < 0) {
        prompt = f.add_segment(0, prompts_[row.slot].pages);
        f.add_piece(prompt, prompt_length(row.slot));
        f.end_pieces();
      }
      const int64_t base = prompt_length(row.slot);
      const Completion& c = results_[row.completion];
      const int32_t segment = f.add_segment(static_cast<int32_t>(base), row.pages);
      f.add_piece(prompt, base);
      f.add_piece(segment, request_.max_tokens);
      f.end_pieces();
      tokens.push_back(c.ids.back());
      f.segment.push_back(segment);
      f.position.push_back(static_cast<int32_t>(base + static_cast<int64_t>(c.ids.size()) - 1));
    }
    Arena arena = model_.working_memory();
    const int64_t n = static_cast<int64_t>(rows_.size());
    Pass pass(arena, model_.config_, {n, false, false});
    bind(arena, pass, f, tokens);
    model_.forward(pass, true);
    const Tensor hidden = arena.take(n, model_.config_.hidden_size);
    rmsnorm_forward(model_.device_, hidden, pass.x.back(), model_.weights_.vector(model_.weights_.layout().final_norm),
                    model_.config_.rms_norm_eps);
    sample(arena, hidden, rows_, generated);
    std::vector<LiveRow> before;
    before.swap(rows_);
    for (LiveRow& row : before) keep(row);
  }

  /** Appends to each row's completion a token drawn after its hidden state [n, C]. */
  void sample(Arena& arena, Tensor hidden, const std::vector<LiveRow>& rows, std::atomic<int64_t>& generated) {
    Device& device = model_.device_;
    const int64_t V = model_.config_.vocab_size, n = hidden.rows;
    const int64_t chunk = std::max<int64_t>(1, std::min<int64_t>(n, static_cast<int64_t>(kLogitBytes / 4) / V));
    if (logits_.bytes() < static_cast<size_t>(chunk * V) * 4) logits_ = Buffer(device, static_cast<size_t>(chunk * V) * 4);
    const Panels head = model_.weights_.panels(model_.weights_.layout().lm_head);
    const Tensor ids = arena.take(n, 1, Dtype::i32), logp = arena.take(n, 1), entropy = arena.take(n, 1);
    for (int64_t begin = 0; begin < n; begin += chunk) {
      const int64_t count = std::min(chunk, n - begin);
      const Tensor logits{logits_.data(), count, V, Dtype::f32};
      matmul(device, logits, hidden.slice(begin, count), head, {}, false);
      std::vector<int32_t> key, history_begin{0}, history;
      for (int64_t i = begin; i < begin + count; i++) {
        const Completion& c = results_[rows[static_cast<size_t>(i)].completion];
        key.push_back(request_.prompt_keys[static_cast<size_t>(c.prompt)]);
        key.push_back(c.sample);
        key.push_back(static_cast<int32_t>(c.ids.size()));
        if (request_.sampling.repetition_penalty != 1) {
          const auto& prompt = request_.prompts[static_cast<size_t>(c.prompt)];
          history.insert(history.end(), prompt.begin(), prompt.end());
          history.insert(history.end(), c.ids.begin(), c.ids.end());
        }
        history_begin.push_back(static_cast<int32_t>(history.size()));
      }
      sample_token(device, ids.slice(begin, count), logp.slice(begin, count), entropy.slice(begin, count), logits, request_.sampling,
                   arena.put(device, key), arena.put(device, history_begin), arena.put(device, history));
    }
    std::vector<int32_t> id(static_cast<size_t>(n));
    std::vector<float> lp(id.size()), h(id.size());
    device.copy_out(id.data(), ids.data, ids.bytes());
    device.copy_out(lp.data(), logp.data, logp.bytes());
    device.copy_out(h.data(), entropy.data, entropy.bytes());
    for (size_t i = 0; i < id.size(); i++) {
      Completion& c = results_[rows[i].completion];
      c.ids.push_back(id[i]);
      c.logprobs.push_back(lp[i]);
      c.entropy.push_back(h[i]);
    }
    generated.fetch_add(n, std::memory_order_relaxed);
  }

  Model& model_;
  const GenerateRequest& request_;
  const std::vector<std::string>& vocabulary_;
  std::vector<Completion> results_;
  size_t next_ = 0;  // first completion not yet started
  size_t slot_ = 0;  // live prompt of the last started completion
  std::vector<LivePrompt> prompts_;
  std::vector<LiveRow> rows_, waiting_;
  size_t max_rows_ = 0, longest_stop_ = 0;
  KvCache cache_;
  Buffer hidden_, logits_;
  std::vector<int32_t> free_pages_;
};

std::vector<Completion> Model::generate(const GenerateRequest& request, const std::vector<std::string>& vocabulary,
                                        const std::atomic<bool>& cancel, std::atomic<int64_t>& generated) {
  generated.store(0);
  return Decoder(*this, request, vocabulary).run(cancel, generated);
}

}  // namespace rectify
