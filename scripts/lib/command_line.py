"""The options, exit statuses and messages that several programs share."""

import argparse
import contextlib
import datetime
import itertools
import math
import os
import pathlib
import random
import sys

from lib.models import ALL_MODELS, ROOT, names
from lib.processes import Interrupted, RunFailed
from lib.text import SUBSTITUTE

FAILED, USAGE, INTERRUPTED = 1, 2, 130  # argparse ends with 2 after bad usage


def parser(doc):
    """Returns an argument parser whose --help prints a program's docstring."""
    return argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)


def count(text):
    """Converts the value of an option to an integer of at least 1. Raises
    ArgumentTypeError for any other text."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(
            f"must be a number and at least 1, not {text!r}")
    return int(text)


def seconds(text):
    """Converts the value of an option to a number above 0. Raises
    ArgumentTypeError for any other text."""
    with contextlib.suppress(ValueError):
        if 0 < float(text) < math.inf:
            return float(text)
    raise argparse.ArgumentTypeError(
        f"must be a number above 0, not {text!r}")


def resolved(text):
    """Converts the value of an option to an absolute path."""
    return pathlib.Path(text).resolve()


def add_bin(options):
    options.add_argument(
        "--bin", type=resolved, default=ROOT / "bin", metavar="DIR",
        help="the folder of our servers and of fibload (default: bin)")


def add_models(options, default, groups="all"):
    options.add_argument(
        "--models", type=names, metavar="NAMES",
        help=f"models, with spaces or commas between them, or {groups} "
             f"(default: {default})")


def add_seed(options, what):
    options.add_argument(
        "--seed", type=count, metavar="N",
        default=random.SystemRandom().randrange(1, 10**6),
        help=f"of {what} (default: random)")


def programs(text):
    """Converts the value of --server to a list of paths. If the whole text is
    an existing path, which may contain spaces, it is the only one. Otherwise
    spaces separate the paths."""
    if pathlib.Path(text).exists():
        return [pathlib.Path(text)]
    return [pathlib.Path(path) for path in text.split()]


def add_server(options):
    options.add_argument(
        "--server", type=programs, action="extend", default=[],
        metavar="PROGRAM", help="another server that takes part, or several. "
        "It must know --port and --quiet, speak the protocol, "
        "and print \"name: listening on address:port\" when it is ready")


def by_name(options, servers):
    """Returns the paths of --server by their names. Ends with a usage error if
    two have the same name: a table could not tell them apart."""
    found = {}
    for path in servers:
        if found.setdefault(path.name, path.resolve()) != path.resolve():
            options.error(f"--server: {found[path.name]} and {path} have the "
                          "same name: rename one, or measure it alone")
    return found


def new_folder(folder, ending=""):
    """Makes and returns the folder for the results of a program. If `folder` is
    None, its name is the time with this ending, and with a number appended if
    another program has started in the same second."""
    if folder:
        folder.mkdir(parents=True)
        return folder.resolve()
    now = datetime.datetime.now().strftime("%Y-%m-%d-%H%M%S")
    for number in itertools.count(1):
        name = f"{now}{ending}-{number}" if number > 1 else f"{now}{ending}"
        folder = ROOT / "results" / name
        with contextlib.suppress(FileExistsError):
            folder.mkdir(parents=True)
            return folder


def require_programs(options, *programs):
    """Ends with a usage error if a path is not an executable file."""
    for program in programs:
        ours = program.name in (*ALL_MODELS, "fibload")
        if not program.exists():
            options.error(f"{program} does not exist: " + (
                "`make` builds it" if ours else "build it, or correct the path"))
        if program.is_dir():
            options.error(f"{program} is a folder: name the program in it")
        if not os.access(program, os.X_OK):
            options.error(f"{program} is not executable: `chmod +x` permits to "
                          "run it")


def reason(problem):
    """Returns an exception as text: for an OSError the name of the file, if it
    has one, and the reason, without the number."""
    if not isinstance(problem, OSError) or not problem.strerror:
        return str(problem)
    name = problem.filename
    return problem.strerror if name is None else f"{name}: {problem.strerror}"


def run(main, failed=FAILED):
    """Calls `main`, the main function of a program, and exits with the status
    that it returns. Reports an error as one line, without a traceback, and
    exits with the status `failed`."""
    name = pathlib.Path(sys.argv[0]).name
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.reconfigure(errors=SUBSTITUTE)
    try:
        sys.exit(main())
    except BrokenPipeError:  # The reader of our output has closed it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(FAILED)
    except (OSError, ValueError, RunFailed) as problem:
        print(f"{name}: {reason(problem)}", file=sys.stderr)
        sys.exit(failed)
    except (Interrupted, KeyboardInterrupt):
        sys.exit(INTERRUPTED)
