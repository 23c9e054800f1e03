"""Records what scikit-learn's generators make, for tests/generators.rs.

    python make_generators.py

It writes make_classification.json and real_datasets.json next to itself. A dataset is recorded as
all of its labels, some of its rows and a sum over every column in which each row counts as often as
its position says, so that a row out of place shows. Floats are strings that hold their repr, because
not every JSON parser reads floats to the last bit. The parameters are those of the spec, so they are
read as a request is read.
"""

import json
import math
import pathlib

import numpy
import sklearn
from sklearn.datasets import load_breast_cancer, load_iris, load_wine, make_classification

HERE = pathlib.Path(__file__).parent
DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"

CASES = [
    {},
    # The perceptron example of scikit-learn's users: everything informative.
    dict(n_samples=1000, n_features=10, n_informative=10, n_redundant=0, random_state=1),
    dict(n_samples=1000, n_features=10, n_informative=5, n_redundant=5, random_state=7),
    dict(n_samples=101, n_features=6, random_state=3),
    dict(n_samples=60, n_features=5, n_informative=3, n_classes=3, flip_y=0.0, random_state=42),
    dict(n_samples=90, n_features=8, n_informative=4, n_classes=4, flip_y=0.3, random_state=11),
    dict(n_samples=120, n_features=7, n_informative=5, n_classes=5, n_clusters_per_class=3),
    # Weights: all of them, all but the last, more than rounding can share out, an empty class.
    dict(n_samples=200, weights=[0.9, 0.1], flip_y=0.0, random_state=5),
    dict(n_samples=100, weights=[0.75], random_state=6),
    dict(n_samples=77, n_informative=3, n_classes=3, weights=[0.2, 0.3], flip_y=0.0),
    dict(n_samples=70, n_informative=3, n_classes=3, weights=[0.1, 0.2, 0.3], random_state=8),
    dict(n_samples=1000, n_features=5, n_informative=3, n_classes=3, weights=[0.6, 0.3], flip_y=0.0),
    dict(n_samples=50, weights=[1.0, 0.0], random_state=9),
    # Repeated and redundant features, with and without room for noise.
    dict(n_samples=40, n_features=12, n_informative=3, n_redundant=4, n_repeated=5, random_state=2),
    dict(n_samples=40, n_features=9, n_informative=3, n_redundant=2, n_repeated=3, shuffle=False),
    dict(n_samples=30, n_features=6, n_informative=2, n_redundant=0, n_repeated=4, random_state=4),
    dict(n_samples=80, n_features=6, n_informative=4, hypercube=False, random_state=13),
    dict(n_samples=80, n_features=6, class_sep=2.5, hypercube=False, shuffle=False, random_state=14),
    dict(n_samples=64, n_features=5, class_sep=0.25, random_state=15),
    # Shifts and scales: random, one number, a number for each feature.
    dict(n_samples=40, n_features=5, shift=None, random_state=16),
    dict(n_samples=40, n_features=5, scale=None, random_state=17),
    dict(n_samples=40, n_features=5, shift=None, scale=None, class_sep=1.5, random_state=18),
    dict(n_samples=40, n_features=5, shift=-3, scale=0.5, random_state=19),
    dict(
        n_samples=40,
        n_features=5,
        shift=[1, -2.5, 0, 100, 0.125],
        scale=[1, 2, -3, 0.5, 0],
        random_state=20,
    ),
    # The ways to choose vertices: all of them, nearly all (a reservoir), few (rejection) and more
    # dimensions than one integer has bits.
    dict(n_samples=25, n_features=3, n_informative=1, n_redundant=0, n_clusters_per_class=1),
    dict(
        n_samples=300,
        n_features=8,
        n_informative=8,
        n_redundant=0,
        n_classes=5,
        n_clusters_per_class=51,
        # Its first draw is the largest that the reservoir allows.
        random_state=372,
    ),
    dict(n_samples=60, n_features=12, n_informative=11, n_redundant=1, n_classes=5, random_state=22),
    dict(n_samples=50, n_features=40, n_informative=35, n_redundant=3, random_state=23),
    # The edges: one sample, one class, more clusters than samples, the largest seed, every label
    # drawn anew.
    dict(n_samples=1, n_features=4, random_state=24),
    dict(n_samples=20, n_features=4, n_classes=1, flip_y=1.0, random_state=25),
    dict(n_samples=5, n_features=4, n_informative=4, n_redundant=0, n_classes=5, n_clusters_per_class=3),
    dict(n_samples=50, n_features=4, flip_y=1.0, random_state=2**32 - 1),
]


def record(x, y):
    rows = sorted({*range(min(4, len(x))), len(x) // 2, len(x) - 1})
    return {
        "shape": list(x.shape),
        "labels": "".join(DIGITS[label] for label in y),
        "rows": {str(row): [repr(float(value)) for value in x[row]] for row in rows},
        "weighted_sums": [
            repr(math.fsum(float(value) * (row + 1) for row, value in enumerate(column)))
            for column in x.T
        ],
    }


def made(parameters):
    parameters = {"random_state": 0, **parameters}
    arguments = {
        name: numpy.array(value) if name in ("shift", "scale") and isinstance(value, list) else value
        for name, value in parameters.items()
    }
    x, y = make_classification(**arguments)
    return {"spec": {"type": "make_classification", **parameters}, **record(x, y)}


def write(name, cases):
    versions = {"scikit_learn": sklearn.__version__, "numpy": numpy.__version__}
    lines = ",\n".join(json.dumps(case, separators=(",", ":")) for case in cases)
    (HERE / name).write_text(f'{{"versions":{json.dumps(versions)},"cases":[\n{lines}\n]}}\n')


write("make_classification.json", [made(case) for case in CASES])
write(
    "real_datasets.json",
    [
        {
            "spec": {"type": name},
            "scikit_learn_names": list(map(str, bunch.feature_names)),
            "class_names": list(map(str, bunch.target_names)),
            **record(bunch.data, bunch.target),
        }
        for name, bunch in [
            ("iris", load_iris()),
            ("wine", load_wine()),
            ("breast_cancer", load_breast_cancer()),
        ]
    ],
)
