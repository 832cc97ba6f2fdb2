//! TLS on both sides, with certificates that the tests make.

pub mod authority;
mod clients;
mod hostile;
mod servers;
