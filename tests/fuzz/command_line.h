// command_line.h - a parser of command lines, fed with any words at all.
//
// It must come back with what is in range, having said nothing; or exit with
// status 2 and one line; or exit with status 0, after --help.

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
static bool parsing;  // Else it is libFuzzer that calls exit().
static int exit_status;

_Noreturn void __wrap_exit(int status)
{
    if (!parsing)
        __real_exit(status);
    exit_status = status;
    longjmp(on_exit_called, 1);
}

// Splits `len` bytes at newlines, into words that are copied to `line`. Returns
// how many there are, the name of the program first.
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

// Calls parse(). Returns whether it came back. On its own, as longjmp() may
// lose the local variables of who calls setjmp().
static bool comes_back(void (*parse)(int argc, char **argv), int argc,
                       char **argv)
{
    exit_status = 0;
    parsing = true;
    volatile bool came_back = false;
    if (setjmp(on_exit_called) == 0) {
        parse(argc, argv);
        came_back = true;
    }
    parsing = false;
    return came_back;
}

// Makes a descriptor lead to where `to` leads. Returns a copy of it for
// restore().
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

// Calls parse(argc, argv) with the words. Returns whether it came back, after
// judging what it said.
static bool parses(const uint8_t *data, size_t len,
                   void (*parse)(int argc, char **argv))
{
    static char line[LINE_MAX_LEN + 1], said[SAID_SIZE], *words[WORDS_MAX];
    static int errors = -1, nowhere = -1;  // where it prints to
    int count = split(data, len, line, words);
    memset(said, 0, sizeof said);
    if (errors < 0) {
        errors = memfd_create("errors", MFD_CLOEXEC);
        nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
    }
    int out = redirect(STDOUT_FILENO, nowhere);
    int err = redirect(STDERR_FILENO, errors);
    optind = 0;  // Makes getopt_long() begin again, see getopt(3).
    bool came_back = comes_back(parse, count, words);
    fflush(stdout);
    restore(STDOUT_FILENO, out);
    restore(STDERR_FILENO, err);
    if (pread(errors, said, sizeof said - 1, 0) < 0 ||
        ftruncate(errors, 0) != 0 || lseek(errors, 0, SEEK_SET) != 0)
        abort();

    const char *newline = strchr(said, '\n');
    bool one_line = newline != NULL && newline[1] == '\0';
    if (came_back || exit_status == 0)
        MUST(said[0] == '\0');
    else
        MUST(exit_status == 2 && one_line);
    return came_back;
}

#endif
