# fiblab: a fib server in five ways. `make` builds it, `make help` lists the rest.
# What measures and teaches is in scripts/scripts.mk, the tests in tests/tests.mk.

# A variable that is empty, as in `make CC=`, has its default, too.
override CC    := $(or $(CC),cc)
OPT     ?= -O2 -g
SAN     ?=
override BUILD := $(or $(BUILD),build/plain)
override BIN   := $(or $(BIN),bin)
WARN    := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wformat=2 -Wundef \
           -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wwrite-strings \
           -Wcast-qual $(WERROR)
# A large stack frame is to touch each of its pages, and so cannot skip the guard
# page of a coroutine's stack: see servers/coro/co.h.
# Returns the flags if the compiler knows them. It needs 50 ms to say so.
takes    = $(shell $(CC) -Werror $(1) -fsyntax-only -x c /dev/null 2>/dev/null \
             && echo $(1))
FRAMES  := -fstack-clash-protection
FRAMES  := $(or $(call takes,$(FRAMES) \
             --param=stack-clash-protection-guard-size=12), \
             $(call takes,$(FRAMES)))
# musl-gcc does not know where the kernel's headers are.
KERNEL  := $(if $(findstring musl,$(CC)),$(addprefix -idirafter /usr/include, \
             / /$(shell $(CC) -dumpmachine)))
# CFLAGS and LDFLAGS of the user come last: `make CFLAGS=-O3` adds to ours.
override CFLAGS := -std=c11 -D_GNU_SOURCE -pthread $(FRAMES) $(KERNEL) $(OPT) \
    $(WARN) $(SAN) -MMD -MP $(CFLAGS)
# now: a first call through the lazy linker takes 3 KB of stack, which is most
# of what a coroutine has.
override LDFLAGS := -pthread $(SAN) -Wl,-z,relro,-z,now $(LDFLAGS)

# A model is one file in servers/, and one line in this list.
SERVERS := $(shell cat servers/MODELS)
# Those on the road between them are files in servers/more/.
MORE    := $(shell cat servers/more/MODELS)

# How coroutines change stacks: in assembly where we have it, else by ucontext.
ARCH    := $(firstword $(subst -, ,$(shell $(CC) -dumpmachine)))
SWITCH  ?= $(if $(wildcard servers/coro/co_switch_$(ARCH).S),$(ARCH),ucontext)

comma   := ,
# A compiler of C++ for the same machine, if there is one.
CXX     := $(if $(filter $(shell $(CC) -dumpmachine),$(shell \
             $(CXX) -dumpmachine 2>/dev/null)),$(CXX))
object   = $(patsubst %,$(BUILD)/%.o,$(basename $(1)))
FIB     := $(call object,fib/fib.c fib/session.c fib/http.c)
COMMON  := $(FIB) $(call object,$(filter-out servers/common/co_%, \
             $(wildcard servers/common/*.c)))
CORO    := $(call object,servers/coro/co_switch_$(SWITCH) \
             $(filter-out servers/coro/co_switch_%,$(wildcard servers/coro/*.c)))
CO_NET  := $(CORO) $(call object,servers/common/co_net.c)
CLIENT  := $(call object,$(wildcard client/*.c))

# What a model is linked with, besides its own object and $(COMMON).
COROUTINE_MODELS := coroutine offload multiloop
parts    = $(if $(filter $(1),$(COROUTINE_MODELS)),$(CO_NET)) \
           $(if $(filter $(1),uring),$(call object,servers/more/ring.c)) \
           $(if $(filter $(1),workers),$(call object,servers/more/loop.c))

# Whether a switch is on: $(call on,V). Its value 0 means off.
on       = $(filter-out 0,$($(1)))
# `make V=1` shows the commands.
Q       := $(if $(call on,V),,@)

define compile
@mkdir -p $(@D)
$(if $(call on,V),,@echo '  CC    $<')
$(Q)$(CC) $(CFLAGS) -c -o $@ $<
endef

define link
@mkdir -p $(@D)
$(if $(call on,V),,@echo '  LINK  $@')
$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)
endef

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
# Half of make's time is to try its own rules, none of which we use.
MAKEFLAGS += --no-builtin-rules

all: $(SERVERS:%=$(BIN)/%) $(MORE:%=$(BIN)/%) $(BIN)/fibload
all:  ## build: The servers and the client

$(SERVERS:%=$(BIN)/%): $(BIN)/%: $(BUILD)/servers/%.o $(COMMON)
$(MORE:%=$(BIN)/%): $(BIN)/%: $(BUILD)/servers/more/%.o $(COMMON)
$(foreach model,$(SERVERS) $(MORE),$(eval $(BIN)/$(model): \
    $(call parts,$(model))))
$(BIN)/fibload: $(CLIENT)
$(BIN)/fibload $(BUILD)/bench/null_server: LDLIBS := -lm

$(BIN)/%:
	$(link)

$(BUILD)/%.o: %.c
	$(compile)

$(BUILD)/%.o: %.S
	$(compile)

# ---- The examples of the coroutine runtime, a page each

EXAMPLES := generator yield_from round_robin blocking_trap group offload \
            fetch_blocking fetch_callbacks fetch_coroutines
EXAMPLES := $(EXAMPLES:%=$(BIN)/examples/%)

examples: $(EXAMPLES)  ## build: The examples of servers/coro/

$(EXAMPLES): $(BIN)/examples/%: $(BUILD)/servers/coro/examples/%.o $(CORO)
	$(link)
$(filter %_blocking %_callbacks %_coroutines,$(EXAMPLES)): \
    $(call object,servers/coro/examples/fetch.c)

# ---- The rest

include scripts/scripts.mk tests/tests.mk

print-compiler:
	@echo $(CC) $(CFLAGS)

format:  ## build: Apply the layout of .clang-format
	find fib servers client tests bench -name '*.[ch]' | xargs clang-format -i

clean:  ## build: Remove what was built
	rm -rf build bin

# A line for each target with a description, by its group.
help:  ## build: List the targets
	@for group in build measure course test; do echo "$$group:"; \
	    sed -nE "s/^([[:lower:]-]+):.*## $$group: (.*)/  make \1|\2/p" \
	    $(MAKEFILE_LIST) | awk -F'|' '{printf "%-20s %s\n", $$1, $$2}'; done

# Targets with a description name no files.
.PHONY: print-compiler $(shell sed -nE 's/^([[:lower:]-]+):.*\#\# .*/\1/p' \
            $(MAKEFILE_LIST))
-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
