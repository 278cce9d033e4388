"""Makes a model of random weights, for tests and measurements of an engine: python scripts/random_model.py FOLDER [--shape 7b]

It knows nothing, but it is whole: a Qwen2 with a byte-level BPE tokenizer trained on the spot and a chat template. The tiny one
has weights on disk, in which the signs that end a JSON string, list or object stand out, so that guided answers end. The 7b one
is a configuration alone, in the shape of Qwen2.5-7B: load it with `load_format="dummy"`.
"""

from __future__ import annotations

import argparse
import inspect
import json
import pydoc
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

SHAPES: dict[str, dict[str, Any]] = {
    "tiny": {
        "vocab_size": 2_048,
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "max_position_embeddings": 32_768,
        "tie_word_embeddings": False,
    },
    "7b": {
        "vocab_size": 152_064,
        "hidden_size": 3_584,
        "intermediate_size": 18_944,
        "num_hidden_layers": 28,
        "num_attention_heads": 28,
        "num_key_value_heads": 4,
        "max_position_embeddings": 32_768,
        "tie_word_embeddings": False,
    },
}
END, START = "<|im_end|>", "<|im_start|>"
TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
ENDING = ('"', ",", "]", "}", '",', '"]', '"}', "],", "]}", "},", "}]")


def texts() -> Iterator[str]:
    """Enough English and code for a vocabulary: what the standard library says of itself."""
    for module in (argparse, inspect, json, pydoc, textwrap):
        yield inspect.getsource(module)
    yield json.dumps({"facts": [{"claim": "a", "quote": "b", "relevance": 0.5}], "queries": ["c"], "continues": False}) * 200


def write_tokenizer(folder: Path, size: int) -> None:
    """A byte-level BPE tokenizer with a chat template."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

    words = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(words), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    made.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=size, initial_alphabet=alphabet, special_tokens=[END, START], show_progress=False)
    made.train_from_iterator(texts(), trainer)
    made.save(str(folder / "tokenizer.json"))
    told = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": END,
        "pad_token": END,
        "model_max_length": 32_768,
        "clean_up_tokenization_spaces": False,
        "chat_template": TEMPLATE,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(told, indent=1), encoding="utf-8")


def write_weights(folder: Path, shape: dict[str, Any]) -> None:
    """Random weights, the same every time."""
    import torch
    from tokenizers import Tokenizer
    from transformers import Qwen2Config, Qwen2ForCausalLM

    torch.manual_seed(0)
    model = Qwen2ForCausalLM(Qwen2Config(**shape, initializer_range=0.5, bos_token_id=None, eos_token_id=0, pad_token_id=0))
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    with torch.no_grad():
        for sign in ENDING:
            if (token := tokenizer.token_to_id(sign)) is not None:
                model.lm_head.weight[token] *= 4
    model.to(torch.float32).save_pretrained(folder)


def make(folder: Path, shape: str = "tiny") -> Path:
    """The model's folder, made if it is not there yet."""
    folder.mkdir(parents=True, exist_ok=True)
    if (folder / "config.json").exists():
        return folder
    sizes = SHAPES[shape]
    write_tokenizer(folder, min(sizes["vocab_size"], 2_048))
    if shape == "tiny":
        write_weights(folder, sizes)
    else:
        told = {"architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2", "torch_dtype": "bfloat16", **sizes}
        told |= {"hidden_act": "silu", "rms_norm_eps": 1e-6, "rope_theta": 1e6, "eos_token_id": 0, "use_cache": True}
        (folder / "config.json").write_text(json.dumps(told, indent=1), encoding="utf-8")
    return folder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--shape", choices=sorted(SHAPES), default="tiny")
    options = parser.parse_args()
    print(make(options.folder, options.shape))


if __name__ == "__main__":
    main()
