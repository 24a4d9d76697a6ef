// procstat.h - what a server costs, over the whole tree of its processes and
// threads; and what else used the machine.
//
// Counting the parent process alone would make fork look cheapest of all. All
// is read from /proc, see proc(5), which may take milliseconds and never waits
// for a process. What /proc does not tell is NAN. Of a server on another host
// the same is read there, by a fibload that prints it.

#ifndef PROCSTAT_H
#define PROCSTAT_H

#include <stdbool.h>
#include <sys/types.h>

enum { PROCSTAT_NAME_SIZE = 32 };

// A tree of processes.
struct procstat {
    double cpu_s;  // CPU time so far, of children that have ended as well
    double user_ticks, sys_ticks;  // how it is divided, as the kernel counts
    double switches;               // context switches of living threads so far
    double processes, threads;
    double rss_kib;  // resident memory; shared pages count once per process
    double pss_kib;  // the same, shared pages divided among their sharers
};

// Reads the tree of `root` as of now. Takes 10 us per thread, and with the
// memory 50 us per process. Returns 0, or -1 if there is no such process.
int procstat_read(pid_t root, bool with_memory, struct procstat *tree);

// Subtracts an earlier reading from the times, ticks and switches of a tree.
void procstat_subtract(struct procstat *tree, const struct procstat *earlier);

// Writes the readings of a tree as one line, which procstat_ask() reads.
void procstat_print(const struct procstat *tree);

// Reads a tree on another host: sends the line "usage" to a socket and blocks
// until the line comes that procstat_print() has written there. Returns 0, or
// -1 if the connection or the process is gone.
int procstat_ask(int fd, struct procstat *tree);

// Copies the name of a process, which the kernel has cut to 15 characters.
// Returns 0, or -1 if there is no such process.
int procstat_name(pid_t pid, char name[PROCSTAT_NAME_SIZE]);

// Returns the CPU time of all programs since the machine was started, on all
// cores, in seconds. The kernel counts in ticks of 10 ms.
double machine_busy_s(void);

// Returns how long a thread of this process was ready to run and had no core,
// in seconds.
double machine_delay_s(pid_t thread);

#endif
