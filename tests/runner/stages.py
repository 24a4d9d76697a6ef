"""What is tested: each stage is a build and the jobs that run what it built.

    plain      everything in C, as users build it
    asan       the same under the address and undefined-behaviour sanitizers
    tsan       under the thread sanitizer: all of it for what has threads, the
               stopping of the rest
    ucontext   the coroutines with the portable switch of stacks
    valgrind   the coroutines and the protocol, where no byte may be used
               before it was written
    aarch64    the coroutines on another architecture, emulated
    musl       with another C library: all unit tests that need no glibc, the
               protocol, and what servers say of their options
    gdb        what a debugger sees of coroutines
    hostile    attacks, and the bugs of tests/mutants that a test must catch
    faults     system calls that fail, one by one
    fuzz       random input for what parses: always the same
    bench      the bench and its arithmetic
    tutorial   every command in the texts
    course     grading, skeletons, pages
    watch      seeing servers wait: the live view, traces
    elsewhere  the protocol, as servers in Python, Go, Node and with libuv speak
               it: those whose runtime is installed
    text       what the source promises about itself
    check      for the inner loop, from a built tree: half a minute
    graded     what the grader makes of correct servers in other languages
"""

from __future__ import annotations

import dataclasses
import os
import pathlib
import platform
import shutil
import subprocess
import sys
from typing import Callable

from jobs import Job

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = pathlib.Path("build")
PYTHON = sys.executable

MODELS = (ROOT / "servers/MODELS").read_text().split()
MORE = (ROOT / "servers/more/MODELS").read_text().split()
ELSEWHERE = (ROOT / "servers/elsewhere/MODELS").read_text().split()
# Options that make another server of a model.
VARIANTS = ("callback --edge", "prefork --herd", "workers --herd",
            "workers --reuseport")
VARIANT_PARTS = ("protocol", "hostile", "waiting", "stopping", "owed", "drain")
# Those in which more than one thread runs.
THREADED = ("thread", "pool", "gil", "offload", "multiloop")

COROUTINE_TESTS = ("test_co", "test_co_states", "test_co_loop", "test_co_io",
                   "test_co_switch", "test_co_inspect", "test_co_watchdog",
                   "fuzz_coroutines")
# These assign stderr, or expect the stack size of glibc.
GLIBC_TESTS = ("fuzz_client_options", "fuzz_server_options", "test_co_cxx",
               "test_examples", "test_scale")
# Random inputs of fuzz_coroutines where each is slow, or the same ones are tried
# in another stage: 20,000 in plain, 1,000 under a sanitizer.
FUZZ_COROUTINES_RUNS = {"ucontext": 1000, "tsan": 200, "valgrind": 300}
PARTED_TESTS = ("test_fibload",)  # they list their parts and run some of them
BENCH_TESTS = ("bench_test", "report_test", "plot_test", "bench_client_test",
               "bench_coro_test")
FUZZ_TARGETS = ("session", "http", "reply", "server_options", "client_options",
                "coroutines")
FUZZ_RUNS = 100_000
SLOW_FUZZ_RUNS = {"coroutines": 20_000}  # Each is a whole program.

# About how many seconds a part takes: only for the order when nothing has run.
LONG_PARTS = {"owed": 12, "stopping": 12, "waiting": 4}


@dataclasses.dataclass
class Stage:
    """A build and its jobs. `checks_min` is how many checks pass at least when
    nothing is skipped: a stage that silently runs nothing is red."""

    name: str
    jobs: Callable[[], list]
    checks_min: int
    settings: list = dataclasses.field(default_factory=list)
    folder: str = "plain"
    targets: tuple = ("tests",)
    tools: tuple = ()
    missing: Callable[[], str] = lambda: ""  # why it cannot run here, or ""

    def why_skipped(self):
        """What is missing for this stage; "" if nothing."""
        for tool in self.tools:
            if shutil.which(tool) is None:
                return f"no {tool}"
        return self.missing()

    def build_command(self):
        folder = BUILD / self.folder
        return ["make", f"-j{os.cpu_count()}", f"BUILD={folder}",
                f"BIN={'bin' if self.folder == 'plain' else folder / 'bin'}",
                *self.settings, *self.targets]


