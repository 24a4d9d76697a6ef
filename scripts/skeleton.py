#!/usr/bin/env python3
"""Writes the skeleton of a server: the file as it is, without the bodies that
make the model what it is.

    skeleton.py MODEL DIR OBJECT ...

What is taken out follows from the source, so a skeleton is never stale. The
functions that serve one client stay: they are the same in all models. In main()
all stays until the server says that it is ready, and if it never does so, all.
What a function has to do is said by the comment above it, by the lessons that
stood in it, or, where there are neither, by TASKS below.

The skeleton compiles; what is not written yet says so when it is called, and
fails.
"""

import os
import pathlib
import re
import sys

from lessons import LESSON, functions, is_comment, lines_of
from lessons import start_of_comment
from results import ROOT

GIVEN = ("next_reply", "serve_client")
READY = re.compile(r"\bserver_(start|ready)\(")

# For functions that have no comment of their own.
TASKS = {
    "blocking": {
        "main": "Serve all clients until the server is stopped; then "
                "report_summary().",
    },
    "fork": {
        "start_client": "Make a process for this client and remember it. The "
                        "child needs neither the listener nor anything but "
                        "its client; see child_begin(). When fork() fails, "
                        "see children_backoff().",
        "serve_clients": "Until the server is to stop: wait for a client, if "
                         "there is a free slot, and for signals; start a "
                         "process for each client; reap those that have "
                         "exited.",
        "main": "Serve all clients until the server is stopped, and end the "
                "children; then report_summary().",
    },
    "thread": {
        "client_main": "What a thread does with its client, from the first "
                       "line to the last. The main thread may be waiting for "
                       "its slot.",
        "start_client": "Make a thread for this client. When that fails, see "
                        "net_backoff(); when even that returns false, serve "
                        "the client here.",
        "serve_clients": "Start a thread for each client, as long as there "
                         "are slots.",
        "main": "Serve all clients until the server is stopped, and wait "
                "until all threads have ended; then report_summary().",
    },
    "nonblocking": {
        "accept_clients": "Accept all clients that are waiting, as long as "
                          "there are free slots, and prepare a struct client "
                          "for each. See net_accept_nonblocking().",
        "serve_clients": "Until the server is to stop: one round after the "
                         "other. Then continue until all replies are sent.",
        "main": "Serve all clients until the server is stopped; then "
                "report_summary().",
    },
    "coroutine": {
        "client_main": "What a coroutine does with its client, from the first "
                       "line to the last.",
        "start_client": "Make a coroutine for this client. When that fails, "
                        "see co_net_backoff(); when even that returns false, "
                        "serve the client here.",
        "serve_clients": "Start a coroutine for each client, as long as there "
                         "are slots. This is a coroutine, too.",
    },
}

# What a function returns that cannot do its work yet.
FAILURES = (("_Noreturn", "_exit(EXIT_FAILURE);"), ("void *", "return NULL;"),
            ("bool ", "return false;"), ("int ", "return -1;"), ("void ", ""))

HEADER = """// not_written.h - for functions that are still to be written.

#ifndef NOT_WRITTEN_H
#define NOT_WRITTEN_H

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define not_written() say_not_written(__func__)

// Makes only calls that a signal handler may make.
static inline void say_not_written(const char *name)
{
    const char *rest = "(): not written yet\\n";
    if (write(STDERR_FILENO, name, strlen(name)) < 0 ||
        write(STDERR_FILENO, rest, strlen(rest)) < 0)
        return;  // Nobody is listening.
}

#endif
"""

MAKEFILE = """# Builds the server from {model}.c and what all servers share.

ROOT    := {root}
OBJECTS := {objects}

# What nobody calls yet is no mistake yet. Take this line out at the end.
UNUSED  := -Wno-unused

{model}: {model}.c $(OBJECTS:%=$(ROOT)/%)
\t$(CC) -std=c11 -D_GNU_SOURCE -pthread -O2 -g -Wall -Wextra $(UNUSED) $(CFLAGS) \\
\t    -I$(ROOT)/servers -o $@ $^ -pthread $(LDFLAGS)

clean:
\trm -f {model}
"""

README = """# Write {model}.c

`{model}.c` is the server of that name without what makes it so.{given}

These functions are for you to write. The comments in them say what to think of.

{tasks}

`make` builds it, here. Until you have written a function it says so when it is
called. Each step is something to run:

    make && ./{model} --port 9999
    make -C {root} grade SERVER={here}/{model} MODEL={model}

What the functions you call promise is said in {root}/servers/common/*.h{more}.
"""

TWINS = """ The functions
that serve one client are there: they are the same in most models."""


# ---- What is taken out


def first_of_paragraph(lines, number):
    while lines[number - 1] and lines[number - 1] != "{":
        number -= 1
    return number


