"""One run of the bench: a fresh server, one client, one row in runs.csv.

Whatever happens, no process is left: server and client are each a session of
their own that is killed at the end, and the kernel kills them if we die first.
To be used while signals are held back, see interruption.py.
"""

import contextlib
import csv
import ctypes
import os
import re
import resource
import select
import signal
import subprocess
import time

import environment
import traces
from grid import APART, FREE
from interruption import interruptible, let_through, wait
from results import ratio

READY_TIMEOUT_S = 10
STOP_TIMEOUT_S = 10
CLIENT_TIMEOUT_S = 60  # far more than any run is meant to take
WARMUP_S = 0.1  # as long as the cores need to wake, however short the run
MEETING_S = 100e-6  # half of what a fork takes, if there are thousands
GRACE_S = 0.2
HELLO_S = 0.3  # how long the client waits for a first reply of everybody
TURN_S = 100e-6  # in which the slowest server answers a few of many clients
QUICK_SHARE = 0.3  # of the time that a run measures
DELAYS_MIN = 3  # that a run measures at least
CLIENT_OK = (0, 1)  # 1: not every client was served, which we want to see
PR_SET_PDEATHSIG = 1


class RunFailed(Exception):
    """This run has no result; others may have."""


class StartFailed(RunFailed):
    """A program did not start: it will not start for other runs either."""


def measured_s(run, options):
    share = QUICK_SHARE if options.size == "quick" else 1
    return max(share * run["experiment"].seconds,
               DELAYS_MIN * run["cell"].delay_ms / 1000,
               run["cell"].connections * TURN_S)


def warmup_s(run):
    """The client waits about twice as long for a first reply of everybody: by
    then a server must have met all its clients, the silent ones, too. Where
    replies are delayed, nothing else needs to be warm."""
    cell = run["cell"]
    meeting_s = (cell.connections + cell.idle) * MEETING_S
    if cell.requests or (cell.delay_ms and meeting_s < HELLO_S):
        return 0
    return meeting_s if cell.delay_ms else WARMUP_S + meeting_s


def in_child(core):
    """What a child does before it becomes the server or the client: it keeps
    to its core, and does not outlive us."""

    def prepare():
        let_through()
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if core is not None:
            os.sched_setaffinity(0, {core})

    return prepare


@contextlib.contextmanager
def started(command, core, **streams):
    """A process in a session of its own, which is gone afterwards."""
    try:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, start_new_session=True,
            preexec_fn=in_child(core), **streams)
    except (OSError, subprocess.SubprocessError) as problem:
        raise StartFailed(f"cannot start {command[0]}: {problem}") from None
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if process.stdout:
            process.stdout.close()


def first_line(stream, timeout_s):
    """The first line of a pipe, or what there is of it at the end."""
    until = time.monotonic() + timeout_s
    line = b""
    while not line.endswith(b"\n"):
        left_s = max(0, until - time.monotonic())
        with interruptible():
            ready, _, _ = select.select([stream], [], [], left_s)
        if not ready:
            raise TimeoutError
        byte = os.read(stream.fileno(), 1)
        if not byte:
            break
        line += byte
    return line.decode(errors="replace")


def port_of(server, model):
    """The port in the line with which a server says that it is ready."""
    try:
        line = first_line(server.stdout, READY_TIMEOUT_S)
    except TimeoutError:
        raise StartFailed(
            f"{model} was not ready within {READY_TIMEOUT_S} s") from None
    match = re.search(r":(\d+)\s*$", line)
    if not match:
        raise StartFailed(f"{model} did not start; see log.txt")
    return int(match[1])


def stop(server, model, delay_s=0):
    """Politely: as part of a run, a server must be able to end by itself. Where
    every reply is delayed it may have more to answer than anybody can wait
    for; a second signal spares it that."""
    server.send_signal(signal.SIGTERM)
    if delay_s and wait(server, 2 * delay_s) is None:
        server.send_signal(signal.SIGTERM)
    if wait(server, STOP_TIMEOUT_S) is None:
        raise RunFailed(
            f"{model} did not stop within {STOP_TIMEOUT_S} s")


def server_command(run, options):
    """A model may have options of its own behind its name."""
    program, *more = run["model"].split()
    command = [options.programs.get(program, options.bin / program),
               "--port", "0", "--quiet", *more]
    if run["cell"].delay_ms:
        command += ["--delay", str(run["cell"].delay_ms)]
    return command


def is_traced(run):
    experiment = run["experiment"]
    return experiment.trace and run["round"] <= experiment.traced_rounds


