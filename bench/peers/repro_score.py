"""J at 22 points of each of 8 thoughts as the authors' code gets it: every prefix with the answer behind it, from the start.

Rows of one thought go through transformers together, padded to the longest; only the answer's logits are kept.
"""
from peer import QUICK, emit, qwen2, seconds, torch

THOUGHTS, PROMPT, LENGTH, POINTS, ANSWER = 1 if QUICK else 8, 32, 256, 22, 6
model = qwen2("256x4").eval()
ends = [LENGTH * i // (POINTS - 1) for i in range(POINTS)]
width = PROMPT + LENGTH + ANSWER
rows = torch.zeros(POINTS, width, dtype=torch.long)
mask = torch.zeros(POINTS, width, dtype=torch.long)
for i, end in enumerate(ends):
    n = PROMPT + end + ANSWER
    rows[i, width - n:] = torch.randint(0, 3072, (n,))
    mask[i, width - n:] = 1
positions = (mask.cumsum(-1) - 1).clamp(min=0)


def surrogates():
    with torch.no_grad():
        for _ in range(THOUGHTS):
            z = model(input_ids=rows, attention_mask=mask, position_ids=positions, use_cache=False, logits_to_keep=ANSWER + 1).logits[:, :-1]
            torch.log_softmax(z, -1).gather(-1, rows[:, -ANSWER:, None])[..., 0].mean(-1)


emit(f"f32 256x4, {THOUGHTS} thoughts of {LENGTH}, {POINTS} points", seconds(surrogates, 2) * 1e3, "ms")
