"""Trains small networks with PyTorch from given weights, as training.json beside this script.

Batches are taken in the order of the rows, the same in every epoch. Parameters are flat: layer by
layer, a dense layer's weight of inputs x outputs before its bias, a norm's scale before its shift.
Each case is trained in double precision too, and must hardly differ: it is tame, so that another order of
sums does not matter.
"""

import json
import math
import pathlib

import numpy as np
import torch
from torch import nn
from torch.optim import lr_scheduler as lrs
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

EPOCHS, BATCH, ROWS, FEATURES = 5, 16, 100, 6

# Sums are split by threads, and the last digit with them.
torch.set_num_threads(1)

ACTIVATIONS = {
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "prelu": nn.PReLU,
    "elu": nn.ELU,
    "selu": nn.SELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "mish": nn.Mish,
    "softplus": nn.Softplus,
    "softsign": nn.Softsign,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "hard_sigmoid": nn.Hardsigmoid,
    "hard_swish": nn.Hardswish,
    "identity": nn.Identity,
}


class Residual(nn.Module):
    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, x):
        return x + self.inner(x)


def dense(units, bias=True):
    return {"type": "dense", "units": units, "bias": bias}


def activation(name):
    return {"type": "activation", "activation": {"type": name}}


def build(layers, width):
    modules = []
    for layer in layers:
        kind = layer["type"]
        if kind == "dense":
            modules.append(nn.Linear(width, layer["units"], bias=layer["bias"]))
            width = layer["units"]
        elif kind == "activation":
            modules.append(ACTIVATIONS[layer["activation"]["type"]]())
        elif kind == "batch_norm":
            modules.append(nn.BatchNorm1d(width))
        elif kind == "layer_norm":
            modules.append(nn.LayerNorm(width))
        elif kind == "dropout":
            modules.append(nn.Dropout(layer["rate"]))
        elif kind == "alpha_dropout":
            modules.append(nn.AlphaDropout(layer["rate"]))
        elif kind == "residual":
            inner, width = build(layer["layers"], width)
            modules.append(Residual(inner))
    return nn.Sequential(*modules), width


def flat(model):
    parts = []
    for module in model.modules():
        if isinstance(module, nn.Linear):
            parts.append(module.weight.detach().T.reshape(-1))
            if module.bias is not None:
                parts.append(module.bias.detach())
        elif isinstance(module, (nn.BatchNorm1d, nn.LayerNorm)):
            parts += [module.weight.detach(), module.bias.detach()]
        elif isinstance(module, nn.PReLU):
            parts.append(module.weight.detach())
    return short(torch.cat(parts))


def short(values):
    """The float32 nearest to each value, in as few digits as read back as the same."""
    return [float(str(np.float32(value))) for value in values.reshape(-1).tolist()]


def buffers(model):
    parts = []
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d):
            parts += [module.running_mean, module.running_var]
    return short(torch.cat(parts)) if parts else []


def focal(z, y, gamma=2.0):
    log_p = torch.log_softmax(z, 1).gather(1, y[:, None])[:, 0]
    return (-((1 - log_p.exp()) ** gamma) * log_p).mean()


LOSSES = {
    "cross_entropy": lambda z, y, o, w: nn.functional.cross_entropy(
        z, y, weight=w, label_smoothing=o.get("label_smoothing", 0.0)
    ),
    "binary_cross_entropy": lambda z, y, o, w: nn.functional.binary_cross_entropy_with_logits(
        z[:, 0], y.to(z.dtype)
    ),
    "focal": lambda z, y, o, w: focal(z, y),
    "hinge": lambda z, y, o, w: nn.functional.multi_margin_loss(z, y),
    "squared_hinge": lambda z, y, o, w: nn.functional.multi_margin_loss(z, y, p=2),
    "mse": lambda z, y, o, w: nn.functional.mse_loss(z, y),
    "mae": lambda z, y, o, w: nn.functional.l1_loss(z, y),
    "huber": lambda z, y, o, w: nn.functional.huber_loss(z, y, delta=o.get("delta", 1.0)),
    "poisson": lambda z, y, o, w: nn.functional.poisson_nll_loss(z, y),
    # PyTorch has neither. ln cosh d = d + softplus(-2d) - ln 2.
    "log_cosh": lambda z, y, o, w: (z - y + nn.functional.softplus(-2 * (z - y)) - math.log(2)).mean(),
    "quantile": lambda z, y, o, w: torch.maximum(
        o["quantile"] * (y - z), (o["quantile"] - 1) * (y - z)
    ).mean(),
}

