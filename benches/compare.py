#!/usr/bin/env python3
"""Times trainyard's server beside other libraries: the same work, one run, one machine, in turns.

What is compared is training: the server's `timings.fit_s`, the wall-clock from the first fold's start to
the last task's end, with the other side's own clock around its call. What serving adds is measured apart:
the client's clock from just before the POST of the job to its result, less `fit_s`.

A workload is a function that returns a `Workload`, and a line in `WORKLOADS`. If sides did not compute
the same, the exit status is 1.
"""

import argparse
import contextlib
import functools
import hashlib
import http.client
import importlib.metadata
import json
import os
import pathlib
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field

# Before numpy, since it sees to what numpy loads.
import networks  # isort: skip
import numpy as np
import sklearn
import tables

ROOT = pathlib.Path(__file__).resolve().parent.parent
N_STARTS = 10
POLL_S = 0.002
SETTLE_S = 2.0


def main():
    args = parse_args()
    binary = None if args.peers_only else (args.binary or build()).resolve()
    report = {"machine": machine(binary), "workloads": {}}
    tables.print_machine(report["machine"])
    if args.peers_only:
        measure(args, None, report)
    else:
        measure_with_server(args, binary, report)
    report["machine"]["load_average_at_end"] = os.getloadavg()
    tables.print_end(report)
    if args.json:
        args.json.write_text(json.dumps(report, indent=1) + "\n")
    differ = [name for name, outcome in report["workloads"].items() if not outcome["agree"]]
    if differ:
        sys.exit(f"the sides did not compute the same, so their times mean nothing: {', '.join(differ)}")


def measure_with_server(args, binary, report):
    with tempfile.TemporaryDirectory(prefix="trainyard-bench-") as scratch:
        scratch = pathlib.Path(scratch)
        data_dir = scratch / "data"
        with Server(binary, data_dir) as server:
            time.sleep(SETTLE_S)
            report["rss_idle_bytes"] = server.rss_bytes()
            measure(args, server, report)
            time.sleep(SETTLE_S)
            report["rss_after_jobs_bytes"] = server.rss_bytes()
        report["starts"] = starts(binary, scratch, data_dir)


def measure(args, server, report):
    for name in args.only or WORKLOADS:
        workload = WORKLOADS[name]()
        outcome = run(workload, server, args.repeats or workload.repeats)
        tables.print_outcome(name, outcome)
        report["workloads"][name] = outcome


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--binary", type=pathlib.Path, help="a built trainyard; builds one if left out")
    parser.add_argument("--peers-only", action="store_true", help="only the others, without a server")
    parser.add_argument("--repeats", type=int, help="how often each side is timed; each workload has its own")
    parser.add_argument("--only", nargs="+", choices=WORKLOADS, metavar="NAME", help=", ".join(WORKLOADS))
    parser.add_argument("--json", type=pathlib.Path, help="where to write every number")
    return parser.parse_args()


# Workloads


@dataclass
class Workload:
    """One task, for the server and for the others."""

    # Creates the dataset and returns its id.
    dataset: Callable[["Client"], str]
    # The job's body, but for the dataset.
    job: dict
    # Each does the work once and returns its seconds and what `check` needs. The first one is the one
    # that ratios are of.
    others: dict[str, Callable[[], tuple[float, object]]]
    # Of all jobs' results (none if there is no server) and of what each other side returned each time:
    # how they compare, in words, and whether they are the same, as far as they should be.
    check: Callable[[list[dict], dict[str, list]], tuple[str, bool]]
    # How often each side is timed, unless it is said.
    repeats: int = 20
    # Whether each job gets a `random_state` of its own, since the others draw new numbers each time too.
    reseeded: bool = False
    # What makes the job do more than the other sides, as it does by default: such a job is timed beside,
    # and it is the one whose result `check` looks at.
    by_default: dict = field(default_factory=dict)
    # Arithmetic of all matrix products, where there is a comparison by that.
    gflop: float | None = None
    # The best other side's time over ours, as it is wanted.
    wanted: float | None = None


