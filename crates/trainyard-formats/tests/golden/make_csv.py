"""Writes csv.json: what pandas and pyarrow find in every CSV file that some PyPI packages ship.

    python make_csv.py SITE_PACKAGES > csv.json

For each file by its path below the packages' directory: its SHA-256, its rows, and a letter and the
number of missing values for each column. The letters: n numbers, b booleans, d moments, w words.

Everything is by pandas' defaults, but for what its reader has to be told: a delimiter other than a
comma (the one that is most frequent in the first line, or spaces where there is none), an encoding
other than UTF-8, and that there is no header (where every field of the first line is a number). The
index that pandas makes of columns without a name in the header is put back as columns. What pandas
leaves as objects is booleans where all values are, moments where pyarrow reads it as such or pandas
finds one format for all of it, and otherwise words. A file that pandas refuses is here with its
error instead.
"""

import csv
import hashlib
import io
import json
import pathlib
import re
import sys
import warnings

import pandas
import pyarrow
import pyarrow.csv

PACKAGES = ["sklearn", "statsmodels", "vega_datasets"]


def is_number(text):
    try:
        float(text.strip().strip('"'))
    except ValueError:
        return False
    return True


def letter(series):
    if pandas.api.types.is_bool_dtype(series):
        return "b"
    if pandas.api.types.is_numeric_dtype(series):
        return "n"
    present = series.dropna()
    if len(present) and present.map(lambda v: str(v).lower() in ("true", "false")).all():
        return "b"
    column = io.BytesIO("\n".join(["v"] + [f'"{v}"' for v in present]).encode())
    options = pyarrow.csv.ParseOptions(newlines_in_values=True)
    try:
        kind = pyarrow.csv.read_csv(column, parse_options=options).schema.field(0).type
        if pyarrow.types.is_timestamp(kind) or pyarrow.types.is_date(kind):
            return "d"
        with warnings.catch_warnings():
            # That it finds no format for all, and guesses each.
            warnings.simplefilter("error")
            pandas.to_datetime(present)
        return "d"
    except (pyarrow.ArrowInvalid, UserWarning, ValueError):
        return "w"


def describe(data):
    try:
        text, encoding = data.decode("utf-8-sig"), "utf-8-sig"
    except UnicodeDecodeError:
        text, encoding = data.decode("cp1252"), "cp1252"
    first = next((line for line in text.splitlines() if line.strip()), "")
    delimiter = max(",;\t|", key=first.count)
    spaces = delimiter not in first and " " in first.strip()
    found = {"sha256": hashlib.sha256(data).hexdigest()}
    options = {"sep": r"\s+" if spaces else delimiter, "encoding": encoding}
    lines = [line for line in text.splitlines() if line.strip()][:2]
    if spaces:
        rows = [re.split(r"\s+", line.strip()) for line in lines]
    else:
        rows = list(csv.reader(lines, delimiter=delimiter))
    if all(is_number(field) for field in rows[0]):
        options["header"] = None
    try:
        frame = pandas.read_csv(io.BytesIO(data), **options)
    except Exception as error:
        return found | {"error": str(error).strip().splitlines()[0]}
    if len(rows) > 1 and len(rows[1]) > len(rows[0]):
        frame = frame.reset_index()
    found["rows"] = len(frame)
    columns = [frame.iloc[:, index] for index in range(frame.shape[1])]
    found["types"] = "".join(letter(column) for column in columns)
    found["missing"] = {
        str(index): n for index, c in enumerate(columns) if (n := int(c.isna().sum()))
    }
    return found


def main():
    root = pathlib.Path(sys.argv[1])
    files = sorted(path for name in PACKAGES for path in (root / name).rglob("*.csv"))
    found = {str(path.relative_to(root)): describe(path.read_bytes()) for path in files}
    versions = {"pandas": pandas.__version__, "pyarrow": pyarrow.__version__}
    lines = [f"{json.dumps(path)}: {json.dumps(entry)}" for path, entry in found.items()]
    print('{"versions": ' + json.dumps(versions) + ', "files": {\n' + ",\n".join(lines) + "\n}}")


if __name__ == "__main__":
    main()