# ---- What there is to run


def listed(*command, kind=""):
    """The parts of a test program, as it lists them itself; if a kind is given,
    only those of that kind, if there are any."""
    said = subprocess.run([*map(str, command), "--parts", *kind.split()],
                          cwd=ROOT, text=True, check=True,
                          stdout=subprocess.PIPE).stdout.split()
    if not said and not kind:
        raise RuntimeError(f"{command} has no parts")
    return said


def program(folder, name):
    """The words of a command: a server, and the options that make it another
    one."""
    name, *options = name.split()
    return [f"{BUILD / folder / 'bin' if folder != 'plain' else 'bin'}/{name}",
            *options]


def is_refused(command):
    """Whether the kernel does not allow a server what it needs (io_uring)."""
    with subprocess.Popen([*command, "--port", "0"], cwd=ROOT, text=True,
                          stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE) as process:
        if process.stdout.readline():
            process.terminate()
            return False
        return " refuses " in process.stderr.read()


def conversations(stage, folder, servers, only=()):
    """A job for each server and each part of the conversation."""
    run = BUILD / folder / "tests/conversation/run"
    parts = [part for part in listed(run) if not only or part in only]
    return [Job(stage, f"{server} {part}",
                [*priority(server), run, *program(folder, server)],
                {"ONLY": part}, LONG_PARTS.get(part, 3))
            for server in servers for part in parts]


def priority(server):
    """The words before a command that give it a priority: a low one if the
    server never sleeps, or it would slow down the tests beside it."""
    never_sleeps = server.split()[0] == "nonblocking"
    return ["tests/runner/in_background"] if never_sleeps else []


def unit_tests(stage, folder, names, under=()):
    """A job for each test program, or for each of its parts."""
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
    return [path.stem for path in sorted(ROOT.glob("tests/test_*.c"))] + [
        *(["test_co_cxx"] if shutil.which(os.environ.get("CXX", "g++")) else []),
        "test_examples", "test_scale",
        *(f"fuzz_{target}" for target in FUZZ_TARGETS)]


def python_tests(stage, names, kind=""):
    """A job for each part of some tests in Python."""
    return [Job(stage, f"{name} {part}", [PYTHON, f"tests/{name}.py"],
                {"ONLY": part}, expected_s=10)
            for name in names
            for part in listed(PYTHON, f"tests/{name}.py", kind=kind)]


# ---- The jobs of each stage


def programs_of(folder, tests, servers):
    """What to build where only these are used."""
    return (*(f"{BUILD}/{folder}/tests/{name}" for name in tests),
            *(f"{BUILD}/{folder}/bin/{name}" for name in servers))


def everything(stage):
    """All tests in C, and all servers."""
    servers = MODELS + [model for model in MORE if model != "uring"]
    jobs = unit_tests(stage, stage, all_unit_tests())
    if is_refused(program(stage, "uring")):
        jobs.append(Job(stage, "uring", [
            "printf", "# skipped: the kernel refuses io_uring\\n"
                      "# 0 passed, 0 failed\\n"]))
    else:
        servers.append("uring")
    return (jobs + conversations(stage, stage, servers)
            + conversations(stage, stage, VARIANTS, VARIANT_PARTS))


def what_has_threads():
    others = [model for model in MODELS + MORE
              if model not in THREADED and model != "uring"]
    # Holding connections at scale starts programs with one thread only.
    names = [name for name in all_unit_tests() if name != "test_scale"]
    return (unit_tests("tsan", "tsan", names)
            + conversations("tsan", "tsan", THREADED)
            + conversations("tsan", "tsan", others, ["stopping"]))


def portable_switch():
    return (unit_tests("ucontext", "ucontext",
                       [*COROUTINE_TESTS, "test_examples"])
            + conversations("ucontext", "ucontext", ["coroutine"],
                            ["protocol", "stopping"]))


