"""Gives the Python tests what they test. Only this file knows where the
modules, names and programs are in scripts/."""

import importlib
import importlib.machinery
import importlib.util
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
SCRIPTS = ROOT / "scripts"
BIN = ROOT / "bin"
CONVERSATION = ROOT / "build" / "plain" / "tests" / "conversation" / "run"
REFERENCE = ROOT / "results" / "reference"

# Programs find the modules of scripts/ in the first folder of the path.
sys.path.insert(0, str(SCRIPTS))
sys.dont_write_bytecode = True

# Modules that are tested, by package ...
MODULES = {
    "lib": ("client", "command_line", "document", "machine", "models",
            "processes", "replay", "samples", "tcp", "text", "trace_events",
            "usage", "verdicts"),
    "bench": ("calibration", "claims", "design", "experiments", "findings",
              "hosts", "order", "predictions", "report", "request_log", "run",
              "runtimes", "style", "tables", "terminal", "validity"),
    "torture": ("attack_cell", "attacks", "matrix"),
    "course": ("c_source", "failures", "markdown", "measured", "side_by_side"),
    "watch": ("calls", "clients", "clock", "coroutines", "proc", "scenes",
              "screen", "snapshot", "sockets", "symbols"),
}

# ... programs, whose files have no extension, by package ...
PROGRAMS = {
    "": ("doctor",),
    "bench": ("bench", "classroom", "compare", "coroutines", "load_client",
              "many_connections", "pictures", "predict"),
    "torture": ("soak", "torture"),
    "course": ("grade", "quotes", "site", "skeleton"),
    "watch": ("merge", "record", "watch"),
}

# ... and names that tests import directly, by module.
NAMES = {
    "bench.claims": (
        "AT_LEAST", "AT_MOST", "CONTRADICTING", "FAILS", "HOLDS",
        "INCONCLUSIVE", "NOT_MEASURED", "SUGGESTS", "SUGGESTS_NOT", "Claim",
        "Judgement", "coverage", "judge", "judgements", "write_claims"),
    "bench.design": ("Cell", "PlannedRun", "deciding", "finding", "fitting",
                     "furthest", "of_size"),
    "bench.experiments": ("EXPERIMENTS", "finished"),
    "bench.tables": ("COLUMNS",),
    "lib.models": ("ALL_MODELS", "ELSEWHERE", "MODELS", "chosen", "in_order",
                   "model_files", "names"),
    "lib.processes": ("Interrupted", "held_back", "raise_when_stopped", "wait"),
    "lib.samples": ("Runs", "Sample", "compare_with_none_idle", "faults",
                    "least_disturbed", "read_runs"),
    "lib.text": ("aligned", "counted", "duration", "factor", "listed",
                 "rewrite", "rounded", "with_range", "wrapped"),
    "lib.usage": ("kib_of", "stat_of"),
}


def __getattr__(name):
    """Imports a module, name or program when a test first uses it."""
    for package, modules in MODULES.items():
        if name in modules:
            return importlib.import_module(f"{package}.{name}")
    for module, names in NAMES.items():
        if name in names:
            return getattr(importlib.import_module(module), name)
    if any(name in names for names in PROGRAMS.values()):
        return as_module(name)
    raise AttributeError(name)


def program(name):
    """Returns the path of a program."""
    package, = (package for package, names in PROGRAMS.items() if name in names)
    return SCRIPTS / package / name


def as_module(name):
    """Returns a program as a module. It is loaded at most once."""
    if f"program {name}" in sys.modules:
        return sys.modules[f"program {name}"]
    loader = importlib.machinery.SourceFileLoader(f"program {name}",
                                                  str(program(name)))
    module = importlib.util.module_from_spec(
        importlib.util.spec_from_loader(loader.name, loader))
    sys.modules[loader.name] = module  # where its dataclasses look it up
    loader.exec_module(module)
    return module
