# gdb_backtrace.py - what a debugger sees of coroutines, at every instruction.
#
#     gdb -batch -x gdb_backtrace.py PROGRAM
#
# PROGRAM is that of gdb_backtrace.c; GDB_START=COMMAND in the environment says
# how to start it if not by "starti". Steps through three switches instruction
# by instruction: to a new coroutine, back, and to the suspended one. Each time
# the backtrace has to be that of the side we stand on, up to main() or to the
# first function of the coroutine, and its registers what they were when it
# called the runtime. Prints TAP.

import os
import re

import gdb

RESUMER = ["resume", "main"]
NEW = ["co_first"]
PAUSED = ["bottom", "middle", "generate", "co_main", "co_first"]
STEPS_MAX = 300
CALLEE_SAVED = {
    "i386:x86-64": ["rbx", "rbp", "r12", "r13", "r14", "r15"],
    "aarch64": ["x%d" % i for i in range(19, 30)] +
               ["d%d" % i for i in range(8, 16)],
}

tally = {True: 0, False: 0}


def check(passed, what):
    tally[passed] += 1
    print("%sok %d - %s" % ("" if passed else "not ", sum(tally.values()),
                            what))


def run(command):
    return gdb.execute(command, to_string=True)


def failure_of(command):
    try:
        return run(command) and ""
    except gdb.error as failure:
        return str(failure)


def names_in(backtrace):
    """The functions in it. What gdb does not know or doubts has no name."""
    lines = re.findall(r"^#\d+ +(?:0x\w+ in )?(\S+) \(", backtrace, re.M)
    doubts = re.search(r"\?\?|corrupt|previous frame|Cannot", backtrace)
    return lines + ["(%s)" % doubts.group()] if doubts else lines


def backtrace():
    """Who is running, without the functions of the runtime on top."""
    names = names_in(run("backtrace"))
    while names[0].startswith("co_") and names[0] != "co_first":
        names.pop(0)
    return names


def registers_of(name):
    """The registers that the function of this name has to find again."""
    frame = gdb.newest_frame()
    while frame is not None and frame.name() != name:
        frame = frame.older()
    if frame is None:
        return None
    return [str(frame.read_register(register))
            for register in CALLEE_SAVED[frame.architecture().name()]]


def step_to(until):
    """Steps from the next co_switch() to the function `until`. Returns what
    was seen at each instruction: who is running, and its registers."""
    seen = []
    run("tbreak co_switch")
    run("continue")
    while gdb.newest_frame().name() != until and len(seen) < STEPS_MAX:
        names = backtrace()
        seen.append((names, registers_of(names[0])))
        run("stepi")
    return seen


called_with = {}  # The registers of a function when it called the runtime.


def step_through(before, after, until):
    """Returns True if all was as `before`, at some instruction changed to
    `after`, and stayed so."""
    seen = step_to(until)
    called_with[before[0]] = seen[0][1]
    old = (before, called_with[before[0]])
    new = (after, called_with.get(after[0], seen[-1][1]))
    switch = seen.index(new) if new in seen else 0
    right = (0 < switch and len(seen) < STEPS_MAX and
             seen == [old] * switch + [new] * (len(seen) - switch))
    if not right:
        for names, registers in seen:
            print("#", " < ".join(names), registers)
    return right


def look_at_suspended():
    before = run("backtrace")
    names = names_in(run("info coroutine generator"))
    check(names[0] == "co_switch" and names[-len(PAUSED):] == PAUSED,
          "info coroutine shows a suspended coroutine")
    check(run("backtrace") == before, "and leaves all as it was")


run("set pagination off")
run("set confirm off")
run(os.environ.get("GDB_START", "starti"))
check(step_through(RESUMER, NEW, "generate"), "entering a new coroutine")
check(step_through(PAUSED, RESUMER, "resume"), "leaving it")
run("source " + os.path.join(os.path.dirname(__file__),
                             "../servers/coro/co_gdb.py"))
look_at_suspended()
check(step_through(RESUMER, PAUSED, "bottom"), "coming back to it")
run("tbreak middle")
run("continue")
check("not suspended" in failure_of("info coroutine generator"),
      "info coroutine refuses the one that is running")
check(names_in(run("backtrace")) == PAUSED[1:],
      "a breakpoint in a coroutine shows its functions, and no more")
print("1..%d" % sum(tally.values()))
print("# %d passed, %d failed" % (tally[True], tally[False]))
