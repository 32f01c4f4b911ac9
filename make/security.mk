# What the dependencies are, and what is known against them.
.PHONY: audit sbom

# One lock holds the pins of all (tests/test_sbom.py). A package that the database does not answer for fails the
# audit: no news is not good news.
audit: $(DEV) ## Known vulnerabilities in the locked dependencies; asks PyPI's advisory database
	$(BIN)/pip-audit --strict --disable-pip --require-hashes --progress-spinner off $(AUDIT_FLAGS) -r requirements/all.txt

sbom: $(DEV) ## What each image installs, as CycloneDX, in out/sbom; needs no network
	$(BIN)/python -m ops.sbom
