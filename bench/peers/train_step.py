"""Forward, backward and fused AdamW of transformers' Qwen2 on 16 x 128 tokens; bf16 is autocast over f32 weights."""
from peer import QUICK, emit, qwen2, seconds, torch

for dtype in ("f32", "bf16"):
    for shape in ("256x4",) if QUICK else ("256x4", "512x8"):
        model = qwen2(shape)
        ids = torch.randint(0, model.config.vocab_size, (16, 128))
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)

        def step():
            optimizer.zero_grad(set_to_none=True)
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=dtype == "bf16"):
                loss = model(input_ids=ids, labels=ids, use_cache=False).loss
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()

        emit(f"{dtype} {shape} 16x128", ids.numel() / seconds(step, 3), "tok/s")
