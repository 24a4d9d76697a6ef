"""A cell of the attack matrix: one server, one attack, and a victim, which is a
well-behaved client that asks meanwhile.

For use while signals are held back, see lib/processes.py.
"""

import contextlib
import dataclasses
import select
import signal
import socket
import threading
import time

from lib.processes import StartFailed, interruptible, serving, wait
from lib.usage import (LOOK_MAX_S, SETTLE_S, Usage, idle_cores, session_of,
                       usage_of, usage_once_released, usage_once_started)
from torture.attacks import PATIENCE_S, Attack, connect, last_words
from torture.matrix import (AFTER, ALWAYS_BUSY, ANY, BESIDE, CUT, NEVER,
                            STARTED_LATER, expected_of)

ATTACK_S = 0.5
ATTACK_MAX_S = 5  # if the victim has not been served beside it, and should be
AFTER_S = 10  # for who was not served during the attack
BREAK_S = 0.005  # between two requests of the victim, at least
BREAKS = 10  # times what the last one took, so that the server can rest
LOOK_S = 0.05  # between two looks at what the server uses
WATCH_S = 0.2
IDLE_CORES_MAX = 0.25  # more than a server takes that has nothing to do
KEPT_KIB = 8 * 1024  # memory that a server may keep for the next clients
# A runtime starts threads of its own when it first needs them, and takes memory
# before it collects its garbage. A leak grows with every attack.
RUNTIME_THREADS = 20
RUNTIME_TRIES = 4
OF_ITS_OWN = {"descriptors": 4}  # at most, that a process has for a client
REQUEST, REPLY = b"10\n", b"fib: 55\n"
LONG_REQUEST, LONG_REPLY = b"30\n", b"fib: 832040\n"


SHOWN = {AFTER: "waits"}  # verdicts that have another name in the table


@dataclasses.dataclass
class Cell:
    """What was seen. `problems` are a word each and its explanation."""

    server: str
    model: str  # whose behaviour is expected of it
    attack: object
    victim: str = ""  # beside, after, never, cut; nothing: not tried
    wait_s: float = 0  # its longest wait
    before: Usage = dataclasses.field(default_factory=Usage)
    during: Usage = dataclasses.field(default_factory=Usage)
    after: Usage = dataclasses.field(default_factory=Usage)
    cores_during: float = 0
    cores_after: float = 0
    status: object = None
    not_tried: str = ""
    problems: list = dataclasses.field(default_factory=list)

    def complain(self, if_so, word, about):
        if if_so:
            self.problems.append((word, about))


# ---- The victim


class Victim:
    """It connects, asks, and waits until it is answered or all hope is gone.
    `look` is called while it waits."""

    def __init__(self, port, look):
        self.port, self.look = port, look

    def answered(self, client):
        """Whether the right reply comes within a moment."""
        self.look()
        with interruptible():
            ready, _, _ = select.select([client], [], [], BREAK_S)
        return bool(ready) and client.recv(100) == REPLY

    def hear(self, client, attack):
        """The outcome of the request that was sent."""
        begin = left = time.monotonic()
        while True:
            if self.answered(client):
                return AFTER if attack.leaving.is_set() else BESIDE
            now = time.monotonic()
            if not attack.leaving.is_set():
                left = now
            if now > begin + PATIENCE_S or now > left + AFTER_S:
                return NEVER

    def ask(self, attack):
        """The outcome of one request, and after how many seconds."""
        begin = time.monotonic()
        verdict = NEVER
        with contextlib.suppress(OSError), connect(self.port) as client:
            client.sendall(REQUEST)
            verdict = self.hear(client, attack)
        return verdict, time.monotonic() - begin


class Watch:
    """The most that a server uses while it is being watched."""

    def __init__(self, server):
        self.server = server
        self.begin = self.last = time.monotonic()
        self.first = self.most = usage_of(server.pid)
        self.cores = 0

    def look(self):
        now = time.monotonic()
        if now - self.last < LOOK_S:
            return
        self.last = now
        usage = usage_of(self.server.pid)
        self.cores = (usage.cpu_s - self.first.cpu_s) / (now - self.begin)
        self.most = self.most.maximum(usage)


