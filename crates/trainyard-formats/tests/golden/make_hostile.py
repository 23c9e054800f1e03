"""Writes small Parquet files that say they are large, into formats/ (pyarrow)."""

import pathlib

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

HERE = pathlib.Path(__file__).parent / "formats"
LONG = "x" * 1_000_000

# A hundred texts, each as long as a megabyte and beginning as the one before it.
texts = pa.table({"a": [LONG + str(i) for i in range(100)], "y": np.arange(100) % 2})
encodings = {"a": "DELTA_BYTE_ARRAY", "y": "PLAIN"}
pq.write_table(
    texts, HERE / "prefixes.parquet", compression="zstd", use_dictionary=False,
    column_encoding=encodings,
)

# One text of a megabyte in every row.
codes = pa.array(np.zeros(200_000, dtype=np.int32))
rows = pa.DictionaryArray.from_arrays(codes, pa.array([LONG]))
pq.write_table(
    pa.table({"a": rows, "y": np.arange(200_000) % 2}), HERE / "one_text.parquet", compression="zstd"
)

# Most rows have a text of their own, and the others all the same long one.
repeated = [f"t{i}" for i in range(1_100)] + ["y" * 100_000] * 1_050
pq.write_table(pa.table({"a": repeated}), HERE / "repeated.parquet", compression="zstd")
