"""Reads the files of `benches/csv.rs` with pyarrow, pandas and polars, and prints the times.

    python benches/csv_peers.py [n_threads]

Each is the best of a few runs, the file in the page cache. Pandas has one thread only. Polars takes
its number of threads from the environment, so it is started with it set.
"""

import os
import sys
import tempfile
import time

N_THREADS = int(sys.argv[1]) if len(sys.argv) > 1 else 2
os.environ["POLARS_MAX_THREADS"] = str(N_THREADS)

import pandas
import polars
import pyarrow
import pyarrow.csv

DIRECTORY = os.environ.get("TRAINYARD_BENCH_DIRECTORY", tempfile.gettempdir())


def best(read, n_runs):
    times = []
    for _ in range(n_runs):
        start = time.perf_counter()
        table = read()
        times.append(time.perf_counter() - start)
        del table
    return min(times)


def main():
    pyarrow.set_cpu_count(N_THREADS)
    pyarrow.set_io_thread_count(N_THREADS)
    for name in ["numbers", "mixed"]:
        path = os.path.join(DIRECTORY, f"trainyard-csv-{name}.csv")
        size = os.path.getsize(path)
        # Read once, so that all find it in memory.
        with open(path, "rb") as file:
            while file.read(1 << 24):
                pass
        for library, read, n_runs in [
            (f"pyarrow {pyarrow.__version__}", lambda: pyarrow.csv.read_csv(path), 5),
            (f"polars {polars.__version__}", lambda: polars.read_csv(path), 5),
            (f"pandas {pandas.__version__}", lambda: pandas.read_csv(path), 2),
        ]:
            seconds = best(read, n_runs)
            print(f"{name:8} {library:16} {seconds:7.3f} s  {size / seconds / 2**20:7.0f} MiB/s")


if __name__ == "__main__":
    main()
