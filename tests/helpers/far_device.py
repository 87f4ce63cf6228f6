"""A device that every machine has: tensors on it compute on the CPU, and mix with none of others.

They say that they are on ``meta``, and hold their numbers beside. As on a GPU, an operation on one
of them and a CPU tensor that is no scalar fails, and so does ``numpy()``. It is stricter than a
GPU where the indices of a tensor are concerned: they have to be where the tensor is.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from unittest.mock import patch

import torch
from torch import Tensor
from torch.utils import _foreach_utils, _pytree
from torch.utils._python_dispatch import TorchDispatchMode

FAR = torch.device("meta")
_ACROSS = ("_to_copy", "copy_")  # lead from device to device
_PACKS = "_pack_padded_sequence"  # its lengths and batch sizes are on the CPU by torch's own rule
_ASKS = ("cli.runs", "estimators.task_estimator", "tasks.fitting")  # modules that resolve names


class FarTensor(Tensor):
    """A tensor on the far device, which holds its numbers in ``near``."""

    near: Tensor
    is_meta = False  # no weights are loaded into what is
    __torch_function__ = torch._C._disabled_torch_function_impl

    @staticmethod
    def __new__(cls, near: Tensor) -> "FarTensor":
        """Make one of a CPU tensor."""
        layout = {"strides": near.stride(), "storage_offset": near.storage_offset()}
        with torch.inference_mode(False):  # as views of weights are
            made = Tensor._make_wrapper_subclass(
                cls, near.shape, dtype=near.dtype, device=FAR, **layout
            )
        made.near = near
        return made

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        """Run an operation, outside of the block in which the device exists."""
        return _run(func, args, kwargs or {})

    def data_ptr(self) -> int:
        """Of the numbers, by which shared weights are recognised."""
        return self.near.data_ptr()

    # what torch has for no subclass, or for no tensor on meta
    def tolist(self):
        return self.near.tolist()

    def item(self):
        return self.near.item()

    def __bool__(self):
        return bool(self.near)

    def __int__(self):
        return int(self.near)

    def __float__(self):
        return float(self.near)


class _Exists(TorchDispatchMode):
    """Takes every operation apart into those that a device implements, and runs these there."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        with self:  # in inference mode, operations come in whole
            result = func.decompose(*args, **kwargs)
        return _run(func, args, kwargs) if result is NotImplemented else result


def _run(func, args, kwargs):
    leaves, form = _pytree.tree_flatten((args, kwargs))
    far = [each for each in leaves if isinstance(each, FarTensor)]
    asked = kwargs.get("device")
    name = func.overloadpacket.__name__
    if not far and asked != FAR:
        return func(*args, **kwargs)
    others = [x for x in leaves if isinstance(x, Tensor) and not isinstance(x, FarTensor)]
    mixed = [each for each in others if each.dim()]
    if far and mixed and name not in (*_ACROSS, _PACKS):
        raise RuntimeError(
            f"{func} is given {tuple(far[0].shape)} on the far device and "
            f"{tuple(mixed[0].shape)} on the CPU"
        )
    nears = [each.near if isinstance(each, FarTensor) else each for each in leaves]
    own, options = _pytree.tree_unflatten(nears, form)
    if asked is not None:
        options = {**options, "device": torch.device("cpu")}
    result = func(*own, **options)
    if name == "copy_":
        return args[0]
    if name == _PACKS:
        return FarTensor(result[0]), result[1]
    if name == "_to_copy" and asked not in (None, FAR):
        return result
    known = {id(each.near): each for each in far}  # changed in place
    return _pytree.tree_map_only(
        Tensor, lambda t: known[id(t)] if id(t) in known else FarTensor(t), result
    )


def _tensor(data, *, device=None, _plain=torch.tensor, **options):
    """``torch.tensor``, which makes tensors on meta without an operation."""
    made = _plain(data, **options)
    return made if device is None else made.to(device)


@contextmanager
def far_device() -> Iterator[torch.device]:
    """The device, which exists for as long as the block runs; every name of a device means it."""
    fused = [*_foreach_utils._get_fused_kernels_supported_devices(), FAR.type]
    with ExitStack() as block:
        block.enter_context(
            patch("torch.optim.optimizer._get_fused_kernels_supported_devices", lambda: fused)
        )
        for module in _ASKS:
            block.enter_context(patch(f"engram.{module}.resolve", lambda _: FAR))
        block.enter_context(patch("torch.tensor", _tensor))
        block.enter_context(_Exists())
        yield FAR
