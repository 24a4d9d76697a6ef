// storm.h - signals without end, to all threads and processes of a server.

#ifndef STORM_H
#define STORM_H

// Starts the server at `path` and has clients ask it, while a signal interrupts
// each of its threads every few hundred microseconds, and it is stopped and
// continued now and then: nobody may be lost. In the midst of that it is told
// to end.
void storm_test(const char *path);

#endif
