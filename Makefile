.POSIX:

# cargo decides what is up to date; nothing here is a file.
.PHONY: help build test lint bench tools cue crds conformance-clients up demo down

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-19s  %s\n", $$1, $$2 }' Makefile

build: cue ## Build the release binary, target/release/trustwright
	@cargo build --release --package trustwright

test: tools cue ## Run all tests; the first run builds a control plane
	@cargo test --workspace

lint: ## Check formatting, lints, generated files, the crates' table, licences
	@cargo fmt --all --check
	@cargo fmt --manifest-path crates/languages/compiler/Cargo.toml --check
	@cargo clippy --workspace --all-targets -- -D warnings
	@cargo xtask crds --check
	@cargo xtask check-deps
	@if ! command -v cargo-deny >/dev/null; then \
		echo "Not checked: licences, sources, advisories (cargo-deny is not installed)"; \
	else \
		cargo deny --log-level error check bans licenses sources || exit 1; \
		cargo deny --log-level error --manifest-path crates/languages/compiler/Cargo.toml --config deny.toml \
			check bans licenses sources || exit 1; \
		if [ -d "$${CARGO_HOME:-$$HOME/.cargo}/advisory-dbs" ]; then \
			cargo deny --log-level error check --disable-fetch advisories || exit 1; \
		else \
			echo "Not checked: advisories (no database; cargo deny fetch db gets it)"; \
		fi; \
	fi

bench: build tools ## Measure speed and memory of the release binary; fails on a missed limit
	@cargo run --quiet --release --package xtask -- bench

tools: ## Build the real parts that tests run on, into a cache outside of the tree
	@cargo xtask tools

cue: ## Build the evaluator of CUE, and put it beside the binaries
	@cargo xtask cue

crds: ## Write the CRD manifests from the types
	@cargo xtask crds

conformance-clients: ## Build the clients of public conformance suites into target/release
	@cargo build --release --package trustwright-conformance

up: build ## Bring up a local cluster with Trustwright and leave it running
	@cargo xtask up

demo: build ## Show on a local cluster what is admitted and refused, and trust roots that renew themselves
	@cargo xtask demo

down: ## End the local cluster
	@cargo xtask down
