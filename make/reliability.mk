##@ Measure
# The worker under faults; the numbers of jobs and bodies are settings.
JOBS   ?= 200
SEED   ?= 1
BODIES ?= 100000

.PHONY: chaos guards fuzz bench-throughput bench-shutdown bench-recovery bench-resume

# CHAOS_FLAGS: --ministack, --old REVISION, --minutes N
chaos: $(DEV) .tools/ministack/bin/ministack ## Soak test under faults [JOBS=2000 SEED=7]
	$(BIN)/python -m tests.chaos.soak --jobs $(JOBS) --seed $(SEED) $(CHAOS_FLAGS)

guards: $(DEV) ## Remove each safety check, run its tests [GUARDS=name]
	$(BIN)/python -m tests.chaos.guards "$(GUARDS)"

fuzz: $(DEV) ## Fuzz message bodies [BODIES=100000 SEED=7]
	BODIES=$(BODIES) $(BIN)/python -m pytest -q --timeout 0 --hypothesis-seed $(SEED) tests/fuzz/test_bodies.py

bench-throughput: $(DEV) ## Jobs per second of one worker; none lost or duplicated
	$(BIN)/python -m benchmarks.throughput

bench-shutdown: $(DEV) ## Time from SIGTERM to exit, 100 times
	$(BIN)/python -m benchmarks.shutdown

bench-recovery: $(DEV) ## Time from a worker's kill to the next claim of its job
	$(BIN)/python -m benchmarks.recovery

bench-resume: $(DEV) ## Cost of killing a two-hour story, and of editing one
	$(BIN)/python -m benchmarks.resume
