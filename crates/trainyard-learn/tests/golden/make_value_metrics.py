"""Records scikit-learn's scores of values and of probabilities, as value_metrics.json beside this script."""

import json
import math
import pathlib
import warnings

import numpy as np
import sklearn
from sklearn import metrics

warnings.simplefilter("ignore")

SCORERS = {
    "r2": metrics.r2_score,
    "explained_variance": metrics.explained_variance_score,
    "neg_mean_squared_error": lambda y, p: -metrics.mean_squared_error(y, p),
    "neg_root_mean_squared_error": lambda y, p: -metrics.root_mean_squared_error(y, p),
    "neg_mean_absolute_error": lambda y, p: -metrics.mean_absolute_error(y, p),
    "neg_median_absolute_error": lambda y, p: -metrics.median_absolute_error(y, p),
    "neg_max_error": lambda y, p: -metrics.max_error(y, p),
}


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
]


def record(target, prediction):
    n_outputs = target.shape[1]
    scores = {}
    for name, score in SCORERS.items():
        if name == "neg_max_error" and n_outputs > 1:
            scores[name] = None
            continue
        y, p = (target[:, 0], prediction[:, 0]) if n_outputs == 1 else (target, prediction)
        value = float(score(y, p))
        scores[name] = None if math.isnan(value) else value
    flat = {"target": target.ravel().tolist(), "prediction": prediction.ravel().tolist()}
    return {"n_outputs": n_outputs, **flat, "scores": scores}


def probability_case(seed, n_rows, n_classes, sure):
    random = np.random.RandomState(seed)
    p = random.dirichlet(np.full(n_classes, 1.0 / sure), size=n_rows).astype(np.float32)
    target = random.randint(0, n_classes, size=n_rows)
    return {
        "n_classes": n_classes,
        "target": target.tolist(),
        "probabilities": [float(v) for v in p.ravel()],
        "neg_log_loss": -float(metrics.log_loss(target, p.astype(np.float64), labels=np.arange(n_classes))),
    }


def main():
    golden = {
        "versions": {"scikit-learn": sklearn.__version__, "numpy": np.__version__},
        "values": [record(*case) for case in CASES],
        "probabilities": [
            probability_case(seed, 2 + 5 * seed, 2 + seed % 4, 1.0 + 3 * seed) for seed in range(10)
        ],
    }
    text = json.dumps(golden, separators=(",", ":")).replace('{"n_', '\n{"n_')
    pathlib.Path(__file__).with_name("value_metrics.json").write_text(text + "\n")


main()
