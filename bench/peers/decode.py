"""transformers' generate: batch rows, 32 prompt tokens, greedy; the prefill is taken off by a second, shorter call."""
from peer import QUICK, emit, qwen2, seconds, torch

NEW = 8 if QUICK else 64
CASES = [("256x4", 64)] if QUICK else [("256x4", 64), ("512x8", 64), ("512x8", 1), ("0.5B", 1), ("0.5B", 8)]

for dtype_name, dtype in (("f32", torch.float32), ("bf16", torch.bfloat16)):
    for shape, batch in CASES:
        model = qwen2(shape, dtype).eval()
        ids = torch.randint(0, model.config.vocab_size, (batch, 32))
        new = NEW if shape != "0.5B" else 16

        def generate(n):
            with torch.no_grad():
                model.generate(input_ids=ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=n, eos_token_id=None, pad_token_id=0)

        repeats = 1 if shape == "0.5B" else 3
        whole, prefill = seconds(lambda: generate(new + 1), repeats), seconds(lambda: generate(1), repeats)
        emit(f"{dtype_name} {shape} batch {batch}", batch * new / (whole - prefill), "tok/s")
        del model
