"""EchoState: an echo state network for regression, classification and generation."""

from contextlib import ExitStack
from dataclasses import dataclass
from numbers import Integral, Real
from pathlib import Path
from time import monotonic
from typing import Any, Self

import numpy as np
import torch
from pydantic import Field
from sklearn.metrics import accuracy_score, r2_score
from sklearn.utils import ClassifierTags, RegressorTags

from engram.errors import ConfigError, DataError, RunError, did_you_mean
from engram.estimators.base import Estimator
from engram.estimators.inputs import require_as_many
from engram.estimators.sequence_estimator import answers_of, classes_of
from engram.estimators.series import LABELS, TARGETS, Series, as_series, targets_of
from engram.estimators.stored import KEY, Classes, Fitted, require_kind
from engram.layers.reservoir import Reservoir
from engram.models.echo_state import EchoStateNetwork
from engram.models.storage import (
    load_description,
    load_weights,
    read_weights,
    save_description,
    save_weights,
)
from engram.records import Result
from engram.settings import Settings
from engram.tasks.origin import ECHO_STATE
from engram.training.loop import Outcome
from engram.training.readout import ReadoutFit, check_warm_up, ends_of, outputs_of, padded
from engram.training.reporting import Plan, Prepared, Reporter
from engram.training.run_folder import RunFolder

_DTYPES = {"float64": torch.float64, "float32": torch.float32}


class _Sizes(Settings):
    """What a saved network needs in addition to parameters and weights, as ``preprocess.json``."""

    features: int = Field(ge=1)
    outputs: int = Field(ge=1)
    flat: bool
    ridge: float
    classes: list[bool | int | float | str] | None = (
        None  # older folders, before `Fitted` stored them
    )


