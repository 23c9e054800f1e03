"""Records conformal sets and intervals, as conformal.json beside this script.

Those of LAC and of absolute residuals are MAPIE's (`pip install mapie==1.6.0` besides scikit-learn).
MAPIE draws the random shares of APS by itself and fits a model of its own for the scales of residuals,
so those are made here, straight from their formulas.
"""

import json
import math
import pathlib
import warnings

import mapie
import numpy as np
import sklearn
from mapie.classification import SplitConformalClassifier
from mapie.regression import SplitConformalRegressor
from scipy.special import softmax
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin

# It would rather see attributes of a fitted model.
warnings.simplefilter("ignore")

ALPHAS = [0.02, 0.05, 0.1, 0.25, 0.5]
MASK = (1 << 64) - 1


class SaysClasses(ClassifierMixin, BaseEstimator):
    """A classifier whose probabilities are its features."""

    def fit(self, x, y):
        self.classes_ = np.arange(x.shape[1])
        return self

    def predict_proba(self, x):
        return x

    def predict(self, x):
        return x.argmax(axis=1)

    def __sklearn_is_fitted__(self):
        return True


class SaysValues(RegressorMixin, BaseEstimator):
    """A regressor whose prediction is its only feature."""

    def fit(self, x, y):
        return self

    def predict(self, x):
        return x[:, 0]

    def __sklearn_is_fitted__(self):
        return True


def quantile(scores, alpha):
    """The ⌈(n + 1)(1 − α)⌉-th lowest, or ∞."""
    rank = math.ceil(round((len(scores) + 1) * (1 - alpha), 9))
    return sorted(scores)[rank - 1] if rank <= len(scores) else math.inf


def mixed(seed, label):
    """The finalizer of SplitMix64, as `stream::derive`."""
    z = seed ^ ((label + 1) * 0x9E3779B97F4A7C15 & MASK)
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 & MASK
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB & MASK
    return z ^ (z >> 31)


def share(row, seed):
    bits = mixed(seed, len(row))
    for p in row:
        bits = mixed(bits, int(np.float64(p).view(np.uint64)))
    return (bits >> 11) / 2.0**53


def aps(row, seed):
    """Scores of all classes: what is more likely, and with a seed a share of the class's own."""
    u = 0.0 if seed is None else share(row, seed)
    return np.array([row[row > p].sum() + u * p for p in row])


def sets(p, y, more, alpha, seed):
    highest = quantile([aps(row, seed)[c] for row, c in zip(p, y)], alpha)
    return [np.flatnonzero(aps(row, seed) <= highest + 1e-12) for row in more]


def in_order(classes, row):
    return [int(c) for c in sorted(classes, key=lambda c: -row[c])]


def draw(random, n_rows, n_classes, sharp):
    logits = random.normal(size=(n_rows, n_classes)) * 1.5
    y = np.array([random.choice(n_classes, p=p) for p in softmax(logits, axis=1)])
    return softmax(sharp * logits, axis=1), y


# Rows, classes, how much too sure.
CASES = [(100, 3, 1.0), (199, 5, 2.0), (60, 10, 0.5), (30, 2, 1.0)]

classes = []
for seed, (n_rows, n_classes, sharp) in enumerate(CASES):
    random = np.random.RandomState(seed)
    p, y = draw(random, n_rows, n_classes, sharp)
    y[:n_classes] = np.arange(n_classes)
    more, _ = draw(random, 40, n_classes, sharp)
    case = {"n_classes": n_classes, "probabilities": p.ravel().tolist(), "target": y.tolist()}
    case |= {"more": more.ravel().tolist(), "sets": []}
    for alpha in ALPHAS:
        # MAPIE refuses what has no finite quantile.
        if alpha * (n_rows + 1) >= 1:
            asked = SplitConformalClassifier(
                SaysClasses().fit(p, y), confidence_level=1 - alpha, conformity_score="lac", prefit=True
            )
            _, found = asked.conformalize(p, y).predict_set(more)
            found = [np.flatnonzero(row[:, 0]) for row in found]
        else:
            found = [np.arange(n_classes)] * len(more)
        case["sets"].append({"spec": {"type": "lac"}, "alpha": alpha, "sets": found})
        for own in [None, 7]:
            spec = {"type": "aps"}
            spec |= {} if own is None else {"randomized": True, "random_state": own}
            found = sets(p, y, more, alpha, own)
            case["sets"].append({"spec": spec, "alpha": alpha, "sets": found})
    for found in case["sets"]:
        found["sets"] = [in_order(s, row) for s, row in zip(found["sets"], more)]
    classes.append(case)

values = []
for seed, n_rows in enumerate([50, 99, 300]):
    random = np.random.RandomState(100 + seed)
    prediction = random.normal(size=n_rows) * 10
    scales = np.exp(random.normal(size=n_rows))
    y = prediction + scales * random.standard_t(4, size=n_rows)
    more, more_scales = random.normal(size=20) * 10, np.exp(random.normal(size=20))
    case = {"predictions": prediction.tolist(), "scales": scales.tolist(), "target": y.tolist()}
    case |= {"more": more.tolist(), "more_scales": more_scales.tolist(), "intervals": []}
    for alpha in ALPHAS:
        asked = SplitConformalRegressor(
            SaysValues().fit(None, None),
            confidence_level=1 - alpha,
            conformity_score="absolute",
            prefit=True,
        )
        asked = asked.conformalize(prediction[:, None], y)
        _, found = asked.predict_interval(more[:, None])
        scaled = quantile(np.abs(y - prediction) / scales, alpha) * more_scales
        case["intervals"].append(
            {
                "alpha": alpha,
                "absolute": found[:, :, 0].tolist(),
                "scaled": np.column_stack([more - scaled, more + scaled]).tolist(),
            }
        )
    values.append(case)

golden = {
    "versions": {
        "mapie": mapie.__version__,
        "scikit-learn": sklearn.__version__,
        "numpy": np.__version__,
    },
    "classes": classes,
    "values": values,
}
path = pathlib.Path(__file__).with_name("conformal.json")
path.write_text(json.dumps(golden, separators=(",", ":")) + "\n")
sizes = [len(s) for c in classes for f in c["sets"] for s in f["sets"]]
print(len(classes), "cases of classes,", len(values), "of values, sets of", min(sizes), "to", max(sizes))
