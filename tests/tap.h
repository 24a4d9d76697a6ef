// tap.h - the whole test harness: numbered checks in the Test Anything
// Protocol, which people and `prove` can both read.
//
//     int main(void)
//     {
//         ok(fib(10) == 55, "fib(10) is 55");
//         return done_testing();
//     }

#ifndef TAP_H
#define TAP_H

#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>

// Records one check; the rest, printf-like, says what is true when it passes.
// Returns whether it did.
#define ok(condition, ...)                                                     \
    tap_check((condition), __FILE__, __LINE__, __VA_ARGS__)

// Puts `subject` in front of the names of all later checks. NULL: nothing.
void tap_subject(const char *subject);

// Runs tests that mostly wait side by side, each in a process of its own, a few
// at once, the first ones first. What they check is printed in their order, as
// soon as that allows, and counts here; one that ends early has failed.
void tap_side_by_side(void (*const tests[])(void), int count);

// Calls `explain` after each failed check, to print what helps to understand
// it: the last run of a program, for example. Each line should begin with "# ".
void tap_explain(void (*explain)(void));

// A part of a test program. It needs no other part to run before it, so that
// the parts can be run in any order and at the same time.
struct tap_part {
    const char *name;  // one word
    void (*run)(void);
};

// The main() of a test program that has parts.
//
//     PROGRAM [ARGUMENT ...]           runs all parts
//     ONLY='name name' PROGRAM ...     runs these
//     PROGRAM [ARGUMENT ...] --parts   prints the names, one a line
//
// Runs each part in a process of its own, a few at the same time, and starts
// them in the order of the table; so a long part belongs at its beginning.
// Prints the checks of each part in the same order, then the plan and the
// tally. A part that does not return and a name that is not in the table are
// failed checks. Blocks until all parts have ended. Returns the exit status.
int tap_main(int argc, char **argv, const struct tap_part *parts, int count);

// Calls fork(), with nothing in the buffer of standard output that both would
// print. Ends the program if the system has no process for us: a test that goes
// on would sooner or later signal process -1, which is all processes.
pid_t tap_fork(void);

// Prints the plan and the tally. Return its result from main().
int done_testing(void);

__attribute__((format(printf, 4, 5))) bool
tap_check(bool passed, const char *file, int line, const char *name, ...);

#endif
