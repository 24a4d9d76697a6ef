"""Runs of the bench that were never made: rows of runs.csv in which all is
well, but for what a test says."""

from under_test import Runs


def row(model, connections, number=1, **columns):
    """Returns a row of runs.csv, of round `number`."""
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
    """Returns a row per round; the columns are lists with a value for each."""
    return [row(model, connections, number, **dict(zip(columns, values)))
            for number, values in enumerate(zip(*columns.values()), 1)]


def of_models(connections, column, **values):
    """Returns runs in which each model has these values of a column, one for
    each round."""
    runs = Runs()
    for model, found in values.items():
        runs += rounds(model, connections, **{column: found})
    return runs


def on_cores(**cores):
    """Two rounds with 4 clients, in which a model uses so many cores and gets
    1,000 replies a second of each."""
    runs = of_models(4, "cores", **cores)
    for run in runs:
        run["req_per_s"] = 1000 * run["cores"]
    return runs


def costing(**cost):
    """Rounds with 100 clients, in which a request costs a model so much."""
    return of_models(100, "server_cpu_us_per_req", **cost)


def beside_hogs(**kept):
    """Rounds in which models keep this share of their small requests."""
    runs = of_models(8, "kept_beside_hogs", **kept)
    for run in runs:
        run["hogs"] = 4.0
    return runs


def unserved(runs, served=0.0):
    """The same runs, in which so few clients were served."""
    return Runs({**run, "served": served} for run in runs)
