"""Makes test/golden/models: tiny Hugging Face folders and what transformers computes with them.

    python scripts/golden/models.py            # writes test/golden/models and test/golden/adamw.safetensors

Weights are random with a fixed seed, stored in the folder's own dtype (f32, bf16, f16), then widened to f64 for every
figure. transformers keeps its rotary tables and RMSNorm in f32, so figures are good to about 1e-6, not to 1e-15.
"""
import json
import shutil
from pathlib import Path

import torch
import transformers
from safetensors.torch import save_file

ROOT = Path(__file__).resolve().parents[2] / "test" / "golden"
LENGTHS = [13, 7, 20]
COMMON = dict(
    num_hidden_layers=2, max_position_embeddings=256, bos_token_id=None, eos_token_id=1, pad_token_id=None, rms_norm_eps=1e-6
)
DEFAULT_ROPE = {"rope_type": "default", "rope_theta": 10000.0}
LLAMA3 = {
    "rope_type": "llama3", "rope_theta": 10000.0, "factor": 4.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
    "original_max_position_embeddings": 32,
}
LINEAR = {"rope_type": "linear", "rope_theta": 10000.0, "factor": 2.0}


def qwen2():
    return transformers.Qwen2Config(
        hidden_size=48, intermediate_size=88, num_attention_heads=4, num_key_value_heads=2, vocab_size=91,
        tie_word_embeddings=True, rope_parameters=DEFAULT_ROPE, **COMMON)


def qwen3():
    return transformers.Qwen3Config(
        hidden_size=32, intermediate_size=72, num_attention_heads=4, num_key_value_heads=2, head_dim=16, vocab_size=80,
        tie_word_embeddings=False, rope_parameters={**DEFAULT_ROPE, "rope_theta": 1000000.0}, **COMMON)


def llama():
    return transformers.LlamaConfig(
        hidden_size=64, intermediate_size=56, num_attention_heads=4, num_key_value_heads=1, vocab_size=64,
        tie_word_embeddings=True, rope_parameters=LLAMA3, **{**COMMON, "rms_norm_eps": 1e-5})


def llama_linear():
    return transformers.LlamaConfig(
        hidden_size=40, intermediate_size=64, num_attention_heads=2, num_key_value_heads=2, vocab_size=70,
        tie_word_embeddings=False, attention_bias=True, mlp_bias=True, rope_parameters=LINEAR, **COMMON)


def mistral():
    return transformers.MistralConfig(
        hidden_size=40, intermediate_size=72, num_attention_heads=4, num_key_value_heads=2, head_dim=8, vocab_size=96,
        tie_word_embeddings=False, sliding_window=None, rope_parameters=DEFAULT_ROPE, **COMMON)


def legacy_rope(config, **scaling):
    """Older transformers wrote rope_theta and rope_scaling at the top level; most published folders look like that."""
    rope = config.pop("rope_parameters")
    config["rope_theta"] = rope["rope_theta"]
    config["rope_scaling"] = {**{k: v for k, v in rope.items() if k not in ("rope_theta", "rope_type")}, **scaling}
    config["torch_dtype"] = config.pop("dtype")


def legacy_llama3(config):
    legacy_rope(config, rope_type="llama3")


def legacy_linear(config):
    legacy_rope(config, type="linear")


# name: (config, stored dtype, shard size, rewrite of config.json)
MODELS = {
    "qwen2": (qwen2, torch.float32, "1GB", None),
    "qwen3": (qwen3, torch.float32, "40KB", None),
    "llama": (llama, torch.bfloat16, "1GB", legacy_llama3),
    "llama-linear": (llama_linear, torch.float32, "1GB", legacy_linear),
    "mistral": (mistral, torch.float16, "1GB", None),
}


def randomize(model):
    for name, p in model.named_parameters():
        if p.dim() == 2:
            p.data.normal_(0, p.shape[1] ** -0.5)
        elif "norm" in name:
            p.data.normal_(1, 0.2)
        else:
            p.data.normal_(0, 0.2)


def score(model, sequences, temperature):
    """Log-probability and entropy of tokens 1..n-1 of each sequence, concatenated; and the logits behind them."""
    logps, entropies, logits = [], [], []
    for ids in sequences:
        z = model(input_ids=ids[None], use_cache=False).logits[0, :-1]
        logits.append(z)
        lp = torch.log_softmax(z / temperature, -1)
        logps.append(lp.gather(-1, ids[1:, None])[:, 0])
        entropies.append(-(lp.exp() * lp).sum(-1))
    return torch.cat(logps), torch.cat(entropies), torch.cat(logits)


