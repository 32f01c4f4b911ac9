##@ Develop
# What release.yml runs for a tag. Values reach the shell through the environment only.
TAG   ?=
IMAGE ?=
export TAG
PASSAGE := tests/data/passages/gettysburg-address.txt

.PHONY: check-version wheel check-wheel check-image

check-version:
	@version="v$$(sed -n 's/^version = "\(.*\)"$$/\1/p' pyproject.toml)"; test "$$TAG" = "$$version" || \
	  { echo "the tag is $$TAG and pyproject.toml says $$version: make them equal" >&2; exit 1; }

# Built without isolation, which would download unpinned tools; the wheel is built from the source distribution.
wheel: $(DEMO) ## Build wheel and source distribution into out/dist
	@rm -rf out/dist build
	@mkdir -p out/dist
	@$(BIN)/python -c "from setuptools import build_meta; build_meta.build_sdist('out/dist')" >/dev/null
	@$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation \
	  --wheel-dir out/dist out/dist/*.tar.gz
	@ls out/dist

check-wheel: $(DEMO) ## Narrate a file with the wheel in an empty environment
	@rm -rf out/wheel
	@$(BIN)/python -m venv out/wheel/venv
	@out/wheel/venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes \
	  -r "$${WHEEL_REQUIREMENTS:-requirements/image-espeak.txt}"
	@out/wheel/venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps out/dist/*.whl
	@cd out/wheel && venv/bin/story-tts speak --engine espeak --voice en-us "$(CURDIR)/$(PASSAGE)" -o audio
	@test -s out/wheel/audio/gettysburg-address.wav

# The image's user has no rights in the folder: the files are the caller's.
check-image: need-docker ## Narrate a file with an image: IMAGE=name
	@mkdir -p out/image
	@$(DOCKER) run --rm --user "$$(id -u):$$(id -g)" --volume "$(CURDIR)/$(PASSAGE):/in/story.txt:ro" \
	  --volume "$(CURDIR)/out/image:/out" "$$IMAGE" speak /in/story.txt -o /out
	@test -s out/image/story.wav
