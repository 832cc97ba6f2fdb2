//! TLS on both sides, with certificates that the tests make.

mod authority;
mod clients;
mod hostile;
mod servers;
