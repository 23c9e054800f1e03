"""What `compare.py` prints of what it has measured, as Markdown."""

import statistics
import sys


def print_machine(machine):
    ours = "the other sides alone"
    if machine["trainyard"]:
        ours = f"{machine['trainyard']} (sha256 {machine['binary_sha256'][:12]})"
    print(
        f"{machine['cpu']}, {machine['cores']} cores, {machine['system']}, data on {machine['data_dir_on']}\n"
        f"{ours}, Python {machine['python']}, scikit-learn {machine['scikit_learn']}, "
        f"numpy {machine['numpy']}, PyTorch {machine['torch']}",
        flush=True,
    )


def print_outcome(name, outcome):
    others_s, fit_s = outcome["others_s"], outcome["fit_s"]
    print(f"\n## {name}, {len(next(iter(others_s.values())))} times each\n")
    sides = {**others_s, "trainyard, `fit_s`": fit_s} if fit_s else others_s
    default_fit_s = outcome["default_fit_s"]
    if default_fit_s:
        sides["trainyard, scoring training rows too"] = default_fit_s
    head, rows = ["", "best, ms", "median", "worst"], {side: [side, *ms(s)] for side, s in sides.items()}
    if outcome["gflop"]:
        head.append("GFLOP/s at best")
        for side, seconds in sides.items():
            rows[side].append(f"{outcome['gflop'] / min(seconds):.1f}")
    if fit_s:
        head += ["ratio of bests", "ratio of medians"]
        for side, seconds in sides.items():
            rows[side] += [f"{how(seconds) / how(fit_s):.2f}" for how in (min, statistics.median)]
    table(head, rows.values())
    print()
    if outcome["gflop"]:
        print(f"{outcome['gflop']:.2f} GFLOP: forward, dW, and dX but the first layer's.")
    if fit_s and outcome["wanted"]:
        bests, medians = ratios(others_s, fit_s)
        verdict = "reached" if bests >= outcome["wanted"] else "MISSED"
        print(
            f"**The fastest other side's time over ours: {bests:.2f} by bests, {medians:.2f} by medians; "
            f"wanted {outcome['wanted']}, by bests {verdict}.**"
        )
    if default_fit_s:
        bests, medians = ratios(others_s, default_fit_s)
        print(
            "By default a job also scores its model on the rows it was trained on, which the other sides do "
            f"not: with that {bests:.2f} by bests, {medians:.2f} by medians."
        )
    print(outcome["agreement"], flush=True)
    if fit_s:
        print_job(outcome)


def ratios(others_s, ours_s):
    """The fastest other side's time over ours, by bests and by medians."""
    return [min(map(how, others_s.values())) / how(ours_s) for how in (min, statistics.median)]


def print_job(outcome):
    print()
    rows = [
        ("POST to result", *ms(outcome["wall_s"])),
        ("POST to result, less `fit_s`", *ms(outcome["overhead_s"])),
        ("POST answered", *ms(outcome["post_s"])),
        ("`queued_s`", *ms(outcome["queued_s"])),
        ("`load_s`", *ms(outcome["load_s"])),
        ("`fit_s`", *ms(outcome["fit_s"])),
        ("`total_s`", *ms(outcome["total_s"])),
    ]
    if any(outcome["folds_s"]):
        rows.append(("folds' own `fit_s`, added up", *ms(outcome["folds_s"])))
    table(("one job", "best, ms", "median", "worst"), rows)
    sys.stdout.flush()


def print_end(report):
    if "starts" in report:
        print_server(report)
    before, end = (report["machine"][name][0] for name in ("load_average", "load_average_at_end"))
    print(f"\nThe machine's load, by its one-minute average: {before:.2f} before, {end:.2f} at the end.")


def print_server(report):
    starts = report["starts"]
    print(f"\n## the server\n\nReady, {len(starts['fresh_s'])} starts each; and memory.\n")
    rows = [
        ("spawn to ready, new data directory", *ms(starts["fresh_s"])),
        ("spawn to ready, used data directory", *ms(starts["used_s"])),
    ]
    table(("", "best, ms", "median", "worst"), rows)
    idle, after = (report[name] / 1e6 for name in ("rss_idle_bytes", "rss_after_jobs_bytes"))
    print(f"\nResident when idle: {idle:.1f} MB, after the jobs {after:.1f} MB.")


def ms(seconds):
    return tuple(f"{how(seconds) * 1e3:.2f}" for how in (min, statistics.median, max))


def table(head, rows):
    print("| " + " | ".join(head) + " |")
    print("|" + " --- |" + " ---: |" * (len(head) - 1))
    for row in rows:
        print("| " + " | ".join(row) + " |")
