"""Writes small files of every format with the libraries that people write them with, and what the
same libraries read back from them, as formats/ and formats.json beside this script."""

import datetime
import decimal
import gzip
import io
import json
import pathlib
import shutil
import zipfile

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import scipy
import scipy.io.arff
import sklearn
import sklearn.datasets

HERE = pathlib.Path(__file__).parent
FILES = HERE / "formats"
EXACT = 2**53


def micros(moment):
    if moment is None:
        return None
    if isinstance(moment, pd.Timestamp):
        return moment.value // 1000
    if not isinstance(moment, datetime.datetime):
        moment = datetime.datetime(moment.year, moment.month, moment.day)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=datetime.timezone.utc)
    return (moment - datetime.datetime.fromtimestamp(0, datetime.timezone.utc)) // datetime.timedelta(
        microseconds=1
    )


def number(value):
    if value is None or value != value:
        return None
    return float(value)


def numeric(name, values):
    whole = [v for v in values if isinstance(v, int) and not isinstance(v, bool)]
    if any(abs(v) > EXACT for v in whole):
        return dict(name=name, type="categorical", values=[None if v is None else str(v) for v in values])
    return dict(name=name, type="numeric", values=[number(v) for v in values])


def tensor(name, values):
    array = np.array(values, dtype=np.float32)
    return dict(
        name=name,
        type="tensor",
        shape=list(array.shape[1:]),
        values=[float(v) for v in array.reshape(-1)],
    )


