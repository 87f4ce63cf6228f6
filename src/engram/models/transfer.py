"""Transfer: a trained model's weights in a new one, whose vocabulary may be another."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from engram.errors import ConfigError


@torch.no_grad()
def transfer(
    weights: Mapping[str, Tensor], model: nn.Module, rows: Mapping[int, int], by_token: set[str]
) -> None:
    """Put trained weights into a model; what the trained model lacks keeps its initial values.

    Args:
        weights: The ``state_dict`` of the trained model.
        model: Changed in place; shared weights are set once.
        rows: Row of the model by row of the trained one, for what has a row for each token.
        by_token: Names of weights that have a row for each token.

    Raises:
        ConfigError: Where other weights are missing or have other shapes; nothing is changed.
    """
    stored = model.state_dict()  # which leaves out buffers that are no weights
    tensors = dict(model.named_parameters()) | dict(model.named_buffers())
    own = {name: tensor for name, tensor in tensors.items() if name in stored}
    faults = []
    for name, tensor in own.items():
        given = tuple(weights[name].shape) if name in weights else None
        whole = tuple(tensor.shape)
        fits = given is not None and (
            given[1:] == whole[1:] if name in by_token else given == whole
        )
        if not fits:
            faults.append(f"{name} is {'not there' if given is None else given}, not {whole}")
    extra = sorted(name for name in weights if name not in stored)
    faults += [f"{name} has no place" for name in extra]
    if faults:
        raise ConfigError(
            f"the trained weights do not fit the settings of the model: {', '.join(faults)}; "
            "leave out what changes the model's shape"
        )
    before, after = torch.tensor(list(rows)), torch.tensor(list(rows.values()))
    for name, tensor in own.items():
        if name in by_token:
            tensor[after] = weights[name][before].to(tensor)
        else:
            tensor.copy_(weights[name])
