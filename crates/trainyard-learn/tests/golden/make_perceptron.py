"""Records what scikit-learn's Perceptron learns, as perceptron.json beside this script."""

import contextlib
import io
import json
import pathlib
import re
import warnings

import numpy as np
import sklearn
from sklearn.datasets import make_classification
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import Perceptron
from sklearn.model_selection import RepeatedStratifiedKFold, cross_val_score

LABELS = np.array(["ant", "bee", "cat", "dog", "elk"])
N_DECISIONS = 8


def classes(n_rows, n_features, n_classes, seed, scale=1.0, weights=None, **options):
    x, y = make_classification(
        n_rows,
        n_features,
        n_informative=n_features - 1,
        n_redundant=0,
        n_classes=n_classes,
        n_clusters_per_class=1,
        weights=weights,
        random_state=seed,
        **options,
    )
    return np.round(x * scale, 4), y


def lattice(seed):
    """Small integers, whose scores tie and fall on the boundary."""
    random = np.random.RandomState(seed)
    x = random.randint(-3, 4, size=(160, 5)).astype(float)
    y = (x @ [2, -1, 1, 0, -2] + random.randint(-2, 3, size=160) > 0).astype(int)
    return x, y


benchmark = make_classification(1000, 10, n_informative=10, n_redundant=0, random_state=1)

DATA = {
    "two": classes(220, 6, 2, 3, class_sep=0.6),
    "two_uneven": classes(200, 5, 2, 5, weights=[0.85], flip_y=0.05),
    "two_wide": classes(120, 30, 2, 6),
    "two_scaled": classes(150, 4, 2, 8, scale=100.0, class_sep=0.5),
    "two_separable": classes(150, 4, 2, 11, class_sep=3.0, flip_y=0.0),
    "lattice": lattice(4),
    "three": classes(210, 5, 3, 7, class_sep=0.8),
    "four_uneven": classes(240, 6, 4, 9, weights=[0.5, 0.25, 0.15]),
    "five": classes(250, 8, 5, 10),
    "benchmark": benchmark,
}

elastic = {"penalty": "elasticnet"}
early = {"early_stopping": True}

CASES = [
    ("two", {}),
    ("two", {"random_state": 7}),
    ("two", {"random_state": 4294967295}),
    ("two", {"shuffle": False}),
    ("two", {"fit_intercept": False}),
    ("two", {"eta0": 0.01}),
    ("two", {"eta0": 0.3, "tol": 1e-4}),
    ("two", {"eta0": 12.5}),
    ("two", {"tol": None, "max_iter": 25}),
    ("two", {"tol": 0.0, "max_iter": 60}),
    ("two", {"tol": 0.5}),
    ("two", {"max_iter": 1}),
    ("two", {"max_iter": 3}),
    ("two", {"n_iter_no_change": 1}),
    ("two", {"n_iter_no_change": 20}),
    ("two", {"penalty": "l2"}),
    ("two", {"penalty": "l2", "alpha": 0.05}),
    ("two", {"penalty": "l2", "alpha": 0.4, "eta0": 2.0}),
    ("two", {"penalty": "l2", "alpha": 1.0}),
    ("two", {"penalty": "l2", "alpha": 3.0}),
    ("two", {"penalty": "l2", "alpha": 0.0}),
    ("two", {"penalty": "l1"}),
    ("two", {"penalty": "l1", "alpha": 0.01}),
    ("two", {"penalty": "l1", "alpha": 0.3}),
    ("two", elastic),
    ("two", {**elastic, "alpha": 0.01, "l1_ratio": 0.5}),
    ("two", {**elastic, "alpha": 0.02, "l1_ratio": 0.0}),
    ("two", {**elastic, "alpha": 0.02, "l1_ratio": 1.0}),
    ("two", {**elastic, "alpha": 0.1, "l1_ratio": 0.9, "fit_intercept": False}),
    ("two", early),
    ("two", {**early, "random_state": 3, "validation_fraction": 0.25}),
    ("two", {**early, "n_iter_no_change": 2, "validation_fraction": 0.5}),
    ("two", {**early, "tol": None, "max_iter": 12}),
    ("two", {**early, "tol": 0.0, "max_iter": 40, "eta0": 0.1}),
    ("two", {**early, "penalty": "l2", "alpha": 0.01, "n_iter_no_change": 9}),
    ("two", {**early, **elastic, "alpha": 0.005, "l1_ratio": 0.3, "tol": 0.01}),
    ("two", {"class_weight": "balanced", "n_iter_no_change": 8}),
    ("two", {"class_weight": {"ant": 2.5, "bee": 0.5}}),
    ("two", {"class_weight": {"bee": 0.0}, "max_iter": 30}),
    ("two", {**elastic, "alpha": 0.05, "l1_ratio": 0.6, "class_weight": {"bee": 0.0}}),
    ("two_uneven", {}),
    ("two_uneven", {"class_weight": "balanced"}),
    ("two_uneven", {"class_weight": {"bee": 6.0}, "penalty": "l1", "alpha": 0.001}),
    ("two_uneven", {**early, "class_weight": "balanced", "validation_fraction": 0.07}),
    ("two_wide", {}),
    ("two_wide", {**elastic, "alpha": 0.003, "random_state": 21}),
    ("two_wide", {**early, "validation_fraction": 0.9}),
    ("two_scaled", {}),
    ("two_scaled", {"penalty": "l2", "alpha": 0.001, "eta0": 0.1}),
    ("two_scaled", {"penalty": "l2", "alpha": 0.01, "shuffle": False}),
    ("two_separable", {}),
    ("two_separable", {**early, "tol": 0.0, "max_iter": 30}),
    ("two_separable", {"penalty": "l1", "alpha": 0.001, "n_iter_no_change": 3}),
    ("lattice", {}),
    ("lattice", {"shuffle": False, "fit_intercept": False}),
    ("lattice", {"penalty": "l1", "alpha": 0.0625, "eta0": 0.5}),
    ("lattice", {**early, "random_state": 11}),
    ("three", {}),
    ("three", {"random_state": 5, "penalty": "l2", "alpha": 0.002}),
    ("three", {"class_weight": {"ant": 0.2, "cat": 3.0}}),
    ("three", {**early, "validation_fraction": 0.2}),
    ("three", {"tol": None, "max_iter": 7, "eta0": 0.05}),
    ("four_uneven", {}),
    ("four_uneven", {"class_weight": "balanced", "random_state": 13}),
    ("four_uneven", {**elastic, "alpha": 0.004, "l1_ratio": 0.7}),
    ("four_uneven", {**early, "class_weight": "balanced", "n_iter_no_change": 3}),
    ("five", {}),
    ("five", {"penalty": "l1", "alpha": 0.002, "shuffle": False}),
    ("five", {"max_iter": 4, "fit_intercept": False}),
    ("five", {**early, "validation_fraction": 0.33, "random_state": 2}),
    ("benchmark", {}),
    ("benchmark", {"penalty": "l2", "alpha": 0.001, "random_state": 99}),
    ("two_scaled", {"eta0": 1e300}),
    # These raise.
    ("two_scaled", {"eta0": 3e307, "penalty": "l2", "alpha": 0.0}),
    ("two", {"eta0": 5e307, "n_iter_no_change": 50}),
    ("two_uneven", {**early, "validation_fraction": 0.002}),
    ("five", {**early, "validation_fraction": 0.99}),
]


