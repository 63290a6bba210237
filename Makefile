# Thin: each target is one or two commands that can be typed as well.
.PHONY: demo test test-versions check bench bench-check accuracy truth real regression fuzz roundtrip faults

# An incident and how it goes with rowsafe, on a throwaway server.
demo:
	scripts/demo

# Everything, on a machine with cargo and Python: the virtual environment, PostgreSQL, the tests.
test:
	scripts/venv
	scripts/postgres
	cargo test --quiet

# The end-to-end tests on PostgreSQL 13 to 18, fetched where they are not there.
test-versions:
	scripts/venv
	scripts/versions

# What a commit must pass before the tests.
check:
	cargo fmt --check
	cargo clippy --all-targets --quiet -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --document-private-items --quiet

# Against pg_dump and psql on a database of 1 GB; writes docs/benchmarks.md.
bench:
	scripts/bench

# `rowsafe check` against squawk on 1,000 files; prints the tables of docs/benchmarks.md.
bench-check:
	scripts/bench-check

# Every Alembic revision of real packages; prints the tables of docs/accuracy.md.
accuracy:
	scripts/accuracy

# 2,000 random migrations against what they really did; prints a table of docs/accuracy.md.
truth:
	ROWSAFE_TRUTH_CASES=2000 cargo test --quiet --test it truth:: -- --nocapture

# 5,000 random losses and what a restore brings back; prints a table of docs/reliability.md.
roundtrip:
	ROWSAFE_ROUNDTRIP_CASES=5000 cargo test --quiet --test it roundtrip:: -- --nocapture

# Everything that can break while rowsafe works, 20 times each; prints tables of docs/reliability.md.
faults:
	ROWSAFE_FAULT_TRIALS=20 cargo test --quiet --test it faults:: -- --nocapture

# Real packages upgraded revision by revision with rows in their tables; prints a table of docs/accuracy.md.
real:
	scripts/real

# PostgreSQL's own regression SQL, held against PostgreSQL's own grammar.
regression:
	scripts/regression

# Every fuzz target for ten minutes; what is found goes to fixtures/fuzz.
fuzz:
	scripts/fuzz
