// startup.h - what must be right before the first connection is opened.
//
// All of these print one line on standard error and exit with status 2 if it is
// not: failing early and loudly is the kindest thing.

#ifndef STARTUP_H
#define STARTUP_H

#include <netdb.h>
#include <stdio.h>

#include "options.h"

enum { EXIT_CANNOT_RUN = 2 };

// The addresses of opt->host. Free them with freeaddrinfo(). It may wait for a
// name server.
struct addrinfo *startup_resolve(const struct options *opt);

// Makes sure that all connections can be open at once.
void startup_descriptors(const struct options *opt);

// Makes sure that there is a process opt->server_pid, if one is given, and that
// opt->model has a value.
void startup_server(struct options *opt);

// Makes sure that every column has a name of its own.
void startup_labels(const struct options *opt);

// The file to append a row to at the end; NULL if `opt` names none.
FILE *startup_csv(const struct options *opt);

// A new file to write; NULL if there is no `path`.
FILE *startup_file(const char *path);

#endif
