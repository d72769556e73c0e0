"""One whole step of TRL's GRPOTrainer: 8 prompts x 8 completions x 64 new tokens, random Qwen2, a trivial reward.

Prompts are 17 words of a 3,072-word vocabulary. bf16 is TRL's own switch (autocast in training).
"""
import logging
import random
import tempfile
import time
import statistics
import warnings

from peer import QUICK, emit, qwen2, torch

warnings.filterwarnings("ignore")
from datasets import Dataset  # noqa: E402
from tokenizers import Tokenizer, models, pre_tokenizers  # noqa: E402
from transformers import PreTrainedTokenizerFast, TrainerCallback  # noqa: E402
from trl import GRPOConfig, GRPOTrainer  # noqa: E402

logging.disable(logging.WARNING)
WARMUP, STEPS = 1, 1 if QUICK else 3
words = ["<pad>", "<eos>"] + [f"w{i}" for i in range(3070)]
word_level = Tokenizer(models.WordLevel({w: i for i, w in enumerate(words)}, unk_token="<pad>"))
word_level.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
tokenizer = PreTrainedTokenizerFast(tokenizer_object=word_level, pad_token="<pad>", eos_token="<eos>", padding_side="left")


def reward(completions, **_):
    return [len(c) % 7 / 7 for c in completions]


class Clock(TrainerCallback):
    def __init__(self):
        self.steps = []

    def on_step_begin(self, *_, **__):
        self.start = time.perf_counter()

    def on_step_end(self, *_, **__):
        self.steps.append(time.perf_counter() - self.start)


for dtype in ("f32", "bf16"):
    for shape in ("256x4",) if QUICK else ("256x4", "512x8"):
        model = qwen2(shape)
        for config in (model.config, model.generation_config):
            config.pad_token_id, config.eos_token_id = tokenizer.pad_token_id, tokenizer.eos_token_id
        rng, clock = random.Random(1), Clock()
        prompts = [" ".join(rng.choices(words[2:], k=17)) for _ in range(64)]
        args = GRPOConfig(
            output_dir=tempfile.mkdtemp(), use_cpu=True, bf16=dtype == "bf16", per_device_train_batch_size=64, num_generations=8,
            steps_per_generation=1, max_completion_length=64, max_steps=WARMUP + STEPS, learning_rate=1e-4, beta=0.0,
            epsilon=0.2, epsilon_high=0.28, loss_type="dapo", gradient_checkpointing=False, report_to=[], save_strategy="no",
            logging_steps=1000, disable_tqdm=True, dataloader_pin_memory=False, seed=0)
        trainer = GRPOTrainer(
            model=model, reward_funcs=reward, args=args, processing_class=tokenizer,
            train_dataset=Dataset.from_dict({"prompt": prompts}), callbacks=[clock])
        torch.set_num_threads(1)
        trainer.train()
        emit(f"{dtype} {shape}", statistics.median(clock.steps[WARMUP:]) * 1e3, "ms")
