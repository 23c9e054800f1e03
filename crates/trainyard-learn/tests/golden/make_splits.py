"""Records scikit-learn's splits, as splits.json beside this script."""

import json
import pathlib
import warnings

import numpy as np
import sklearn
from sklearn.model_selection import (
    GroupKFold,
    GroupShuffleSplit,
    KFold,
    LeaveOneGroupOut,
    LeaveOneOut,
    LeavePGroupsOut,
    LeavePOut,
    PredefinedSplit,
    RepeatedKFold,
    RepeatedStratifiedKFold,
    ShuffleSplit,
    StratifiedGroupKFold,
    StratifiedKFold,
    StratifiedShuffleSplit,
    TimeSeriesSplit,
    train_test_split,
)

warnings.simplefilter("ignore")

# Class counts; the rows of each target are in random order unless it says otherwise.
TARGETS = {
    "even": [10, 10],
    "odd": [7, 6],
    "short": [9, 3],
    "three": [20, 11, 5],
    "four": [13, 13, 13, 13],
    "five": [40, 3, 17, 8, 25],
    "six": [31, 6, 12, 55, 9, 22],
    "tied": [6, 6, 6, 6, 6],
    "hundreds": [160, 90, 50],
    "benchmark": [501, 499],
    "thousand": [550, 250, 120, 80],
}


def shuffled_target(name):
    counts = TARGETS[name]
    y = np.repeat(np.arange(len(counts)), counts)
    np.random.RandomState(len(name) + sum(counts)).shuffle(y)
    return y


Y = {name: shuffled_target(name) for name in TARGETS}
Y["sorted"] = np.repeat(np.arange(3), [12, 7, 9])
Y["reversed"] = Y["sorted"][::-1].copy()
Y["alternating"] = np.tile([2, 0, 1], 15)
# More classes than numpy adds up one after the other.
Y["ten"] = np.random.RandomState(10).randint(0, 10, 400)

KFOLDS = [
    ("even", 2, False, None),
    ("even", 5, False, None),
    ("even", 10, True, 0),
    ("odd", 3, False, None),
    ("odd", 6, True, 42),
    ("short", 3, True, 5),
    ("short", 5, True, 5),
    ("three", 4, False, None),
    ("three", 5, True, 1),
    ("four", 5, False, None),
    ("four", 13, True, 2),
    ("five", 3, True, 123456),
    ("five", 3, False, None),
    ("six", 6, False, None),
    ("six", 5, True, 4294967295),
    ("tied", 4, True, 8),
    ("tied", 6, False, None),
    ("hundreds", 10, True, 3),
    ("hundreds", 7, False, None),
    ("benchmark", 10, True, 1),
    ("thousand", 5, False, None),
    ("thousand", 80, True, 77),
    ("sorted", 7, False, None),
    ("sorted", 4, True, 0),
    ("reversed", 7, False, None),
    ("reversed", 4, True, 0),
    ("alternating", 5, False, None),
    ("alternating", 15, True, 31),
]

REPEATED = [
    ("even", 5, 3, 0),
    ("odd", 2, 10, 1),
    ("short", 3, 2, 9),
    ("three", 5, 4, 17),
    ("four", 3, 5, 2147483648),
    ("five", 3, 6, 1000),
    ("six", 6, 2, 4),
    ("tied", 5, 5, 5),
    ("hundreds", 10, 2, 1),
    ("benchmark", 10, 3, 1),
    ("thousand", 4, 3, 12),
    ("sorted", 3, 4, 6),
    ("reversed", 3, 4, 6),
    ("alternating", 2, 1, 0),
]

SHUFFLE_SPLITS = [
    ("even", 0.1, 0),
    ("even", 0.5, 1),
    ("odd", 0.2, 2),
    ("short", 0.3, 3),
    ("three", 0.1, 4),
    ("three", 0.85, 5),
    ("four", 0.1, 6),
    ("four", 0.11, 6),
    ("five", 0.1, 7),
    ("five", 0.25, 8),
    ("six", 0.1, 9),
    ("six", 0.33, 10),
    ("tied", 0.2, 11),
    ("tied", 0.25, 12),
    ("tied", 0.77, 4294967295),
    ("hundreds", 0.1, 13),
    ("benchmark", 0.1, 1),
    ("thousand", 0.07, 14),
    ("sorted", 0.15, 15),
    ("reversed", 0.15, 15),
    ("alternating", 0.4, 16),
    # These raise.
    ("tied", 0.1, 0),
    ("tied", 0.9, 0),
    ("six", 0.01, 0),
]


