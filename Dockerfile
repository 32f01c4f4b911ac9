# The worker in its own image: docker build --tag story-tts:local .
#
#   BASE         a Debian with Python 3.11; pin it by digest (python:3.11-slim-bookworm@sha256:...) where builds must
#                repeat: which digest is the newest cannot be known in this file
#   ENGINE       kokoro: with torch, WhisperX and the models; espeak: without all three
#   TORCH        cpu, or cuda for machines with a GPU (requirements/torch-*.txt)
#   TORCH_INDEX  where torch's CPU wheel comes from; its digest is in the lock, whatever the index
#   MODELS       the sets of `story-tts models list` to bring along; empty: the default ones
#   HF_ENDPOINT, MODELS_MIRROR: where models come from instead; see `story-tts models fetch --help`
#
# Each COPY of the last stage is a layer; what changes least comes first.
ARG BASE=python:3.11-slim-bookworm
ARG ENGINE=kokoro
ARG TORCH=cpu

# hadolint ignore=DL3006  # its tag is in BASE
FROM ${BASE} AS base
ENV PATH=/opt/story-tts/bin:$PATH \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_ROOT_USER_ACTION=ignore

# What both engines need, in a virtual environment that is copied as a whole.
FROM base AS packages-espeak
COPY requirements/image-espeak.txt /requirements/
RUN python3 -m venv /opt/story-tts \
    && python3 -m pip install --require-hashes -r /requirements/image-espeak.txt \
    && mkdir /opt/torch

FROM base AS packages-kokoro
ARG TORCH
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
COPY requirements/torch-${TORCH}.txt /requirements/
# In a folder of its own, for a layer of its own. Headers are for those who build on it.
RUN python3 -m venv /opt/story-tts \
    && if [ "${TORCH}" = cpu ]; then set -- --extra-index-url "${TORCH_INDEX}"; fi \
    && python3 -m pip install --require-hashes --no-deps --target /opt/torch "$@" \
         -r "/requirements/torch-${TORCH}.txt" \
    && rm -rf /opt/torch/bin /opt/torch/torch/include /opt/torch/torch/share
COPY requirements/image-kokoro.txt /requirements/
# torchaudio's own native code wants CUDA's libraries, and nothing here calls it: where it is missing, torchaudio
# does without. What else is deleted are packages' own tests.
RUN python3 -m pip install --require-hashes --no-deps -r /requirements/image-kokoro.txt \
    && site="$(python3 -c 'import sysconfig; print(sysconfig.get_path("purelib"))')" \
    && echo /opt/torch > "${site}/torch.pth" \
    && rm -f "${site}"/torchaudio/lib/*.so \
    && find "${site}" -depth -type d -name tests -exec rm -rf {} +

# hadolint ignore=DL3006  # a stage above
FROM packages-${ENGINE} AS packages
RUN python3 -m pip uninstall --yes pip setuptools

# Fetched by the command that everybody uses, from no more of the worker than it needs.
FROM packages-espeak AS models-kokoro
ARG MODELS=""
ARG HF_ENDPOINT=""
ARG MODELS_MIRROR=""
WORKDIR /fetch
COPY app/__init__.py app/__main__.py app/errors.py app/healthcheck.py app/media.py app/
COPY app/cli app/cli
COPY app/speech/__init__.py app/speech/registry.py app/speech/voices.py app/speech/
COPY app/models app/models
# One time of change for all, so that the same models are the same layer.
RUN python3 -m app models fetch --dir /opt/models ${MODELS} \
    && python3 -m app models verify --dir /opt/models \
    && find /opt/models -exec touch --date=@0 {} +

FROM base AS models-espeak
RUN mkdir /opt/models

# hadolint ignore=DL3006  # a stage above
FROM models-${ENGINE} AS models

# The worker itself, where nothing else is, so that its layer holds it alone.
FROM packages-espeak AS worker
WORKDIR /build
COPY pyproject.toml README.md LICENSE ./
COPY app app
RUN python3 -m pip install --no-deps --no-build-isolation --target /opt/app .

FROM base
ARG ENGINE
ARG VERSION=unknown
ARG REVISION=unknown
# The stack names the same user by number. HOME may be read-only, so it is the folder that is not.
RUN groupadd --gid 10001 story-tts \
    && useradd --uid 10001 --gid 10001 --home-dir /tmp --no-create-home --shell /usr/sbin/nologin story-tts
COPY --from=models /opt/models /opt/models
COPY --from=packages /opt/torch /opt/torch
COPY --from=packages /opt/story-tts /opt/story-tts
COPY --from=worker /opt/app /opt/app
ENV PATH=/opt/app/bin:$PATH \
    PYTHONPATH=/opt/app \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOME=/tmp \
    MODELS_DIR=/opt/models \
    SPEECH_ENGINE=${ENGINE} \
    HF_HUB_OFFLINE=1 \
    TRANSFORMERS_OFFLINE=1
LABEL org.opencontainers.image.title="story-tts" \
      org.opencontainers.image.description="A queue of stories in, narrated audio with word-accurate subtitles out" \
      org.opencontainers.image.source="https://github.com/story-tts/story-tts" \
      org.opencontainers.image.licenses="MIT AND Apache-2.0 AND GPL-3.0-or-later" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
USER 10001:10001
WORKDIR /opt/app
# Fargate's empty volume takes the owner and the mode of the image's folder only where it is declared here.
VOLUME /tmp
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s --retries=3 CMD ["story-tts", "health"]
ENTRYPOINT ["story-tts"]
CMD ["worker"]
