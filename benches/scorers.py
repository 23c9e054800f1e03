#!/usr/bin/env python3
"""What eight scorers cost beside one: the same job of 30 folds, in turns, by its `timings.fit_s`.

`python benches/scorers.py target/release/trainyard`
"""

import argparse
import pathlib
import statistics
import tempfile

import compare

SCORERS = [
    "accuracy", "balanced_accuracy", "f1", "precision", "recall", "roc_auc", "average_precision",
    "matthews_corrcoef",
]
MODELS = {
    "perceptron": {"model": {"type": "perceptron"}},
    "mlp": {
        "model": {"type": "mlp", "hidden": [32]},
        "optimizer": {"type": "adam", "learning_rate": 0.01},
        "training": {"epochs": 20, "batch_size": 32},
    },
}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("binary", type=pathlib.Path)
    parser.add_argument("--repeats", type=int, default=21)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="trainyard-bench-") as scratch:
        with compare.Server(args.binary.resolve(), pathlib.Path(scratch) / "data") as running:
            server = compare.Client(running.port)
            dataset = server.post("/v1/datasets/generate", {"generator": {
                "type": "make_classification", "n_samples": 1000, "n_features": 10,
                "n_informative": 10, "n_redundant": 0, "random_state": 1,
            }})["id"]
            for name, model in MODELS.items():
                times = {1: [], 8: []}
                for _ in range(args.repeats):
                    for n, found in times.items():
                        found.append(fit_s(server, {
                            **model, "dataset_id": dataset, "target": "y", "scoring": SCORERS[:n],
                            "cv": {
                                "type": "repeated_stratified_kfold", "n_splits": 10, "n_repeats": 3,
                                "random_state": 1,
                            },
                        }))
                one, eight = (statistics.median(times[n]) for n in (1, 8))
                best = min(times[8]) / min(times[1])
                print(
                    f"{name}: {1e3 * one:.2f} ms with 1 scorer, {1e3 * eight:.2f} ms with 8; "
                    f"ratio {eight / one:.3f} of medians, {best:.3f} of the best"
                )


def fit_s(server, spec):
    job = server.post("/v1/jobs", spec)
    job = server.get(f"/v1/jobs/{job['id']}?wait=60")
    assert job["status"] == "succeeded", job
    return job["timings"]["fit_s"]


main()
