"""Penalties of recurrent matrices: their largest singular value, and how far from orthogonal."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from engram.layers import Recurrent

_FIRST_ITERATIONS = 20


def recurrent_blocks(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """The ``(H, H)`` blocks of all recurrent matrices of a model, one a gate, by name."""
    for prefix, module in model.named_modules():
        if not isinstance(module, Recurrent):
            continue
        for name, weight in module.named_parameters(prefix, recurse=False):
            if name.rpartition(".")[2].startswith("weight_hh") and weight.numel():
                size = module.hidden_size
                squares = [b for rows in weight.split(size) for b in rows.split(size, dim=1)]
                yield from ((f"{name}.{i}", block) for i, block in enumerate(squares))


@dataclass
class LargestSingularValues:
    """σ_max of each recurrent block by power iteration, which goes on from update to update.

    v ← Wᵀu/‖Wᵀu‖, u ← Wv/‖Wv‖, σ = uᵀWv; u and v are constants to the gradient, which is then uvᵀ.
    One iteration an update is enough, because weights change slowly (Miyato et al. 2018).

    Attributes:
        vectors: u of each block, by its name.
    """

    vectors: dict[str, Tensor] = field(default_factory=dict)

    def of(self, name: str, block: Tensor) -> Tensor:
        """σ_max of a block, a scalar."""
        with torch.no_grad():
            iterations = 1
            if name not in self.vectors:
                generator = torch.Generator().manual_seed(len(block))
                start = torch.randn(len(block), generator=generator, dtype=torch.float64)
                self.vectors[name] = normalize(start.to(block), dim=0)
                iterations = _FIRST_ITERATIONS
            u = self.vectors[name]
            for _ in range(iterations):
                v = normalize(block.t() @ u, dim=0)
                u = normalize(block @ v, dim=0)
            self.vectors[name] = u
        return u @ (block @ v)


def spectral_penalty(model: nn.Module, largest: LargestSingularValues, bound: float) -> Tensor:
    """The sum of max(0, σ_max(W) - s)² over recurrent blocks W.

    What goes back through a step grows by at most σ_max(W)·max φ', so a bound s of 1 keeps a tanh
    network's gradient from exploding. With s = 0 it is the spectral norm regularisation of Yoshida
    and Miyato (2017), up to their factor ½.

    Args:
        model: Its `Recurrent` layers are looked at.
        largest: Goes on from the update before.
        bound: s.
    """
    values = [largest.of(name, block) for name, block in recurrent_blocks(model)]
    return (torch.stack(values) - bound).clamp_min(0.0).square().sum()


def orthogonal_penalty(model: nn.Module) -> Tensor:
    """The sum of ‖WᵀW - I‖² (Frobenius) over recurrent blocks W: a soft orthogonality.

    Vorontsov et al. (2017, "On orthogonality and learning recurrent networks with long term
    dependencies").
    """
    terms = []
    for _, block in recurrent_blocks(model):
        product = block.t() @ block
        terms.append((product - torch.eye(len(block)).to(block)).square().sum())
    return torch.stack(terms).sum()