def perceptron_cv():
    """Three times ten stratified folds of a perceptron over 1000 rows, against scikit-learn."""
    from sklearn.datasets import make_classification
    from sklearn.linear_model import Perceptron
    from sklearn.model_selection import RepeatedStratifiedKFold, cross_val_score

    shape = {"n_samples": 1000, "n_features": 10, "n_informative": 10, "n_redundant": 0, "random_state": 1}
    folds = {"n_splits": 10, "n_repeats": 3, "random_state": 1}
    x, y = make_classification(**shape)

    def dataset(client):
        generator = {"type": "make_classification", **shape}
        return client.post("/v1/datasets/generate", {"name": "perceptron_cv", "generator": generator})["id"]

    def scikit_learn(n_jobs):
        def once():
            cv = RepeatedStratifiedKFold(**folds)
            started = time.perf_counter()
            scores = cross_val_score(Perceptron(), x, y, cv=cv, n_jobs=n_jobs)
            return time.perf_counter() - started, scores

        return once

    def check(results, answers):
        expected, *others = [scores for answer in answers.values() for scores in answer]
        if any(scores.tolist() != expected.tolist() for scores in others):
            return "The other sides' scores DIFFER among each other.", False
        for result in results:
            in_order = sorted(result["folds"], key=lambda fold: (fold["repeat"], fold["fold"]))
            ours = [fold["scores"]["accuracy"] for fold in in_order]
            if ours != expected.tolist():
                return f"The folds' scores DIFFER: ours are {ours}, not {expected.tolist()}.", False
            mean = result["cv"]["accuracy"]["mean"]
            if abs(mean - expected.mean()) > 1e-12:
                return f"The means DIFFER: ours is {mean}, not {expected.mean()}.", False
        return "The scores and their mean are the same on all sides.", True

    return Workload(
        dataset=dataset,
        job={
            "target": "y",
            "model": {"type": "perceptron"},
            "cv": {"type": "repeated_stratified_kfold", **folds},
            "scoring": ["accuracy"],
        },
        others={"scikit-learn, n_jobs=2": scikit_learn(2), "scikit-learn, n_jobs=1": scikit_learn(1)},
        check=check,
    )


def network(name):
    """One of the reference networks, against scikit-learn and PyTorch; see `networks`."""
    shape = networks.SHAPES[name]
    x, y = networks.data(shape)

    def dataset(client):
        return client.upload(f"/v1/datasets?name={name}&format=csv", networks.csv(x, y))["id"]

    return Workload(
        dataset=dataset,
        job=networks.job(shape) | {"return_train_score": False},
        by_default={"return_train_score": True},
        others={
            "scikit-learn": networks.scikit_learn(shape, x, y),
            "PyTorch": networks.pytorch(shape, x, y),
        },
        check=functools.partial(networks.compare, shape, x, y),
        repeats=5,
        reseeded=True,
        gflop=shape.gflop(),
        wanted=shape.target,
    )


WORKLOADS = {
    "perceptron_cv": perceptron_cv,
    **{name: functools.partial(network, name) for name in networks.SHAPES},
}


# Running one


@dataclass
class Outcome:
    """Every number of one workload, in the order measured."""

    others_s: dict[str, list[float]]
    # Of the job: the client's clock, and the server's `timings`.
    wall_s: list[float] = field(default_factory=list)
    post_s: list[float] = field(default_factory=list)
    queued_s: list[float] = field(default_factory=list)
    load_s: list[float] = field(default_factory=list)
    fit_s: list[float] = field(default_factory=list)
    total_s: list[float] = field(default_factory=list)
    # `fit_s` of the job as it is by default, where that does more.
    default_fit_s: list[float] = field(default_factory=list)
    # What the folds took by themselves, added up over the threads.
    folds_s: list[float] = field(default_factory=list)

    def overhead_s(self):
        return [wall - fit for wall, fit in zip(self.wall_s, self.fit_s, strict=True)]


def run(workload, server, repeats):
    """Times each side in turns; without a server, the other sides alone."""
    client = server and Client(server.port)
    body = client and workload.job | {"dataset_id": workload.dataset(client)}
    outcome = Outcome(others_s={name: [] for name in workload.others})
    answers = {name: [] for name in workload.others}
    results = []
    # Not counted: the first call of another side starts its processes, the first job fills caches.
    for once in workload.others.values():
        once()
    if client:
        timed_job(client, body)
    for repeat in range(repeats):
        for name, once in workload.others.items():
            seconds, answer = once()
            outcome.others_s[name].append(seconds)
            answers[name].append(answer)
        if not client:
            continue
        seed = {"random_state": repeat} if workload.reseeded else {}
        bodies = [body | seed]
        if workload.by_default:
            bodies.append(bodies[0] | workload.by_default)
        # First and second in turns.
        turn = slice(None, None, -1 if repeat % 2 else 1)
        (job, post_s, wall_s), *fuller = [timed_job(client, each) for each in bodies[turn]][turn]
        outcome.wall_s.append(wall_s)
        outcome.post_s.append(post_s)
        for name in ("queued_s", "load_s", "fit_s", "total_s"):
            getattr(outcome, name).append(job["timings"][name])
        outcome.folds_s.append(sum(fold["fit_s"] for fold in job["result"]["folds"]))
        for other, _, _ in fuller:
            outcome.default_fit_s.append(other["timings"]["fit_s"])
            same_model(client, job, other)
            job = other
        results.append(job["result"])
    text, agree = workload.check(results, answers)
    facts = {"agreement": text, "agree": agree, "gflop": workload.gflop, "wanted": workload.wanted}
    return vars(outcome) | {"overhead_s": outcome.overhead_s()} | facts


