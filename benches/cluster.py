#!/usr/bin/env python3
"""Measures several processes on one PostgreSQL: how much faster two workers are than one, and how 10,000
queued tasks go through four.

    python3 benches/cluster.py [--only scaling queue] [--binary PATH] [--json FILE]

Needs PostgreSQL as `scripts/postgres` does, and nothing but Python. Leave the machine alone meanwhile.
The exit status is 1 if a target is missed or a task was published other than once.
"""

import argparse
import contextlib
import http.client
import json
import os
import pathlib
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import uuid

ROOT = pathlib.Path(__file__).resolve().parent.parent
URL = "TRAINYARD_TEST_POSTGRES_URL"

# 60 folds of about 40 ms on one thread (docs/benchmarks.md).
SCALING_DATA = {"type": "make_classification", "n_samples": 2000, "n_features": 20, "random_state": 1}
SCALING_JOB = {
    "target": "y",
    "model": {"type": "mlp", "hidden": [64, 64]},
    "optimizer": {"type": "adam"},
    "training": {"epochs": 80, "batch_size": 32},
    "cv": {"type": "repeated_stratified_kfold", "n_splits": 10, "n_repeats": 6, "random_state": 1},
    "scoring": ["accuracy"],
    "refit": False,
}

# 200 jobs of 49 folds and a last task each.
QUEUE_DATA = {"type": "make_classification", "n_samples": 500, "n_features": 10, "random_state": 1}
N_JOBS, N_FOLDS = 200, 49
QUEUE_JOB = {
    "target": "y",
    "model": {"type": "perceptron"},
    "cv": {"type": "repeated_kfold", "n_splits": 7, "n_repeats": 7, "random_state": 1},
    "scoring": ["accuracy"],
}
# Submitted while the workers work, so many a second.
SUBMITS_A_SECOND = 10

TARGETS = {"speed-up": 1.8, "claim p99 ms": 20.0, "submit p99 ms": 50.0}


def main():
    args = parse_args()
    if URL not in os.environ:
        # Starts this again with a PostgreSQL of its own.
        os.execv(ROOT / "scripts/postgres", ["postgres", sys.executable, *sys.argv])
    binary = (args.binary or build()).resolve()
    report = {"machine": machine(binary)}
    print(report["machine"])
    rows, bad = [], []
    for name in args.only or MEASURES:
        with tempfile.TemporaryDirectory(prefix="trainyard-cluster-") as folder:
            outcome = MEASURES[name](args, binary, pathlib.Path(folder))
        report[name] = outcome
        rows += outcome["rows"]
        bad += outcome["bad"]
    print("\n| what | measured | target |\n|---|---|---|")
    for what, value, target in rows:
        print(f"| {what} | {value} | {target} |")
    report["load_average_at_end"] = os.getloadavg()
    if args.json:
        args.json.write_text(json.dumps(report, indent=1) + "\n")
    if bad:
        sys.exit("\n".join(["", *bad]))


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--binary", type=pathlib.Path, help="a built trainyard; builds one if left out")
    parser.add_argument("--only", nargs="+", choices=MEASURES, help="what to measure; all if left out")
    parser.add_argument("--repeats", type=int, default=5, help="how often the scaling is timed")
    parser.add_argument("--jobs", type=int, default=N_JOBS, help="of 50 tasks each, for the queue")
    parser.add_argument("--workers", type=int, default=4, help="processes that take from the queue")
    parser.add_argument("--json", type=pathlib.Path, help="where to write every number")
    return parser.parse_args()


def build():
    subprocess.run(["cargo", "build", "--release", "--quiet"], cwd=ROOT, check=True)
    return ROOT / "target/release/trainyard"


def machine(binary):
    cpu = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    version = subprocess.run([binary, "--version"], capture_output=True, text=True).stdout.strip()
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True)
    return {
        "cpu": cpu[1] if cpu else platform.machine(),
        "cores": os.cpu_count(),
        "version": f"{version} ({commit.stdout.strip()})",
        "load_average": os.getloadavg(),
        "date": time.strftime("%Y-%m-%d"),
    }


# What is measured


