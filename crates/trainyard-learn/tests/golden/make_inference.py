"""Records tests between models by scipy, statsmodels and baycomp, as inference.json beside this script."""

import importlib.metadata
import json
import pathlib

import baycomp
import numpy as np
import scipy
import statsmodels
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests

random = np.random.RandomState(0)


def paired(k, shift, spread, n_train, n_test, confidence, rope):
    d = random.normal(shift, spread, k)
    scale = np.sqrt((1 / k + n_test / n_train) * d.var(ddof=1))
    t = d.mean() / scale
    low, high = stats.t.interval(confidence, k - 1, loc=d.mean(), scale=scale)
    naive = stats.ttest_rel(d, np.zeros(k))
    # baycomp takes 10-fold cross-validation from the number of runs: rho = runs / k.
    case = {
        "differences": d.tolist(), "n_train": n_train, "n_test": n_test, "rope": rope,
        "confidence": confidence, "t": t, "p_value": 2 * stats.t.sf(abs(t), k - 1),
        "interval": [low, high], "naive": [naive.statistic, naive.pvalue],
        "cohens_d": d.mean() / d.std(ddof=1),
    }
    rho = n_test / (n_train + n_test)
    runs = rho * k
    if abs(runs - round(runs)) < 1e-9 and round(runs) >= 1:
        found = baycomp.two_on_single(np.zeros(k), d, rope=rope, runs=round(runs))
        left, within, right = found if rope > 0 else (found[0], 0.0, found[1])
        source = "baycomp"
    else:
        posterior = stats.t(k - 1, loc=d.mean(), scale=np.sqrt((1 / k + rho / (1 - rho)) * d.var(ddof=1)))
        left, right = posterior.cdf(-rope), posterior.sf(rope)
        within = 1 - left - right
        source = "scipy"
    return {**case, "posterior": [left, within, right], "posterior_of": source}


def counts(only_first, only_second):
    table = [[10, only_first], [only_second, 5]]
    exact = only_first + only_second < 25
    found = mcnemar(table, exact=exact, correction=True)
    return {
        "counts": [only_first, only_second], "exact": bool(exact),
        "statistic": float(found.statistic), "p_value": float(found.pvalue),
    }


def adjusted(p_values):
    return {"p_values": p_values, "adjusted": multipletests(p_values, method="holm")[1].tolist()}


golden = {
    "versions": {
        "scipy": scipy.__version__, "statsmodels": statsmodels.__version__,
        "baycomp": importlib.metadata.version("baycomp"), "numpy": np.__version__,
    },
    "paired": [
        paired(*case)
        for case in [
            (10, 0.01, 0.02, 90, 10, 0.95, 0.01),
            (30, 0.0, 0.05, 900, 100, 0.95, 0.01),
            (100, -0.02, 0.03, 900, 100, 0.99, 0.005),
            (5, 0.5, 0.1, 80, 20, 0.9, 0.0),
            (2, 0.01, 0.02, 50, 50, 0.95, 0.01),
            (15, 0.003, 0.01, 270, 30, 0.95, 0.0),
            (15, 30.0, 25.0, 270, 30, 0.95, 10.0),
            (50, 0.2, 0.01, 80, 20, 0.95, 0.05),
        ]
    ],
    "mcnemar": [
        counts(*case)
        for case in [
            (0, 1), (1, 1), (3, 9), (9, 3), (0, 10), (12, 12), (24, 0), (25, 0), (13, 12), (15, 40),
            (400, 350), (1, 5000), (77, 77),
        ]
    ],
    "holm": [
        adjusted(case)
        for case in [
            [0.01], [0.04, 0.01, 0.03], [0.5, 0.9, 0.2, 0.001], [1e-9, 0.02, 0.02, 0.02, 1.0],
            [0.049, 0.05, 0.051],
        ]
    ],
}
text = json.dumps(golden, separators=(",", ":")).replace(',{"', ',\n{"')
pathlib.Path(__file__).with_name("inference.json").write_text(text + "\n")