# Row by row, for weights.
LOSSES_OF_ROWS = {
    "cross_entropy": lambda z, y, w: nn.functional.cross_entropy(z, y, weight=w, reduction="none"),
    "mse": lambda z, y, w: nn.functional.mse_loss(z, y, reduction="none").mean(dim=1),
}

OPTIMIZERS = {
    "sgd": (torch.optim.SGD, {}),
    "momentum": (torch.optim.SGD, {"momentum": 0.9}),
    "nesterov": (torch.optim.SGD, {"momentum": 0.9, "nesterov": True}),
    "adagrad": (torch.optim.Adagrad, {}),
    "adadelta": (torch.optim.Adadelta, {}),
    "rmsprop": (torch.optim.RMSprop, {}),
    "adam": (torch.optim.Adam, {}),
    "adamw": (torch.optim.AdamW, {}),
    "nadam": (torch.optim.NAdam, {}),
    "amsgrad": (torch.optim.Adam, {"amsgrad": True}),
    "adamax": (torch.optim.Adamax, {}),
}


STEPS = math.ceil(ROWS / BATCH)
WARMUP = 2 * STEPS

# As ours, PyTorch's, and how often that is stepped: by epoch, by step, or by epoch with its loss.
SCHEDULES = [
    ({"type": "step", "step_size": 2, "gamma": 0.3}, lambda o: lrs.StepLR(o, 2, 0.3), "epoch"),
    ({"type": "multi_step", "milestones": [1, 3], "gamma": 0.4}, lambda o: lrs.MultiStepLR(o, [1, 3], 0.4), "epoch"),
    ({"type": "exponential", "gamma": 0.7}, lambda o: lrs.ExponentialLR(o, 0.7), "epoch"),
    ({"type": "polynomial", "power": 2.0}, lambda o: lrs.PolynomialLR(o, EPOCHS, power=2.0), "epoch"),
    ({"type": "cosine"}, lambda o: lrs.CosineAnnealingLR(o, EPOCHS), "epoch"),
    (
        {"type": "cosine", "restarts": {"period": 2}},
        lambda o: lrs.CosineAnnealingWarmRestarts(o, 2),
        "epoch",
    ),
    (
        {"type": "one_cycle"},
        lambda o: lrs.OneCycleLR(o, o.param_groups[0]["lr"], EPOCHS * STEPS, cycle_momentum=False),
        "step",
    ),
    ({"type": "inverse_sqrt"}, lambda o: lrs.LambdaLR(o, lambda t: 1 / math.sqrt(t + 1)), "step"),
    (
        {"type": "constant", "warmup_epochs": 2.0, "warmup_start_factor": 0.1},
        lambda o: lrs.LinearLR(o, 0.1, 1.0, WARMUP),
        "step",
    ),
    (
        {"type": "reduce_on_plateau", "patience": 0, "factor": 0.5, "threshold": 0.2},
        lambda o: lrs.ReduceLROnPlateau(o, patience=0, factor=0.5, threshold=0.2),
        "loss",
    ),
]


def case(name, layers, loss="cross_entropy", optimizer="adam", rate=0.005, n=3, **more):
    return {"name": name, "layers": layers, "loss": loss, "optimizer": optimizer, "rate": rate, "n": n, **more}