# ---- The server


def command_of(program, attack, ours):
    """Only of our own servers do we know how they limit their queue."""
    command = [str(program), "--port", "0", "--quiet"]
    if attack.backlog and ours:
        command += ["--backlog", str(attack.backlog)]
    if attack.descriptors:
        command = ["sh", "-c", f'ulimit -n {attack.descriptors}; exec "$@"',
                   "sh", *command]
    return command


def first_request(port):
    """The first client costs what no later one does: lazy set-up."""
    with connect(port) as client:
        client.sendall(REQUEST)
        return client.recv(100) == REPLY


def end(cell, server):
    """Stops the server politely."""
    server.process.send_signal(signal.SIGTERM)
    cell.status = wait(server.process, PATIENCE_S)
    cell.complain(cell.status != 0, "exit",
                  f"SIGTERM: it ended with {cell.status}")


# ---- Attacks during which the server lives


def wait_for_begin(attack):
    """Waits until the server can notice the attack, or until it has failed."""
    with interruptible():
        attack.begun.wait()


def serve_victims(cell, attack, watch):
    """Lets the victim ask again and again until the attack is over or a
    request is not answered."""
    victim = Victim(attack.port, watch.look)
    may_wait = AFTER in expected_of(cell.model, cell.attack)
    end = time.monotonic() + ATTACK_S
    timer = threading.Timer(ATTACK_S if may_wait else ATTACK_MAX_S,
                            attack.over.set)
    timer.start()
    cell.victim = BESIDE
    while cell.victim == BESIDE and not attack.leaving.is_set():
        verdict, wait_s = victim.ask(attack)
        watch.look()
        # Of the requests that outlived the attack only the first counts.
        if verdict != AFTER or cell.wait_s == 0:
            cell.victim, cell.wait_s = verdict, max(cell.wait_s, wait_s)
        if time.monotonic() > end:
            attack.over.set()
        attack.leaving.wait(max(BREAK_S, BREAKS * wait_s))
    timer.cancel()


def besiege(cell, server, tools):
    """The attack, and the victim beside it."""
    attack = Attack(cell.attack.client, server.port, server.pid, tools,
                    is_paced=cell.model == ANY)
    watch = Watch(server)
    wait_for_begin(attack)
    is_idle = cell.attack.restful and cell.model not in ALWAYS_BUSY
    idle_use = idle_cores(server.pid, WATCH_S) if is_idle else None
    serve_victims(cell, attack, watch)
    attack.end()
    cell.during = watch.most
    cell.cores_during = watch.cores if idle_use is None else idle_use
    cell.not_tried = attack.not_tried
    if cell.not_tried:
        cell.victim = ""
    else:
        judge_victim(cell)
    cell.complain(attack.complaints, "lost", "; ".join(attack.complaints[:3]))


def judge_victim(cell):
    expected = expected_of(cell.model, cell.attack)
    cell.complain(cell.victim not in expected,
                  SHOWN.get(cell.victim, cell.victim),
                  f"the victim: {cell.victim}, not {' or '.join(expected)}")


def growth_kib(cell):
    return cell.during.memory_kib - cell.before.memory_kib


def kept_kib(cell):
    return cell.after.memory_kib - cell.before.memory_kib


def grows(cell):
    """Whether an attack took more memory than it may, or left more behind."""
    return (growth_kib(cell) > cell.attack.memory_kib
            or kept_kib(cell) > KEPT_KIB)


def judge(cell):
    """Compares what was seen with what is expected."""
    attack, busy = cell.attack, cell.model in ALWAYS_BUSY
    excess = cell.after.excess_over(cell.before)
    kept = {name: more for name, more in excess.items()
            if more > attack.held * OF_ITS_OWN.get(name, 1)}
    cell.complain(attack.restful and not busy
                  and cell.cores_during > IDLE_CORES_MAX, "spins",
                  f"it takes {cell.cores_during:.2f} cores for nothing")
    cell.complain(growth_kib(cell) > attack.memory_kib, "grows",
                  f"its memory grows by {growth_kib(cell):,} KiB")
    cell.complain(kept, "leaks", "afterwards it keeps "
                  + ", ".join(f"{more} {name}" for name, more in kept.items()))
    cell.complain(kept_kib(cell) > KEPT_KIB, "leaks", f"afterwards it keeps {cell.after.memory_kib:,} "
                  f"instead of {cell.before.memory_kib:,} KiB")
    cell.complain(not busy and cell.cores_after > IDLE_CORES_MAX, "spins",
                  f"afterwards it takes {cell.cores_after:.2f} cores")


