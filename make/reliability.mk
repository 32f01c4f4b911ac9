# What the worker promises under faults, shown by commands that run as long as they are asked to.
JOBS   ?= 200
SEED   ?= 1
BODIES ?= 100000

.PHONY: chaos guards fuzz bench-throughput bench-shutdown bench-recovery

chaos: $(DEV) ## A soak under faults: make chaos JOBS=2000 SEED=7
	$(BIN)/python -m tests.chaos.soak --jobs $(JOBS) --seed $(SEED)

guards: $(DEV) ## Remove each guard in turn: which test notices?
	$(BIN)/python -m tests.chaos.guards

fuzz: $(DEV) ## Message bodies that nobody would send: make fuzz BODIES=100000 SEED=7
	BODIES=$(BODIES) $(BIN)/python -m pytest -q --timeout 0 --hypothesis-seed $(SEED) tests/fuzz/test_bodies.py

bench-throughput: $(DEV) ## 1,000 jobs in one worker: jobs a second, and nothing lost, doubled or leaked
	$(BIN)/python -m benchmarks.throughput

bench-shutdown: $(DEV) ## SIGTERM to exit, 100 times
	$(BIN)/python -m benchmarks.shutdown

bench-recovery: $(DEV) ## From the kill of a worker to the next claim of its job
	$(BIN)/python -m benchmarks.recovery
