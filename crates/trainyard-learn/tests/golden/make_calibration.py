"""Records how scikit-learn calibrates scores, as calibration.json beside this script.

The calibrators are fitted as `CalibratedClassifierCV` fits those of one fold: a classifier that says
the recorded scores is frozen and calibrated on them. A case is the scores, classes and weights that
are fitted on, what was fitted, and further scores with the probabilities that come of them.
"""

import json
import pathlib
import warnings

import numpy as np
import scipy
import sklearn
from scipy.special import softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import _fit_calibrator
from sklearn.metrics import brier_score_loss

warnings.simplefilter("ignore")


class Says(ClassifierMixin, BaseEstimator):
    """A classifier of which the scores are its features."""

    def __init__(self, kind="probability", n_columns=1):
        self.kind = kind
        self.n_columns = n_columns

    def fit(self, x, y):
        self.classes_ = np.arange(max(2, self.n_columns))
        if self.kind == "decision":
            self.decision_function = self.say_decision
        return self

    def say_decision(self, x):
        return x[:, 0] if self.n_columns == 1 else x

    def predict_proba(self, x):
        return np.column_stack([1 - x[:, 0], x[:, 0]]) if self.n_columns == 1 else x


def fit(method, kind, scores, y, weights):
    n_columns = scores.shape[1]
    n_classes = max(2, n_columns)
    model = Says(kind, n_columns).fit(scores, y)
    # What `_get_response_values` makes of a classifier's scores: of two classes the second's.
    of_second = n_columns == 2 and kind == "probability"
    said = scores[:, 1:] if of_second else scores
    fitted = _fit_calibrator(
        model, said, y, np.arange(n_classes), method, np, sample_weight=weights
    )
    return fitted


def what(method, calibrator):
    if method == "sigmoid":
        return {"a": float(calibrator.a_), "b": float(calibrator.b_)}
    if method == "isotonic":
        return {
            "thresholds": [float(v) for v in calibrator.X_thresholds_],
            "values": [float(v) for v in calibrator.y_thresholds_],
        }
    return {"temperature": float(1 / calibrator.beta_)}


def quality(probabilities, y, weights):
    n_classes = probabilities.shape[1]
    top = probabilities.argmax(axis=1)
    confidence = probabilities.astype(np.float32)[np.arange(len(y)), top].astype(float)
    w = np.ones(len(y)) if weights is None else weights
    bins = np.clip(np.ceil(confidence * 10).astype(int), 1, 10)
    error = sum(
        abs((w * ((top == y) - confidence))[bins == b].sum()) for b in range(1, 11)
    ) / w.sum()
    eps = np.finfo(np.float32).eps
    one_hot = np.eye(n_classes)[y]
    return {
        "expected_calibration_error": float(error),
        "log_loss": float(
            -np.average(
                np.log(np.clip(probabilities, eps, 1 - eps)[np.arange(len(y)), y]), weights=w
            )
        ),
        "brier_score": float(
            brier_score_loss(y, probabilities[:, 1], sample_weight=w)
            if n_classes == 2
            else np.average(((probabilities - one_hot) ** 2).sum(axis=1), weights=w)
        ),
    }


def draw(random, n_rows, n_columns, kind, sharp):
    """Scores that are too sure by `sharp`, and classes as sure as they should be."""
    n_classes = max(2, n_columns)
    logits = random.normal(size=(n_rows, n_classes)) * 1.5
    y = np.array([random.choice(n_classes, p=p) for p in softmax(logits, axis=1)])
    logits = logits * sharp
    if kind == "probability":
        p = softmax(logits, axis=1)
        return (p[:, 1:] if n_columns == 1 else p), y
    if n_columns == 1:
        return logits[:, 1:] - logits[:, :1], y
    return logits, y


# Columns, kind, rows, how far too sure, decimals that the scores are rounded to, weights.
CASES = [
    (1, "decision", 200, 1.0, None, False),
    (1, "decision", 150, 60.0, None, True),
    (1, "decision", 300, 0.01, 3, True),
    (1, "probability", 200, 3.0, None, False),
    (1, "probability", 120, 0.4, 1, True),
    (2, "probability", 250, 2.5, 2, True),
    (3, "probability", 200, 3.0, None, False),
    (3, "probability", 150, 0.3, None, True),
    (3, "decision", 180, 2.0, 1, True),
    (5, "decision", 400, 4.0, None, False),
    (4, "decision", 90, 1e4, None, False),
]

cases = []
for seed, (n_columns, kind, n_rows, sharp, decimals, weighted) in enumerate(CASES):
    random = np.random.RandomState(seed)
    scores, y = draw(random, n_rows, n_columns, kind, sharp)
    more, y_more = draw(random, 60, n_columns, kind, 1.5 * sharp)
    weights = random.uniform(0, 3, n_rows) if weighted else None
    if weighted:
        weights[random.permutation(n_rows)[:7]] = 0.0
    if decimals is not None:
        if n_columns > 1 and kind == "probability":
            # Ties, with rows that still sum to 1.
            scores[:, 1] = np.round(scores[:, 1], decimals)
            scores[:, 0] = 1 - scores[:, 1]
        else:
            scores = np.round(scores, decimals)
    for method in ["sigmoid", "isotonic", "temperature"]:
        fitted = fit(method, kind, scores, y, weights)
        calibrated = fitted.predict_proba(more)
        say = fitted.predict_proba(scores)
        shape = (lambda p: p[:, 1:]) if n_columns == 1 else (lambda p: p)
        before = None
        if kind == "probability":
            before = quality(Says(kind, n_columns).predict_proba(scores), y, weights)
        cases.append(
            {
                "method": method,
                "kind": kind,
                "n_columns": n_columns,
                "scores": scores.ravel().tolist(),
                "target": y.tolist(),
                "weights": None if weights is None else weights.tolist(),
                "fitted": [what(method, c) for c in fitted.calibrators],
                "more": more.ravel().tolist(),
                "calibrated": shape(calibrated).ravel().tolist(),
                "before": before,
                "after": quality(say, y, weights),
            }
        )

# A row of which every class gets 0 is said to be of each with the same probability.
scores = 7.0 * np.array([[2, 3, 5], [7, 2, 1], [1, 8, 1], [1, 1, 8]] * 3)
y = np.array([2, 0, 1, 2] * 3)
more = 7.0 * np.array([[3, 4, 3], [1.5, 2, 6.5], [6.9, 3, 0.1], [1, 3, 1]])
for method in ["sigmoid", "isotonic", "temperature"]:
    calibrated = fit(method, "decision", scores, y, None).predict_proba(more)
    cases.append(
        {
            "method": method,
            "kind": "decision",
            "n_columns": 3,
            "scores": scores.ravel().tolist(),
            "target": y.tolist(),
            "weights": None,
            "fitted": None,
            "more": more.ravel().tolist(),
            "calibrated": calibrated.ravel().tolist(),
            "before": None,
            "after": None,
        }
    )
    if method == "isotonic":
        assert (calibrated[-1] == 1 / 3).all()

golden = {
    "versions": {
        "scikit-learn": sklearn.__version__,
        "scipy": scipy.__version__,
        "numpy": np.__version__,
    },
    "cases": cases,
}
path = pathlib.Path(__file__).with_name("calibration.json")
path.write_text(json.dumps(golden, separators=(",", ":")) + "\n")
print(len(cases), "cases")
