#!/usr/bin/env bash
# What `make fuzz` does: each target of fuzz/ for FUZZ_SECONDS, with other inputs each time unless there is a FUZZ_SEED.
# What it finds, and the inputs that reach something new, are left in target/fuzz/; the corpus in the tree is only read.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

cargo=${CARGO:-cargo}
if ! $cargo fuzz --version >/dev/null 2>&1; then
    echo 'make fuzz: cargo-fuzz is missing: cargo install --locked cargo-fuzz' >&2
    exit 1
fi
if ! command -v c++ >/dev/null; then
    echo 'make fuzz: a C++ compiler is missing, which libFuzzer is built with: install g++' >&2
    exit 1
fi

options=(--features libfuzzer --sanitizer "${SANITIZER:-none}" --target-dir target/fuzz)
for target in pool_arithmetic verdict requests; do
    printf '\n== %s, %d s\n' "$target" "${FUZZ_SECONDS:=200}"
    mkdir -p "target/fuzz/corpus/$target" "target/fuzz/artifacts/$target"
    $cargo fuzz run "${options[@]}" "$target" "target/fuzz/corpus/$target" "fuzz/corpus/$target" -- \
        -max_total_time="$FUZZ_SECONDS" -max_len=1024 -timeout=20 -print_final_stats=1 \
        -artifact_prefix="target/fuzz/artifacts/$target/" ${FUZZ_SEED:+"-seed=$FUZZ_SEED"}
done