def removed_part(lines, function):
    """From which line to which a function is to be written; nothing if it is
    given."""
    name, _, brace, end = function
    if name in GIVEN:
        return None
    body = range(brace + 1, end - 1)
    if name != "main":
        return body
    ready = [number for number in body if READY.search(lines[number])]
    return range(ready[0] + 1, end - 1) if ready else None


def lessons_in(lines, part):
    """The lessons that stood there, without what one is to try."""
    for number in part:
        lesson = LESSON.match(lines[number])
        if lesson:
            end = number
            while is_comment(lines[end]):
                end += 1
            text = " ".join(line.strip(" /") for line in lines[number:end])
            text = text.replace(f"LESSON {lesson[2]}: ", "")
            text = re.sub(r" Try it: .*", "", text)
            yield f"{lesson[2]}: {text}"


def wrapped(text, first="// TODO ", width=76):
    """A comment, set in as the body of a function is."""
    lines, line = [], first
    for word in text.split():
        if len(line) + len(word) > width:
            lines.append(line.rstrip())
            line = "// "
        line += word + " "
    return [f"    {line}" for line in (*lines, line.rstrip())]


def failure_of(declaration, name):
    if name == "main":
        return "return EXIT_FAILURE;"
    return next(text for kind, text in FAILURES
                if kind in declaration.partition("(")[0] + " ")


def has_comment(lines, begin):
    return start_of_comment(lines, begin) < begin


def task_of(model, lines, function):
    """What is to be done, if no comment above the function says it. Raises
    KeyError if nothing does."""
    name, begin, _, _ = function
    tasks = TASKS[model]
    if name in tasks or (name != "main" and has_comment(lines, begin)):
        return tasks.get(name, "")
    raise KeyError(f"no task for {name}() of {model}")


def replacement(model, lines, function, part):
    name, begin, brace, _ = function
    task = task_of(model, lines, function)
    comments = wrapped(task) if task else []
    for lesson in lessons_in(lines, part):
        comments += wrapped(lesson, "// " if comments else "// TODO ")
    declaration = " ".join(lines[begin:brace])
    failure = failure_of(declaration, name)
    return [*([""] if part.start > brace + 1 else []),
            *(comments or ["    // TODO as the comment above says"]),
            "    not_written();", *([f"    {failure}"] if failure else [])]


def removals(lines):
    """Functions to be written with the part that is taken out."""
    for function in functions(lines):
        part = removed_part(lines, function)
        if part is not None:
            yield function, part


def without_lesson_marks(line):
    """The lessons belong to the servers themselves."""
    return re.sub(r"^(\s*// )LESSON ([a-z0-9-]+): ", r"\1\2: ", line)


def skeleton(model, lines):
    """The lines of the skeleton."""
    lines = list(lines)
    for function, part in reversed(list(removals(lines))):
        lines[part.start:part.stop] = replacement(model, lines, function, part)
    last = max(number for number, line in enumerate(lines)
               if line.startswith("#include"))
    lines.insert(last + 1, '#include "not_written.h"')
    return [without_lesson_marks(line) for line in lines]


# ---- The folder


def tasks_said(model, lines):
    """A line of Markdown for every function to be written."""
    for function, _ in removals(lines):
        name, begin, _, _ = function
        above = " ".join(line.strip(" /") for line in
                         lines[start_of_comment(lines, begin):begin])
        above = re.sub(r"LESSON |(?<=\.) Try it: .*", "", above)
        yield f"- `{name}()`: {task_of(model, lines, function) or above}"


def write(model, directory, objects):
    source = f"servers/{model}.c"
    lines = lines_of(source)
    root = os.path.relpath(ROOT, directory)
    here = os.path.relpath(directory, ROOT)
    directory.mkdir(parents=True, exist_ok=True)
    files = {
        f"{model}.c": "\n".join(skeleton(model, lines)),
        "not_written.h": HEADER,
        "Makefile": MAKEFILE.format(model=model, root=root,
                                    objects=" ".join(objects)),
        "README.md": README.format(
            model=model, root=root, here=here,
            given=TWINS if any(function[0] in GIVEN for function
                               in functions(lines)) else "",
            tasks="\n".join(tasks_said(model, lines)),
            more=f" and {root}/servers/coro/co.h" if model == "coroutine"
            else ""),
    }
    if (directory / f"{model}.c").exists():
        sys.exit(f"skeleton: {directory}/{model}.c is there already; what you "
                 "have written is not overwritten")
    for name, text in files.items():
        (directory / name).write_text(text, encoding="utf-8")
    print(f"{here}/{model}.c; read {here}/README.md")


def main(arguments):
    if len(arguments) < 2:
        sys.exit(__doc__)
    model, directory, *objects = arguments
    if model not in TASKS:
        sys.exit(f"skeleton: MODEL is one of {' '.join(TASKS)}")
    write(model, pathlib.Path(directory).resolve(), objects)


if __name__ == "__main__":
    main(sys.argv[1:])
