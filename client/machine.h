// machine.h - what else the machine was doing while we measured.

#ifndef MACHINE_H
#define MACHINE_H

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
