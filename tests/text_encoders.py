"""A text encoder of 20 thousand random weights in the Hugging Face layout, for tests that need one but no language."""

import json
import re
from pathlib import Path

import pytest

from vimu.semantics.labels import load_labels


def write_tiny_encoder(folder: Path, *, layers: int = 3, seed: int = 0) -> Path:
    """A BERT that knows the words of the label file by themselves; skips the test without `transformers`."""
    pytest.importorskip("transformers", reason="pip install 'vimu[lanhar]'")
    import torch
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import BertConfig, BertModel

    texts = " ".join(text for activity in load_labels()[0].activities.values() for text in activity.texts)
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *sorted(set(re.findall(r"[a-z]+|[0-9.,;:'-]", texts.lower())))]
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="[UNK]"))  # noqa: S106
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "PreTrainedTokenizerFast", "pad_token": "[PAD]", "unk_token": "[UNK]"})
    )
    torch.manual_seed(seed)
    shape = BertConfig(
        vocab_size=len(words), hidden_size=32, num_hidden_layers=layers, num_attention_heads=2, intermediate_size=64,
        max_position_embeddings=256,
    )  # fmt: skip
    BertModel(shape, add_pooling_layer=False).save_pretrained(folder)
    return folder
