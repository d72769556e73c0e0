// One token for every row: what a step reads goes to the device in one copy, what it drew comes back in one. Where the device records,
// the launches from token ids to hidden states are replayed as one (step_graphs.h), for as many rows as the graph has; rows
// that only fill it up write to a page of their own. The LM head and the draw follow for the real rows, while the graph still runs.
#include <array>
#include <bit>

#include "cached_forest.h"
#include "decoder.h"
#include "top_tokens.h"

namespace rectify {

/** Samples the first token of every row that waits. */
void Model::Decoder::start_waiting(const std::vector<size_t>& fresh_prompts) {
  prefill(fresh_prompts);
  Arena arena = model_.working_memory();
  std::vector<int32_t> slots;
  for (const LiveRow& row : waiting_) slots.push_back(static_cast<int32_t>(row.slot));
  const int32_t* slot = nullptr;
  Keys keys;
  Indices indices;
  indices.add(slot, slots);
  add_keys(indices, keys, waiting_);
  indices.send(arena, model_.device_);
  const Tensor hidden = arena.take(static_cast<int64_t>(slots.size()), model_.config_.hidden_size, activations_);
  gather_rows(model_.device_, hidden, prompt_hidden(), {const_cast<int32_t*>(slot), hidden.rows, 1, Dtype::i32});
  sample(arena, hidden, waiting_, keys);
  for (LiveRow& row : waiting_) keep(row);
  waiting_.clear();
}

/** Reads prompts in runs of at most the planned batch; each prompt's last hidden state (after the final norm) is kept. */
void Model::Decoder::prefill(const std::vector<size_t>& slots) {
  const int64_t most = model_.options_.max_batch_tokens;
  size_t at = 0;
  int64_t done = 0;
  while (at < slots.size()) {
    CachedForest f;
    std::vector<int32_t> last_rows;
    std::vector<size_t> last_slots;
    while (at < slots.size() && f.rows() < most) {
      const LivePrompt& live = prompts_[slots[at]];
      const auto& ids = live.ids();
      const int64_t length = static_cast<int64_t>(ids.size());
      const int64_t count = std::min(length - done, most - f.rows());
      const int32_t segment = f.add_segment(0, live.pages, length);
      for (int64_t i = 0; i < count; i++) f.add_row(ids[static_cast<size_t>(done + i)], segment, done + i);
      done += count;
      if (done < length) break;
      last_rows.push_back(static_cast<int32_t>(f.rows()) - 1);
      last_slots.push_back(slots[at]);
      at++;
      done = 0;
    }
    Arena arena = model_.working_memory();
    Pass pass(arena, model_.config_, model_.shape(f.rows(), false));
    const int32_t *ids = nullptr, *last = nullptr;
    Indices indices;
    f.add_to(indices, pass, ids, false);
    indices.add(last, last_rows);
    indices.send(arena, model_.device_);
    pass.tokens.data = const_cast<int32_t*>(ids);
    pass.cache = pages_.cache();
    model_.forward(pass, true);
    if (last_rows.empty()) continue;
    const Tensor hidden = model_.head_input(arena, pass, last, static_cast<int64_t>(last_rows.size()), nullptr);
    for (size_t i = 0; i < last_slots.size(); i++) {
      const Tensor to = prompt_hidden().slice(static_cast<int64_t>(last_slots[i]), 1);
      model_.device_.copy(to.data, hidden.slice(static_cast<int64_t>(i), 1).data, to.bytes());
    }
  }
}

void Model::Decoder::decode() {
  CachedForest f;
  std::vector<int32_t> prompt_segment(prompts_.size(), -1);
  for (const LiveRow& row : rows_) {
    const LivePrompt& live = prompts_[row.slot];
    const auto length = static_cast<int64_t>(live.ids().size());
    int32_t& prompt = prompt_segment[row.slot];
    if (prompt < 0) prompt = f.add_segment(0, live.pages, length);
    const Completion& c = row.call->results[row.completion];
    const int32_t segment = f.add_segment(static_cast<int32_t>(length), row.pages, row.call->request().max_tokens, prompt);
    f.add_row(c.ids.back(), segment, length + static_cast<int64_t>(c.ids.size()) - 1);
  }
  const int64_t real = f.rows();
  StepGraphs::Shape shape{real, f.longest()};
  const bool records = model_.device_.records();
  if (records) {
    shape = StepGraphs::round_up(shape, static_cast<int64_t>(max_rows_), model_.config_.max_position_embeddings);
    f.pad(shape.rows, pages_.spare());
  }
  Arena arena = model_.working_memory();
  Pass pass(arena, model_.config_, model_.shape(shape.rows, false));
  const Tensor hidden = arena.take(shape.rows, model_.config_.hidden_size, activations_);
  const int32_t* ids = nullptr;
  Keys keys;
  Indices indices;
  f.add_to(indices, pass, ids, records);
  add_keys(indices, keys, rows_);
  indices.send(arena, model_.device_);
  pass.tokens.data = const_cast<int32_t*>(ids);
  pass.cache = pages_.cache();
  pass.forest.longest = shape.longest;
  // Every row has a path of its own, those that fill up too.
  pass.forest.segments = std::max(pass.forest.segments, shape.rows);
  const auto* cache_end = static_cast<const char*>(pass.cache.data) + pass.cache.bytes();
  const std::vector<const void*> addresses{arena.base(), pass.cache.data, cache_end, model_.cos_.data(), model_.sin_.data()};
  model_.graphs_.run(model_.device_, shape, addresses, [&] {
    model_.forward(pass, true);
    rmsnorm_forward(model_.device_, hidden, pass.x.back(), model_.weights_.vector(model_.weights_.layout().final_norm),
                    model_.config_.rms_norm_eps);
  });
  sample(arena, hidden.slice(0, real), rows_, keys);
  std::vector<LiveRow> before;
  before.swap(rows_);
  for (LiveRow& row : before) keep(row);
}

void Model::Decoder::add_keys(Indices& indices, Keys& keys, const std::vector<LiveRow>& rows) const {
  std::vector<int32_t> words, history_begin{0}, history;
  for (const LiveRow& row : rows) {
    const GenerateRequest& request = row.call->request();
    const Completion& c = row.call->results[row.completion];
    const DrawKey key{request.prompt_keys[static_cast<size_t>(c.prompt)], c.sample, static_cast<int32_t>(c.ids.size()),
                      static_cast<uint32_t>(request.step), static_cast<uint32_t>(request.seed), static_cast<uint32_t>(request.seed >> 32)};
    for (const int32_t word : std::bit_cast<std::array<int32_t, sizeof key / 4>>(key)) words.push_back(word);
    if (request.sampling.repetition_penalty != 1) {
      const auto& prompt = request.prompts[static_cast<size_t>(c.prompt)];
      history.insert(history.end(), prompt.begin(), prompt.end());
      history.insert(history.end(), c.ids.begin(), c.ids.end());
    }
    history_begin.push_back(static_cast<int32_t>(history.size()));
  }
  indices.add(keys.key, words);
  indices.add(keys.history_begin, history_begin);
  indices.add(keys.history, history);
}

/** Appends to each row's completion a token drawn after its hidden state [n, C]. */
void Model::Decoder::sample(Arena& arena, Tensor hidden, const std::vector<LiveRow>& rows, const Keys& keys) {
  Device& device = model_.device_;
  const int64_t V = model_.config_.vocab_size, n = hidden.rows, chunk = std::min(n, model_.logit_rows());
  if (logits_.bytes() < static_cast<size_t>(chunk * V) * 4) logits_ = Buffer(device, static_cast<size_t>(chunk * V) * 4);
  const Panels head = model_.weights_.panels(model_.weights_.layout().lm_head);
  const Tensor drawn = arena.take(3 * n, 1), ids{drawn.data, n, 1, Dtype::i32}, logp = drawn.slice(n, n), entropy = drawn.slice(2 * n, n);
  const auto request_of = [&](int64_t row) -> const GenerateRequest& { return rows[static_cast<size_t>(row)].call->request(); };
  std::vector<std::vector<float>> kept(static_cast<size_t>(n));  // logits of rows whose likeliest tokens are wanted
  for (int64_t begin = 0; begin < n; begin += chunk) {
    const int64_t count = std::min(chunk, n - begin);
    const Tensor logits{logits_.data(), count, V, Dtype::f32};
    matmul(device, logits, hidden.slice(begin, count), head, {}, false);
    for (int64_t i = begin; i < begin + count; i++)
      if (request_of(i).top_logprobs > 0) kept[static_cast<size_t>(i)] = host_values(device, logits.slice(i - begin, 1));
    // Neighbours with the same settings are drawn together, whosever they are.
    for (int64_t from = begin, to = begin; from < begin + count; from = to) {
      const SampleConfig settings = request_of(from).sampling;
      while (to < begin + count && request_of(to).sampling == settings) to++;
      sample_token(device, ids.slice(from, to - from), logp.slice(from, to - from), entropy.slice(from, to - from),
                   logits.slice(from - begin, to - from), settings, reinterpret_cast<const DrawKey*>(keys.key) + from,
                   keys.history_begin + from, keys.history);
    }
  }
  const std::vector<float> values = host_values(device, drawn);
  for (size_t i = 0; i < rows.size(); i++) {
    const auto id = std::bit_cast<int32_t>(values[i]);
    const float lp = values[rows.size() + i];
    const GenerateRequest& request = rows[i].call->request();
    GenerateControl& control = *rows[i].call->call->control;
    Completion& c = rows[i].call->results[rows[i].completion];
    c.ids.push_back(id);
    c.logprobs.push_back(lp);
    c.entropy.push_back(values[2 * rows.size() + i]);
    const int64_t k = request.top_logprobs;
    if (k > 0) append_top(kept[i], k, id, lp, request.sampling.temperature, c.top);
    control.generated.fetch_add(1, std::memory_order_relaxed);
    if (!request.stream) continue;
    const std::lock_guard lock(control.mutex);
    control.fresh.completion.push_back(static_cast<int32_t>(rows[i].completion));
    control.fresh.ids.push_back(id);
    control.fresh.logprobs.push_back(lp);
    control.fresh.top.ids.insert(control.fresh.top.ids.end(), c.top.ids.end() - k, c.top.ids.end());
    control.fresh.top.logprobs.insert(control.fresh.top.logprobs.end(), c.top.logprobs.end() - k, c.top.logprobs.end());
  }
}

}  // namespace rectify
