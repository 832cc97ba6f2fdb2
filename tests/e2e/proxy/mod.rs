//! A client's session through `pgherd proxy`, on real herds, with real drivers.

pub mod common;
mod dead_shard;
mod drivers;
mod hostile;
mod load;
mod pgbench;
mod psql;
mod refusals;
mod same;
mod stopping;
mod streams;
