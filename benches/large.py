"""A table larger than the memory that it may have: the same job from files and from memory, in one run.

    python benches/large.py target/release/trainyard --gigabytes 4 --dir /path/with/room

Makes a NumPy file of doubles, uploads it to a server that keeps tables of at most 256 MB in memory and to
one that keeps them all, trains the same network on both, and prints how much memory each took at most
(`VmHWM`), how long an epoch was, and whether both came to the same result. Needs numpy, and on the disk
four times as much as the file.
"""

import argparse
import http.client
import json
import re
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np

N_FEATURES = 999
EPOCHS = 3
BLOCK = 10_000


def main():
    args = argparse.ArgumentParser()
    args.add_argument("binary")
    args.add_argument("--gigabytes", type=float, default=4)
    args.add_argument("--dir", default=None)
    args = args.parse_args()
    n_rows = int(args.gigabytes * 1e9 / 8 / (N_FEATURES + 1))
    with tempfile.TemporaryDirectory(dir=args.dir) as folder:
        file = Path(folder) / "table.npy"
        make(file, n_rows)
        print(f"{n_rows} rows, {N_FEATURES} features, {file.stat().st_size / 1e9:.2f} GB", flush=True)
        from_files = run(args.binary, folder, file, 256)
        in_memory = run(args.binary, folder, file, 1 << 20)
    same = from_files["scores"] == in_memory["scores"]
    print(f"an epoch from files takes {from_files['epoch_s'] / in_memory['epoch_s']:.2f} times as long; "
          f"{'the same' if same else 'NOT the same'} result")


def make(file, n_rows):
    rng = np.random.default_rng(3)
    x = np.lib.format.open_memmap(file, mode="w+", dtype=np.float64, shape=(n_rows, N_FEATURES + 1))
    weights = rng.standard_normal(N_FEATURES) / N_FEATURES**0.5
    for start in range(0, n_rows, BLOCK):
        part = rng.standard_normal((min(BLOCK, n_rows - start), N_FEATURES))
        x[start : start + BLOCK, :-1] = part
        x[start : start + BLOCK, -1] = part @ weights > 0
    x.flush()


def run(binary, folder, file, megabytes):
    with tempfile.TemporaryDirectory(dir=folder) as data_dir:
        server = subprocess.Popen(
            [binary, "serve", "--bind", "127.0.0.1:0", "--data-dir", data_dir, "--log", "warn",
             "--max-table-megabytes", str(megabytes), "--max-upload-bytes", str(1 << 40),
             "--max-cells", str(1 << 40), "--max-rows", str(1 << 31), "--max-task-megabytes", str(1 << 20)],
            stdout=subprocess.PIPE, text=True)
        try:
            port = int(re.search(r":(\d+)$", server.stdout.readline().strip())[1])
            client = http.client.HTTPConnection("127.0.0.1", port, timeout=600)
            start = time.perf_counter()
            with open(file, "rb") as body:
                dataset = call(client, "POST", "/v1/datasets", body,
                               {"content-type": "application/octet-stream",
                                "content-length": str(file.stat().st_size)})
            upload_s = time.perf_counter() - start
            after_upload = peak_mb(server.pid)
            job = call(client, "POST", "/v1/jobs", json.dumps({
                "dataset_id": dataset["id"], "target": f"x{N_FEATURES}", "random_state": 1,
                "model": {"type": "mlp", "hidden": [64, 64]},
                "training": {"epochs": EPOCHS, "batch_size": 128}}), {"content-type": "application/json"})
            while job["finished_at"] is None:
                job = call(client, "GET", f"/v1/jobs/{job['id']}?wait=30")
            if job["status"] != "succeeded":
                raise SystemExit(f"the job ended badly: {job['error']}")
            fit_s = job["result"]["refit"]["fit_s"]
            print(f"tables of at most {megabytes} MB in memory: upload {upload_s:.1f} s, "
                  f"loaded in {job['timings']['load_s']:.1f} s, fit {fit_s:.1f} s with its preparation; "
                  f"peak {after_upload} MB after the upload, {peak_mb(server.pid)} MB in the end; "
                  f"train {job['result']['train']}", flush=True)
            return {"epoch_s": fit_s / EPOCHS, "scores": job["result"]["train"]}
        finally:
            server.terminate()
            server.wait()


def call(client, method, path, body=None, headers=None):
    client.request(method, path, body, headers or {})
    answer = client.getresponse()
    value = json.loads(answer.read())
    if answer.status >= 300:
        raise SystemExit(f"{answer.status}: {value}")
    return value


def peak_mb(pid):
    text = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", text)[1]) // 1000


if __name__ == "__main__":
    main()