def same_model(client, job, other):
    """Sees to it that both jobs have trained the same: the model to the bit, or over folds the same scores."""

    def trained(job):
        result = job["result"]
        if result["model_id"] is None:
            return [fold["scores"] for fold in result["folds"]]
        return client.get(f"/v1/models/{result['model_id']}")["sha256"]

    if trained(job) != trained(other):
        sys.exit("the job that is timed and the one that is checked did not train the same")


def timed_job(client, body):
    """The finished job, the seconds until it was accepted, and until it was received finished."""
    client.connect()
    started = time.perf_counter()
    job = client.post("/v1/jobs", body)
    post_s = time.perf_counter() - started
    while job["finished_at"] is None:
        job = client.get(f"/v1/jobs/{job['id']}?wait=30")
    wall_s = time.perf_counter() - started
    if job["status"] != "succeeded" or (body.get("refit", True) and job["result"]["model_id"] is None):
        sys.exit(f"the job did not end as it should: {json.dumps(job, indent=1)}")
    return job, post_s, wall_s


def starts(binary, scratch, used):
    """Seconds from spawning a server until it answers: in a new data directory, and in a used one."""
    fresh_s, used_s = [], []
    for i in range(N_STARTS):
        with Server(binary, scratch / f"fresh{i}") as server:
            fresh_s.append(server.ready_s)
        with Server(binary, used) as server:
            used_s.append(server.ready_s)
    return {"fresh_s": fresh_s, "used_s": used_s}


# The server and its client


class Server:
    """A server of the binary on a free port, which answers once this is entered."""

    def __init__(self, binary, data_dir):
        self.command = [binary, "serve", "--bind", "127.0.0.1:0", "--data-dir", data_dir]
        self.log = data_dir.with_suffix(".log")

    def __enter__(self):
        with open(self.log, "wb") as log:
            started = time.perf_counter()
            self.process = subprocess.Popen(self.command, stdout=subprocess.PIPE, stderr=log, text=True)
        line = self.process.stdout.readline()
        if not line.startswith("listening on http://"):
            self.process.kill()
            sys.exit(f"the server did not start: {self.log.read_text()}")
        self.port = int(line.rsplit(":", 1)[1])
        while not self.answers():
            time.sleep(POLL_S)
        self.ready_s = time.perf_counter() - started
        return self

    def answers(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        with contextlib.closing(connection):
            try:
                connection.request("GET", "/livez")
                return connection.getresponse().status == 200
            except OSError:
                return False

    def rss_bytes(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        (line,) = (line for line in status.splitlines() if line.startswith("VmRSS:"))
        return int(line.split()[1]) * 1024

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(timeout=30)
        self.process.stdout.close()


class Client:
    """One connection that is kept alive."""

    def __init__(self, port):
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def connect(self):
        """Makes sure that the connection is open: the server closes one that was long idle."""
        try:
            self.get("/livez")
        except (OSError, http.client.HTTPException):
            self.connection.close()
            self.get("/livez")

    def get(self, path):
        return self.call("GET", path)

    def post(self, path, body):
        return self.call("POST", path, json.dumps(body).encode())

    def upload(self, path, text):
        return self.call("POST", path, text, "text/csv")

    def call(self, method, path, body=None, media_type="application/json"):
        self.connection.request(method, path, body, {"Content-Type": media_type} if body else {})
        response = self.connection.getresponse()
        text = response.read()
        if response.status >= 300:
            sys.exit(f"{method} {path} was answered {response.status}: {text.decode()}")
        return json.loads(text)


# The machine


def build():
    if shutil.which("cargo") is None:
        sys.exit("there is no cargo to build with: say --binary PATH")
    subprocess.run(["cargo", "build", "--release", "--locked"], cwd=ROOT, check=True)
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    return target / "release" / "trainyard"


def machine(binary):
    return {
        "cpu": cpu_model(),
        "cores": len(os.sched_getaffinity(0)),
        "system": platform.platform(),
        "data_dir_on": file_system(tempfile.gettempdir()),
        "trainyard": binary and version(binary),
        "binary_sha256": binary and hashlib.sha256(binary.read_bytes()).hexdigest(),
        "python": platform.python_version(),
        "scikit_learn": sklearn.__version__,
        "numpy": np.__version__,
        "torch": importlib.metadata.version("torch"),
        "load_average": os.getloadavg(),
    }


def version(binary):
    return subprocess.run([binary, "--version"], check=True, capture_output=True, text=True).stdout.strip()


def file_system(path):
    """What the path lies on: to make a commit durable costs nothing on tmpfs, and milliseconds on a disk."""
    asked = subprocess.run(["stat", "-f", "-c", "%T", path], check=True, capture_output=True, text=True)
    return asked.stdout.strip()


def cpu_model():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


if __name__ == "__main__":
    main()
