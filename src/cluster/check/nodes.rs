//! The servers of a database side by side: reachable, of one kind, in their roles, with the
//! settings that pgherd needs.

use std::collections::BTreeMap;

use crate::config::settings::{Database, NodeAddress, Settings};

use super::finding::{Finding, Where, error, warning};
use super::node::{HIDDEN, NodeFacts, Trouble};

/// The majors that pgherd knows.
const MAJORS: std::ops::RangeInclusive<i32> = 14..=18;

/// Seconds that a server's clock may be off.
const SKEW_MAX: f64 = 1.0;

/// Seconds after which a prepared transaction is no longer one in flight.
const PREPARED_AGE_MAX: f64 = 60.0;

/// Connections of pgherd's own on one server: schema, health, check.
const OWN_CONNECTIONS: usize = 3;

/// What came of looking at each node, by shard.
pub type Looks<'a> = Vec<(&'a str, Vec<(&'a NodeAddress, Result<NodeFacts, Trouble>)>)>;

/// All that can be said of the nodes without their tables.
pub fn check(settings: &Settings, database: &Database, looks: &Looks) -> Vec<Finding> {
    let place = Where::database(&database.name);
    let mut found = Vec::new();
    let needed = connections_needed(settings, database);
    for (shard, nodes) in looks {
        let place = place.shard(shard);
        for (node, look) in nodes {
            let at = place.node(node);
            match look {
                Err(trouble) => found.push(unreachable(at, trouble, nodes)),
                Ok(facts) => {
                    one_node(&at, facts, needed, &mut found);
                    if looks.len() > 1 && !facts.in_recovery {
                        two_phase(&at, facts, database, &mut found);
                    }
                    // Where there is one shard, nobody looks at keys.
                    if facts.encoding != "UTF8" && looks.len() > 1 {
                        found.push(encoding(at, &facts.encoding));
                    }
                }
            }
        }
        roles(&place, nodes, &mut found);
    }
    versions(&place, looks, &mut found);
    answers(&place, looks, &mut found);
    identities(&place, looks, &mut found);
    found
}

fn seen<'a>(
    looks: &'a Looks,
) -> impl Iterator<Item = (&'a str, &'a NodeAddress, &'a NodeFacts)> + 'a {
    looks.iter().flat_map(|(shard, nodes)| {
        nodes.iter().filter_map(move |(node, look)| Some((*shard, *node, look.as_ref().ok()?)))
    })
}

type Nodes<'a> = [(&'a NodeAddress, Result<NodeFacts, Trouble>)];

fn unreachable(at: Where, trouble: &Trouble, nodes: &Nodes) -> Finding {
    let has_primary = nodes.iter().any(|(_, look)| matches!(look, Ok(f) if !f.in_recovery));
    let (code, message, mend) = match trouble {
        Trouble::Unreachable(why) => (
            "unreachable",
            format!("the server can't be reached: {why}"),
            "start it, or mend its address in the settings or the way to it",
        ),
        Trouble::Refused { sqlstate, message } => (
            "refused",
            format!("the server refuses us: {message} ({sqlstate})"),
            mend_refusal(sqlstate),
        ),
    };
    // A shard without a replica still answers; one without a primary doesn't.
    if has_primary { warning(code, at, message, mend) } else { error(code, at, message, mend) }
}

fn mend_refusal(sqlstate: &str) -> &'static str {
    match sqlstate {
        "28P01" | "28000" => {
            "check the user's name and server_password, and the server's pg_hba.conf"
        }
        "3D000" => "create the database there, or set server_name to its name",
        "53300" => "raise max_connections there, or lower pool.size",
        _ => "see the server's log",
    }
}

/// A server that lets pgherd's own queries in, but not a user.
pub fn user_refused(at: Where, user: &str, sqlstate: &str, message: &str) -> Finding {
    error(
        "user-refused",
        at,
        format!("the server refuses user {user}: {message} ({sqlstate})"),
        mend_refusal(sqlstate),
    )
}

fn encoding(at: Where, encoding: &str) -> Finding {
    error(
        "encoding",
        at,
        format!("the database's encoding is {encoding}; text keys are hashed as UTF-8"),
        "make the database anew with ENCODING 'UTF8' and load it again",
    )
}

