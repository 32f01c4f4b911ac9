# story-tts. `make help` lists the targets; each sets up what it needs.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# setup.mk first: prerequisites are expanded when they are read.
include make/setup.mk
include $(filter-out make/setup.mk,$(wildcard make/*.mk))

# `##@ Group` in a makefile puts the targets below it into a group of the help.
HELP_GROUPS = Narrate on this machine|Deploy and operate|Develop|Measure

.PHONY: help
help:
	@if [ -t 1 ] && [ -z "$${NO_COLOR:-}" ]; then colour=36; else colour=; fi; \
	awk -v colour="$$colour" -v groups="$(HELP_GROUPS)" -f make/help.awk $(MAKEFILE_LIST)
