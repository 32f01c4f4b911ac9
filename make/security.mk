##@ Develop
.PHONY: audit sbom

# requirements/all.txt has the pins of all locks but two (tests/test_sbom.py). With --strict, a package that
# the database cannot answer for fails the audit.
audit: $(DEV) ## Report known vulnerabilities of the locked dependencies
	@failed=0; for lock in all ministack policies; do \
	  $(BIN)/pip-audit --strict --disable-pip --require-hashes --progress-spinner off $(AUDIT_FLAGS) \
	    -r requirements/$$lock.txt || failed=1; \
	done; exit $$failed

sbom: $(DEV) ## Write a CycloneDX bill of materials per image
	$(OPS) sbom
