"""Records losses and their gradients by PyTorch, row by row, as losses.json beside this script.

Inputs are single precision, results double precision. What PyTorch lacks is written out below: hinge
losses of one output and the pinball loss as scikit-learn defines them (`hinge_loss`,
`mean_pinball_loss`), log-cosh as in Keras (`LogCosh`), the focal loss from equation 4 of
arXiv:1708.02002, and smoothed truths of two sides as in Keras (`BinaryCrossentropy`).
"""

import json
import math
import pathlib

import numpy as np
import torch
from torch.nn import functional as F

torch.set_num_threads(1)

# Tiny, around every kink of the losses below, where e^x leaves single precision, and far.
MAGNITUDES = [
    0.0, 1e-30, 1e-8, 1e-4, 1e-3, 0.01, 0.1, 0.2999, 0.3, 0.3001, 0.5, 0.999, 1.0, 1.001, 1.5, 3.0,
    6.0, 9.99, 10.0, 10.01, 15.0, 17.4, 20.0, 87.0, 88.0, 89.0, 100.0, 104.0, 1e4, 1e15,
]  # fmt: skip
SIGNED = [sign * x for x in MAGNITUDES for sign in (1, -1)]
# Weights that are taken in turn; a row of weight 0 counts nothing.
ROW_WEIGHTS = [1.0, 0.25, 2.5, 0.0, 1.5]
CLASS_WEIGHTS = [0.5, 2.0, 1.25, 0.0, 3.0, 1.0]


def single(values):
    """As a tensor of doubles that single precision can hold."""
    return torch.tensor(np.asarray(values, np.float32).astype(np.float64))


def short(values):
    """The shortest decimals that read back as the same f32."""
    return [float(str(np.float32(x))) for x in values.flatten()]


def digits(values):
    """Nine digits, more than single precision has."""
    return [float(f"{x:.9g}") for x in values.flatten().tolist()]


def logits(n_outputs):
    """Rows of outputs, ordinary and far, each with several true classes."""
    normal = np.random.default_rng(n_outputs).normal(size=(9, n_outputs))
    first = np.arange(n_outputs) == 0
    rows = [
        normal[0], normal[1] * 5, normal[2] * 20, normal[3] * 1e4, normal[4] * 1e15, normal[5] * 1e-8,
        normal[6] + 100, normal[7] - 100, normal[8] + 1e4, normal[0] - 1e4, np.zeros(n_outputs),
        np.where(first, 6.0, -2.0), np.where(first, 20.0, 0.0), np.where(first, 100.0, -100.0),
    ]  # fmt: skip
    classes = [0, 1] if n_outputs == 2 else [0, 1, n_outputs - 1]
    return [(row, y) for row in rows for y in classes]


