"""Records scikit-learn's scores with ties, weights and labels, and its curves, as scorers.json
beside this script."""

import json
import math
import pathlib
import warnings

import numpy as np
import sklearn
from sklearn import metrics as m
from sklearn.calibration import calibration_curve
from sklearn.exceptions import UndefinedMetricWarning

warnings.simplefilter("ignore")

AVERAGED = {
    "f1": m.f1_score,
    "precision": m.precision_score,
    "recall": m.recall_score,
    "jaccard": m.jaccard_score,
}


def safe(score, *args, **options):
    try:
        value = float(score(*args, **options))
    except (ValueError, ZeroDivisionError):
        return None
    return value if math.isfinite(value) else None


def warned(y, said, averages, w):
    """The scores that scikit-learn warns of, for they divide by nothing."""
    names = []
    for name, score in AVERAGED.items():
        for average in averages:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                score(y, said, average=average, sample_weight=w)
            if any(issubclass(c.category, UndefinedMetricWarning) for c in caught):
                names.append(name if average == "binary" else f"{name}_{average}")
    return names


def expected_calibration_error(y, said, p, w):
    """Ten bins of equal width, each with its upper end."""
    w = np.ones(len(y)) if w is None else w
    sure = p[np.arange(len(y)), said]
    bins = np.digitize(sure, np.arange(1, 10) / 10, right=True)
    gaps = [
        abs(np.average(y[b] == said[b], weights=w[b]) - np.average(sure[b], weights=w[b]))
        * w[b].sum()
        for b in (bins == i for i in range(10))
        if b.any() and w[b].sum() > 0
    ]
    return sum(gaps) / w.sum()


def of_classes(y, said, p, decision, w):
    k = p.shape[1] if p is not None else max(2, decision.shape[1])
    labels = np.arange(k)
    options = {"sample_weight": w}
    found = {
        "accuracy": safe(m.accuracy_score, y, said, **options),
        "balanced_accuracy": safe(m.balanced_accuracy_score, y, said, **options),
        "matthews_corrcoef": safe(m.matthews_corrcoef, y, said, **options),
        "cohen_kappa": safe(m.cohen_kappa_score, y, said, **options),
    }
    for name, score in AVERAGED.items():
        for average in ["macro", "micro", "weighted"]:
            found[f"{name}_{average}"] = safe(
                score, y, said, average=average, zero_division=0, **options
            )
        if k == 2:
            found[name] = safe(score, y, said, zero_division=0, **options)
    exact = p.astype(np.float64) if p is not None else decision
    if k == 2:
        by = exact[:, -1]
        found["roc_auc"] = safe(m.roc_auc_score, y, by, **options)
        found["average_precision"] = safe(m.average_precision_score, y, by, **options)
        found["top_k_accuracy"] = safe(m.top_k_accuracy_score, y, by, labels=labels, **options)
    else:
        found["average_precision"] = safe(m.average_precision_score, y, exact, **options)
        found["top_k_accuracy"] = safe(m.top_k_accuracy_score, y, exact, labels=labels, **options)
    if p is None:
        return found
    for how in ["ovr", "ovo"]:
        for suffix, average in [("", "macro"), ("_weighted", "weighted")]:
            found[f"roc_auc_{how}{suffix}"] = safe(
                m.roc_auc_score, y, exact[:, 1] if k == 2 else exact, multi_class=how,
                average=average, sample_weight=w if how == "ovr" else None,
            )
            # Scores of pairs take no weights.
            if how == "ovo" and w is not None:
                found[f"roc_auc_{how}{suffix}"] = None
    eps = np.finfo(np.float32).eps
    clipped = np.clip(p, eps, 1 - eps).astype(np.float64)
    several = len(np.unique(y if w is None else y[w > 0])) > 1
    found["neg_log_loss"] = -m.log_loss(y, clipped, labels=labels, **options)
    found["d2_log_loss_score"] = (
        safe(m.d2_log_loss_score, y, clipped, labels=labels, **options) if several else None
    )
    if k == 2:
        by, which = exact[:, 1], {"pos_label": 1}
    else:
        by, which = exact, {"labels": labels}
    found["neg_brier_score"] = -m.brier_score_loss(y, by, **which, **options)
    found["d2_brier_score"] = (
        safe(m.d2_brier_score, y, by, **which, **options) if several else None
    )
    found["neg_expected_calibration_error"] = -expected_calibration_error(y, said, exact, w)
    return found


