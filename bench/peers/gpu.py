"""PyTorch on the GPU, beside scripts/bench-gpu.ts: the same case names, each by every way that torch offers (`by`).

token_logprob: naive, chunked by 2,048 rows with the gradient of each chunk at once, torch.compile. attention: SDPA (flash).
grpo_loss, repro_score: eager and torch.compile. train, decode: transformers with random weights, where it is installed.
A case that fails says why, and the rest goes on. --device NAME (cuda), --quick (tiny shapes, once), --only TEXT.
"""
import argparse
import json
import statistics
import sys
import time

import torch
import torch.nn.functional as F

options = argparse.ArgumentParser()
options.add_argument("--device", default="cuda")
options.add_argument("--quick", action="store_true")
options.add_argument("--only", default="")
options = options.parse_args()
QUICK = options.quick
device = torch.device(options.device)
CUDA = device.type == "cuda"
BF16 = torch.bfloat16
torch.manual_seed(0)


def note(text):
    print(text, file=sys.stderr, flush=True)


def emit(case, by, value, unit):
    print(json.dumps({"case": case, "by": by, "value": float(f"{value:.6g}"), "unit": unit}), flush=True)


def attempt(case, by, work):
    """One case; what it raises is its result."""
    if options.only not in case:
        return
    if by != "torch":
        note(f"torch: {case} ({by})")
    try:
        work()
    except Exception as error:
        lines = str(error).strip().split("\n")
        print(json.dumps({"case": case, "by": by, "failed": f"{type(error).__name__}: {lines[0][:200]}"}), flush=True)
    if CUDA:
        torch.cuda.empty_cache()


def synchronize():
    if CUDA:
        torch.cuda.synchronize(device)


def seconds(run, at_least=0.03, samples=5):
    """Median seconds of a call, in samples of `at_least` and at least one call; the wait for the device is spread over them."""

    def timed(calls):
        synchronize()
        start = time.perf_counter()
        for _ in range(calls):
            run()
        synchronize()
        return (time.perf_counter() - start) / calls

    timed(1)
    if QUICK:
        return timed(1)
    calls = max(1, min(1000, int(at_least / timed(1))))
    return statistics.median(timed(calls) for _ in range(samples))


def peak_mib(run):
    """What a call holds at most beside what was there before it."""
    if not CUDA:
        run()
        return 0
    synchronize()
    before = torch.cuda.memory_allocated(device)
    torch.cuda.reset_peak_memory_stats(device)
    run()
    synchronize()
    return (torch.cuda.max_memory_allocated(device) - before) / 2**20


def matmul(n):
    a, b = (torch.randn(n, n, device=device, dtype=BF16) for _ in range(2))
    emit(f"matmul {n}x{n}x{n}", "cuBLAS", 2 * n**3 / seconds(lambda: a @ b.t()) / 1e12, "TFLOP/s")


def token_logprob(T, d, V):
    attempt(f"token_logprob T={T} d={d} V={V}", "torch", lambda: token_logprob_ways(T, d, V))


def token_logprob_ways(T, d, V):
    h = torch.randn(T, d, device=device, dtype=BF16, requires_grad=True)
    w = (torch.randn(V, d, device=device, dtype=BF16) * 0.02).requires_grad_(True)
    target, weight = torch.randint(0, V, (T,), device=device), torch.randn(T, device=device)

    def loss(h, w):
        return (torch.log_softmax((h @ w.t()).float(), -1).gather(-1, target[:, None])[:, 0] * weight).sum()

    def gradients(loss):
        h.grad = w.grad = None
        loss(h, w).backward()

    def chunked(rows=2048):
        with torch.no_grad():
            dh, dw = torch.empty_like(h), torch.zeros_like(w)
            for s in range(0, T, rows):
                e = min(s + rows, T)
                p = torch.log_softmax((h[s:e] @ w.t()).float(), -1).exp_()
                p.mul_(-weight[s:e, None])
                p.scatter_add_(-1, target[s:e, None], weight[s:e, None])
                p = p.to(h.dtype)
                dh[s:e] = p @ w
                dw.addmm_(p.t(), h[s:e])
        return dh, dw

    compiled = torch.compile(loss, dynamic=False)
    shape = f" T={T} d={d} V={V}"
    for by, run in (
        ("chunked", chunked),
        ("torch.compile", lambda: gradients(compiled)),
        ("naive", lambda: gradients(loss)),
    ):

        def measure():
            h.grad = w.grad = None
            emit(f"token_logprob forward+backward{shape}", by, 1e3 * seconds(run), "ms")
            h.grad = w.grad = None
            emit(f"token_logprob memory{shape}", by, peak_mib(run), "MiB")

        attempt(f"token_logprob{shape}", by, measure)


