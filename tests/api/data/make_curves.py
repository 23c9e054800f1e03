"""Learning and validation curves, nested cross-validations and weighted scores, as scikit-learn makes
them.

    python tests/api/data/make_curves.py > tests/api/data/curves.json

Every case is a job's spec, but for its dataset and target, and the scores of each fold at each point.
"""

import json

import numpy as np
import sklearn
from sklearn.datasets import make_classification
from sklearn.linear_model import Perceptron
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    balanced_accuracy_score,
    f1_score,
    matthews_corrcoef,
    roc_auc_score,
)
from sklearn.model_selection import (
    GridSearchCV,
    KFold,
    RepeatedStratifiedKFold,
    StratifiedKFold,
    cross_validate,
    learning_curve,
    validation_curve,
)

X, y = make_classification(
    n_samples=1000, n_features=10, n_informative=10, n_redundant=0, random_state=1
)
SCORING = "balanced_accuracy"


def stratified(n_splits, seed):
    cv = {"type": "stratified_kfold", "n_splits": n_splits, "shuffle": True, "random_state": seed}
    return cv, StratifiedKFold(n_splits, shuffle=True, random_state=seed)


def repeated(n_splits, n_repeats, seed):
    cv = {"type": "repeated_stratified_kfold", "n_splits": n_splits, "n_repeats": n_repeats,
          "random_state": seed}
    return cv, RepeatedStratifiedKFold(n_splits=n_splits, n_repeats=n_repeats, random_state=seed)


def plain(n_splits):
    return {"type": "kfold", "n_splits": n_splits}, KFold(n_splits)


def curve(name, model, cv, spec, n_train, train, test):
    return {"name": name, "model": {"type": "perceptron", **model}, "cv": cv, "curve": spec,
            "scoring": [SCORING], "n_train": n_train,
            "train": np.asarray(train).tolist(), "test": np.asarray(test).tolist()}


def learning(name, sizes, shuffle, seed, cv, model):
    spec = {"type": "learning", "sizes": sizes, "shuffle": shuffle, "random_state": seed}
    if not shuffle:
        del spec["random_state"]
    n_train, train, test = learning_curve(
        Perceptron(**model), X, y, train_sizes=np.array(sizes), cv=cv[1], scoring=SCORING,
        shuffle=shuffle, random_state=seed)
    return curve(name, model, cv[0], spec, n_train.tolist(), train, test)


def validation(name, param, values, cv, model):
    spec = {"type": "validation", "param": f"model.{param}", "values": values}
    train, test = validation_curve(
        Perceptron(**model), X, y, param_name=param, param_range=values, cv=cv[1], scoring=SCORING)
    return curve(name, model, cv[0], spec, None, train, test)


def nested(name, grid, inner, outer, model, metric):
    search = GridSearchCV(Perceptron(**model), grid, cv=inner[1], scoring=metric)
    found = cross_validate(
        search, X, y, cv=outer[1], scoring=SCORING, return_train_score=True, return_estimator=True)
    names = {f"model.{key}": {"choice": values} for key, values in sorted(grid.items())}
    whole = search.fit(X, y)
    return {
        "name": name, "model": {"type": "perceptron", **model}, "cv": outer[0],
        "scoring": [SCORING],
        "search": {"strategy": "grid", "space": names, "metric": metric, "cv": inner[0]},
        "train": found["train_score"].tolist(), "test": found["test_score"].tolist(),
        "chosen": [fold.best_params_ for fold in found["estimator"]],
        "inner": [fold.cv_results_["mean_test_score"].tolist() for fold in found["estimator"]],
        "best": whole.best_params_, "inner_of_all": whole.cv_results_["mean_test_score"].tolist(),
    }


def weighted(name, model, cv, metrics):
    """Scores by scikit-learn's metrics with `sample_weight`, of models that know of no weights."""
    def scores(fitted, rows):
        said, decision = fitted.predict(X[rows]), fitted.decision_function(X[rows])
        return {
            metric: score(y[rows], decision if metric in RANKING else said,
                          sample_weight=WEIGHTS[rows])
            for metric, score in METRICS.items() if metric in metrics
        }
    folds = list(cv[1].split(X, y))
    models = [Perceptron(**model).fit(X[train], y[train]) for train, _ in folds]
    return {
        "name": name, "model": {"type": "perceptron", **model}, "cv": cv[0], "scoring": metrics,
        "test": [scores(fitted, test) for fitted, (_, test) in zip(models, folds)],
        "train": [scores(fitted, train) for fitted, (train, _) in zip(models, folds)],
        "refit": scores(Perceptron(**model).fit(X, y), np.arange(len(y))),
    }


WEIGHTS = np.arange(len(y)) * 7 % 5 / 2
METRICS = {
    "accuracy": accuracy_score, "balanced_accuracy": balanced_accuracy_score, "f1": f1_score,
    "matthews_corrcoef": matthews_corrcoef, "roc_auc": roc_auc_score,
    "average_precision": average_precision_score,
}
RANKING = ["roc_auc", "average_precision"]
CURVES = [
    learning("shares drawn", [0.1, 0.325, 0.55, 0.775, 1.0], True, 3, repeated(10, 3, 1), {}),
    learning("shares in order", [0.05, 0.5, 1.0], False, None, plain(7), {"random_state": 4}),
    learning("rows drawn", [20, 100, 799], True, 0, stratified(5, 2), {"penalty": "l2"}),
    learning("rows in order", [50, 640], False, None, plain(4), {"penalty": "l1"}),
    validation("a number", "alpha", [1e-5, 1e-4, 1e-3, 1e-2], repeated(5, 2, 9), {"penalty": "l2"}),
    validation("a word", "penalty", ["l1", "l2", "elasticnet"], stratified(5, 1), {}),
    validation("a switch", "shuffle", [True, False], plain(6), {}),
    validation("a seed", "random_state", [0, 1, 2], stratified(3, 0), {}),
]
NESTED = [
    nested("seeds and steps", {"alpha": [1e-4, 1e-3], "penalty": ["l1", "l2"]}, plain(3),
           stratified(5, 1), {}, "accuracy"),
    nested("drawn folds", {"eta0": [0.1, 1.0, 10.0], "penalty": ["l2"]}, stratified(4, 7),
           repeated(5, 2, 1), {"random_state": 2}, "roc_auc"),
    nested("many that are alike", {"max_iter": [500, 1000], "tol": [1e-3]}, stratified(3, 5),
           plain(4), {}, "f1"),
]
WEIGHTED = [
    weighted("shuffled folds", {}, stratified(5, 3), list(METRICS)),
    weighted("repeated folds", {"penalty": "l2"}, repeated(4, 2, 1), ["f1", "roc_auc"]),
]
VERSIONS = {"scikit-learn": sklearn.__version__, "numpy": np.__version__}
GOLDEN = {"versions": VERSIONS, "curves": CURVES, "nested": NESTED, "weighted": WEIGHTED}
print(json.dumps(GOLDEN, indent=1))
