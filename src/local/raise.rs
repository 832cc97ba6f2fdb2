//! The work of `up`: data directories, servers, the database and the slots.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::error::{At, Error};
use super::herd::Herd;
use super::node::{Node, Role};
use super::process;
use super::server::{self, Started};
use super::template::{self, Template};
use super::up::{Event, Options};
use super::{identity, sql};

/// How many nodes, or shards, are worked on at the same time.
const WORKERS: usize = 8;
/// How long one statement may take.
const STATEMENT_TAKES: Duration = Duration::from_secs(30);

/// One `up` under way.
pub(super) struct Raise<'a> {
    herd: &'a Herd,
    options: &'a Options,
    tell: &'a (dyn Fn(Event) + Sync),
    until: Instant,
}

impl<'a> Raise<'a> {
    pub fn new(
        herd: &'a Herd,
        options: &'a Options,
        tell: &'a (dyn Fn(Event) + Sync),
    ) -> Raise<'a> {
        Raise { herd, options, tell, until: Instant::now() + options.limit }
    }

    /// The nodes that don't run.
    pub fn stopped(&self) -> Result<Vec<Node>, Error> {
        let mut stopped = Vec::new();
        for node in self.herd.nodes() {
            if process::within(&node.data_dir())?.is_empty() {
                stopped.push(node);
            }
        }
        Ok(stopped)
    }

    /// Makes and starts whatever is missing.
    pub fn all(&self) -> Result<(), Error> {
        self.make_data()?;
        (self.tell)(Event::Nodes(self.herd.nodes().len()));
        let shards: Vec<_> = self.herd.shape().shard_names().collect();
        each(&shards, |shard| self.shard(shard))
    }

    /// Copies the template to where a data directory is missing.
    fn make_data(&self) -> Result<(), Error> {
        let inner = self.herd.inner();
        let missing: Vec<_> =
            self.herd.nodes().into_iter().filter(|node| !node.data_dir().exists()).collect();
        let Some(first) = missing.first() else { return Ok(()) };
        if inner.state.made {
            return Err(Error::Failed(format!(
                "{} is gone, and with it this node's rows: `pgherd local down --remove` and \
                 start anew",
                first.data_dir().display()
            )));
        }
        let cache = match &self.options.template_dir {
            Some(dir) => dir.clone(),
            None => template::default_cache(&inner.postgres)?,
        };
        let template =
            Template::get(&inner.postgres, &cache, || (self.tell)(Event::MakingTemplate))?;
        let identities: Vec<_> =
            self.herd.shape().shard_names().map(|shard| (self.identity(&shard), shard)).collect();
        each(&missing, |node| {
            let member = node.member();
            let id = identities.iter().find(|(_, shard)| *shard == member.shard);
            let id = id.map_or_else(new_identity, |(id, _)| *id);
            template.copy(&inner.postgres, &node.data_dir(), |new| {
                identity::write(new, id)?;
                if member.index == 0 { Ok(()) } else { self.make_standby(node, new) }
            })
        })
    }

    /// The shard's system identifier: that of a node which an `up` that was killed has left.
    fn identity(&self, shard: &str) -> u64 {
        let nodes = self.herd.shard(shard);
        nodes.iter().find_map(|node| node.system_identifier().ok()).unwrap_or_else(new_identity)
    }

    /// Turns a copy of the template into a replica of its shard's first node. As both start from
    /// the same bytes and the primary keeps its first WAL until the replica has it, no base
    /// backup is needed.
    fn make_standby(&self, node: &Node, data: &Path) -> Result<(), Error> {
        let member = node.member();
        let shard = self.herd.shard(&member.shard);
        let conninfo = shard.first().map(Node::conninfo).unwrap_or_default();
        let signal = data.join("standby.signal");
        File::create(&signal).at("make", &signal)?;
        self.herd.inner().postgres.own(&signal)?;
        // Where pg_basebackup -R writes it too, and ALTER SYSTEM can change it.
        let settings = data.join("postgresql.auto.conf");
        let file = File::options().append(true).open(&settings);
        let lines = format!(
            "primary_conninfo = '{conninfo}'\n\
             primary_slot_name = '{}'\n",
            member.slot()
        );
        file.and_then(|mut file| file.write_all(lines.as_bytes())).at("write", &settings)
    }

    /// Starts a shard: its primary, then, as they stream from it, its replicas.
    fn shard(&self, shard: &str) -> Result<(), Error> {
        let (primaries, replicas): (Vec<_>, Vec<_>) =
            self.herd.shard(shard).into_iter().partition(|node| node.role() == Role::Primary);
        each(&primaries, |node| {
            self.start(node)?;
            self.furnish(node, &replicas)?;
            (self.tell)(Event::Ready(node.member().name.clone()));
            Ok(())
        })?;
        each(&replicas, |node| {
            self.start(node)?;
            // A shard that was stopped in the middle of a failover may have none to stream from.
            if !primaries.is_empty() {
                self.wait_streaming(node)?;
            }
            (self.tell)(Event::Ready(node.member().name.clone()));
            Ok(())
        })
    }

    /// Starts a node that doesn't run, lets a paused one run on, and waits until it answers.
    fn start(&self, node: &Node) -> Result<(), Error> {
        let place = node.place();
        let inner = self.herd.inner();
        process::resume(&place.data)?;
        let started = match node.pid()? {
            Some(pid) => Started::before(pid),
            None => {
                // Children that outlived a killed postmaster are about to end.
                process::stop(&place.data, process::Stop::Kill)?;
                server::start(&inner.postgres, &place, inner.state.fsync, &[])?
            }
        };
        server::wait_ready(&place, &started, self.until)
    }

    /// Makes the replicas' slots and the database on a primary, where they are missing.
    fn furnish(&self, primary: &Node, replicas: &[Node]) -> Result<(), Error> {
        let port = primary.member().port;
        let ask = |statements: &[&str]| sql::query(port, "postgres", statements, STATEMENT_TAKES);
        for replica in replicas {
            let slot = replica.member().slot();
            // `true` keeps the WAL from now on, not from when the replica first comes.
            ask(&[&format!(
                "SELECT pg_create_physical_replication_slot('{slot}', true) WHERE NOT EXISTS \
                 (SELECT FROM pg_replication_slots WHERE slot_name = '{slot}')"
            )])?;
        }
        let name = &self.herd.shape().database;
        let there = ask(&[&format!("SELECT FROM pg_database WHERE datname = '{name}'")])?;
        if there.is_empty() {
            ask(&[&format!("CREATE DATABASE \"{name}\"")])?;
        }
        Ok(())
    }

    fn wait_streaming(&self, node: &Node) -> Result<(), Error> {
        const QUESTION: &str = "SELECT FROM pg_stat_wal_receiver WHERE status = 'streaming'";
        let port = node.member().port;
        while sql::query(port, "postgres", &[QUESTION], STATEMENT_TAKES)?.is_empty() {
            if Instant::now() > self.until {
                return Err(Error::Failed(format!(
                    "{} receives nothing from its primary; see its log {}",
                    node.member().name,
                    node.log().display()
                )));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }
}

/// A system identifier: seconds since 1970 in the upper half, as initdb draws it, and chance in
/// the lower.
fn new_identity() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    (now.as_secs() << 32) | u64::from(rand::random::<u32>())
}

/// Does the same for every item, several at a time; the first error is the answer.
fn each<T: Sync>(items: &[T], work: impl Fn(&T) -> Result<(), Error> + Sync) -> Result<(), Error> {
    let next = AtomicUsize::new(0);
    let run = || {
        while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
            if let Err(error) = work(item) {
                // The others finish what they have and begin nothing more.
                next.store(items.len(), Ordering::Relaxed);
                return Err(error);
            }
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..items.len().min(WORKERS)).map(|_| scope.spawn(run)).collect();
        let ended = || Error::Failed("starting a node ended its thread".into());
        workers.into_iter().try_for_each(|w| w.join().unwrap_or_else(|_| Err(ended())))
    })
}
