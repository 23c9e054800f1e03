"""Records which distributions weights begin with, by PyTorch's initialisations, as init.json beside
this script.

PyTorch draws with other random numbers, so what is recorded is not its weights but what it draws them
from: the bounds or the deviation that its functions compute.
"""

import json
import pathlib
import statistics

import numpy as np
import torch
from torch.nn import init

torch.set_num_threads(1)

# Inputs × outputs: more of these, more of those, and as many.
SHAPES = [(300, 700), (700, 300), (450, 450)]
ORTHOGONAL_SHAPES = [(60, 25), (25, 60), (40, 40), (1, 7), (7, 1), (1, 1)]

# How PyTorch names what has an activation's gain; those that it lacks are like relu, or, if they are
# bounded, like the sigmoid.
LIKE = {
    "relu": ("relu", 0),
    "elu": ("relu", 0),
    "gelu": ("relu", 0),
    "silu": ("relu", 0),
    "mish": ("relu", 0),
    "softplus": ("relu", 0),
    "hard_swish": ("relu", 0),
    "selu": ("selu", 0),
    "tanh": ("tanh", 0),
    "sigmoid": ("sigmoid", 0),
    "hard_sigmoid": ("sigmoid", 0),
    "softsign": ("sigmoid", 0),
    "softmax": ("sigmoid", 0),
    "identity": ("linear", 0),
}
ACTIVATIONS = [({"type": name}, like) for name, like in LIKE.items()] + [
    ({"type": "leaky_relu", "negative_slope": 0.01}, ("leaky_relu", 0.01)),
    ({"type": "leaky_relu", "negative_slope": 2.0}, ("leaky_relu", 2.0)),
    ({"type": "prelu", "init": 0.25}, ("leaky_relu", 0.25)),
    ({"type": "prelu", "init": -0.8}, ("leaky_relu", -0.8)),
]


class Recorder(torch.Tensor):
    """A tensor that writes down what it is filled from."""

    def uniform_(self, low=0, high=1, generator=None):
        self.drawn_from = {"type": "uniform", "low": float(low), "high": float(high)}
        return self

    def normal_(self, mean=0, std=1, generator=None):
        self.drawn_from = {"type": "normal", "mean": float(mean), "std": float(std)}
        return self


def drawn_from(fill, shape, **options):
    """What a function of `torch.nn.init` draws weights of inputs × outputs from."""
    inputs, outputs = shape
    # PyTorch's weights are outputs × inputs.
    weights = torch.empty(outputs, inputs).as_subclass(Recorder)
    fill(weights, **options)
    return weights.drawn_from


def like(pair):
    nonlinearity, slope = pair
    return {"nonlinearity": nonlinearity, "a": slope}


# He's without a gain.
LECUN = {"nonlinearity": "linear"}


def cases():
    def add(spec, shape, drawn, activation={"type": "relu"}):
        rows.append(
            {
                "spec": spec,
                "inputs": shape[0],
                "outputs": shape[1],
                "activation": activation,
                "drawn_from": drawn,
            }
        )

    rows = []
    for shape in SHAPES:
        for author, uniform, normal, options in [
            ("xavier", init.xavier_uniform_, init.xavier_normal_, {}),
            ("glorot", init.xavier_uniform_, init.xavier_normal_, {}),
            ("lecun", init.kaiming_uniform_, init.kaiming_normal_, LECUN),
        ]:
            add({"type": f"{author}_uniform"}, shape, drawn_from(uniform, shape, **options))
            add({"type": f"{author}_normal"}, shape, drawn_from(normal, shape, **options))
    for index, (activation, pair) in enumerate(ACTIVATIONS):
        shape = SHAPES[index % len(SHAPES)]
        for author in ("he", "kaiming"):
            options = like(pair)
            drawn = drawn_from(init.kaiming_uniform_, shape, **options)
            add({"type": f"{author}_uniform"}, shape, drawn, activation)
            drawn = drawn_from(init.kaiming_normal_, shape, **options)
            add({"type": f"{author}_normal"}, shape, drawn, activation)
    for mean, std in [(0.0, 1.0), (0.5, 0.1), (-3.0, 20.0)]:
        drawn = drawn_from(init.normal_, SHAPES[0], mean=mean, std=std)
        add({"type": "normal", "mean": mean, "std": std}, SHAPES[0], drawn)
    for low, high in [(0.0, 1.0), (-0.2, 0.6), (-90.0, -30.0)]:
        drawn = drawn_from(init.uniform_, SHAPES[1], a=low, b=high)
        add({"type": "uniform", "low": low, "high": high}, SHAPES[1], drawn)
    for shape in ORTHOGONAL_SHAPES:
        for gain in (1.0, 1.5, -0.25):
            weights = init.orthogonal_(torch.empty(shape, dtype=torch.float64), gain)
            product = weights @ weights.T if shape[0] <= shape[1] else weights.T @ weights
            squared = product.diagonal().mean().item()
            assert torch.allclose(product, squared * torch.eye(min(shape), dtype=torch.float64))
            spec = {"type": "orthogonal", "gain": gain}
            add(spec, shape, {"type": "orthogonal", "squared_gain": float(f"{squared:.9g}")})
    for spec, fill, options in [
        ({"type": "zeros"}, init.zeros_, {}),
        ({"type": "constant", "value": 0.25}, init.constant_, {"val": 0.25}),
        ({"type": "constant", "value": -7.0}, init.constant_, {"val": -7.0}),
        ({"type": "normal", "mean": 0.5, "std": 0.0}, init.normal_, {"mean": 0.5, "std": 0.0}),
    ]:
        values = fill(torch.empty(7, 5), **options).unique()
        assert len(values) == 1
        add(spec, (7, 5), {"type": "constant", "value": values.item()})
    return rows


def quantiles():
    """Shares of the standard normal distribution, and below what they lie."""
    tail = [1e-5, 1e-4, 1e-3]
    shares = tail + list(np.linspace(0.005, 0.995, 199)) + [1 - share for share in reversed(tail)]
    normal = statistics.NormalDist()
    return [[float(f"{p:.9g}"), float(f"{normal.inv_cdf(p):.9g}")] for p in shares]


def main():
    golden = {
        "versions": {"torch": torch.__version__, "numpy": np.__version__},
        "normal_quantiles": quantiles(),
        "cases": cases(),
    }
    text = json.dumps(golden, separators=(",", ":"), allow_nan=False)
    pathlib.Path(__file__).with_name("init.json").write_text(text + "\n")


main()
