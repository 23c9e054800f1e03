"""Records the best thresholds of scores, as thresholds.json beside this script.

Each is found by force: every distinct score is tried with scikit-learn's metrics. Where it can be
asked, scikit-learn's `TunedThresholdClassifierCV` with the same thresholds says the same.
"""

import json
import pathlib
import warnings

import numpy as np
import sklearn
from sklearn import metrics
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.model_selection import TunedThresholdClassifierCV

warnings.simplefilter("ignore")


def youden(y, said, sample_weight=None):
    return metrics.balanced_accuracy_score(y, said, sample_weight=sample_weight, adjusted=True)


METRICS = {
    "accuracy": metrics.accuracy_score,
    "balanced_accuracy": metrics.balanced_accuracy_score,
    "f1": metrics.f1_score,
    "jaccard": metrics.jaccard_score,
    "matthews_corrcoef": metrics.matthews_corrcoef,
    "precision": metrics.precision_score,
    "recall": metrics.recall_score,
    "cohen_kappa": metrics.cohen_kappa_score,
    "youden": youden,
}
COSTS = [
    {"false_positive": 1.0, "false_negative": 5.0},
    {"false_positive": 20.0, "false_negative": 1.0},
    {"false_positive": 2.0, "false_negative": 3.0, "true_positive": -4.0, "true_negative": 0.5},
]
SPECS = [
    *({"type": "metric", "metric": name} for name in METRICS),
    *({"type": "cost", **costs} for costs in COSTS),
    *({"type": "precision_at_recall", "recall": r} for r in [0.0, 0.5, 0.9, 1.0]),
    *({"type": "recall_at_precision", "precision": p} for p in [0.0, 0.6, 0.8, 0.99]),
]
NEAR = 1e-12


class Says(ClassifierMixin, BaseEstimator):
    """A classifier whose scores are its only feature."""

    def fit(self, x, y):
        self.classes_ = np.unique(y)
        return self

    def decision_function(self, x):
        return x[:, 0]

    def predict(self, x):
        return (x[:, 0] >= 0).astype(int)


def value(spec, y, said, w):
    """The number asked for, whether more is better, and what decides between equal ones."""
    precision = metrics.precision_score(y, said, sample_weight=w)
    recall = metrics.recall_score(y, said, sample_weight=w)
    if spec["type"] == "metric":
        found = METRICS[spec["metric"]](y, said, sample_weight=w)
        return found, found, 0.0
    if spec["type"] == "cost":
        (tn, fp), (fn, tp) = metrics.confusion_matrix(y, said, labels=[0, 1], sample_weight=w)
        cost = fp * spec["false_positive"] + fn * spec["false_negative"]
        cost += tp * spec.get("true_positive", 0.0) + tn * spec.get("true_negative", 0.0)
        cost /= tn + fp + fn + tp
        return cost, -cost, 0.0
    if spec["type"] == "precision_at_recall":
        return precision, precision if recall >= spec["recall"] else None, recall
    return recall, recall if precision >= spec["precision"] else None, precision


def cut(spec, y, scores, w, threshold):
    said = (scores >= threshold).astype(int)
    found = value(spec, y, said, w)[0]
    (tn, fp), (fn, tp) = metrics.confusion_matrix(y, said, labels=[0, 1], sample_weight=w)
    return {
        "threshold": float(threshold),
        "value": float(found),
        "confusion": {
            "true_negative": float(tn),
            "false_positive": float(fp),
            "false_negative": float(fn),
            "true_positive": float(tp),
        },
    }


def best(spec, y, scores, w):
    """All thresholds that are best but for rounding, the lowest first."""
    counts = np.ones(len(y), bool) if w is None else w > 0
    thresholds = np.unique(scores[counts])
    thresholds = np.append(thresholds, np.nextafter(thresholds[-1], np.inf))
    ranks = []
    for threshold in thresholds:
        _, rank, second = value(spec, y, (scores >= threshold).astype(int), w)
        if rank is not None:
            ranks.append((threshold, rank, second))
    if not ranks:
        return []
    top = max(rank for _, rank, _ in ranks)
    ranks = [found for found in ranks if found[1] >= top - NEAR]
    second = max(second for _, _, second in ranks)
    return [float(threshold) for threshold, _, s in ranks if s >= second - NEAR]


# Rows, share of positive ones, how far apart, decimals, whether of probabilities, weights.
CASES = [
    (80, 0.5, 1.5, None, True, False),
    (120, 0.1, 1.5, 2, True, False),
    (60, 0.8, 1.5, 1, True, True),
    (150, 0.3, 1.5, None, False, True),
    (90, 0.4, 1.5, 0, False, False),
    (100, 0.3, 0.3, 1, True, False),
]

cases = []
n_asked = 0
for seed, (n_rows, share, apart, decimals, probabilities, weighted) in enumerate(CASES):
    random = np.random.RandomState(seed)
    y = (random.uniform(size=n_rows) < share).astype(int)
    scores = random.normal(size=n_rows) * 1.2 + y * apart - 0.8
    scores = 1 / (1 + np.exp(-scores)) if probabilities else scores
    scores = scores if decimals is None else np.round(scores, decimals) + 0.0
    w = random.uniform(0, 2, n_rows) if weighted else None
    if weighted:
        w[random.permutation(n_rows)[:5]] = 0.0
    default = 0.5 if probabilities else 0.0
    found = []
    for spec in SPECS:
        thresholds = best(spec, y, scores, w)
        chosen = cut(spec, y, scores, w, thresholds[0]) if thresholds else None
        if spec["type"] == "metric" and not weighted:
            tuned = TunedThresholdClassifierCV(
                Says(),
                scoring=metrics.make_scorer(METRICS[spec["metric"]]),
                thresholds=np.append(
                    np.unique(scores), np.nextafter(scores.max(), np.inf)
                ),
                cv="prefit",
                refit=False,
            )
            tuned.estimator.fit(scores[:, None], y)
            tuned.fit(scores[:, None], y)
            assert abs(tuned.best_score_ - chosen["value"]) < NEAR, spec
            assert np.isclose(thresholds, tuned.best_threshold_, rtol=0, atol=1e-15).any(), spec
            n_asked += 1
        found.append(
            {
                "spec": spec,
                "thresholds": thresholds,
                "chosen": chosen,
                "default": cut(spec, y, scores, w, default),
            }
        )
    cases.append(
        {
            "target": [bool(v) for v in y],
            "scores": scores.tolist(),
            "weights": None if w is None else w.tolist(),
            "default": default,
            "found": found,
        }
    )

golden = {
    "versions": {"scikit-learn": sklearn.__version__, "numpy": np.__version__},
    "cases": cases,
}
path = pathlib.Path(__file__).with_name("thresholds.json")
path.write_text(json.dumps(golden, separators=(",", ":")) + "\n")
n_none = sum(not f["thresholds"] for c in cases for f in c["found"])
n_ties = sum(len(f["thresholds"]) > 1 for c in cases for f in c["found"])
print(len(cases), "cases,", n_asked, "asked of scikit-learn,", n_none, "without,", n_ties, "ties")