def scaling(args, binary, folder):
    """One worker and two, in turns: their wall-clock from the POST to the end, and `fit_s`."""
    with Cluster(binary, folder) as cluster:
        api = cluster.start("api")
        dataset = api.call("POST", "/v1/datasets/generate", {"generator": SCALING_DATA})["id"]
        spec = {**SCALING_JOB, "dataset_id": dataset}
        walls, fits, scores = {1: [], 2: []}, {1: [], 2: []}, []
        for repeat in range(args.repeats):
            # The order changes, so that what drifts meets both.
            for n in [1, 2] if repeat % 2 == 0 else [2, 1]:
                workers = [cluster.start("worker") for _ in range(n)]
                # What a worker does first (code and data from disk) is not what is measured.
                api.run({**spec, "training": {"epochs": 1, "batch_size": 32}})
                started = time.perf_counter()
                job = api.run(spec)
                walls[n].append(time.perf_counter() - started)
                fits[n].append(job["timings"]["fit_s"])
                scores.append(job["result"]["cv"]["accuracy"]["mean"])
                for worker in workers:
                    worker.stop()
                print(f"{n} worker(s): {walls[n][-1]:.2f} s, fit {fits[n][-1]:.2f} s", flush=True)
    wall = statistics.median(walls[1]) / statistics.median(walls[2])
    fit = statistics.median(fits[1]) / statistics.median(fits[2])
    bad = []
    if len(set(scores)) != 1:
        bad.append(f"the runs have different scores: {sorted(set(scores))}")
    if wall < TARGETS["speed-up"]:
        bad.append(f"two workers are only {wall:.2f} x as fast")
    one, two = (statistics.median(walls[n]) for n in (1, 2))
    rows = [
        ("60 folds, one worker process of one thread, s", f"{one:.2f}", ""),
        ("60 folds, two of them, s", f"{two:.2f}", ""),
        ("speed-up, POST to end", f"{wall:.2f}", f"at least {TARGETS['speed-up']}"),
        ("speed-up, `fit_s`", f"{fit:.2f}", ""),
    ]
    return {"walls": walls, "fits": fits, "rows": rows, "bad": bad}


def queue(args, binary, folder):
    """10,000 tasks wait, four worker processes take them, and jobs come in meanwhile."""
    with Cluster(binary, folder) as cluster:
        api = cluster.start("api")
        dataset = api.call("POST", "/v1/datasets/generate", {"generator": QUEUE_DATA})["id"]
        spec = {**QUEUE_JOB, "dataset_id": dataset}
        jobs, idle_ms = [], []
        for seed in range(args.jobs):
            jobs.append(submit(api, spec, seed, idle_ms))
        print(f"{args.jobs} jobs are queued: {args.jobs * (N_FOLDS + 1)} tasks", flush=True)
        # All of them first, so that the queue is whole when it is first taken from.
        workers = [cluster.start("worker") for _ in range(args.workers)]
        started = time.perf_counter()
        busy_ms, ended = [], threading.Event()
        late = threading.Thread(target=trickle, args=(api.port, spec, jobs, busy_ms, ended))
        late.start()
        for job in list(jobs):
            api.finished(job)
        drained_s = time.perf_counter() - started
        scraped = [worker.metrics() for worker in workers]
        ended.set()
        late.join()
        bad = [wrong for job in jobs for wrong in published_once(api, job)]
        n_tasks = len(jobs) * (N_FOLDS + 1)
        n_refused = sum(m.get("trainyard_late_results_refused_total", 0) for m in scraped)
        n_expired = sum(m.get("trainyard_leases_expired_total", 0) for m in scraped)
        shares = [int(m["trainyard_tasks_claimed_total"]) for m in scraped]
        claims = [claim_quantiles([m]) for m in scraped]
        claim50, claim99, most = claim_quantiles(scraped)
        check = cluster.fsck()
    if check:
        bad.append(f"fsck: {check}")
    once = "no, see below" if bad else "yes"
    quantiles = {"queued": quantile_pair(idle_ms), "busy": quantile_pair(busy_ms)}
    if claim99 >= TARGETS["claim p99 ms"]:
        bad.append(f"claim p99 is {claim99:.1f} ms")
    for when, (_, p99) in quantiles.items():
        if p99 >= TARGETS["submit p99 ms"]:
            bad.append(f"submit p99 is {p99:.1f} ms ({when})")
    shown = {when: f"{p50:.1f} / {p99:.1f}" for when, (p50, p99) in quantiles.items()}
    target = f"p99 under {TARGETS['submit p99 ms']:.0f}"
    rows = [
        (f"{n_tasks} tasks, {args.workers} worker processes of one thread: all exactly once",
         once, "yes"),
        (f"tasks a second, until the {args.jobs} jobs ended", f"{args.jobs * (N_FOLDS + 1) / drained_s:.0f}", ""),
        ("claims, p50 / p99 ms (of a histogram, within its bucket)", f"{claim50:.1f} / {claim99:.1f}",
         f"p99 under {TARGETS['claim p99 ms']:.0f}"),
        (f"{args.jobs} submits of 50 tasks while no worker is there, p50 / p99 ms", shown["queued"], target),
        (f"{len(busy_ms)} submits while the workers work, p50 / p99 ms", shown["busy"], target),
        ("late results refused, leases expired", f"{n_refused:.0f}, {n_expired:.0f}", ""),
        ("tasks claimed by each worker", ", ".join(map(str, shares)), ""),
    ]
    return {"idle_ms": idle_ms, "busy_ms": busy_ms, "claims": claims, "slowest_claim_bucket_ms": most,
            "drained_s": drained_s, "rows": rows, "bad": bad}


MEASURES = {"scaling": scaling, "queue": queue}