# Splits that are not into folds: rows, spec. An integer is a number of rows, a fraction a share.
RANDOM_SPLITS = [
    ("even", {"random_state": 0}),
    ("even", {"n_splits": 3, "test_size": 7, "random_state": 1}),
    ("odd", {"n_splits": 4, "test_size": 0.31, "random_state": 2}),
    ("odd", {"n_splits": 4, "train_size": 0.31, "random_state": 2}),
    ("short", {"n_splits": 2, "train_size": 5, "random_state": 3}),
    ("three", {"n_splits": 5, "test_size": 0.2, "train_size": 0.5, "random_state": 4}),
    ("three", {"n_splits": 5, "test_size": 3, "train_size": 0.5, "random_state": 4}),
    ("six", {"n_splits": 2, "test_size": 0.25, "train_size": 20, "random_state": 5}),
    ("six", {"n_splits": 1, "test_size": 0.5, "train_size": 0.5, "random_state": 4294967295}),
    ("five", {"n_splits": 20, "test_size": 0.01, "random_state": 6}),
    ("benchmark", {"n_splits": 2, "test_size": 0.1, "random_state": 1}),
    # These raise.
    ("even", {"test_size": 20, "random_state": 0}),
    ("even", {"train_size": 20, "random_state": 0}),
    ("even", {"test_size": 12, "train_size": 9, "random_state": 0}),
    ("even", {"test_size": 12, "train_size": 0.45, "random_state": 0}),
    ("even", {"test_size": 0.96, "random_state": 0}),
    ("even", {"train_size": 0.04, "random_state": 0}),
]

HOLDOUTS = [
    ("even", {"random_state": 0}),
    ("even", {"stratify": True, "random_state": 0}),
    ("even", {"shuffle": False}),
    ("odd", {"test_size": 0.3, "stratify": False, "random_state": 1}),
    ("odd", {"test_size": 0.3, "stratify": True, "random_state": 1}),
    ("odd", {"test_size": 4, "shuffle": False}),
    ("three", {"test_size": 7, "stratify": True, "random_state": 2}),
    ("three", {"test_size": 7, "stratify": False, "random_state": 2}),
    ("four", {"test_size": 0.11, "stratify": True, "random_state": 3}),
    ("tied", {"test_size": 0.77, "stratify": True, "random_state": 4294967295}),
    ("hundreds", {"test_size": 0.1, "stratify": True, "random_state": 4}),
    ("benchmark", {"test_size": 0.2, "stratify": True, "random_state": 42}),
    ("benchmark", {"test_size": 0.2, "stratify": False, "random_state": 42}),
    ("sorted", {"test_size": 0.15, "stratify": True, "random_state": 5}),
    ("sorted", {"test_size": 0.15, "shuffle": False}),
    ("benchmark", {"random_state": 0}),
    ("benchmark", {"train_size": 0.3, "random_state": 0}),
    ("benchmark", {"train_size": 100, "test_size": 50, "random_state": 6}),
    ("benchmark", {"train_size": 100, "test_size": 0.2, "stratify": True, "random_state": 6}),
    ("odd", {"train_size": 0.4, "stratify": True, "random_state": 7}),
    ("odd", {"train_size": 0.4, "shuffle": False}),
    ("odd", {"train_size": 5, "test_size": 4, "shuffle": False}),
    # These raise.
    ("even", {"train_size": 20, "random_state": 0}),
    ("even", {"train_size": 0.7, "test_size": 14, "random_state": 0}),
    ("even", {"test_size": 20, "random_state": 0}),
    ("even", {"test_size": 0.99, "random_state": 0}),
    ("six", {"test_size": 3, "stratify": True, "random_state": 0}),
    ("tied", {"test_size": 0.9, "stratify": True, "random_state": 0}),
]


