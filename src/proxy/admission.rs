//! Bounds on who comes in: clients by user, and connections a second by where they come from.
//!
//! The second is by source, so that one application that connects in a loop, or one that guesses
//! passwords, doesn't keep the others out. Where it is not set, nothing is counted.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;

use super::failure::Failure;
use super::peer::Peer;
use crate::config::settings::{Limits, User};

/// Sources that are told apart; more than these are counted as one.
const SOURCES: usize = 10_000;

/// What all connections of one proxy are counted by.
#[derive(Debug)]
pub struct Admission {
    clients_per_user: Option<usize>,
    /// Connections a second that one source may make.
    rate: Option<f64>,
    users: Mutex<HashMap<UserKey, usize>>,
    sources: Mutex<Sources>,
}

/// A database and its user.
type UserKey = (Box<str>, Box<str>);

#[derive(Debug, Default)]
struct Sources {
    known: HashMap<IpAddr, Bucket>,
    /// Of those that there was no place for.
    others: Option<Bucket>,
}

/// Connections that a source may make at once: grows with the time, up to those of one second.
#[derive(Debug, Clone, Copy)]
struct Bucket {
    left: f64,
    at: Instant,
}

impl Bucket {
    fn new(rate: f64, at: Instant) -> Bucket {
        Bucket { left: rate.max(1.0), at }
    }

    fn fill(&mut self, rate: f64, now: Instant) {
        let grown = now.saturating_duration_since(self.at).as_secs_f64() * rate;
        self.left = (self.left + grown).min(rate.max(1.0));
        self.at = now;
    }

    fn take(&mut self) -> bool {
        let there = self.left >= 1.0;
        self.left -= f64::from(u8::from(there));
        there
    }
}

impl Sources {
    fn take(&mut self, source: IpAddr, rate: f64, now: Instant) -> bool {
        if !self.known.contains_key(&source) && self.known.len() >= SOURCES {
            // Who has been quiet for long enough is like one who never came.
            self.known.retain(|_, bucket| {
                bucket.fill(rate, now);
                bucket.left < rate.max(1.0)
            });
        }
        let new = || Bucket::new(rate, now);
        let bucket = if self.known.contains_key(&source) || self.known.len() < SOURCES {
            self.known.entry(source).or_insert_with(new)
        } else {
            self.others.get_or_insert_with(new)
        };
        bucket.fill(rate, now);
        bucket.take()
    }
}

/// A client's place among those of its user, for as long as it is there.
#[derive(Debug)]
pub struct Seat {
    admission: Arc<Admission>,
    user: UserKey,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut users = self.admission.users.lock();
        if let Some(taken) = users.get_mut(&self.user) {
            *taken -= 1;
            if *taken == 0 {
                users.remove(&self.user);
            }
        }
    }
}

impl Admission {
    pub fn new(limits: &Limits) -> Admission {
        Admission {
            clients_per_user: limits.clients_per_user,
            rate: limits.connections_per_second.map(|rate| rate as f64),
            users: Mutex::default(),
            sources: Mutex::default(),
        }
    }

    /// A connection has come, of which nothing is known but where it comes from.
    ///
    /// # Errors
    /// Too many have come from there within the last second.
    pub fn arrive(&self, peer: Peer) -> Result<(), Failure> {
        let (Some(rate), Some(address)) = (self.rate, peer.address()) else { return Ok(()) };
        if self.sources.lock().take(source_of(address), rate, Instant::now()) {
            return Ok(());
        }
        Err(Failure::new("53300", format!("too many connections within a second from {address}"))
            .with_hint(format!(
                "limits.connections_per_second is {rate}. Keep connections, in a pool."
            ))
            .and_fatal())
    }

    /// A place for a client that has proved who it is; `None` where there is no bound. `user` is
    /// what the settings say of it.
    ///
    /// # Errors
    /// The user has as many clients as it may have.
    pub fn seat(
        self: &Arc<Self>,
        database: &str,
        name: &str,
        user: Option<&User>,
    ) -> Result<Option<Seat>, Failure> {
        let own = user.and_then(|user| user.clients);
        let Some(max) = own.or(self.clients_per_user) else { return Ok(None) };
        let key: UserKey = (database.into(), name.into());
        let mut users = self.users.lock();
        let taken = users.entry(key.clone()).or_default();
        if *taken >= max {
            let message = format!("too many connections for role \"{name}\"");
            let setting =
                if own.is_some() { "clients of this user" } else { "limits.clients_per_user" };
            return Err(Failure::new("53300", message)
                .with_hint(format!("{setting} is {max}."))
                .and_fatal());
        }
        *taken += 1;
        Ok(Some(Seat { admission: Arc::clone(self), user: key }))
    }
}

/// Addresses that are most likely one's: who has one of version 6 mostly has 2^64 of them.
fn source_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_source_has_so_many_a_second_and_others_have_theirs() {
        let mut sources = Sources::default();
        let start = Instant::now();
        let mut take = |source: &str, after: u64| {
            let now = start + Duration::from_millis(after);
            sources.take(source_of(address(source)), 3.0, now)
        };
        let first: Vec<bool> = (0..5).map(|_| take("10.0.0.1", 0)).collect();
        assert_eq!(first, [true, true, true, false, false]);
        assert!(take("10.0.0.2", 0), "another");
        assert!(!take("::ffff:10.0.0.1", 100), "the same in other words");
        assert!(take("10.0.0.1", 500) && !take("10.0.0.1", 500), "one in a third of a second");
        let rested: Vec<bool> = (0..4).map(|_| take("10.0.0.1", 60_000)).collect();
        assert_eq!(rested, [true, true, true, false], "no more than a second's");
        // Of one network of version 6.
        let one: Vec<bool> = (0..4).map(|i| take(&format!("2001:db8:1:2::{i}"), 0)).collect();
        assert_eq!(one, [true, true, true, false]);
        assert!(take("2001:db8:1:3::1", 0));
    }

    #[test]
    fn sources_have_a_bound_and_those_that_are_quiet_make_room() {
        let mut sources = Sources::default();
        let start = Instant::now();
        for i in 0..SOURCES as u32 + 10 {
            sources.take(IpAddr::from(i.to_be_bytes()), 2.0, start);
        }
        assert_eq!(sources.known.len(), SOURCES);
        assert!(!sources.take(address("9.9.9.9"), 2.0, start), "one of many too many");
        let later = start + Duration::from_secs(2);
        assert!(sources.take(address("9.9.9.9"), 2.0, later));
        assert_eq!(sources.known.len(), 1);
    }
}
