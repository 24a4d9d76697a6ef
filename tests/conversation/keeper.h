// keeper.h - ends what the servers under test leave behind.

#ifndef KEEPER_H
#define KEEPER_H

// Continues the caller in a new process. When that ends, or when the calling
// process does, even by SIGKILL, all processes that it has started are killed,
// and all that these have started. The caller's exit status is that of the new
// process, or 128 + the signal that ended it, as in a shell. Ends the program
// if fork() fails.
void keeper_begin(void);

#endif