def flat(values):
    return None if values is None else np.asarray(values).ravel().tolist()


def class_case(seed, target_classes=None, n_rows=None):
    random = np.random.RandomState(seed)
    k = 2 + seed % 4
    n = n_rows or 6 + 2 * seed % 37
    y = random.choice(target_classes or np.arange(k), size=n)
    raw = random.randint(0, 8, size=(n, k)) if seed % 3 else 4 * random.uniform(size=(n, k))
    raw = raw + 2.0 * (np.arange(k) == y[:, None])
    p = (raw + 0.125).astype(np.float64)
    p = (p / p.sum(axis=1, keepdims=True)).astype(np.float32)
    decision = None
    if seed % 5 == 4:
        decision = raw[:, 1:] - raw[:, :1] if k == 2 else raw
        said = (decision[:, 0] > 0).astype(int) if k == 2 else raw.argmax(axis=1)
        p = None
    else:
        said = p.argmax(axis=1)
    if seed % 11 == 3:
        said = np.full(n, seed % k)
    w = None
    if seed % 2:
        w = random.randint(0, 5, size=n) * 0.5 if seed % 4 == 1 else random.uniform(0.1, 2, size=n)
        w[0] = 1.0
    exact = p.astype(np.float64) if p is not None else decision
    three = k > 3 and safe(
        m.top_k_accuracy_score, y, exact, k=3, labels=np.arange(k), sample_weight=w
    )
    return {
        "top_three": three if k > 3 else None,
        "n_classes": k, "target": flat(y), "prediction": flat(said), "probabilities": flat(p),
        "decision": flat(decision), "weights": flat(w),
        "scores": of_classes(y, said, p, decision, w),
        "warned": warned(
            y, said, ["macro", "micro", "weighted"] + ["binary"] * (k == 2), w
        ),
    }


def label_case(seed):
    random = np.random.RandomState(seed)
    n, k = 3 + seed % 29, 2 + seed % 4
    y = random.uniform(size=(n, k)) < 0.4
    by = random.randint(0, 6, size=(n, k)) / 4.0 + 0.5 * y
    said = by > 0.8
    if seed % 7 == 0:
        y[:, 0] = False
    w = random.uniform(0.1, 2, size=n) if seed % 2 else None
    found = {
        "accuracy": m.accuracy_score(y, said, sample_weight=w),
        "roc_auc": safe(m.roc_auc_score, y, by, sample_weight=w),
        "average_precision": safe(m.average_precision_score, y, by, sample_weight=w),
    }
    for name, score in AVERAGED.items():
        for average in ["macro", "micro", "weighted", "samples"]:
            found[f"{name}_{average}"] = safe(
                score, y, said, average=average, zero_division=0, sample_weight=w
            )
    return {"n_labels": k, "target": flat(y), "prediction": flat(said), "decision": flat(by),
            "weights": flat(w), "scores": found,
            "warned": warned(y, said, ["macro", "micro", "weighted", "samples"], w)}