def of_arrow(name, column):
    """What a column of Arrow's is for us, by pyarrow's own reading of its values."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        return of_arrow(name, column.combine_chunks().dictionary_decode())
    if isinstance(kind, pa.FixedShapeTensorType):
        return tensor(name, column.combine_chunks().to_numpy_ndarray())
    values = column.to_pylist()
    if pa.types.is_boolean(kind):
        return dict(name=name, type="boolean", values=values)
    if pa.types.is_date(kind) or pa.types.is_timestamp(kind):
        if pa.types.is_timestamp(kind):
            # Nanoseconds come as pandas' own moments.
            values = [v if v is None else pd.Timestamp(v) for v in values]
        return dict(name=name, type="datetime", values=[micros(v) for v in values])
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return dict(name=name, type="categorical", values=values)
    if pa.types.is_nested(kind):
        return tensor(name, values)
    if pa.types.is_null(kind):
        return dict(name=name, type="numeric", values=values)
    return numeric(name, values)


def arrow_table():
    day = datetime.date
    at = datetime.datetime(2024, 2, 29, 12, 30, 15, 250_000)
    before = datetime.datetime(1969, 12, 31, 23, 59, 59, 999_999)
    columns = {
        "i8": pa.array([1, -128, None, 127], pa.int8()),
        "i16": pa.array([1, -(2**15), 3, 2**15 - 1], pa.int16()),
        "i32": pa.array([1, -(2**31), 3, None], pa.int32()),
        "i64": pa.array([1, -EXACT, EXACT, None], pa.int64()),
        "id": pa.array([1, EXACT + 1, None, -(2**63)], pa.int64()),
        "u8": pa.array([0, 255, 1, 2], pa.uint8()),
        "u16": pa.array([0, 65535, None, 2], pa.uint16()),
        "u32": pa.array([0, 2**32 - 1, 1, 2], pa.uint32()),
        "u64": pa.array([0, None, 1, EXACT], pa.uint64()),
        "uid": pa.array([0, 2**64 - 1, 1, None], pa.uint64()),
        "f16": pa.array(np.array([0.5, -65504, 6e-8, np.nan], np.float16)),
        "f32": pa.array([0.1, None, -3.4e38, 1e-45], pa.float32()),
        "f64": pa.array([0.1, float("nan"), -1.7e308, None], pa.float64()),
        "decimal": pa.array([decimal.Decimal("1.23"), None, decimal.Decimal("-99999999.99"), decimal.Decimal("0.07")], pa.decimal128(10, 2)),
        "long": pa.array([decimal.Decimal("12345678901234567890.12345"), None, decimal.Decimal("-0.00001"), decimal.Decimal(3)], pa.decimal128(30, 5)),
        "bool": pa.array([True, False, None, True]),
        "text": pa.array(["b", "", None, "ä€𝄞"]),
        "large": pa.array(["x", "y", "x", None], pa.large_string()),
        "category": pa.array(["no", "yes", None, "no"]).dictionary_encode(),
        "numbers": pa.array([5, 7, None, 5], pa.int64()).dictionary_encode(),
        "nothing": pa.nulls(4),
        "date": pa.array([day(2024, 2, 29), None, day(1969, 12, 31), day(1, 1, 1)]),
        "s": pa.array([at.replace(microsecond=0), None, before.replace(microsecond=0), at.replace(microsecond=0)], pa.timestamp("s")),
        "ms": pa.array([at, None, before.replace(microsecond=999_000), at], pa.timestamp("ms")),
        "us": pa.array([at, None, before, at], pa.timestamp("us")),
        "ns": pa.array([at, None, before, at], pa.timestamp("ns")),
        "zone": pa.array([at, None, before, at], pa.timestamp("us", "Europe/Berlin")),
        "pair": pa.array([[1, 2], [3, 4], [5, 6], [7, 8.5]], pa.list_(pa.float32(), 2)),
        "list": pa.array([[1, 2, 3], [3, 4, 5], [5, 6, 7], [7, 8, 9]], pa.list_(pa.float64())),
        "nested": pa.array([[[1, 2]], [[3, 4]], [[5, 6]], [[7, 8]]], pa.list_(pa.list_(pa.int64()))),
        "grid": pa.ExtensionArray.from_storage(
            pa.fixed_shape_tensor(pa.float32(), [2, 3]),
            pa.array(np.arange(24, dtype=np.float32).reshape(4, 6).tolist(), pa.list_(pa.float32(), 6)),
        ),
    }
    return pa.table(columns)


def pandas_frame():
    random = np.random.RandomState(0)
    n = 300
    return pd.DataFrame(
        {
            "x": random.normal(size=n),
            "gap": np.where(random.rand(n) < 0.2, np.nan, random.normal(size=n)),
            "n": random.randint(-5, 5, n),
            "nullable": pd.array(np.where(random.rand(n) < 0.2, None, random.randint(0, 9, n)), dtype="Int64"),
            "flag": random.rand(n) < 0.5,
            "word": random.choice(["red", "green", "blue"], n),
            "category": pd.Categorical(random.choice(["a", "b"], n), categories=["c", "b", "a"]),
            "at": pd.to_datetime("2024-01-01") + pd.to_timedelta(random.randint(0, 10**9, n), unit="ms"),
        }
    )


class Golden:
    def __init__(self):
        shutil.rmtree(FILES, ignore_errors=True)
        FILES.mkdir()
        self.cases = []

    def add(self, name, format, columns, compression="none", **more):
        self.cases.append(dict(file=name, format=format, compression=compression, columns=columns, **more))

    def of_table(self, name, format, table, compression="none"):
        columns = [of_arrow(n, table.column(n)) for n in table.column_names]
        self.add(name, format, columns, compression)


def parquets(golden):
    # Half floats have no writer in some versions, and decimals of 256 bits no reader.
    table = arrow_table()
    options = dict(
        plain=dict(compression="none", use_dictionary=False),
        snappy=dict(compression="snappy"),
        zstd=dict(compression="zstd", data_page_version="2.0", row_group_size=3),
        gzip=dict(compression="gzip"),
        lz4=dict(compression="lz4", version="1.0", row_group_size=1),
        stripped=dict(compression="snappy", store_schema=False),
    )
    for name, how in options.items():
        path = FILES / f"{name}.parquet"
        pq.write_table(table, path, **how)
        golden.of_table(path.name, "parquet", pq.read_table(path))
    texts = pa.table({"text": [f"a beginning that is shared {i // 3}" for i in range(50)], "i": list(range(50))})
    path = FILES / "delta.parquet"
    pq.write_table(
        texts,
        path,
        use_dictionary=False,
        column_encoding={"text": "DELTA_BYTE_ARRAY", "i": "DELTA_BINARY_PACKED"},
    )
    golden.of_table(path.name, "parquet", pq.read_table(path))
    path = FILES / "pandas.parquet"
    pandas_frame().to_parquet(path)
    golden.of_table(path.name, "parquet", pq.read_table(path))
    path = FILES / "int96.parquet"
    moments = pa.table({"t": pa.array([datetime.datetime(2024, 2, 29, 1), None], pa.timestamp("ns"))})
    pq.write_table(moments, path, use_deprecated_int96_timestamps=True)
    golden.of_table(path.name, "parquet", pq.read_table(path))
    packed = FILES / "pandas.parquet.gz"
    packed.write_bytes(gzip.compress((FILES / "pandas.parquet").read_bytes(), mtime=0))
    golden.of_table(packed.name, "parquet", pq.read_table(FILES / "pandas.parquet"), "gzip")


def arrows(golden):
    table = arrow_table()
    views = table.append_column("view", pa.array(["short", None, "long enough to be beyond twelve", ""], pa.string_view()))
    for name, how in dict(plain=None, lz4="lz4", zstd="zstd").items():
        path = FILES / f"{name}.arrow"
        with pa.ipc.new_file(path, views.schema, options=pa.ipc.IpcWriteOptions(compression=how)) as writer:
            writer.write_table(views.slice(0, 2).unify_dictionaries())
            writer.write_table(views.slice(2).unify_dictionaries())
        with pa.ipc.open_file(path) as reader:
            golden.of_table(path.name, "arrow", reader.read_all())
    path = FILES / "stream.arrows"
    with pa.ipc.new_stream(path, views.schema) as writer:
        writer.write_table(views)
    with pa.ipc.open_stream(path) as reader:
        golden.of_table(path.name, "arrow", reader.read_all())
    path = FILES / "pandas.feather"
    pandas_frame().to_feather(path)
    golden.of_table(path.name, "arrow", pa.feather.read_table(path))
    packed = FILES / "pandas.feather.zst"
    packed.write_bytes(pa.compress(path.read_bytes(), "zstd", asbytes=True))
    golden.of_table(packed.name, "arrow", pa.feather.read_table(path), "zstd")


def jsons(golden):
    frame = pandas_frame()
    frame["category"] = frame["category"].astype(str)
    columns = [of_arrow(n, pa.table(frame[[n]]).column(0)) for n in frame.columns]
    path = FILES / "pandas.jsonl"
    frame.to_json(path, orient="records", lines=True, date_format="iso", double_precision=15)
    read = [json.loads(line) for line in path.read_text().splitlines()]
    for column in columns:
        # pandas writes fifteen digits.
        if column["type"] == "numeric":
            column["values"] = [number(row[column["name"]]) for row in read]
    golden.add(path.name, "json_lines", columns)
    packed = FILES / "pandas.jsonl.gz"
    packed.write_bytes(gzip.compress(path.read_bytes(), mtime=0))
    golden.add(packed.name, "json_lines", columns, "gzip")
    path = FILES / "pandas.json"
    path.write_text(json.dumps(read, indent=1))
    golden.add(path.name, "json", columns)
    packed = FILES / "pandas.json.zst"
    packed.write_bytes(pa.compress(path.read_bytes(), "zstd", asbytes=True))
    golden.add(packed.name, "json", columns, "zstd")


def of_numpy(array, name="x", numbered=True):
    if array.ndim > 2:
        return [tensor(name, array)]
    if array.ndim == 1:
        array = array[:, None]
        names = [f"{name}0" if numbered else name]
    else:
        names = [f"{name}{i}" for i in range(array.shape[1])]
    columns = []
    for name, column in zip(names, array.T):
        if column.dtype.kind == "M":
            values = [None if np.isnat(v) else int(v.astype("datetime64[us]").astype(np.int64)) for v in column]
            columns.append(dict(name=name, type="datetime", values=values))
        elif column.dtype.kind == "b":
            columns.append(dict(name=name, type="boolean", values=column.tolist()))
        elif column.dtype.kind in "US":
            values = [v.decode() if isinstance(v, bytes) else v for v in column.tolist()]
            columns.append(dict(name=name, type="categorical", values=[v or None for v in values]))
        else:
            columns.append(numeric(name, column.tolist()))
    return columns


def npys(golden):
    x = np.arange(12).reshape(4, 3) - 5
    arrays = {}
    for kind in ["i1", "u1"]:
        arrays[kind] = x.astype(kind)
    for order in "<>":
        for kind in ["i2", "u2", "i4", "u4", "i8", "u8", "f2", "f4", "f8"]:
            arrays[("le_" if order == "<" else "be_") + kind] = (x / 4 if kind[0] == "f" else np.abs(x)).astype(order + kind)
    arrays["bool"] = x > 0
    arrays["gap"] = np.where(x > 3, np.nan, x / 7)
    arrays["vector"] = np.linspace(0, 1, 7)
    arrays["fortran"] = np.asfortranarray(x / 3)
    arrays["cube"] = np.arange(24, dtype=np.float32).reshape(4, 2, 3)
    arrays["cube_fortran"] = np.asfortranarray(np.arange(120).reshape(5, 2, 3, 4) / 8)
    arrays["id"] = np.array([[1, 2**60 + 1], [2, -3]])
    arrays["uid"] = np.array([1, 2**64 - 1], np.uint64)
    arrays["text"] = np.array([["a", "ä𝄞"], ["", "long text"]])
    arrays["bytes"] = np.array([b"a", b"bc", b""])
    for unit in ["D", "h", "m", "s", "ms", "us", "ns"]:
        arrays["at_" + unit] = np.array(["2024-02-29", "NaT", "1969-12-31"], f"datetime64[{unit}]")
    for name, array in arrays.items():
        path = FILES / f"{name}.npy"
        np.save(path, array)
        golden.add(path.name, "npy", of_numpy(np.load(path)))
    path = FILES / "gap.npy.gz"
    path.write_bytes(gzip.compress((FILES / "gap.npy").read_bytes(), mtime=0))
    golden.add(path.name, "npy", of_numpy(arrays["gap"]), "gzip")
    x, y = np.random.RandomState(1).normal(size=(6, 2)), np.array(list("aabbab"))
    for name, save in dict(plain=np.savez, packed=np.savez_compressed).items():
        path = FILES / f"{name}.npz"
        weight = np.arange(6)
        save(path, y=y, X=x, weight=weight, more=np.ones((6, 2)))
        columns = of_numpy(x) + of_numpy(weight, "weight", False) + of_numpy(np.ones((6, 2)), "more") + of_numpy(y, "y", False)
        golden.add(path.name, "npz", columns)
    path = FILES / "images.npz"
    np.savez(path, X=arrays["cube"], y=np.arange(4))
    golden.add(path.name, "npz", of_numpy(arrays["cube"]) + of_numpy(np.arange(4), "y", False))


ARFF = """% A comment, and an empty line.

