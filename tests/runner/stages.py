"""Defines the stages of the tests. A stage is a build, and the jobs that run
what was built.

    plain      all servers and tests in C, as users build them
    asan       as plain, under the address and undefined-behaviour sanitizers
    tsan       the unit tests under the thread sanitizer, all conversations of
               servers with threads, and the stopping of all other servers
    ucontext   the coroutines, with the portable switch of stacks
    valgrind   the coroutines and the protocol: finds reads of memory that was
               never written
    aarch64    the coroutines on another architecture, emulated
    musl       the unit tests that do not need glibc, the protocol and the
               command lines, with another C library
    gdb        the backtraces of coroutines in a debugger
    hostile    the attacks, and the bugs of tests/mutants, which tests must find
    faults     failing system calls, one at a time
    fuzz       random input for all parsers and for the coroutine runtime
    bench      the bench and its arithmetic
    tutorial   every command in the texts
    course     the grader, the skeletons and the pages
    watch      the live view of waiting servers, and the traces
    elsewhere  the protocol of the servers in Python, Go, JavaScript and C with
               libuv, if their runtimes are installed
    text       the promises that the source makes about itself
    check      a selection that takes half a minute, if everything is built
    graded     the grader, with correct servers in other languages
"""

from __future__ import annotations

import dataclasses
import itertools
import os
import pathlib
import platform
import shutil
import subprocess
import sys
from typing import Callable

from jobs import Job

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.append(str(ROOT / "scripts"))

from lib.models import (  # noqa: E402
    ALL_MODELS, ELSEWHERE, MODELS, MORE_MODELS)

BUILD = pathlib.Path("build")
PYTHON = sys.executable

# Models with options that change how the server waits.
VARIANTS = ("callback --edge", "prefork --herd", "workers --herd",
            "workers --reuseport")
VARIANT_PARTS = ("protocol", "hostile", "waiting", "stopping", "owed", "drain")
# The models that run several threads.
THREADED = ("thread", "pool", "gil", "offload", "multiloop")

COROUTINE_TESTS = ("test_co", "test_co_states", "test_co_loop", "test_co_io",
                   "test_co_switch", "test_co_inspect", "test_co_watchdog",
                   "fuzz_coroutines")
# These assign stderr, or expect the stack size of glibc.
GLIBC_TESTS = ("fuzz_client_options", "fuzz_server_options", "test_co_cxx",
               "test_examples", "test_scale")
# How many random inputs fuzz_coroutines tries in stages in which each is slow,
# or which repeat those of another stage. Elsewhere, it tries 20,000, or 1,000
# under a sanitizer.
FUZZ_COROUTINES_RUNS = {"ucontext": 1000, "tsan": 200, "valgrind": 300,
                        "check": 1000}
PARTED_TESTS = ("test_fibload",)  # these can list their parts and run one
BENCH_TESTS = ("bench_test", "report_test", "plot_test", "bench_client_test",
               "bench_coro_test")
FUZZ_TARGETS = ("session", "http", "reply", "server_options", "client_options",
                "coroutines")
FUZZ_RUNS = 100_000
SLOW_FUZZ_RUNS = {"coroutines": 20_000}  # Each input is a whole program.

# About how many seconds a part takes. This decides only in which order jobs are
# started, and only before the first run.
LONG_PARTS = {"owed": 12, "stopping": 12, "waiting": 4}
# These wait for time limits of the servers, and need 5 % of a core.
WAITING_PARTS = ("owed", "stopping")


