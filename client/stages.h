// stages.h - the thirds of a measured window: before, during, after the hogs.
//
// A hog asks for something that takes long, again and again, in the middle
// third. What the stream feels of it shows beside what it had before. "During"
// lasts until the last hog has its reply; without hogs it is the middle third.
// The thread that has the hogs decides, and the others follow.

#ifndef STAGES_H
#define STAGES_H

#include "run.h"

// The window begins. Nothing here waits.
void stages_begin(struct run *run);

// Goes on to the next stage when it is time for it.
void stages_tick(struct run *run, int64_t now_ns);

// When stages_tick() wants to be called next; INT64_MAX: never.
int64_t stages_next_ns(const struct run *run);

// Whether a hog is to ask now.
bool stages_hogs_ask(const struct run *run, int64_t now_ns);

// The window ends, and with it the last stage.
void stages_end(struct run *run);

#endif
