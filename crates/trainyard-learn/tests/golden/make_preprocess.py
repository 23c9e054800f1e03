"""Records what scikit-learn and pandas prepare, as preprocess.json beside this script.

A case is a spec, the columns of a table, the training rows, a target where one is needed, and the
features: of all rows as transformed, and of the training rows where fitting encodes them otherwise.
"""

import json
import pathlib
import warnings

import numpy as np
import pandas as pd
import scipy
import sklearn
from sklearn.feature_extraction import FeatureHasher
from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer
from sklearn.feature_selection import VarianceThreshold
from sklearn.impute import SimpleImputer
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    PowerTransformer,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
    TargetEncoder,
)

warnings.simplefilter("ignore")

N = 48
random = np.random.RandomState(5)
TRAIN = [int(row) for row in random.permutation([row for row in range(N) if row % 4 != 3])]
CASES = []


def numbers():
    x = {
        "normal": random.normal(3, 2, N),
        "skewed": np.exp(random.normal(0, 1.5, N)),
        "outliers": np.where(random.rand(N) < 0.1, 1e6, random.normal(0, 1, N)),
        "constant": np.full(N, 0.1),
        "ties": random.randint(0, 4, N).astype(float),
        "negative": -np.exp(random.normal(1, 1, N)),
        "tiny": 1 + 1e-5 * random.normal(0, 1, N),
        "zero": np.zeros(N),
    }
    return pd.DataFrame(x)


def with_gaps(x):
    x = x.copy()
    for i, name in enumerate(x.columns):
        x.loc[random.rand(N) < 0.1 * (i % 4), name] = np.nan
    return x


def listed(x):
    x = np.asarray(x, dtype=float)
    return [[None if np.isnan(v) else float(v) for v in row] for row in x]


def plain(values):
    out = []
    for v in values:
        if v is None or v is pd.NaT or (isinstance(v, float) and np.isnan(v)):
            out.append(None)
        elif isinstance(v, (bool, np.bool_)):
            out.append(bool(v))
        elif isinstance(v, (float, np.floating)):
            out.append(float(v))
        else:
            out.append(v)
    return out


def case(name, spec, columns, features, train=None, **more):
    """`columns` holds names, types and values; `features` those of all rows."""
    columns = [{"name": n, "type": t, "values": plain(v)} for n, t, v in columns]
    train = TRAIN if train is None else train
    CASES.append(
        {"name": name, "spec": spec, "columns": columns, "train": train, "all": listed(features)}
        | more
    )


def numeric(name, spec, x, model, train=None, **more):
    model.fit(x.iloc[TRAIN if train is None else train])
    features = model.transform(x)
    columns = [(c, "numeric", x[c]) for c in x.columns]
    case(name, spec, columns, features, train, **more)


X = numbers()
GAPS = with_gaps(X)
POSITIVE = X[["skewed", "normal"]].abs() + 0.5

# --- Scalers.

quantile = lambda **more: QuantileTransformer(subsample=None, **more)
SCALERS = [
    ({"type": "standard"}, StandardScaler()),
    ({"type": "min_max"}, MinMaxScaler()),
    ({"type": "robust"}, RobustScaler()),
    ({"type": "max_abs"}, MaxAbsScaler()),
    ({"type": "quantile"}, quantile()),
    ({"type": "none"}, FunctionTransformer()),
    ({"type": "standard", "with_mean": False}, StandardScaler(with_mean=False)),
    ({"type": "standard", "with_std": False}, StandardScaler(with_std=False)),
    (
        {"type": "min_max", "feature_range": [-2, 3], "clip": True},
        MinMaxScaler(feature_range=(-2, 3), clip=True),
    ),
    ({"type": "robust", "quantile_range": [10, 80]}, RobustScaler(quantile_range=(10, 80))),
    (
        {"type": "robust", "with_centering": False, "unit_variance": True},
        RobustScaler(with_centering=False, unit_variance=True),
    ),
    ({"type": "robust", "with_scaling": False}, RobustScaler(with_scaling=False)),
    (
        {"type": "quantile", "n_quantiles": 7, "output_distribution": "normal"},
        quantile(n_quantiles=7, output_distribution="normal"),
    ),
    ({"type": "quantile", "n_quantiles": 5}, quantile(n_quantiles=5)),
]
for scale, model in SCALERS:
    spec = {"numeric": {"impute": "none", "scale": scale}}
    label = json.dumps(scale)
    numeric(f"{label}", spec, X, model)
    numeric(f"{label} with gaps", spec, GAPS, model)
    numeric(f"{label} of one row", spec, X, model, [7])
    two = {"numeric": {"impute": "median", "scale": scale}}
    numeric(f"{label} after median", two, GAPS, make_pipeline(SimpleImputer(strategy="median"), model))

