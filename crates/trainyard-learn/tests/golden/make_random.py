"""Records what numpy's legacy RandomState draws, for tests/random.rs.

Every case is one generator and a list of calls made on it in order, so that a call which consumes
one word too many spoils all the later ones. Floats are strings that hold their repr, because not
every JSON parser reads floats to the last bit.

    python make_random.py > random.json
"""

import json
import sys

import numpy as np

SEEDS = [0, 1, 42, 12345, 2**31, 2**32 - 1]


def calls(seed):
    rng = np.random.RandomState(seed)
    done = []

    def record(method, arguments, value):
        value = repr(value) if isinstance(value, float) else value
        done.append({"method": method, "arguments": arguments, "value": value})

    def u32():
        # An unmasked 32 bit integer is one word of the generator.
        record("next_u32", [], int(rng.randint(0, 2**32, dtype=np.uint64)))

    def randint(low, high):
        record("randint", [low, high], int(rng.randint(low, high)))

    for turn in range(3):
        u32()
        record("random_sample", [], float(rng.random_sample()))
        record("standard_normal", [], float(rng.standard_normal()))
        record("uniform", [-3.5, 10.25], float(rng.uniform(-3.5, 10.25)))
        for low, high in [
            (0, 1),
            (7, 8),
            (0, 2),
            (-5, 6),
            (0, 1000),
            (0, 2**32 - 1),
            (0, 2**32),
            (0, 2**32 + 1),
            (-(2**40), 2**41),
            (-(2**63), 2**63 - 1),
        ]:
            randint(low, high)
        # The second value of the pair survives the draws in between.
        record("standard_normal", [], float(rng.standard_normal()))
        for length in [0, 1, 2, 17]:
            items = list(range(length))
            rng.shuffle(items)
            record("shuffle", [length], items)
        record("permutation", [30 + turn], rng.permutation(30 + turn).tolist())
        record("choice", [9, 12], rng.choice(9, 12).tolist())
        record("choice", [1, 3], rng.choice(1, 3).tolist())
        record(
            "choice_without_replacement", [40, 6], rng.choice(40, 6, replace=False).tolist()
        )
        p = [0.125, 0.0, 0.25, 0.375, 0.25]
        record("choice_weighted", [5, 15, p], rng.choice(5, 15, p=p).tolist())
    # Far enough to need several new blocks of state.
    for _ in range(1500):
        rng.random_sample()
    record("skip_samples", [1500], None)
    record("random_sample", [], float(rng.random_sample()))
    for _ in range(1501):
        value = float(rng.standard_normal())
    record("skip_normals", [1500], None)
    record("standard_normal", [], value)
    u32()
    return done


json.dump(
    {"numpy": np.__version__, "cases": [{"seed": s, "calls": calls(s)} for s in SEEDS]},
    sys.stdout,
    separators=(",", ":"),
)
print()