def greedy(model, prompt, steps, penalty=1.0):
    """HF greedy decoding, and the smallest margin between its first and second choice (a tie would prove nothing)."""
    out = model.generate(
        input_ids=prompt[None], attention_mask=torch.ones_like(prompt)[None], do_sample=False, max_new_tokens=steps,
        repetition_penalty=penalty, eos_token_id=None, pad_token_id=0, output_scores=True, return_dict_in_generate=True)
    margin = min(float(s[0].topk(2).values.diff().abs()) for s in out.scores)
    return out.sequences[0, len(prompt):], margin


def named_grads(model):
    return {n: p.grad for n, p in model.named_parameters()}


def adamw(model, sequences, weights):
    """Three steps as the trainer takes them: clip the global norm, AdamW, no decay on norms and biases."""
    decay = [p for n, p in model.named_parameters() if p.dim() == 2]
    plain = [p for n, p in model.named_parameters() if p.dim() == 1]
    learning_rates, max_norm, norms = [2e-3, 5e-3, 1e-3], 1.0, []
    optimizer = torch.optim.AdamW(
        [{"params": decay, "weight_decay": 0.1}, {"params": plain, "weight_decay": 0.0}], lr=1.0, betas=(0.9, 0.95), eps=1e-6)
    for i, lr in enumerate(learning_rates):
        for group in optimizer.param_groups:
            group["lr"] = lr
        optimizer.zero_grad()
        # the second step's gradient is below max_norm, so that both sides of the clip are taken
        loss = -(score(model, sequences, 1.0)[0] * weights).sum() * (1.0, 0.125, 1.0)[i]
        loss.backward()
        norms.append(torch.nn.utils.clip_grad_norm_(model.parameters(), max_norm))
        optimizer.step()
    assert norms[0] > max_norm > norms[1], norms
    out = {"learning_rates": torch.tensor(learning_rates).double(), "grad_norms": torch.stack(norms),
           "loss_scales": torch.tensor([1.0, 0.125, 1.0]).double()}
    return out | {f"after.{n}": p.data.float() for n, p in model.named_parameters()}


def make(name):
    build, dtype, shard, rewrite = MODELS[name]
    torch.manual_seed(7)
    config = build()
    model = transformers.AutoModelForCausalLM.from_config(config, attn_implementation="sdpa")
    randomize(model)
    folder = ROOT / "models" / name
    shutil.rmtree(folder, ignore_errors=True)
    model.to(dtype).save_pretrained(folder, max_shard_size=shard)
    if rewrite:
        data = json.loads((folder / "config.json").read_text())
        rewrite(data)
        (folder / "config.json").write_text(json.dumps(data, indent=2) + "\n")
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, attn_implementation="sdpa").double()

    assert config.rope_parameters.items() <= model.config.rope_parameters.items(), model.config.rope_parameters

    sequences = [torch.randint(0, config.vocab_size, (n,)) for n in LENGTHS]
    count = sum(LENGTHS) - len(LENGTHS)
    weights = (torch.randn(count) / count).double()  # values an f32 holds exactly
    weights[::5] = 0
    logps, entropies, logits = score(model, sequences, 1.0)
    (-(logps * weights).sum()).backward()
    with torch.no_grad():
        warm, warm_entropies, _ = score(model, sequences, 0.7)
    golden = {
        "ids": torch.cat(sequences).int(), "lengths": torch.tensor(LENGTHS).int(), "weights": weights,
        "logprobs": logps.detach(), "entropy": entropies.detach(), "logits": logits.detach().float(),
        "logprobs_0.7": warm, "entropy_0.7": warm_entropies,
    } | {f"grad.{n}": g.float() for n, g in named_grads(model).items()}
    for key, penalty in (("greedy", 1.0), ("greedy_penalty_1.3", 1.3)):
        for attempt in range(400):
            prompt = torch.randint(0, config.vocab_size, (5,))
            ids, margin = greedy(model, prompt, 24, penalty)
            if margin > 0.01 and len(set(ids.tolist())) > 6:
                break
        else:
            raise SystemExit(f"{name}: no prompt gives {key} without near ties")
        assert len(ids) == 24
        golden |= {f"{key}.prompt": prompt.int(), f"{key}.ids": ids.int()}
    save_file({k: v.contiguous() for k, v in golden.items()}, folder / "golden.safetensors")
    if name == "qwen2":
        save_file({k: v.contiguous() for k, v in adamw(model, sequences, weights).items()}, ROOT / "adamw.safetensors")
    size = sum(f.stat().st_size for f in folder.iterdir())
    print(f"{name}: {sum(p.numel() for p in model.parameters())} parameters, {size / 1024:.0f} KiB, |logp| {logps.abs().mean():.2f}")


if __name__ == "__main__":
    transformers.logging.set_verbosity_error()
    for name in MODELS:
        make(name)
