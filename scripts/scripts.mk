# scripts.mk - what measures and what teaches: the programs of scripts/.

# An option of a program, if the variable is given to make: $(call flag,N,name).
flag     = $(if $($(1)),--$(2) "$($(1))")
QUICKLY := $(if $(call on,QUICK),--quick)

# ---- The bench

setup:  ## measure: Install what is missing; ELSEWHERE=1: Go, Node ... as well
	@scripts/setup $(if $(call on,ELSEWHERE),elsewhere)

doctor:  ## measure: Say what this machine lacks for the bench, and what fixes it
	@command -v python3 >/dev/null || \
	    { echo "doctor: python3 is missing; make setup installs it" >&2; exit 1; }
	@scripts/doctor

elsewhere: all  ## measure: Build the servers in Python, Go, Node and libuv
	@scripts/bench/elsewhere "$(BIN)"

bench: $(if $(filter elsewhere,$(MODELS)),elsewhere)
bench: all | $(filter setup,$(MAKECMDGOALS))
BENCH    = scripts/bench/bench --bin "$(BIN)" $(QUICKLY) \
           $(if $(call on,FULL),--full) \
           $(call flag,ONLY,only) $(call flag,MODELS,models) \
           $(call flag,SERVER,server) $(call flag,ROUNDS,rounds) \
           $(call flag,SEED,seed) \
           $(call flag,ON,on) \
           $(if $(findstring command,$(origin HOST)),$(call flag,HOST,host))
bench:  ## measure: Compare servers; QUICK=1, FULL=1, ONLY=idle, MODELS=all, ON="ssh lab2"
	@$(BENCH)

plot:  ## measure: Draw the pictures of a run again: RUN=results/latest
	@scripts/bench/bench --draw "$(or $(RUN),results/latest)"

compare:  ## measure: Set two runs side by side: A=results/x B=results/y
	@scripts/bench/compare "$(A)" "$(B)"

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

bench-coro: all $(COSTS) $(BUILD)/bench/callbacks
bench-coro:  ## measure: What coroutines cost, beside other ways
	@scripts/bench/coroutines --bin "$(BIN)" --build "$(BUILD)/bench" \
	    $(call flag,ROUNDS,rounds) $(call flag,ONLY,only)

# The client, beside other load clients and the least that one can do.
$(BUILD)/bench/bare_loop: $(call object,bench/bare_loop.c) $(MEASURE)
	$(link)
$(BUILD)/bench/null_server: $(call object,bench/null_server.c) $(MEASURE) \
    $(filter-out %/main.o,$(CLIENT))
	$(link)

bench-client: $(BIN)/fibload
bench-client: $(BUILD)/bench/bare_loop $(BUILD)/bench/null_server
bench-client:  ## measure: The load client, beside others that are installed
	@scripts/bench/load_client --bin "$(BIN)" --build "$(BUILD)/bench" \
	    $(call flag,ROUNDS,rounds)

# What the tests of bench-coro and bench-client run.
bench-programs: all $(COSTS)
bench-programs: $(addprefix $(BUILD)/bench/, callbacks bare_loop null_server)

$(BIN)/hold: $(call object,bench/hold.c)

scale: all $(BIN)/hold  ## measure: Hold many connections at once: N=100000
	@scripts/bench/many_connections --bin "$(BIN)" $(N)

# ---- The course

html:  ## course: Make the pages, build/html/; RUN=results/latest: your figures
	@scripts/course/site build/html $(call flag,RUN,run)

predict:  ## course: Say what the bench will measure, before it: ANSWERS=file
	@scripts/bench/predict $(call flag,ANSWERS,answers)

# A run that fails (status 1) is handed in, too.
LAB ?= results/lab-$(shell date +%Y-%m-%d-%H%M%S)
lab: all  ## course: Predict, measure, make your pages to hand in; ANSWERS=, QUICK=1
	@set -e; folder="$(LAB)"; made="$$(dirname "$$folder")/predictions.json"; \
	if [ -n "$(ANSWERS)" ] || [ ! -e "$$made" ]; then \
	    scripts/bench/predict $(call flag,ANSWERS,answers) --out "$$made"; \
	else echo "The predictions that you made before are kept."; fi; \
	$(BENCH) --out "$$folder" || [ $$? -eq 1 ]; \
	scripts/course/site --run "$$folder" "$$folder/pages"; \
	sed -n 's/^\*\*\(Q[0-9]*\)\.\*\*.*/## \1\n/p' course/lab.md \
	    >"$$folder/answers.md"; \
	echo "Write your answers into $$folder/answers.md, and hand in $$folder"

SKELETON ?= build/skeleton/$(MODEL)
skeleton: all  ## course: Begin a server of your own: MODEL=thread
	@scripts/course/skeleton "$(MODEL)" "$(SKELETON)" \
	    $(COMMON) $(call parts,$(MODEL))

grade: $(BIN)/fibload $(BUILD)/tests/conversation/run  ## course: Grade SERVER=./mine
	@scripts/course/grade "$(SERVER)" $(call flag,MODEL,model) \
	    --bin "$(BIN)" --conversation "$(BUILD)/tests/conversation/run"

class:  ## course: Set the runs of many students on one page: DIR=collected
	@scripts/bench/classroom "$(or $(DIR),collected)"

# ---- Seeing a server wait

watch: all  ## course: Where a server waits, live: MODEL=thread, PID=, ONCE=1
	@scripts/watch/watch --bin "$(BIN)" $(if $(call on,ONCE),--once) \
	    $(if $(call on,JSON),--json) $(call flag,PID,pid) \
	    $(if $(PID),,$(or $(MODEL),thread) $(ARGS))

# ---- Hostile clients

torture: all  ## test: Run hostile clients against servers; QUICK=1, SERVER=./mine
	@scripts/torture/torture --bin "$(BIN)" $(QUICKLY) \
	    $(call flag,ONLY,only) $(call flag,MODELS,models) \
	    $(call flag,SERVER,server)

soak: all  ## test: Mix everything for SECONDS=60: what is left behind?
	@scripts/torture/soak --bin "$(BIN)" --seconds $(or $(SECONDS),60) \
	    $(call flag,SEED,seed) $(call flag,MODELS,models)

lint:  ## test: Compilers, analysers and layout, without running anything
	scripts/check/lint

.PHONY: bench-programs
