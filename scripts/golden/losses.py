"""Makes test/golden/losses.json: every GRPO loss by TRL's own GRPOTrainer._compute_loss, in f64, with its gradient.

    python scripts/golden/losses.py
"""
import inspect
import itertools
import json
import textwrap
from collections import defaultdict
from pathlib import Path
from types import SimpleNamespace

import torch
from trl.trainer import grpo_trainer

OUT = Path(__file__).resolve().parents[2] / "test" / "golden" / "losses.json"
B, T = 5, 11
K3 = "torch.exp(ref_per_token_logps - per_token_logps) - (ref_per_token_logps - per_token_logps) - 1"
KL = {
    "k1": "per_token_logps - ref_per_token_logps",
    "k2": "0.5 * (per_token_logps - ref_per_token_logps) ** 2",
    "k3": K3,
}


def trl_loss(kl):
    """TRL's method, with the KL line replaced where TRL has no such estimator."""
    source = textwrap.dedent(inspect.getsource(grpo_trainer.GRPOTrainer._compute_loss))
    assert source.count(K3) == 1
    scope = dict(vars(grpo_trainer))
    exec(source.replace(K3, KL[kl]), scope)
    return scope["_compute_loss"]


def exact(x):
    return x.float().double()


def batch():
    torch.manual_seed(11)
    logprobs = exact(-torch.rand(B, T) * 3)
    old = exact(logprobs + 0.3 * torch.randn(B, T))
    old[0, 2], old[1, 3], old[3, 1], old[4, 0] = (logprobs[i] - d for i, d in (((0, 2), 2.5), ((1, 3), 2.5), ((3, 1), -2.0), ((4, 0), 1.5)))
    old = exact(old)
    ref = exact(logprobs + 0.4 * torch.randn(B, T))
    lengths = torch.tensor([11, 7, 1, 9, 4])
    mask = (torch.arange(T)[None] < lengths[:, None]).long()
    mask[0, 4] = mask[3, 0] = 0  # holes: tokens a tool wrote, say
    per_sequence = exact(torch.tensor([1.25, -0.75, 0.5, -1.5, 0.0]))
    return dict(logprobs=logprobs, old=old, ref=ref, mask=mask, advantages=per_sequence,
                token_advantages=exact(torch.randn(B, T)))


DEFAULTS = dict(
    loss_type="dapo", epsilon=0.2, epsilon_high=0.28, delta=None, beta=0.0, kl="k3", use_bias_correction_kl=True,
    importance_sampling_level="token", sapo_temperature_neg=1.05, sapo_temperature_pos=1.0, max_completion_length=16,
    on_policy=False, token_advantages=False)


def evaluate(data, **changes):
    o = SimpleNamespace(**DEFAULTS | changes)
    logps = data["logprobs"].clone().requires_grad_(True)
    metrics = defaultdict(list)
    trainer = SimpleNamespace(
        _get_per_token_logps_and_entropies=lambda *a, **k: (logps, torch.zeros(B, T).double(), None), aux_loss_enabled=False,
        top_entropy_quantile=1.0, off_policy_mask_threshold=None, importance_sampling_level=o.importance_sampling_level,
        beta=o.beta, loss_type=o.loss_type, epsilon_low=o.epsilon, epsilon_high=o.epsilon_high, use_vllm=False,
        max_completion_length=o.max_completion_length, current_gradient_accumulation_steps=1, _entropy_bonus_enabled=False,
        _metrics={"train": metrics}, model=SimpleNamespace(training=True),
        args=SimpleNamespace(delta=o.delta, use_bias_correction_kl=o.use_bias_correction_kl, steps_per_generation=1,
                             sapo_temperature_neg=o.sapo_temperature_neg, sapo_temperature_pos=o.sapo_temperature_pos),
        accelerator=SimpleNamespace(num_processes=1, gather=lambda x: x, reduce=lambda x, reduction: x))
    ids = torch.zeros(B, T).long()
    inputs = dict(
        prompt_ids=ids, prompt_mask=ids, completion_ids=ids, completion_mask=data["mask"], ref_per_token_logps=data["ref"],
        advantages=data["token_advantages"] if o.token_advantages else data["advantages"],
        num_items_in_batch=data["mask"].sum().double())
    if not o.on_policy:
        inputs["old_per_token_logps"] = data["old"]
    loss = trl_loss(o.kl)(trainer, None, inputs)
    loss.backward()
    keep = {k: v[0] for k, v in metrics.items() if k in ("kl", "clip_ratio/low_mean", "clip_ratio/high_mean")}
    return dict(options=vars(o), loss=loss.item(), grad=logps.grad.tolist(), metrics=keep)


def cases(data):
    types = ["grpo", "bnpo", "dr_grpo", "dapo", "cispo", "sapo"]
    cispo = lambda t: {"epsilon_high": 2.0} if t == "cispo" else {}
    for t, level in itertools.product(types, ["token", "sequence"]):
        yield dict(loss_type=t, importance_sampling_level=level, **cispo(t))
    for t in types:
        yield dict(loss_type=t, on_policy=True, **cispo(t))
        yield dict(loss_type=t, beta=0.04, **cispo(t))
        yield dict(loss_type=t, beta=0.04, importance_sampling_level="sequence", **cispo(t))
        yield dict(loss_type=t, token_advantages=True, **cispo(t))
    for t, level in itertools.product(types[:4], ["token", "sequence"]):
        yield dict(loss_type=t, delta=1.5, importance_sampling_level=level)
    yield dict(delta=1.1)  # below 1 + epsilon_high, so it bites for A > 0 too
    yield dict(epsilon=0.1, epsilon_high=0.1)
    yield dict(token_advantages=True, importance_sampling_level="sequence")
    for kl, corrected, on_policy in itertools.product(KL, [True, False], [True, False]):
        yield dict(beta=0.3, kl=kl, use_bias_correction_kl=corrected, on_policy=on_policy)
    yield dict(loss_type="sapo", sapo_temperature_neg=2.0, sapo_temperature_pos=0.5)


if __name__ == "__main__":
    data = batch()
    rows = [evaluate(data, **c) for c in cases(data)]
    out = {"batch": {k: v.tolist() for k, v in data.items()}, "cases": rows}
    text = json.dumps(out, allow_nan=False).replace('{"options"', '\n{"options"')
    OUT.write_text(text + "\n")
    print(f"{len(rows)} cases, {len(text) / 1024:.0f} KiB")