fn one_node(at: &Where, facts: &NodeFacts, needed: usize, found: &mut Vec<Finding>) {
    let major = facts.version / 10_000;
    if !MAJORS.contains(&major) {
        found.push(error(
            "version",
            at.clone(),
            format!("PostgreSQL {major} is not one that pgherd knows"),
            format!("run PostgreSQL {} to {}", MAJORS.start(), MAJORS.end()),
        ));
    }
    settings(at, facts, found);
    let free = facts.max_connections - facts.reserved_connections;
    if usize::try_from(free).unwrap_or(0) < needed {
        found.push(warning(
            "max-connections",
            at.clone(),
            format!("{free} connections are free for us; the pools may take {needed}"),
            format!(
                "set pool.node_size, lower pool.size, or set max_connections = {} and restart",
                needed + 10
            ),
        ));
    }
    if facts.skew.abs() > SKEW_MAX {
        found.push(warning(
            "clock",
            at.clone(),
            format!("its clock differs from this machine's by {:.1} s", facts.skew),
            "keep both by NTP",
        ));
    }
    if facts.prepared > 0 && facts.prepared_age > PREPARED_AGE_MAX {
        found.push(warning(
            "prepared-transactions",
            at.clone(),
            format!(
                "{} prepared transaction(s) were left behind, the oldest {:.0} s ago; they hold \
                 locks and keep VACUUM from cleaning",
                facts.prepared, facts.prepared_age
            ),
            "see pg_prepared_xacts; COMMIT PREPARED or ROLLBACK PREPARED each by its gid",
        ));
    }
}

/// What a transaction over several shards needs to be decided, and finished after a crash.
fn two_phase(at: &Where, facts: &NodeFacts, database: &Database, found: &mut Vec<Finding>) {
    if facts.undecided {
        found.push(warning(
            "no-decisions",
            at.clone(),
            "pgherd.decide() is missing: no COMMIT over several shards can be decided here",
            "run `pgherd install`, or start `pgherd proxy`, which does it, too",
        ));
    }
    if !facts.superuser && database.users.len() > 1 {
        found.push(warning(
            "control-user",
            at.clone(),
            "the control user is no superuser: what a crash leaves of another user's transaction \
             over several shards can't be finished, and holds its locks",
            "make the control user a superuser, or be ready to finish it by hand, as \
             `SHOW pgherd.transactions` tells it",
        ));
    }
    if facts.in_doubt > 0 && facts.in_doubt_age > PREPARED_AGE_MAX {
        found.push(warning(
            "transactions-in-doubt",
            at.clone(),
            format!(
                "{} transaction(s) over several shards are prepared and not finished, the oldest \
                 for {:.0} s; they hold locks and keep VACUUM from cleaning",
                facts.in_doubt, facts.in_doubt_age
            ),
            "have `pgherd proxy` run and all shards be there: it finishes them as the deciding \
             shard says; `SHOW pgherd.transactions` tells what keeps it from that",
        ));
    }
}

fn settings(at: &Where, facts: &NodeFacts, found: &mut Vec<Finding>) {
    let mut wrong = |code, holds: bool, is: String, why: &str, set: &str| {
        if !holds {
            let mend = format!("ALTER SYSTEM SET {set}; then restart the server");
            found.push(warning(code, at.clone(), format!("{is}: {why}"), mend));
        }
    };
    let level = &facts.wal_level;
    wrong(
        "wal-level",
        level == "logical",
        format!("wal_level is {level}"),
        "resharding and recovery decode the WAL",
        "wal_level = 'logical'",
    );
    wrong(
        "max-prepared-transactions",
        facts.max_prepared_transactions > 0,
        "max_prepared_transactions is 0".to_owned(),
        "a transaction that writes on several shards is committed in two phases",
        "max_prepared_transactions = 200",
    );
    wrong(
        "track-commit-timestamp",
        facts.track_commit_timestamp,
        "track_commit_timestamp is off".to_owned(),
        "recovery asks who wrote a row last",
        "track_commit_timestamp = on",
    );
    let slots = facts.max_replication_slots;
    wrong(
        "max-replication-slots",
        slots >= 4,
        format!("max_replication_slots is {slots}"),
        "replicas, recovery and resharding take one each",
        "max_replication_slots = 20",
    );
    let senders = facts.max_wal_senders;
    wrong(
        "max-wal-senders",
        senders >= 4,
        format!("max_wal_senders is {senders}"),
        "replicas, recovery and resharding take one each",
        "max_wal_senders = 20",
    );
    wrong(
        "fsync",
        facts.fsync && facts.full_page_writes,
        "fsync or full_page_writes is off".to_owned(),
        "a crash of the machine loses acknowledged writes or the whole cluster",
        "fsync = on; ALTER SYSTEM SET full_page_writes = on",
    );
}