STRATIFIED_SPLITS = [
    (name, {"n_splits": n_splits, **sizes, "random_state": random_state})
    for random_state, (name, n_splits, sizes) in enumerate([
        ("even", 10, {}),
        ("odd", 4, {"test_size": 0.31}),
        ("odd", 4, {"train_size": 0.31}),
        ("short", 3, {"train_size": 5}),
        ("three", 5, {"test_size": 0.2, "train_size": 0.5}),
        ("three", 5, {"test_size": 3, "train_size": 0.5}),
        ("four", 6, {"test_size": 0.11}),
        ("five", 3, {"test_size": 0.25}),
        ("six", 2, {"test_size": 0.25, "train_size": 20}),
        ("tied", 5, {"test_size": 7, "train_size": 8}),
        ("tied", 5, {"test_size": 0.5, "train_size": 0.5}),
        ("sorted", 3, {}),
        ("reversed", 3, {"test_size": 0.4}),
        ("alternating", 4, {"test_size": 10, "train_size": 10}),
        # These raise.
        ("tied", 2, {"test_size": 4}),
        ("six", 2, {"train_size": 5}),
        ("even", 2, {"test_size": 12, "train_size": 9}),
    ])
]

TIME_SERIES = [
    ("even", {}),
    ("even", {"n_splits": 2}),
    ("even", {"n_splits": 19}),
    ("even", {"n_splits": 3, "gap": 4}),
    ("even", {"n_splits": 3, "gap": 4, "max_train_size": 2}),
    ("even", {"n_splits": 3, "test_size": 6}),
    ("even", {"n_splits": 3, "test_size": 6, "gap": 1}),
    ("even", {"n_splits": 4, "test_size": 1, "gap": 15}),
    ("odd", {"n_splits": 3, "max_train_size": 5}),
    ("odd", {"n_splits": 5, "max_train_size": 1}),
    ("odd", {"n_splits": 12}),
    ("short", {"n_splits": 4, "test_size": 2}),
    ("three", {"n_splits": 7, "gap": 1}),
    ("five", {"n_splits": 6, "test_size": 9, "max_train_size": 50}),
    ("six", {"n_splits": 10, "max_train_size": 1000}),
    # These raise.
    ("even", {"n_splits": 20}),
    ("even", {"n_splits": 3, "test_size": 7}),
    ("even", {"n_splits": 3, "gap": 5}),
    ("even", {"n_splits": 2, "test_size": 6, "gap": 8}),
    ("odd", {"n_splits": 4, "gap": 4294967295}),
]

NEVER_TESTED = 2**32 - 1


def groups_for(name, n_groups, seed, skew=0.0):
    """A group of each of the target's rows; all groups are there, large ones where there is skew."""
    random = np.random.RandomState(seed)
    weights = np.exp(-skew * np.arange(n_groups))
    random.shuffle(weights)
    n_rows = len(Y[name])
    drawn = random.choice(n_groups, n_rows - n_groups, p=weights / weights.sum())
    groups = np.concatenate([np.arange(n_groups), drawn])
    random.shuffle(groups)
    return groups


# Groups by name: the target, and the group of each row.
GROUPS = {
    "pairs": ("even", np.repeat(np.arange(10), 2)),
    "blocks": ("three", np.repeat(np.arange(6), 6)),
    "two": ("odd", np.arange(13) % 2),
    "one": ("odd", np.zeros(13, int)),
    "few": ("three", groups_for("three", 5, 0)),
    "skewed": ("four", groups_for("four", 9, 1, 0.4)),
    "many": ("five", groups_for("five", 40, 2)),
    "long": ("six", groups_for("six", 30, 3, 0.1)),
    "wide": ("hundreds", groups_for("hundreds", 70, 4, 0.05)),
    "thousand": ("thousand", groups_for("thousand", 200, 5, 0.02)),
    "alone": ("odd", np.arange(13)),
    "class": ("sorted", Y["sorted"]),
    "ten": ("ten", groups_for("ten", 60, 6, 0.03)),
}