@dataclass(kw_only=True, eq=False, repr=False)
class EchoState(Estimator):
    """An echo state network with the scikit-learn API: a reservoir and a ridge readout.

    Series are an array ``(N, T, I)``, a list of arrays ``(T_i, I)``, or one array ``(T, I)``; the
    last axis can be omitted if each step is a single number.

    Args:
        target: Type of target: ``"steps"``, numbers at each step, ``y`` shaped like ``X``;
            ``"sequence"``, numbers for each series, ``(N,)`` or ``(N, O)``; ``"class"``, a class
            for each series, ``(N,)``.
        units, spectral_radius, input_scaling, bias_scaling, leak, density: See `Reservoir`.
        feedback: Whether outputs are fed back; during fitting, the targets are (teacher forcing).
        feedback_scaling: See `Reservoir`.
        sees_input: Whether the readout also sees the input.
        summary: How the readout summarises a whole series: the ``"mean"`` or ``"last"`` state.
        warm_up: Number of initial steps of each series that the fit and `score` ignore, because
            they depend on the initial state; for ``target="steps"``.
        ridge: Penalty of the readout, or ``"auto"``: the one from 1e-12 to 1e2 with the lowest
            error on the last fifth of each series, or on every fifth series.
        dtype: ``"float64"`` or ``"float32"``.
        random_state: Seed of the reservoir; a numpy RandomState that each fit draws a seed from; or
            None for numpy's global one.
        run_dir: Folder in which `fit` records its result; None writes nothing to disk.

    Attributes:
        module_: The `EchoStateNetwork`, a torch module in evaluation mode.
        ridge_: The penalty that was used.
        classes_: The classes, sorted; with ``target="class"``.
        n_features_in_: I.
        seed_: The seed that was drawn.
        n_iter_: 1, because the readout is solved in closed form.

    Example:
        >>> import numpy as np
        >>> import engram
        >>> series = np.sin(np.arange(300) / 4)
        >>> model = engram.EchoState(units=50, warm_up=20).fit(series[:250], series[1:251])
        >>> np.allclose(model.generate(5), series[251:256], atol=0.01)
        True
    """

    target: str = "steps"
    units: int = 500
    spectral_radius: float = 0.9
    input_scaling: Any = 1.0
    bias_scaling: float = 0.2
    leak: Any = 1.0
    density: float = 0.1
    feedback: bool = False
    feedback_scaling: float = 1.0
    sees_input: bool = True
    summary: str = "mean"
    warm_up: int = 100
    ridge: float | str = 1e-6
    dtype: str = "float64"

    def fit(self, X: Any, y: Any, *, reporter: Reporter | None = None) -> Self:
        """Draw a reservoir and fit its readout.

        Args:
            X: Series.
            y: Targets of the type ``target``.
            reporter: Receives progress; see `engram.Reporter`.

        Raises:
            ConfigError: For invalid parameters, or a readout without a unique solution.
            DataError: For invalid series or targets.
            RunError: For a folder that cannot be written.
        """
        started, told = monotonic(), reporter or Reporter()
        self._check()
        series = as_series(X, "X")
        steps = sum(len(array) for array in series.arrays)
        about = [f"{len(series.arrays):,} series of {steps:,} steps"]
        told.prepared(Prepared(about, [], "steps", ""))
        with ExitStack() as until_the_end:
            run = None
            if self.run_dir is not None:
                command = ["engram.EchoState.fit"]
                run = RunFolder.create(
                    Path(self.run_dir), {"task": ECHO_STATE} | self._parameters(), command
                )
                until_the_end.enter_context(run.held())
            told.begin(Plan(1, 0, 1, steps))
            self._learn(series, y, None, None)
            if run is not None:
                self.save(run.model)
                size = sum(weight.numel() for weight in self.module_.readout.parameters())
                run.write(Result(updates=1, parameters=size, valid_loss=None, best_update=1))
        told.end(Outcome(1, None, 1, False, False, monotonic() - started))
        return self

    def partial_fit(self, X: Any, y: Any, classes: Any = None) -> Self:
        """Fit the readout on additional series; the result is the same as one `fit` on all of them.

        Args:
            X: Series; each starts from the zero state.
            y: Targets.
            classes: All classes, in the first call with ``target="class"``; default: those in
                ``y``.

        Raises:
            ConfigError, DataError: As `fit`.
        """
        known = getattr(self, "_readout_fit", None)
        if known is None and self.__sklearn_is_fitted__():
            raise ConfigError(
                "partial_fit continues from the sums of a fit, which a saved model does not "
                "contain; call fit() again"
            )
        self._check()
        return self._learn(as_series(X, "X"), y, classes, known)

    def _learn(self, series: Series, y: Any, classes: Any, fit: ReadoutFit | None) -> Self:
        """Add series to the sums so far, or start with them."""
        known = self.classes_ if fit is not None and self.target == "class" else None
        if self.target == "class" and known is None:
            labels = answers_of(y if classes is None else classes, "y", LABELS)
            known = classes_of(labels)[0].array()
        if fit is not None:
            self._check_features(series)
        targets, flat = targets_of(self.target, series, y, known)
        outputs = targets[0].shape[1]
        if fit is None:
            seed = self._draw_seed()
            features = series.arrays[0].shape[1]
            network = self._network(features, outputs, seed)
            ridge = None if self.ridge == "auto" else float(self.ridge)
            fit = ReadoutFit(network, self.warm_up, ridge)
        else:
            seed = self.seed_
            if outputs != self._sizes.outputs:
                raise DataError(
                    f"y has {outputs} outputs; this was fitted on {self._sizes.outputs}"
                )
        fit.add(series.arrays, targets)
        ridge = fit.solve()
        sizes = _Sizes(
            features=series.arrays[0].shape[1],
            outputs=outputs,
            flat=flat,
            ridge=ridge,
        )
        self._readout_fit = fit
        self._take(fit.network, sizes, known, seed)
        return self

    def _take(
        self, network: EchoStateNetwork, sizes: _Sizes, classes: np.ndarray | None, seed: int
    ) -> None:
        """Set the fitted attributes."""
        self.module_, self.ridge_, self.seed_, self.n_iter_ = network.eval(), sizes.ridge, seed, 1
        self.n_features_in_, self._sizes, self._flat = sizes.features, sizes, sizes.flat
        self.__dict__.pop("classes_", None)
        if classes is not None:
            self.classes_ = classes

    def predict(self, X: Any) -> Any:
        """Predict an output at each step, in the form of the input series, or one for each series.

        With feedback, the network's own outputs are fed back, starting from zero.

        Raises:
            DataError: For invalid series.
        """
        self._require_fitted()
        series = as_series(X, "X")
        self._check_features(series)
        arrays = outputs_of(self.module_, series.arrays)
        if self.target == "steps":
            return series.like(arrays, self._flat)
        stacked = np.concatenate(arrays)
        if self.target == "class":
            return self.classes_[stacked.argmax(axis=1)]
        return stacked[:, 0] if self._flat else stacked

    def score(self, X: Any, y: Any) -> float:
        """Accuracy for classes, else R², on steps after the warm-up; higher is better."""
        self._require_fitted()
        if self.target == "class":
            found, labels = self.predict(X), answers_of(y, "y", LABELS)
            require_as_many(found, labels, "series", "classes")
            return float(accuracy_score(labels, found))
        series = as_series(X, "X")
        self._check_features(series)
        targets, _ = targets_of(self.target, series, y)
        skipped = 0
        if self.target == "steps":
            check_warm_up(series.arrays, self.warm_up)
            skipped = self.warm_up
        pairs = zip(targets, outputs_of(self.module_, series.arrays), strict=True)
        true, found = zip(*((a[skipped:], b[skipped:]) for a, b in pairs), strict=True)
        return float(r2_score(np.concatenate(true), np.concatenate(found)))

    def generate(self, steps: int, X: Any = None, y: Any = None, *, inputs: Any = None) -> Any:
        """Generate freely: each output is fed back, as the next input or through the feedback.

        Args:
            steps: Number of outputs.
            X: Series to continue; None continues the last series of `fit`.
            y: Their targets; required with feedback, and only used then.
            inputs: Inputs at future steps, ``(steps, I)`` for each series; only with feedback.

        Returns:
            Outputs ``(steps, O)``, in the form of the input series.

        Raises:
            ConfigError: If outputs cannot be used as inputs, or ``y`` or ``inputs`` are missing.
        """
        self._require_fitted()
        self._check_generation(steps, X, y, inputs)
        series = None if X is None else as_series(X, "X")
        network = self.module_
        with torch.no_grad():
            if series is None:
                state, output = network.end_state[None], network.end_output[None]
                known = []
            else:
                self._check_features(series)
                targets = None if y is None else targets_of(self.target, series, y)[0]
                state, output = ends_of(network, series.arrays, targets)
                # without targets, the last output of the series is the first new one
                known = [] if self.feedback else [output]
            ahead = None
            if inputs is not None:
                given = as_series(inputs, "inputs")
                ahead, lengths = padded(given.arrays, network.readout.weight.dtype)
                if ahead.shape[1] != state.shape[0] or bool((lengths != steps).any()):
                    raise DataError(
                        f"inputs contains {ahead.shape[1]} series of {lengths.tolist()} steps; it "
                        f"takes {steps} steps for each of {state.shape[0]}"
                    )
            outputs = torch.stack(known) if known else output.new_empty(0, *output.shape)
            if steps > len(known):
                more, _ = network.free_run(steps - len(known), state, output, ahead)
                outputs = torch.cat([outputs, more])
        arrays = list(outputs.transpose(0, 1).double().numpy())
        form = Series([], "one", False) if series is None else series
        return form.like(arrays, self._flat)

    def save(self, path: str | Path) -> None:
        """Save the fitted model to a folder, without what `partial_fit` needs.

        Raises:
            NotFittedError: Before `fit`.
            RunError: If it cannot be written.
        """
        self._require_fitted()
        parameters = self._parameters() | {"random_state": self.seed_}
        classes = Classes.of(self.classes_) if self.target == "class" else None
        fitted = Fitted(n_iter=self.n_iter_, classes=classes)
        config = {"task": ECHO_STATE, KEY: fitted.plain(), "parameters": parameters}
        save_description(Path(path), config, self._sizes.plain())
        save_weights(Path(path), self.module_.state_dict())

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Load a model from a folder written by `save`.

        Raises:
            RunError: If it is missing, damaged, or belongs to another estimator.
        """
        folder = Path(path)
        config, preprocess = load_description(folder)
        require_kind("EchoState", config, folder)
        fitted = Fitted.read(config, folder)
        try:
            sizes = _Sizes.checked(preprocess)
            estimator = cls(**config.get("parameters", config))
            estimator._check()
            seed = estimator._draw_seed()
            shape = read_weights(folder)["reservoir.recurrent_weights"].shape
            if shape != (estimator.units, estimator.units):  # before allocating that many
                raise DataError(f"units is {estimator.units}, and the weights are {tuple(shape)}")
            network = estimator._network(sizes.features, sizes.outputs, seed)
        except (ConfigError, DataError, TypeError, KeyError, ValueError) as fault:
            raise RunError(f"{folder} is damaged ({fault}); restore it") from None
        load_weights(folder, network)
        classes = None
        if estimator.target == "class":
            labels = fitted.classes
            classes = np.array(sizes.classes) if labels is None else labels.array()
            if classes.shape != (sizes.outputs,):
                raise RunError(
                    f"{folder} is damaged (it has different numbers of classes and outputs)"
                )
        estimator._take(network, sizes, classes, seed)
        return estimator

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        tags.input_tags.three_d_array = True
        if self.target == "class":
            tags.estimator_type, tags.classifier_tags = "classifier", ClassifierTags()
        else:
            tags.estimator_type, tags.regressor_tags = "regressor", RegressorTags()
        return tags

    def _check(self) -> None:
        """Check the parameters of this class; the reservoir checks the others."""
        faults = []
        if self.target not in TARGETS:
            faults.append(f"target is {self.target!r}: {did_you_mean(str(self.target), TARGETS)}")
        if self.dtype not in _DTYPES:
            faults.append(f"dtype is {self.dtype!r}: {did_you_mean(str(self.dtype), _DTYPES)}")
        if self.summary not in ("mean", "last"):
            faults.append(f"summary is {self.summary!r}; it takes 'mean' or 'last'")
        for name, least in (("warm_up", 0), ("units", 1)):
            value = getattr(self, name)
            if not isinstance(value, Integral) or value < least:
                faults.append(f"{name} is {value!r}; it takes a whole number from {least}")
        for name in ("spectral_radius", "bias_scaling", "density", "feedback_scaling"):
            if not isinstance(getattr(self, name), Real):
                faults.append(f"{name} is {getattr(self, name)!r}; it takes a number")
        if self.ridge != "auto" and not (isinstance(self.ridge, Real) and self.ridge >= 0):
            faults.append(f"ridge is {self.ridge!r}; it takes a number from 0, or 'auto'")
        if self.feedback and self.target != "steps":
            faults.append(f"feedback needs outputs at each step, and target is {self.target!r}")
        if faults:
            raise ConfigError(f"EchoState: {'; '.join(faults)}")

    def _parameters(self) -> dict[str, Any]:
        """All parameters except ``random_state`` and ``run_dir``, as JSON."""
        values = {
            name: value.tolist() if isinstance(value, np.ndarray | np.generic) else value
            for name, value in self.get_params().items()
        }
        return {n: value for n, value in values.items() if n not in ("random_state", "run_dir")}

    def _network(self, features: int, outputs: int, seed: int) -> EchoStateNetwork:
        reservoir = Reservoir(
            features,
            int(self.units),
            spectral_radius=self.spectral_radius,
            input_scaling=self.input_scaling,
            bias_scaling=self.bias_scaling,
            leak=self.leak,
            density=self.density,
            feedback_size=outputs if self.feedback else 0,
            feedback_scaling=self.feedback_scaling,
            seed=seed,
            dtype=_DTYPES[self.dtype],
        )
        summary = "steps" if self.target == "steps" else self.summary
        return EchoStateNetwork(reservoir, outputs, sees_input=self.sees_input, summary=summary)

    def _check_features(self, series: Series) -> None:
        found = series.arrays[0].shape[1]
        if found != self.n_features_in_:
            raise DataError(f"X has {found} features; this was fitted on {self.n_features_in_}")

    def _check_generation(self, steps: int, X: Any, y: Any, inputs: Any) -> None:
        if not isinstance(steps, int) or steps < 1:
            raise ConfigError(f"steps is {steps!r}; it takes a whole number from 1")
        if self.target != "steps":
            raise ConfigError(f"generate() needs an output at each step; target is {self.target!r}")
        outputs = self.module_.readout.out_features
        if self.feedback:
            if inputs is None or (X is not None and y is None):
                raise ConfigError(
                    "with feedback, generate() takes inputs= for the future steps, and y= together "
                    "with X"
                )
        elif y is not None or inputs is not None:
            raise ConfigError("generate() takes y= and inputs= only with feedback=True")
        elif outputs != self.n_features_in_:
            raise ConfigError(
                f"outputs are fed back as inputs, but there are {outputs} outputs and "
                f"{self.n_features_in_} inputs; fit on y = the next step of X, or use feedback=True"
            )
