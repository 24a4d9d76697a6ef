#!/usr/bin/env python3
"""Runs the commands of the texts, in order, in a clean copy of the project, as
a reader would who has just cloned it. Prints TAP.

    tests/tutorial_test.py [TEXT ...]      default: those that students read

Every block of ```sh is a script that must end with status 0. A line that is
nothing but a server (`bin/fork --delay 100`) starts it, as in a terminal of
its own, and first stops the one before it, which must end well. In a block of
```console each line after `$ ` is a command, and what follows is what it must
print; `...` stands for anything. Comments above a block change this:

    <!-- not run: why -->       for what needs a person, or takes long
    <!-- as: command -->        runs this instead, as it is shorter
    <!-- server -->             the block starts a server in another way
    <!-- status: 1 -->          it must end with another status

Port 9999 becomes one that is free, and pgrep finds nobody else's servers.
"""

import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "scripts"))

from lessons import model_files  # noqa: E402
from tutorial import COMMANDS, blocks  # noqa: E402

READ_BY_STUDENTS = ("TUTORIAL.md", "course/lab.md", "course/project.md",
                    "course/demonstration.md")
COPY = ROOT / "build" / "tutorial" / "copy"
PATIENCE_S = 60
SERVER = re.compile(rf"bin/({'|'.join(model_files())})(?= |$)")

# diff says 1 for what differs, which is what we want to see. A reader has no
# other servers of the same name.
PRELUDE = """set -e -o pipefail
diff() { command diff "$@" || [ $? -eq 1 ]; }
pgrep() { command pgrep -s 0 "$@"; }
"""


def files():
    """What a clone has, and what is new here and not ignored."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, check=True).stdout.decode()
    return [name for name in listed.split("\0")
            if name and (ROOT / name).is_file()]


def copy():
    shutil.rmtree(COPY, ignore_errors=True)
    for name in files():
        (COPY / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, COPY / name)


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def killed(process):
    """Ends whatever a command has started and left."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


class Terminal:
    """Where the commands are run: a server, and commands beside it."""

    def __init__(self):
        self.port, self.server = free_port(), None

    def start(self, script, **streams):
        text = PRELUDE + re.sub(r"\b9999\b", str(self.port), script)
        return subprocess.Popen(["bash", "-c", text], cwd=COPY, text=True,
                                stdin=subprocess.DEVNULL,
                                preexec_fn=os.setpgrp, **streams)

    def run(self, script):
        """What a script has printed, and its status."""
        process = self.start(script, stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT)
        try:
            said, _ = process.communicate(timeout=PATIENCE_S)
        except subprocess.TimeoutExpired:
            said = f"it took longer than {PATIENCE_S} s"
        finally:
            killed(process)
        return said, process.returncode

    def serve(self, script):
        """Starts a server in place of the one before. Returns what is wrong."""
        problem = self.stop()
        self.port = free_port()
        script = SERVER.sub(rf"\g<0> --port {self.port}", script)
        self.server = self.start(f"exec {script}", stdout=subprocess.PIPE)
        line = self.server.stdout.readline()
        return problem or ("" if f":{self.port}" in line else
                           f"the server does not say that it is ready: {line}")

    def stop(self):
        """Ctrl-C for the server, if there is one. Returns what is wrong."""
        server, self.server = self.server, None
        if server is None:
            return ""
        os.killpg(server.pid, signal.SIGINT)
        try:
            server.communicate(timeout=PATIENCE_S)
        except subprocess.TimeoutExpired:
            return "the server before it does not stop"
        finally:
            killed(server)
        return ("" if server.returncode == 0 else
                f"the server before it ended with {server.returncode}")


# ---- Blocks


def marked(block, what):
    """What a marker of this kind says, or nothing."""
    name, _, said = block.marker.partition(": ")
    return said if name == what else ""


def is_server(line):
    return bool(re.fullmatch(SERVER.pattern + r"( [^&|;]*)?", line))


def script_of(block):
    """The commands of a block, without those that show differences only."""
    return marked(block, "as") or re.sub(r"\\\n", "", block.text())


def run_script(terminal, block):
    """Returns what is wrong, or nothing."""
    *commands, last = script_of(block).rstrip().split("\n")
    serves = block.marker == "server" or is_server(
        re.sub(r"\s+#.*", "", last))
    if any(map(is_server, commands)):
        return "what follows a server is never reached"
    said, status = terminal.run("\n".join(
        commands if serves else [*commands, last]))
    wanted = int(marked(block, "status") or 0)
    if status != wanted:
        return f"status {status} instead of {wanted}: {said}"
    return terminal.serve(re.sub(r"\s+#.*", "", last)) if serves else ""


def conversation(block):
    """Pairs of a command and what it is to print."""
    for part in re.split(r"^\$ ", block.text(), flags=re.M)[1:]:
        command, _, output = part.partition("\n")
        yield command, output.rstrip("\n")


def agrees(said, wanted):
    pattern = ".*".join(map(re.escape, wanted.split("...")))
    return re.fullmatch(pattern, said.rstrip("\n"), re.S)


def run_conversation(terminal, block):
    for command, wanted in conversation(block):
        said, status = terminal.run(command)
        if status != int(marked(block, "status") or 0):
            return f"{command}: status {status}: {said}"
        if not agrees(said, wanted):
            return f"{command} says {said!r} instead of {wanted!r}"
    return ""


def run_block(terminal, block):
    if block.language == "sh":
        return run_script(terminal, block)
    return run_conversation(terminal, block)


# ---- All of them


class Tally:
    def __init__(self):
        self.passed = self.failed = 0

    def check(self, what, problem):
        self.passed += not problem
        self.failed += bool(problem)
        print(f"{'not ok' if problem else 'ok'} {self.passed + self.failed} - "
              f"{what}", flush=True)
        for line in problem.strip().split("\n")[-20:] if problem else ():
            print(f"# {line}")

    def finish(self):
        print(f"1..{self.passed + self.failed}\n# {self.passed} passed, "
              f"{self.failed} failed", flush=True)
        return self.failed > 0


def run_text(tally, path):
    terminal = Terminal()
    try:
        for block in blocks((COPY / path).read_text("utf-8")):
            where = f"{path}:{block.begin}"
            if block.language not in COMMANDS:
                continue
            first = script_of(block).split("\n")[0]
            if reason := marked(block, "not run"):
                print(f"# {where} is not run: {reason}")
                continue
            begin = time.monotonic()
            problem = run_block(terminal, block)
            spent_s = time.monotonic() - begin
            tally.check(f"{where} {first} ({spent_s:.1f} s)", problem)
        tally.check(f"{path}: the last server stops", terminal.stop())
    finally:
        if terminal.server:
            killed(terminal.server)


def main(paths):
    if os.getpgrp() != os.getpid():
        os.setsid()  # So that pgrep does not see what others have started.
    tally = Tally()
    copy()
    for path in paths or READ_BY_STUDENTS:
        if (COPY / path).exists():
            run_text(tally, path)
    return tally.finish()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
