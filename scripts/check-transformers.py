"""Does transformers load what the engine saved, and compute the same with it? Needs torch and transformers.

    python scripts/check-transformers.py MODEL_DIR      # a run's checkpoint, say

Loads the folder with AutoModelForCausalLM (missing or unexpected tensors are refused), scores random tokens with it, and compares
with `score --json` on the same folder: log-probabilities and entropies within 1e-4.
"""
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
import transformers

ROOT = Path(__file__).resolve().parents[1]


def main(folder):
    transformers.logging.set_verbosity_error()
    model, report = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, output_loading_info=True)
    wrong = {k: list(report[k]) for k in ("missing_keys", "unexpected_keys", "mismatched_keys") if report[k]}
    if wrong:
        sys.exit(f"{folder}: {wrong}")
    torch.manual_seed(0)
    length = min(48, model.config.max_position_embeddings)
    rows = [torch.randint(0, model.config.vocab_size, (n,)) for n in (length, length // 2, 2)]
    with tempfile.NamedTemporaryFile("w", suffix=".jsonl") as file:
        file.writelines(json.dumps({"ids": ids.tolist()}) + "\n" for ids in rows)
        file.flush()
        command = ["bun", "packages/cli/src/main.ts", "score", "--model", str(Path(folder).resolve()), "--tokens", file.name, "--json"]
        out = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    scores = [line for line in map(json.loads, out.splitlines()) if "logprobs" in line]
    assert len(scores) == len(rows), out
    worst = 0.0
    for ids, ours in zip(rows, scores):
        with torch.no_grad():
            z = torch.log_softmax(model(input_ids=ids[None]).logits[0, :-1].double(), -1)
        logprobs, entropy = z.gather(-1, ids[1:, None])[:, 0], -(z.exp() * z).sum(-1)
        for theirs, mine in ((logprobs, ours["logprobs"]), (entropy, ours["entropy"])):
            worst = max(worst, (theirs - torch.tensor(mine, dtype=torch.float64)).abs().max().item())
    print(f"{folder}: {type(model).__name__}, largest difference {worst:.2g}")
    sys.exit(worst > 1e-4)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