def in_rows(pairs, n_outputs):
    """Pairs of an output and its target, in rows of so many."""
    pairs = pairs[: len(pairs) // n_outputs * n_outputs]
    z, y = (single([pair[side] for pair in pairs]).reshape(-1, n_outputs) for side in (0, 1))
    return {"z": z, "values": y}


def grids():
    made = {
        "one_output": {
            "z": single([z for z in SIGNED for _ in range(2)])[:, None],
            "classes": torch.tensor([0, 1] * len(SIGNED)),
        }
    }
    for n in (2, 3, 11):
        rows = logits(n)
        made[f"classes_{n}"] = {
            "z": single([z for z, _ in rows]),
            "classes": torch.tensor([y for _, y in rows]),
        }
    normal = np.random.default_rng(7).normal(size=(2, 80))
    errors = [(z, 0.0) for z in SIGNED] + list(zip(*(3 * normal))) + [(1e4, 1e4 - 1), (-3e4, -3e4)]
    shares = [(z, y) for z in SIGNED for y in (0.0, 1.0, 0.5, 1e-3, 0.9375)]
    # The largest whose exponential, with its weight, single precision holds.
    rates = [z for z in SIGNED if z < 85] + [80.0]
    counts = [(z, y) for z in rates for y in (0.0, 1.0, 2.0, 7.0, 0.5, 300.0)]
    for name, pairs in [("errors", errors), ("shares", shares), ("counts", counts)]:
        for n in (1, 3):
            made[f"{name}_{n}"] = in_rows(pairs, n)
    return made


GRIDS = grids()


def smoothed(y, smoothing):
    return y * (1 - smoothing) + smoothing / 2


def cross_entropy(label_smoothing):
    return lambda z, y, w: F.cross_entropy(
        z, y, w, reduction="none", label_smoothing=label_smoothing
    )


def focal(gamma):
    def loss(z, y, w):
        true = F.one_hot(y, z.shape[1]).bool()
        others = z.masked_fill(true, -math.inf).logsumexp(dim=1)
        # p is the sigmoid of this, without rounding where p is near 0 or 1.
        lead = z[true] - others
        return -w[y] * torch.exp(gamma * F.logsigmoid(-lead)) * F.logsigmoid(lead)

    return loss


def binary_cross_entropy(smoothing):
    def loss(z, y, w):
        if y.dtype == torch.int64:
            truth = smoothed(y.double(), smoothing)
            return w[y] * F.binary_cross_entropy_with_logits(z[:, 0], truth, reduction="none")
        truth = smoothed(y, smoothing)
        return F.binary_cross_entropy_with_logits(z, truth, reduction="none").mean(dim=1)

    return loss


def hinge(power):
    def loss(z, y, w):
        if z.shape[1] > 1:
            return F.multi_margin_loss(z, y, p=power, weight=w, reduction="none")
        # The derivative of relu is 0 at 0, as that of the loss beyond the margin.
        return w[y] * F.relu(1 - (2 * y - 1) * z[:, 0]) ** power

    return loss


def mean(f):
    return lambda z, y, w: f(z, y).mean(dim=1)


def log_cosh(z, y):
    r = z - y
    # cosh r = 1 + 2·sinh²(r/2): nothing cancels where r is small.
    near = torch.log1p(2 * torch.sinh(r.clamp(-1, 1) / 2) ** 2)
    return torch.where(r.abs() < 1, near, torch.logaddexp(r, -r) - math.log(2))


def pinball(q):
    return mean(lambda z, y: q * F.relu(y - z) + (1 - q) * F.relu(z - y))


def huber(delta):
    return mean(lambda z, y: F.huber_loss(z, y, reduction="none", delta=delta))


def poisson(z, y):
    return F.poisson_nll_loss(z, y, log_input=True, full=False, reduction="none")


SOFTMAX = ["classes_2", "classes_3", "classes_11"]
MARGINS = ["one_output", "classes_3", "classes_11"]
ERRORS = ["errors_1", "errors_3"]
BINARY = ["one_output", "shares_1", "shares_3"]

CASES = [
    *(
        ({"type": "cross_entropy", "label_smoothing": x}, SOFTMAX, cross_entropy(x))
        for x in (0.0, 0.1, 0.6)
    ),
    *(({"type": "focal", "gamma": x}, SOFTMAX, focal(x)) for x in (2.0, 0.5, 0.0, 1.0, 5.0)),
    *(
        ({"type": "binary_cross_entropy", "label_smoothing": x}, BINARY, binary_cross_entropy(x))
        for x in (0.0, 0.2)
    ),
    ({"type": "hinge"}, MARGINS, hinge(1)),
    ({"type": "squared_hinge"}, MARGINS, hinge(2)),
    ({"type": "mse"}, ERRORS, mean(lambda z, y: F.mse_loss(z, y, reduction="none"))),
    ({"type": "mae"}, ERRORS, mean(lambda z, y: F.l1_loss(z, y, reduction="none"))),
    *(({"type": "huber", "delta": x}, ERRORS, huber(x)) for x in (1.0, 0.3, 10.0)),
    ({"type": "log_cosh"}, ERRORS, mean(log_cosh)),
    *(({"type": "quantile", "quantile": x}, ERRORS, pinball(x)) for x in (0.5, 0.9, 0.05)),
    ({"type": "poisson"}, ["counts_1", "counts_3"], mean(poisson)),
]


def case(spec, name, f, row_weights, class_weights):
    grid = GRIDS[name]
    z = grid["z"].clone().requires_grad_()
    w = torch.ones(max(2, z.shape[1]), dtype=torch.float64)
    found = {"spec": spec, "grid": name}
    if class_weights:
        w = single(np.resize(CLASS_WEIGHTS, len(w)))
        found["class_weights"] = short(w)
    losses = f(z, grid.get("classes", grid.get("values")), w)
    if row_weights:
        weights = single(np.resize(ROW_WEIGHTS, len(z)))
        found["row_weights"] = short(weights)
        losses = weights * losses
    (dz,) = torch.autograd.grad(losses.sum(), z)
    return found | {"losses": digits(losses.detach()), "dz": digits(dz)}


def main():
    cases = []
    for spec, names, f in CASES:
        for name in names:
            of_classes = "classes" in GRIDS[name]
            weightings = [(False, False), (True, False)] + of_classes * [(False, True), (True, True)]
            cases += [case(spec, name, f, *weighting) for weighting in weightings]
    golden = {
        "versions": {"torch": torch.__version__, "numpy": np.__version__},
        "grids": {
            name: {
                "n_outputs": grid["z"].shape[1],
                "z": short(grid["z"]),
                **({"classes": grid["classes"].tolist()} if "classes" in grid else {}),
                **({"values": short(grid["values"])} if "values" in grid else {}),
            }
            for name, grid in GRIDS.items()
        },
        "cases": cases,
    }
    text = json.dumps(golden, separators=(",", ":"), allow_nan=False)
    pathlib.Path(__file__).with_name("losses.json").write_text(text + "\n")


main()
