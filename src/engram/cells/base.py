"""Cell: the equations of one time step, and what a cell declares about them."""

from collections.abc import Callable, Iterator, Mapping
from inspect import signature
from types import MappingProxyType
from typing import Any

from engram.errors import ConfigError, did_you_mean


class Named:
    """A cell's blocks of one kind (gates, states, weights) as attributes: ``x.f``, ``s.c``."""

    __slots__ = ("_blocks", "_cell", "_kind")

    def __init__(self, cell: str, kind: str, blocks: Mapping[str, Any]) -> None:
        self._cell = cell
        self._kind = kind
        self._blocks = blocks

    def __getattr__(self, name: str) -> Any:
        if name in Named.__slots__:  # not set yet: only while being copied
            raise AttributeError(name)
        try:
            return self._blocks[name]
        except KeyError:
            raise ConfigError(
                f"cell {self._cell}: step reads {self._kind} '{name}', which the cell does not "
                f"declare; {did_you_mean(name, self._blocks)}"
            ) from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._blocks)


def mapped(blocks: Named, function: Callable[[Any], Any]) -> Named:
    """Apply a function to each block."""
    found = {name: function(block) for name, block in blocks._blocks.items()}
    return Named(blocks._cell, blocks._kind, found)


class Cell:
    """The equations of one time step.

    A cell is a final class: it declares its blocks, takes its options, if any, in ``__init__``, and
    defines `step`. Everything else (engines, gradients, views) is derived from that. Cells of one
    class with equal options are equal; options are immutable. If an option changes what is
    declared, the declaration is a property.

    Attributes:
        gates: Blocks of the preactivations, in the order in which they are stacked in the weights.
        states: What is carried from one step to the next; the first is the output.
        recurrent: The states that feed the recurrent matrix, in the order of its columns; empty
            for a cell whose units do not see each other.
        unconnected: Pairs (gate, state) whose block of the recurrent matrix is zero and stays so.
        late: Gates whose recurrent product is with the values that `feed` computes within the step,
            not with the previous states.
        weights: Names of per-unit weights, each of shape ``(H,)``.
        masks: Names of random masks that are drawn independently for each step and row,
            ``(T, B, H)``. A step reads them like weights, ``w.<mask>``; they have no gradient.
        initial_weights: Per-unit weights with a fixed initial value, whatever ``init`` is.
        forget_gate: The gate that keeps the state when open; ``forget_bias`` sets its bias.
        forget_shift: The per-unit weight that ``forget_bias`` sets instead, for a forget gate whose
            biases are normalised away.
        write_gate: The gate that lets the input in when open, if it is not the forget gate; chrono
            initialisation sets its bias.
        write_shift: The per-unit weight that chrono initialisation sets instead; see
            `forget_shift`.
        candidate: The gate that computes the new value that enters the state; the step marks that
            value with `language.candidate`. Recurrent dropout drops it.
        joint: States that are only meaningful together, such as values and their common scale; none
            of them can be zoned out alone.
        torch_layer: The name of torch's fused layer with the same equations (``lstm``, ``gru``,
            ``rnn_tanh``, ``rnn_relu``), or None.
    """

    gates: tuple[str, ...]
    states: tuple[str, ...] = ("h",)
    recurrent: tuple[str, ...] = ("h",)
    unconnected: tuple[tuple[str, str], ...] = ()
    late: tuple[str, ...] = ()
    weights: tuple[str, ...] = ()
    masks: tuple[str, ...] = ()
    initial_weights: Mapping[str, float] = MappingProxyType({})
    forget_gate: str | None = None
    forget_shift: str | None = None
    write_gate: str | None = None
    write_shift: str | None = None
    candidate: str | None = None
    joint: tuple[str, ...] = ()
    torch_layer: str | None = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        declared = (
            *("gates", "states", "recurrent", "unconnected", "late", "weights", "masks"),
            *("forget_gate", "candidate", "joint"),
        )
        # declarations that depend on options are checked when a cell with options is used
        if not any(isinstance(getattr(cls, name, None), property) for name in declared):
            check_declaration(cls, cls.__name__)

    def step(self, x: Any, r: Any, s: Any, w: Any) -> dict[str, Any]:
        """Compute the states after one time step.

        Args:
            x: Input contribution to each gate, ``x.<gate>`` of shape ``(B, H)``.
            r: Recurrent contribution to each gate, ``r.<gate>`` of shape ``(B, H)``.
            s: The previous states, ``s.<state>`` of shape ``(B, H)``.
            w: Per-unit weights, ``w.<weight>`` of shape ``(H,)``, and masks, ``w.<mask>`` of
                shape ``(B, H)``.

        Returns:
            A dict from the name of every state to its new value, of shape ``(B, H)``.
        """
        raise NotImplementedError(f"cell {type(self).__name__} does not define step")

    def feed(self, x: Any, r: Any, s: Any, w: Any) -> dict[str, Any]:
        """Compute the input of the recurrent product for the gates in `late`.

        Args:
            x, s, w: As in `step`.
            r: As in `step`, for the gates that are not late.

        Returns:
            The replacement for each state in `recurrent`, of shape ``(B, H)``.
        """
        raise NotImplementedError(
            f"cell {type(self).__name__} has late gates {self.late} and does not define feed"
        )

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and vars(self) == vars(other)

    def __hash__(self) -> int:
        return hash((type(self), tuple(sorted(vars(self).items()))))

    def __repr__(self) -> str:
        """The options that differ from their defaults."""
        defaults = {p.name: p.default for p in signature(type(self)).parameters.values()}
        # an option whose name clashes with a declaration is stored with a leading underscore
        options = {name.lstrip("_"): value for name, value in vars(self).items()}
        changed = sorted(n for n, v in options.items() if n not in defaults or defaults[n] != v)
        shown = [f"{name}={options[name]!r}" for name in changed]
        return f"{type(self).__name__}({', '.join(shown)})"