def attention(name, heads, kv_heads, dim, length):
    def measure():
        q = torch.randn(1, heads, length, dim, device=device, dtype=BF16, requires_grad=True)
        k, v = (torch.randn(1, kv_heads, length, dim, device=device, dtype=BF16, requires_grad=True) for _ in range(2))
        product = heads * dim * length * (length + 1)  # FLOP of one of the seven, causal

        def forward():
            return F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)

        out = forward()
        g = torch.randn_like(out)
        emit(f"attention forward {name} {length}", "SDPA", 2 * product / seconds(forward) / 1e12, "TFLOP/s")
        both = seconds(lambda: torch.autograd.grad(forward(), (q, k, v), g))
        emit(f"attention forward+backward {name} {length}", "SDPA", 7 * product / both / 1e12, "TFLOP/s")

    attempt(f"attention {name} {length}", "SDPA", measure)


def group_attention(name, heads, kv_heads, dim, prompt, completions, length):
    """What our forest computes once, without one: the prompt again in front of each completion."""

    def measure():
        whole = prompt + length
        q = torch.randn(completions, heads, whole, dim, device=device, dtype=BF16, requires_grad=True)
        k, v = (torch.randn(completions, kv_heads, whole, dim, device=device, dtype=BF16, requires_grad=True) for _ in range(2))
        g = torch.randn_like(q)

        def both():
            torch.autograd.grad(F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True), (q, k, v), g)

        emit(f"group attention {case}", "SDPA, the prompt repeated", 1e3 * seconds(both), "ms")

    case = f"{name} prompt {prompt} x {completions} of {length}"
    attempt(f"group attention {case}", "SDPA, the prompt repeated", measure)


def eager_and_compiled(case, function, run):
    for by, used in (("eager", function), ("torch.compile", torch.compile(function, dynamic=False))):
        attempt(case, by, lambda: emit(case, by, 1e6 * seconds(lambda: run(used)), "us"))


def grpo_loss(B, T):
    attempt(f"grpo_loss {B}x{T}", "torch", lambda: grpo_loss_ways(B, T))


def grpo_loss_ways(B, T):
    logps = (-3 * torch.rand(B, T, device=device)).requires_grad_(True)
    old, ref = (logps.detach() + 0.1 * torch.randn(B, T, device=device) for _ in range(2))
    advantages, mask = torch.randn(B, device=device), torch.ones(B, T, device=device, dtype=torch.int32)

    def loss(logps, old, ref, advantages, mask):
        a = advantages[:, None]
        ratio = torch.exp(logps - old)
        kl = torch.exp(ref - logps) - (ref - logps) - 1
        per_token = -torch.min(ratio * a, torch.clamp(ratio, 0.8, 1.28) * a) + 0.04 * kl
        return (per_token * mask).sum() / mask.sum().clamp(min=1)

    def run(used):
        logps.grad = None
        used(logps, old, ref, advantages, mask).backward()

    eager_and_compiled(f"grpo_loss {B}x{T}", loss, run)


def repro_score(R, P):
    attempt(f"repro_score {R}x{P}", "torch", lambda: repro_score_ways(R, P))


def repro_score_ways(R, P, w=0.3):
    """Magnitude, stability (Kendall's tau against position), score and reward of R thoughts with P points each."""
    surrogate = -1 - torch.rand(R, P, device=device, dtype=torch.float64)
    earlier = torch.ones(P, P, device=device, dtype=torch.bool).tril(-1)
    pairs = torch.arange(P, device=device, dtype=torch.float64)
    pairs = (pairs * (pairs + 1) / 2).clamp(min=1)

    def score(j):
        base = -j[:, :1]
        magnitude = 1 + torch.tanh((base + j) / (base + 1e-6) - 1)
        order = torch.sign(j[:, :, None] - j[:, None, :]) * earlier
        stability = (order.sum(-1).cumsum(-1) / pairs + 1) / 2
        s = (1 - w) * magnitude + w * stability
        reward = torch.cat((torch.zeros_like(base), s[:, 1:2], s[:, 2:] - s[:, 1:-1]), -1)
        return magnitude, stability, s, reward

    eager_and_compiled(f"repro_score {R}x{P}", score, lambda used: used(surrogate))


