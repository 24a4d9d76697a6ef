"""What the Python tests test: the only file of them that knows where in
scripts/ modules, names and programs are."""

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

sys.path.insert(0, str(SCRIPTS))
sys.dont_write_bytecode = True

# Those that are tested as they are ...
MODULES = (
    "annotated", "calibration", "claims", "classroom", "columns", "compare",
    "doctor", "document", "environment", "explanations", "findings", "grade",
    "grid", "highlight", "hostile", "lessons", "marked", "overview", "pages",
    "palette", "predict", "report", "runner", "schedule", "sidebyside",
    "skeleton", "summary", "terminal", "threats", "traces", "trial",
    "tutorial",
)

# ... those that need matplotlib ...
DRAWING = ("plot", "slides")

# ... and those of which tests know a few names.
NAMES = {
    "claims": ("AT_LEAST", "AT_MOST", "FAILS", "HOLDS", "INCONCLUSIVE",
               "NOT_MEASURED", "Claim", "Judgement", "coverage", "judge",
               "judgements", "write_claims"),
    "columns": ("COLUMNS",),
    "experiments": ("EXPERIMENTS", "finished"),
    "grid": ("Cell", "deciding", "finding", "fitting", "furthest", "of_size"),
    "interruption": ("Interrupted", "held_back", "raise_when_stopped", "wait"),
    "lessons": ("model_files",),
    "results": ("ALL_MODELS", "MODELS", "Runs", "chosen",
                "compare_with_none_silent", "counted", "duration", "factor",
                "faults", "in_order", "least_disturbed", "listed", "names",
                "read_runs", "rounded", "with_range", "wrapped"),
}

PROGRAMS = ("bench", "classroom.py", "grade.py", "history", "predict.py")


def __getattr__(name):
    """Imports what a test names, when it first does."""
    for module, names in NAMES.items():
        if name in names:
            return getattr(importlib.import_module(module), name)
    if name in MODULES + DRAWING:
        return importlib.import_module(name)
    raise AttributeError(name)


def program(name):
    """The path of a program."""
    assert name in PROGRAMS, name
    return SCRIPTS / name


def as_module(name):
    """A program without the ending .py as a module."""
    loader = importlib.machinery.SourceFileLoader(name, str(program(name)))
    module = importlib.util.module_from_spec(
        importlib.util.spec_from_loader(name, loader))
    sys.modules[name] = module  # where its dataclasses look for themselves
    loader.exec_module(module)
    return module
