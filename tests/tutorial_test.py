#!/usr/bin/env python3
"""Runs the commands of the texts, in order, in clean copies of the project, as
a reader would who has just cloned it. Parts: see tap.py; a part is a text, or a
chapter of one that has numbered chapters. Translations have the same commands,
see scripts/course/quotes.

Every block of ```sh is a script that must end with status 0. A line that is
nothing but a server (`bin/fork --delay 100`) starts it, as in a terminal of
its own, and first stops the one before it, which must end well. In a block of
```console each line after `$ ` is a command, a server if it ends in `&`, and
what follows is what it must print, if anything follows; `...` stands for
anything. Comments above a block change this:

    <!-- not run: why -->       for what needs a person, or takes long
    <!-- as: command -->        runs this instead, as it is shorter
    <!-- server -->             the block starts a server in another way
    <!-- server: ends by the signal -->     ... that Ctrl-C kills
    <!-- status: 1 -->          it must end with another status

The first chapter is built from nothing, as a reader does it. The others begin
with copies of what is built here already, which make brings up to date.

Port 9999 becomes that of the server, pgrep finds servers of this test only, and
a client ends after a few requests instead of a few seconds, but waits for late
replies: its outcome must not depend on how fast the machine is. It is left as
it is beside a `sleep`.
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

import tap
from under_test import ROOT, model_files, quotes

READ_BY_STUDENTS = ("TUTORIAL.md", "README.md", "course/lab.md",
                    "course/project.md", "course/demonstration.md")
COPIES = ROOT / "build" / "tutorial"
LONG_S = 600  # for a build, on the slowest machine
SERVER = re.compile(rf"bin/({'|'.join(model_files())})(?= |$)")
CHAPTER = re.compile(r"^## (\d+)\. ", re.M)
BUILD = re.compile(r"^make( examples)?$", re.M)

# diff says 1 for what differs, which is what we want to see. A reader has no
# other servers of the same name.
PRELUDE = """set -e -o pipefail
diff() { command diff "$@" || [ $? -eq 1 ]; }
pgrep() { command pgrep -s 0 "$@"; }
"""


# ---- A copy of the project


def is_ours(name):
    """Whether a file is not one that .gitignore names."""
    top, *rest = name.split("/")
    return (top not in (".git", "bin", "build", "collected")
            and "__pycache__" not in rest
            and (top != "results" or rest[0] == "reference"))


def files():
    """What a clone has, and what is new here and not ignored."""
    if not (ROOT / ".git").exists():  # Unpacked from an archive.
        names = (str(path.relative_to(ROOT)) for path in ROOT.rglob("*")
                 if path.is_file())
        return [name for name in names if is_ours(name)]
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, check=True).stdout
    return [name for name in os.fsdecode(listed).split("\0")
            if name and (ROOT / name).is_file()]


def copy_project(copy, built):
    """Makes the folder `copy` a clone, and if so `built`: with our objects, and
    with the programs that `make` makes."""
    shutil.rmtree(copy, ignore_errors=True)
    for name in files():
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, copy / name)
    if built and (ROOT / "build/plain").exists():
        shutil.copytree(ROOT / "build/plain", copy / "build/plain")
        (copy / "bin").mkdir()
        for name in (*model_files(), "fibload"):
            shutil.copy2(ROOT / "bin" / name, copy / "bin" / name)


# ---- A terminal


def killed(process):
    """Ends whatever a command has started and left."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


CLIENT = re.compile(r"bin/fibload\b[^\n|;&]*")


def patient(match):
    """The command of a client that ends after a few requests instead of a few
    seconds, and waits for what comes late."""
    command = match[0]
    clients = re.search(r" -c (\d+)", command)
    limit = ("-d 300ms" if " --hogs " in command or not clients else
             f"-d 30s -n {20 * int(clients[1])}")
    command = re.sub(r"-d \d+s\b", limit, command)
    grace = "" if "--grace" in command else " --grace 30s"
    return command.replace("bin/fibload", f"bin/fibload{grace}")


