//! What a herd is: its shape, and the file `local.json` that remembers it.

use std::fs;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::error::{At, Error};

/// Most shards of a local herd, and most replicas of a shard: a machine's bound, not pgherd's.
pub const MAX_SHARDS: u16 = 64;
pub const MAX_REPLICAS: u16 = 8;

/// The version of `local.json` that this program reads and writes.
const FORMAT: u32 = 1;

/// How many nodes a herd has, and where they listen. Fixed at the first `up`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shape {
    pub shards: u16,
    /// Replicas of each shard.
    pub replicas: u16,
    /// The proxy's port; the nodes have the ports after it.
    pub base_port: u16,
    pub database: String,
    /// One group that holds all rows, without sharding rules.
    pub unsharded: bool,
}

/// One node's place in the shape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    pub shard: String,
    /// `s1-1` is the first node of s1: its primary at the first start.
    pub name: String,
    pub port: u16,
    /// 0 is the primary at the first start.
    pub index: u16,
}

impl Member {
    /// The physical slot that a replica streams from.
    pub(super) fn slot(&self) -> String {
        self.name.replace('-', "_")
    }
}

impl Shape {
    /// Refuses what can't be started: numbers out of bounds, a database that pgherd or
    /// Postgres keeps for itself.
    pub fn check(&self) -> Result<(), Error> {
        if self.shards == 0 || self.shards > MAX_SHARDS {
            return Err(Error::Asked(format!("--shards takes 1 to {MAX_SHARDS}")));
        }
        if self.replicas > MAX_REPLICAS {
            return Err(Error::Asked(format!("--replicas takes 0 to {MAX_REPLICAS}")));
        }
        if self.unsharded && self.shards != 1 {
            return Err(Error::Asked(
                "an --unsharded herd has one group: leave --shards out".into(),
            ));
        }
        let nodes = u32::from(self.shards) * (u32::from(self.replicas) + 1);
        if self.base_port == 0 || u32::from(self.base_port) + nodes > 65_535 {
            return Err(Error::Asked(format!(
                "--base-port {} leaves no room for the proxy and {nodes} nodes below 65536",
                self.base_port
            )));
        }
        check_database(&self.database)
    }

    /// The shards' names, s1 first.
    pub fn shard_names(&self) -> impl Iterator<Item = String> + use<> {
        (1..=self.shards).map(|n| format!("s{n}"))
    }

    /// Every node, in the order of the ports.
    pub fn members(&self) -> Vec<Member> {
        let mut port = self.base_port;
        let mut members = Vec::new();
        for shard in self.shard_names() {
            for index in 0..=self.replicas {
                port += 1;
                let name = format!("{shard}-{}", index + 1);
                members.push(Member { shard: shard.clone(), name, port, index });
            }
        }
        members
    }

    /// The first difference to what was asked for now, in words.
    fn difference(&self, asked: &Asked) -> Option<String> {
        fn differs<T: PartialEq + ToString>(
            name: &str,
            has: &T,
            asked: &Option<T>,
        ) -> Option<String> {
            let asked = asked.as_ref().filter(|asked| *asked != has)?;
            Some(format!("{name} {}, not {}", has.to_string(), asked.to_string()))
        }
        differs("--shards", &self.shards, &asked.shards)
            .or_else(|| differs("--replicas", &self.replicas, &asked.replicas))
            .or_else(|| differs("--base-port", &self.base_port, &asked.base_port))
            .or_else(|| differs("--database", &self.database, &asked.database))
            .or_else(|| {
                (asked.unsharded && !self.unsharded)
                    .then(|| "shards, and is not --unsharded".into())
            })
    }
}

/// As a name of a database in `pgherd.toml` may be.
fn check_database(name: &str) -> Result<(), Error> {
    let letters = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    if name.is_empty() || name.len() > 63 || !name.bytes().all(letters) {
        return Err(Error::Asked("--database takes 1 to 63 letters, digits, _ or -".into()));
    }
    if matches!(name, "pgherd" | "template0" | "template1") {
        return Err(Error::Asked(format!(
            "--database {name} is kept for pgherd's console or for Postgres itself: take another"
        )));
    }
    Ok(())
}

/// What a person asked for; what is left out comes from `local.json`, or else a default.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    pub shards: Option<u16>,
    pub replicas: Option<u16>,
    pub base_port: Option<u16>,
    pub database: Option<String>,
    pub unsharded: bool,
}

impl Asked {
    /// The shape of a new herd.
    pub fn shape(&self) -> Shape {
        Shape {
            shards: self.shards.unwrap_or(if self.unsharded { 1 } else { 3 }),
            replicas: self.replicas.unwrap_or(1),
            base_port: self.base_port.unwrap_or(6432),
            database: self.database.clone().unwrap_or_else(|| "app".into()),
            unsharded: self.unsharded,
        }
    }
}

/// The content of `local.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct State {
    format: u32,
    pub shape: Shape,
    pub fsync: bool,
    /// Where the server was found that made the data directories.
    pub postgres_bin: PathBuf,
    /// Whether every node was up once: a data directory that is missing now held rows.
    pub made: bool,
}

