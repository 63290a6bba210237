# Thin: each target is one or two commands that can be typed as well.
.PHONY: demo test check bench

# An incident and how it goes with rowsafe, on a throwaway server.
demo:
	scripts/demo

# Everything, on a machine with cargo and Python: the virtual environment, PostgreSQL, the tests.
test:
	scripts/venv
	scripts/postgres
	cargo test --quiet

# What a commit must pass before the tests.
check:
	cargo fmt --check
	cargo clippy --all-targets --quiet -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --document-private-items --quiet

# Against pg_dump and psql on a database of 1 GB; writes docs/benchmarks.md.
bench:
	scripts/bench