@RELATION 'weather data'

@attribute outlook {sunny, overcast, 'light rain'}
@ATTRIBUTE temperature	NUMERIC
@attribute 'the humidity' real
@attribute windy {TRUE,FALSE}
@attribute n integer
@attribute day date "yyyy-MM-dd"
@attribute at date "yyyy-MM-dd HH:mm:ss"

@data
sunny,85,85.5,FALSE,1,"2024-02-29","2024-02-29 12:30:00"
'light rain' , 70, ?, TRUE, 2,'1969-12-31','1969-12-31 23:59:59'

% in between
?,-1e3,1,?,?,?,?
overcast,?,2,TRUE,-4,2001-01-01,"2001-01-01 00:00:00"
"""


def arffs(golden):
    path = FILES / "weather.arff"
    path.write_text(ARFF)
    # scipy reads neither spaces around commas nor quotes in rows.
    head, rows = ARFF.replace("'light rain'", "light_rain").split("@data")
    rows = rows.replace('"', "").replace("'", "").replace(" ,", ",").replace(", ", ",")
    readable = "\n".join(line for line in (head + "@data" + rows).splitlines() if line)
    data, _ = scipy.io.arff.loadarff(io.StringIO(readable))
    columns = []
    for name in data.dtype.names:
        values = data[name].tolist()
        if name == "windy":
            values = [None if v == b"?" else v == b"TRUE" for v in values]
            columns.append(dict(name=name, type="boolean", values=values))
        elif data.dtype[name].kind == "S":
            values = [None if v == b"?" else v.decode().replace("_", " ") for v in values]
            columns.append(dict(name=name, type="categorical", values=values))
        elif data.dtype[name].kind == "M":
            values = [None if np.isnat(v) else int(v.astype("datetime64[us]").astype(np.int64)) for v in data[name]]
            columns.append(dict(name=name, type="datetime", values=values))
        else:
            columns.append(dict(name=name, type="numeric", values=[number(v) for v in values]))
    golden.add(path.name, "arff", columns)
    frame = sklearn.datasets.load_iris(as_frame=True)
    path = FILES / "iris.arff"
    lines = ["@relation iris"] + [f"@attribute '{c}' numeric" for c in frame.data.columns]
    lines += ["@attribute species {%s}" % ",".join(frame.target_names), "@data"]
    names = frame.target_names[frame.target]
    lines += [",".join([*map(str, row), name]) for row, name in zip(frame.data.values.tolist(), names)]
    path.write_text("\n".join(lines))
    data, _ = scipy.io.arff.loadarff(path)
    columns = [numeric(n, data[n].tolist()) for n in data.dtype.names[:-1]]
    columns.append(dict(name="species", type="categorical", values=[v.decode() for v in data["species"]]))
    golden.add(path.name, "arff", columns)


def svmlights(golden):
    random = np.random.RandomState(2)
    x = scipy.sparse.random(30, 9, 0.3, random_state=random, format="csr")
    x.data = np.round(x.data, 6)
    x[0, 8] = 0.5
    y = random.randint(-1, 2, 30)
    group = np.sort(random.randint(1, 5, 30))
    variants = dict(
        one_based=dict(zero_based=False),
        zero_based=dict(zero_based=True, comment="a comment\nof two lines"),
        query=dict(zero_based=False, query_id=group),
    )
    for name, how in variants.items():
        path = FILES / f"{name}.svm"
        x[0, 0] = 1.5
        sklearn.datasets.dump_svmlight_file(x, y, str(path), **how)
        found = sklearn.datasets.load_svmlight_file(str(path), query_id="query_id" in how)
        columns = of_numpy(found[0].toarray())
        if "query_id" in how:
            columns.append(numeric("qid", found[2].tolist()))
        columns.append(numeric("y", found[1].tolist()))
        golden.add(path.name, "svmlight", columns)


def refused(golden):
    """Files of which nothing is to be read, each with a part of what is said of it."""
    cases = []

    def add(name, says):
        cases.append(dict(file=name, says=says))

    write = {
        "map": pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int64())),
        "struct": pa.array([{"a": 1}]),
        "ragged": pa.array([[1.0, 2.0], [3.0]]),
        "binary": pa.array([b"x"]),
        "gap_in_list": pa.array([[1.0, None]]),
        "no_list": pa.array([[1.0, 2.0], None]),
        "time": pa.array([datetime.time(1)]),
        "duration": pa.array([datetime.timedelta(1)]),
        "infinite": pa.array([1.0, float("inf")]),
        "words": pa.array([["a", "b"]]),
        "nul": pa.array(["a\0b"]),
    }
    for name, column in write.items():
        table = pa.table({"good": pa.array(range(len(column))), "c o": column})
        pq.write_table(table, FILES / f"bad_{name}.parquet")
        add(f"bad_{name}.parquet", '"c o"')
        with pa.ipc.new_file(FILES / f"bad_{name}.arrow", table.schema) as writer:
            writer.write_table(table)
        add(f"bad_{name}.arrow", '"c o"')
    two = pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"])
    pq.write_table(two, FILES / "bad_twice.parquet")
    add("bad_twice.parquet", "two columns are named \"a\"")
    empty = pa.table({"a": pa.array([], pa.float64())})
    pq.write_table(empty, FILES / "bad_empty.parquet")
    add("bad_empty.parquet", "no rows")
    pa.feather.write_feather(empty, FILES / "bad_empty.feather")
    add("bad_empty.feather", "no rows")
    pa.feather.write_feather(pa.table({"a": [1.0]}), FILES / "bad_version.feather", version=1)
    add("bad_version.feather", "first version")
    pq.write_table(pa.table({"a": [1.0] * 99}), FILES / "bad_brotli.parquet", compression="brotli")
    add("bad_brotli.parquet", "BROTLI")
    for name, array, says in [
        ("object", np.array([{}, None], object), "pickled Python objects"),
        ("complex", np.array([1j]), "complex"),
        ("record", np.zeros(2, [("a", "f8")]), "fields of their own"),
        ("scalar", np.array(1.0), "single value"),
        ("none", np.zeros((0, 3)), "no rows"),
        ("infinite", np.array([1.0, np.inf]), "beyond the finite"),
    ]:
        np.save(FILES / f"bad_{name}.npy", array, allow_pickle=True)
        add(f"bad_{name}.npy", says)
    np.savez(FILES / "bad_lengths.npz", X=np.zeros((3, 2)), y=np.zeros(4))
    add("bad_lengths.npz", "3 rows")
    np.savez(FILES / "bad_object.npz", X=np.zeros((3, 2)), y=np.array([None] * 3))
    add("bad_object.npz", "pickled Python objects")
    with zipfile.ZipFile(FILES / "bad_other.npz", "w") as archive:
        archive.writestr("readme.txt", "hello")
    add("bad_other.npz", "no array")
    return cases


golden = Golden()
parquets(golden)
arrows(golden)
jsons(golden)
npys(golden)
arffs(golden)
svmlights(golden)
versions = {m.__name__: m.__version__ for m in (np, pd, pa, scipy, sklearn)}
record = dict(versions=versions, read=golden.cases, refused=refused(golden))
lines = ",\n".join(json.dumps(case) for case in record["read"])
bad = ",\n".join(json.dumps(case) for case in record["refused"])
(HERE / "formats.json").write_text(
    f'{{"versions": {json.dumps(versions)},\n"read": [\n{lines}\n],\n"refused": [\n{bad}\n]}}\n'
)
