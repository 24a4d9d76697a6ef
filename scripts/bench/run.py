"""One run of the bench: a fresh server, one client, one row in runs.csv.

For use while signals are held back, see lib/processes.py.
"""

import csv
import os

from bench import request_log
from bench.design import APART, FREE, HOSTS
from lib import machine, usage
from lib.client import row_of
from lib.models import ELSEWHERE
from lib.processes import RunFailed, ask, serving
from lib.samples import ratio

WARMUP_S = 0.06  # as long as the cores need to wake, however short the run
RUNTIME_S = 0.5  # other runtimes compile first, and are slower to accept
GRACE_S = 0.1
HOG_GRACE_S = 2  # it ends with the last reply, and a fib(40) takes a while
QUIET_S = 0.1  # without a first reply, until the client waits for no more
TURN_S = 100e-6  # in which the slowest server answers a few of many clients
QUICK_SHARE = 0.3  # of the time that a run measures
DELAYS_MIN = 3  # that a run measures at least


def measured_s(run, options):
    share = QUICK_SHARE if options.size == "quick" else 1
    return max(share * run["experiment"].seconds,
               DELAYS_MIN * run["cell"].delay_ms / 1000,
               run["cell"].connections * TURN_S)


def warmup_s(run):
    """How long there is load before the window, once the server has met all its
    clients. Where requests are counted or delayed, nothing needs to be
    warm."""
    cell = run["cell"]
    if cell.requests or cell.delay_ms:
        return 0
    return WARMUP_S + (RUNTIME_S if run["model"] in ELSEWHERE else 0)


def server_command(run, options):
    """A model of ours may have options of its own behind its name; the name of
    another program may have spaces."""
    program, more = options.programs.get(run["model"]), []
    if program is None:
        name, *more = run["model"].split()
        program = options.bin / name
    command = [program, "--port", "0", "--quiet", *more]
    if options.on:
        command += ["--host", options.on.address]
    if run["cell"].delay_ms:
        command += ["--delay", str(run["cell"].delay_ms)]
    return command


def is_traced(run):
    experiment = run["experiment"]
    return experiment.trace and run["round"] <= experiment.traced_rounds


def client_command(run, options, server, files, placement):
    """`files` are those that the client is to write."""
    cell, experiment = run["cell"], run["experiment"]
    milliseconds = "{:.0f}ms".format
    command = [
        options.bin / "fibload", "-c", str(cell.connections),
        "-f", str(cell.n), "--idle", str(cell.idle),
        "-d", milliseconds(1000 * measured_s(run, options)),
        "--warmup", milliseconds(1000 * warmup_s(run)),
        "--grace", milliseconds(1000 * (HOG_GRACE_S if cell.hogs else GRACE_S)),
        "--interval", "0",
        *server.usage_options, "--csv", str(files.row),
        "--hogs", str(cell.hogs),
    ]
    labels = {
        "experiment": experiment.name, "round": run["round"],
        "runs_per_round": len(experiment.runs(options.models)),
        "placement": placement, "delay_ms": cell.delay_ms,
        "model": run["model"],
    }
    for name, value in labels.items():
        command += ["--label", f"{name}={value}"]
    if cell.requests:
        command += ["-n", str(cell.requests)]
    if cell.churn:
        command += ["--churn"]
    if cell.rate:
        command += ["-R", str(cell.rate)]
    if is_traced(run):
        command += ["--timeline", str(files.trace)]
    return [*command, server.target]


# ---- What only we can see


def cpu_s_of(pid):
    """The CPU time of one process with its threads, without its children."""
    return sum(map(int, usage.stat_of(pid)[11:13])) / usage.TICKS_PER_S


# On another host we see neither.
NOT_SEEN = {"foreign_cores": "nan", "first_process_share": "nan"}


class Watch:
    """Over one run: CPU time of others, and the share of the server's that a
    look at its first process alone would have shown."""

    def __init__(self):
        self.others = machine.Others()
        self.first_s = self.before_stop_s = 0

    def look_at(self, server):
        """To be called when the client has ended and the server has not."""
        self.first_s = cpu_s_of(server.pid)
        self.before_stop_s = machine.own_cpu_s()

    def columns(self):
        """To be called when both have ended."""
        tree_s = machine.own_cpu_s() - self.before_stop_s
        return {
            "foreign_cores": f"{self.others.cores():.3f}",
            "first_process_share": f"{ratio(self.first_s, tree_s):.3f}",
        }


class Files:
    """What the client writes in one run, gone afterwards."""

    def __init__(self, directory):
        self.row = directory / ".row.csv"
        self.trace = directory / ".trace.csv"

    def __enter__(self):
        self.__exit__()
        return self

    def __exit__(self, *_):
        self.row.unlink(missing_ok=True)
        self.trace.unlink(missing_ok=True)


def keep_trace(run, options, files, directory):
    """Keeps what pictures need. Returns the columns that follow from it."""
    if not is_traced(run):
        return request_log.figures([])
    experiment = run["experiment"]
    try:
        requests = request_log.read_requests(files.trace)
    except (OSError, ValueError):
        raise RunFailed("the client left no trace") from None
    request_log.keep(
        request_log.measured_path(directory, experiment),
        [request_log.as_span(kept, run) for kept in
         experiment.trace(requests, 1e6 * measured_s(run, options))])
    return request_log.figures(requests)


def keep_row(row, columns, csv_path):
    """Appends the client's row to the others, with more columns before it."""
    run = {**columns, **row_of(row)}
    with open(csv_path, "a", newline="", encoding="utf-8") as file:
        rows = csv.DictWriter(file, run, lineterminator="\n")
        if file.tell() == 0:
            rows.writeheader()
        rows.writerow(run)


def two_cores():
    """The cores that server and client may have for themselves, or None."""
    available = sorted(os.sched_getaffinity(0))
    return (available[0], available[-1]) if len(available) > 1 else None


def placed(experiment, options, cores):
    """Where an experiment has its programs: the word, and their cores."""
    if options.on:
        return HOSTS, (None, None)
    if cores is None or experiment.placement == FREE:
        return FREE, (None, None)
    server, client = cores
    return experiment.placement, (
        (server, client) if experiment.placement == APART else (client, client))


def serving_for(run, options, core, log):
    """The server of a run, here or on another host."""
    command = server_command(run, options)
    if options.on:
        return options.on.serving(command, run["model"], log)
    return serving(command, run["model"], core, log)


def make_run(run, options, directory, cores):
    """`cores` are those of server and client, if there are two. Returns how
    many cores other programs used during it; not a number if unknown."""
    placement, (server_core, client_core) = placed(run["experiment"], options,
                                                   cores)
    watch = Watch()
    with Files(directory) as files:
        with open(directory / "log.txt", "ab") as log, serving_for(
                run, options, server_core, log) as server:
            ask(client_command(run, options, server, files, placement),
                client_core, log, server.pass_fds)
            watch.look_at(server)
            server.stop(run["cell"].delay_ms / 1000)
        columns = dict(NOT_SEEN) if options.on else watch.columns()
        columns.update(keep_trace(run, options, files, directory))
        keep_row(files.row, columns, directory / "runs.csv")
    return float(columns["foreign_cores"])
