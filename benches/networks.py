"""The reference networks: data, what scikit-learn and PyTorch do with them, and what we are asked.

The workloads are training only: data are in memory (ours: loaded before `fit_s` begins), the first epoch
of PyTorch and the start of scikit-learn's processes are not counted. Each side draws its own random
numbers, so results are compared by accuracy: of the training rows, or over the folds.

scikit-learn, PyTorch and we begin with weights of other distributions, which few epochs do not make good
for. So there are two tolerances: a wide one between all sides, and a narrow one between us and a `twin`,
which is PyTorch with our distribution of initial weights, outside all clocks.
"""

import os
import statistics
import time
import warnings
from dataclasses import dataclass

# OpenBLAS picks the kernels that suit the processor unless this forces others. It reads this when numpy
# loads it, so this comes first.
os.environ.pop("OPENBLAS_CORETYPE", None)
os.environ.pop("OPENBLAS_L2_SIZE", None)

import numpy as np  # noqa: E402

N_THREADS = 2
N_TWINS = 3


@dataclass(frozen=True)
class Shape:
    rows: int
    features: int
    classes: int
    hidden: tuple
    batch: int
    epochs: int
    folds: int = 0
    repeats: int = 0
    # Wanted: the best peer's time over ours.
    target: float = 1.0
    # How far apart the mean accuracies of any two sides may be.
    tolerance: float = 0.03
    # How far apart ours and the twin's may be.
    twin_tolerance: float = 0.015

    def gflop(self):
        """Of training's matrix products: forward, weights' gradients, inputs' but the first layer's."""
        widths = [self.features, *self.hidden, self.classes]
        pairs = list(zip(widths, widths[1:], strict=False))
        per_row = sum(a * b for a, b in pairs) * 2 * 3 - widths[0] * widths[1] * 2
        rows = self.rows * self.epochs
        if self.folds:
            rows *= (self.folds - 1) * self.repeats
        return per_row * rows / 1e9


SHAPES = {
    "mlp_small": Shape(10_000, 20, 2, (64, 64), 32, 5, target=8),
    "mlp_mnist": Shape(20_000, 784, 10, (256, 128), 128, 3, target=2.5, tolerance=0.12, twin_tolerance=0.03),
    # 64 steps leave all sides half trained: single runs of one side are 0.07 apart.
    "mlp_wide": Shape(
        8_000, 512, 10, (1024, 1024, 1024), 256, 2, target=2, tolerance=0.25, twin_tolerance=0.1
    ),
    "mlp_small_cv": Shape(2_000, 20, 2, (64, 64), 32, 10, folds=10, repeats=3, target=15),
}


def data(shape):
    rng = np.random.default_rng(7)
    x = rng.standard_normal((shape.rows, shape.features)).astype(np.float32)
    t = rng.standard_normal((shape.features, shape.classes)).astype(np.float32)
    y = (np.tanh(x @ t) + 0.1 * rng.standard_normal((shape.rows, shape.classes))).argmax(1)
    return x, y.astype(np.int64)


def csv(x, y):
    """The rows as CSV; nine digits of a float32 read back as the same."""
    head = ",".join([*(f"x{i}" for i in range(x.shape[1])), "y"])
    form = ",".join(["%.9g"] * x.shape[1] + ["%d"])
    lines = (form % (*row, label) for row, label in zip(x.tolist(), y.tolist(), strict=True))
    return "\n".join([head, *lines, ""]).encode()


def job(shape):
    spec = {
        "target": "y",
        "model": {"type": "mlp", "hidden": list(shape.hidden)},
        "optimizer": {"type": "adam", "learning_rate": 0.001},
        "training": {"epochs": shape.epochs, "batch_size": shape.batch},
        # The other sides take the columns as they are.
        "preprocess": {"numeric": {"scale": "none"}},
        "scoring": ["accuracy"],
    }
    if shape.folds:
        folds = {"n_splits": shape.folds, "n_repeats": shape.repeats, "random_state": 1}
        # The other sides train no model on all rows either.
        spec |= {"cv": {"type": "repeated_stratified_kfold", **folds}, "refit": False}
    return spec


def accuracy(shape, result):
    """Ours."""
    return result["cv"]["accuracy"]["mean"] if shape.folds else result["train"]["accuracy"]


