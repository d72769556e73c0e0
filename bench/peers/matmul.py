"""y = x W^T in torch (MKL for f32, oneDNN for bf16), into a reused output."""
from peer import QUICK, emit, seconds, torch

SHAPES = [(512, 896, 896), (512, 896, 4864), (512, 4864, 896), (1024, 256, 1024), (256, 896, 151936), (8, 896, 4864), (1, 896, 4864)]

for m, k, n in SHAPES[:2] if QUICK else SHAPES:
    flop = 2 * m * k * n
    inner = max(1, int(4e9 / flop))
    for name, dtype in (("f32", torch.float32), ("bf16", torch.bfloat16)):
        x, w = torch.randn(m, k).to(dtype), torch.randn(n, k).to(dtype).t()
        y = torch.empty(m, n, dtype=dtype)

        def run():
            for _ in range(inner):
                torch.mm(x, w, out=y)

        emit(f"{name} {m}x{k}x{n}", flop * inner / seconds(run, repeats=7, warmup=2) / 1e9, "GFLOP/s")
