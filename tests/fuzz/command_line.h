// command_line.h - fuzzes a parser of command lines with any words.
//
// The parser must do one of three things: return values in range and print
// nothing; exit with status 2 and one line on standard error; or exit with
// status 0 after --help.

#ifndef COMMAND_LINE_H
#define COMMAND_LINE_H

#include <fcntl.h>
#include <getopt.h>
#include <setjmp.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz.h"

enum { WORDS_MAX = 32, LINE_MAX_LEN = 1024, SAID_SIZE = 1 << 14 };

_Noreturn void __real_exit(int status);
_Noreturn void __wrap_exit(int status);

static jmp_buf on_exit_called;
static bool parsing;  // While false, only libFuzzer calls exit().
static int exit_status;

_Noreturn void __wrap_exit(int status)
{
    if (!parsing)
        __real_exit(status);
    exit_status = status;
    longjmp(on_exit_called, 1);
}

// Splits `len` bytes at newlines into words, which are copied to `line`.
// Returns how many there are, including the program's name in front.
static int split(const uint8_t *data, size_t len, char *line, char **words)
{
    int count = 0;
    memcpy(line, data, len);
    line[len] = '\0';
    static char program[] = "fuzz";
    words[count++] = program;
    for (char *word = line; word != NULL && count < WORDS_MAX - 1;) {
        words[count++] = word;
        word = strchr(word, '\n');
        if (word != NULL)
            *word++ = '\0';
    }
    words[count] = NULL;
    return count;
}

// Calls parse(). Returns whether parse() has returned, and not called exit().
// This is a function of its own because longjmp() can change the local
// variables of the function that calls setjmp().
static bool returns(void (*parse)(int argc, char **argv), int argc, char **argv)
{
    exit_status = 0;
    parsing = true;
    volatile bool returned = false;
    if (setjmp(on_exit_called) == 0) {
        parse(argc, argv);
        returned = true;
    }
    parsing = false;
    return returned;
}

// Makes descriptor `fd` refer to the file of `to`. Returns a copy of the old
// `fd`, for restore().
static int redirect(int fd, int to)
{
    int copy = dup(fd);
    if (copy < 0 || dup2(to, fd) < 0)
        abort();
    return copy;
}

static void restore(int fd, int copy)
{
    dup2(copy, fd);
    close(copy);
}

// Calls parse(argc, argv) with the words in the input, and checks its exit
// status and what it prints. Returns whether parse() has returned.
static bool parses(const uint8_t *data, size_t len,
                   void (*parse)(int argc, char **argv))
{
    static char line[LINE_MAX_LEN + 1], said[SAID_SIZE], *words[WORDS_MAX];
    static int errors = -1, nowhere = -1;  // files for the parser's output
    int count = split(data, len, line, words);
    memset(said, 0, sizeof said);
    if (errors < 0) {
        errors = memfd_create("errors", MFD_CLOEXEC);
        nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
    }
    int out = redirect(STDOUT_FILENO, nowhere);
    int err = redirect(STDERR_FILENO, errors);
    optind = 0;  // Makes getopt_long() start again: see getopt(3).
    bool returned = returns(parse, count, words);
    fflush(stdout);
    restore(STDOUT_FILENO, out);
    restore(STDERR_FILENO, err);
    if (pread(errors, said, sizeof said - 1, 0) < 0 ||
        ftruncate(errors, 0) != 0 || lseek(errors, 0, SEEK_SET) != 0)
        abort();

    const char *newline = strchr(said, '\n');
    bool one_line = newline != NULL && newline[1] == '\0';
    if (returned || exit_status == 0)
        MUST(said[0] == '\0');
    else
        MUST(exit_status == 2 && one_line);
    return returned;
}

#endif
