"""Penalties of activations: their size, and how they change from step to step."""

from collections.abc import Sequence

import torch
from torch import Tensor

from engram.training.penalties.stretch import Stretch, mean_of_linked


def activation_penalty(features: Sequence[Tensor]) -> Tensor:
    """AR: the mean of (m ⊙ h_t)², so that activations stay small.

    Merity, McCann, Socher (2017, "Revisiting Activation Regularization for Language RNNs");
    AWD-LSTM weighs it with 2.

    Args:
        features: What the head is given, m ⊙ h with dropout's mask m, in pieces ``(T, B, H)``.
    """
    return torch.cat([each.flatten() for each in features]).square().mean()


def temporal_penalty(stretch: Stretch) -> Tensor:
    """TAR: the mean of (h_{t+1} - h_t)² of the last layer, so that states change slowly.

    Merity, McCann, Socher (2017); AWD-LSTM weighs it with 1. A step that begins a sequence has none
    before it, and counts as one without change.
    """
    top = stretch.top
    return mean_of_linked((top[1:] - top[:-1]).square().mean(dim=2), stretch.linked)


def norm_stabilizer(stretch: Stretch) -> Tensor:
    """The mean of (‖h_{t+1}‖ - ‖h_t‖)², added up over layers and directions.

    States whose norm stays the same neither fade nor explode; directions stay free (Krueger and
    Memisevic 2016, "Regularizing RNNs by Stabilizing Activations", who weigh it with 50 to 500). A
    step that begins a sequence counts as one without change.
    """
    linked = stretch.linked
    terms = []
    for output in stretch.outputs.values():
        norms = torch.linalg.vector_norm(output, dim=2)
        terms.append(mean_of_linked((norms[1:] - norms[:-1]).square(), linked))
    return torch.stack(terms).sum()