POWERS = [
    ({"type": "power"}, PowerTransformer(), ["normal", "skewed", "ties", "negative", "constant"]),
    (
        {"type": "power", "standardize": False},
        PowerTransformer(standardize=False),
        ["normal", "skewed", "ties", "negative", "constant"],
    ),
    ({"type": "power", "method": "box-cox"}, PowerTransformer(method="box-cox"), None),
]
for scale, model, names in POWERS:
    for x, suffix in [(X, ""), (GAPS, " with gaps")] if names else [(POSITIVE, "")]:
        for name in names or POSITIVE.columns:
            if name == "constant" and suffix:
                continue  # scikit-learn takes it for one that varies: its variance is NaN.
            spec = {"numeric": {"impute": "none", "scale": scale}}
            one = x[[name]]
            model.fit(one.iloc[TRAIN])
            scaled = scale.get("standardize", True)
            power = {
                "lambda": float(model.lambdas_[0]),
                "mean": float(model._scaler.mean_[0]) if scaled else 0.0,
                "scale": float(model._scaler.scale_[0]) if scaled else 1.0,
            }
            numeric(f"{json.dumps(scale)} of {name}{suffix}", spec, one, model, power=power)

# --- Imputers of numbers, with and without an indicator.

IMPUTERS = [
    ("mean", {"strategy": "mean"}),
    ("median", {"strategy": "median"}),
    ("most_frequent", {"strategy": "most_frequent"}),
    ({"type": "constant", "value": -1.5}, {"strategy": "constant", "fill_value": -1.5}),
]
for impute, arguments in IMPUTERS:
    for gap in ["ties", "negative"]:
        one = GAPS[[gap]]
        model = SimpleImputer(**arguments)
        numeric(f"{impute} of {gap}", {"numeric": {"impute": impute}}, one, model)
        spec = {"numeric": {"impute": impute, "indicator": True}}
        model = SimpleImputer(add_indicator=True, **arguments)
        names = list(model.fit(one.iloc[TRAIN]).get_feature_names_out())
        numeric(f"{impute} of {gap} with indicator", spec, one, model, names=names)
flags = np.where(random.rand(N) < 0.2, None, random.rand(N) < 0.6).astype(object)
asnumber = np.array([np.nan if f is None else float(f) for f in flags])[:, None]
model = make_pipeline(SimpleImputer(strategy="most_frequent"), StandardScaler())
model.fit(asnumber[TRAIN])
spec = {"numeric": {"scale": "standard"}}
case("booleans", spec, [("flag", "boolean", flags)], model.transform(asnumber))

# --- Categories.

cities = np.array(["Bern", "Chur", "Aarau", "Zürich", "Basel", "Thun", "ville"], dtype=object)
city = cities[np.minimum(random.geometric(0.35, N) - 1, 5)]
city[3], city[7] = "new", "ville"
gappy = city.copy()
gappy[random.rand(N) < 0.2] = None
gappy[[0, 3]] = None
codes = random.choice([10.0, 9.0, 2.5, -1.0], N)
FILLED = pd.DataFrame({"city": city})


def encoded(name, spec, values, model, filled=None, kind="categorical", **more):
    frame = np.array(values if filled is None else filled, dtype=object)[:, None]
    if kind == "numeric":
        frame = frame.astype(float)
    train = frame[TRAIN]
    model.fit(train)
    if "names" in more:
        more["names"] = list(model.get_feature_names_out(["city"]))
    features = model.transform(frame)
    if features.shape[1] > 0:  # Of a table without features there is nothing to learn.
        case(name, spec, [("city", kind, values)], features, **more)


def one_hot(**more):
    return OneHotEncoder(**({"sparse_output": False, "handle_unknown": "ignore"} | more))


