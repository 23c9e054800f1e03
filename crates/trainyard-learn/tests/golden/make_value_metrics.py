"""Records scikit-learn's scores of values and of probabilities, as value_metrics.json beside
this script."""

import json
import math
import pathlib
import warnings

import numpy as np
import sklearn
from sklearn import metrics
from sklearn.base import BaseEstimator, RegressorMixin

warnings.simplefilter("ignore")

SCORERS = [
    "r2",
    "explained_variance",
    "neg_mean_squared_error",
    "neg_root_mean_squared_error",
    "neg_mean_absolute_error",
    "neg_median_absolute_error",
    "neg_max_error",
    "neg_mean_absolute_percentage_error",
]


class Fixed(RegressorMixin, BaseEstimator):
    """A regressor that has made its predictions already."""

    def __init__(self, prediction):
        self.prediction = prediction

    def fit(self, x, y):
        return self

    def predict(self, x):
        return self.prediction


def by_hand(target, prediction):
    rows = len(target)
    return np.array(target, dtype=float).reshape(rows, -1), np.array(
        prediction, dtype=float
    ).reshape(rows, -1)


def value_case(seed, n_rows, n_outputs, noise, constant=None):
    random = np.random.RandomState(seed)
    target = random.normal(size=(n_rows, n_outputs)) * 10.0 ** random.randint(-3, 4)
    prediction = target + noise * random.normal(size=target.shape)
    if constant == "target":
        target[:] = 2.5
    if constant == "both":
        target[:] = prediction[:] = 2.5
    if constant == "prediction":
        prediction[:] = 1.0
    return target, prediction


CASES = [value_case(seed, 3 + 7 * seed, 1 + seed % 3, 0.5 * seed) for seed in range(20)]
CASES += [
    value_case(20, 1, 1, 1.0),
    value_case(21, 2, 1, 1.0),
    value_case(22, 9, 1, 1.0, "target"),
    value_case(23, 9, 1, 1.0, "both"),
    value_case(24, 9, 2, 1.0, "target"),
    value_case(25, 10, 1, 1.0, "prediction"),
    value_case(26, 10, 2, 0.0),
    value_case(27, 1, 3, 1.0),
    value_case(28, 1, 1, 0.0),
    value_case(29, 150, 4, 3.0),
    # Errors that tie, at even and odd numbers of rows.
    by_hand([1, 2, 3, 4], [2, 1, 4, 3]),
    by_hand([1, 2, 3, 4, 5], [2, 1, 4, 3, 5]),
    # An error of the same size everywhere, which explains all of the variance.
    by_hand([1, 2, 3], [3, 4, 5]),
    # A target of 0, alone and among others.
    by_hand([0], [0]),
    by_hand([0, 1, -2], [0.5, 1, -2]),
    # One output constant, missed or met; the other not.
    by_hand([[4, 1], [4, 2], [4, 4]], [[4, 1.5], [5, 2], [4, 4]]),
    by_hand([[4, 1], [4, 2], [4, 4]], [[4, 1.5], [4, 2], [4, 4]]),
    # Far from zero.
    by_hand([1e8 + 1, 1e8 + 2, 1e8 + 4], [1e8 + 1.5, 1e8 + 2, 1e8 + 3]),
    # Beyond the finite numbers.
    by_hand([1e200, -1e200], [-1e200, 1e200]),
]


def record(target, prediction):
    n_outputs = target.shape[1]
    y, p = (target[:, 0], prediction[:, 0]) if n_outputs == 1 else (target, prediction)
    scores = {}
    for name in SCORERS:
        try:
            value = float(metrics.get_scorer(name)(Fixed(p), np.zeros((len(y), 1)), y))
        except ValueError:
            value = math.nan
        scores[name] = value if math.isfinite(value) else None
    flat = {"target": target.ravel().tolist(), "prediction": prediction.ravel().tolist()}
    return {"n_outputs": n_outputs, **flat, "scores": scores}


def probability_case(seed, n_rows, n_classes, sure):
    random = np.random.RandomState(seed)
    p = random.dirichlet(np.full(n_classes, 1.0 / sure), size=n_rows).astype(np.float32)
    return probabilities(random.randint(0, n_classes, size=n_rows), p)


def probabilities(target, p):
    p = np.array(p, dtype=np.float32)
    labels = np.arange(p.shape[1])
    # The probabilities that scikit-learn keeps off 0 and 1, by their precision; then its sum in
    # double precision, beside the one that it makes of them in single.
    eps = np.finfo(p.dtype).eps
    clipped = np.clip(p, eps, 1 - eps).astype(np.float64)
    return {
        "n_classes": p.shape[1],
        "target": np.array(target).tolist(),
        "probabilities": p.ravel().tolist(),
        "neg_log_loss": -metrics.log_loss(target, clipped, labels=labels),
        "single_precision": -metrics.log_loss(target, p, labels=labels),
    }


PROBABILITIES = [
    probability_case(seed, 2 + 5 * seed, 2 + seed % 4, 1.0 + 3 * seed) for seed in range(10)
]
PROBABILITIES += [
    probability_case(10, 300, 3, 40.0),
    probabilities([0], [[0.25, 0.75]]),
    probabilities([0, 1, 1], [[1, 0], [0, 1], [1, 0]]),
    probabilities([0, 1, 2], [[1e-10, 1, 0], [1e-3, 0.999, 0], [1 - 6e-8, 0, 6e-8]]),
    # Rows that do not sum to 1 are taken as they are.
    probabilities([0, 1], [[0.5, 0.25], [0.75, 0.75]]),
]


def main():
    golden = {
        "versions": {"scikit-learn": sklearn.__version__, "numpy": np.__version__},
        "values": [record(*case) for case in CASES],
        "probabilities": PROBABILITIES,
    }
    text = json.dumps(golden, separators=(",", ":")).replace('{"n_', '\n{"n_')
    pathlib.Path(__file__).with_name("value_metrics.json").write_text(text + "\n")


main()
