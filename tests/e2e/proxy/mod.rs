//! A client's session through `pgherd proxy`, on real herds, with real drivers.

mod admission;
pub mod common;
mod crowd;
mod dead_shard;
mod deadlock;
mod drivers;
mod encodings;
mod frames;
mod function_call;
mod hostile;
mod live;
mod load;
mod peer;
mod pgbench;
mod psql;
pub mod raw;
mod refusals;
mod same;
mod siege;
mod sockets;
mod stopping;
mod streams;
mod time_limits;
mod traces;
mod vanishing;
mod versions;