def plain(n=3, width=8, kind="tanh"):
    return [dense(width), activation(kind), dense(n)]


def relu(width):
    return [dense(width), activation("relu")]


def residual(*layers):
    return {"type": "residual", "layers": list(layers)}


BATCH_NORM, LAYER_NORM = {"type": "batch_norm"}, {"type": "layer_norm"}

CASES = [case(f"activation {name}", plain(kind=name)) for name in ACTIVATIONS]
CASES += [
    case(f"optimizer {name}", plain(), optimizer=name, rate=0.5 if name == "adadelta" else 0.01)
    for name in OPTIMIZERS
]
CASES += [
    case("deep", [*relu(12), *relu(10), dense(8), activation("tanh"), dense(3)]),
    # A bias before a batch norm has no gradient but rounding, of which Adam would make steps.
    case("batch norm", [dense(8, False), BATCH_NORM, activation("relu"), dense(3)]),
    case(
        "batch norm twice",
        [BATCH_NORM, dense(8), BATCH_NORM, activation("tanh"), dense(3)],
        optimizer="momentum",
    ),
    case("layer norm", [dense(8), LAYER_NORM, activation("gelu"), dense(3)]),
    case("dropout off", [dense(8), activation("tanh"), {"type": "dropout", "rate": 0.0}, dense(3)]),
    case("alpha dropout off", [dense(8), activation("selu"), {"type": "alpha_dropout", "rate": 0.0}, dense(3)]),
    case("residual", [dense(8), residual(dense(8), activation("tanh"), dense(8)), dense(3)]),
    case(
        "residual with norms",
        [dense(8), residual(BATCH_NORM, activation("silu"), dense(8)), LAYER_NORM, dense(3)],
    ),
    case("clipped", plain(), optimizer="sgd", rate=0.5, clip=0.05),
    case("weight decay", plain(), optimizer="adamw", rate=0.01, weight_decay=0.1),
    case("l2", plain(), optimizer="momentum", rate=0.02, weight_decay=0.05),
    case("label smoothing", plain(), options={"label_smoothing": 0.1}),
    case("class weights", plain(), class_weight=[0.5, 1.0, 3.0]),
    case("class weights and smoothing", plain(), class_weight=[0.5, 1.0, 3.0], options={"label_smoothing": 0.2}),
    case("binary", plain(1), loss="binary_cross_entropy", n=2),
    case("focal", plain(), loss="focal"),
    case("hinge", plain(), loss="hinge", optimizer="sgd", rate=0.1),
    case("squared hinge", plain(), loss="squared_hinge", optimizer="sgd", rate=0.1),
    case("mse", plain(1), loss="mse", n=0, outputs=1),
    case("mse of three", plain(3), loss="mse", n=0, outputs=3),
    case("mae", plain(1), loss="mae", n=0, outputs=1, optimizer="sgd", rate=0.05),
    case("huber", plain(2), loss="huber", n=0, outputs=2, options={"delta": 0.3}),
    case("poisson", plain(1), loss="poisson", n=0, outputs=1),
    case("linear", [dense(3)], optimizer="sgd", rate=0.3),
    case("accumulated", plain(), accumulation=2),
    case("l1 penalty", plain(), optimizer="sgd", rate=0.1, training={"l1": 0.02}),
    case("l2 penalty", plain(), training={"l2": 0.2}),
    # Norms and biases are not penalised.
    case(
        "both penalties",
        [dense(8), LAYER_NORM, activation("tanh"), dense(3)],
        optimizer="momentum",
        rate=0.02,
        training={"l1": 0.01, "l2": 0.1},
    ),
    case("max norm", plain(), optimizer="sgd", rate=0.3, training={"max_norm": 0.6}),
    case("averaged", plain(), rate=0.02, training={"averaging": {"decay": 0.8}}),
    case("last batch left out", plain(), rate=0.02, training={"drop_last": True}),
    case("row weights", plain(), rate=0.02, row_weights=True),
    case("row and class weights", plain(), rate=0.02, row_weights=True, class_weight=[0.5, 1.0, 3.0]),
    case("row weights of values", plain(2), loss="mse", n=0, outputs=2, row_weights=True),
]
CASES += [
    case(f"schedule {spec['type']}", plain(), optimizer="momentum", rate=0.05, schedule=(spec, start, when))
    for spec, start, when in SCHEDULES
]
CASES += [
    # A step of several batches is one step of the schedule.
    case("accumulated one_cycle", plain(), accumulation=2, rate=0.02, schedule=(
        {"type": "one_cycle"},
        lambda o: lrs.OneCycleLR(o, 0.02, EPOCHS * math.ceil(STEPS / 2), cycle_momentum=False),
        "step",
    )),
    case("clipped by value", plain(), optimizer="sgd", rate=0.5, clip={"value": 0.02}),
    case("clipped by tensor", plain(), optimizer="sgd", rate=0.5, clip={"norm": 0.05}),
    case("clipped thrice", plain(), optimizer="sgd", rate=0.5, clip={"value": 0.02, "norm": 0.05, "global_norm": 0.06}),
    case("log_cosh", plain(2), loss="log_cosh", n=0, outputs=2),
    case("quantile", plain(1), loss="quantile", n=0, outputs=1, options={"quantile": 0.8}, optimizer="sgd", rate=0.05),
]


