"""What every peer script shares: one thread, timing, and one JSON line per case on stdout.

A script is run by bench/peers/peer.ts as `python NAME.py [--quick]`, pinned to one core, with the settings that make
PyTorch fastest there. Each line is {"case": ..., "value": ..., "unit": ...}; the case names are those of bench/NAME.ts.
"""
import gc
import json
import os
import statistics
import sys
import time

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

import torch  # noqa: E402

QUICK = "--quick" in sys.argv
torch.set_num_threads(1)
torch.manual_seed(0)


def emit(case, value, unit):
    print(json.dumps({"case": case, "value": float(f"{value:.6g}"), "unit": unit}), flush=True)


def seconds(run, repeats=5, warmup=1, before=None):
    """Median wall time of run()."""
    times = []
    for i in range(warmup + (1 if QUICK else repeats)):
        if before:
            before()
        start = time.perf_counter()
        run()
        if i >= warmup:
            times.append(time.perf_counter() - start)
    return statistics.median(times)


def status_mib(key):
    with open("/proc/self/status") as f:
        return next(int(line.split()[1]) / 1024 for line in f if line.startswith(key))


def peak_mib(run):
    """How far the process's resident memory rises above where it stands while run() works."""
    gc.collect()
    with open("/proc/self/clear_refs", "w") as f:
        f.write("5")
    base = status_mib("VmRSS")
    run()
    return status_mib("VmHWM") - base


SHAPES = {
    "256x4": dict(hidden_size=256, num_hidden_layers=4, num_attention_heads=4, num_key_value_heads=2, intermediate_size=1024, vocab_size=3072),
    "512x8": dict(hidden_size=512, num_hidden_layers=8, num_attention_heads=8, num_key_value_heads=2, intermediate_size=2048, vocab_size=3072),
    "0.5B": dict(hidden_size=896, num_hidden_layers=24, num_attention_heads=14, num_key_value_heads=2, intermediate_size=4864, vocab_size=151936),
}


def qwen2(name, dtype=torch.float32):
    """A random Qwen2 of one of the shapes the engine is measured on."""
    from transformers import Qwen2Config, Qwen2ForCausalLM

    config = Qwen2Config(
        **SHAPES[name], max_position_embeddings=2048, tie_word_embeddings=True, rms_norm_eps=1e-6,
        rope_parameters={"rope_type": "default", "rope_theta": 1e6}, bos_token_id=None, eos_token_id=None, pad_token_id=None)
    default = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    model = Qwen2ForCausalLM(config)
    torch.set_default_dtype(default)
    return model.to(dtype)
