"""Makes test/golden/tokenizers: two small tokenizers, and what transformers makes of hard lines with them and with our words.

    bun scripts/golden/tokens.ts    # words/, as our wordTokenizer writes it
    python scripts/golden/tokens.py
"""
import json
from pathlib import Path

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import AutoTokenizer, PreTrainedTokenizerFast

OUT = Path(__file__).resolve().parents[2] / "test" / "golden" / "tokenizers"
LINES = [
    "The thought ends here. </think> The answer is 42.",
    "547 + 938 = 1485, isn't it? I'll check: 5.5e-3 / 0.25",
    "  two  spaces,\ttabs\tand\n\n\nnew lines \n",
    "naïve café, Zürich, 你好世界, здравствуй, שלום",
    "emoji 🙂👩‍👩‍👧 and a lone accent e\u0301",
    "\\frac{1}{2} \\boxed{x^2 + y^2}",
    "<|im_start|>user\nWhat is 2+2?<|im_end|>\n",
    "a",
    " ",
    "",
]
CORPUS = LINES + ["the thought that ends is the answer to the thought " * 3, "check 1 + 2 = 3 again and again " * 3]
SPLIT = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
TEMPLATE = """{%- for message in messages %}
    {{- '<|im_start|>' + message.role + '\\n' + message.content | trim + '<|im_end|>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
    {%- if enable_thinking is defined and enable_thinking is false %}
        {{- '<think>\\n\\n</think>\\n\\n' }}
    {%- endif %}
{%- endif %}"""
CHATS = [
    {"messages": [{"role": "user", "content": " What is 2+2? "}], "variables": {}},
    {"messages": [{"role": "system", "content": "Be \"terse\" <b>&"}, {"role": "user", "content": "日本語?"}], "variables": {}},
    {"messages": [{"role": "user", "content": "Q"}], "variables": {"enable_thinking": False}},
    {"messages": [{"role": "user", "content": "Q"}, {"role": "assistant", "content": "A"}], "variables": {}, "closed": True},
]


def byte_level():
    """Byte-level BPE split as Qwen splits, with added tokens that are special and added tokens that are not."""
    t = Tokenizer(models.BPE())
    t.normalizer = normalizers.NFC()
    t.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(SPLIT), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    t.decoder = decoders.ByteLevel()
    t.post_processor = processors.ByteLevel(trim_offsets=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    t.train_from_iterator(CORPUS, trainers.BpeTrainer(vocab_size=320, initial_alphabet=alphabet, show_progress=False))
    t.add_special_tokens(["<|endoftext|>", "<|im_start|>", "<|im_end|>"])
    t.add_tokens(["<think>", "</think>"])
    return PreTrainedTokenizerFast(
        tokenizer_object=t, eos_token="<|im_end|>", pad_token="<|endoftext|>", clean_up_tokenization_spaces=False,
        chat_template=TEMPLATE,
    )


def sentencepiece():
    """Llama's kind: spaces as U+2581, unknown characters as bytes, <s> put in front."""
    t = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    t.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    t.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    specials = ["<unk>", "<s>", "</s>"] + [f"<0x{b:02X}>" for b in range(256)]
    ascii_only = ["".join(c for c in line if ord(c) < 128) for line in CORPUS]
    t.train_from_iterator(ascii_only, trainers.BpeTrainer(vocab_size=360, special_tokens=specials, show_progress=False))
    spec = json.loads(t.to_str())
    spec["added_tokens"] = spec["added_tokens"][:3]
    t = Tokenizer.from_str(json.dumps(spec))
    t.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return PreTrainedTokenizerFast(
        tokenizer_object=t, bos_token="<s>", eos_token="</s>", unk_token="<unk>", clean_up_tokenization_spaces=False
    )


def golden(name, lines):
    t = AutoTokenizer.from_pretrained(OUT / name)
    cases = []
    for line in lines:
        ids = t(line, add_special_tokens=False)["input_ids"]
        cases.append({
            "text": line, "ids": ids, "with_special": t(line)["input_ids"], "decoded": t.decode(ids),
            "decoded_without_special": t.decode(ids, skip_special_tokens=True),
        })
    # every id in turn, in runs that no text gives
    runs = [[(start + i * 37) % len(t) for i in range(25)] for start in range(0, len(t), 60)]
    out = {"size": len(t), "eos": t.eos_token_id, "pad": t.pad_token_id, "bos": t.bos_token_id, "cases": cases}
    out["runs"] = [{"ids": run, "decoded": t.decode(run)} for run in runs]
    if t.chat_template:
        out["chats"] = [
            {**chat, "rendered": t.apply_chat_template(
                chat["messages"], tokenize=False, add_generation_prompt=not chat.get("closed"), **chat["variables"])}
            for chat in CHATS
        ]
    (OUT / f"{name}.json").write_text(json.dumps(out, ensure_ascii=False) + "\n")


OUT.mkdir(parents=True, exist_ok=True)
for name, tokenizer in [("byte-level", byte_level()), ("sentencepiece", sentencepiece())]:
    tokenizer.save_pretrained(OUT / name)
    golden(name, LINES)
golden("words", ["<|user|> ones 7 + 8 tens 4 + 3 ? <|assistant|> <think>", "Wait , let me check again : zebra 1 .  </think> 8 5 <eos>", ""])