@dataclasses.dataclass
class Stage:
    """A build and its jobs. `checks_min` is the least number of checks that
    pass if nothing is skipped: a stage that silently runs nothing fails."""

    name: str
    jobs: Callable[[], list]
    checks_min: int
    settings: list = dataclasses.field(default_factory=list)
    folder: str = "plain"
    targets: tuple = ("tests",)
    tools: tuple = ()
    missing: Callable[[], str] = lambda: ""  # why it cannot run here, or ""

    def why_skipped(self):
        """Returns what is missing for this stage, or "" if nothing is."""
        for tool in self.tools:
            if shutil.which(tool) is None:
                return f"no {tool}"
        return self.missing()

    def build_command(self):
        """Returns the command that builds the stage."""
        folder = BUILD / self.folder
        return ["make", f"-j{os.cpu_count()}", f"BUILD={folder}",
                f"BIN={'bin' if self.folder == 'plain' else folder / 'bin'}",
                *self.settings, *self.targets]


# ---- Lists of jobs


def listed(*command, kind=""):
    """Asks a test program for its parts, and returns their names. With `kind`,
    returns only the part of that name, or an empty list if there is none.
    Raises RuntimeError if the program has no parts at all."""
    said = subprocess.run([*map(str, command), "--parts", *kind.split()],
                          cwd=ROOT, text=True, check=True,
                          stdout=subprocess.PIPE).stdout.split()
    if not said and not kind:
        raise RuntimeError(f"{command} has no parts")
    return said


def program(folder, name):
    """Returns the words of a command that starts a server. `name` is the name
    of the server, followed by its options, if any."""
    name, *options = name.split()
    return [f"{BUILD / folder / 'bin' if folder != 'plain' else 'bin'}/{name}",
            *options]


def is_refused(command):
    """Starts a server, and returns True if the kernel does not allow what it
    needs (io_uring)."""
    with subprocess.Popen([*command, "--port", "0"], cwd=ROOT, text=True,
                          stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE) as process:
        if process.stdout.readline():
            process.terminate()
            return False
        return " refuses " in process.stderr.read()


def conversations(stage, folder, servers, only=()):
    """Returns a job for each server and each part of the conversation test. If
    `only` is not empty, it has the parts that are run."""
    run = BUILD / folder / "tests/conversation/run"
    parts = [part for part in listed(run) if not only or part in only]
    return [Job(stage, f"{server} {part}",
                [*priority(server), run, *program(folder, server)],
                {"ONLY": part}, LONG_PARTS.get(part, 3),
                part in WAITING_PARTS)
            for server in servers for part in parts]


def priority(server):
    """Returns the words before a command that lower its priority, for a server
    that never sleeps: it would slow down the tests beside it."""
    never_sleeps = server.split()[0] == "nonblocking"
    return ["tests/runner/in_background"] if never_sleeps else []


def unit_tests(stage, folder, names, under=()):
    """Returns a job for each test program, or for each part of a program in
    PARTED_TESTS. `under` are words before the command, such as valgrind."""
    jobs = []
    for name in names:
        command = [*under, BUILD / folder / "tests" / name,
                   BUILD / folder / "bin" if folder != "plain" else "bin"]
        if name in PARTED_TESTS:
            jobs += [Job(stage, f"{name} {part}", command, {"ONLY": part})
                     for part in listed(*command)]
        else:
            jobs.append(Job(stage, name, command))
            if name == "fuzz_coroutines" and stage in FUZZ_COROUTINES_RUNS:
                runs = FUZZ_COROUTINES_RUNS[stage]
                jobs[-1].environment["RUNS"] = str(runs)
    return jobs


def all_unit_tests():
    """Returns the names of all unit tests in C and C++, and of the fuzz
    targets."""
    return [path.stem for path in sorted(ROOT.glob("tests/test_*.c"))] + [
        *(["test_co_cxx"] if shutil.which(os.environ.get("CXX", "g++")) else []),
        "test_examples", "test_scale",
        *(f"fuzz_{target}" for target in FUZZ_TARGETS)]


def python_tests(stage, names, kind=""):
    """Returns a job for each part of these tests in Python. `kind` is as in
    listed()."""
    return [Job(stage, f"{name} {part}", [PYTHON, f"tests/{name}.py"],
                {"ONLY": part}, expected_s=10)
            for name in names
            for part in listed(PYTHON, f"tests/{name}.py", kind=kind)]