def in_valgrind():
    under = ["valgrind", "-q", "--error-exitcode=1",
             "--child-silent-after-fork=yes"]
    run = BUILD / "valgrind/tests/conversation/run"
    return (unit_tests("valgrind", "valgrind", COROUTINE_TESTS, under)
            + [Job("valgrind", f"{model} protocol",
                   ["tests/runner/in_valgrind", run,
                    *program("valgrind", model)]) for model in MODELS])


def emulated():
    jobs = unit_tests("aarch64", "aarch64", COROUTINE_TESTS, ["qemu-aarch64"])
    backtrace = Job("aarch64", "gdb_backtrace", [
        "tests/runner/in_gdb", BUILD / "aarch64/tests/gdb_backtrace",
        "qemu-aarch64"])
    return [*jobs, backtrace]


def musl_tests():
    return [name for name in all_unit_tests() if name not in GLIBC_TESTS]


def with_musl():
    servers = [model for model in MODELS + MORE if model != "uring"]
    return (unit_tests("musl", "musl", musl_tests())
            + conversations("musl", "musl", servers,
                            ["protocol", "command_line"]))


def in_gdb():
    return [Job("gdb", "gdb_backtrace", [
        "tests/runner/in_gdb", BUILD / "plain/tests/gdb_backtrace"])]


def why_no_gdb():
    probe = subprocess.run(["gdb", "-nx", "-batch", "-ex", "starti", "true"],
                           text=True, stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, check=False)
    if "Program stopped" not in probe.stdout:
        return "the kernel refuses to let gdb trace programs"
    switch = ROOT / f"servers/coro/co_switch_{platform.machine()}.S"
    return "" if switch.exists() else "no switch in assembly for this machine"


def attacks_and_mutants():
    numbers = [path.stem for path in sorted(ROOT.glob("tests/mutants/*.patch"))]
    return [Job("hostile", "torture", ["tests/torture_test", "bin"],
                expected_s=60),
            *(Job("hostile", f"mutant {number}", ["tests/mutants/run", number],
                  expected_s=5) for number in numbers)]


def failing_calls():
    run, folder = BUILD / "plain/tests/faults/run", BUILD / "plain/tests/faults"
    # Not prefork and workers, which may end with more processes than they
    # began with, nor uring, all of whose calls are one: no fault is about a
    # single client.
    servers = [*MODELS, *(model for model in MORE
                          if model not in ("prefork", "workers", "uring"))]
    return [Job("faults", name, [run, folder, name], expected_s=8)
            for name in [*servers, "fibload"]] + [
        Job("faults", "calls", ["tests/faults_test", BUILD / "plain/bin"])]


def seeing():
    """Also the conversation with servers that record it."""
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
    """Only for servers that `make elsewhere` could make ready."""
    servers = [f"elsewhere/{model}" for model in ELSEWHERE
               if (ROOT / "bin/elsewhere" / model).exists()]
    jobs = conversations("elsewhere", "plain", servers, ["protocol"])
    for job in jobs:
        job.environment["MODEL"] = "any"
    return jobs


def teaching():
    return python_tests("tutorial", ["tutorial_test", "statements_test"])


def random_input():
    return [Job("fuzz", target, ["tests/fuzz/run", BUILD / "fuzz/fuzz",
                                 "--runs", str(SLOW_FUZZ_RUNS.get(target, FUZZ_RUNS)),
                                 target])
            for target in FUZZ_TARGETS]


def why_no_fuzzer():
    return "" if compiles("clang", "-fsanitize=fuzzer",
                          "int LLVMFuzzerTestOneInput(void) { return 0; }"
                          ) else "no clang with libFuzzer"


def inner_loop():
    """What takes half a minute: no sanitizer, no process but the five."""
    quick = [name for name in all_unit_tests()
             if name not in ("test_fibload", "test_examples", "test_scale")]
    return (unit_tests("check", "plain", quick)
            + conversations("check", "plain", MODELS, ["protocol", "http"])
            + python_tests("check", [*BENCH_TESTS, "course_test", "watch_test"],
                           "quick")
            + [Job("check", "text", ["scripts/check/text"])])


# ---- The stages