SHAPES = {
    "tiny": dict(hidden_size=64, intermediate_size=96, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, vocab_size=320),
    "0.5B": dict(hidden_size=896, intermediate_size=4864, num_hidden_layers=24, num_attention_heads=14, num_key_value_heads=2, vocab_size=151936),
    "1.5B": dict(hidden_size=1536, intermediate_size=8960, num_hidden_layers=28, num_attention_heads=12, num_key_value_heads=2, vocab_size=151936),
    "7B": dict(hidden_size=3584, intermediate_size=18944, num_hidden_layers=28, num_attention_heads=28, num_key_value_heads=4, vocab_size=152064),
}


def qwen2(shape, dtype):
    from transformers import Qwen2Config, Qwen2ForCausalLM

    config = Qwen2Config(**SHAPES[shape], max_position_embeddings=32768, tie_word_embeddings=shape != "7B",
                         bos_token_id=None, eos_token_id=None, pad_token_id=None)
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with device:
            return Qwen2ForCausalLM(config)
    finally:
        torch.set_default_dtype(before)


def train(shape, rows, length, calls):
    """A batch in so many calls: f32 weights and moments, bf16 products (autocast), fused AdamW, norm clipped: the numerics of our own step."""

    batch = f"{shape} {rows * calls}x{length}"

    def measure():
        if CUDA:
            torch.cuda.reset_peak_memory_stats(device)
        model = qwen2(shape, torch.float32).train()
        adam = torch.optim.AdamW(model.parameters(), lr=1e-5, betas=(0.9, 0.95), weight_decay=0.01, fused=CUDA)
        ids = torch.randint(2, model.config.vocab_size, (rows, length), device=device)

        def step():
            for _ in range(calls):
                with torch.autocast(device.type, BF16):
                    loss = model(input_ids=ids, labels=ids, use_cache=False).loss / calls
                loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            adam.step()
            adam.zero_grad(set_to_none=True)

        emit(f"train step {batch}", "transformers", rows * calls * length / seconds(step, samples=3), "tok/s")
        if CUDA:
            emit(f"train memory {batch}", "transformers", torch.cuda.max_memory_allocated(device) / 2**20, "MiB")

    attempt(f"train step {batch}", "transformers", measure)


def decode(shape, batches, tokens):
    model = None

    def measure(rows):
        nonlocal model
        model = model or qwen2(shape, BF16).eval()
        ids = torch.randint(2, model.config.vocab_size, (rows, 32), device=device)

        def take(n):
            start = time.perf_counter()
            model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=n, min_new_tokens=n, do_sample=True, top_k=0, pad_token_id=0)
            synchronize()
            return time.perf_counter() - start

        take(2)
        one = take(1)
        emit(f"decode {shape} batch {rows}", "transformers", rows * tokens / (take(tokens + 1) - one), "tok/s")

    for rows in batches:
        attempt(f"decode {shape} batch {rows}", "transformers", lambda: measure(rows))


def has_transformers():
    try:
        import transformers  # noqa: F401

        return True
    except ImportError:
        note("torch: transformers is not installed: no training step, no decoding")
        return False


if QUICK:
    attempt("matmul", "cuBLAS", lambda: matmul(64))
    token_logprob(20, 32, 300)
    attention("d64 4/2", 4, 2, 64, 64)
    group_attention("d64 4/2", 4, 2, 64, 20, 3, 10)
    grpo_loss(4, 16)
    repro_score(3, 5)
    if has_transformers():
        train("tiny", 1, 32, 2)
        decode("tiny", (2,), 3)
else:
    attempt("matmul", "cuBLAS", lambda: matmul(8192))
    token_logprob(8192, 1536, 151936)
    token_logprob(16384, 4096, 131072)
    for length in (2048, 8192, 32768):
        attention("d64 14/2", 14, 2, 64, length)
        attention("d128 32/8", 32, 8, 128, length)
    group_attention("d64 14/2", 14, 2, 64, 256, 16, 1024)
    group_attention("d128 32/8", 32, 8, 128, 256, 16, 1024)
    grpo_loss(64, 1024)
    repro_score(512, 22)
    if has_transformers():
        train("0.5B", 16, 1024, 1)
        train("1.5B", 8, 1024, 2)
        decode("0.5B", (1, 64, 256), 64)
        decode("1.5B", (1, 64, 256), 64)
        decode("7B", (1, 64, 256), 64)
