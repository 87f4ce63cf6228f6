"""The remedies, in one place: what each is for, its settings, its equation and its paper.

``docs/remedies.md`` is written from this table, and ``engram info --remedies`` lists it. A new
remedy is one more `Remedy` in `REMEDIES`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from engram.cells import Cell
from engram.layers.initial import obstacles
from engram.tasks.registry import OUTLINES
from engram.training.penalties.omega import omega_obstacle

Purpose = Literal["vanishing", "exploding", "overfitting", "forgetting"]
PURPOSES: dict[Purpose, str] = {
    "vanishing": "Against vanishing gradients",
    "exploding": "Against exploding gradients",
    "overfitting": "Against overfitting",
    "forgetting": "Against catastrophic forgetting, in fine-tuning",
}


def _any_cell(cell: Cell) -> bool:
    return True


@dataclass(frozen=True)
class Remedy:
    """One remedy.

    Attributes:
        name: What the field calls it.
        purpose: What it is for, first of all.
        settings: The settings that control it, the one that turns it on first; with ``=value``
            where a certain value does; none where it is a class of its own.
        use: The flags that turn it on at a usual strength, or the Python that makes it.
        equation: LaTeX.
        paper: Its source.
        summary: What it does, in a line.
        defined: Whether it is defined for a cell.
    """

    name: str
    purpose: Purpose
    settings: tuple[str, ...]
    use: str
    equation: str
    paper: str
    summary: str
    defined: Callable[[Cell], bool] = _any_cell

    @property
    def fields(self) -> list[str]:
        """The names of its settings."""
        return [setting.partition("=")[0] for setting in self.settings]

    @property
    def tasks(self) -> list[str]:
        """The names of the tasks that have all of its settings."""
        return [
            outline.name
            for outline in OUTLINES.values()
            if self.settings and set(self.fields) <= set(outline.settings.model_fields)
        ]

    @property
    def command(self) -> str:
        """What applies it: a command, TASK standing for any task, or Python."""
        tasks = self.tasks
        if not tasks:
            return self.use
        return f"engram train {'TASK' if len(tasks) == len(OUTLINES) else tasks[0]} {self.use}"


def _init(name: str) -> Callable[[Cell], bool]:
    return lambda cell: not obstacles(cell, name)


def _has_forget_gate(cell: Cell) -> bool:
    return cell.forget_gate is not None


def _is_recurrent(cell: Cell) -> bool:
    return bool(cell.recurrent)


def _has_candidate(cell: Cell) -> bool:
    return cell.candidate is not None


REMEDIES = (
    # initial values
    Remedy(
        "uniform initialisation",
        "vanishing",
        ("init=uniform", "init_scale"),
        "--init uniform",
        r"w \sim U(-s, s),\quad s = 1/\sqrt{H}",
        "torch.nn's",
        "draw all weights from one uniform distribution",
    ),
    Remedy(
        "normal initialisation",
        "vanishing",
        ("init=normal", "init_scale"),
        "--init normal --init-scale 0.1",
        r"W, R \sim N(0, s^2),\quad b = 0,\quad s = 0.1",
        "Pascanu, Mikolov, Bengio 2013 (basic tanh)",
        "draw all weights from a normal distribution",
    ),
    Remedy(
        "Xavier initialisation",
        "vanishing",
        ("init=xavier", "init_scale"),
        "--init xavier",
        r"w \sim U(-b, b),\quad b = s\sqrt{6 / (n_{in} + n_{out})},\quad s = 1",
        "Glorot, Bengio 2010",
        "keep the variance constant from layer to layer",
    ),
    Remedy(
        "orthogonal initialisation",
        "vanishing",
        ("init=orthogonal", "init_scale"),
        "--init orthogonal",
        r"R = s\,Q,\quad Q^\top Q = I,\quad s = 1",
        "Saxe, McClelland, Ganguli 2014",
        "start with recurrent blocks that preserve norms",
    ),
    Remedy(
        "identity initialisation (IRNN)",
        "vanishing",
        ("init=identity", "init_scale"),
        "--cell elman-relu --init identity",
        r"R = s\,I,\quad W \sim N(0, 0.001^2),\quad s = 1",
        "Le, Jaitly, Hinton 2015",
        "start with units that keep their state",
        _init("identity"),
    ),
    Remedy(
        "spectral radius",
        "vanishing",
        ("init=spectral", "init_scale"),
        "--cell elman --init spectral",
        r"R \leftarrow R\, s / \max_i |\lambda_i(R)|,\quad s = 0.95",
        "Jaeger 2001",
        "start with states that decay slowly and do not grow",
        _init("spectral"),
    ),
    Remedy(
        "sparse connections (smart tanh)",
        "vanishing",
        ("init=sparse", "init_scale"),
        "--cell elman --init sparse",
        r"\text{15 links per unit},\quad R \leftarrow R\, s / \max_i |\lambda_i(R)|,\quad s = 0.95",
        "Martens 2010; Pascanu, Mikolov, Bengio 2013",
        "the same with few connections per unit",
        _init("sparse"),
    ),
    Remedy(
        "forget bias",
        "vanishing",
        ("forget_bias",),
        "--forget-bias 1",
        r"b_f + b'_f = \beta",
        "Gers, Schmidhuber, Cummins 2000; Jozefowicz, Zaremba, Sutskever 2015",
        "start with gates that keep the state",
        _has_forget_gate,
    ),
    Remedy(
        "chrono initialisation",
        "vanishing",
        ("chrono",),
        "--chrono 100",
        r"b_f \sim \log U(1, T_{max} - 1),\quad b_i = -b_f",
        "Tallec, Ollivier 2018",
        "start with units that forget at all time scales up to a longest one",
        _has_forget_gate,
    ),
    Remedy(
        "residual layers",
        "vanishing",
        ("residual", "layers"),
        "--layers 4 --residual",
        r"y^{(l)} = h^{(l)} + y^{(l-1)}",
        "He et al. 2016; Prakash et al. 2016",
        "give gradients a path around each layer but the first",
    ),
    # cells and models in which gradients last
    Remedy(
        "constant error carousel (LSTM)",
        "vanishing",
        ("cell=lstm",),
        "--cell lstm",
        r"c_t = f_t \odot c_{t-1} + i_t \odot g_t,\quad "
        r"\frac{\partial c_t}{\partial c_{t-1}} \approx f_t",
        "Hochreiter, Schmidhuber 1997; Gers, Schmidhuber, Cummins 2000",
        "carry a memory that only gates change from step to step",
    ),
    Remedy(
        "gated recurrent unit (GRU)",
        "vanishing",
        ("cell=gru",),
        "--cell gru",
        r"h_t = z_t \odot h_{t-1} + (1 - z_t) \odot \tilde h_t",
        "Cho et al. 2014",
        "let one gate choose for each unit between its state and a new value",
    ),
    Remedy(
        "attention",
        "vanishing",
        ("attention=general", "attend", "input_feeding"),
        "--attention general",
        r"c_t = \sum_s \alpha_{t,s} h_s,\quad "
        r"\alpha_t = \text{softmax}(q_t^\top W h)",
        "Bahdanau, Cho, Bengio 2015; Luong, Pham, Manning 2015",
        "give gradients a path of one step from each output to each input",
    ),
    Remedy(
        "echo state network",
        "vanishing",
        (),
        "engram.EchoState(units=500, spectral_radius=0.9)",
        r"h_t = (1 - a)\, h_{t-1} + a \tanh(W x_t + R h_{t-1}),\quad "
        r"V = Y H^\top (H H^\top + \lambda I)^{-1}",
        "Jaeger 2001; Lukoševičius 2012",
        "draw the recurrent weights at random, keep them fixed, and fit only the readout",
    ),
    # penalties on the gradient's way
    Remedy(
        "Ω",
        "vanishing",
        ("omega", "omega_schedule"),
        "--cell elman --omega 4",
        r"\Omega = \sum_k \left( \frac{\left\| \frac{\partial E}{\partial x_{k+1}} "
        r"\frac{\partial x_{k+1}}{\partial x_k} \right\|}"
        r"{\left\| \frac{\partial E}{\partial x_{k+1}} \right\|} - 1 \right)^2",
        "Pascanu, Mikolov, Bengio 2013",
        "preserve the norm of the gradient from step to step, in the directions that matter",
        lambda cell: omega_obstacle(cell) is None,
    ),
    Remedy(
        "norm stabiliser",
        "vanishing",
        ("norm_stabilizer",),
        "--norm-stabilizer 50",
        r"\beta\, \frac{1}{T} \sum_t \left( \|h_t\| - \|h_{t-1}\| \right)^2",
        "Krueger, Memisevic 2016",
        "keep the norm of the state constant from step to step",
    ),
    Remedy(
        "soft orthogonality",
        "vanishing",
        ("orthogonal_penalty",),
        "--orthogonal-penalty 0.1",
        r"\lambda \sum \left\| R^\top R - I \right\|_F^2",
        "Vorontsov et al. 2017",
        "keep recurrent blocks close to orthogonal",
        _is_recurrent,
    ),
    # exploding
    Remedy(
        "clipping by norm",
        "exploding",
        ("clip_norm",),
        "--clip-norm 1",
        r"g \leftarrow g\, \theta / \|g\| \quad\text{if } \|g\| > \theta",
        "Pascanu, Mikolov, Bengio 2013",
        "bound the size of an update, keep its direction",
    ),
    Remedy(
        "clipping by value",
        "exploding",
        ("clip_value",),
        "--clip-value 0.1",
        r"g_i \leftarrow \min(\max(g_i, -\theta), \theta)",
        "Mikolov 2012",
        "bound every entry of the gradient",
    ),
    Remedy(
        "AutoClip",
        "exploding",
        ("clip_percentile",),
        "--clip-percentile 10",
        r"\theta_t = \text{percentile}_p\left( \|g_1\|, \dots, \|g_t\| \right)",
        "Seetharaman et al. 2020",
        "clip by norm, at a percentile of the gradient norms so far",
    ),
    Remedy(
        "unit-wise clipping (AGC)",
        "exploding",
        ("clip_units",),
        "--clip-units 0.01",
        r"g_i \leftarrow \min\left(1, \lambda \max(\|w_i\|, \epsilon) / \|g_i\|\right) g_i",
        "Brock et al. 2021",
        "bound each unit's gradient relative to its weights, except in the head",
    ),
    Remedy(
        "truncation",
        "exploding",
        ("steps", "reach"),
        "--steps 32 --reach 64",
        r"\text{BPTT}(k_2; k_1)",
        "Williams, Peng 1990",
        "let gradients flow back over a fixed number of steps",
    ),
    Remedy(
        "drawn windows",
        "exploding",
        ("steps_deviation",),
        "--steps-deviation 5",
        r"k_1 \sim N(\bar k, \sigma^2)\ \text{or}\ N(\bar k / 2, \sigma^2)\ (5\,\%),\quad "
        r"\eta \leftarrow \eta\, k_1 / \bar k",
        "Merity, Keskar, Socher 2018 (AWD-LSTM)",
        "truncate at different steps each time",
    ),
    Remedy(
        "spectral penalty",
        "exploding",
        ("spectral_penalty", "spectral_bound"),
        "--spectral-penalty 0.1",
        r"\lambda \sum \max\left(0, \sigma_{max}(R) - s\right)^2",
        "Yoshida, Miyato 2017",
        "bound how much recurrent blocks amplify the state",
        _is_recurrent,
    ),
    # overfitting
    Remedy(
        "dropout",
        "overfitting",
        ("dropout", "dropout_input"),
        "--dropout 0.3",
        r"h \leftarrow m \odot h / (1 - p),\quad m_i \sim \text{Bernoulli}(1 - p)",
        "Srivastava et al. 2014; Zaremba et al. 2014",
        "drop outputs of the layers and of the embedding",
    ),
    Remedy(
        "variational dropout",
        "overfitting",
        ("variational", "dropout", "dropout_input"),
        "--dropout 0.3 --variational",
        r"h_t \leftarrow m \odot h_t / (1 - p) \text{ with one } m \text{ for all } t",
        "Gal, Ghahramani 2016",
        "drop the same outputs at every step",
    ),
    Remedy(
        "embedding dropout",
        "overfitting",
        ("dropout_embedding",),
        "--dropout-embedding 0.1",
        r"E_v \leftarrow m_v E_v / (1 - p),\quad m_v \sim \text{Bernoulli}(1 - p)",
        "Gal, Ghahramani 2016",
        "drop whole tokens, the same ones at every step",
    ),
    Remedy(
        "weight drop",
        "overfitting",
        ("weight_drop",),
        "--weight-drop 0.5",
        r"R \leftarrow M \odot R / (1 - p),\quad M_{ij} \sim \text{Bernoulli}(1 - p)",
        "Wan et al. 2013; Merity, Keskar, Socher 2018",
        "drop recurrent weights, the same ones at every step",
        _is_recurrent,
    ),
    Remedy(
        "zoneout",
        "overfitting",
        ("zoneout",),
        "--zoneout h=0.1",
        r"s_t = d_t \odot s_{t-1} + (1 - d_t) \odot \tilde s_t,\quad "
        r"d_{t,i} \sim \text{Bernoulli}(p_s)",
        "Krueger et al. 2017",
        "let some units keep their state at each step, at random",
    ),
    Remedy(
        "recurrent dropout",
        "overfitting",
        ("recurrent_dropout",),
        "--recurrent-dropout 0.2",
        r"c_t = f_t \odot c_{t-1} + i_t \odot d_t \odot g_t / (1 - p),\quad "
        r"d_{t,i} \sim \text{Bernoulli}(1 - p)",
        "Semeniuta, Severyn, Barth 2016",
        "drop candidate values before they enter the memory, but never the memory itself",
        _has_candidate,
    ),
    Remedy(
        "L2 (ridge)",
        "overfitting",
        ("l2", "regularise"),
        "--l2 1e-5",
        r"\tfrac{1}{2} \lambda \sum w^2",
        "Hoerl, Kennard 1970",
        "keep weights small",
    ),
    Remedy(
        "L1 (lasso)",
        "overfitting",
        ("l1", "regularise"),
        "--l1 1e-5",
        r"\lambda \sum |w|",
        "Tibshirani 1996",
        "drive weights to zero",
    ),
    Remedy(
        "elastic net",
        "overfitting",
        ("l1", "l2", "regularise"),
        "--l1 1e-5 --l2 1e-5",
        r"\lambda_1 \sum |w| + \tfrac{1}{2} \lambda_2 \sum w^2",
        "Zou, Hastie 2005",
        "both together",
    ),
    Remedy(
        "weight decay",
        "overfitting",
        ("weight_decay", "regularise"),
        "--weight-decay 0.01",
        r"w \leftarrow (1 - \eta \lambda)\, w",
        "Loshchilov, Hutter 2019",
        "shrink weights at each update, in the same way in every optimiser",
    ),
    Remedy(
        "dropped tokens",
        "overfitting",
        ("drop_tokens",),
        "--drop-tokens 0.1",
        r"x_t \leftarrow \text{unknown with probability } p",
        "Bowman et al. 2016",
        "read some tokens as unknown",
    ),
    Remedy(
        "replaced tokens",
        "overfitting",
        ("replace_tokens",),
        "--replace-tokens 0.1",
        r"x_t \leftarrow v \sim \text{frequencies, with probability } p",
        "Xie et al. 2017",
        "replace some tokens by others",
    ),
    Remedy(
        "flipped images",
        "overfitting",
        ("flip", "flip_vertical"),
        "--flip",
        r"x_{c,i,j} \leftarrow x_{c,i,J-1-j} \text{ with probability } 1/2",
        "Krizhevsky, Sutskever, Hinton 2012",
        "flip images at random",
    ),
    Remedy(
        "rotated images",
        "overfitting",
        ("rotate", "fill"),
        "--rotate 15",
        r"x(p) \leftarrow x(Q_\theta p),\quad \theta \sim U(-\theta_{max}, \theta_{max})",
        "Simard, Steinkraus, Platt 2003",
        "rotate each image at random in each epoch",
    ),
    Remedy(
        "zoomed images",
        "overfitting",
        ("zoom", "fill"),
        "--zoom 1.2",
        r"x(p) \leftarrow x(p / z),\quad \log z \sim U(-\log z_{max}, \log z_{max})",
        "Simard, Steinkraus, Platt 2003",
        "zoom each image in or out at random",
    ),
    Remedy(
        "jittered series",
        "overfitting",
        ("jitter",),
        "--jitter 0.1",
        r"x_t \leftarrow x_t + \sigma s\, z_t,\quad z_t \sim N(0, 1)",
        "Um et al. 2017",
        "add noise to each value",
    ),
    Remedy(
        "scaled series",
        "overfitting",
        ("scale",),
        "--scale 0.1",
        r"x_t \leftarrow e^{\sigma z} x_t,\quad z \sim N(0, 1)",
        "Um et al. 2017",
        "multiply each series by a random factor",
    ),
    Remedy(
        "warped time",
        "overfitting",
        ("warp",),
        "--warp 0.5",
        r"x_t \leftarrow x_{\tau(t)} \text{ with } \tau \text{ increasing and smooth}",
        "Um et al. 2017",
        "stretch and compress time smoothly",
    ),
    Remedy(
        "cropped series",
        "overfitting",
        ("crop",),
        "--crop 0.8",
        r"x \leftarrow (x_s, \dots, x_{s+n-1}),\quad n \ge p\,T",
        "Um et al. 2017",
        "read a random part of each series",
    ),
    Remedy(
        "noisy sounds",
        "overfitting",
        ("noise_level",),
        "--noise-level 0.1",
        r"x_t \leftarrow x_t + u\,\sigma\, s\, z_t,\quad u \sim U(0, 1),\ z_t \sim N(0, 1)",
        "Sietsma, Dow 1991",
        "add white noise of a random level to each sound",
    ),
    Remedy(
        "shifted sounds",
        "overfitting",
        ("shift_ms",),
        "--shift-ms 50",
        r"x_t \leftarrow x_{t-s},\quad s \sim U\{-n, \dots, n\}",
        "Waibel et al. 1989",
        "begin each sound a little earlier or later",
    ),
    Remedy(
        "masked spectra",
        "overfitting",
        ("time_masks", "time_mask", "frequency_masks", "frequency_mask"),
        "--time-masks 1 --frequency-masks 1",
        r"x_{t,f} \leftarrow \bar x_f \text{ for } t_0 \le t < t_0 + \tau \text{ or } "
        r"f_0 \le f < f_0 + \phi",
        "Park et al. 2019",
        "mask stretches of time and bands of frequency of each sound (SpecAugment)",
    ),
    Remedy(
        "transposed pieces",
        "overfitting",
        ("transpose",),
        "--transpose 3",
        r"x_{t,k} \leftarrow x_{t,k-s},\quad s \sim U\{-n, \dots, n\}",
        "Boulanger-Lewandowski, Bengio, Vincent 2012",
        "transpose each piece of music at random in each epoch",
    ),
    Remedy(
        "scheduled sampling",
        "overfitting",
        ("scheduled_sampling",),
        "--scheduled-sampling 0.25",
        r"y_{t-1} \leftarrow \hat y_{t-1} \sim p \text{ with a probability that rises}",
        "Bengio et al. 2015",
        "let the decoder read some of its own predictions in training",
    ),
    Remedy(
        "activation regularisation (AR)",
        "overfitting",
        ("activation_penalty",),
        "--activation-penalty 2",
        r"\alpha\, \text{mean} \left( (m \odot h_t)^2 \right)",
        "Merity, McCann, Socher 2017",
        "keep the activations that the head reads small",
    ),
    Remedy(
        "temporal activation regularisation (TAR)",
        "overfitting",
        ("temporal_penalty",),
        "--temporal-penalty 1",
        r"\beta\, \text{mean} \left( (h_{t+1} - h_t)^2 \right)",
        "Merity, McCann, Socher 2017",
        "let states change slowly",
    ),
    Remedy(
        "label smoothing",
        "overfitting",
        ("label_smoothing",),
        "--label-smoothing 0.1",
        r"q = (1 - \epsilon)\, \text{onehot}(y) + \epsilon / V",
        "Szegedy et al. 2016",
        "soften the targets in training; validation and test stay unsmoothed",
    ),
    Remedy(
        "exponential average of weights",
        "overfitting",
        ("averaging=ema", "averaging_decay", "averaging_from"),
        "--averaging ema",
        r"\bar w \leftarrow d\, \bar w + (1 - d)\, w",
        "Polyak, Juditsky 1992; torch.optim.swa_utils",
        "evaluate and save a moving average of the weights",
    ),
    Remedy(
        "mean of weights",
        "overfitting",
        ("averaging=mean", "averaging_from"),
        "--averaging mean --averaging-from 1000",
        r"\bar w = \frac{1}{n} \sum_{u=1}^{n} w_u",
        "Polyak, Juditsky 1992; Izmailov et al. 2018",
        "evaluate and save the mean of the weights over updates",
    ),
    Remedy(
        "early stopping",
        "overfitting",
        ("patience",),
        "--patience 5",
        r"\text{stop when } \min E_{valid} \text{ is } n \text{ evaluations old}",
        "Prechelt 1998",
        "stop when the validation loss stops improving, and keep the best weights",
    ),
    # forgetting
    Remedy(
        "freezing",
        "forgetting",
        ("freeze",),
        "--freeze frontal",
        r"\eta_r = 0 \quad\text{for regions } r",
        "Yosinski et al. 2014",
        "keep the weights of some regions exactly as they are",
    ),
    Remedy(
        "rates by region",
        "forgetting",
        ("rates",),
        "--rates temporal=0.1",
        r"\eta_r = f_r\, \eta",
        "Howard, Ruder 2018",
        "let some regions learn more slowly",
    ),
    Remedy(
        "discriminative rates",
        "forgetting",
        ("rate_decay",),
        "--rate-decay 2.6",
        r"\eta_{r-1} = \eta_r / 2.6",
        "Howard, Ruder 2018",
        "let regions closer to the input learn more slowly",
    ),
    Remedy(
        "gradual unfreezing",
        "forgetting",
        ("unfreeze_every",),
        "--unfreeze-every 200",
        r"\eta_r = 0 \quad\text{until update } n\,(R - r)",
        "Howard, Ruder 2018",
        "train the region next to the output first, and unfreeze the others one by one",
    ),
)