def compiles(compiler, flag, source="int main(void) { return 0; }"):
    """Whether the compiler can link a program with this flag."""
    return subprocess.run([compiler, flag, "-x", "c", "-", "-o", os.devnull],
                          input=source.encode(), check=False,
                          stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL).returncode == 0


def sanitizer(name):
    """Settings for make."""
    return ["OPT=-O1 -g1", f"SAN=-fsanitize={name} -fno-sanitize-recover=all "
                           "-fno-omit-frame-pointer -DSANITIZED"]


def why_no(name):
    """A function that says why a sanitizer cannot be used; "" if it can."""
    flag = f"-fsanitize={name}"
    return lambda: "" if compiles(os.environ.get("CC", "cc"), flag) else (
        f"no {name} sanitizer")


ADDRESS, THREAD = "address,undefined", "thread"

STAGES = {stage.name: stage for stage in (
    Stage("plain", lambda: everything("plain"), 1900),
    Stage("asan", lambda: everything("asan"), 1800, sanitizer(ADDRESS), "asan",
          missing=why_no(ADDRESS)),
    Stage("tsan", what_has_threads, 900, sanitizer(THREAD), "tsan",
          missing=why_no(THREAD)),
    Stage("ucontext", portable_switch, 125, ["SWITCH=ucontext"], "ucontext",
          programs_of("ucontext", [*COROUTINE_TESTS, "test_examples",
                                   "conversation/run"], ["coroutine"])),
    # SANITIZED: valgrind is slow, too, and takes much of the address space;
    # qemu ignores limits of the address space.
    Stage("valgrind", in_valgrind, 140, ["SAN=-DSANITIZED"], "valgrind",
          programs_of("valgrind", [*COROUTINE_TESTS, "conversation/run"],
                      MODELS), tools=("valgrind",)),
    Stage("aarch64", emulated, 60,
          ["CC=aarch64-linux-gnu-gcc", "SAN=-DSANITIZED", "LDFLAGS=-static"],
          "aarch64", programs_of("aarch64",
                                 [*COROUTINE_TESTS, "gdb_backtrace"], []),
          tools=("aarch64-linux-gnu-gcc", "qemu-aarch64", "gdb-multiarch")),
    # The macros of its headers make warnings. Its tests take less time than
    # their build.
    Stage("musl", with_musl, 660, ["CC=musl-gcc", "WERROR=", "OPT=-O1"], "musl",
          ("all", *programs_of("musl", [*musl_tests(), "conversation/run"], [])),
          tools=("musl-gcc",)),
    Stage("gdb", in_gdb, 7, tools=("gdb",), missing=why_no_gdb),
    Stage("hostile", attacks_and_mutants, 35, tools=("patch",)),
    Stage("faults", failing_calls, 4000, targets=("faulty", "all", "tests")),
    Stage("fuzz", random_input, 4, [
        "CC=clang", "SAN=-fsanitize=address,undefined "
        "-fsanitize=fuzzer-no-link -fno-sanitize-recover=all"], "fuzz",
          targets=("fuzzers",), tools=("clang",), missing=why_no_fuzzer),
    Stage("bench", lambda: python_tests("bench", BENCH_TESTS), 190,
          targets=("bench-programs", "tests")),
    Stage("tutorial", teaching, 100,
          tools=("git",) if (ROOT / ".git").exists() else ()),
    Stage("course", lambda: python_tests("course", ["course_test"]), 52),
    Stage("watch", seeing, 150),
    # 10 for each server in Python that needs nothing but Debian's python3.
    Stage("elsewhere", in_other_languages, 30, targets=("elsewhere", "tests"),
          missing=lambda: "" if os.access("/usr/bin/python3", os.X_OK) else
          "no /usr/bin/python3"),
    Stage("text", lambda: [Job("text", "text", ["scripts/check/text"])], 54),
    Stage("check", inner_loop, 400, targets=("all", "tests")),
    Stage("graded", lambda: python_tests("graded", ["graded_test"]), 1),
)}

DEFAULT = [name for name in STAGES if name not in ("check", "graded")]