def take_step(
    cell: Cell,
    x: Mapping[str, Any],
    r: Mapping[str, Any],
    s: Mapping[str, Any],
    w: Mapping[str, Any],
) -> dict[str, Any]:
    """Call a cell's step with named blocks and check the result.

    Args:
        cell: The equations.
        x, r, s, w: As in `Cell.step`; tensors, or symbols that the cell language acts on.

    Raises:
        ConfigError: If the step does not match what the cell declares.
    """
    name = type(cell).__name__
    after = cell.step(*_named(name, x, r, s, w))
    _check_returned(name, "step", after, "its states", cell.states)
    return after


def take_feed(
    cell: Cell,
    x: Mapping[str, Any],
    r: Mapping[str, Any],
    s: Mapping[str, Any],
    w: Mapping[str, Any],
) -> dict[str, Any]:
    """Call the feed of a cell with late gates and check the result."""
    name = type(cell).__name__
    fed = cell.feed(*_named(name, x, r, s, w))
    _check_returned(name, "feed", fed, "what feeds the recurrent matrix", cell.recurrent)
    return fed


def check_declaration(cell: Cell | type[Cell], name: str) -> None:
    """Check the declaration of a cell class, or of a cell whose options change it.

    Raises:
        ConfigError: For names that are missing, malformed, unknown or given twice.
    """
    if not getattr(cell, "gates", ()):
        raise ConfigError(f'cell {name} declares no gates; write gates = ("f", "g", …)')
    if not cell.states:
        raise ConfigError(f'cell {name} declares no states; write states = ("h", …)')
    for kind in ("gates", "states", "recurrent", "late", "weights", "masks", "joint"):
        _check_names(name, kind, getattr(cell, kind))
    for gate in cell.gates:
        if gate in cell.states:
            raise ConfigError(
                f"cell {name}: '{gate}' names both a gate and a state, which recordings "
                "must tell apart; rename the gate"
            )
    for weight in cell.weights:
        if weight.startswith(("weight_", "bias_")):
            raise ConfigError(
                f"cell {name}: weights contains '{weight}'; names that start with "
                "weight_ or bias_ are reserved for the layer, choose another"
            )
    for mask in cell.masks:
        if mask in cell.weights:
            raise ConfigError(
                f"cell {name}: '{mask}' names both a weight and a mask, and a step reads both as "
                f"w.{mask}; rename the mask"
            )
    for kind in ("recurrent", "joint"):
        for state in getattr(cell, kind):
            _check_known(name, kind, state, "states", cell.states)
    if cell.candidate is not None:
        _check_known(name, "candidate", cell.candidate, "gates", cell.gates)
    for gate in cell.late:
        _check_known(name, "late", gate, "gates", cell.gates)
    if not all(isinstance(pair, tuple) and len(pair) == 2 for pair in cell.unconnected):
        raise ConfigError(
            f"cell {name}: unconnected is {cell.unconnected!r}; it takes pairs of a gate and a "
            'state, (("g", "h"), …)'
        )
    for gate, state in cell.unconnected:
        _check_known(name, "unconnected", gate, "gates", cell.gates)
        _check_known(name, "unconnected", state, "recurrent states", cell.recurrent)
    for weight in cell.initial_weights:
        _check_known(name, "initial_weights", weight, "weights", cell.weights)
    for role, whose in {"gate": "gates", "shift": "weights"}.items():
        for kind in (f"forget_{role}", f"write_{role}"):
            named = getattr(cell, kind)
            if named is not None:
                _check_known(name, kind, named, whose, getattr(cell, whose))


def _named(
    cell: str,
    x: Mapping[str, Any],
    r: Mapping[str, Any],
    s: Mapping[str, Any],
    w: Mapping[str, Any],
) -> tuple[Named, Named, Named, Named]:
    return (
        Named(cell, "gate", x),
        Named(cell, "gate", r),
        Named(cell, "state", s),
        Named(cell, "weight", w),
    )


def _check_returned(
    cell: str, method: str, returned: Any, what: str, names: tuple[str, ...]
) -> None:
    if not isinstance(returned, dict) or set(returned) != set(names):
        given = sorted(returned) if isinstance(returned, dict) else "no dict"
        raise ConfigError(
            f"cell {cell}: {method} returned {given}; it must return a dict with exactly {what} "
            f"{list(names)}"
        )


def _check_known(cell: str, kind: str, name: str, whose: str, known: tuple[str, ...]) -> None:
    if name not in known:
        raise ConfigError(
            f"cell {cell}: {kind} names '{name}', which is not among its {whose}; "
            f"{did_you_mean(name, known)}"
        )


def _check_names(cell: str, kind: str, names: Any) -> None:
    if not isinstance(names, tuple) or not all(isinstance(n, str) for n in names):
        raise ConfigError(f'cell {cell}: {kind} is {names!r}; it takes a tuple of names, ("f", …)')
    for name in names:
        if not name.isidentifier() or name.startswith("_"):
            raise ConfigError(
                f"cell {cell}: {kind} contains '{name}'; a name starts with a letter and "
                "consists of letters, digits and underscores"
            )
    if len(set(names)) != len(names):
        raise ConfigError(
            f"cell {cell}: {kind} {names} contains a name twice; each names one block"
        )
