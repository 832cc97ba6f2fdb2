//! Starts real Postgres clusters on this machine, for the demo, tests, drills and benchmarks.
