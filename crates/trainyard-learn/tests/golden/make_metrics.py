"""Records scikit-learn's classification scores, as metrics.json beside this script."""

import json
import pathlib
import warnings

import numpy as np
import sklearn
from sklearn.metrics import get_scorer

warnings.simplefilter("ignore")

SCORERS = [
    "accuracy",
    "balanced_accuracy",
    "f1_macro",
    "f1_weighted",
    "f1_micro",
    "precision_macro",
    "precision_weighted",
    "recall_macro",
    "recall_weighted",
]


class Fixed:
    """A classifier that has made its predictions already."""

    _estimator_type = "classifier"

    def __init__(self, prediction):
        self.prediction = prediction
        self.classes_ = np.unique(prediction)

    def fit(self, x, y):
        return self

    def predict(self, x):
        return self.prediction

    def __sklearn_tags__(self):
        from sklearn.base import ClassifierMixin, BaseEstimator

        class Any(ClassifierMixin, BaseEstimator):
            pass

        return Any().__sklearn_tags__()


def random_case(seed, n_rows, n_classes, accuracy, target_classes=None, predicted_classes=None):
    random = np.random.RandomState(seed)
    targets = np.arange(n_classes) if target_classes is None else np.array(target_classes)
    guesses = np.arange(n_classes) if predicted_classes is None else np.array(predicted_classes)
    share = random.dirichlet(np.ones(len(targets)))
    target = random.choice(targets, size=n_rows, p=share)
    guess = random.choice(guesses, size=n_rows)
    knows = random.uniform(size=n_rows) < accuracy
    if predicted_classes is not None:
        knows &= np.isin(target, guesses)
    return n_classes, target, np.where(knows, target, guess)


def by_hand(n_classes, target, prediction):
    return n_classes, np.array(target), np.array(prediction)


CASES = [random_case(seed, 40 + 17 * seed, 2 + seed % 5, 0.1 * (seed % 10)) for seed in range(20)]
CASES += [
    # A class that is never predicted.
    random_case(20, 90, 3, 0.6, predicted_classes=[0, 2]),
    random_case(21, 120, 5, 0.7, predicted_classes=[1, 3, 4]),
    # A class that is only predicted.
    random_case(22, 80, 4, 0.5, target_classes=[0, 1, 3]),
    random_case(23, 60, 2, 0.5, target_classes=[1]),
    # A class in neither.
    random_case(24, 70, 6, 0.8, target_classes=[0, 2, 5], predicted_classes=[0, 2, 5]),
    random_case(25, 100, 4, 0.4, target_classes=[0, 1], predicted_classes=[1, 2]),
    by_hand(2, [0], [0]),
    by_hand(2, [0], [1]),
    by_hand(2, [1, 1, 1], [1, 1, 1]),
    by_hand(2, [0, 0, 0], [1, 1, 1]),
    by_hand(3, [0, 1, 2], [0, 1, 2]),
    by_hand(3, [0, 1, 2], [1, 2, 0]),
    by_hand(5, [4, 4, 0, 0], [4, 0, 0, 2]),
]


def record(n_classes, target, prediction):
    model = Fixed(prediction)
    x = np.zeros((len(target), 1))
    return {
        "n_classes": n_classes,
        "target": "".join(map(str, target)),
        "prediction": "".join(map(str, prediction)),
        "scores": {name: float(get_scorer(name)(model, x, target)) for name in SCORERS},
    }


def main():
    golden = {
        "versions": {"scikit-learn": sklearn.__version__, "numpy": np.__version__},
        "cases": [record(*case) for case in CASES],
    }
    text = json.dumps(golden, separators=(",", ":")).replace('{"n_classes":', '\n{"n_classes":')
    pathlib.Path(__file__).with_name("metrics.json").write_text(text + "\n")


main()
