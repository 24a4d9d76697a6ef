"""Makes rows of runs.csv without running the bench. The runs are sound, except
for the columns that a test sets."""

from under_test import Runs


def row(model, connections, number=1, **columns):
    """Returns a row of runs.csv of round `number`."""
    run = {
        "experiment": "throughput", "model": model, "round": float(number),
        "connections": float(connections), "served": float(connections),
        "idle": 0.0, "hogs": 0.0, "requests": 24.0, "work_kept": 1.0,
        "rate_to_last": 1000.0, "rate_kept": 1.0,
        "share_of_possible": 1.0, "kib_per_silent": 4.0, "delay_ms": 0.0,
        "wrong": 0.0, "error_replies": 0.0, "failed": 0.0, "timeouts": 0.0,
        "cores": 1.0, "req_per_s": 1000.0, "server_cpu_us_per_req": 5.0,
        "p50_us": 50.0, "max_us": 60.0, "oldest_us": 0.0, "duration_s": 1.0,
        "client_cpu_share": 0.5, "foreign_cores": 0.0,
        "first_process_share": 1.0, "first_cpu_us_per_req": 5.0,
        "rate_before": 1000.0, "rate_during": 500.0, "kept_beside_hogs": 0.5,
        "p99_before_us": 60.0, "p99_during_us": 70.0, "hog_p50_us": 1e5,
        "set_ms": 60.0, "turns": 1.0, "rate": 0.0, "kept_up": 1.0,
        "p99_us": 60.0,
    }
    run.update(columns)
    return run


def rounds(model, connections, **columns):
    """Returns one row per round. Each column is a list with a value for each
    round."""
    return [row(model, connections, number, **dict(zip(columns, values)))
            for number, values in enumerate(zip(*columns.values()), 1)]


def of_models(connections, column, others=(), **values):
    """Returns runs of several models. `values` has, for each model, a list with
    the value of `column` in each round. `others` are pairs of another column
    and its value in all runs."""
    return Runs({**run, **dict(others)} for model, found in values.items()
                for run in rounds(model, connections, **{column: found}))


def on_cores(**cores):
    """Returns runs with 4 clients. `cores` has, for each model, how many cores
    it uses in each round. The rate is 1,000 replies per second and core."""
    runs = of_models(4, "cores", **cores)
    for run in runs:
        run["req_per_s"] = 1000 * run["cores"]
    return runs


def costing(**cost):
    """Returns runs with 100 clients. `cost` has, for each model, the CPU time
    per request in µs in each round."""
    return of_models(100, "server_cpu_us_per_req", **cost)


def beside_hogs(**kept):
    """Returns runs with 4 hogs. `kept` has, for each model, the share of the
    rate of small requests that remains beside them, in each round."""
    return of_models(8, "kept_beside_hogs", [("hogs", 4.0)], **kept)


def unserved(runs, served=0.0):
    """Returns a copy of the runs in which only `served` clients were served."""
    return Runs({**run, "served": served} for run in runs)
