"""Makes one run of the bench: starts a new server, runs the client once, and
appends one row to runs.csv.

Must be used while signals are blocked: see lib/processes.py.
"""

import pathlib
import tempfile

from bench import request_log
from bench.design import APART, FREE, HOSTS
from lib import machine, usage
from lib.client import row_of
from lib.models import ELSEWHERE
from lib.processes import RunFailed, ask, serving
from lib.samples import append_rows, ratio

WARMUP_S = 0.06  # cores need so long to wake, however short the run is
RUNTIME_S = 0.5  # added for other runtimes, which first compile
# After the window, the client waits at most so long for outstanding replies.
GRACE_S = 0.1
HOG_GRACE_S = 2  # with hogs: a fib(40) takes long
QUIET_S = 0.1  # after which the client gives up on a first reply
TURN_S = 100e-6  # for each connection, a run measures at least so long
QUICK_SHARE = 0.3  # of the usual measuring time, in a quick bench
DELAYS_MIN = 3  # a run measures at least so many of the server's delays


def measured_s(run, options):
    """Returns for how many seconds a run measures."""
    share = QUICK_SHARE if options.size == "quick" else 1
    return max(share * run.experiment.seconds,
               DELAYS_MIN * run.cell.delay_ms / 1000,
               run.cell.connections * TURN_S)


def warmup_s(run):
    """Returns for how many seconds the client sends requests before the
    measurement begins, once all its connections are open. Returns 0 if requests
    are counted or delayed, because such runs need no warm-up."""
    if run.cell.requests or run.cell.delay_ms:
        return 0
    return WARMUP_S + (RUNTIME_S if run.model in ELSEWHERE else 0)


def server_command(run, options):
    """Returns the command that starts the server of a run. A model's name may
    be followed by options; a program's name may contain spaces."""
    program, more = options.programs.get(run.model), []
    if program is None:
        name, *more = run.model.split()
        program = options.bin / name
    host = ["--host", options.on.address] if options.on else []
    return [program, "--port", "0", "--quiet", *more, *host,
            *run.cell.server_options()]


def client_command(run, options, server, files, placement):
    """Returns the command that runs the client, which writes `files`."""
    milliseconds = "{:.0f}ms".format
    command = [
        options.bin / "fibload", *run.cell.client_options(),
        "-d", milliseconds(1000 * measured_s(run, options)),
        "--warmup", milliseconds(1000 * warmup_s(run)),
        "--grace", milliseconds(
            1000 * (HOG_GRACE_S if run.cell.hogs else GRACE_S)),
        "--interval", "0",
        *server.usage_options, "--csv", str(files.row),
    ]
    labels = {
        "experiment": run.experiment.name, "round": run.round,
        "runs_per_round": len(run.experiment.runs(options.models)),
        "placement": placement, "delay_ms": run.cell.delay_ms,
        "model": run.model,
    }
    for name, value in labels.items():
        command += ["--label", f"{name}={value}"]
    if run.is_traced:
        command += ["--timeline", str(files.trace)]
    return [*command, server.target]


# ---- What only the bench can measure, not the client


# The columns of a run whose server is on another host.
NOT_SEEN = {"foreign_cores": "nan", "first_process_share": "nan"}


class Watch:
    """A measurement over one run: how much CPU time other programs used, and
    which share of the server's CPU time its first process used."""

    def __init__(self):
        self.others = machine.Others()
        self.first_s = self.before_stop_s = 0

    def read(self, server):
        """Reads the CPU time of the server's first process, without that of its
        children. Must be called after the client has ended, and before the
        server ends."""
        ticks = sum(map(int, usage.stat_of(server.pid)[11:13]))
        self.first_s = ticks / usage.TICKS_PER_S
        self.before_stop_s = machine.own_cpu_s()

    def columns(self):
        """Returns columns of runs.csv, after client and server have ended."""
        tree_s = machine.own_cpu_s() - self.before_stop_s
        return {
            "foreign_cores": f"{self.others.cores():.3f}",
            "first_process_share": f"{ratio(self.first_s, tree_s):.3f}",
        }


class Files:
    """The files that client and server write in one run. The name of the
    client's trace decides its format: "trace.csv" or "trace.json"."""

    def __init__(self, folder, trace):
        self.row = pathlib.Path(folder, "row.csv")
        self.trace = pathlib.Path(folder, trace)
        self.server = pathlib.Path(folder, "server.json")


def keep_trace(run, options, files, directory):
    """Stores the requests that the pictures need. Returns the columns of
    runs.csv that all requests give. Raises RunFailed if there is no log."""
    if not run.is_traced:
        return request_log.figures([])
    try:
        requests = request_log.read_requests(files.trace)
    except (OSError, ValueError):
        raise RunFailed("the client left no trace") from None
    request_log.keep(
        request_log.measured_path(directory, run.experiment),
        [request_log.as_span(kept, run) for kept in
         run.experiment.trace(requests, 1e6 * measured_s(run, options))])
    return request_log.figures(requests)


def placed(experiment, options):
    """Returns where an experiment's programs run (see design.PLACES), and the
    cores of server and client: None if the kernel chooses."""
    server, client = machine.two_cores()
    if options.on:
        return HOSTS, (None, None)
    if server == client or experiment.placement == FREE:
        return FREE, (None, None)
    return experiment.placement, (
        (server, client) if experiment.placement == APART else (client, client))


def serve_and_ask(run, options, files, log, more=(), watch=None):
    """Starts the server of a run, here or on another host, with `more` options.
    Runs the client once, lets `watch` read what the server used, and stops it.
    Raises RunFailed."""
    placement, (server_core, client_core) = placed(run.experiment, options)
    command = [*server_command(run, options), *more]
    with (options.on.serving(command, run.model, log) if options.on
          else serving(command, run.model, server_core, log)) as server:
        ask(client_command(run, options, server, files, placement),
            client_core, log, server.pass_fds)
        if watch:
            watch.read(server)
        server.stop(run.cell.delay_ms / 1000)


def make_run(run, options, directory):
    """Makes one run. Returns how many cores other programs used, or NaN if that
    is unknown. Raises RunFailed."""
    watch = Watch()
    with tempfile.TemporaryDirectory(prefix=".run-", dir=directory) as folder:
        files = Files(folder, "trace.csv")
        with open(directory / "log.txt", "ab") as log:
            serve_and_ask(run, options, files, log, watch=watch)
        columns = dict(NOT_SEEN) if options.on else watch.columns()
        columns.update(keep_trace(run, options, files, directory))
        append_rows(directory / "runs.csv", [{**columns, **row_of(files.row)}])
    return float(columns["foreign_cores"])
