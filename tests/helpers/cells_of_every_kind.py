"""Cells of every kind that the contract allows, by name; each must run on every engine alike."""

from engram.cells import CELLS, GRU, LSTM, Cell, RecurrentDropout, Zoneout, make_cell
from engram.cells import language as L
from engram.cells.language import exp, layer_norm, maximum, minimum, relu, sigmoid, sqrt, tanh


class TwoFeedBack(Cell):
    gates = ("a", "b")
    states = ("h", "k")
    recurrent = ("h", "k")

    def step(self, x, r, s, w):
        return {"h": 0.5 * tanh(x.a + r.a) + s.k, "k": 0.3 * maximum(x.b + r.b, -s.h)}


class NoFeedback(Cell):
    gates = ("a",)
    recurrent = ()

    def step(self, x, r, s, w):
        return {"h": 0.9 * s.h + tanh(x.a) + 0.1 * r.a}


class OnlyTheSecondFeedsBack(Cell):
    gates = ("a",)
    states = ("h", "k")
    recurrent = ("k",)

    def step(self, x, r, s, w):
        return {"h": s.h * 0.5 + s.k, "k": tanh(x.a + r.a)}


class PassedThrough(Cell):
    gates = ("a",)
    states = ("h", "last")

    def step(self, x, r, s, w):
        return {"h": tanh(x.a + r.a + s.last), "last": s.h}


class FiveGates(Cell):
    gates = ("a", "b", "c", "d", "e")

    def step(self, x, r, s, w):
        mixed = sigmoid(x.a + r.a) * tanh(x.b + r.b) + sigmoid(x.c) * tanh(r.d)
        return {"h": 0.5 * s.h + mixed * sigmoid(x.e + r.e)}


class EveryOperation(Cell):
    gates = ("a", "b")
    weights = ("p", "q")

    def step(self, x, r, s, w):
        a, b = x.a + r.a, w.q * (x.b - r.b)
        kinks = relu(a) * 0.1 + maximum(a, b) - minimum(b, s.h) / 2
        return {"h": tanh(kinks) / (2 + exp(-w.p * sqrt(1.5 + tanh(b))))}


class Normalised(Cell):
    gates = ("i", "f", "g", "o")
    states = ("h", "c")
    weights = ("gain", "shift")

    def step(self, x, r, s, w):
        def gate(name):
            return layer_norm(getattr(x, name) + getattr(r, name), epsilon=0.1)

        c = sigmoid(gate("f")) * s.c + sigmoid(gate("i")) * tanh(gate("g"))
        scaled = layer_norm(c, epsilon=0.1) * w.gain + w.shift
        return {"h": sigmoid(gate("o")) * tanh(scaled), "c": c}


class Attending(Cell):
    gates = ("a", "b")

    def step(self, x, r, s, w):
        powers = exp(x.a + r.a - L.max(x.a + r.a))
        return {"h": powers / L.sum(powers) + 0.3 * tanh(x.b + r.b) + 0.1 * L.mean(s.h)}


class Masked(Cell):
    """Masks with a weight, over whole rows, and in what a row has one number for."""

    gates = ("a", "b")
    states = ("h", "k")
    weights = ("p",)
    masks = ("d", "e")

    def step(self, x, r, s, w):
        a = tanh(layer_norm(w.d * (x.a + r.a), epsilon=0.1)) + L.mean(w.e)
        k = w.p * w.d * s.k + (1 - w.d) * sigmoid(x.b + r.b)
        return {"h": a * (0.5 + w.e) + 0.2 * k, "k": k}


# Built-in cells that kernels treat each in their own way; the others differ from one of these in a
# few operations, and go through a part of the table.
OWN_KINDS = (
    *("elman", "elman-relu", "gru", "mingru", "lstm", "lstm-peephole"),
    *("lstm-layer-norm", "slstm"),
)
OTHER_BUILT_IN: dict[str, Cell] = {
    name: make_cell(name)
    for name in CELLS
    if name not in OWN_KINDS and name != "lstm-np" and not make_cell(name).late
}
OF_EVERY_KIND: dict[str, Cell] = {name: make_cell(name) for name in OWN_KINDS} | {
    kind.__name__: kind()
    for kind in (
        TwoFeedBack,
        NoFeedback,
        OnlyTheSecondFeedsBack,
        PassedThrough,
        FiveGates,
        EveryOperation,
        Normalised,
        Attending,
        Masked,
    )
}
OF_EVERY_KIND |= {
    "zoneout": Zoneout(LSTM(), {"h": 0.1, "c": 0.5}),
    "dropped": Zoneout(RecurrentDropout(GRU()), {"h": 0.1}),
}
