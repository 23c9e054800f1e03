"""Records what PyTorch's optimizers, schedulers and clipping compute, as optim.json beside this script.

Lion, which PyTorch lacks, is written out below from the paper.
"""

import json
import math
import pathlib

import numpy as np
import torch
from torch.optim import lr_scheduler as lrs

torch.set_num_threads(1)
N_PARAMETERS, N_STEPS, EVERY = 24, 50, 10


def short(values):
    """The shortest decimals that read back as the same f32."""
    return [float(str(np.float32(x))) for x in values]


def bowl(w):
    """A valley like Rosenbrock's in each pair of parameters, in a bowl of uneven steepness."""
    a, b = w[0::2], w[1::2]
    steepness = torch.logspace(-2, 1, len(w) // 2)
    return ((1 - a) ** 2 + 5 * (b - a**2) ** 2).sum() + (steepness * (a + b) ** 2).sum()


def gradients(start):
    """Gradients on the way down, some of them replaced by hard ones."""
    generator = torch.Generator().manual_seed(11)
    w = start.clone().requires_grad_()
    rows = []
    for step in range(N_STEPS):
        w.grad = None
        bowl(w).backward()
        g = w.grad.clone()
        with torch.no_grad():
            w -= 0.01 * g
        g += 0.1 * torch.randn(len(g), generator=generator)
        g[0] = 0.0
        g[1] *= 1e4
        g[2] *= 1e-12
        g[3] = 0.0 if step % 3 else g[3]
        g[4] = 0.0 if step < 20 else g[4]
        g[5] = 0.5
        g[6] = 1e4 if step == 7 else 1e-12
        rows.append(g)
    return rows


class Lion(torch.optim.Optimizer):
    """Program 1 of arXiv:2302.06675."""

    def __init__(self, params, lr=1e-4, betas=(0.9, 0.99), weight_decay=0.0):
        super().__init__(params, dict(lr=lr, betas=betas, weight_decay=weight_decay))

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            beta1, beta2 = group["betas"]
            for w in group["params"]:
                m = self.state[w].setdefault("m", torch.zeros_like(w))
                update = torch.sign(beta1 * m + (1 - beta1) * w.grad)
                m.copy_(beta2 * m + (1 - beta2) * w.grad)
                w.mul_(1 - group["lr"] * group["weight_decay"]).sub_(group["lr"] * update)


def sgd(**fixed):
    return lambda params, **options: torch.optim.SGD(params, **{**fixed, **options}, foreach=False)


def of(optimizer, **fixed):
    return lambda params, **options: optimizer(params, **fixed, **options, foreach=False)


OPTIMIZERS = {
    "gradient_descent": (sgd(), [{}]),
    "sgd": (sgd(), [{}, {"weight_decay": 0.1, "learning_rate": 0.05}]),
    "minibatch_sgd": (sgd(), [{}]),
    "momentum": (
        sgd(momentum=0.9),
        [
            {},
            {"dampening": 0.5, "weight_decay": 0.1},
            {"momentum": 0.0, "dampening": 0.5},
            {"momentum": 0.5, "learning_rate": 0.02},
        ],
    ),
    "nesterov": (
        sgd(momentum=0.9, nesterov=True),
        [{}, {"momentum": 0.5, "weight_decay": 0.1, "learning_rate": 0.02}],
    ),
    "adagrad": (
        of(torch.optim.Adagrad),
        [
            {},
            {"lr_decay": 0.1, "initial_accumulator_value": 0.1, "learning_rate": 0.1},
            {"weight_decay": 0.1, "eps": 1e-3},
        ],
    ),
    "adadelta": (of(torch.optim.Adadelta), [{}, {"rho": 0.5, "eps": 1e-4, "weight_decay": 0.1}]),
    "rmsprop": (
        of(torch.optim.RMSprop),
        [
            {},
            {"alpha": 0.9, "eps": 1e-4, "weight_decay": 0.1},
            {"momentum": 0.9, "weight_decay": 0.01},
            {"centered": True},
            {"alpha": 0.4, "centered": True},
            {"centered": True, "momentum": 0.5, "weight_decay": 0.1},
        ],
    ),
    "adam": (
        of(torch.optim.Adam),
        [
            {},
            {"weight_decay": 0.1, "learning_rate": 0.05},
            {"betas": [0.4, 0.9], "eps": 1e-4},
            {"betas": [0.0, 0.999]},
            {"betas": [0.999, 0.99]},
        ],
    ),
    "adamw": (of(torch.optim.AdamW), [{}, {"weight_decay": 0.5, "learning_rate": 0.05}]),
    "nadam": (
        of(torch.optim.NAdam),
        [
            {},
            {"weight_decay": 0.1, "momentum_decay": 0.1},
            {"weight_decay": 0.1, "decoupled_weight_decay": True, "betas": [0.8, 0.9]},
        ],
    ),
    "amsgrad": (of(torch.optim.Adam, amsgrad=True), [{}, {"weight_decay": 0.1, "betas": [0.4, 0.8]}]),
    "adamax": (of(torch.optim.Adamax), [{}, {"weight_decay": 0.1, "betas": [0.8, 0.9], "eps": 1e-4}]),
    "lion": (Lion, [{}, {"weight_decay": 0.5, "betas": [0.95, 0.98], "learning_rate": 0.01}]),
}


def trained(make, options, start, rows):
    """The weights after every tenth step; the learning rate halves half way."""
    options = dict(options)
    if "learning_rate" in options:
        options["lr"] = options.pop("learning_rate")
    if "betas" in options:
        options["betas"] = tuple(options["betas"])
    w = torch.nn.Parameter(start.clone())
    optimizer = make([w], **options)
    weights = []
    for step, g in enumerate(rows, start=1):
        if step == N_STEPS // 2 + 1:
            optimizer.param_groups[0]["lr"] *= 0.5
        w.grad = g.clone()
        optimizer.step()
        if step % EVERY == 0:
            weights.append(short(w.detach()))
    return weights


def rates(make, n, base, losses=None):
    """The learning rates of n steps of a scheduler."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=base)
    scheduler = make(optimizer)
    values = []
    for i in range(n):
        values.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if losses is None:
            if i + 1 < n:
                scheduler.step()
        else:
            scheduler.step(losses[i])
    return values


EPOCHS, STEPS, BASE = 30, 7, 0.2

BY_EPOCH = [
    ({"type": "constant"}, lambda o: lrs.ConstantLR(o, 1.0)),
    ({"type": "step", "step_size": 4}, lambda o: lrs.StepLR(o, 4)),
    ({"type": "step", "step_size": 1, "gamma": 0.7}, lambda o: lrs.StepLR(o, 1, 0.7)),
    ({"type": "multi_step", "milestones": [9, 3, 9, 20]}, lambda o: lrs.MultiStepLR(o, [9, 3, 9, 20])),
    (
        {"type": "multi_step", "milestones": [5], "gamma": 0.3},
        lambda o: lrs.MultiStepLR(o, [5], gamma=0.3),
    ),
    ({"type": "exponential", "gamma": 0.85}, lambda o: lrs.ExponentialLR(o, 0.85)),
    ({"type": "polynomial"}, lambda o: lrs.PolynomialLR(o, EPOCHS)),
    (
        {"type": "polynomial", "total_epochs": 12, "power": 2.5},
        lambda o: lrs.PolynomialLR(o, 12, power=2.5),
    ),
    (
        {"type": "polynomial", "total_epochs": 12, "end_factor": 0.1},
        lambda o: lrs.LinearLR(o, 1.0, 0.1, 12),
    ),
    ({"type": "cosine"}, lambda o: lrs.CosineAnnealingLR(o, EPOCHS)),
    ({"type": "cosine", "eta_min": 0.05}, lambda o: lrs.CosineAnnealingLR(o, EPOCHS, 0.05)),
    (
        {"type": "cosine", "restarts": {"period": 7}},
        lambda o: lrs.CosineAnnealingWarmRestarts(o, 7),
    ),
    (
        {"type": "cosine", "eta_min": 0.01, "restarts": {"period": 4, "multiplier": 2}},
        lambda o: lrs.CosineAnnealingWarmRestarts(o, 4, 2, 0.01),
    ),
]


def one_cycle(peak, **options):
    return lambda o: lrs.OneCycleLR(o, peak, EPOCHS * STEPS, cycle_momentum=False, **options)


BY_STEP = [
    ({"type": "one_cycle"}, one_cycle(BASE)),
    (
        {"type": "one_cycle", "max_factor": 3.0, "pct_start": 0.6, "div_factor": 4.0, "final_div_factor": 10.0},
        one_cycle(3 * BASE, pct_start=0.6, div_factor=4.0, final_div_factor=10.0),
    ),
    ({"type": "one_cycle", "pct_start": 0.0}, one_cycle(BASE, pct_start=0.0)),
    ({"type": "one_cycle", "pct_start": 1.0}, one_cycle(BASE, pct_start=1.0)),
    (
        {"type": "constant", "warmup_epochs": 2.5, "warmup_start_factor": 0.1},
        lambda o: lrs.SequentialLR(
            o, [lrs.LinearLR(o, 0.1, 1.0, 18), lrs.ConstantLR(o, 1.0)], [18]
        ),
    ),
    (
        {"type": "inverse_sqrt"},
        lambda o: lrs.LambdaLR(o, lambda step: 1 / math.sqrt(step + 1)),
    ),
    (
        {"type": "inverse_sqrt", "warmup_epochs": 3.0, "warmup_start_factor": 0.25},
        lambda o: lrs.LambdaLR(
            o, lambda t: 0.25 + 0.75 * t / 21 if t < 21 else math.sqrt(21 / t)
        ),
    ),
]

# A whole-epoch warm-up by step, and then a scheduler by epoch of its own.
WARMED_UP = [
    (
        {"type": "cosine", "warmup_epochs": 3.0},
        lambda o: lrs.CosineAnnealingLR(o, EPOCHS - 3),
    ),
    (
        {"type": "step", "step_size": 5, "gamma": 0.5, "warmup_epochs": 3.0},
        lambda o: lrs.StepLR(o, 5, 0.5),
    ),
    ({"type": "polynomial", "warmup_epochs": 3.0}, lambda o: lrs.PolynomialLR(o, EPOCHS - 3)),
]

NAN = float("nan")
SINKING = [1 / (1 + 0.5 * i) for i in range(EPOCHS)]
STUCK = [1.0, 0.8] + [0.8 - 1e-6 * i for i in range(EPOCHS - 2)]
BUMPY = [(1.0 + 0.3 * math.sin(1.7 * i)) / (1 + 0.1 * i) for i in range(EPOCHS)]
GONE = [1.0, NAN, 0.9, NAN, NAN, NAN, 0.5] + [NAN] * (EPOCHS - 7)

ON_PLATEAU = [
    ({}, SINKING),
    ({}, STUCK),
    ({"patience": 2, "factor": 0.5}, BUMPY),
    ({"patience": 0, "factor": 0.5, "cooldown": 3}, BUMPY),
    ({"patience": 1, "threshold": 0.05, "threshold_mode": "abs"}, BUMPY),
    ({"patience": 1, "threshold": 0.2, "cooldown": 1, "factor": 0.3, "min_lr": 0.01}, BUMPY),
    ({"patience": 1, "factor": 0.01}, STUCK),
    ({"patience": 1, "factor": 0.7}, GONE),
]


def schedules():
    cases = []

    def add(spec, per, values, losses=None):
        case = {"spec": spec, "per": per, "learning_rates": values}
        if losses is not None:
            case["losses"] = [None if math.isnan(loss) else loss for loss in losses]
        cases.append(case)

    for spec, make in BY_EPOCH:
        add(spec, "epoch", rates(make, EPOCHS, BASE))
    for spec, make in BY_STEP:
        add(spec, "step", rates(make, EPOCHS * STEPS, BASE))
    for spec, make in WARMED_UP:
        warmup = rates(lambda o: lrs.LinearLR(o, 1 / 3, 1.0, 3 * STEPS), 3 * STEPS, BASE)
        proper = rates(make, EPOCHS - 3, BASE)
        add(spec, "step", warmup + [rate for rate in proper for _ in range(STEPS)])
    for options, losses in ON_PLATEAU:
        values = rates(lambda o: lrs.ReduceLROnPlateau(o, **options), EPOCHS, BASE, losses)
        add({"type": "reduce_on_plateau", **options}, "epoch", values, losses)
    return cases


def clipping():
    generator = torch.Generator().manual_seed(5)
    lengths = [5, 12, 1, 30]
    g = [torch.randn(n, generator=generator) * s for n, s in zip(lengths, [0.1, 10.0, 3.0, 1.0])]
    cases = []
    for clip in [
        {"value": 1.5},
        {"norm": 2.0},
        {"global_norm": 2.0},
        {"global_norm": 1e3},
        {"value": 5.0, "norm": 4.0, "global_norm": 3.0},
    ]:
        params = [torch.nn.Parameter(torch.zeros_like(x)) for x in g]
        for param, x in zip(params, g):
            param.grad = x.clone()
        if "value" in clip:
            torch.nn.utils.clip_grad_value_(params, clip["value"])
        if "norm" in clip:
            for param in params:
                torch.nn.utils.clip_grad_norm_([param], clip["norm"])
        if "global_norm" in clip:
            torch.nn.utils.clip_grad_norm_(params, clip["global_norm"])
        cases.append({"clip": clip, "clipped": short(torch.cat([p.grad for p in params]))})
    return {"lengths": lengths, "gradient": short(torch.cat(g)), "cases": cases}


def main():
    start = torch.randn(N_PARAMETERS, generator=torch.Generator().manual_seed(3))
    rows = gradients(start)
    golden = {
        "versions": {"torch": torch.__version__, "numpy": np.__version__},
        "start": short(start),
        "gradients": [short(g) for g in rows],
        "optimizers": [
            {"spec": {"type": name, **options}, "weights": trained(make, options, start, rows)}
            for name, (make, variants) in OPTIMIZERS.items()
            for options in variants
        ],
        "schedules": {
            "base_learning_rate": BASE,
            "steps_per_epoch": STEPS,
            "epochs": EPOCHS,
            "cases": schedules(),
        },
        "clipping": clipping(),
    }
    text = json.dumps(golden, separators=(",", ":"), allow_nan=False)
    pathlib.Path(__file__).with_name("optim.json").write_text(text + "\n")


main()
