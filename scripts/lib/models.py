"""The folder of the project and the names of its models. Only this file reads
the lists MODELS in servers/, servers/more/ and servers/elsewhere/."""

import pathlib

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


def names_in(path):
    """Returns the words of a file; none if there is no such file."""
    return tuple(path.read_text("utf-8").split()) if path.exists() else ()


# In the order in which they are shown: the models that are compared by default,
# and those that are compared on request.
MODELS = names_in(ROOT / "servers" / "MODELS")
MORE_MODELS = names_in(ROOT / "servers" / "more" / "MODELS")
ALL_MODELS = MODELS + MORE_MODELS
# Servers in other languages: programs in <bin>/elsewhere/, if their runtimes
# are installed.
ELSEWHERE = names_in(ROOT / "servers" / "elsewhere" / "MODELS")


def names(text):
    """Splits a list of names that spaces or commas separate."""
    return text.replace(",", " ").split()


def chosen(models):
    """Returns the models that a user has named, without duplicates. `all`
    stands for all our models, `elsewhere` for those in other languages."""
    several = {"all": ALL_MODELS, "elsewhere": ELSEWHERE}
    return list(dict.fromkeys(
        name for model in models for name in several.get(model, [model])))


def in_order(models):
    """Returns the models as they are shown: ours with variants, then others."""
    def place(model):
        name = model.split()[0]
        return (ALL_MODELS.index(name) if name in ALL_MODELS
                else len(ALL_MODELS)), model

    return sorted(set(models), key=place)


def model_files():
    """Returns the paths of the source files of all models, by model."""
    return {model: f"{folder}/{model}.c" for folder, models in (
        ("servers", MODELS), ("servers/more", MORE_MODELS))
        for model in models}
