"""Where the project is, and the models it has: the one reading of the lists
`servers/MODELS`, `servers/more/MODELS` and `servers/elsewhere/MODELS`."""

import pathlib

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


def names_in(path):
    """The words of a file, of which there are none if there is no file."""
    return tuple(path.read_text("utf-8").split()) if path.exists() else ()


# In the order in which they are shown: those that are compared unless others
# are asked for, and those that may be.
MODELS = names_in(ROOT / "servers" / "MODELS")
MORE_MODELS = names_in(ROOT / "servers" / "more" / "MODELS")
ALL_MODELS = MODELS + MORE_MODELS
# Servers of other runtimes: programs in <bin>/elsewhere/, if they are installed.
ELSEWHERE = names_in(ROOT / "servers" / "elsewhere" / "MODELS")


def names(text):
    """Names with spaces or commas between them, as people write them."""
    return text.replace(",", " ").split()


def chosen(models):
    """Each once, for `all` all of ours, and for `elsewhere` the others."""
    several = {"all": ALL_MODELS, "elsewhere": ELSEWHERE}
    return list(dict.fromkeys(
        name for model in models for name in several.get(model, [model])))


def in_order(models):
    """Our models as they are always shown, each with its variants, then
    others."""
    def place(model):
        name = model.split()[0]
        return (ALL_MODELS.index(name) if name in ALL_MODELS
                else len(ALL_MODELS)), model

    return sorted(set(models), key=place)


def model_files():
    """Returns the paths of all models by their names, in order."""
    return {model: f"{folder}/{model}.c" for folder, models in (
        ("servers", MODELS), ("servers/more", MORE_MODELS))
        for model in models}
