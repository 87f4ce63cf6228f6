"""EchoState: fit, predict, generate with an echo state network."""

from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from sklearn.base import BaseEstimator
from sklearn.metrics import accuracy_score, r2_score
from sklearn.utils import ClassifierTags, RegressorTags
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from engram.errors import ConfigError, DataError, did_you_mean
from engram.estimators.series import Series, as_series
from engram.layers.reservoir import Reservoir
from engram.models.echo_state import EchoStateNetwork
from engram.models.storage import load_description, load_weights, save_description, save_weights
from engram.training.readout import ReadoutFit, check_warm_up, driven, padded

TARGETS = ("steps", "sequence", "class")
_DTYPES = {"float64": torch.float64, "float32": torch.float32}


class EchoState(BaseEstimator):
    """An echo state network with scikit-learn's manners: a reservoir and a ridge readout.

    Series are an array ``(N, T, I)``, a list of arrays ``(T_i, I)``, or one array ``(T, I)``; steps
    of single numbers need no last axis.

    Args:
        target: What is learnt: ``"steps"``, numbers at each step, ``y`` shaped like ``X``;
            ``"sequence"``, numbers for each series, ``(N,)`` or ``(N, O)``; ``"class"``, a class
            for each series, ``(N,)``.
        units, spectral_radius, input_scaling, bias_scaling, leak, density: See `Reservoir`.
        feedback: Whether outputs are fed back; while fitting, the targets are.
        feedback_scaling: See `Reservoir`.
        sees_input: Whether the readout sees the input beside the state.
        summary: What the readout sees of a whole series: ``"mean"`` or ``"last"`` of its states.
        warm_up: Steps at the start of each series that the readout is not fitted on and `score`
            leaves out, because they depend on the initial state; for ``target="steps"``.
        ridge: Penalty of the readout, or ``"auto"``: the one of 1e-12 to 1e2 that errs least on the
            last fifth of each series, or on every fifth series.
        dtype: ``"float64"`` or ``"float32"``.
        random_state: Seed of the reservoir.

    Attributes:
        module_: The `EchoStateNetwork`, a torch module.
        ridge_: The penalty that was used.
        classes_: The classes, sorted; with ``target="class"``.
        n_features_in_: I.
    """

    _readout_fit: ReadoutFit

    def __init__(
        self,
        *,
        target: str = "steps",
        units: int = 500,
        spectral_radius: float = 0.9,
        input_scaling: Any = 1.0,
        bias_scaling: float = 0.2,
        leak: Any = 1.0,
        density: float = 0.1,
        feedback: bool = False,
        feedback_scaling: float = 1.0,
        sees_input: bool = True,
        summary: str = "mean",
        warm_up: int = 100,
        ridge: float | str = 1e-6,
        dtype: str = "float64",
        random_state: int = 0,
    ) -> None:
        self.target = target
        self.units = units
        self.spectral_radius = spectral_radius
        self.input_scaling = input_scaling
        self.bias_scaling = bias_scaling
        self.leak = leak
        self.density = density
        self.feedback = feedback
        self.feedback_scaling = feedback_scaling
        self.sees_input = sees_input
        self.summary = summary
        self.warm_up = warm_up
        self.ridge = ridge
        self.dtype = dtype
        self.random_state = random_state

    def fit(self, X: Any, y: Any) -> Self:
        """Draw a reservoir and fit its readout.

        Args:
            X: Series.
            y: Targets, as ``target`` says.

        Raises:
            ConfigError: For parameters that cannot work, and a readout without a single solution.
            DataError: For series or targets that cannot be used.
        """
        for name in ("module_", "classes_", "_readout_fit"):
            if hasattr(self, name):
                delattr(self, name)
        return self.partial_fit(X, y)

    def partial_fit(self, X: Any, y: Any, classes: Any = None) -> Self:
        """Add series to those that the readout was fitted on; the result is as of one `fit`.

        Args:
            X: Series; each begins with a state of zero.
            y: Targets.
            classes: All classes, at the first call with ``target="class"``; those in ``y`` unless
                given.

        Raises:
            ConfigError, DataError: As `fit`.
        """
        series = as_series(X, "X")
        begins = not hasattr(self, "module_")
        if begins:
            self._check()
            if self.target == "class":
                self.classes_ = np.unique(_labels(y if classes is None else classes))
        targets, flat = self._targets(series, y)
        if begins:
            self.n_features_in_ = series.arrays[0].shape[1]
            network = self._network(self.n_features_in_, targets[0].shape[1])
            ridge = None if self.ridge == "auto" else float(self.ridge)
            fit = ReadoutFit(network, self.warm_up, ridge)
        elif hasattr(self, "_readout_fit"):
            fit = self._readout_fit
        else:
            raise ConfigError(
                "partial_fit goes on from the sums of a fit, and a saved model holds none; fit() "
                "it anew"
            )
        self._check_features(series)
        fit.add(series.arrays, targets)
        self.ridge_ = fit.solve()
        self.module_, self._readout_fit, self._flat = fit.network, fit, flat
        return self

    def predict(self, X: Any) -> Any:
        """Outputs at each step, in the form in which the series come; or one for each series.

        With feedback, the network's own outputs are fed back, from zeros on.

        Raises:
            DataError: For series that cannot be used.
        """
        check_is_fitted(self, "module_")
        series = as_series(X, "X")
        self._check_features(series)
        arrays = self._outputs(series)
        if self.target == "steps":
            return series.like(arrays, self._flat)
        stacked = np.concatenate(arrays)
        if self.target == "class":
            return self.classes_[stacked.argmax(axis=1)]
        return stacked[:, 0] if self._flat else stacked

    def score(self, X: Any, y: Any) -> float:
        """Share of classes that are right, or R², for steps after the warm-up; higher is better."""
        check_is_fitted(self, "module_")
        if self.target == "class":
            return float(accuracy_score(_labels(y), self.predict(X)))
        series = as_series(X, "X")
        self._check_features(series)
        targets, _ = self._targets(series, y)
        skipped = 0
        if self.target == "steps":
            check_warm_up(series.arrays, self.warm_up)
            skipped = self.warm_up
        pairs = zip(targets, self._outputs(series), strict=True)
        true, found = zip(*((a[skipped:], b[skipped:]) for a, b in pairs), strict=True)
        return float(r2_score(np.concatenate(true), np.concatenate(found)))

    def generate(self, steps: int, X: Any = None, y: Any = None, *, inputs: Any = None) -> Any:
        """Run on by itself: each output is fed back, as the next input or through the feedback.

        Args:
            steps: How many outputs.
            X: Series to go on from; None goes on from the end of the last series of `fit`.
            y: Their targets; only with feedback, and needed there.
            inputs: Of the steps to come, ``(steps, I)`` for each series; only with feedback.

        Returns:
            Outputs ``(steps, O)``, in the form in which the series come.

        Raises:
            ConfigError: Where outputs cannot be inputs, or ``y`` or ``inputs`` are missing.
        """
        check_is_fitted(self, "module_")
        self._check_generation(steps, X, y, inputs)
        series = None if X is None else as_series(X, "X")
        network = self.module_
        with torch.no_grad():
            if series is None:
                state, output = network.end_state[None], network.end_output[None]
                known = []
            else:
                self._check_features(series)
                state, output = self._ends(series, y)
                # without targets, the last output of the series is the first that is new
                known = [] if self.feedback else [output]
            ahead = None
            if inputs is not None:
                given = as_series(inputs, "inputs")
                ahead, lengths = padded(given.arrays, network.readout.weight.dtype)
                if ahead.shape[1] != state.shape[0] or bool((lengths != steps).any()):
                    raise DataError(
                        f"inputs holds {ahead.shape[1]} series of {lengths.tolist()} steps; it "
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
        """Write the fitted model into a folder; what `partial_fit` needs is not kept.

        Raises:
            RunError: Where it cannot be written.
        """
        check_is_fitted(self, "module_")
        preprocess = {
            "features": self.n_features_in_,
            "outputs": self.module_.readout.out_features,
            "flat": self._flat,
            "ridge": self.ridge_,
            "classes": self.classes_.tolist() if self.target == "class" else None,
        }
        config = {
            name: value.tolist() if isinstance(value, np.ndarray) else value
            for name, value in self.get_params().items()
        }
        save_description(Path(path), config, preprocess)
        save_weights(Path(path), self.module_.state_dict())

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a folder that `save` wrote.

        Raises:
            RunError: Where it is missing or damaged.
        """
        config, preprocess = load_description(Path(path))
        estimator = cls(**{name: config[name] for name in cls._get_param_names()})
        estimator.module_ = estimator._network(preprocess["features"], preprocess["outputs"])
        load_weights(Path(path), estimator.module_)
        estimator.n_features_in_, estimator.ridge_ = preprocess["features"], preprocess["ridge"]
        estimator._flat = preprocess["flat"]
        if preprocess["classes"] is not None:
            estimator.classes_ = np.array(preprocess["classes"])
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
        """All parameters that are this class's own; the reservoir checks the others."""
        faults = []
        if self.target not in TARGETS:
            faults.append(f"target is {self.target!r}: {did_you_mean(str(self.target), TARGETS)}")
        if self.dtype not in _DTYPES:
            faults.append(f"dtype is {self.dtype!r}: {did_you_mean(str(self.dtype), _DTYPES)}")
        if self.summary not in ("mean", "last"):
            faults.append(f"summary is {self.summary!r}; it takes 'mean' or 'last'")
        if not isinstance(self.warm_up, int) or self.warm_up < 0:
            faults.append(f"warm_up is {self.warm_up!r}; it takes a whole number from 0")
        if self.ridge != "auto" and not (isinstance(self.ridge, int | float) and self.ridge >= 0):
            faults.append(f"ridge is {self.ridge!r}; it takes a number from 0, or 'auto'")
        if self.feedback and self.target != "steps":
            faults.append(f"feedback needs outputs at each step, and target is {self.target!r}")
        if faults:
            raise ConfigError(f"EchoState: {'; '.join(faults)}")

    def _network(self, features: int, outputs: int) -> EchoStateNetwork:
        reservoir = Reservoir(
            features,
            self.units,
            spectral_radius=self.spectral_radius,
            input_scaling=self.input_scaling,
            bias_scaling=self.bias_scaling,
            leak=self.leak,
            density=self.density,
            feedback_size=outputs if self.feedback else 0,
            feedback_scaling=self.feedback_scaling,
            seed=self.random_state,
            dtype=_DTYPES[self.dtype],
        )
        summary = "steps" if self.target == "steps" else self.summary
        return EchoStateNetwork(reservoir, outputs, sees_input=self.sees_input, summary=summary)

    def _check_features(self, series: Series) -> None:
        found = series.arrays[0].shape[1]
        if found != self.n_features_in_:
            raise DataError(f"X has {found} features; this was fitted on {self.n_features_in_}")

    def _targets(self, series: Series, y: Any) -> tuple[list[np.ndarray], bool]:
        """Targets of each series, ``(T_i, O)`` or ``(1, O)``; and whether they had no axis O."""
        flat = False
        if self.target == "steps":
            # one number a step for an array of series: no axis for them
            flat = series.kind == "array" and np.ndim(y) == 2
            given = as_series(np.asarray(y)[..., None] if flat else y, "y")
            lengths = [[len(array) for array in each.arrays] for each in (given, series)]
            if lengths[0] != lengths[1]:
                raise DataError(
                    f"y has {_shortened(lengths[0])} steps and X {_shortened(lengths[1])}; "
                    "target='steps' takes a target for each step of each series"
                )
            targets, flat = given.arrays, flat or given.flat
        elif self.target == "class":
            labels = _labels(y)
            unknown = sorted(set(labels.tolist()) - set(self.classes_.tolist()))
            if unknown:
                raise DataError(f"y holds the class {unknown[0]!r}, which was not announced")
            targets = list((labels[:, None] == self.classes_).astype(np.float64)[:, None])
        else:
            numbers = np.asarray(y, dtype=np.float64)
            flat = numbers.ndim == 1
            targets = list(numbers.reshape(len(numbers), 1, -1))
        if len(targets) != len(series.arrays):
            raise DataError(f"y has {len(targets)} targets for {len(series.arrays)} series")
        return targets, flat

    def _outputs(self, series: Series) -> list[np.ndarray]:
        """Of each series: ``(T_i, O)``, or ``(1, O)`` for a whole one."""
        found: list[list[Tensor]] = [[] for _ in series.arrays]
        with torch.no_grad():
            if self.feedback:
                x, _ = padded(series.arrays, _DTYPES[self.dtype])
                outputs, _ = self.module_(x)
                for place in range(len(found)):
                    found[place].append(outputs[:, place])
            else:
                for piece in driven(self.module_, series.arrays):
                    outputs = self.module_.readout(piece.features)
                    for row, place in enumerate(piece.places):
                        steps = outputs[:, row] if self.target == "steps" else outputs[row][None]
                        found[place].append(steps)
        counts = [len(a) if self.target == "steps" else 1 for a in series.arrays]
        return [
            torch.cat(pieces)[:count].double().numpy()
            for pieces, count in zip(found, counts, strict=True)
        ]

    def _check_generation(self, steps: int, X: Any, y: Any, inputs: Any) -> None:
        if not isinstance(steps, int) or steps < 1:
            raise ConfigError(f"steps is {steps!r}; it takes a whole number from 1")
        if self.target != "steps":
            raise ConfigError(f"generate() needs an output at each step; target is {self.target!r}")
        outputs = self.module_.readout.out_features
        if self.feedback:
            if inputs is None or (X is not None and y is None):
                raise ConfigError(
                    "with feedback, generate() takes inputs= for the steps to come, and y= beside X"
                )
        elif y is not None or inputs is not None:
            raise ConfigError("generate() takes y= and inputs= only with feedback=True")
        elif outputs != self.n_features_in_:
            raise ConfigError(
                f"outputs are fed back as inputs, and there are {outputs} outputs and "
                f"{self.n_features_in_} inputs; fit on y = the next step of X, or use feedback=True"
            )

    def _ends(self, series: Series, y: Any) -> tuple[Tensor, Tensor]:
        """The state after each series ``(N, units)``, and the last output of each ``(N, O)``."""
        targets = None if y is None else self._targets(series, y)[0]
        count, network = len(series.arrays), self.module_
        states = network.end_state.new_empty(count, self.units)
        outputs = network.end_output.new_empty(count, network.readout.out_features)
        for piece in driven(network, series.arrays, targets):
            for row, place in enumerate(piece.places):
                states[place] = piece.state[row]
                step = len(series.arrays[place]) - 1 - piece.start
                if step < len(piece.features):
                    outputs[place] = network.readout(piece.features[step, row])
        if targets is not None:
            outputs = torch.stack([torch.from_numpy(own[-1]) for own in targets]).to(outputs)
        return states, outputs


def _labels(y: Any) -> np.ndarray:
    labels = np.asarray(y)
    if labels.ndim != 1 or not len(labels):
        raise DataError(f"y has shape {labels.shape}; target='class' takes one class a series")
    return labels


def _shortened(lengths: list[int]) -> str:
    shown = ", ".join(str(length) for length in lengths[:3])
    return f"{shown}, …" if len(lengths) > 3 else shown
