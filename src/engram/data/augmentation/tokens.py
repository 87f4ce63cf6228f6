"""Tokens dropped or replaced in what a model of texts reads; it is asked for the true answers."""

from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch import Tensor

from engram.data.arrays.spool import stretches
from engram.data.augmentation.seeding import generator_for
from engram.data.settings import TokenAugmentation
from engram.data.text.tokens import END, Ids, Tokenizer
from engram.errors import ConfigError


@dataclass(frozen=True)
class TokenNoise:
    """Drop and replace tokens of inputs.

    Dropping replaces a token by the unknown token (word dropout; Bowman et al.
    2016, "Generating sentences from a continuous space"). Replacing puts a token that is drawn by
    its frequency in the training text (unigram noising; Xie et al. 2017, "Data noising as smoothing
    in neural network language models"). Targets stay as they are, and END, which marks where a
    document begins, is neither touched nor put anywhere.

    Attributes:
        drop, replace: Probabilities for each token; one token is not both.
        unknown: The token for what is unknown, or None where nothing is dropped.
        cumulative: Sums of the frequencies up to each token, ``(V,)`` float64, the last one 1.
        seed: Of the run.
    """

    drop: float
    replace: float
    unknown: int | None
    cumulative: Tensor
    seed: int

    @classmethod
    def make(
        cls, settings: TokenAugmentation, tokenizer: Tokenizer, ids: Ids, seed: int
    ) -> Self | None:
        """Make the noise that settings ask for; None where they ask for none.

        Args:
            settings: Shares.
            tokenizer: Of the text.
            ids: The training text, ``(N,)``, for the frequencies.
            seed: Of the run.

        Raises:
            ConfigError: For shares above 1 together, or tokens among which none stands for what is
                unknown.
        """
        drop, replace = settings.drop_tokens, settings.replace_tokens
        if drop == 0.0 and replace == 0.0:
            return None
        if drop + replace > 1.0:
            raise ConfigError(
                f"drop_tokens={drop} and replace_tokens={replace} add up to more than 1; lower them"
            )
        if drop > 0.0 and tokenizer.unknown is None:
            raise ConfigError(
                f"drop_tokens={drop} needs an unknown token, but '{tokenizer.kind}' has none; "
                "use --replace-tokens, or --tokens characters or words"
            )
        counts = np.zeros(tokenizer.size)
        for stretch in stretches(len(ids)):
            counts += np.bincount(ids[stretch], minlength=tokenizer.size)
        counts[END] = 0.0
        cumulative = torch.from_numpy(counts.cumsum() / max(1.0, counts.sum()))
        return cls(drop, replace, tokenizer.unknown, cumulative, seed)

    def apply(
        self, inputs: Tensor, update: int, *, lanes: int | None = None, rows: slice = slice(None)
    ) -> Tensor:
        """Give the inputs of an update with tokens dropped and replaced.

        Args:
            inputs: ``(W, B)`` int64; left as they are.
            update: Its number; the same seed and number give the same tokens.
            lanes: How many rows the update has in all processes; B by default.
            rows: Which of them the inputs are, so that processes together draw what one would.
        """
        generator = generator_for(self.seed, update)
        shape = (2, len(inputs), inputs.shape[1] if lanes is None else lanes)
        fate, which = torch.rand(shape, generator=generator, dtype=torch.float64)[:, :, rows]
        text = inputs != END
        noisy = inputs
        if self.unknown is not None:
            noisy = noisy.masked_fill(text & (fate < self.drop), self.unknown)
        if self.replace > 0.0:
            drawn = torch.searchsorted(self.cumulative, which.contiguous(), right=True)
            replaced = text & (fate >= self.drop) & (fate < self.drop + self.replace)
            noisy = torch.where(replaced, drawn, noisy)
        return noisy
