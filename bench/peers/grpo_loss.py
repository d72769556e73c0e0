"""TRL's GRPO loss (token ratios, clip 0.2 / 0.28, k3 KL at 0.04, dapo) on 64 x 1024 log-probabilities, with its gradient."""
from peer import QUICK, emit, seconds, torch

B, T, INNER = 64, 1024, 10
logps = -torch.rand(B, T) * 3
old, ref = logps + 0.1 * torch.randn(B, T), logps + 0.1 * torch.randn(B, T)
advantages = torch.randn(B)
mask = (torch.arange(T)[None] < torch.randint(T // 2, T + 1, (B, 1))).int()
tokens = mask.sum().float()


def loss(logps, old, ref, advantages, mask, tokens):
    a = advantages[:, None]
    ratio = torch.exp(logps - old)
    kl = torch.exp(ref - logps) - (ref - logps) - 1
    per_token = -torch.min(ratio * a, torch.clamp(ratio, 0.8, 1.28) * a) + 0.04 * kl
    return (per_token * mask).sum() / tokens.clamp(min=1)


def measure(function):
    def run():
        for _ in range(INNER):
            leaf = logps.detach().requires_grad_(True)
            function(leaf, old, ref, advantages, mask, tokens).backward()

    return seconds(run, repeats=15, warmup=3) / INNER * 1e3


emit("64x1024 against eager", measure(loss), "ms")
if not QUICK:
    emit("64x1024 against torch.compile", measure(torch.compile(loss)), "ms")
