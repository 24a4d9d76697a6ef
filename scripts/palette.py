"""A colour and a mark for every model, the same in all pictures.

The five have colours from the palettes of Okabe and Ito, and of Tol: far apart
in hue and in lightness, for colour-blind eyes and for projectors. Beyond five
no palette is that good, so pictures write the names beside what they name.
"""

import itertools

STYLES = {
    "blocking": ("#888888", "s"),
    "fork": ("#882255", "^"),
    "thread": ("#E69F00", "v"),
    "nonblocking": ("#117733", "D"),
    "coroutine": ("#0072B2", "o"),
    "coroutine --trap": ("#56B4E9", "X"),
    "select": ("#44AA99", "<"),
    "poll": ("#999933", ">"),
    "callback": ("#AA4499", "h"),
    "signal": ("#CC6677", "p"),
    "uring": ("#332288", "d"),
    "prefork": ("#D55E00", "*"),
    "pool": ("#661100", "H"),
    "generator": ("#E7298A", "8"),
}

# For programs that nobody knew of, as they come.
OTHER_STYLES = itertools.cycle((("#222222", "P"), ("#5B8C00", "$+$"),
                                ("#7F5AC8", "$o$"), ("#B07040", "$x$")))


def style(model):
    """The colour and the mark of a model."""
    if model not in STYLES:
        STYLES[model] = next(OTHER_STYLES)
    return STYLES[model]


def colour(model):
    return style(model)[0]


def marker(model):
    return style(model)[1]