def client_command(run, options, server, port, files, placement):
    """`files` are those that the client is to write."""
    cell, experiment = run["cell"], run["experiment"]
    milliseconds = "{:.0f}ms".format
    command = [
        options.bin / "fibload", "-c", str(cell.connections),
        "-f", str(cell.n), "--idle", str(cell.idle),
        "-d", milliseconds(1000 * measured_s(run, options)),
        "--warmup", milliseconds(1000 * warmup_s(run)),
        "--grace", milliseconds(1000 * GRACE_S), "--interval", "0",
        "--server-pid", str(server.pid), "--csv", str(files.row),
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
    if is_traced(run):
        command += ["--timeline", str(files.trace)]
    return [*command, str(port)]


def ask(command, core, log):
    """Runs the client to its end."""
    with started(command, core, stdout=log, stderr=log) as client:
        status = wait(client, CLIENT_TIMEOUT_S)
    if status is None:
        raise RunFailed(f"the client did not end within {CLIENT_TIMEOUT_S} s")
    if status not in CLIENT_OK:
        raise RunFailed(f"the client failed with status {status}; see log.txt")


# ---- What only we can see


def cpu_s_of(pid):
    """The CPU time of one process with its threads, without its children."""
    fields = environment.text_of(f"/proc/{pid}/stat").rpartition(")")[2].split()
    ticks = sum(map(int, fields[11:13]))
    return ticks / os.sysconf("SC_CLK_TCK")


def cpu_s_of_children():
    """The CPU time of all processes that we, or those we waited for, have
    waited for."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


class Watch:
    """Over one run: CPU time of others, and what of the server's a look at its
    first process alone would have shown."""

    def __init__(self):
        self.begin = time.monotonic()
        self.busy_s = environment.busy_s()
        self.own_s = time.process_time() + cpu_s_of_children()
        self.first_s = self.before_stop_s = 0

    def look_at(self, server):
        """To be called when the client has ended and the server has not."""
        self.first_s = cpu_s_of(server.pid)
        self.before_stop_s = cpu_s_of_children()

    def columns(self):
        """To be called when both have ended."""
        wall_s = time.monotonic() - self.begin
        own_s = time.process_time() + cpu_s_of_children() - self.own_s
        foreign_s = environment.busy_s() - self.busy_s - own_s
        tree_s = cpu_s_of_children() - self.before_stop_s
        return {
            "foreign_cores": f"{max(0, foreign_s) / wall_s:.3f}",
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
        return traces.figures([])
    experiment = run["experiment"]
    try:
        requests = traces.read_requests(files.trace)
    except (OSError, ValueError):
        raise RunFailed("the client left no trace") from None
    traces.keep(directory / f"{experiment.name}.csv", run,
                getattr(run["cell"], experiment.axis),
                experiment.trace(requests, 1e6 * measured_s(run, options)))
    return traces.figures(requests)


def keep_row(row, columns, csv_path):
    """Appends the client's row to the others, with more columns before it."""
    try:
        with open(row, newline="", encoding="utf-8") as file:
            figures, = csv.DictReader(file)
    except (OSError, ValueError):
        raise RunFailed("the client left no figures") from None
    run = {**columns, **figures}
    with open(csv_path, "a", newline="", encoding="utf-8") as file:
        rows = csv.DictWriter(file, run, lineterminator="\n")
        if file.tell() == 0:
            rows.writeheader()
        rows.writerow(run)


def placed(experiment, cores):
    """Where an experiment has its programs: the word, and their cores."""
    if cores is None or experiment.placement == FREE:
        return FREE, (None, None)
    server, client = cores
    return experiment.placement, (
        (server, client) if experiment.placement == APART else (client, client))


def make_run(run, options, directory, cores):
    """`cores` are those of server and client, if there are two. Returns how
    many cores other programs used meanwhile."""
    placement, (server_core, client_core) = placed(run["experiment"], cores)
    model, watch = run["model"], Watch()
    with Files(directory) as files:
        with open(directory / "log.txt", "ab") as log, started(
                server_command(run, options), server_core,
                stdout=subprocess.PIPE, stderr=log) as server:
            port = port_of(server, model)
            ask(client_command(run, options, server, port, files, placement),
                client_core, log)
            watch.look_at(server)
            stop(server, model, run["cell"].delay_ms / 1000)
        columns = watch.columns()
        columns.update(keep_trace(run, options, files, directory))
        keep_row(files.row, columns, directory / "runs.csv")
    return float(columns["foreign_cores"])