GROUP_SPLITS = [
    (group, "group_kfold", {"n_splits": n_splits, **shuffle})
    for group, n_splits in [
        ("pairs", 5), ("pairs", 3), ("blocks", 4), ("two", 2), ("few", 5), ("few", 3),
        ("skewed", 4), ("many", 7), ("long", 5), ("wide", 10), ("thousand", 6), ("alone", 4),
    ]
    for shuffle in [{}, {"shuffle": True, "random_state": n_splits}]
] + [
    # These raise.
    ("one", "group_kfold", {"n_splits": 2}),
    ("few", "group_kfold", {"n_splits": 6}),
    ("few", "stratified_group_kfold", {"n_splits": 6}),
] + [
    (group, "stratified_group_kfold", {"n_splits": n_splits, **shuffle})
    for group, n_splits in [
        ("pairs", 5), ("pairs", 3), ("blocks", 4), ("two", 2), ("few", 5), ("few", 3),
        ("skewed", 4), ("many", 7), ("long", 5), ("wide", 10), ("thousand", 6), ("alone", 4),
        ("class", 3), ("ten", 5), ("ten", 10),
    ]
    for shuffle in [{}, {"shuffle": True, "random_state": n_splits}]
] + [
    (group, "group_shuffle_split", {"random_state": seed, **spec})
    for seed, (group, spec) in enumerate([
        ("pairs", {}),
        ("pairs", {"n_splits": 3, "test_size": 0.35}),
        ("blocks", {"n_splits": 4, "test_size": 2}),
        ("few", {"train_size": 2}),
        ("skewed", {"n_splits": 10, "test_size": 0.3, "train_size": 0.3}),
        ("many", {"n_splits": 2, "train_size": 0.5}),
        ("long", {}),
        ("wide", {"n_splits": 1, "test_size": 1}),
        ("thousand", {"n_splits": 2}),
        ("two", {"n_splits": 3}),
        # These raise.
        ("one", {}),
        ("two", {"test_size": 2}),
        ("few", {"test_size": 3, "train_size": 3}),
    ])
] + [
    (group, "leave_one_group_out", {})
    for group in ["pairs", "blocks", "two", "few", "skewed", "many", "alone", "one"]
] + [
    (group, "leave_p_groups_out", {"n_groups": n})
    for group, n in [
        ("pairs", 2), ("blocks", 1), ("blocks", 5), ("two", 1), ("few", 3), ("skewed", 2),
        ("two", 2), ("few", 6),
    ]
] + [
    ("two", "leave_one_out", {}),
    ("blocks", "leave_one_out", {}),
    ("two", "leave_p_out", {"p": 2}),
    ("two", "leave_p_out", {"p": 12}),
    ("two", "leave_p_out", {"p": 13}),
]

# The fold that tests each row, as scikit-learn takes it.
PREDEFINED = [
    [0, 1, -1, 1],
    [-1, -1, -1],
    [0, 0, 0],
    [0, 0, 0, -1],
    [5, 3, 3, -1, 5, 9, 3],
    (np.arange(50) % 7 - 1).tolist(),
    np.random.RandomState(1).randint(-1, 4, 60).tolist(),
]


def test_folds(splitter, n_splits, y):
    """For each repeat the test fold of each row."""
    repeats = []
    for index, (train, test) in enumerate(splitter.split(y, y)):
        assert np.array_equal(np.setdiff1d(np.arange(len(y)), test), train)
        if index % n_splits == 0:
            repeats.append(np.full(len(y), -1))
        repeats[-1][test] = index % n_splits
    return [folds.tolist() for folds in repeats]


def kfold(name, n_splits, shuffle, random_state):
    splitter = KFold(n_splits, shuffle=shuffle, random_state=random_state)
    spec = {"type": "kfold", "n_splits": n_splits, "shuffle": shuffle}
    if random_state is not None:
        spec["random_state"] = random_state
    return {"target": name, "spec": spec, "folds": test_folds(splitter, n_splits, Y[name])}


def repeated_kfold(name, n_splits, n_repeats, random_state):
    spec = {"n_splits": n_splits, "n_repeats": n_repeats, "random_state": random_state}
    splitter = RepeatedKFold(**spec)
    spec["type"] = "repeated_kfold"
    return {"target": name, "spec": spec, "folds": test_folds(splitter, n_splits, Y[name])}


def stratified_kfold(name, n_splits, shuffle, random_state):
    splitter = StratifiedKFold(n_splits, shuffle=shuffle, random_state=random_state)
    spec = {"type": "stratified_kfold", "n_splits": n_splits, "shuffle": shuffle}
    if random_state is not None:
        spec["random_state"] = random_state
    return {"target": name, "spec": spec, "folds": test_folds(splitter, n_splits, Y[name])}


def repeated_stratified_kfold(name, n_splits, n_repeats, random_state):
    spec = {"n_splits": n_splits, "n_repeats": n_repeats, "random_state": random_state}
    splitter = RepeatedStratifiedKFold(**spec)
    spec["type"] = "repeated_stratified_kfold"
    return {"target": name, "spec": spec, "folds": test_folds(splitter, n_splits, Y[name])}


def shuffle_split(name, test_size, random_state):
    splitter = StratifiedShuffleSplit(1, test_size=test_size, random_state=random_state)
    case = {"target": name, "test_size": test_size, "random_state": random_state}
    try:
        train, test = next(splitter.split(Y[name], Y[name]))
    except ValueError:
        return case
    return {**case, "train": train.tolist(), "test": test.tolist()}