# ---- The jobs of each stage


def programs_of(folder, tests, servers):
    """Returns the targets to build for a stage that uses only these tests and
    servers."""
    return (*(f"{BUILD}/{folder}/tests/{name}" for name in tests),
            *(f"{BUILD}/{folder}/bin/{name}" for name in servers))


def everything(stage):
    """Returns the jobs of plain and asan: all tests in C, and all servers."""
    servers = [model for model in ALL_MODELS if model != "uring"]
    jobs = unit_tests(stage, stage, all_unit_tests())
    if is_refused(program(stage, "uring")):
        jobs.append(Job(stage, "uring", [
            "printf", "# skipped: the kernel refuses io_uring\\n"
                      "# 0 passed, 0 failed\\n"]))
    else:
        servers.append("uring")
    return (jobs + conversations(stage, stage, servers)
            + conversations(stage, stage, VARIANTS, VARIANT_PARTS))


def threaded():
    """Returns the jobs of tsan."""
    others = [model for model in ALL_MODELS
              if model not in THREADED and model != "uring"]
    # The programs that test_scale starts have only one thread each.
    names = [name for name in all_unit_tests() if name != "test_scale"]
    return (unit_tests("tsan", "tsan", names)
            + conversations("tsan", "tsan", THREADED)
            + conversations("tsan", "tsan", others, ["stopping"]))


def portable_switch():
    """Returns the jobs of ucontext."""
    return (unit_tests("ucontext", "ucontext",
                       [*COROUTINE_TESTS, "test_examples"])
            + conversations("ucontext", "ucontext", ["coroutine"],
                            ["protocol", "stopping"]))


def in_valgrind():
    """Returns the jobs of valgrind."""
    under = ["valgrind", "-q", "--error-exitcode=1",
             "--child-silent-after-fork=yes"]
    run = BUILD / "valgrind/tests/conversation/run"
    return (unit_tests("valgrind", "valgrind", COROUTINE_TESTS, under)
            + [Job("valgrind", f"{model} protocol",
                   ["tests/runner/in_valgrind", run,
                    *program("valgrind", model)]) for model in MODELS])


def emulated():
    """Returns the jobs of aarch64."""
    jobs = unit_tests("aarch64", "aarch64", COROUTINE_TESTS, ["qemu-aarch64"])
    backtrace = Job("aarch64", "gdb_backtrace", [
        "tests/runner/in_gdb", BUILD / "aarch64/tests/gdb_backtrace",
        "qemu-aarch64"])
    return [*jobs, backtrace]


def musl_tests():
    """Returns the names of the unit tests that do not need glibc."""
    return [name for name in all_unit_tests() if name not in GLIBC_TESTS]


def with_musl():
    """Returns the jobs of musl."""
    servers = [model for model in ALL_MODELS if model != "uring"]
    return (unit_tests("musl", "musl", musl_tests())
            + conversations("musl", "musl", servers,
                            ["protocol", "command_line"]))


def in_gdb():
    """Returns the jobs of gdb."""
    return [Job("gdb", "gdb_backtrace", [
        "tests/runner/in_gdb", BUILD / "plain/tests/gdb_backtrace"])]


def why_no_gdb():
    """Returns why the backtraces cannot be tested here, or "" if they can."""
    probe = subprocess.run(["gdb", "-nx", "-batch", "-ex", "starti", "true"],
                           text=True, stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, check=False)
    if "Program stopped" not in probe.stdout:
        return "the kernel refuses to let gdb trace programs"
    switch = ROOT / f"servers/coro/co_switch_{platform.machine()}.S"
    return "" if switch.exists() else "no switch in assembly for this machine"


def attacks_and_mutants():
    """Returns the jobs of hostile."""
    numbers = sorted(path.stem for path in ROOT.glob("tests/mutants/*.patch"))
    # Neighbours often have the same test: a job tries the correct server once.
    tens = itertools.groupby(numbers, lambda number: number[:-1])
    return [Job("hostile", "torture", ["tests/torture_test", "bin"],
                expected_s=60),
            *(Job("hostile", f"mutants {ten}*", ["tests/mutants/run", *group],
                  expected_s=30) for ten, group in tens)]


