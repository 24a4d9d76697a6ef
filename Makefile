# fiblab: a fib server in five ways. `make` builds it, `make help` lists the rest.

CC      ?= cc
OPT     ?= -O2 -g
SAN     ?=
BUILD   ?= build/plain
BIN     ?= bin
WARN    := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wformat=2 -Wundef \
           -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wwrite-strings \
           -Wcast-qual $(WERROR)
# A large stack frame is to touch each of its pages, and so cannot skip the guard
# page of a coroutine's stack: see servers/coro/co.h.
FRAMES  := $(foreach flag,-fstack-clash-protection \
             --param=stack-clash-protection-guard-size=12,$(shell \
             echo 'int i;' | $(CC) -Werror $(flag) -x c -c -o /dev/null - \
             2>/dev/null && echo $(flag)))
CFLAGS  += -std=c11 -D_GNU_SOURCE -pthread $(FRAMES) $(OPT) $(WARN) $(SAN) -MMD -MP
# now: a first call through the lazy linker takes 3 KB of stack, which is most
# of what a coroutine has.
LDFLAGS += -pthread $(SAN) -Wl,-z,relro,-z,now

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
FIB     := $(call object,fib/fib.c fib/session.c)
COMMON  := $(FIB) $(call object,$(filter-out servers/common/co_%, \
             $(wildcard servers/common/*.c)))
CORO    := $(call object,servers/coro/co_switch_$(SWITCH) \
             $(filter-out servers/coro/co_switch_%,$(wildcard servers/coro/*.c)))
CO_NET  := $(CORO) $(call object,servers/common/co_net.c)
CLIENT  := $(call object,$(wildcard client/*.c))

# What a model is linked with, besides its own object and $(COMMON).
COROUTINE_MODELS := coroutine offload multiloop
parts    = $(if $(filter $(1),$(COROUTINE_MODELS)),$(CO_NET)) \
           $(if $(filter $(1),uring),$(call object,servers/more/ring.c))

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

all: $(SERVERS:%=$(BIN)/%) $(MORE:%=$(BIN)/%) $(BIN)/fibload
all:  ## Build the servers and the client

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

examples: $(EXAMPLES)  ## Build the examples of servers/coro/

$(EXAMPLES): $(BIN)/examples/%: $(BUILD)/servers/coro/examples/%.o $(CORO)
	$(link)
$(filter %_blocking %_callbacks %_coroutines,$(EXAMPLES)): \
    $(call object,servers/coro/examples/fetch.c)

# ---- The bench

BENCH   := $(if $(QUICK),--quick) $(if $(FULL),--full) \
           $(if $(ONLY),--only "$(ONLY)") \
           $(if $(MODELS),--models "$(MODELS)") \
           $(foreach program,$(SERVER),--server "$(program)") \
           $(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(SEED),--seed $(SEED)) \
           --bin "$(BIN)"

setup:  ## Install what is missing: compiler, python3, matplotlib
	@scripts/setup

bench: all | $(filter setup,$(MAKECMDGOALS))
bench:  ## Compare the servers; QUICK=1, FULL=1, ONLY=idle, MODELS=all
	@scripts/bench $(BENCH)

history: all  ## Repeat what others published: then and now
	@scripts/history --bin "$(BIN)" $(if $(MODELS),--models "$(MODELS)")

# What coroutines cost, side by side with other ways to do the same.
COSTS   := switch_co switch_ucontext switch_pthread create_co create_pthread \
           park_co
COSTS   := $(COSTS:%=$(BUILD)/bench/%)
MEASURE := $(call object,bench/measure.c)

$(COSTS): %: %.o $(MEASURE)
	$(link)
$(filter %_co,$(COSTS)): $(CORO)
$(BUILD)/bench/callbacks: %: %.o $(COMMON)
	$(link)

bench-coro: all $(COSTS) $(BUILD)/bench/callbacks  ## Measure the coroutines
	@scripts/bench-coro --bin "$(BIN)" --build "$(BUILD)/bench" \
	    $(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(ONLY),--only "$(ONLY)")

# The client, beside other load clients and the least that one can do.
$(BUILD)/bench/bare_loop: $(call object,bench/bare_loop.c) $(MEASURE)
	$(link)
$(BUILD)/bench/null_server: $(call object,bench/null_server.c) $(MEASURE) \
    $(filter-out %/main.o,$(CLIENT))
	$(link)

bench-client: $(BIN)/fibload
bench-client: $(BUILD)/bench/bare_loop $(BUILD)/bench/null_server
bench-client:  ## Measure the load client, beside others that are installed
	@scripts/bench-client --bin "$(BIN)" --build "$(BUILD)/bench" \
	    $(if $(ROUNDS),--rounds $(ROUNDS))

plot:  ## Draw the pictures of a run again: RUN=results/latest
	@scripts/bench --draw "$(or $(RUN),results/latest)"

compare:  ## Set two runs side by side: A=results/x B=results/y
	@scripts/compare.py "$(A)" "$(B)"

doctor:  ## Say what this machine lacks for the bench, and what mends it
	@scripts/doctor.py

# ---- As many connections as possible

$(BIN)/hold: $(call object,bench/hold.c)

scale: all $(BIN)/hold  ## Hold many connections at once: N=100000
	@scripts/scale --bin "$(BIN)" $(N)

# ---- The course

.PHONY: html predict skeleton grade class

html:  ## Make the tutorial and the annotated source: build/html/index.html
	@scripts/pages.py build/html

predict:  ## Say what the bench will measure, before it does: ANSWERS=file
	@scripts/predict.py $(if $(ANSWERS),--answers "$(ANSWERS)")

SKELETON ?= build/skeleton/$(MODEL)
skeleton: all  ## Begin a server of your own: MODEL=thread
	@scripts/skeleton.py "$(MODEL)" "$(SKELETON)" \
	    $(COMMON) $(call parts,$(MODEL))

grade: $(BIN)/fibload $(BUILD)/tests/conversation/run  ## Grade SERVER=./mine
	@scripts/grade.py "$(SERVER)" $(if $(MODEL),--model "$(MODEL)") \
	    --bin "$(BIN)" --conversation $(BUILD)/tests/conversation/run

class:  ## Set the runs of many students on one page: DIR=collected
	@scripts/classroom.py "$(or $(DIR),collected)"

print-compiler:
	@echo $(CC) $(CFLAGS)

# ---- Tests

FUZZ    := session reply server_options client_options coroutines
UNIT    := fib session net co co_states co_loop co_io co_switch histogram reply \
           schedule conn procstat figures output fibload
TESTS   := $(UNIT:%=$(BUILD)/tests/test_%) $(BUILD)/tests/conversation/run \
           $(BUILD)/tests/gdb_backtrace $(BUILD)/tests/test_examples \
           $(BUILD)/tests/test_scale $(FUZZ:%=$(BUILD)/tests/fuzz_%) \
           $(if $(CXX),$(BUILD)/tests/test_co_cxx)
TAP     := $(call object,tests/tap.c)

$(BUILD)/tests/test_fib:       $(FIB)
$(BUILD)/tests/test_session:   $(FIB)
$(BUILD)/tests/test_net:       $(COMMON)
$(BUILD)/tests/test_co:        LDLIBS := -Wl,--wrap=madvise
# The tests of coroutines have a clock that moves only while the loop sleeps.
CO_TESTS := $(addprefix $(BUILD)/tests/test_co_,states loop io)
VIRTUAL_CLOCK := clock_gettime epoll_wait epoll_pwait
$(CO_TESTS): $(call object,tests/virtual_clock.c)
$(CO_TESTS): LDLIBS := $(VIRTUAL_CLOCK:%=-Wl,--wrap=%)
$(BUILD)/tests/test_co_io: LDLIBS += -Wl,--wrap=epoll_ctl,--wrap=recv \
                                     -Wl,--wrap=recvmsg
$(CO_TESTS) $(addprefix $(BUILD)/tests/,test_co test_co_switch): $(CORO)
$(BUILD)/tests/test_histogram: $(call object,client/histogram.c)
$(BUILD)/tests/test_reply:     $(call object,client/reply.c)
$(BUILD)/tests/test_procstat:  $(call object,client/procstat.c)
$(BUILD)/tests/test_conn:      $(call object,client/conn.c client/reply.c)
$(BUILD)/tests/test_figures $(BUILD)/tests/test_output: \
    $(call object,$(addprefix client/, figures.c histogram.c procstat.c))
$(BUILD)/tests/test_fibload:   $(call object,$(wildcard tests/fibload/*.c))
$(BUILD)/tests/test_net:       LDLIBS := -Wl,--wrap=send,--wrap=recv \
                                         -Wl,--wrap=accept4 \
                                         -Wl,--wrap=clock_gettime
$(addprefix $(BUILD)/tests/test_, fibload histogram schedule procstat figures \
    output): LDLIBS := -lm

$(UNIT:%=$(BUILD)/tests/test_%): $(BUILD)/tests/test_%: \
    $(BUILD)/tests/test_%.o $(TAP)
	$(link)
$(BUILD)/tests/gdb_backtrace: $(BUILD)/tests/gdb_backtrace.o $(CORO)
	$(link)
# co.h is for C++, too. It needs nothing of the C++ library.
$(BUILD)/tests/test_co_cxx.o: tests/test_co_cxx.cc
	@mkdir -p $(@D)
	$(if $(V),,@echo '  CXX   $<')
	$(Q)$(CXX) -std=c++20 -fno-exceptions -D_GNU_SOURCE $(FRAMES) $(OPT) -Wall \
	    -Wextra -Wpedantic $(WERROR) $(SAN) -MMD -MP -c -o $@ $<
$(BUILD)/tests/test_co_cxx: $(BUILD)/tests/test_co_cxx.o $(CORO) $(TAP)
	$(link)
$(BUILD)/tests/conversation/run: \
    $(call object,$(wildcard tests/conversation/*.c)) $(TAP)
	$(link)

$(BUILD)/tests/test_examples: $(EXAMPLES)
$(BUILD)/tests/test_scale: $(BIN)/hold
$(BUILD)/tests/test_%: tests/%_test
	@mkdir -p $(@D)
	$(Q)cp $< $@

# The servers and the client once more, over a layer that makes calls fail.
FAULTS  := $(BUILD)/tests/faults
# Not prefork, which may end with more processes than it began with, and not
# uring, all of whose calls are one: no fault is about a single client.
FAULTED := $(SERVERS) $(filter-out prefork uring,$(MORE))
FAULTY  := $(FAULTED:%=$(FAULTS)/%) $(FAULTS)/fibload
WRAPPED := $(shell sed -nE 's/^(CALL.[^,]*, |TRANSFER.)([a-z0-9_]+),.*/\2/p' \
             tests/faults/calls.h)

$(SERVERS:%=$(FAULTS)/%): $(FAULTS)/%: $(BUILD)/servers/%.o $(COMMON)
$(MORE:%=$(FAULTS)/%): $(FAULTS)/%: $(BUILD)/servers/more/%.o $(COMMON)
$(foreach model,$(FAULTED),$(eval $(FAULTS)/$(model): \
    $(call parts,$(model))))
$(FAULTS)/fibload: $(CLIENT)
$(FAULTY): LDLIBS := $(WRAPPED:%=-Wl,--wrap=%) -lm
$(FAULTY): $(call object,tests/faults/layer.c tests/faults/names.c)
	$(link)
$(FAULTS)/run: $(call object,$(filter-out %/layer.c, \
    $(wildcard tests/faults/*.c)) tests/conversation/server.c \
    tests/conversation/peer.c tests/conversation/resources.c \
    tests/conversation/await.c) $(TAP)
	$(link)

faulty: $(FAULTY) $(FAULTS)/run

faults: faulty all  ## Make every system call fail, one by one
	@$(FAULTS)/run $(FAULTS) $(FAULTED) fibload
	@tests/faults_test $(BUILD)/bin

# Fuzz targets: with libFuzzer, and as tests that replay what it has found.
REPLAYS := $(FUZZ:%=$(BUILD)/tests/fuzz_%)
FUZZERS := $(FUZZ:%=$(BUILD)/fuzz/%)

$(REPLAYS): $(BUILD)/tests/fuzz_%: $(call object,tests/fuzz/replay.c) $(TAP)
	$(link)
$(FUZZERS): LDFLAGS += -fsanitize=fuzzer
$(FUZZERS):
	$(link)
$(foreach name,$(FUZZ),$(eval $(BUILD)/tests/fuzz_$(name) \
    $(BUILD)/fuzz/$(name): $(call object,tests/fuzz/$(name).c)))
$(BUILD)/tests/fuzz_session $(BUILD)/fuzz/session: $(FIB)
$(BUILD)/tests/fuzz_reply $(BUILD)/fuzz/reply: $(call object,client/reply.c)
$(BUILD)/tests/fuzz_server_options $(BUILD)/fuzz/server_options: $(COMMON)
$(BUILD)/tests/fuzz_coroutines $(BUILD)/fuzz/coroutines: $(CORO) \
    $(call object,tests/fuzz/co_model.c)
$(filter %coroutines,$(REPLAYS) $(FUZZERS)): LDLIBS := -Wl,--wrap=epoll_ctl \
    $(addprefix -Wl$(comma)--wrap=,epoll_wait epoll_pwait mmap recv recvmsg \
    send clock_gettime)
$(filter %session,$(REPLAYS) $(FUZZERS)): LDLIBS := -Wl,--wrap=fib
$(filter %options,$(REPLAYS) $(FUZZERS)): LDLIBS := -Wl,--wrap=exit

fuzzers: $(FUZZERS)

fuzz:  ## Try random inputs on what parses: FUZZ_SECONDS=30
	@if echo 'int LLVMFuzzerTestOneInput(void) { return 0; }' | clang \
	    -fsanitize=fuzzer -x c - -o /dev/null 2>/dev/null; then \
	    $(MAKE) -s CC=clang BUILD=build/fuzz SAN="-fsanitize=address,undefined \
	        -fsanitize=fuzzer-no-link -fno-sanitize-recover=all" fuzzers && \
	    tests/fuzz/run build/fuzz/fuzz --seconds $(or $(FUZZ_SECONDS),30) \
	        $(FUZZ); \
	else \
	    echo "skipped: no clang with libFuzzer"; \
	fi

tests: all $(TESTS)  ## Build the tests

# What the tests of bench-coro and bench-client run.
bench-programs: all $(COSTS)
bench-programs: $(addprefix $(BUILD)/bench/, callbacks bare_loop null_server)

test:  ## Run all tests, under the sanitizers too; STAGES="asan tutorial"
	@tests/run $(STAGES)

check:  ## Run the quick ones, for the inner loop: half a minute
	@tests/run check

drain: tests  ## Stop each server under load: DRAINS=50 times
	@ONLY=drain DRAINS=$(or $(DRAINS),50) $(BUILD)/tests/conversation/run \
	    $(patsubst %,$(BIN)/%,$(or $(MODELS),$(SERVERS) $(MORE)))

mutants: tests  ## Plant classic bugs, and see which test catches each
	@tests/mutants/run $(N)

mutant: tests  ## Build a server with a bug to find: N=07
	@tests/mutants/run --only $(N) $(BIN)/mutant-$(N)

# ---- Hostile clients

torture: all  ## Set hostile clients on the servers; QUICK=1, SERVER=./mine
	@scripts/torture --bin "$(BIN)" $(if $(QUICK),--quick) \
	    $(if $(ONLY),--only "$(ONLY)") \
	    $(if $(MODELS),--models "$(MODELS)") \
	    $(foreach program,$(SERVER),--server "$(program)")

soak: all  ## Mix everything for SECONDS=60: what is left behind?
	@scripts/soak --bin "$(BIN)" $(if $(SEED),--seed $(SEED)) \
	    --seconds $(or $(SECONDS),60) \
	    $(if $(MODELS),--models "$(MODELS)")

lint:  ## Compilers, analysers and layout, without running anything
	scripts/lint

format:  ## Apply the layout of .clang-format
	find fib servers client tests bench -name '*.[ch]' | xargs clang-format -i

help:  ## List the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' \
	    $(MAKEFILE_LIST)

clean:  ## Remove what was built
	rm -rf build bin

# Targets with a description name no files.
.PHONY: print-compiler bench-programs faulty fuzzers \
        $(shell sed -nE 's/^([a-z-]+):.*\#\# .*/\1/p' $(MAKEFILE_LIST))
-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
