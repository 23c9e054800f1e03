"""Records what scikit-learn's scalers make of targets and of predictions brought back, as
target_transform.json beside this script.

A case is a transform, a target of two columns, the training rows, all rows transformed, and
predictions with what `inverse_transform` makes of them (null where that is no number).
"""

import json
import pathlib
import warnings

import numpy as np
import scipy
import sklearn
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    PowerTransformer,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
)

warnings.simplefilter("ignore")

N = 40
random = np.random.RandomState(11)
Y = np.column_stack([np.exp(random.normal(4, 1, N)), random.normal(-3, 2, N)])
POSITIVE = np.column_stack([Y[:, 0], np.abs(Y[:, 1]) + 0.5])
TRAIN = [int(row) for row in random.permutation(N)[:27]]
PREDICTIONS = np.column_stack([np.linspace(-3, 3, 25), np.linspace(6, -6, 25)])


def quantile(**arguments):
    # With one value more than training rows, scikit-learn would warn and take as many as there are.
    return QuantileTransformer(**{"n_quantiles": len(TRAIN), **arguments})


log1p = FunctionTransformer(np.log1p, inverse_func=np.expm1)
MODELS = [
    ({"type": "log1p"}, log1p),
    ({"type": "standard"}, StandardScaler()),
    ({"type": "standard", "with_mean": False}, StandardScaler(with_mean=False)),
    ({"type": "min_max"}, MinMaxScaler()),
    ({"type": "min_max", "feature_range": [-2, 3]}, MinMaxScaler(feature_range=(-2, 3))),
    ({"type": "robust"}, RobustScaler()),
    ({"type": "robust", "unit_variance": True}, RobustScaler(unit_variance=True)),
    ({"type": "max_abs"}, MaxAbsScaler()),
    ({"type": "quantile"}, quantile()),
    ({"type": "quantile", "n_quantiles": 7}, quantile(n_quantiles=7)),
    (
        {"type": "quantile", "output_distribution": "normal"},
        quantile(output_distribution="normal"),
    ),
    ({"type": "yeo_johnson"}, PowerTransformer()),
    ({"type": "yeo_johnson", "standardize": False}, PowerTransformer(standardize=False)),
    ({"type": "box_cox"}, PowerTransformer(method="box-cox")),
]


def numbers(x):
    return [[float(v) if np.isfinite(v) else None for v in row] for row in x]


CASES = []
for spec, model in MODELS:
    y = POSITIVE if spec["type"] in ("box_cox", "log1p") else Y
    model.fit(y[TRAIN])
    powers = None
    if isinstance(model, PowerTransformer):
        scaled = spec.get("standardize", True)
        powers = [
            {
                "lambda": float(model.lambdas_[i]),
                "mean": float(model._scaler.mean_[i]) if scaled else 0.0,
                "scale": float(model._scaler.scale_[i]) if scaled else 1.0,
            }
            for i in range(2)
        ]
    # As the other way round: what comes from amounts goes back to them.
    predictions = np.vstack([PREDICTIONS, model.transform(y)[:5]])
    CASES.append(
        {
            "spec": spec,
            "target": numbers(y),
            "train": TRAIN,
            "transformed": numbers(model.transform(y)),
            "predictions": numbers(predictions),
            "inverse": numbers(model.inverse_transform(predictions)),
            "powers": powers,
        }
    )

golden = {
    "versions": {
        "scikit-learn": sklearn.__version__,
        "scipy": scipy.__version__,
        "numpy": np.__version__,
    },
    "cases": CASES,
}
path = pathlib.Path(__file__).with_name("target_transform.json")
path.write_text(json.dumps(golden, separators=(",", ":")) + "\n")
print(len(CASES), "cases")
