// procstat.h - what a server costs, over the whole tree of its processes and
// threads; and the CPU time of other programs.
//
// With the parent process alone, fork would look cheapest of all. The figures
// come from /proc, see proc(5). Reading it may take milliseconds, but does not
// wait for a process. Unknown figures are NAN. For a server on another host, a
// fibload there reads and prints them.

#ifndef PROCSTAT_H
#define PROCSTAT_H

#include <stdbool.h>
#include <sys/types.h>

enum { PROCSTAT_NAME_SIZE = 32 };

// A tree of processes.
struct procstat {
    double cpu_s;  // CPU time so far, including children that have ended
    double user_ticks, sys_ticks;  // its division into user and system time
    double switches;               // context switches of living threads so far
    double processes, threads;
    double rss_kib;  // resident memory; shared pages count once per process
    double pss_kib;  // the same, with shared pages divided among processes
};

// Reads the present state of the tree of `root`. Takes 10 us per thread, and
// for the memory 50 us per process. Returns 0, or -1 if there is no such
// process.
int procstat_read(pid_t root, bool with_memory, struct procstat *tree);

// Subtracts an earlier reading from the times, ticks and switches of a tree.
void procstat_subtract(struct procstat *tree, const struct procstat *earlier);

// Prints a tree as one line, for procstat_ask() on another host.
void procstat_print(const struct procstat *tree);

// Reads a tree on another host: sends the line "usage" to a socket, and blocks
// until it has received the line of procstat_print(). Returns 0, or -1 if the
// connection is broken or there is no such process.
int procstat_ask(int fd, struct procstat *tree);

// Copies the name of a process, which the kernel has cut to 15 characters.
// Returns 0, or -1 if there is no such process.
int procstat_name(pid_t pid, char name[PROCSTAT_NAME_SIZE]);

// Returns the CPU time of all programs since the machine was started, on all
// cores, in seconds. The kernel counts in ticks of 10 ms.
double machine_busy_s(void);

// Returns how many seconds a thread of this process has waited for a core.
double machine_delay_s(pid_t thread);

#endif
