"""The equations of the papers, one step of each built-in cell by name, in plain numpy.

A step takes x ``(B, I)``, the states before it by name, and the parameters ``p``: ``p.W``, ``p.R``,
``p.b`` and ``p.d`` hold by gate what a layer holds in blocks (input weights, recurrent weights,
input bias, recurrent bias), ``p.w`` the per-unit weights. Names follow the papers, gates our order.
"""

import numpy as np


def sigma(a):
    return 1 / (1 + np.exp(-a))


def _net(p, gate, x, y):
    """What an ordinary gate gets; y feeds the recurrent matrix."""
    return x @ p.W[gate].T + y @ p.R[gate].T + p.b[gate] + p.d[gate]


def _elman(activation, leak=1.0):
    def step(x, s, p):
        return {"h": (1 - leak) * s["h"] + leak * activation(_net(p, "a", x, s["h"]))}

    return step


def gru(x, s, p):
    """As torch.nn.GRU documents it."""
    h = s["h"]
    r, z = sigma(_net(p, "r", x, h)), sigma(_net(p, "z", x, h))
    n = np.tanh(x @ p.W["n"].T + p.b["n"] + r * (h @ p.R["n"].T + p.d["n"]))
    return {"h": (1 - z) * n + z * h}


def gru_of_cho(x, s, p):
    h = s["h"]
    r, z = sigma(_net(p, "r", x, h)), sigma(_net(p, "z", x, h))
    return {"h": z * h + (1 - z) * np.tanh(_net(p, "n", x, r * h))}


def mgu(x, s, p):
    h = s["h"]
    f = sigma(_net(p, "f", x, h))
    n = np.tanh(x @ p.W["n"].T + p.b["n"] + f * (h @ p.R["n"].T + p.d["n"]))
    return {"h": (1 - f) * h + f * n}


def mgu_of_zhou(x, s, p):
    h = s["h"]
    f = sigma(_net(p, "f", x, h))
    return {"h": (1 - f) * h + f * np.tanh(_net(p, "n", x, f * h))}


def _linear(p, gate, x):
    return x @ p.W[gate].T + p.b[gate] + p.d[gate]


def mingru(x, s, p):
    z = sigma(_linear(p, "z", x))
    return {"h": (1 - z) * s["h"] + z * _linear(p, "n", x)}


def minlstm(x, s, p):
    f, i = sigma(_linear(p, "f", x)), sigma(_linear(p, "i", x))
    return {"h": f / (f + i) * s["h"] + i / (f + i) * _linear(p, "n", x)}


def lstm(x, s, p):
    """As torch.nn.LSTM documents it."""
    i, f, o = (sigma(_net(p, gate, x, s["h"])) for gate in "ifo")
    c = f * s["c"] + i * np.tanh(_net(p, "g", x, s["h"]))
    return {"h": o * np.tanh(c), "c": c}


def lstm_1997(x, s, p):
    """Hochreiter, Schmidhuber 1997: g in (-2, 2), h in (-1, 1), a self-connection of weight 1."""
    y_in, y_out = (sigma(_net(p, gate, x, s["h"])) for gate in "io")
    c = s["c"] + y_in * (4 / (1 + np.exp(-_net(p, "g", x, s["h"]))) - 2)
    return {"h": y_out * (2 / (1 + np.exp(-c)) - 1), "c": c}


def _greff(
    *, without="", coupled=False, input_activation=np.tanh, output_activation=np.tanh, fgr=False
):
    """The vanilla LSTM of Greff et al., section II, and what their section III changes in it."""

    def step(x, s, p):
        y, c = s["h"], s["c"]
        fed = np.concatenate([y, s["last_i"], s["last_f"], s["last_o"]], axis=1) if fgr else y
        size = y.shape[1]

        def net(gate):
            return x @ p.W[gate].T + fed @ p.R[gate].T + p.b[gate] + p.d[gate]

        z = x @ p.W["g"].T + y @ p.R["g"][:, :size].T + p.b["g"] + p.d["g"]
        z = input_activation(z)
        one = np.ones_like(c)
        i = one if "i" in without else sigma(net("i") + p.w["p_i"] * c)
        if coupled:
            f = 1 - i
        else:
            f = one if "f" in without else sigma(net("f") + p.w["p_f"] * c)
        c = z * i + c * f
        o = one if "o" in without else sigma(net("o") + p.w["p_o"] * c)
        after = {"h": output_activation(c) * o, "c": c}
        return after | ({"last_i": i, "last_f": f, "last_o": o} if fgr else {})

    return step


def _same(a):
    return a


def _layer_norm(a, epsilon=1e-5):
    centred = a - a.mean(axis=-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + epsilon)


def lstm_layer_norm(x, s, p):
    """Ba, Kiros, Hinton 2016, supplement: the norm goes over the 4H summed inputs at once."""

    def joined(of):
        return np.concatenate([of[gate] for gate in "ifgo"], axis=-1)

    def gains(part):
        return joined({gate: p.w[f"gain_{part}_{gate}"] for gate in "ifgo"})

    shifts = joined({gate: p.w[f"shift_{gate}"] for gate in "ifgo"})
    from_x = _layer_norm(x @ joined({g: p.W[g].T for g in "ifgo"}) + joined(p.b))
    from_h = _layer_norm(s["h"] @ joined({g: p.R[g].T for g in "ifgo"}) + joined(p.d))
    nets = gains("x") * from_x + gains("r") * from_h + shifts
    i, f, g, o = np.split(nets, 4, axis=-1)
    c = sigma(f) * s["c"] + sigma(i) * np.tanh(g)
    return {"h": sigma(o) * np.tanh(p.w["gain_c"] * _layer_norm(c) + p.w["shift_c"]), "c": c}


def slstm(x, s, p):
    """Beck et al. 2024, eq. 8 to 17; where n is 0 there is no past, as in their reference code."""
    i, f, z, o = (_net(p, gate, x, s["h"]) for gate in "ifzo")
    log_f = np.minimum(f, 0) - np.log1p(np.exp(-np.abs(f)))
    past = np.where(s["n"] == 0, -np.inf, log_f + s["m"])
    m = np.maximum(past, i)
    i_stable, f_stable = np.exp(i - m), np.exp(past - m)
    c = f_stable * s["c"] + i_stable * np.tanh(z)
    n = f_stable * s["n"] + i_stable
    return {"h": sigma(o) * c / n, "c": c, "n": n, "m": m}


STEPS = {
    "elman": _elman(np.tanh),
    "elman-relu": _elman(lambda a: np.maximum(a, 0)),
    "elman-leaky": _elman(np.tanh, leak=0.5),
    "gru": gru,
    "gru-cho": gru_of_cho,
    "mgu": mgu,
    "mgu-zhou": mgu_of_zhou,
    "mingru": mingru,
    "minlstm": minlstm,
    "lstm": lstm,
    "lstm-1997": lstm_1997,
    "lstm-peephole": _greff(),
    "lstm-nig": _greff(without="i"),
    "lstm-nfg": _greff(without="f"),
    "lstm-nog": _greff(without="o"),
    "lstm-niaf": _greff(input_activation=_same),
    "lstm-noaf": _greff(output_activation=_same),
    "lstm-np": lstm,
    "lstm-cifg": _greff(coupled=True),
    "lstm-fgr": _greff(fgr=True),
    "lstm-layer-norm": lstm_layer_norm,
    "slstm": slstm,
}
