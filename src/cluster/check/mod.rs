//! `pgherd check`: the settings and rules against the live servers.
//!
//! A finding is an error when statements would fail or could be answered wrongly; a warning
//! when something that an operator relies on doesn't hold, or won't for what comes later.

mod finding;
mod ids;
mod node;
mod nodes;
mod placement;
mod rules;
mod shape;
mod shape_mend;
mod shape_sql;

use futures_util::future::join_all;
use tokio::time::timeout;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, SimpleQueryMessage};

pub use finding::{Finding, Severity, Where};
pub use placement::check_files;

use self::finding::{error, warning};
use self::node::{Node, Trouble, described, knock, look};
use self::nodes::Looks;
use super::ids::Sequence;
use super::schema;
use crate::catalog::Catalog;
use crate::config::rules::{Rules, TableName};
use crate::config::settings::{Database, Settings};
use crate::placement::ShardId;
use crate::routing::schema::{Table, TableKind};

/// Findings that are reported at most; a schema that is missing on one shard would fill pages.
const FINDINGS_MAX: usize = 1000;

/// What was looked at, and what was found, the worst first.
#[derive(Debug, Clone, Default, serde::Serialize)]
pub struct Report {
    pub databases: usize,
    pub shards: usize,
    pub nodes: usize,
    /// Tables of the home shards that are not the server's own.
    pub tables: usize,
    pub findings: Vec<Finding>,
}

impl Report {
    pub fn count(&self, severity: Severity) -> usize {
        self.findings.iter().filter(|finding| finding.severity == severity).count()
    }

    /// True when nothing stands in the way of correct answers.
    pub fn passed(&self) -> bool {
        self.count(Severity::Error) == 0
    }
}

/// Looks at every server of every database. Takes as long as the slowest server that answers,
/// and `pool.connect_timeout` plus a few `cluster.query_timeout` at most for one that doesn't.
pub async fn check(settings: &Settings) -> Report {
    let mut report = Report::default();
    for database in &settings.databases {
        check_database(settings, database, &mut report).await;
    }
    report.findings.sort();
    report.findings.truncate(FINDINGS_MAX);
    report
}

async fn check_database(settings: &Settings, database: &Database, report: &mut Report) {
    let place = Where::database(&database.name);
    report.databases += 1;
    report.shards += database.shards.len();
    report.nodes += database.shards.iter().map(|shard| shard.nodes.len()).sum::<usize>();

    let (looks, mut primaries) = look_at_all(settings, database).await;
    report.findings.extend(nodes::check(settings, database, &looks));
    let mut findings = users(settings, &place, database, &looks).await;
    drop(looks);

    let catalog = placement::recorded(database);
    let limit = settings.cluster.query_timeout;
    for (shard, client) in &primaries {
        let place = place.shard(shard);
        findings
            .extend(placement::check_node(&place, client, catalog.as_ref(), shard, limit).await);
    }
    let shapes = shapes(settings, &place, &mut primaries, &mut findings).await;
    findings.extend(shape::compare(&place, &database.rules, &shapes));
    let home = &*database.shards[database.home_shard()].name;
    if let Some(at) = primaries.iter().position(|(shard, _)| *shard == home) {
        let read = schema::load(&mut primaries[at].1);
        match timeout(settings.cluster.query_timeout, read).await {
            Ok(Ok(schema)) => {
                report.tables +=
                    schema.tables.iter().filter(|(name, table)| is_own(name, table)).count();
                findings.extend(rules::check(&place, &database.rules, &schema));
                let by_shard = sequences(settings, &database.rules, &primaries).await;
                let number = |shard: &str| shard_number(catalog.as_ref(), database, shard);
                findings.extend(ids::check(&place, &schema, &database.rules, &by_shard, number));
            }
            Ok(Err(why)) => findings.push(unread(place.shard(home), &why)),
            Err(_) => findings.push(unread(place.shard(home), "no answer in time")),
        }
    }
    count_references(settings, &place, &database.rules, &primaries, &mut findings).await;
    report.findings.extend(findings);
}

fn is_own(name: &TableName, table: &Table) -> bool {
    matches!(table.kind, TableKind::Table | TableKind::Partitioned)
        && !matches!(&*name.schema, "pg_catalog" | "information_schema" | "pgherd")
}

/// A client to a shard's primary, by the shard's name.
type Primaries<'a> = Vec<(&'a str, Client)>;

async fn look_at_all<'a>(
    settings: &Settings,
    database: &'a Database,
) -> (Looks<'a>, Primaries<'a>) {
    let (connect, query) = (settings.pool.connect_timeout, settings.cluster.query_timeout);
    let mut looks = Looks::new();
    let mut primaries = Primaries::new();
    let all = database.shards.iter().map(|shard| {
        let looking = shard.nodes.iter();
        join_all(looking.map(|node| look(node, &shard.tls, database, connect, query)))
    });
    for (shard, looked) in database.shards.iter().zip(join_all(all).await) {
        let mut primary = None;
        let mut nodes = Vec::new();
        for (address, looked) in shard.nodes.iter().zip(looked) {
            let facts = looked.map(|Node { client, facts }| {
                if !facts.in_recovery {
                    primary.get_or_insert(client);
                }
                facts
            });
            nodes.push((address, facts));
        }
        looks.push((&*shard.name, nodes));
        primaries.extend(primary.map(|client| (&*shard.name, client)));
    }
    (looks, primaries)
}