fn roles(place: &Where, nodes: &Nodes, found: &mut Vec<Finding>) {
    let facts = || nodes.iter().filter_map(|(node, look)| Some((*node, look.as_ref().ok()?)));
    let primaries: Vec<_> = facts().filter(|(_, facts)| !facts.in_recovery).collect();
    match primaries.as_slice() {
        [] if facts().count() == 0 => {} // Each was said to be unreachable.
        [] => found.push(error(
            "no-primary",
            place.clone(),
            "no node takes writes: each that answers is a replica",
            "promote one: SELECT pg_promote()",
        )),
        [(primary, known)] => {
            if let Some((first, Ok(_))) = nodes.first()
                && first != primary
            {
                found.push(warning(
                    "first-node",
                    place.node(primary),
                    format!("the primary is {primary}, but {first} stands first in nodes"),
                    format!("put \"{primary}\" first in the shard's nodes"),
                ));
            }
            replicas(place, nodes, known, found);
        }
        several => {
            let names: Vec<String> = several.iter().map(|(node, _)| node.to_string()).collect();
            found.push(error(
                "two-primaries",
                place.clone(),
                format!("{} take writes at the same time", names.join(" and ")),
                "stop all but the one that has the newest rows; make the others its replicas \
                 again (pg_rewind, pg_basebackup)",
            ));
        }
    }
}

fn replicas(place: &Where, nodes: &Nodes, primary: &NodeFacts, found: &mut Vec<Finding>) {
    for (node, look) in nodes {
        let Ok(facts) = look else { continue };
        if !facts.in_recovery {
            continue;
        }
        if facts.system_identifier != primary.system_identifier {
            found.push(error(
                "foreign-replica",
                place.node(node),
                "this is a replica of another cluster than the shard's primary",
                "name it under its own shard, or make it anew with pg_basebackup",
            ));
        } else if facts.receiver.as_deref() == Some(HIDDEN) {
            found.push(warning(
                "receiver-hidden",
                place.node(node),
                "whether this replica streams is not shown to the control user",
                "GRANT pg_monitor to the control user",
            ));
        } else if facts.receiver.as_deref() != Some("streaming") {
            let state = facts.receiver.as_deref().unwrap_or("not connected");
            found.push(warning(
                "not-streaming",
                place.node(node),
                format!("this replica does not stream from its primary: {state}"),
                "check its primary_conninfo and its log; a slot that it needs may be gone",
            ));
        }
    }
}

fn versions(place: &Where, looks: &Looks, found: &mut Vec<Finding>) {
    let mut majors: BTreeMap<i32, Vec<String>> = BTreeMap::new();
    for (_, node, facts) in seen(looks) {
        majors.entry(facts.version / 10_000).or_default().push(node.to_string());
    }
    if majors.len() > 1 {
        found.push(error(
            "majors",
            place.clone(),
            format!("servers of several majors: {}", listed(&majors)),
            "run one major everywhere: results, types and hashes can differ between majors",
        ));
    }
}

/// Settings that change answers, compared over all nodes.
fn answers(place: &Where, looks: &Looks, found: &mut Vec<Finding>) {
    let mut settings: BTreeMap<&str, BTreeMap<&str, Vec<String>>> = BTreeMap::new();
    for (_, node, facts) in seen(looks) {
        for (name, value) in &facts.answers {
            settings.entry(name).or_default().entry(value).or_default().push(node.to_string());
        }
    }
    for (name, values) in &settings {
        if values.len() > 1 {
            found.push(error(
                "answers-differ",
                place.clone(),
                format!("{name} is not the same everywhere: {}", listed(values)),
                "set it to one value on all servers: else a statement's answer depends on the \
                 shard it runs on",
            ));
        } else if *name == "standard_conforming_strings" && !values.contains_key("on") {
            found.push(error(
                "standard-conforming-strings",
                place.clone(),
                "standard_conforming_strings is off; pgherd reads quotes as the standard does",
                "set standard_conforming_strings = on",
            ));
        }
    }
}

