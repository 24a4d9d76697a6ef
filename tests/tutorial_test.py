#!/usr/bin/env python3
"""Runs the commands of the tutorial and of the other texts for students, in
order, in clean copies of the project, as a reader does after cloning it. Parts:
see tap.py. A part is a text, or one chapter of a text with numbered chapters.
Translations are not run: scripts/course/quotes checks that they have the same
commands.

A block of ```sh is a script that must end with status 0. If its last line is
only a server (`bin/fork --delay 100`), the server starts as in another
terminal. The server before it is stopped first, and must exit with status 0. In
a block of ```console each line after `$ ` is a command, or a server if it ends
in `&`. The lines below a command are the output that it must have; without such
lines any output is right. `...` stands for any text. Comments above a block
change these rules:

    <!-- not run: why -->       a command that needs a person, or takes long
    <!-- as: command -->        run this shorter command instead
    <!-- server -->             the last line starts a server in another way
    <!-- server: ends by the signal -->     and Ctrl-C kills that server
    <!-- status: 1 -->          the status must be 1

The first chapter builds the project from nothing, as its reader does. The other
parts start with copies of our object files, which `make` brings up to date.

Port 9999 is replaced by the server's port, and pgrep finds only servers of this
test. A load client ends after a few requests instead of a few seconds, and
waits for late replies, so that its outcome does not depend on the speed of the
machine. In a script with a `sleep` it runs as long as the text says.
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
from under_test import ROOT, model_files, processes, quotes

READ_BY_STUDENTS = ("TUTORIAL.md", "README.md", "course/lab.md",
                    "course/project.md", "course/demonstration.md")
COPIES = ROOT / "build" / "tutorial"
LONG_S = 600  # more than a build takes on the slowest machine
SERVER = re.compile(rf"bin/({'|'.join(model_files())})(?= |$)")
CHAPTER = re.compile(r"^## (\d+)\. ", re.M)
BUILD = re.compile(r"^make( examples)?$", re.M)

# diff ends with status 1 if the files differ, which is no error in our texts.
# pgrep must not find servers of other tests, which have the same names.
PRELUDE = """set -e -o pipefail
diff() { command diff "$@" || [ $? -eq 1 ]; }
pgrep() { command pgrep -s 0 "$@"; }
"""


# ---- A copy of the project


def is_source(name):
    """Returns whether a file belongs to a clone: it is not made by a build or a
    run, nor is it part of .git."""
    top, *rest = name.split("/")
    return (top not in (".git", "bin", "build", "collected")
            and "__pycache__" not in rest
            and (top != "results" or rest[0] == "reference"))


def files_of_project():
    """Returns the names of all files that a clone has, and of new files that
    are not yet committed. In an unpacked archive, is_source() decides."""
    if not (ROOT / ".git").exists():
        names = (str(path.relative_to(ROOT)) for path in ROOT.rglob("*")
                 if path.is_file())
        return [name for name in names if is_source(name)]
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, check=True).stdout
    return [name for name in os.fsdecode(listed).split("\0")
            if name and (ROOT / name).is_file()]


def copy_project(copy, built):
    """Replaces the folder `copy` by a clone of the project. If `built`, it also
    gets copies of our object files and programs. The inputs of the fuzz targets
    are left out: they are most of the files, and no text uses them."""
    shutil.rmtree(copy, ignore_errors=True)
    for name in files_of_project():
        if name.startswith("tests/fuzz/corpus/"):
            continue
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, copy / name)
    if built and (ROOT / "build/plain").exists():
        shutil.copytree(ROOT / "build/plain", copy / "build/plain")
        (copy / "bin").mkdir()
        for name in (*model_files(), "fibload"):
            shutil.copy2(ROOT / "bin" / name, copy / "bin" / name)


# ---- A terminal


CLIENT = re.compile(r"bin/fibload\b[^\n|;&]*")


def shortened(match):
    """Returns the command of a load client, changed so that it ends after a few
    requests instead of a few seconds and waits up to 30 s for late replies."""
    command = match[0]
    clients = re.search(r" -c (\d+)", command)
    limit = ("-d 300ms" if " --hogs " in command or not clients else
             f"-d 30s -n {20 * int(clients[1])}")
    command = re.sub(r"-d \d+s\b", limit, command)
    grace = "" if "--grace" in command else " --grace 30s"
    return command.replace("bin/fibload", f"bin/fibload{grace}")


class Terminal:
    """Runs the commands of a text in a copy of the project, beside at most one
    server."""

    def __init__(self, copy):
        self.copy, self.server = copy, None
        self.killed_by_signal = False  # how the server must end
        self.unused = socket.socket()  # reserves a port without a server
        self.unused.bind(("127.0.0.1", 0))
        self.port = self.unused.getsockname()[1]

    def start(self, script, brief=True, **streams):
        """Starts a script in a process group of its own. Returns its process.
        If `brief`, load clients are shortened, unless the script has a `sleep`:
        then something must happen at a certain time of the client's run."""
        if brief and not re.search(r"\bsleep\b", script):
            script = CLIENT.sub(shortened, script)
        if self.server:  # A reader has started it with "&": it is "$!".
            script = script.replace("$!", str(self.server.pid))
        text = PRELUDE + re.sub(r"\b9999\b", str(self.port), script)
        return subprocess.Popen(["bash", "-c", text], cwd=self.copy, text=True,
                                stdin=subprocess.DEVNULL,
                                preexec_fn=os.setpgrp, **streams)

    def run(self, script, brief=True):
        """Runs a script to its end. Returns its output and its status."""
        process = self.start(script, brief, stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT)
        try:
            said, _ = process.communicate(timeout=LONG_S)
        except subprocess.TimeoutExpired:
            said = f"it took longer than {LONG_S} s"
        finally:
            processes.kill_group(process)
        return said, process.returncode

    def serve(self, script, killed_by_signal=False):
        """Stops the server that runs, and starts another one. Returns the ready
        line of the new one, and a text about what went wrong, or ""."""
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
        """Stops the server, if one runs, as Ctrl-C does. Returns a text about
        what went wrong, or "" if it ended as it must."""
        server, self.server = self.server, None
        if server is None:
            return ""
        os.killpg(server.pid, signal.SIGINT)
        try:
            server.communicate(timeout=LONG_S)
        except subprocess.TimeoutExpired:
            return "the server before it does not stop"
        finally:
            processes.kill_group(server)
        status = -signal.SIGINT if self.killed_by_signal else 0
        return ("" if server.returncode == status else
                f"the server before it ended with {server.returncode}")

    def close(self):
        if self.server:
            processes.kill_group(self.server)
        self.unused.close()


