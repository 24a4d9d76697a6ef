// storm.h - signals without end, to all threads and processes of a server.

#ifndef STORM_H
#define STORM_H

// Starts the server at `path`, has clients ask it while a signal interrupts each
// of its threads every few hundred microseconds, and stops and continues it now
// and then; nobody may be lost. Then it is told to stop, in the middle of that.
void storm_test(const char *path);

#endif