def is_dead(cell, server):
    """Whether the server has ended, which then is its one problem."""
    if server.process.poll() is None:
        return False
    cell.status = server.process.returncode
    cell.problems = [("dead", f"it ended by itself ({cell.status})")]
    return True


def live_through(cell, server, tools):
    cell.before = usage_once_started(server.pid)
    cell.before.threads += (RUNTIME_THREADS if cell.model == ANY else
                            STARTED_LATER.get(cell.model, 0))
    for attempt in range(RUNTIME_TRIES if cell.model == ANY else 1):
        if attempt > 0:
            cell.before.memory_kib = cell.after.memory_kib
        besiege(cell, server, tools)
        if is_dead(cell, server):
            return
        cell.after = usage_once_released(server.pid, cell.before,
                                         cell.attack.held)
        if not grows(cell):
            break
    if cell.model not in ALWAYS_BUSY:
        cell.cores_after = idle_cores(server.pid, WATCH_S)
    if is_dead(cell, server):
        return
    judge(cell)
    end(cell, server)


# ---- Attacks that end the server


def is_free(program, port):
    """Whether a server can be started on this port now, and serves."""
    try:
        with serving([program, "--port", str(port), "--quiet"], "it") as second:
            return first_request(second.port)
    except (OSError, StartFailed):
        return False


def survivors(server):
    """How many processes of a dead server live on, if they do for long."""
    until = time.monotonic() + SETTLE_S
    pause_s = BREAK_S
    while True:
        left = sum(fields[0] != "Z" for _, fields in session_of(server.pid))
        if not left or time.monotonic() > until:
            return left
        time.sleep(pause_s)
        pause_s = min(2 * pause_s, LOOK_MAX_S)


def shoot(cell, server, tools):
    """Sends the signal right behind a request of the victim, under load.
    Returns all that the victim hears from then on, and how many processes are
    left, while no client has left yet."""
    with connect(server.port) as victim:
        victim.sendall(REQUEST)
        victim.recv(100)
        attack = Attack(cell.attack.client, server.port, server.pid, tools)
        wait_for_begin(attack)
        cell.before = cell.during = usage_of(server.pid)
        victim.sendall(LONG_REQUEST)
        begin = time.monotonic()
        server.process.send_signal(getattr(signal, cell.attack.ending))
        said = last_words(victim)
        cell.wait_s = time.monotonic() - begin
        cell.status = wait(server.process, PATIENCE_S)
        left = survivors(server)
    attack.end()
    return said, left


def die_in_the_middle(cell, server, tools, program):
    said, left = shoot(cell, server, tools)
    killed = cell.attack.ending == "SIGKILL"
    # Killed, it may have answered before.
    cell.victim = BESIDE if said == LONG_REPLY and not killed else CUT
    judge_victim(cell)
    cell.complain(cell.status != (-signal.SIGKILL if killed else 0), "exit",
                  f"it ended with {cell.status}")
    cell.complain(left, "left", f"{left} processes live on")
    cell.complain(not is_free(program, server.port), "port", "the port is taken")


# ---- All of it


def tried(name, model, program, attack, ours, tools, log):
    """The cell of the server `name` and the attack."""
    cell = Cell(name, model, attack)
    try:
        with serving(command_of(program, attack, ours), name,
                     log=log) as server:
            if not first_request(server.port):
                cell.complain(True, "wrong", "fib(10) is not 55")
            elif attack.ending:
                die_in_the_middle(cell, server, tools, program)
            else:
                live_through(cell, server, tools)
    except (StartFailed, socket.timeout, ConnectionError) as problem:
        cell.complain(True, "fails", str(problem))
    return cell