VALUES = {
    "r2": m.r2_score, "explained_variance": m.explained_variance_score,
    "neg_mean_squared_error": m.mean_squared_error,
    "neg_root_mean_squared_error": m.root_mean_squared_error,
    "neg_mean_absolute_error": m.mean_absolute_error,
    "neg_median_absolute_error": m.median_absolute_error,
    "neg_mean_absolute_percentage_error": m.mean_absolute_percentage_error,
    "neg_mean_squared_log_error": m.mean_squared_log_error,
    "neg_root_mean_squared_log_error": m.root_mean_squared_log_error,
    "neg_mean_pinball_loss": m.mean_pinball_loss,
    "neg_mean_poisson_deviance": m.mean_poisson_deviance,
    "neg_mean_gamma_deviance": m.mean_gamma_deviance,
    "d2_absolute_error_score": m.d2_absolute_error_score,
    "d2_pinball_score": m.d2_pinball_score,
    "d2_tweedie": m.d2_tweedie_score,
}


def value_case(seed):
    random = np.random.RandomState(seed)
    n, k = 1 + seed % 31, 1 + (seed % 4 == 3)
    y = random.randint(0, 6, size=(n, k)) + (random.uniform(size=(n, k)) if seed % 3 else 0.0)
    said = np.abs(y + random.normal(size=(n, k))) + (0.25 if seed % 5 else -0.5)
    # With weights scikit-learn takes a constant target for one that rounding makes vary.
    if seed % 26 == 18:
        y[:] = 2.5
    if seed % 17 == 4:
        y[0] = -2.0
    w = None
    if seed % 2:
        w = random.randint(0, 4, size=n) * 0.5 if seed % 4 == 1 else random.uniform(0.1, 2, size=n)
        w[0] = 1.0
    first = (y[:, 0], said[:, 0]) if k == 1 else (y, said)
    found = {}
    for name, score in VALUES.items():
        value = safe(score, *first, sample_weight=w)
        found[name] = -value if value is not None and name.startswith("neg_") else value
    high, low = (
        -m.mean_pinball_loss(*first, alpha=alpha, sample_weight=w) for alpha in (0.9, 0.25)
    )
    return {"pinball": [high, low], "n_outputs": k, "target": flat(y), "prediction": flat(said), "weights": flat(w),
            "scores": found}


def curve_case(seed):
    random = np.random.RandomState(seed)
    n = 5 + 3 * seed
    y = random.uniform(size=n) < 0.5
    y[:2] = [True, False]
    p = random.uniform(size=n) if seed % 2 else random.randint(0, 9, size=n) / 8
    w = random.randint(1, 4, size=n).astype(float) if seed % 3 == 1 else None
    roc = {
        str(drop).lower(): [list(map(float, a)) for a in m.roc_curve(
            y, p, sample_weight=w, drop_intermediate=drop)]
        for drop in [True, False]
    }
    for curve in roc.values():
        curve[2] = curve[2][1:]  # The first is infinite.
    return {
        "target": flat(y), "score": flat(p), "weights": flat(w), "roc": roc,
        "precision_recall": [flat(a) for a in m.precision_recall_curve(y, p, sample_weight=w)],
        "confusion": flat(m.confusion_matrix(y, p > 0.5, sample_weight=w)),
        "uniform": [flat(a) for a in calibration_curve(y, p, n_bins=5)],
        "quantile": [flat(a) for a in calibration_curve(y, p, n_bins=4, strategy="quantile")],
    }


def main():
    classes = [class_case(seed) for seed in range(140)]
    # A class that no row has, rows of one class, a single row.
    classes += [class_case(seed, target_classes=[0, 1]) for seed in range(140, 160)]
    classes += [class_case(seed, target_classes=[1]) for seed in range(160, 170)]
    classes += [class_case(seed, n_rows=1) for seed in range(170, 180)]
    golden = {
        "versions": {"scikit-learn": sklearn.__version__, "numpy": np.__version__},
        "classes": classes,
        "labels": [label_case(seed) for seed in range(60)],
        "values": [value_case(seed) for seed in range(120)],
        "curves": [curve_case(seed) for seed in range(24)],
    }
    text = json.dumps(golden, separators=(",", ":")).replace('{"n_', '\n{"n_').replace('{"top', '\n{"top').replace('{"pin', '\n{"pin')
    pathlib.Path(__file__).with_name("scorers.json").write_text(text + "\n")


main()