class Terminal:
    """Where the commands are run, in a copy of the project: a server, and
    commands beside it."""

    def __init__(self, copy):
        self.copy, self.server = copy, None
        self.killed_by_signal = False  # how the server ends
        self.unused = socket.socket()  # bound, not listening: no server's
        self.unused.bind(("127.0.0.1", 0))
        self.port = self.unused.getsockname()[1]

    def start(self, script, brief=True, **streams):
        if brief and not re.search(r"\bsleep\b", script):  # at a certain time
            script = CLIENT.sub(patient, script)
        if self.server:  # the last one that runs in the background
            script = script.replace("$!", str(self.server.pid))
        text = PRELUDE + re.sub(r"\b9999\b", str(self.port), script)
        return subprocess.Popen(["bash", "-c", text], cwd=self.copy, text=True,
                                stdin=subprocess.DEVNULL,
                                preexec_fn=os.setpgrp, **streams)

    def run(self, script, brief=True):
        """What a script has printed, and its status. A client may be brief."""
        process = self.start(script, brief, stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT)
        try:
            said, _ = process.communicate(timeout=LONG_S)
        except subprocess.TimeoutExpired:
            said = f"it took longer than {LONG_S} s"
        finally:
            killed(process)
        return said, process.returncode

    def serve(self, script, killed_by_signal=False):
        """Starts a server in place of the one before. Returns the line with
        which it says that it is ready, and what is wrong."""
        problem = self.stop()
        self.killed_by_signal = killed_by_signal
        script = re.sub(r" --port \d+", "", script)
        script = SERVER.sub(r"\g<0> --port 0", script)
        script = re.sub(r" 9999$", " 0", script)
        self.server = self.start(f"exec {script}", stdout=subprocess.PIPE)
        line = self.server.stdout.readline()
        match = re.search(r":(\d+)$", line.rstrip())
        if not match:
            return line, f"the server does not say that it is ready: {line}"
        self.port = int(match[1])
        return line.replace(match[1], "9999"), problem

    def stop(self):
        """Ctrl-C for the server, if there is one. Returns what is wrong."""
        server, self.server = self.server, None
        if server is None:
            return ""
        os.killpg(server.pid, signal.SIGINT)
        try:
            server.communicate(timeout=LONG_S)
        except subprocess.TimeoutExpired:
            return "the server before it does not stop"
        finally:
            killed(server)
        wanted = -signal.SIGINT if self.killed_by_signal else 0
        return ("" if server.returncode == wanted else
                f"the server before it ended with {server.returncode}")

    def close(self):
        if self.server:
            killed(self.server)
        self.unused.close()


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
    serves = block.marker.startswith("server") or is_server(
        re.sub(r"\s+#.*", "", last))
    if any(map(is_server, commands)):
        return "what follows a server is never reached"
    script = "\n".join(commands if serves else [*commands, last])
    said, status = terminal.run(script)
    wanted = int(marked(block, "status") or 0)
    if status != wanted and CLIENT.search(script):
        # On a busy machine a brief run may end before each client is served.
        said, status = terminal.run(script, brief=False)
    if status != wanted:
        return f"status {status} instead of {wanted}: {said}"
    if not serves:
        return ""
    return terminal.serve(re.sub(r"\s+#.*", "", last), killed_by_signal=bool(
        marked(block, "server")))[1]


def conversation(block):
    """Pairs of a command and what it is to print."""
    for part in re.split(r"^\$ ", block.text(), flags=re.M)[1:]:
        command, _, output = part.partition("\n")
        yield command, output.rstrip("\n")


def agrees(said, wanted):
    pattern = ".*".join(map(re.escape, wanted.split("...")))
    return not wanted or re.fullmatch(pattern, said.rstrip("\n"), re.S)


def run_conversation(terminal, block):
    for command, wanted in conversation(block):
        server = command.rstrip(" &")
        if command.endswith("&") and is_server(server):
            said, problem = terminal.serve(server)
        else:
            said, status = terminal.run(command)
            problem = "" if status == int(marked(block, "status") or 0) else (
                f"{command}: status {status}: {said}")
        if problem or not agrees(said, wanted):
            return problem or f"{command} says {said!r} instead of {wanted!r}"
    return ""


def run_block(terminal, block):
    if block.language == "sh":
        return run_script(terminal, block)
    return run_conversation(terminal, block)


# ---- Parts


class Text:
    """A text, or a chapter of it: its blocks of commands, and what is built by
    those before it."""

    def __init__(self, path, name, blocks, before):
        self.path, self.name, self.blocks = path, name, blocks
        self.builds = [match[0] for block in before
                       for match in BUILD.finditer(block.text())]
        self.is_first = path == READ_BY_STUDENTS[0] and not before

    def run(self, tally):
        copy = COPIES / self.name
        copy_project(copy, built=not self.is_first)
        terminal = Terminal(copy)
        failed = tally.failed
        try:
            for command in self.builds:
                said, status = terminal.run(command)
                if status != 0:
                    tally.check(f"{self.path}: {command}", said or "it fails")
            for block in self.blocks:
                self.try_block(terminal, tally, block)
            tally.check(f"{self.path}: the last server stops", terminal.stop())
        finally:
            terminal.close()
        if tally.failed == failed:
            shutil.rmtree(copy)

    def try_block(self, terminal, tally, block):
        where = f"{self.path}:{block.begin}"
        if reason := marked(block, "not run"):
            print(f"# {where} is not run: {reason}")
            return
        for tool in ("nc", "ss"):
            if re.search(rf"^{tool} |\| {tool} ", script_of(block), re.M) and (
                    not shutil.which(tool)):
                tally.skip(f"no {tool}: {where}")
                return
        begin = time.monotonic()
        problem = run_block(terminal, block)
        spent_s = time.monotonic() - begin
        first = script_of(block).split("\n")[0]
        tally.check(f"{where} {first} ({spent_s:.1f} s)", problem)


def chapter_lines(text):
    """The number of each chapter and its line; 0 is what stands before."""
    yield 0, 0
    for match in CHAPTER.finditer(text):
        yield int(match[1]), text.count("\n", 0, match.start())


def chapters(path):
    """A Text for every chapter that has commands."""
    text = (ROOT / path).read_text("utf-8")
    all_blocks = [block for block in quotes.blocks(text)
                  if block.language in quotes.COMMANDS]
    begins = list(chapter_lines(text))
    ends = [line for _, line in begins[1:]] + [sys.maxsize]
    stem = pathlib.Path(path).stem.lower()
    for (number, begin), end in zip(begins, ends):
        own = [block for block in all_blocks if begin <= block.begin < end]
        before = [block for block in all_blocks if block.begin < begin]
        if own:
            name = f"{stem}-{number}" if len(begins) > 1 else stem
            yield Text(path, name, own, before)


def main():
    texts = [text for path in READ_BY_STUDENTS for text in chapters(path)]
    if os.getpgrp() != os.getpid():
        os.setsid()  # So that pgrep does not see what others have started.
    return tap.run_parts([tap.Part(text.name, text.run) for text in texts],
                         sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