def error_of(error):
    message = str(error)
    if "overflow" in message:
        return {"kind": "diverged", "epoch": int(message.split("#")[1].split(".")[0])}
    assert "number of classes" in message, message
    return {"kind": "too_few_rows"}


def run(name, params):
    x, y = DATA[name]
    case = {"data": name, "params": params}
    model = Perceptron(**params, verbose=1)
    log = io.StringIO()
    with warnings.catch_warnings(record=True) as caught, contextlib.redirect_stdout(log):
        warnings.simplefilter("always")
        try:
            model.fit(x, LABELS[y])
        except ValueError as error:
            return {**case, "error": error_of(error)}
    decisions = model.decision_function(x[:N_DECISIONS]).reshape(N_DECISIONS, -1)
    predictions = np.searchsorted(LABELS, model.predict(x))
    return {
        **case,
        "coef": model.coef_.tolist(),
        "intercept": model.intercept_.tolist(),
        "n_iter": int(model.n_iter_),
        "converged": not any(w.category is ConvergenceWarning for w in caught),
        # Of all epochs, one weight vector after the other.
        "objectives": list(map(float, re.findall(r"Objective: ([\d.]+)", log.getvalue()))),
        "decisions": decisions.tolist(),
        "predictions": "".join(map(str, predictions)),
    }


def cross_validation():
    x, y = benchmark
    folds = RepeatedStratifiedKFold(n_splits=10, n_repeats=3, random_state=1)
    scores = cross_val_score(Perceptron(), x, y, scoring="accuracy", cv=folds)
    return {"data": "benchmark", "scores": scores.tolist()}


def main():
    golden = {
        "versions": {"scikit-learn": sklearn.__version__, "numpy": np.__version__},
        "labels": LABELS.tolist(),
        "data": {
            name: {"x": x.tolist(), "y": "".join(map(str, y))} for name, (x, y) in DATA.items()
        },
        "cases": [run(name, params) for name, params in CASES],
        "cross_validation": cross_validation(),
    }
    text = json.dumps(golden, separators=(",", ":")).replace('{"data":', '\n{"data":')
    pathlib.Path(__file__).with_name("perceptron.json").write_text(text + "\n")


main()
