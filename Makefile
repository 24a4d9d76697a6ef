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
LDFLAGS += -pthread $(SAN)

# A model is one file in servers/, and one word here.
MODELS  := blocking fork thread nonblocking

object   = $(patsubst %,$(BUILD)/%.o,$(basename $(1)))
FIB     := $(call object,fib/fib.c fib/session.c)
COMMON  := $(FIB) $(call object,$(wildcard servers/common/*.c))

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

all: $(MODELS:%=$(BIN)/%)  ## Build the servers

$(MODELS:%=$(BIN)/%): $(BIN)/%: $(BUILD)/servers/%.o $(COMMON)

$(BIN)/%:
	$(link)

$(BUILD)/%.o: %.c
	$(compile)

$(BUILD)/%.o: %.S
	$(compile)

# ---- Tests

UNIT    := fib session net
TESTS   := $(UNIT:%=$(BUILD)/tests/test_%)
TAP     := $(call object,tests/tap.c)

$(BUILD)/tests/test_fib:       $(FIB)
$(BUILD)/tests/test_session:   $(FIB)
$(BUILD)/tests/test_net:       $(COMMON)
$(BUILD)/tests/test_net:       LDLIBS := -Wl,--wrap=send,--wrap=recv \
                                         -Wl,--wrap=accept4

$(UNIT:%=$(BUILD)/tests/test_%): $(BUILD)/tests/test_%: \
    $(BUILD)/tests/test_%.o $(TAP)
	$(link)

tests: all $(TESTS)  ## Build the tests

test: tests  ## Run all tests
	set -e; for t in $(TESTS); do $$t; done

help:  ## List the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' \
	    $(MAKEFILE_LIST)

clean:  ## Remove what was built
	rm -rf build bin

.PHONY: all tests test help clean
-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