def compare(shape, x, y, results, answers):
    """What the sides' accuracies are and may be, and whether they are that."""
    sides = dict(answers)
    if results:
        sides["trainyard"] = [accuracy(shape, result) for result in results]
    means = {side: statistics.fmean(values) for side, values in sides.items()}
    each = ", ".join(f"{side} {means[side]:.4f} ({min(v):.4f} to {max(v):.4f})" for side, v in sides.items())
    apart = max(means.values()) - min(means.values())
    where = "over the folds" if shape.folds else "on the training rows"
    text = f"Accuracy {where}: {each}; means {apart:.4f} apart, at most {shape.tolerance} allowed."
    agree = apart <= shape.tolerance
    if results:
        once = pytorch(shape, x, y, as_ours)
        twin = statistics.fmean(once()[1] for _ in range(1 if shape.folds else N_TWINS))
        apart = abs(means["trainyard"] - twin)
        text += f" PyTorch with initial weights as ours: {twin:.4f}; {apart:.4f} from ours"
        text += f", at most {shape.twin_tolerance} allowed."
        agree &= apart <= shape.twin_tolerance
    return text, agree


def as_ours(model):
    """Begins as our networks do: `he_uniform`, and `xavier_uniform` for the outputs; biases are 0."""
    from torch import nn

    dense = [layer for layer in model if isinstance(layer, nn.Linear)]
    for layer in dense:
        nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu")
        nn.init.zeros_(layer.bias)
    nn.init.xavier_uniform_(dense[-1].weight)


def pytorch(shape, x, y, init=None):
    import torch
    from sklearn.model_selection import RepeatedStratifiedKFold

    torch.set_num_threads(N_THREADS)
    xt, yt = torch.from_numpy(x), torch.from_numpy(y)
    widths = [shape.features, *shape.hidden]

    def fit(index, epochs):
        pairs = zip(widths, widths[1:], strict=False)
        layers = [m for a, b in pairs for m in (torch.nn.Linear(a, b), torch.nn.ReLU())]
        model = torch.nn.Sequential(*layers, torch.nn.Linear(widths[-1], shape.classes))
        if init:
            init(model)
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
        loss = torch.nn.CrossEntropyLoss()
        for _ in range(epochs):
            order = index[torch.randperm(len(index))]
            for batch in order.split(shape.batch):
                optimizer.zero_grad(set_to_none=True)
                loss(model(xt[batch]), yt[batch]).backward()
                optimizer.step()
        return model

    def score(model, index):
        with torch.no_grad():
            return (model(xt[index]).argmax(1) == yt[index]).float().mean().item()

    every = torch.arange(len(yt))

    def once():
        if not shape.folds:
            fit(every, 1)
            started = time.perf_counter()
            model = fit(every, shape.epochs)
            return time.perf_counter() - started, score(model, every)
        cv = RepeatedStratifiedKFold(n_splits=shape.folds, n_repeats=shape.repeats, random_state=1)
        splits = [(torch.from_numpy(a), torch.from_numpy(b)) for a, b in cv.split(x, y)]
        fit(splits[0][0], 1)
        started = time.perf_counter()
        scores = [score(fit(train, shape.epochs), test) for train, test in splits]
        return time.perf_counter() - started, float(np.mean(scores))

    return once


def scikit_learn(shape, x, y):
    from sklearn.model_selection import RepeatedStratifiedKFold, cross_val_score
    from sklearn.neural_network import MLPClassifier
    from threadpoolctl import threadpool_limits

    warnings.filterwarnings("ignore")
    os.environ["PYTHONWARNINGS"] = "ignore"

    def model():
        hidden, batch, epochs = shape.hidden, shape.batch, shape.epochs
        return MLPClassifier(hidden, batch_size=batch, max_iter=epochs, n_iter_no_change=10**6, tol=0.0)

    def once():
        if shape.folds:
            cv = RepeatedStratifiedKFold(n_splits=shape.folds, n_repeats=shape.repeats, random_state=1)
            started = time.perf_counter()
            scores = cross_val_score(model(), x, y, cv=cv, n_jobs=N_THREADS)
            return time.perf_counter() - started, float(np.mean(scores))
        with threadpool_limits(N_THREADS):
            started = time.perf_counter()
            fitted = model().fit(x, y)
            seconds = time.perf_counter() - started
            return seconds, fitted.score(x, y)

    return once
