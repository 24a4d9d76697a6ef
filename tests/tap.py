"""Runs the unit tests of a Python file as those in C run: each failure in a
line, the tally at the end."""

import sys
import unittest


def main():
    """All tests of the program that calls. Ends it: status 1 if one failed."""
    tests = unittest.defaultTestLoader.loadTestsFromModule(
        sys.modules["__main__"])
    result = unittest.TextTestRunner(verbosity=2).run(tests)
    bad = result.failures + result.errors
    for test, why in bad:
        print(f"not ok - {test}\n# {why.strip().splitlines()[-1]}")
    passed = result.testsRun - len(bad)
    print(f"# {passed} passed, {len(bad)} failed", flush=True)
    sys.exit(len(bad) > 0)
