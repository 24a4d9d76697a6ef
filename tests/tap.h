// tap.h - the test harness: numbered checks in the Test Anything Protocol,
// which both people and `prove` can read.
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

// Records and prints one check. The arguments after the condition are its name,
// as in printf(): what is true if it passes. Returns whether it passed.
#define ok(condition, ...)                                                     \
    tap_check((condition), __FILE__, __LINE__, __VA_ARGS__)

// Puts `subject` in front of the names of all later checks, until
// tap_subject(NULL).
void tap_subject(const char *subject);

// Runs tests in processes of their own, a few at the same time, in the given
// order of start. Prints their checks in that order and counts them here. A
// test that does not return is a failed check. Blocks until all have ended.
void tap_side_by_side(void (*const tests[])(void), int count);

// Sets a function that is called after each failed check. It prints details,
// such as the last run of a program, in lines that begin with "# ".
void tap_explain(void (*explain)(void));

// A part of a test program. It does not depend on other parts, so parts can run
// in any order and at the same time.
struct tap_part {
    const char *name;  // one word
    void (*run)(void);
};

// The main() of a test program that has parts.
//
//     PROGRAM [ARGUMENT ...]           runs all parts
//     ONLY='name name' PROGRAM ...     runs these parts
//     PROGRAM [ARGUMENT ...] --parts   prints the names, one a line
//
// Runs each part in a process of its own, a few at the same time. Starts them
// in the order of the table, so a long part should come first. Prints the
// checks of the parts in that order, then the plan and the totals. A part that
// does not return, or an unknown name in ONLY, is a failed check. Blocks until
// all parts have ended. Returns the exit status.
int tap_main(int argc, char **argv, const struct tap_part *parts, int count);

// Calls fork() after it has flushed standard output, so that nothing is printed
// twice. Ends the program if fork() fails. Otherwise a test could later signal
// process -1, which means all processes.
pid_t tap_fork(void);

// Asks the kernel to kill this process, a child after fork(), when `parent`,
// the process that has called fork(), ends. If the parent has ended already,
// kills this process at once. A later setuid(2) cancels this.
void tap_end_with_parent(pid_t parent);

// A test that might never end calls alarm(2) with this. On a slow machine, some
// tests take several minutes.
enum { TAP_HANG_S = 3600 };

// Prints the plan and the totals. Returns the exit status for main().
int done_testing(void);

// Does the work of ok().
__attribute__((format(printf, 4, 5))) bool
tap_check(bool passed, const char *file, int line, const char *name, ...);

#endif