def ordinal(**more):
    return OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, **more)


RARE = [
    {},
    {"min_frequency": 4},
    {"min_frequency": 0.2},
    {"max_categories": 3},
    {"max_categories": 5},
    {"max_categories": 1},
    {"max_categories": 4, "min_frequency": 3},
    {"min_frequency": 100},
]
for rare in RARE:
    for drop in [None, "first", "if_binary"]:
        for unseen, handle in [("ignore", "ignore"), ("rare", "infrequent_if_exist")]:
            spec = {"encode": {"type": "one_hot", "drop": drop}, "unseen": unseen} | rare
            model = one_hot(drop=drop, handle_unknown=handle, **rare)
            names = {} if rare else {"names": True}
            encoded(f"one_hot {spec}", {"categorical": spec}, city, model, **names)
    spec = {"encode": "ordinal"} | rare
    encoded(f"ordinal {spec}", {"categorical": spec}, city, ordinal(**rare))
    spec = {"encode": "one_hot", "impute": "none"} | rare
    encoded(f"one_hot with gaps {spec}", {"categorical": spec}, gappy, one_hot(**rare),
            [np.nan if v is None else v for v in gappy])
    spec = {"encode": "ordinal", "impute": "none"} | rare
    encoded(f"ordinal with gaps {spec}", {"categorical": spec}, gappy, ordinal(**rare),
            [np.nan if v is None else v for v in gappy])
two = np.where(city > "Bz", "yes", "no").astype(object)
spec = {"encode": {"type": "one_hot", "drop": "if_binary"}}
encoded("two categories", {"categorical": spec}, two, one_hot(drop="if_binary"))
as_category = {"columns": {"city": {"as": "categorical", "encode": "ordinal"}}}
encoded("numbers as categories", as_category, codes, ordinal(), kind="numeric")
as_category = {"columns": {"city": {"as": "categorical"}}}
encoded("numbers one-hot", as_category, codes, one_hot(), kind="numeric")

for impute, arguments in [
    ("most_frequent", {"strategy": "most_frequent"}),
    ("constant", {"strategy": "constant", "fill_value": "missing"}),
    ({"type": "constant", "value": "Bern"}, {"strategy": "constant", "fill_value": "Bern"}),
]:
    for encode, model in [("one_hot", one_hot()), ("ordinal", ordinal())]:
        spec = {"categorical": {"impute": impute, "encode": encode}}
        imputer = SimpleImputer(missing_values=None, **arguments)
        encoded(f"{encode} after {impute}", spec, gappy, make_pipeline(imputer, model))

shares = pd.Series(city[TRAIN]).value_counts(normalize=True)
spec = {"categorical": {"encode": "frequency"}}
frequency = pd.Series(city).map(shares).fillna(0).to_numpy()[:, None]
case("frequency", spec, [("city", "categorical", city)], frequency)
marked = pd.Series(gappy).fillna("?")
shares = marked[TRAIN].value_counts(normalize=True)
spec = {"categorical": {"encode": "frequency", "impute": "none"}}
frequency = marked.map(shares).fillna(0).to_numpy()[:, None]
case("frequency with gaps", spec, [("city", "categorical", gappy)], frequency)

for encode, n_features in [("hashing", 32), ({"type": "hashing", "n_features": 5}, 5)]:
    hasher = FeatureHasher(n_features=n_features, input_type="string")
    features = hasher.transform([[v] for v in city]).toarray()
    spec = {"categorical": {"encode": encode}}
    case(f"hashing {n_features}", spec, [("city", "categorical", city)], features)

