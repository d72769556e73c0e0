"""Log-probabilities from hidden states through the LM head, in the fastest ways known for torch; the best one counts.

naive keeps the [T, V] logits; chunked works on 128 rows at a time and takes the gradient of each chunk at once (three
matmuls in all, the way fused losses for torch do it). Memory is measured apart, without the allocator settings.
"""
import sys

from peer import QUICK, emit, peak_mib, seconds, torch

T, D, V = (64, 128, 5000) if QUICK else (512, 896, 151936)
MEMORY = "--memory" in sys.argv


def logps(h, w, target):
    return torch.log_softmax((h @ w.t()).float(), -1).gather(-1, target[:, None])[:, 0]


def chunked(h, w, target, weight, rows=128):
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
        h.grad, w.grad = dh, dw


for name, dtype in (("f32", torch.float32), ("bf16", torch.bfloat16)):
    h = torch.randn(T, D).to(dtype).requires_grad_(True)
    w = (torch.randn(V, D) * 0.02).to(dtype).requires_grad_(True)
    target, weight = torch.randint(0, V, (T,)), torch.randn(T)

    def forward():
        with torch.no_grad():
            logps(h, w, target)

    def naive():
        (logps(h, w, target) * weight).sum().backward()

    def clear():
        h.grad = w.grad = None

    if MEMORY:
        chunked(h, w, target, weight)
        emit(f"{name} forward+backward, memory", peak_mib(lambda: chunked(h, w, target, weight)) - w.numel() * w.element_size() / 2**20, "MiB")
        continue
    emit(f"{name} forward", seconds(forward, 3) * 1e3, "ms")
    best = min(seconds(naive, 3, before=clear), seconds(lambda: chunked(h, w, target, weight), 3, before=clear))
    emit(f"{name} forward+backward", best * 1e3, "ms")