def clip_gradients(model, clip):
    """In our order: each value, then each tensor, then all of them."""
    if "value" in clip:
        nn.utils.clip_grad_value_(model.parameters(), clip["value"])
    if "norm" in clip:
        for tensor in model.parameters():
            nn.utils.clip_grad_norm_([tensor], clip["norm"])
    if "global_norm" in clip:
        nn.utils.clip_grad_norm_(model.parameters(), clip["global_norm"])


def run(case, index, dtype):
    torch.manual_seed(index)
    random = np.random.RandomState(index)
    x = random.normal(size=(ROWS, FEATURES)).astype(np.float32)
    t = random.normal(size=(FEATURES, max(case["n"], case.get("outputs", 1))))
    if case["n"]:
        y = (x @ t + 0.5 * random.normal(size=(ROWS, t.shape[1]))).argmax(1)
        target = {"classes": y.tolist()}
        yt = torch.from_numpy(y)
    else:
        y = np.tanh(x @ t / 2).astype(np.float32)
        if case["loss"] == "poisson":
            y = np.round(np.exp(y)).astype(np.float32)
        target = {"values": short(y)}
        yt = torch.from_numpy(y).to(dtype)
    model, _ = build(case["layers"], FEATURES)
    initial = flat(model)
    model = model.to(dtype)
    kind, options = OPTIMIZERS[case["optimizer"]]
    options = {**options, "lr": case["rate"]}
    if "weight_decay" in case:
        options["weight_decay"] = case["weight_decay"]
    optimizer = kind(model.parameters(), **options)
    class_weight = case.get("class_weight")
    weight = torch.tensor(class_weight, dtype=dtype) if class_weight else None
    xt = torch.from_numpy(x).to(dtype)
    training = case.get("training", {})
    dense_weights = [module.weight for module in model.modules() if isinstance(module, nn.Linear)]
    # Some rows count twice, some half, some not at all.
    row_weights = np.resize(np.float32([1.0, 2.0, 0.5, 0.0, 1.5, 3.0, 1.0]), ROWS) if "row_weights" in case else None
    rw = torch.ones(ROWS, dtype=dtype) if row_weights is None else torch.from_numpy(row_weights).to(dtype)
    averaged = None
    if "averaging" in training:
        decay = training["averaging"]["decay"]
        averaged = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(decay))
        # The first call copies: the average begins with the first weights.
        averaged.update_parameters(model)
    every = case.get("accumulation", 1)
    clip = case.get("clip", {})
    clip = clip if isinstance(clip, dict) else {"global_norm": clip}
    schedule_spec, start, when = case.get("schedule", (None, lambda _: None, None))
    schedule = start(optimizer)
    losses = []
    for _ in range(EPOCHS):
        total, rows = 0.0, 0.0
        starts = list(range(0, ROWS, BATCH))
        if training.get("drop_last"):
            starts = [start for start in starts if start + BATCH <= ROWS]
        for group in range(0, len(starts), every):
            optimizer.zero_grad()
            members = starts[group : group + every]
            for start in members:
                yb = yt[start : start + BATCH]
                z = model(xt[start : start + BATCH])
                if row_weights is None:
                    loss = LOSSES[case["loss"]](z, yb, case.get("options", {}), weight)
                    n = float(weight[yb].sum()) if class_weight else len(yb)
                else:
                    w = rw[start : start + BATCH]
                    losses_of_rows = LOSSES_OF_ROWS[case["loss"]](z, yb, weight)
                    total_weight = (w * weight[yb]).sum() if class_weight else w.sum()
                    loss = (w * losses_of_rows).sum() / total_weight
                    n = float(total_weight)
                (loss / len(members)).backward()
                total += loss.item() * n
                rows += n
            penalty = training.get("l1", 0.0) * sum(w.abs().sum() for w in dense_weights)
            penalty = penalty + training.get("l2", 0.0) / 2 * sum((w**2).sum() for w in dense_weights)
            penalty.backward()
            clip_gradients(model, clip)
            optimizer.step()
            if when == "step":
                schedule.step()
            if "max_norm" in training:
                with torch.no_grad():
                    for w in dense_weights:
                        w *= (training["max_norm"] / w.norm(dim=1, keepdim=True)).clamp(max=1)
            if averaged:
                averaged.update_parameters(model)
        losses.append(total / rows)
        if when == "epoch":
            schedule.step()
        elif when == "loss":
            schedule.step(losses[-1])
    model = averaged.module if averaged else model
    model.eval()
    with torch.no_grad():
        outputs = short(model(xt[:10]))
    spec = {
        "name": case["name"],
        "layers": case["layers"],
        "loss": {"type": case["loss"], **case.get("options", {})},
        "optimizer": {
            "type": case["optimizer"],
            "learning_rate": case["rate"],
            **({"weight_decay": case["weight_decay"]} if "weight_decay" in case else {}),
            **({"clip": clip} if clip else {}),
            **({"schedule": schedule_spec} if schedule else {}),
        },
        "training": {**training, "accumulation_steps": every},
        "row_weights": None if row_weights is None else short(row_weights),
        "class_weight": class_weight,
        "n_classes": case["n"],
        "n_outputs": case.get("outputs", 0),
        "x": short(x),
        **target,
    }
    return {
        **spec,
        "initial": initial,
        "losses": losses,
        "final": flat(model),
        "buffers": buffers(model),
        "outputs": outputs,
    }


def main():
    cases = []
    for index, case in enumerate(CASES):
        single, double = run(case, index, torch.float32), run(case, index, torch.float64)
        for series, most in (("losses", 1e-5), ("final", 1e-4), ("outputs", 1e-4), ("buffers", 1e-5)):
            drift = max((abs(a - b) for a, b in zip(single[series], double[series], strict=True)), default=0.0)
            assert drift < most, (case["name"], series, drift)
        cases.append(single)
    golden = {
        "versions": {"torch": torch.__version__, "numpy": np.__version__},
        "epochs": EPOCHS,
        "batch_size": BATCH,
        "n_features": FEATURES,
        "cases": cases,
    }
    text = json.dumps(golden, separators=(",", ":")).replace('{"name":', '\n{"name":')
    pathlib.Path(__file__).with_name("training.json").write_text(text + "\n")


main()