SEED = 11
TARGETS = {
    "values": ({"values": [float(v) for v in random.normal(2, 3, N)]}, "continuous"),
    "binary": ({"classes": [int(v) for v in random.randint(0, 2, N)], "n_classes": 2}, "binary"),
    "classes": (
        {"classes": [int(v) for v in random.randint(0, 3, N)], "n_classes": 3},
        "multiclass",
    ),
}
for encode in [
    "target",
    {"type": "target", "smooth": 2.5, "cv": 3},
    {"type": "target", "smooth": 0.0, "cv": 2},
]:
    full = {"smooth": None, "cv": 5} | (encode if isinstance(encode, dict) else {})
    for label, (target, kind) in TARGETS.items():
        for values, gaps in [(city, ""), (gappy, " with gaps")]:
            split = KFold if kind == "continuous" else StratifiedKFold
            model = TargetEncoder(
                target_type=kind,
                smooth="auto" if full["smooth"] is None else full["smooth"],
                cv=split(full["cv"], shuffle=True, random_state=SEED),
            )
            frame = np.array([np.nan if v is None else v for v in values], dtype=object)[:, None]
            y = np.array(target.get("values") or target["classes"])
            training = model.fit_transform(frame[TRAIN], y[TRAIN])
            spec = {"categorical": {"encode": encode, "impute": "none"}}
            case(
                f"target {full} of {label}{gaps}",
                spec,
                [("city", "categorical", values)],
                model.transform(frame),
                target=target,
                seed=SEED,
                training=listed(training),
            )

# --- Moments.

moments = pd.Series(
    pd.to_datetime(random.randint(-(10**9), 2 * 10**9, N), unit="s")
) + pd.to_timedelta(random.randint(0, 10**6, N), unit="us")
moments[2] = pd.Timestamp("1969-12-31T23:59:59.999999")
moments[5] = pd.Timestamp("2024-12-30")
moments[6] = pd.Timestamp("2024-02-29T12:30:15")
PARTS = {
    "year": moments.dt.year,
    "quarter": moments.dt.quarter,
    "month": moments.dt.month,
    "week": moments.dt.isocalendar().week,
    "day": moments.dt.day,
    "weekday": moments.dt.weekday,
    "day_of_year": moments.dt.dayofyear,
    "hour": moments.dt.hour,
    "minute": moments.dt.minute,
    "second": moments.dt.second,
    "is_weekend": (moments.dt.weekday >= 5).astype(int),
    "epoch_days": (moments - pd.Timestamp(0)) / pd.Timedelta(days=1),
}
ROUNDS = {
    "quarter": (1, 4),
    "month": (1, 12),
    "week": (1, 53),
    "day": (1, 31),
    "weekday": (0, 7),
    "day_of_year": (1, 366),
    "hour": (0, 24),
    "minute": (0, 60),
    "second": (0, 60),
}