impl State {
    pub fn new(shape: Shape, fsync: bool, postgres_bin: PathBuf) -> State {
        State { format: FORMAT, shape, fsync, postgres_bin, made: false }
    }

    /// The same herd, once every node was up.
    pub fn made(self) -> State {
        State { made: true, ..self }
    }

    /// The herd that lies in `dir`, if one does.
    pub fn load(dir: &Path) -> Result<Option<State>, Error> {
        let path = path(dir);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(e).at("read", &path),
        };
        let state: State = serde_json::from_str(&text)
            .map_err(|e| Error::Failed(format!("{} is damaged: {e}", path.display())))?;
        if state.format != FORMAT {
            return Err(Error::Failed(format!(
                "{} has format {}, and this pgherd knows {FORMAT}",
                path.display(),
                state.format
            )));
        }
        state.shape.check()?;
        Ok(Some(state))
    }

    /// Refuses an `up` that asks for another shape than the herd has.
    pub fn fits(&self, dir: &Path, asked: &Asked) -> Result<(), Error> {
        match self.shape.difference(asked) {
            None => Ok(()),
            Some(difference) => Err(Error::Asked(format!(
                "the herd in {} has {difference}: leave the option out, or `pgherd local down \
                 --remove` it first",
                dir.display()
            ))),
        }
    }

    pub fn save(&self, dir: &Path) -> Result<(), Error> {
        let path = path(dir);
        let text = serde_json::to_string_pretty(self)
            .map_err(|e| Error::Failed(format!("can't write {}: {e}", path.display())))?;
        write_whole(&path, &(text + "\n"))
    }
}

fn path(dir: &Path) -> PathBuf {
    dir.join("local.json")
}

/// Replaces a file at one stroke: a reader, or a crash, sees the old content or the new.
pub(super) fn write_whole(path: &Path, text: &str) -> Result<(), Error> {
    let dir = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(dir).at("write in", dir)?;
    file.write_all(text.as_bytes()).at("write", path)?;
    // A temporary file is for its owner only; this one is for everybody to read.
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    file.as_file().set_permissions(mode).at("write", path)?;
    file.as_file().sync_all().at("write", path)?;
    file.persist(path).map_err(|e| e.error).at("write", path)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_follow_the_proxy_shard_by_shard() {
        let shape = Asked { shards: Some(2), base_port: Some(7000), ..Asked::default() }.shape();
        let ports: Vec<_> =
            shape.members().into_iter().map(|m| (m.name, m.shard, m.port, m.index)).collect();
        let expected = [
            ("s1-1", "s1", 7001, 0),
            ("s1-2", "s1", 7002, 1),
            ("s2-1", "s2", 7003, 0),
            ("s2-2", "s2", 7004, 1),
        ];
        assert_eq!(ports, expected.map(|(n, s, p, i)| (n.to_owned(), s.to_owned(), p, i)));
    }

    #[test]
    fn a_shape_out_of_bounds_is_refused_by_name() {
        let cases = [
            (Asked { shards: Some(0), ..Asked::default() }, "--shards"),
            (Asked { shards: Some(65), ..Asked::default() }, "--shards"),
            (Asked { replicas: Some(9), ..Asked::default() }, "--replicas"),
            (Asked { shards: Some(2), unsharded: true, ..Asked::default() }, "--unsharded"),
            (Asked { base_port: Some(65_530), ..Asked::default() }, "--base-port"),
            (Asked { base_port: Some(0), ..Asked::default() }, "--base-port"),
            (Asked { database: Some("pgherd".into()), ..Asked::default() }, "--database"),
            (Asked { database: Some(String::new()), ..Asked::default() }, "--database"),
            (Asked { database: Some("a b".into()), ..Asked::default() }, "--database"),
        ];
        for (asked, named) in cases {
            let error = asked.shape().check().expect_err("refused").to_string();
            assert!(error.contains(named), "{error}");
        }
        assert!(Asked { base_port: Some(65_529), ..Asked::default() }.shape().check().is_ok());
    }

    #[test]
    fn a_saved_herd_is_read_again_and_refuses_another_shape() {
        let dir = tempfile::tempdir().expect("a directory");
        assert_eq!(State::load(dir.path()).expect("nothing there"), None);
        let state = State::new(Asked::default().shape(), false, "/usr/bin".into());
        state.save(dir.path()).expect("saved");
        assert_eq!(State::load(dir.path()).expect("read"), Some(state.clone()));

        assert!(state.fits(dir.path(), &Asked::default()).is_ok());
        assert!(state.fits(dir.path(), &Asked { shards: Some(3), ..Asked::default() }).is_ok());
        let other = Asked { replicas: Some(2), ..Asked::default() };
        let error = state.fits(dir.path(), &other).expect_err("refused").to_string();
        assert!(error.contains("--replicas 1, not 2"), "{error}");
        let other = Asked { unsharded: true, ..Asked::default() };
        assert!(state.fits(dir.path(), &other).is_err());
    }
}