# ---- Blocks


def marker_text(block, name):
    """Returns the text of a block's marker of this name, as "1" of
    <!-- status: 1 -->, or "" if its marker has another name."""
    found, _, text = block.marker.partition(": ")
    return text if found == name else ""


def is_server(line):
    """Returns whether a line is only a server with its options."""
    return bool(re.fullmatch(SERVER.pattern + r"( [^&|;]*)?", line))


def script_of(block):
    """Returns the commands of a block: those of its marker `as`, if it has one.
    Lines that end in a backslash are joined with the next."""
    return marker_text(block, "as") or re.sub(r"\\\n", "", block.text())


def run_script(terminal, block):
    """Runs a block of sh. Returns a text about what went wrong, or ""."""
    *commands, last = script_of(block).rstrip().split("\n")
    serves = block.marker.startswith("server") or is_server(
        re.sub(r"\s+#.*", "", last))
    if any(map(is_server, commands)):
        return "what follows a server is never reached"
    script = "\n".join(commands if serves else [*commands, last])
    said, status = terminal.run(script)
    right_status = int(marker_text(block, "status") or 0)
    if status != right_status and CLIENT.search(script):
        # On a busy machine a brief run may end before each client is served.
        said, status = terminal.run(script, brief=False)
    if status != right_status:
        return f"status {status} instead of {right_status}: {said}"
    if not serves:
        return ""
    return terminal.serve(re.sub(r"\s+#.*", "", last), killed_by_signal=bool(
        marker_text(block, "server")))[1]


def commands_with_output(block):
    """Yields each command of a console block, and the output it must have."""
    for part in re.split(r"^\$ ", block.text(), flags=re.M)[1:]:
        command, _, output = part.partition("\n")
        yield command, output.rstrip("\n")


def matches(said, expected):
    """Returns whether an output is the expected one, in which "..." stands for
    any text. Everything matches an empty expectation."""
    pattern = ".*".join(map(re.escape, expected.split("...")))
    return not expected or re.fullmatch(pattern, said.rstrip("\n"), re.S)


def run_console(terminal, block):
    """Runs a console block. Returns a text about what went wrong, or ""."""
    for command, expected in commands_with_output(block):
        server = command.rstrip(" &")
        if command.endswith("&") and is_server(server):
            said, problem = terminal.serve(server)
        else:
            said, status = terminal.run(command)
            problem = "" if status == int(
                marker_text(block, "status") or 0) else (
                f"{command}: status {status}: {said}")
        if problem or not matches(said, expected):
            return problem or f"{command} says {said!r} instead of {expected!r}"
    return ""


def run_block(terminal, block):
    if block.language == "sh":
        return run_script(terminal, block)
    return run_console(terminal, block)


# ---- Parts


class Text:
    """A text, or a chapter of it: its blocks of commands, and the `make`
    commands in the blocks before it, which build what it needs."""

    def __init__(self, path, name, blocks, before):
        self.path, self.name, self.blocks = path, name, blocks
        self.builds = [match[0] for block in before
                       for match in BUILD.finditer(block.text())]
        self.is_first = path == READ_BY_STUDENTS[0] and not before

    def run(self, tally):
        """Runs all blocks in a new copy of the project. Records a check for
        each block. Keeps the copy if a check fails."""
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
        """Runs a block and records its check. Skips it if a tool is missing."""
        where = f"{self.path}:{block.begin}"
        if reason := marker_text(block, "not run"):
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
    """Yields the number of each chapter and the line at which it starts. The
    text before the first chapter has number 0."""
    yield 0, 0
    for match in CHAPTER.finditer(text):
        yield int(match[1]), text.count("\n", 0, match.start())


def chapters(path):
    """Yields a Text for every chapter that has commands."""
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
