// machine.c - what else the machine was doing while we measured; see proc(5).

#include "machine.h"

#include <stdio.h>
#include <unistd.h>

// Idle and waiting for a disk are the fourth and fifth number; a host that
// gives our core to somebody else (steal) is the eighth.
static double busy_s(void)
{
    unsigned long long n[8] = {0};
    FILE *file = fopen("/proc/stat", "re");
    if (file == NULL)
        return 0;
    int found = fscanf(file, "cpu %llu %llu %llu %llu %llu %llu %llu %llu",
                       &n[0], &n[1], &n[2], &n[3], &n[4], &n[5], &n[6], &n[7]);
    fclose(file);
    unsigned long long ticks = n[0] + n[1] + n[2] + n[5] + n[6] + n[7];
    return found == 8 ? (double)ticks / (double)sysconf(_SC_CLK_TCK) : 0;
}

static double delay_s(void)
{
    unsigned long long delay_ns = 0;
    FILE *file = fopen("/proc/thread-self/schedstat", "re");
    if (file == NULL)
        return 0;
    int found = fscanf(file, "%*u %llu", &delay_ns);
    fclose(file);
    return found == 1 ? (double)delay_ns / 1e9 : 0;
}

void machine_read(struct machine *m)
{
    m->busy_s = busy_s();
    m->delay_s = delay_s();
}

int machine_cores(void)
{
    return (int)sysconf(_SC_NPROCESSORS_ONLN);
}
