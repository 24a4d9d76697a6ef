// co_ends.h - the socket pairs of the actors, and which bytes must arrive.

#ifndef CO_ENDS_H
#define CO_ENDS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum { PAIRS = 4, ENDS = 2 * PAIRS, MESSAGES_MAX = 64 };

// One end of a socket pair, and the messages that were sent to this end but not
// yet received. The value of each byte is its position among all bytes sent to
// this end, modulo 256. So the test notices a lost or swapped byte.
struct end {
    int fd;                          // -1: not opened for this input
    int message_lens[MESSAGES_MAX];  // a stream is a single message
    int message_count;
    uint8_t next_sent, next_received;
    bool finished;  // its peer will send no more
};

extern struct end ends[ENDS];

// ends_begin() marks all pairs as not opened. ends_close() closes all open
// ends.
void ends_begin(void);
void ends_close(void);

// Opens both ends of a pair.
void open_pair(int pair);

// Returns the end that the input selects. Opens its pair if necessary.
struct end *any_end(void);

// Returns the other end of the pair.
struct end *peer_of(const struct end *e);

// Notes that `n` bytes were sent to descriptor `fd`, if `n` is positive.
void note_sent(int fd, ssize_t n);

// Checks the `n` bytes that a call has received from descriptor `fd`. The call
// had asked for `size` bytes.
void check_received(int fd, const void *bytes, ssize_t n, size_t size);

#endif
