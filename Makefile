# What a person types. `make` alone says what there is.
# Everything here is a thin line over cargo; what a target needs from the system, `make deps` brings.

CARGO ?= cargo
OUT   ?= selkie-demo
PEERS ?= selkie weston sway
# For each target. A sanitizer needs a nightly compiler: make fuzz CARGO='cargo +nightly' SANITIZER=address
FUZZ_SECONDS ?= 200
# For the same inputs each time; not 0.
FUZZ_SEED    ?=
SANITIZER    ?= none

.DEFAULT_GOAL := help
.PHONY: help deps deps-vm demo test test-vm fuzz miri bench peers

help:
	@echo 'selkie: a Wayland compositor that enforces sealed shared memory'
	@echo
	@echo '  make demo    build it and watch it: pictures and a table in $(OUT)/ (choose with OUT=dir)'
	@echo '  make test    formatting, lints, unit, property and end-to-end tests, documentation'
	@echo '  make test-vm tests with real dma-bufs, in a small guest (x86-64; fetches a Debian kernel)'
	@echo '  make fuzz    ten minutes of random input (needs cargo-fuzz; choose with FUZZ_SECONDS=n for each target)'
	@echo '  make miri    the ring, and what else needs no kernel, in Miri (needs a nightly compiler with miri and rust-src)'
	@echo '  make bench   what a frame costs here, headless and nested, beside weston and sway'
	@echo '  make peers   write docs/peers.md anew: what selkie check sees in $(PEERS)'
	@echo '  make deps    install the system libraries, where they are missing'
	@echo '  make deps-vm install what the guest needs, where it is missing (Debian, Ubuntu)'

deps:
	@scripts/deps.sh

deps-vm:
	@scripts/deps.sh vm

demo: deps
	$(CARGO) run --locked --release -- demo --out '$(OUT)'

# nextest runs every test in a process of its own, so a crash or a leak is pinned on one test;
# it cannot run documentation tests, which cargo runs after it. Without nextest, cargo runs all.
# What is fuzzed is a workspace of its own; its corpus is replayed like any test.
test: deps
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	@if $(CARGO) nextest --version >/dev/null 2>&1; then \
	  echo '$(CARGO) nextest run --locked --workspace' && $(CARGO) nextest run --locked --workspace; \
	else \
	  echo '$(CARGO) test --locked --workspace --lib --bins --tests' && $(CARGO) test --locked --workspace --lib --bins --tests; \
	fi
	$(CARGO) test --locked --workspace --doc
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc --locked --workspace --no-deps
	$(CARGO) fmt --manifest-path fuzz/Cargo.toml --check
	$(CARGO) clippy --locked --manifest-path fuzz/Cargo.toml --target-dir target --all-targets -- -D warnings
	$(CARGO) test --locked --manifest-path fuzz/Cargo.toml --target-dir target --tests

fuzz: deps
	@CARGO='$(CARGO)' FUZZ_SECONDS='$(FUZZ_SECONDS)' FUZZ_SEED='$(FUZZ_SEED)' SANITIZER='$(SANITIZER)' scripts/fuzz.sh

# An interpreter that knows the rules of memory and atomics, but few system calls: tests that need those are left out.
miri: deps
	MIRIFLAGS=-Zmiri-disable-isolation $(CARGO) +nightly miri test --locked --target-dir target/miri -p shm-core --lib -- ring

# Says what is missing, and fails, where there can be no guest.
test-vm: deps
	@CARGO='$(CARGO)' tests/vm/test.py

# The table comes last, where it is seen.
bench: deps
	$(CARGO) bench --locked --workspace --exclude selkie --bench '*'
	$(CARGO) bench --locked --bench frames

# That something was found is no failure of this.
peers: deps
	$(CARGO) build --locked --release
	@target/release/selkie check --format markdown $(PEERS:%=--launch %) > docs/peers.md.new || [ $$? -eq 1 ]
	@test -s docs/peers.md.new && mv docs/peers.md.new docs/peers.md