/// Each user has pools of its own; the control user has been let in by each server looked at.
async fn users(
    settings: &Settings,
    place: &Where,
    database: &Database,
    looks: &Looks<'_>,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    let others = database.users.iter().enumerate().filter(|(i, user)| {
        // Who comes by what clients have shown can't be tried without one.
        let by_shown =
            user.server_password.is_none() && database.auth(&user.name).asks_for_password();
        *i != database.control_user && !by_shown
    });
    for (_, user) in others {
        // The looks are in the order of the shards.
        let answering = database.shards.iter().zip(looks).flat_map(|(shard, (_, nodes))| {
            let answering = nodes.iter().filter(|(_, look)| look.is_ok());
            answering.map(move |(node, _)| (shard, *node))
        });
        let connect = settings.pool.connect_timeout;
        let knocking = answering.map(async |(shard, node)| {
            (&*shard.name, node, knock(node, &shard.tls, database, user, connect).await)
        });
        for (shard, node, answer) in join_all(knocking).await {
            if let Err(Trouble::Refused { sqlstate, message }) = answer {
                let at = place.shard(shard).node(node);
                findings.push(nodes::user_refused(at, &user.name, &sqlstate, &message));
            }
        }
    }
    findings
}

async fn shapes<'a>(
    settings: &Settings,
    place: &Where,
    primaries: &mut Primaries<'a>,
    findings: &mut Vec<Finding>,
) -> Vec<(&'a str, shape::Shape)> {
    let bound = settings.cluster.query_timeout;
    let reading = primaries
        .iter_mut()
        .map(async |(shard, client)| (*shard, timeout(bound, shape::read(client)).await));
    let mut shapes = Vec::new();
    for (shard, read) in join_all(reading).await {
        match read {
            Ok(Ok(shape)) => shapes.push((shard, shape)),
            Ok(Err(why)) => findings.push(unread(place.shard(shard), &described(&why))),
            Err(_) => findings.push(unread(place.shard(shard), "no answer in time")),
        }
    }
    shapes
}

/// The sequences of sharded tables on each shard that tells of them.
async fn sequences<'a>(
    settings: &Settings,
    rules: &Rules,
    primaries: &Primaries<'a>,
) -> Vec<(&'a str, Vec<Sequence>)> {
    let Some(question) = super::ids::question(rules) else { return Vec::new() };
    let asking = primaries.iter().map(async |(shard, client)| {
        let asked = client.simple_query(&question);
        let messages = timeout(settings.cluster.query_timeout, asked).await.ok()?.ok()?;
        let rows: Vec<_> = messages
            .iter()
            .filter_map(|message| match message {
                SimpleQueryMessage::Row(row) => {
                    Some((0..row.len()).map(|at| row.get(at).map(str::to_owned)).collect())
                }
                _ => None,
            })
            .collect();
        Some((*shard, super::ids::read(&rows).ok()?))
    });
    join_all(asking).await.into_iter().flatten().collect()
}

/// A shard's number in the catalog, or the one that it will get there.
fn shard_number(catalog: Option<&Catalog>, database: &Database, shard: &str) -> Option<ShardId> {
    let recorded = catalog.and_then(|catalog| catalog.shard_id(shard));
    let written = || database.shards.iter().position(|known| &*known.name == shard);
    recorded.or_else(|| u16::try_from(written()?).ok().map(ShardId))
}

fn unread(place: Where, why: &str) -> Finding {
    error(
        "schema-unread",
        place,
        format!("the schema can't be read: {why}"),
        "check the control user's rights; raise cluster.query_timeout when it was too slow",
    )
}

/// A reference table holds the same rows everywhere: their number is the cheapest sign.
async fn count_references(
    settings: &Settings,
    place: &Where,
    rules: &Rules,
    primaries: &Primaries<'_>,
    findings: &mut Vec<Finding>,
) {
    for table in &rules.reference {
        let place = place.table(table);
        let query =
            format!("SELECT count(*) FROM {}.{}", quoted(&table.schema), quoted(&table.name));
        let counting = primaries.iter().map(async |(shard, client)| {
            let counted = client.query_one(&query, &[]);
            (*shard, timeout(settings.cluster.query_timeout, counted).await)
        });
        let mut counts: Vec<(&str, i64)> = Vec::new();
        for (shard, counted) in join_all(counting).await {
            match counted.map(|row| row.and_then(|row| row.try_get::<_, i64>(0))) {
                Ok(Ok(count)) => counts.push((shard, count)),
                // That it doesn't exist is a finding of its own.
                Ok(Err(why)) if why.code() == Some(&SqlState::UNDEFINED_TABLE) => {}
                Ok(Err(why)) => findings.push(uncounted(place.shard(shard), &described(&why))),
                Err(_) => findings.push(uncounted(place.shard(shard), "no answer in time")),
            }
        }
        if counts.windows(2).any(|pair| pair[0].1 != pair[1].1) {
            let said: Vec<String> =
                counts.iter().map(|(shard, count)| format!("{count} on {shard}")).collect();
            findings.push(error(
                "reference-rows",
                place,
                format!(
                    "reference table {table} has not the same rows everywhere: {}",
                    said.join(", ")
                ),
                "copy the rows that are missing, with the hint /* pgherd: shard=NAME */",
            ));
        }
    }
}

fn uncounted(place: Where, why: &str) -> Finding {
    warning(
        "reference-uncounted",
        place,
        format!("the rows of this reference table can't be counted: {why}"),
        "check the control user's rights; raise cluster.query_timeout when it was too slow",
    )
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
