# fiblab: a fib server in five ways. `make` builds it, `make help` lists the rest.

CC      ?= cc
OPT     ?= -O2 -g
SAN     ?=
BUILD   ?= build/plain
BIN     ?= bin
WARN    := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wformat=2 -Wundef \
           -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wwrite-strings \
           -Wcast-qual $(WERROR)
CFLAGS  += -std=c11 -D_GNU_SOURCE -pthread $(OPT) $(WARN) $(SAN) -MMD -MP
# now: a first call through the lazy linker takes 3 KB of stack, which is most
# of what a coroutine has.
LDFLAGS += -pthread $(SAN) -Wl,-z,relro,-z,now

# A model is one file in servers/, and one line in this list.
MODELS  := $(shell cat servers/MODELS)

# How coroutines change stacks: in assembly where we have it, else by ucontext.
ARCH    := $(firstword $(subst -, ,$(shell $(CC) -dumpmachine)))
SWITCH  ?= $(if $(wildcard servers/coro/co_switch_$(ARCH).S),$(ARCH),ucontext)

object   = $(patsubst %,$(BUILD)/%.o,$(basename $(1)))
FIB     := $(call object,fib/fib.c fib/session.c)
COMMON  := $(FIB) $(call object,$(filter-out servers/common/co_%, \
             $(wildcard servers/common/*.c)))
CORO    := $(call object,servers/coro/co_switch_$(SWITCH) \
             $(filter-out servers/coro/co_switch_%,$(wildcard servers/coro/*.c)))
CLIENT  := $(call object,$(wildcard client/*.c))

# `make V=1` shows the commands.
Q       := $(if $(V),,@)

define compile
@mkdir -p $(@D)
$(if $(V),,@echo '  CC    $<')
$(Q)$(CC) $(CFLAGS) -c -o $@ $<
endef

define link
@mkdir -p $(@D)
$(if $(V),,@echo '  LINK  $@')
$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)
endef

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:

all: $(MODELS:%=$(BIN)/%) $(BIN)/fibload  ## Build the servers and the client

$(MODELS:%=$(BIN)/%): $(BIN)/%: $(BUILD)/servers/%.o $(COMMON)
$(BIN)/coroutine: $(CORO) $(call object,$(wildcard servers/common/co_*.c))
$(BIN)/fibload: $(CLIENT)

$(BIN)/%:
	$(link)

$(BUILD)/%.o: %.c
	$(compile)

$(BUILD)/%.o: %.S
	$(compile)

# ---- The bench

BENCH   := $(if $(QUICK),--quick) $(if $(FULL),--full) \
           $(if $(ONLY),--only "$(ONLY)") \
           $(if $(filter file,$(origin MODELS)),,--models "$(MODELS)") \
           $(foreach program,$(SERVER),--server "$(program)") \
           $(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(SEED),--seed $(SEED)) \
           --bin "$(BIN)"

setup:  ## Install what is missing: compiler, python3, matplotlib
	@scripts/setup

bench: all | $(filter setup,$(MAKECMDGOALS))
bench:  ## Compare the servers; QUICK=1, FULL=1, ONLY=idle, SERVER=./mine
	@scripts/bench $(BENCH)

plot:  ## Draw the pictures of a run again: RUN=results/latest
	@scripts/bench --draw "$(or $(RUN),results/latest)"

compare:  ## Set two runs side by side: A=results/x B=results/y
	@scripts/compare.py "$(A)" "$(B)"

doctor:  ## Say what this machine lacks for the bench, and what mends it
	@scripts/doctor.py

print-compiler:
	@echo $(CC) $(CFLAGS)

# ---- Tests

UNIT    := fib session net co co_structure histogram reply usage connection fibload
TESTS   := $(UNIT:%=$(BUILD)/tests/test_%) $(BUILD)/tests/conversation/run
TAP     := $(call object,tests/tap.c)

$(BUILD)/tests/test_fib:       $(FIB)
$(BUILD)/tests/test_session:   $(FIB)
$(BUILD)/tests/test_net:       $(COMMON)
$(BUILD)/tests/test_co:        $(CORO)
$(BUILD)/tests/test_co_structure: $(CORO)
$(BUILD)/tests/test_co_structure: LDLIBS := -Wl,--wrap=madvise
$(BUILD)/tests/test_histogram: $(call object,client/histogram.c)
$(BUILD)/tests/test_reply:     $(call object,client/reply.c)
$(BUILD)/tests/test_usage:     $(call object,client/usage.c)
$(BUILD)/tests/test_connection: $(call object,client/connection.c \
    client/clock.c client/reply.c)
$(BUILD)/tests/test_net:       LDLIBS := -Wl,--wrap=send,--wrap=recv \
                                         -Wl,--wrap=accept4
$(BUILD)/tests/test_histogram: LDLIBS := -lm

$(UNIT:%=$(BUILD)/tests/test_%): $(BUILD)/tests/test_%: \
    $(BUILD)/tests/test_%.o $(TAP)
	$(link)
$(BUILD)/tests/conversation/run: \
    $(call object,$(wildcard tests/conversation/*.c)) $(TAP)
	$(link)

tests: all $(TESTS)  ## Build the tests

test:  ## Run all tests, under the sanitizers too
	tests/run

lint:  ## Compilers, analysers and layout, without running anything
	scripts/lint

format:  ## Apply the layout of .clang-format
	find fib servers client tests -name '*.[ch]' | xargs clang-format -i

help:  ## List the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' \
	    $(MAKEFILE_LIST)

clean:  ## Remove what was built
	rm -rf build bin

.PHONY: all setup bench plot compare doctor print-compiler tests test lint \
        format help clean
-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