def failing_calls():
    """Returns the jobs of faults."""
    run, folder = BUILD / "plain/tests/faults/run", BUILD / "plain/tests/faults"
    # prefork and workers are left out, because they may have more processes
    # after a fault than before. uring is left out, because it does everything
    # by one system call, so that no fault would affect only a single client.
    servers = [*MODELS, *(model for model in MORE_MODELS
                          if model not in ("prefork", "workers", "uring"))]
    return [Job("faults", name, [run, folder, name], expected_s=8)
            for name in [*servers, "fibload"]] + [
        Job("faults", "calls", ["tests/faults_test", BUILD / "plain/bin"])]


def live_view():
    """Returns the jobs of watch. They include the conversation with servers
    that record it."""
    jobs = python_tests("watch", ["watch_test"])
    for model in MODELS:
        recorded = conversations("watch", "plain",
                                 [f"{model} --trace /dev/null"],
                                 ["protocol", "drain"])
        for job in recorded:
            job.environment["MODEL"] = model
        jobs += recorded
    return jobs


def in_other_languages():
    """Returns the jobs of elsewhere, for the servers that `make elsewhere` has
    built."""
    servers = [f"elsewhere/{model}" for model in ELSEWHERE
               if (ROOT / "bin/elsewhere" / model).exists()]
    jobs = conversations("elsewhere", "plain", servers, ["protocol"])
    for job in jobs:
        job.environment["MODEL"] = "any"
    return jobs


def tutorial_commands():
    """Returns the jobs of tutorial."""
    return python_tests("tutorial", ["tutorial_test", "statements_test"])


def random_input():
    """Returns the jobs of fuzz."""
    return [Job("fuzz", target, ["tests/fuzz/run", BUILD / "fuzz/fuzz",
                                 "--runs", str(SLOW_FUZZ_RUNS.get(target, FUZZ_RUNS)),
                                 target])
            for target in FUZZ_TARGETS]


def why_no_fuzzer():
    """Returns why there is no fuzzing here, or "" if there is."""
    return "" if compiles("clang", "-fsanitize=fuzzer",
                          "int LLVMFuzzerTestOneInput(void) { return 0; }"
                          ) else "no clang with libFuzzer"


def inner_loop():
    """Returns the jobs of check, which take half a minute: no sanitizers, and
    of all servers only the five main ones."""
    quick = [name for name in all_unit_tests()
             if name not in ("test_fibload", "test_examples", "test_scale")]
    return (unit_tests("check", "plain", quick)
            + conversations("check", "plain", MODELS, ["protocol", "http"])
            + python_tests("check", [*BENCH_TESTS, "course_test", "watch_test"],
                           "quick")
            + [Job("check", "text", ["scripts/check/text"])])


# ---- The stages


def compiles(compiler, flags, source="int main(void) { return 0; }"):
    """Returns whether the compiler can link a program with these flags."""
    return subprocess.run([compiler, *flags.split(), "-Werror", "-x", "c", "-",
                           "-o", os.devnull],
                          input=source.encode(), check=False,
                          stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL).returncode == 0


def sanitizer(name):
    """Returns the settings for make that build with a sanitizer."""
    return ["OPT=-O1 -g1", f"SAN=-fsanitize={name} -fno-sanitize-recover=all "
                           "-fno-omit-frame-pointer -DSANITIZED"]


def address_sanitizer():
    """Returns the settings for make that build with the address and
    undefined-behaviour sanitizers, linked statically if the compiler has them
    so. At the end of each process, the leak detector reads all variables of all
    libraries, 12 MB for the sanitizers alone: a process takes half the CPU time
    if there is one library less to read."""
    settings = sanitizer(ADDRESS)
    static = "-static-libasan -static-libubsan"
    if compiles(os.environ.get("CC", "cc"), f"-fsanitize={ADDRESS} {static}"):
        settings.append(f"LDFLAGS={static}")
    return settings