def microseconds(times):
    epoch = pd.Timestamp(0)
    return [None if pd.isna(t) else (t - epoch) // pd.Timedelta(microseconds=1) for t in times]


when = [("when", "datetime", microseconds(moments))]
parts = np.column_stack([np.asarray(v, dtype=float) for v in PARTS.values()])
spec = {"datetime": {"parts": list(PARTS)}}
case("parts", spec, when, parts, names=[f"when_{part}" for part in PARTS])
spec = {"datetime": {"parts": list(PARTS), "scale": "standard"}}
case("scaled parts", spec, when, StandardScaler().fit(parts[TRAIN]).transform(parts))
cyclic, names = [], []
for part, values in PARTS.items():
    values = np.asarray(values, dtype=float)
    if part in ROUNDS:
        first, length = ROUNDS[part]
        angle = 2 * np.pi * (values - first) / length
        cyclic += [np.sin(angle), np.cos(angle)]
        names += [f"when_{part}_sin", f"when_{part}_cos"]
    else:
        cyclic.append(values)
        names.append(f"when_{part}")
spec = {"datetime": {"parts": list(PARTS), "cyclic": True}}
case("cyclic parts", spec, when, np.column_stack(cyclic), names=names)
lost = moments.copy()
lost[random.rand(N) < 0.2] = pd.NaT
lost[[0, 3]] = pd.NaT
known = sorted(lost[TRAIN].dropna())
again = lost.copy()
again[[4, 8, 12]] = again[4] = moments[6]
for impute, times, fill in [
    ("median", lost, known[(len(known) - 1) // 2]),
    ("most_frequent", again, moments[6]),
    ("none", lost, pd.NaT),
]:
    filled = times.fillna(fill)
    features = np.column_stack([filled.dt.year, filled.dt.day, times.isna()]).astype(float)
    spec = {"datetime": {"parts": ["year", "day"], "impute": impute, "indicator": True}}
    case(f"moments by {impute}", spec, [("when", "datetime", microseconds(times))], features)

# --- Texts.

words = "the a quick brown fox jumps over lazy dog naïve Größe 日本語 東京 x1 snake_case ISTANBUL".split()
texts = []
for row in range(N):
    chosen = random.choice(words, random.randint(0, 9))
    texts.append(random.choice([" ", ", ", "  \t", "-", "\u00a0"]).join(chosen))
texts[0], texts[1], texts[2] = "", "a", "It's   a\ttest\x1d\x1dof spaces\n"
TEXTS = [
    {},
    {"idf": False},
    {"idf": False, "norm": "none"},
    {"norm": "l1", "ngram_range": [1, 3]},
    {"norm": "none", "n_features": 7},
    {"sublinear_tf": True, "n_features": 11},
    {"sublinear_tf": True, "idf": False, "n_features": 5, "norm": "none"},
    {"analyzer": "char", "ngram_range": [1, 3]},
    {"analyzer": "char", "ngram_range": [4, 6], "lowercase": False},
    {"analyzer": "char_wb", "ngram_range": [2, 5]},
    {"analyzer": "char_wb", "ngram_range": [3, 3], "idf": False, "alternate_sign": False},
    {"ngram_range": [2, 2], "alternate_sign": False, "lowercase": False},
]
for options in TEXTS:
    full = {
        "n_features": 256,
        "ngram_range": [1, 1],
        "analyzer": "word",
        "lowercase": True,
        "norm": "l2",
        "idf": True,
        "sublinear_tf": False,
    } | options
    norm = None if full["norm"] == "none" else full["norm"]
    sign = full.get("alternate_sign", not full["sublinear_tf"])
    steps = HashingVectorizer(
        n_features=full["n_features"],
        ngram_range=tuple(full["ngram_range"]),
        analyzer=full["analyzer"],
        lowercase=full["lowercase"],
        alternate_sign=sign,
        norm=None,
    ), TfidfTransformer(norm=norm, use_idf=full["idf"], sublinear_tf=full["sublinear_tf"])
    model = make_pipeline(*steps)
    model.fit([texts[row] for row in TRAIN])
    features = model.transform(texts).toarray()
    # The zeros of hundreds of features are not worth their space.
    case(f"text {options}", {"text": options}, [("note", "text", texts)], [[0.0]] * N)
    CASES[-1]["all"] = None
    CASES[-1]["n_features"] = full["n_features"]
    CASES[-1]["sparse"] = [
        {str(i): float(row[i]) for i in np.flatnonzero(row)} for row in features
    ]

# --- Products, and features without variance.

three = X[["normal", "skewed", "ties"]]
for options in [
    {},
    {"degree": 3},
    {"degree": 3, "interaction_only": True},
    {"degree": 2, "include_bias": False},
    {"degree": 1},
    {"degree": 5, "interaction_only": True},
]:
    full = {"degree": 2, "interaction_only": False, "include_bias": True} | options
    spec = {"numeric": {"scale": "standard"}, "polynomial": options}
    model = make_pipeline(StandardScaler(), PolynomialFeatures(**full))
    names = list(model.fit(three.iloc[TRAIN]).get_feature_names_out())
    numeric(f"polynomial {options}", spec, three, model, names=names)
for threshold in [0.0, 1.0, 100.0]:
    spec = {"numeric": {"impute": "none"}, "variance_threshold": threshold}
    model = VarianceThreshold(threshold)
    names = list(model.fit(X.iloc[TRAIN]).get_feature_names_out())
    numeric(f"variance above {threshold}", spec, X, model, names=names)

# --- Tensors.

array = random.normal(0, 3, (N, 2, 3)).astype(np.float32)
flat = array.reshape(N, 6).astype(float)
column = [("image", "tensor", [[float(v) for v in row] for row in flat])]
case("tensors", {}, column, flat)
scaled = RobustScaler().fit(flat[TRAIN]).transform(flat)
case("scaled tensors", {"tensor": {"scale": "robust"}}, column, scaled)

golden = {
    "versions": {
        "scikit-learn": sklearn.__version__,
        "scipy": scipy.__version__,
        "numpy": np.__version__,
        "pandas": pd.__version__,
    },
    "cases": CASES,
}
path = pathlib.Path(__file__).with_name("preprocess.json")
path.write_text(json.dumps(golden, ensure_ascii=False, separators=(",", ":")) + "\n")
print(len(CASES), "cases")
