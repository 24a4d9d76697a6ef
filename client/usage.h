// usage.h - what a server costs: the whole tree of its processes and threads;
// and what else the machine was doing meanwhile.
//
// Looking at the parent alone would make fork look cheapest of all. Read from
// /proc, see proc(5).

#ifndef USAGE_H
#define USAGE_H

#include <stdint.h>
#include <sys/types.h>

enum { USAGE_NAME_SIZE = 32 };

// Zero where /proc does not tell, as for processes of somebody else.
struct usage {
    double cpu_s;  // CPU time so far, of children that ended as well
    uint64_t user_ticks, sys_ticks;  // how it is divided, as the kernel counts
    uint64_t switches;  // context switches so far, of living threads
    int processes, threads;
    uint64_t rss_kib;  // resident memory; shared pages count once per process
    uint64_t pss_kib;  // the same, shared pages divided among their sharers
};

// Reads the usage of `root` and its descendants as of now. Takes about 50 us
// per process and 10 us per thread. Returns 0, or -1 if there is no such
// process.
int usage_read(pid_t root, struct usage *usage);

// As usage_read(), but leaves the memory out, which takes most of the time.
int usage_read_times(pid_t root, struct usage *usage);

// What was used between two readings: times, ticks and switches are
// differences, the rest is as in `after`.
struct usage usage_between(const struct usage *before,
                           const struct usage *after);

// The part of the CPU time that was spent outside the kernel, 0..1. The kernel
// counts in ticks of 10 ms: with few of them it is a guess.
double usage_user_share(const struct usage *usage);

// Copies the name of a process, cut by the kernel to 15 characters, into
// `name`. Returns 0, or -1 if there is no such process.
int usage_name(pid_t pid, char name[USAGE_NAME_SIZE]);

// Since the machine, or this thread, was started; 0 where /proc does not tell.
struct machine {
    double busy_s;   // CPU time of everybody, on all cores; in ticks of 10 ms
    double delay_s;  // how long this thread could run and was not let
};

// Reads it as of now, which takes about 50 us.
void machine_read(struct machine *m);

// How many cores there are.
int machine_cores(void);

#endif