def why_no(name):
    """Returns a function, which returns why a sanitizer cannot be used here, or
    "" if it can."""
    flag = f"-fsanitize={name}"
    return lambda: "" if compiles(os.environ.get("CC", "cc"), flag) else (
        f"no {name} sanitizer")


ADDRESS, THREAD = "address,undefined", "thread"

STAGES = {stage.name: stage for stage in (
    Stage("plain", lambda: everything("plain"), 1900),
    Stage("asan", lambda: everything("asan"), 1800, address_sanitizer(), "asan",
          missing=why_no(ADDRESS)),
    Stage("tsan", threaded, 900, sanitizer(THREAD), "tsan",
          missing=why_no(THREAD)),
    # -O1 shortens the builds, which take longer than many of the tests. The
    # macros in the headers of musl cause warnings.
    Stage("ucontext", portable_switch, 125, ["SWITCH=ucontext", "OPT=-O1"],
          "ucontext",
          programs_of("ucontext", [*COROUTINE_TESTS, "test_examples",
                                   "conversation/run"], ["coroutine"])),
    # SANITIZED: valgrind is slow, too, and takes much of the address space;
    # qemu ignores limits of the address space.
    Stage("valgrind", in_valgrind, 140, ["SAN=-DSANITIZED", "OPT=-O1 -g1"],
          "valgrind",
          programs_of("valgrind", [*COROUTINE_TESTS, "conversation/run"],
                      MODELS), tools=("valgrind",)),
    Stage("aarch64", emulated, 60,
          ["CC=aarch64-linux-gnu-gcc", "SAN=-DSANITIZED", "LDFLAGS=-static",
           "OPT=-O1 -g"],
          "aarch64", programs_of("aarch64",
                                 [*COROUTINE_TESTS, "gdb_backtrace"], []),
          tools=("aarch64-linux-gnu-gcc", "qemu-aarch64", "gdb-multiarch")),
    Stage("musl", with_musl, 660, ["CC=musl-gcc", "WERROR=", "OPT=-O1"], "musl",
          ("all", *programs_of("musl", [*musl_tests(), "conversation/run"], [])),
          tools=("musl-gcc",)),
    Stage("gdb", in_gdb, 7, tools=("gdb",), missing=why_no_gdb),
    Stage("hostile", attacks_and_mutants, 35, tools=("patch",)),
    Stage("faults", failing_calls, 4000, targets=("faulty", "all", "tests")),
    Stage("fuzz", random_input, 4, [
        "CC=clang", "OPT=-O1 -g1", "SAN=-fsanitize=address,undefined "
        "-fsanitize=fuzzer-no-link -fno-sanitize-recover=all"], "fuzz",
          targets=("fuzzers",), tools=("clang",), missing=why_no_fuzzer),
    Stage("bench", lambda: python_tests("bench", BENCH_TESTS), 190,
          targets=("bench-programs", "tests")),
    Stage("tutorial", tutorial_commands, 100,
          tools=("git",) if (ROOT / ".git").exists() else ()),
    Stage("course", lambda: python_tests("course", ["course_test"]), 52),
    Stage("watch", live_view, 150),
    # 10 checks for each of the servers that need only Debian's python3.
    Stage("elsewhere", in_other_languages, 30, targets=("elsewhere", "tests"),
          missing=lambda: "" if os.access("/usr/bin/python3", os.X_OK) else
          "no /usr/bin/python3"),
    Stage("text", lambda: [Job("text", "text", ["scripts/check/text"])], 54),
    Stage("check", inner_loop, 400, targets=("all", "tests")),
    Stage("graded", lambda: python_tests("graded", ["graded_test"]), 1),
)}

DEFAULT = [name for name in STAGES if name not in ("check", "graded")]
