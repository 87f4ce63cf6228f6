"""LSTM, GRU and RNN: torch.nn's names, signatures, results and ``state_dict`` keys.

Each is `Recurrent` with its cell filled in, and also accepts what `Recurrent` accepts:
``lengths=`` and ``reset=`` in a call, ``step()``, ``record()``, ``init=``, ``forget_bias=``, ….
"""

from typing import Any

from engram import cells
from engram.errors import ConfigError
from engram.layers.recurrent import Recurrent


class LSTM(Recurrent):
    """torch.nn.LSTM on Engram's engines; state is ``(h, c)``, ``(L·D, B, H)`` each.

    Args:
        input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional: As in
            `Recurrent` and in torch.
        proj_size: Must be 0; projections are not supported.
        options: Further keyword arguments of `Recurrent`.

    Raises:
        ConfigError: For a ``proj_size`` other than 0, and as in `Recurrent`.

    Example:
        >>> import engram, torch
        >>> rnn = engram.LSTM(10, 16, num_layers=2, batch_first=True)
        >>> output, (h, c) = rnn(torch.randn(3, 7, 10))
        >>> output.shape, h.shape
        (torch.Size([3, 7, 16]), torch.Size([2, 3, 16]))
        >>> _ = torch.nn.LSTM(10, 16, num_layers=2).load_state_dict(rnn.state_dict())
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        **options: Any,
    ) -> None:
        if proj_size != 0:
            raise ConfigError(
                f"proj_size is {proj_size}; projections are not supported: leave it at 0, and add "
                "a torch.nn.Linear after the layer"
            )
        super().__init__(
            cells.LSTM(),
            input_size,
            hidden_size,
            num_layers,
            bias,
            batch_first,
            dropout,
            bidirectional,
            **options,
        )


class GRU(Recurrent):
    """torch.nn.GRU on Engram's engines; state is h, ``(L·D, B, H)``; arguments of `Recurrent`.

    Example:
        >>> import engram, torch
        >>> output, h = engram.GRU(10, 16, bidirectional=True)(torch.randn(7, 3, 10))
        >>> output.shape, h.shape
        (torch.Size([7, 3, 32]), torch.Size([2, 3, 16]))
    """

    def __init__(self, input_size: int, hidden_size: int, *args: Any, **options: Any) -> None:
        super().__init__(cells.GRU(), input_size, hidden_size, *args, **options)


class RNN(Recurrent):
    """torch.nn.RNN on Engram's engines; state is h, ``(L·D, B, H)``.

    Args:
        input_size, hidden_size, num_layers: As in `Recurrent`.
        nonlinearity: ``"tanh"`` or ``"relu"``.
        args, options: Further arguments of `Recurrent`, from ``bias`` on, as in torch.

    Example:
        >>> import engram, torch
        >>> output, h = engram.RNN(10, 16, nonlinearity="relu")(torch.randn(7, 3, 10))
        >>> output.shape, h.shape
        (torch.Size([7, 3, 16]), torch.Size([1, 3, 16]))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        *args: Any,
        **options: Any,
    ) -> None:
        super().__init__(
            cells.Elman(nonlinearity), input_size, hidden_size, num_layers, *args, **options
        )
