##@ Develop
# Set-up: one virtual environment, filled from hashed locks with what the target needs. It writes to stderr only:
# the stdout of a target belongs to its result, as in eval "$(make environment)".
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin

# One stamp per lock; each lock includes the one before it.
DEMO   := $(VENV)/.demo-installed
DEV    := $(VENV)/.dev-installed
SPEECH := $(VENV)/.speech-installed

# The environment of the policy pack (stack.mk).
POLICIES := .tools/policies/.installed

INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r

$(BIN)/python:
	@command -v $(PYTHON) >/dev/null || { echo "story-tts needs Python 3.11 or 3.12, and there is no $(PYTHON): set PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(None if (3, 11) <= v < (3, 13) else f"story-tts needs Python 3.11 or 3.12, and $(PYTHON) is {v[0]}.{v[1]}: set PYTHON=python3.12")'
	@$(PYTHON) -m venv $(VENV) >&2

# The project is installed editable, without build isolation, which would download unpinned tools.
define install
	@echo "installing requirements/$(1).txt into $(VENV)" >&2
	@$(INSTALL) requirements/$(1).txt >&2
	@PYTHONWARNINGS="ignore:Editable installation" $(BIN)/python -m pip install --quiet \
	  --disable-pip-version-check --no-deps --no-build-isolation --editable . >&2
	@touch $@
endef

$(DEMO): requirements/demo.txt pyproject.toml | $(BIN)/python
	$(call install,demo)

$(DEV): requirements/dev.txt pyproject.toml | $(BIN)/python
	$(call install,dev)
	@touch $(DEMO)

$(SPEECH): requirements/all.txt pyproject.toml | $(BIN)/python
	@echo "the speech extra needs about 8 GB with the CUDA build of torch" >&2
	$(call install,all)
	@touch $(DEMO) $(DEV)

.PHONY: setup lock
setup: $(DEV) $(POLICIES) ## Install everything except the speech extra into .venv

# One resolution for all extras: the smaller locks are constrained by the largest. Those of ministack and of the
# policy pack are apart.
UV_LOCK = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
  --no-emit-find-links --custom-compile-command "make lock"
UV_COMPILE = $(UV_LOCK) pyproject.toml requirements/build.in

# Dependencies of Kokoro and WhisperX that the image leaves out: they are declared, but not loaded for speech and
# alignment. These are WhisperX's transcription and diarization, training, plots, telemetry by gRPC, spaCy's commands and
# phonemizer's tables (app/speech/loading.py replaces these two). torch comes from requirements/torch-cpu.txt or
# torch-cuda.txt. tests/image checks that the rest is enough.
LEFT_OUT := \
  aiohappyeyeballs aiohttp aiosignal alembic asteroid-filterbanks av babel cloudpathlib colorlog contourpy csvw \
  ctranslate2 cycler einops faster-whisper flatbuffers fonttools frozenlist grpcio hf-xet isodate jsonschema \
  jsonschema-specifications julius kiwisolver language-tags lightning lightning-utilities mako matplotlib \
  multidict narwhals networkx nvidia-cublas-cu12 nvidia-cuda-cupti-cu12 nvidia-cuda-nvrtc-cu12 \
  nvidia-cuda-runtime-cu12 nvidia-cudnn-cu12 nvidia-cufft-cu12 nvidia-cufile-cu12 nvidia-curand-cu12 \
  nvidia-cusolver-cu12 nvidia-cusparse-cu12 nvidia-cusparselt-cu12 nvidia-nccl-cu12 nvidia-nvjitlink-cu12 \
  nvidia-nvtx-cu12 omegaconf onnxruntime opentelemetry-exporter-otlp opentelemetry-exporter-otlp-proto-grpc \
  optuna pillow primepy propcache pyannote-audio pyannote-core pyannote-database pyannote-metrics \
  pyannote-pipeline pyannoteai-sdk pyparsing pytorch-lightning pytorch-metric-learning rdflib referencing \
  rfc3986 rpds-py scikit-learn scipy segments smart-open sortedcontainers sqlalchemy threadpoolctl torch \
  torch-audiomentations torch-pitch-shift torchcodec torchmetrics torchvision triton uritemplate uv weasel yarl

lock: $(DEV) ## Resolve pyproject.toml into requirements/*.txt
	$(UV_COMPILE) --extra local --extra readers --extra m4b --extra otel --extra stack --extra dev \
	  --extra speech -o requirements/all.txt $(LOCK_FLAGS)
	$(UV_COMPILE) --extra local --extra readers -c requirements/all.txt -o requirements/demo.txt
	$(UV_COMPILE) --extra local --extra readers --extra m4b --extra otel --extra stack --extra dev \
	  -c requirements/all.txt -o requirements/dev.txt
	$(UV_COMPILE) --extra otel --no-emit-package uv -c requirements/all.txt -o requirements/image-espeak.txt
	$(UV_COMPILE) --extra otel --extra speech $(LEFT_OUT:%=--no-emit-package %) \
	  -c requirements/all.txt -o requirements/image-kokoro.txt
	sed -nE '/^(torch==|nvidia-|triton==)/,/[^\]$$/p' requirements/all.txt > requirements/torch-cuda.txt
	for apart in ministack policies; do \
	  $(UV_LOCK) requirements/$$apart.in -o requirements/$$apart.txt $(LOCK_FLAGS) || exit 1; \
	done
