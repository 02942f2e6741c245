"""Texts -> unit vectors: a BERT-like encoder whose lower layers stay as they are and whose upper layers may be tuned.

What the lower layers make of a text never changes, so it is computed once and kept: `states`. Tuning starts from there.

    text --tokens, embeddings, lower layers--> states --upper layers, mean over tokens, unit length--> vector
                        fixed                                        tuned in stage 1

Legend: B texts, T tokens (padded), D width.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from vimu.runtime.errors import UserError
from vimu.semantics.encoder_files import EncoderFiles

MAX_TOKENS = 256
"""Longer texts are cut: those of `rules` have 80 to 150."""
BATCH = 32
"""Texts, of about one length, that the lower layers see at once."""


@dataclass(frozen=True)
class States:
    """What the lower layers made of some texts; half precision, since thousands are kept."""

    hidden: Float[Tensor, "B T D"]
    mask: Bool[Tensor, "B T"]
    """True where there is a token."""

    def take(self, rows: Tensor) -> "States":
        """Some texts, without padding that none of them needs."""
        mask = self.mask[rows]
        length = max(1, int(mask.sum(dim=1).max()))
        return States(self.hidden[rows, :length], mask[:, :length])


class TextEncoder(nn.Module):
    """The upper layers as parameters; the lower ones as they were loaded."""

    def __init__(self, files: EncoderFiles, *, n_tuned: int, random_seed: int | None = None, bf16: bool = True) -> None:
        """Load an encoder in evaluation mode.

        Args:
            n_tuned: how many upper layers `forward` applies and may be tuned.
            random_seed: weights drawn anew with the same architecture and tokens, as the control without language.

        Raises:
            UserError: `transformers` is not installed, or the model is not BERT-like or has too few layers.
        """
        super().__init__()
        self.bf16 = bf16
        self.identity = [files.digest, n_tuned, random_seed, bf16]
        """What `states` depends on beside the texts, as JSON values."""
        os.environ["HF_HUB_OFFLINE"] = "1"  # a missing file is an error, never a download
        try:
            from transformers import AutoConfig, AutoModel, AutoTokenizer
            from transformers.utils.logging import disable_progress_bar
        except ImportError as error:
            raise UserError("`transformers` must be installed, but is not: pip install 'vimu[lanhar]'") from error
        disable_progress_bar()
        at = str(files.folder)
        self._tokens = AutoTokenizer.from_pretrained(at, local_files_only=True, trust_remote_code=False)  # nosec B615
        if random_seed is None:
            model = AutoModel.from_pretrained(  # nosec B615
                at, local_files_only=True, trust_remote_code=False, use_safetensors=True
            )
        else:
            with torch.random.fork_rng():
                torch.manual_seed(random_seed)
                model = AutoModel.from_config(
                    AutoConfig.from_pretrained(at, local_files_only=True, trust_remote_code=False)  # nosec B615
                )
        layers = getattr(getattr(model, "encoder", None), "layer", None)
        if layers is None or n_tuned > len(layers):
            raise UserError(
                f"`align.text_encoder` must be BERT-like with at least {n_tuned} layers (`align.tuned_layers`), but "
                f"`{at}` is a `{model.config.model_type}` with {0 if layers is None else len(layers)}."
            )
        self.upper = nn.ModuleList(layers[len(layers) - n_tuned :])
        model.encoder.layer = layers[: len(layers) - n_tuned]
        self._lower = [model.float().eval().requires_grad_(False)]  # in a list: no parameters of this module
        self.width = int(model.config.hidden_size)
        self.eval()

    def n_tokens(self, texts: Sequence[str]) -> list[int]:
        """Of each text."""
        return [len(ids) for ids in self._tokens(list(texts), truncation=True, max_length=MAX_TOKENS)["input_ids"]]

    @torch.no_grad()
    def states(self, texts: Sequence[str], n_tokens: int | None = None) -> States:
        """What the lower layers make of texts, in their order.

        Args:
            n_tokens: to pad to; None: as many as the longest has.
        """
        tokens = self._tokens(list(texts), truncation=True, max_length=MAX_TOKENS)["input_ids"]
        longest = n_tokens or max(len(ids) for ids in tokens)
        hidden = torch.zeros(len(tokens), longest, self.width, dtype=torch.float16)
        mask = torch.arange(longest)[None, :] < torch.tensor([len(ids) for ids in tokens])[:, None]
        by_length = sorted(range(len(tokens)), key=lambda i: len(tokens[i]))
        for start in range(0, len(tokens), BATCH):
            rows = by_length[start : start + BATCH]
            length = max(len(tokens[i]) for i in rows)
            padded = torch.tensor([tokens[i] + [0] * (length - len(tokens[i])) for i in rows])
            with self._precision():
                out = self._lower[0](input_ids=padded, attention_mask=mask[rows, :length].long()).last_hidden_state
            hidden[torch.tensor(rows), :length] = out.half()
        return States(hidden, mask)

    def forward(self, states: States) -> Float[Tensor, "B D"]:
        """Unit vectors."""
        x = states.hidden.float()
        hide = torch.zeros(states.mask.shape).masked_fill(~states.mask, torch.finfo(torch.float32).min)[
            :, None, None, :
        ]
        with self._precision():
            for layer in self.upper:
                out = layer(x, hide)
                x = out[0] if isinstance(out, tuple) else out
        x = x.float()
        keep = states.mask[:, :, None].float()
        return nn.functional.normalize((x * keep).sum(dim=1) / keep.sum(dim=1), dim=-1)

    def _precision(self) -> torch.autocast:
        """Matrix products in bfloat16, on CPUs that have it four times as fast; weights stay float32."""
        return torch.autocast("cpu", dtype=torch.bfloat16, enabled=self.bf16)

    @torch.no_grad()
    def embed(self, states: States, *, batch_size: int = 64) -> Float[Tensor, "B D"]:
        """`forward` in parts, without gradient or dropout."""
        was = self.training
        self.eval()
        parts = torch.split(torch.arange(len(states.mask)), batch_size)
        vectors = torch.cat([self(states.take(part)) for part in parts])
        self.train(was)
        return vectors