def submit(api, spec, seed, times_ms):
    started = time.perf_counter()
    job = api.call("POST", "/v1/jobs", {**spec, "random_state": seed})["id"]
    times_ms.append((time.perf_counter() - started) * 1e3)
    return job


def trickle(port, spec, jobs, times_ms, ended):
    """Submits at a steady rate until told to stop; a late answer delays none of the next."""
    api = Client(port)
    started = time.perf_counter()
    while not ended.wait(max(0.0, started + len(times_ms) / SUBMITS_A_SECOND - time.perf_counter())):
        jobs.append(submit(api, spec, 1_000_000 + len(times_ms), times_ms))


def published_once(api, job):
    """What is wrong with a job that should have published each fold once."""
    done = api.finished(job)
    if done["status"] != "succeeded":
        return [f"{job} is {done['status']}: {done.get('error')}"]
    events = api.call("GET", f"/v1/jobs/{job}/events?limit=10000")["data"]
    n_finished = sum(event["type"] == "fold_finished" for event in events)
    n_folds = len(done["result"]["folds"])
    n_ends = sum(event["type"] == "succeeded" for event in events)
    if (n_finished, n_folds, n_ends) != (N_FOLDS, N_FOLDS, 1):
        return [f"{job} has {n_finished} fold_finished, {n_folds} folds and {n_ends} ends"]
    return []


def quantile_pair(values):
    values = sorted(values)
    return values[len(values) // 2], values[min(len(values) - 1, int(len(values) * 0.99))]


def claim_quantiles(scraped):
    """p50 and p99 in ms of the claims' histogram, linear within a bucket, and the last bucket's bound."""
    totals = {}
    for metrics in scraped:
        for key, value in metrics.items():
            if bound := re.fullmatch(r'trainyard_claim_seconds_bucket{le="(.*)"}', key):
                le = float(bound[1].replace("+Inf", "inf"))
                totals[le] = totals.get(le, 0) + value
    bounds = sorted(totals)
    n = totals[bounds[-1]]

    def at(share):
        before, low = 0, 0.0
        for bound in bounds:
            if totals[bound] >= share * n:
                within = (share * n - before) / max(totals[bound] - before, 1)
                return (low + (bound - low) * within) * 1e3
            before, low = totals[bound], bound
        return float("inf")

    return at(0.5), at(0.99), next(b for b in bounds if totals[b] == n) * 1e3


# Processes


class Cluster:
    """A database and a folder of artifacts, and the processes that share them."""

    def __init__(self, binary, folder):
        self.binary, self.folder = binary, folder
        server = os.environ[URL]
        name = f"bench-{uuid.uuid4()}"
        subprocess.run(["psql", "-q", server, "-c", f'CREATE DATABASE "{name}"'], check=True)
        self.stored = ["--database-url", server.rsplit("/", 1)[0] + "/" + name]
        self.stored += ["--artifact-url", f"file://{folder}/artifacts"]
        self.processes = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in self.processes:
            process.stop()

    def start(self, role):
        directory = self.folder / f"{role}-{len(self.processes)}"
        command = [self.binary, "serve", "--bind", "127.0.0.1:0", "--log", "warn", "--role", role]
        process = Process([*command, "--workers", "1", "--data-dir", directory, *self.stored])
        self.processes.append(process)
        return process

    def fsck(self):
        """What is wrong with what is stored."""
        command = [self.binary, "fsck", *self.stored]
        done = subprocess.run(command, capture_output=True, text=True)
        return "" if done.returncode == 0 else done.stdout + done.stderr


class Client:
    def __init__(self, port):
        self.port = port
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)

    def call(self, method, path, body=None):
        headers = {} if body is None else {"content-type": "application/json"}
        self.connection.request(method, path, None if body is None else json.dumps(body), headers)
        answer = self.connection.getresponse()
        text = answer.read()
        if answer.status >= 300:
            sys.exit(f"{method} {path}: {answer.status} {text.decode()}")
        return json.loads(text)

    def finished(self, job):
        while True:
            found = self.call("GET", f"/v1/jobs/{job}?wait=30")
            if found["finished_at"]:
                return found

    def run(self, spec):
        found = self.finished(self.call("POST", "/v1/jobs", spec)["id"])
        if found["status"] != "succeeded":
            sys.exit(f"the job ended badly: {found}")
        return found


class Process(Client):
    def __init__(self, command):
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        if not line.startswith("listening on http://"):
            self.process.kill()
            sys.exit(f"it did not start: {command}")
        super().__init__(int(line.rsplit(":", 1)[1]))

    def metrics(self):
        self.connection.request("GET", "/metrics")
        text = self.connection.getresponse().read().decode()
        pairs = (line.rsplit(" ", 1) for line in text.splitlines() if line and not line.startswith("#"))
        return {key: float(value) for key, value in pairs}

    def stop(self):
        if self.process.poll() is None:
            self.connection.close()
            self.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(15)
                return
            self.process.kill()
            self.process.wait()


if __name__ == "__main__":
    main()