fn listed<K: std::fmt::Display>(groups: &BTreeMap<K, Vec<String>>) -> String {
    let groups: Vec<String> =
        groups.iter().map(|(value, nodes)| format!("{value} on {}", nodes.join(", "))).collect();
    groups.join("; ")
}

/// Two shards on one cluster would both hold all rows.
fn identities(place: &Where, looks: &Looks, found: &mut Vec<Finding>) {
    let mut owners: BTreeMap<&str, (&str, &NodeAddress)> = BTreeMap::new();
    for (shard, node, facts) in seen(looks) {
        let owner = owners.entry(&facts.system_identifier).or_insert((shard, node));
        if owner.0 != shard && !facts.in_recovery {
            found.push(error(
                "same-cluster",
                place.shard(shard).node(node),
                format!("this is the same cluster as {} of shard {}", owner.1, owner.0),
                "give each shard a cluster of its own, made by its own initdb",
            ));
        }
    }
}

fn connections_needed(settings: &Settings, database: &Database) -> usize {
    let pools = database.users.iter().map(|user| {
        let reserve = user.pool_reserve_size.unwrap_or(settings.pool.reserve_size);
        user.pool_size.unwrap_or(settings.pool.size) + reserve
    });
    let bounds = [database.node_size, settings.pool.node_size];
    let bound = bounds.into_iter().flatten().min().unwrap_or(usize::MAX);
    pools.sum::<usize>().min(bound) + OWN_CONNECTIONS
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Overrides, load};

    fn settings() -> Settings {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("pgherd.toml");
        let text = "[pool]\nsize = 50\n[database.app]\nrules = \"r.yaml\"\n\
                    [[database.app.user]]\nname = \"a\"\npassword = \"p\"\n\
                    [[database.app.user]]\nname = \"b\"\npassword = \"p\"\npool_size = 7\n\
                    [[database.app.shard]]\nname = \"s1\"\nnodes = [\"h:1\", \"h:2\"]\n\
                    [[database.app.shard]]\nname = \"s2\"\nnodes = [\"h:3\"]\n";
        std::fs::write(&file, text).unwrap();
        std::fs::write(directory.path().join("r.yaml"), "reference: []\n").unwrap();
        load(&file, &Overrides::default()).unwrap()
    }

    fn facts(cluster: &str, in_recovery: bool) -> NodeFacts {
        NodeFacts {
            version: 150_018,
            in_recovery,
            system_identifier: cluster.to_owned(),
            wal_level: "logical".to_owned(),
            max_prepared_transactions: 100,
            superuser: true,
            track_commit_timestamp: true,
            max_replication_slots: 10,
            max_wal_senders: 10,
            max_connections: 200,
            reserved_connections: 3,
            fsync: true,
            full_page_writes: true,
            encoding: "UTF8".to_owned(),
            answers: vec![("standard_conforming_strings".to_owned(), "on".to_owned())],
            receiver: in_recovery.then(|| "streaming".to_owned()),
            ..NodeFacts::default()
        }
    }

    /// Codes and places of what is found when `change` has changed the facts of h:1, h:2, h:3.
    fn found(change: impl FnOnce(&mut [NodeFacts; 3])) -> Vec<String> {
        let settings = settings();
        let database = &settings.databases[0];
        let mut all = [facts("c1", false), facts("c1", true), facts("c2", false)];
        change(&mut all);
        let mut all = all.into_iter();
        let looks: Looks = database
            .shards
            .iter()
            .map(|shard| {
                let look = |node| (node, all.next().ok_or(Trouble::Unreachable(String::new())));
                (&*shard.name, shard.nodes.iter().map(look).collect())
            })
            .collect();
        check(&settings, database, &looks)
            .iter()
            .map(|f| {
                format!("{} {} {}", f.severity, f.code, f.place.node.as_deref().unwrap_or("-"))
            })
            .collect()
    }

    #[test]
    fn servers_as_they_should_be_have_no_finding() {
        assert_eq!(found(|_| {}), [""; 0]);
    }

    #[test]
    fn each_setting_that_is_missing_is_found() {
        let wrong = found(|[primary, ..]| {
            primary.wal_level = "replica".to_owned();
            primary.max_prepared_transactions = 0;
            primary.track_commit_timestamp = false;
            primary.max_replication_slots = 1;
            primary.max_wal_senders = 0;
            primary.fsync = false;
        });
        let codes = "wal-level max-prepared-transactions track-commit-timestamp \
                     max-replication-slots max-wal-senders fsync";
        let expected: Vec<_> = codes.split(' ').map(|code| format!("warning {code} h:1")).collect();
        assert_eq!(wrong, expected);
    }

    #[test]
    fn servers_that_can_not_be_used_are_found() {
        let old = found(|all| all.iter_mut().for_each(|facts| facts.version = 130_010));
        assert_eq!(old, ["error version h:1", "error version h:2", "error version h:3"]);
        let mixed = found(|[.., other]| other.version = 160_004);
        assert_eq!(mixed, ["error majors -"]);
        let latin = found(|[.., other]| other.encoding = "LATIN1".to_owned());
        assert_eq!(latin, ["error encoding h:3"]);
        let same = found(|[.., other]| other.system_identifier = "c1".to_owned());
        assert_eq!(same, ["error same-cluster h:3"]);
        let strings = found(|all| all.iter_mut().for_each(|f| f.answers[0].1 = "off".to_owned()));
        assert_eq!(strings, ["error standard-conforming-strings -"]);
    }

    #[test]
    fn the_connections_that_pools_may_take_have_bounds() {
        let mut settings = settings();
        let needed = |settings: &Settings| connections_needed(settings, &settings.databases[0]);
        assert_eq!(needed(&settings), 50 + 7 + OWN_CONNECTIONS);
        settings.pool.reserve_size = 5;
        settings.databases[0].users[1].pool_reserve_size = Some(1);
        assert_eq!(needed(&settings), 50 + 5 + 7 + 1 + OWN_CONNECTIONS);
        settings.pool.node_size = Some(40);
        assert_eq!(needed(&settings), 40 + OWN_CONNECTIONS);
        settings.databases[0].node_size = Some(30);
        assert_eq!(needed(&settings), 30 + OWN_CONNECTIONS);
    }

    #[test]
    fn what_goes_wrong_later_is_found() {
        // 50 for one user, 7 for the other, 3 of our own: 60 of 63 - 3.
        assert_eq!(found(|[.., other]| other.max_connections = 63), [""; 0]);
        assert_eq!(
            found(|[.., other]| other.max_connections = 62),
            ["warning max-connections h:3"]
        );
        assert_eq!(found(|[.., other]| other.skew = -1.5), ["warning clock h:3"]);
        let left =
            |age| move |all: &mut [NodeFacts; 3]| (all[2].prepared, all[2].prepared_age) = (1, age);
        assert_eq!(found(left(3.0)), [""; 0], "one in flight");
        assert_eq!(found(left(3600.0)), ["warning prepared-transactions h:3"]);
        let doubt =
            |age| move |all: &mut [NodeFacts; 3]| (all[2].in_doubt, all[2].in_doubt_age) = (1, age);
        assert_eq!(found(doubt(3.0)), [""; 0], "one under way");
        assert_eq!(found(doubt(3600.0)), ["warning transactions-in-doubt h:3"]);
        assert_eq!(found(|all| all[2].undecided = true), ["warning no-decisions h:3"]);
        assert_eq!(found(|all| all[0].superuser = false), ["warning control-user h:1"]);
        // A replica decides nothing.
        assert_eq!(found(|all| all[1].superuser = false), [""; 0]);
        assert_eq!(found(|all| all[1].receiver = None), ["warning not-streaming h:2"]);
        let hidden = found(|all| all[1].receiver = Some(HIDDEN.to_owned()));
        assert_eq!(hidden, ["warning receiver-hidden h:2"]);
    }

    #[test]
    fn roles_are_checked() {
        let none = found(|all| all[2].in_recovery = true);
        assert_eq!(none, ["error no-primary -"]);
        let two = found(|all| all[1].in_recovery = false);
        assert_eq!(two, ["error two-primaries -"]);
        let turned = found(|all| all.swap(0, 1));
        assert_eq!(turned, ["warning first-node h:2"]);
        let foreign = found(|all| all[1].system_identifier = "c3".to_owned());
        assert_eq!(foreign, ["error foreign-replica h:2"]);
    }
}
