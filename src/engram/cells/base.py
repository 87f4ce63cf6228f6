"""Cell: the equations of one time step, and what they need around them."""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from engram.errors import ConfigError, did_you_mean


class Named:
    """Blocks of one kind (gates, states, weights) of a cell, as attributes: ``x.f``, ``s.c``."""

    __slots__ = ("_blocks", "_cell", "_kind")

    def __init__(self, cell: str, kind: str, blocks: Mapping[str, Any]) -> None:
        self._cell = cell
        self._kind = kind
        self._blocks = blocks

    def __getattr__(self, name: str) -> Any:
        if name in Named.__slots__:  # not set yet: only while a copy of this is being made
            raise AttributeError(name)
        try:
            return self._blocks[name]
        except KeyError:
            raise ConfigError(
                f"cell {self._cell}: step asks for {self._kind} '{name}', which the cell does not "
                f"declare; {did_you_mean(name, self._blocks)}"
            ) from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._blocks)


class Cell:
    """The equations of one time step.

    A cell is a final class: it declares its blocks, takes options in ``__init__`` where it has any,
    and defines `step`. Everything else (engines, gradients, views) is derived from that. Cells of
    one class with equal options are equal; options do not change.

    Attributes:
        gates: Blocks of the preactivations, in the order in which weights stack them.
        states: What is carried from one step to the next; the first is emitted.
        recurrent: The states that feed the recurrent matrix, in the order of its columns; none
            for a cell whose units do not see each other.
        weights: Names of per-unit weights, each of shape ``(H,)``.
        forget_gate: The gate whose opening keeps the state; ``forget_bias`` sets its bias.
        write_gate: The gate whose opening lets the input in, where that is another one; chrono
            initialisation sets its bias.
        torch_layer: The name of torch's fused layer with the same equations (``lstm``, ``gru``,
            ``rnn_tanh``, ``rnn_relu``), or None.
    """

    gates: ClassVar[tuple[str, ...]]
    states: ClassVar[tuple[str, ...]] = ("h",)
    recurrent: ClassVar[tuple[str, ...]] = ("h",)
    weights: ClassVar[tuple[str, ...]] = ()
    forget_gate: ClassVar[str | None] = None
    write_gate: ClassVar[str | None] = None
    torch_layer: str | None = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if not getattr(cls, "gates", ()):
            raise ConfigError(f'cell {cls.__name__} declares no gates; write gates = ("f", "g", …)')
        if not cls.states:
            raise ConfigError(f'cell {cls.__name__} declares no states; write states = ("h", …)')
        for kind in ("gates", "states", "recurrent", "weights"):
            _check_names(cls.__name__, kind, getattr(cls, kind))
        for name in cls.gates:
            if name in cls.states:
                raise ConfigError(
                    f"cell {cls.__name__}: '{name}' names a gate and a state, and recordings need "
                    "to tell them apart; name the gate otherwise"
                )
        for name in cls.weights:
            if name.startswith(("weight_", "bias_")):
                raise ConfigError(
                    f"cell {cls.__name__}: weights holds '{name}'; names that start with weight_ "
                    "or bias_ are the layer's own, choose another"
                )
        for name in cls.recurrent:
            if name not in cls.states:
                raise ConfigError(
                    f"cell {cls.__name__}: recurrent names '{name}', which is not among its "
                    f"states; {did_you_mean(name, cls.states)}"
                )
        for role in ("forget_gate", "write_gate"):
            gate = getattr(cls, role)
            if gate is not None and gate not in cls.gates:
                raise ConfigError(
                    f"cell {cls.__name__}: {role} names '{gate}', which is not among its gates; "
                    f"{did_you_mean(gate, cls.gates)}"
                )

    def step(self, x: Any, r: Any, s: Any, w: Any) -> dict[str, Any]:
        """Compute the states after one time step.

        Args:
            x: What the input brings to each gate, ``x.<gate>`` of shape ``(B, H)``.
            r: What the recurrent matrix brings to each gate, ``r.<gate>`` of shape ``(B, H)``.
            s: The states before the step, ``s.<state>`` of shape ``(B, H)``.
            w: Per-unit weights, ``w.<weight>`` of shape ``(H,)``.

        Returns:
            Every state by its name, of shape ``(B, H)``.
        """
        raise NotImplementedError(f"cell {type(self).__name__} does not define step")

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and vars(self) == vars(other)

    def __hash__(self) -> int:
        return hash((type(self), tuple(sorted(vars(self).items()))))

    def __repr__(self) -> str:
        options = ", ".join(f"{name}={value!r}" for name, value in sorted(vars(self).items()))
        return f"{type(self).__name__}({options})"


def take_step(
    cell: Cell,
    x: Mapping[str, Any],
    r: Mapping[str, Any],
    s: Mapping[str, Any],
    w: Mapping[str, Any],
) -> dict[str, Any]:
    """Call a cell's step with blocks by name, and check what it returns.

    Args:
        cell: The equations.
        x, r, s, w: As in `Cell.step`; tensors, or symbols that the cell language acts on.

    Raises:
        ConfigError: Where the step departs from what the cell declares.
    """
    name = type(cell).__name__
    after = cell.step(
        Named(name, "gate", x),
        Named(name, "gate", r),
        Named(name, "state", s),
        Named(name, "weight", w),
    )
    if not isinstance(after, dict) or set(after) != set(cell.states):
        given = sorted(after) if isinstance(after, dict) else "no dict"
        raise ConfigError(
            f"cell {name}: step returned {given}; it must return a dict with exactly its states "
            f"{list(cell.states)}"
        )
    return after


def _check_names(cell: str, kind: str, names: Any) -> None:
    if not isinstance(names, tuple) or not all(isinstance(n, str) for n in names):
        raise ConfigError(f'cell {cell}: {kind} is {names!r}; it takes a tuple of names, ("f", …)')
    for name in names:
        if not name.isidentifier() or name.startswith("_"):
            raise ConfigError(
                f"cell {cell}: {kind} holds '{name}'; a name starts with a letter and holds "
                "letters, digits and underscores"
            )
    if len(set(names)) != len(names):
        raise ConfigError(f"cell {cell}: {kind} {names} holds a name twice; each names one block")
