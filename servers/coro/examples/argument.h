// argument.h - the one argument that some of the examples take.

#ifndef ARGUMENT_H
#define ARGUMENT_H

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

// Returns the argument of a program as a number, or `initial` if it is not
// given. If it is not a whole number from `min` to `max`, prints a line with
// its `name`, and ends the program with status 2.
static inline int parse_argument(char **argv, const char *name, int initial,
                                 int min, int max)
{
    char *end;
    if (argv[1] == NULL)
        return initial;
    errno = 0;
    long value = strtol(argv[1], &end, 10);
    if (isdigit((unsigned char)argv[1][0]) && *end == '\0' && errno == 0 &&
        value >= min && value <= max)
        return (int)value;
    fprintf(stderr, "%s: %s must be a whole number from %d to %d, not '%s'\n",
            argv[0], name, min, max, argv[1]);
    exit(2);
}

#endif
