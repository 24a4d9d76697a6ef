// co_input.h - the input of the coroutine fuzzer, which decides what happens.

#ifndef CO_INPUT_H
#define CO_INPUT_H

#include <stddef.h>
#include <stdint.h>

// The bytes that next_byte() has not taken yet.
extern const uint8_t *input;
extern size_t input_left;

// Takes the next byte of the input. Returns 0 at its end.
unsigned next_byte(void);

#endif
