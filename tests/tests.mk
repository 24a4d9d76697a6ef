# tests.mk - how the tests are built, and what runs them.

FUZZ    := session http reply server_options client_options coroutines
UNIT    := fib session net co co_states co_loop co_io co_switch co_inspect \
           co_watchdog histogram reply schedule conn count procstat figures \
           output options fibload tap
TESTS   := $(UNIT:%=$(BUILD)/tests/test_%) $(BUILD)/tests/conversation/run \
           $(BUILD)/tests/gdb_backtrace $(BUILD)/tests/test_examples \
           $(BUILD)/tests/test_scale $(FUZZ:%=$(BUILD)/tests/fuzz_%) \
           $(if $(CXX),$(BUILD)/tests/test_co_cxx)
TAP     := $(call object,tests/tap.c)
# fib() shares no data, and the thread sanitizer would record each of its calls.
$(BUILD)/fib/fib.o: override CFLAGS += -fno-sanitize=thread
# No process of the conversation has several threads, and tap.c is part of it.
$(call object,$(wildcard tests/conversation/*.c)) $(TAP): \
    override CFLAGS += -fno-sanitize=thread
$(BUILD)/tests/conversation/run: override LDFLAGS += -fno-sanitize=thread

$(BUILD)/tests/test_fib:       $(FIB)
$(BUILD)/tests/test_session:   $(FIB)
$(BUILD)/tests/test_net:       $(COMMON)
$(BUILD)/tests/test_co:        LDLIBS := -Wl,--wrap=madvise
# The tests of coroutines have a clock that moves only while the loop sleeps.
CO_TESTS := $(addprefix $(BUILD)/tests/test_co_,states loop io inspect)
VIRTUAL_CLOCK := clock_gettime epoll_wait epoll_pwait
$(CO_TESTS): $(call object,tests/virtual_clock.c)
$(CO_TESTS): LDLIBS := $(VIRTUAL_CLOCK:%=-Wl,--wrap=%)
$(BUILD)/tests/test_co_io: LDLIBS += -Wl,--wrap=epoll_ctl,--wrap=recv \
                                     -Wl,--wrap=recvmsg
$(BUILD)/tests/test_co_watchdog: LDLIBS := -Wl,--wrap=clock_gettime
$(CO_TESTS) $(addprefix $(BUILD)/tests/test_,co co_switch co_watchdog): $(CORO)
$(BUILD)/tests/test_histogram: $(call object,client/histogram.c)
$(BUILD)/tests/test_reply:     $(call object,client/reply.c)
$(BUILD)/tests/test_procstat:  $(call object,client/procstat.c)
$(BUILD)/tests/test_conn:      $(call object,client/conn.c client/reply.c)
$(BUILD)/tests/test_count:     $(call object,$(addprefix client/, count.c \
                                   conn.c histogram.c reply.c))
$(BUILD)/tests/test_figures $(BUILD)/tests/test_output: \
    $(call object,$(addprefix client/, figures.c histogram.c options.c \
        procstat.c))
$(BUILD)/tests/test_fibload:   $(call object,$(wildcard tests/fibload/*.c))
$(BUILD)/tests/test_net:       LDLIBS := -Wl,--wrap=send,--wrap=recv \
                                         -Wl,--wrap=accept4,--wrap=getaddrinfo \
                                         -Wl,--wrap=clock_gettime
$(addprefix $(BUILD)/tests/test_, fibload histogram schedule count procstat \
    figures output): LDLIBS := -lm

$(UNIT:%=$(BUILD)/tests/test_%): $(BUILD)/tests/test_%: \
    $(BUILD)/tests/test_%.o $(TAP)
	$(link)
$(BUILD)/tests/gdb_backtrace: $(BUILD)/tests/gdb_backtrace.o $(CORO)
	$(link)
# co.h is for C++, too. It needs nothing of the C++ library.
$(BUILD)/tests/test_co_cxx.o: tests/test_co_cxx.cc
	@mkdir -p $(@D)
	$(if $(call on,V),,@echo '  CXX   $<')
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
# Not prefork and workers, which may end with more processes than they began
# with, nor uring, all of whose calls are one: no fault is about one client.
FAULTED := $(SERVERS) $(filter-out prefork workers uring,$(MORE))
FAULTY  := $(FAULTED:%=$(FAULTS)/%) $(FAULTS)/fibload
LAYER   := $(addprefix tests/faults/, layer.c leaping_clock.c names.c)
WRAPPED := $(shell sed -nE 's/^(CALL.[^,]*, |TRANSFER.)([[:alnum:]_]+),.*/\2/p' \
             tests/faults/calls.h)

$(SERVERS:%=$(FAULTS)/%): $(FAULTS)/%: $(BUILD)/servers/%.o $(COMMON)
$(MORE:%=$(FAULTS)/%): $(FAULTS)/%: $(BUILD)/servers/more/%.o $(COMMON)
$(foreach model,$(FAULTED),$(eval $(FAULTS)/$(model): \
    $(call parts,$(model))))
$(FAULTS)/fibload: $(CLIENT)
$(FAULTY): LDLIBS := $(WRAPPED:%=-Wl,--wrap=%) -Wl,--wrap=clock_gettime -lm
$(FAULTY): $(call object,$(LAYER))
	$(link)
$(FAULTS)/run: $(call object,$(filter-out %/layer.c %/leaping_clock.c, \
    $(wildcard tests/faults/*.c)) tests/conversation/server.c \
    tests/conversation/peer.c tests/conversation/resources.c \
    tests/conversation/await.c) $(TAP)
	$(link)

faulty: $(FAULTY) $(FAULTS)/run

faults: faulty all  ## test: Make every system call fail, one by one
	@$(FAULTS)/run $(FAULTS) $(FAULTED) fibload
	@tests/faults_test $(BUILD)/bin

# Fuzz targets: with libFuzzer, and as tests that replay what it has found.
REPLAYS := $(FUZZ:%=$(BUILD)/tests/fuzz_%)
FUZZERS := $(FUZZ:%=$(BUILD)/fuzz/%)

$(REPLAYS): $(BUILD)/tests/fuzz_%: $(call object,tests/fuzz/replay.c) $(TAP)
	$(link)
$(FUZZERS): override LDFLAGS += -fsanitize=fuzzer
$(FUZZERS):
	$(link)
$(foreach name,$(FUZZ),$(eval $(BUILD)/tests/fuzz_$(name) \
    $(BUILD)/fuzz/$(name): $(call object,tests/fuzz/$(name).c)))
$(BUILD)/tests/fuzz_session $(BUILD)/fuzz/session: $(FIB)
$(BUILD)/tests/fuzz_http $(BUILD)/fuzz/http: $(FIB)
$(BUILD)/tests/fuzz_reply $(BUILD)/fuzz/reply: $(call object,client/reply.c)
$(BUILD)/tests/fuzz_server_options $(BUILD)/fuzz/server_options: $(COMMON)
$(BUILD)/tests/fuzz_coroutines $(BUILD)/fuzz/coroutines: $(CORO) \
    $(call object,$(wildcard tests/fuzz/co_*.c))
$(filter %coroutines,$(REPLAYS) $(FUZZERS)): LDLIBS := -Wl,--wrap=epoll_ctl \
    $(addprefix -Wl$(comma)--wrap=,epoll_wait epoll_pwait mmap recv recvmsg \
    send clock_gettime)
$(filter %session %http,$(REPLAYS) $(FUZZERS)): LDLIBS := -Wl,--wrap=fib
$(filter %options,$(REPLAYS) $(FUZZERS)): LDLIBS := -Wl,--wrap=exit

fuzzers: $(FUZZERS)

fuzz:  ## test: Try random inputs on what parses: FUZZ_SECONDS=30
	@if echo 'int LLVMFuzzerTestOneInput(void) { return 0; }' | clang \
	    -fsanitize=fuzzer -x c - -o /dev/null 2>/dev/null; then \
	    $(MAKE) -s CC=clang BUILD=build/fuzz SAN="-fsanitize=address,undefined \
	        -fsanitize=fuzzer-no-link -fno-sanitize-recover=all" fuzzers && \
	    tests/fuzz/run build/fuzz/fuzz --seconds $(or $(FUZZ_SECONDS),30) \
	        $(FUZZ); \
	else \
	    echo "skipped: no clang with libFuzzer"; \
	fi

tests: all $(TESTS)  ## test: Build the tests

test:  ## test: Run all tests, under the sanitizers too; STAGES="asan tutorial"
	@tests/run $(STAGES)

check:  ## test: Run the quick ones, for the inner loop: half a minute
	@tests/run check

DRAINED  = $(or $(filter-out all,$(MODELS)),$(SERVERS) $(MORE))
drain: tests  ## test: Stop each server under load: DRAINS=50 times
	@ONLY=drain DRAINS=$(or $(DRAINS),50) $(BUILD)/tests/conversation/run \
	    $(DRAINED:%=-- "$(BIN)/%")

mutants: tests  ## test: Plant classic bugs, and see which test catches each
	@tests/mutants/run $(N)

mutant: all  ## test: Build a server with a bug to find: N=07
	@tests/mutants/run --only $(N) $(BIN)/mutant-$(N)

.PHONY: faulty fuzzers
