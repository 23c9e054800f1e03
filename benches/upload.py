"""A CSV file of numbers from the first byte of its POST to the 201, beside other parsers, in one run.

    cargo build --release --example read_file -p trainyard-formats
    python benches/upload.py target/release/trainyard target/release/examples/read_file --dir /path/with/room

Makes a file of 500 MB, and in turns reads it with pyarrow on two threads, with pandas and with our parser
(one process, the file in the system's cache), and uploads it to a server: received, hashed, parsed,
described and durable. Prints the times and how they compare with pyarrow's of the same turn. Needs numpy,
pyarrow and pandas, and on the disk three times as much as the file.
"""

import argparse
import http.client
import json
import os
import re
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv

N_COLUMNS = 20
BLOCK = 20_000


def main():
    args = argparse.ArgumentParser()
    args.add_argument("binary")
    args.add_argument("read_file")
    args.add_argument("--megabytes", type=float, default=500)
    args.add_argument("--turns", type=int, default=5)
    args.add_argument("--dir", default=None)
    args = args.parse_args()
    pa.set_cpu_count(2)
    with tempfile.TemporaryDirectory(dir=args.dir) as folder:
        file = Path(folder) / "table.csv"
        n_rows = make(file, args.megabytes * 1e6)
        load = os.getloadavg()[0]
        print(f"{n_rows} x {N_COLUMNS}, {file.stat().st_size / 1e6:.0f} MB; load before: {load:.1f}",
              flush=True)
        sides = {
            "pyarrow": lambda: timed(lambda: pyarrow.csv.read_csv(file).num_rows, n_rows),
            "pandas": lambda: timed(lambda: len(pd.read_csv(file)), n_rows),
            "our parser": lambda: parse(args.read_file, file, n_rows),
            "POST to 201": lambda: upload(args.binary, folder, file, n_rows),
        }
        times = {name: [] for name in sides}
        for _ in range(args.turns):
            for name, side in sides.items():
                times[name].append(side())
    for name, seconds in times.items():
        each = [mine / theirs for mine, theirs in zip(seconds, times["pyarrow"])]
        print(f"{name:12} median {statistics.median(seconds):6.2f} s "
              f"({min(seconds):.2f} to {max(seconds):.2f}), {statistics.median(each):.2f} x pyarrow's "
              f"({min(each):.2f} to {max(each):.2f})")
    faster = [theirs / mine for mine, theirs in zip(times["our parser"], times["pandas"])]
    print(f"our parser is {statistics.median(faster):.2f} times as fast as pandas; "
          f"load after: {os.getloadavg()[0]:.1f}")


def make(file, n_bytes):
    """Numbers of 4 to 17 digits, as they come out of instruments and models."""
    rng = np.random.default_rng(5)
    n_rows = 0
    with open(file, "w") as out:
        out.write(",".join(f"c{i}" for i in range(N_COLUMNS)) + "\n")
        while out.tell() < n_bytes:
            block = pd.DataFrame(rng.standard_normal((BLOCK, N_COLUMNS)))
            for column in range(N_COLUMNS):
                digits = 3 + 2 * (column % 7)
                if column % 3:
                    block[column] = block[column].round(digits)
            block.to_csv(out, header=False, index=False)
            n_rows += BLOCK
    return n_rows


def timed(read, n_rows):
    start = time.perf_counter()
    found = read()
    seconds = time.perf_counter() - start
    assert found == n_rows
    return seconds


def parse(read_file, file, n_rows):
    said = subprocess.run([read_file, file, "1"], capture_output=True, text=True, check=True).stdout
    found = re.search(r"(\d+) x (\d+): ([\d.]+) s", said)
    assert (int(found[1]), int(found[2])) == (n_rows, N_COLUMNS)
    return float(found[3])


def upload(binary, folder, file, n_rows):
    with tempfile.TemporaryDirectory(dir=folder) as data_dir:
        server = subprocess.Popen(
            [binary, "serve", "--bind", "127.0.0.1:0", "--data-dir", data_dir, "--log", "warn"],
            stdout=subprocess.PIPE, text=True)
        try:
            port = int(re.search(r":(\d+)$", server.stdout.readline().strip())[1])
            client = http.client.HTTPConnection("127.0.0.1", port, timeout=600, blocksize=1 << 20)
            start = time.perf_counter()
            with open(file, "rb") as body:
                client.request("POST", "/v1/datasets", body,
                               {"content-type": "text/csv", "content-length": str(file.stat().st_size)})
                answer = client.getresponse()
                dataset = json.loads(answer.read())
            seconds = time.perf_counter() - start
            if answer.status != 201:
                raise SystemExit(f"{answer.status}: {dataset}")
            assert dataset["n_rows"] == n_rows
            return seconds
        finally:
            server.terminate()
            server.wait()


if __name__ == "__main__":
    main()
