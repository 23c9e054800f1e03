"""Records PyTorch's activations and their derivatives on a grid, as activation.json beside this script.

Inputs are single precision, results double precision, so that the file says what is right and not how
PyTorch rounds.
"""

import json
import pathlib

import numpy as np
import torch
from torch.nn import functional as F

torch.set_num_threads(1)

# Tiny, around every kink and threshold, where e^x leaves single precision, and where x² does.
MAGNITUDES = [
    1e-30, 1e-8, 1e-4, 1e-3, 0.01, 0.1, 0.25, 0.5, 0.62, 0.63, 1.0, 1.41, 1.42, 2.0, 2.499, 2.5, 2.501,
    2.82, 2.83, 2.999, 3.0, 3.001, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 13.0, 16.6, 17.4, 19.9, 20.0,
    20.1, 30.0, 50.0, 87.0, 88.0, 89.0, 100.0, 104.0, 1e3, 1e4, 1e10, 1e20, 3e38,
]  # fmt: skip

# What the gradient is given, in turn: one that a lost sign or factor would show in.
GIVEN = [1.0, -0.75, 0.5]


def single(values):
    """As a tensor of doubles that single precision can hold."""
    return torch.tensor(np.asarray(values, np.float32).astype(np.float64))


def short(values):
    """The shortest decimals that read back as the same f32."""
    return [float(str(np.float32(x))) for x in values.flatten()]


def digits(values):
    """Nine digits, more than single precision has."""
    return [float(f"{x:.9g}") for x in values.flatten().tolist()]


def grid():
    """Extremes of both signs, and evenly where most activations bend."""
    values = [0.0] + [sign * x for x in MAGNITUDES for sign in (1, -1)]
    return single(values + list(np.linspace(-12, 12, 242)))[:, None]


def rows(width, seed):
    """Rows for softmax: ordinary ones, far ones, equal ones, and ones led by far."""
    normal = np.random.default_rng(seed).normal(size=(6, width))
    far = [normal[0] * 20, normal[1] * 1e4, normal[2] + 1e4, normal[3] - 1e4, normal[4] * 1e-8]
    led = np.where(np.arange(width) == 1, 88.0, normal[5])
    huge = np.where(np.arange(width) == 2, 3e38, -3e38)
    return single(np.vstack([normal, far, [np.zeros(width), led, -led, huge]]))


GRIDS = {"values": grid(), "rows_of_3": rows(3, 1), "rows_of_17": rows(17, 2)}

# The spec, and the function of x and of the slope that `prelu` learns.
CASES = [
    ({"type": "relu"}, F.relu),
    ({"type": "leaky_relu", "negative_slope": 0.01}, lambda x: F.leaky_relu(x, 0.01)),
    ({"type": "leaky_relu", "negative_slope": 0.2}, lambda x: F.leaky_relu(x, 0.2)),
    ({"type": "leaky_relu", "negative_slope": -0.5}, lambda x: F.leaky_relu(x, -0.5)),
    ({"type": "elu", "alpha": 1.0}, F.elu),
    ({"type": "elu", "alpha": 0.5}, lambda x: F.elu(x, 0.5)),
    ({"type": "elu", "alpha": 3.0}, lambda x: F.elu(x, 3.0)),
    ({"type": "selu"}, F.selu),
    ({"type": "gelu", "approximate": "none"}, F.gelu),
    ({"type": "gelu", "approximate": "tanh"}, lambda x: F.gelu(x, approximate="tanh")),
    ({"type": "silu"}, F.silu),
    ({"type": "mish"}, F.mish),
    ({"type": "softplus", "beta": 1.0, "threshold": 20.0}, F.softplus),
    ({"type": "softplus", "beta": 2.0, "threshold": 5.0}, lambda x: F.softplus(x, 2.0, 5.0)),
    ({"type": "softplus", "beta": 0.25, "threshold": 4.0}, lambda x: F.softplus(x, 0.25, 4.0)),
    ({"type": "softsign"}, F.softsign),
    ({"type": "tanh"}, torch.tanh),
    ({"type": "sigmoid"}, torch.sigmoid),
    ({"type": "hard_sigmoid"}, F.hardsigmoid),
    ({"type": "hard_swish"}, F.hardswish),
    ({"type": "identity"}, lambda x: x.clone()),
    ({"type": "softmax"}, lambda x: F.softmax(x, dim=1)),
]

# Slopes other than what they begin with, since it is the learned one that counts.
PRELU = [(0.25, 0.375), (0.1, -0.5), (0.25, 0.0)]


def case(spec, grid, f, slope=None):
    x = GRIDS[grid].clone().requires_grad_()
    dy = given(grid)
    y = f(x) if slope is None else f(x, slope)
    wanted = [x] if slope is None else [x, slope]
    gradients = torch.autograd.grad(y, wanted, dy)
    found = {"spec": spec, "grid": grid, "y": digits(y.detach()), "dx": digits(gradients[0])}
    if slope is not None:
        # Of ordinary inputs: the extremes would drown the others in the sum.
        near = GRIDS[grid].abs() <= 100
        total = (dy * x * (x < 0))[near].sum()
        found |= {"slope": slope.item(), "slope_gradient": digits(total.detach())[0]}
        some = GRIDS[grid][near][:, None].clone()
        (checked,) = torch.autograd.grad(f(some, slope), slope, dy[near][:, None])
        assert torch.allclose(checked, total, rtol=1e-12)
    return found


def given(grid):
    x = GRIDS[grid]
    return single(np.resize(GIVEN, x.numel())).reshape(x.shape)


def main():
    cases = []
    for spec, f in CASES:
        for grid in GRIDS:
            if (spec["type"] == "softmax") == (grid != "values"):
                cases.append(case(spec, grid, f))
    for init, slope in PRELU:
        slope = torch.tensor([slope], dtype=torch.float64, requires_grad=True)
        cases.append(case({"type": "prelu", "init": init}, "values", F.prelu, slope))
    golden = {
        "versions": {"torch": torch.__version__, "numpy": np.__version__},
        "grids": {
            name: {"width": x.shape[1], "x": short(x), "dy": short(given(name))}
            for name, x in GRIDS.items()
        },
        "cases": cases,
    }
    text = json.dumps(golden, separators=(",", ":"), allow_nan=False)
    pathlib.Path(__file__).with_name("activation.json").write_text(text + "\n")


main()