def random_splits(name, spec):
    case = {"target": name, "spec": {"type": "shuffle_split", **spec}}
    try:
        splits = list(ShuffleSplit(**spec).split(Y[name]))
    except ValueError:
        return case
    return {**case, "splits": [[train.tolist(), test.tolist()] for train, test in splits]}


def stratified_random_splits(name, spec):
    case = {"target": name, "spec": {"type": "stratified_shuffle_split", **spec}}
    try:
        splits = list(StratifiedShuffleSplit(**spec).split(Y[name], Y[name]))
    except ValueError:
        return case
    return {**case, "splits": [[train.tolist(), test.tolist()] for train, test in splits]}


def time_series(name, spec):
    case = {"target": name, "spec": {"type": "time_series_split", **spec}}
    try:
        splits = list(TimeSeriesSplit(**spec).split(Y[name]))
    except ValueError:
        return case
    return {**case, "splits": [[train.tolist(), test.tolist()] for train, test in splits]}


SPLITTERS = {
    "group_kfold": GroupKFold,
    "stratified_group_kfold": StratifiedGroupKFold,
    "group_shuffle_split": GroupShuffleSplit,
    "leave_one_group_out": LeaveOneGroupOut,
    "leave_p_groups_out": LeavePGroupsOut,
    "leave_one_out": LeaveOneOut,
    "leave_p_out": LeavePOut,
}


def group_splits(name, kind, spec):
    target, groups = GROUPS[name]
    column = {} if kind in ("leave_one_out", "leave_p_out") else {"groups": "group"}
    case = {"groups": name, "target": target, "spec": {"type": kind, **column, **spec}}
    passed = groups if column else None
    try:
        splits = list(SPLITTERS[kind](**spec).split(groups, Y[target], passed))
    except ValueError:
        return case
    return {**case, "splits": [[train.tolist(), test.tolist()] for train, test in splits]}


def predefined(index, test_fold):
    case = {"groups": f"predefined {index}", "spec": {"type": "predefined", "test_fold": "fold"}}
    splits = list(PredefinedSplit(test_fold).split())
    if not splits or not all(len(train) for train, _ in splits):
        return case
    return {**case, "splits": [[train.tolist(), test.tolist()] for train, test in splits]}


def ranks(test_fold):
    """Folds counted from 0, as a caller of the splitter passes them."""
    folds = sorted(set(test_fold) - {-1})
    return [NEVER_TESTED if fold == -1 else folds.index(fold) for fold in test_fold]


def holdout(name, spec):
    case = {"target": name, "spec": {"type": "holdout", **spec}}
    parameters = {**spec, "stratify": Y[name] if spec.get("stratify") else None}
    try:
        train, test = train_test_split(np.arange(len(Y[name])), **parameters)
    except ValueError:
        return case
    return {**case, "splits": [[train.tolist(), test.tolist()]]}


def main():
    golden = {
        "versions": {"scikit-learn": sklearn.__version__, "numpy": np.__version__},
        "targets": {name: "".join(map(str, y)) for name, y in Y.items()},
        "folds": [stratified_kfold(*case) for case in KFOLDS]
        + [repeated_stratified_kfold(*case) for case in REPEATED]
        + [kfold(*case) for case in KFOLDS]
        + [repeated_kfold(*case) for case in REPEATED],
        "splits": [random_splits(*case) for case in RANDOM_SPLITS]
        + [stratified_random_splits(*case) for case in STRATIFIED_SPLITS]
        + [time_series(*case) for case in TIME_SERIES]
        + [holdout(*case) for case in HOLDOUTS],
        "groups": {name: groups.tolist() for name, (_, groups) in GROUPS.items()}
        | {f"predefined {index}": ranks(folds) for index, folds in enumerate(PREDEFINED)},
        "group_splits": [group_splits(*case) for case in GROUP_SPLITS]
        + [predefined(*case) for case in enumerate(PREDEFINED)],
        "shuffle_splits": [shuffle_split(*case) for case in SHUFFLE_SPLITS],
    }
    text = json.dumps(golden, separators=(",", ":")).replace('{"target":', '\n{"target":')
    text = text.replace('{"groups":"', '\n{"groups":"')
    pathlib.Path(__file__).with_name("splits.json").write_text(text + "\n")


main()
