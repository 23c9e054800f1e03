"""Records what scikit-learn's StandardScaler finds, as scale.json beside this script."""

import json
import pathlib

import numpy as np
import sklearn
from sklearn.preprocessing import StandardScaler


def normal(seed, n_rows, centres, widths):
    random = np.random.RandomState(seed)
    return random.normal(size=(n_rows, len(centres))) * np.array(widths) + np.array(centres)


def constants(n_rows, values):
    """Columns of one value each, and one of them off by the least there is."""
    x = np.tile(np.array(values, dtype=float), (n_rows, 1))
    x[n_rows // 2, -1] = np.nextafter(x[0, -1], np.inf)
    return x


# A matrix, and how many of its rows, drawn at random, to fit on.
CASES = [
    (normal(0, 12, [0, 5, -3], [1, 2, 0.5]), 12),
    (normal(1, 40, [0.1], [1]), 25),
    (normal(2, 300, [1e6, -1e8, 1e-9, 1e12], [1, 10, 1e-12, 1e-3]), 200),
    (normal(3, 57, [0, 0, 0], [1e150, 1e-150, 1e-300]), 57),
    (normal(4, 1, [1, 2, 3], [1, 1, 1]), 1),
    (normal(5, 2, [1, 2, 3], [1, 1e-16, 0]), 2),
    (constants(10, [0.1, 0.3, 1e140, 1e-300, 0, -7, 1.1]), 10),
    (constants(101, [0.1, 0.3, 1e15, 1e-8, 1 / 3, 0.7]), 101),
    (np.column_stack([np.arange(30) % 2, np.arange(30) == 7, np.arange(30)]).astype(float), 20),
]


def record(seed, x, n_fitted):
    rows = np.random.RandomState(seed).permutation(len(x))[:n_fitted]
    scaler = StandardScaler().fit(x[rows])
    scaled = scaler.transform(x)
    return {
        "n_features": x.shape[1],
        "x": x.ravel().tolist(),
        "rows": rows.tolist(),
        "mean": scaler.mean_.tolist(),
        "scale": scaler.scale_.tolist(),
        "scaled": scaled.ravel().tolist(),
    }


def main():
    golden = {
        "versions": {"scikit-learn": sklearn.__version__, "numpy": np.__version__},
        "cases": [record(seed, *case) for seed, case in enumerate(CASES)],
    }
    text = json.dumps(golden, separators=(",", ":")).replace('{"n_', '\n{"n_')
    pathlib.Path(__file__).with_name("scale.json").write_text(text + "\n")


main()
