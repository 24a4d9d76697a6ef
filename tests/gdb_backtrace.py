# gdb_backtrace.py - tests the backtraces of coroutines at every instruction.
#
#     gdb -batch -x gdb_backtrace.py PROGRAM
#
# PROGRAM is built from gdb_backtrace.c. GDB_START=COMMAND in the environment
# replaces the command "starti", which starts it. The script steps through three
# switches, instruction by instruction: to a new coroutine, back, and to the
# suspended coroutine. At each instruction the backtrace must be that of the
# resumer, up to main(), or that of the coroutine, up to its first function. Its
# registers must be those it had when it called the runtime. Prints TAP.

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
    """Returns gdb's error message for a command, or "" if it succeeds."""
    try:
        return run(command) and ""
    except gdb.error as failure:
        return str(failure)


def names_in(backtrace):
    """Returns the functions in a backtrace, from the innermost. Its last item
    is "(...)" if gdb reports an unknown function or a broken stack."""
    lines = re.findall(r"^#\d+ +(?:0x\w+ in )?(\S+) \(", backtrace, re.M)
    doubts = re.search(r"\?\?|corrupt|previous frame|Cannot", backtrace)
    return lines + ["(%s)" % doubts.group()] if doubts else lines


def backtrace():
    """Returns the functions in the current backtrace, without the runtime's own
    on top."""
    names = names_in(run("backtrace"))
    while names[0].startswith("co_") and names[0] != "co_first":
        names.pop(0)
    return names


def registers_of(name):
    """Returns the callee-saved registers in the frame of this function, or None
    if the function is not in the backtrace."""
    frame = gdb.newest_frame()
    while frame is not None and frame.name() != name:
        frame = frame.older()
    if frame is None:
        return None
    return [str(frame.read_register(register))
            for register in CALLEE_SAVED[frame.architecture().name()]]


def step_to(until):
    """Steps from the next co_switch() to the function `until`. Returns for each
    instruction the backtrace, and the registers of its innermost function."""
    seen = []
    run("tbreak co_switch")
    run("continue")
    while gdb.newest_frame().name() != until and len(seen) < STEPS_MAX:
        names = backtrace()
        seen.append((names, registers_of(names[0])))
        run("stepi")
    return seen


called_with = {}  # Registers of each function when it called the runtime.


def step_through(before, after, until):
    """Steps through the next switch, up to the function `until`. Returns True
    if the backtrace is `before` up to some instruction, and `after` from there
    on, each with its own registers. Prints all steps otherwise."""
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


def check_suspended():
    """Checks that `info coroutine` shows the backtrace of a suspended coroutine
    and leaves the current one unchanged."""
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
check_suspended()
check(step_through(RESUMER, PAUSED, "bottom"), "coming back to it")
run("tbreak middle")
run("continue")
check("not suspended" in failure_of("info coroutine generator"),
      "info coroutine refuses the one that is running")
check(names_in(run("backtrace")) == PAUSED[1:],
      "a breakpoint in a coroutine shows its functions, and no more")
print("1..%d" % sum(tally.values()))
print("# %d passed, %d failed" % (tally[True], tally[False]))
