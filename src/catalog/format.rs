//! The catalog as bytes: JSON that a person can read, with the format's version and a
//! checksum of the content.
//!
//! `{"format": 1, "checksum": "sha256:…", "catalog": {…}}`. The checksum is of the content
//! without white space, keys in the order in which they stand.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::config::rules::{KeyType, TableName};
use crate::placement::{Placement, RangeTable, ShardId, SlotTable};

use super::{Catalog, DatabaseId, KeyspaceRecord, ShardRecord, TableRecord};

/// The version that this program writes, and the only one that it reads.
pub(super) const FORMAT: u64 = 1;

/// Why bytes are no catalog.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unreadable {
    Damaged(String),
    Format(u64),
}

#[derive(Serialize, Deserialize)]
struct Envelope {
    format: u64,
    checksum: String,
    catalog: serde_json::Value,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    database_id: String,
    revision: u64,
    epoch: u64,
    shards: Vec<Shard>,
    home_shard: u16,
    keyspaces: Vec<Keyspace>,
    tables: Vec<Table>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Shard {
    name: Box<str>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    removed: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Keyspace {
    name: Box<str>,
    key: Vec<String>,
    placement: PlacementContent,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
enum PlacementContent {
    /// Runs of slots in ring order: how many, and whose.
    Ring {
        slots: Vec<(u32, u16)>,
    },
    Ranges {
        bounds: Vec<Box<str>>,
        shards: Vec<u16>,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    schema: Box<str>,
    name: Box<str>,
    rows: Rows,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
enum Rows {
    Sharded { keyspace: Box<str>, columns: Vec<Box<str>> },
    Reference,
    Home,
}

/// The bytes of a catalog.
pub(super) fn encode(catalog: &Catalog) -> Result<Vec<u8>, serde_json::Error> {
    let content = serde_json::to_value(content_of(catalog))?;
    let envelope = Envelope { format: FORMAT, checksum: checksum(&content)?, catalog: content };
    let mut bytes = serde_json::to_vec(&envelope)?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// The catalog of bytes that [`encode`] wrote.
pub(super) fn decode(bytes: &[u8]) -> Result<Catalog, Unreadable> {
    let damaged = |why: serde_json::Error| Unreadable::Damaged(why.to_string());
    if bytes.is_empty() {
        return Err(Unreadable::Damaged("the file is empty".to_owned()));
    }
    // The version first: what it doesn't know, this program doesn't judge.
    #[derive(Deserialize)]
    struct Version {
        format: u64,
    }
    let Version { format } = serde_json::from_slice(bytes).map_err(damaged)?;
    if format != FORMAT {
        return Err(Unreadable::Format(format));
    }
    let envelope: Envelope = serde_json::from_slice(bytes).map_err(damaged)?;
    if checksum(&envelope.catalog).map_err(damaged)? != envelope.checksum {
        return Err(Unreadable::Damaged("its checksum does not match its content".to_owned()));
    }
    let content: Content = serde_json::from_value(envelope.catalog).map_err(damaged)?;
    catalog_of(content).map_err(Unreadable::Damaged)
}

fn checksum(content: &serde_json::Value) -> Result<String, serde_json::Error> {
    let digest = Sha256::digest(serde_json::to_vec(content)?);
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(format!("sha256:{hex}"))
}

fn content_of(catalog: &Catalog) -> Content {
    let keyspaces = catalog.keyspaces.iter().map(|(name, keyspace)| Keyspace {
        name: name.clone(),
        key: keyspace.key.iter().map(|&kind| type_name(kind).to_owned()).collect(),
        placement: match &keyspace.placement {
            Placement::Ring(slots) => PlacementContent::Ring { slots: slots.runs() },
            Placement::Ranges(ranges) => PlacementContent::Ranges {
                bounds: ranges
                    .bounds()
                    .iter()
                    .map(|bound| bound.to_text(ranges.key_type()).into())
                    .collect(),
                shards: ranges.ranges().map(|range| range.shard.0).collect(),
            },
        },
    });
    let tables = catalog.tables.iter().map(|(table, record)| Table {
        schema: table.schema.clone(),
        name: table.name.clone(),
        rows: match record.clone() {
            TableRecord::Sharded { keyspace, columns } => Rows::Sharded { keyspace, columns },
            TableRecord::Reference => Rows::Reference,
            TableRecord::Home => Rows::Home,
        },
    });
    let shards = catalog.shards.iter();
    Content {
        database_id: catalog.database_id.to_string(),
        revision: catalog.revision,
        epoch: catalog.epoch,
        shards: shards
            .map(|shard| Shard { name: shard.name.clone(), removed: shard.removed })
            .collect(),
        home_shard: catalog.home.0,
        keyspaces: keyspaces.collect(),
        tables: tables.collect(),
    }
}

/// The sentence of an error says what is wrong; it can only come from a writer with a fault.
fn catalog_of(content: Content) -> Result<Catalog, String> {
    let id = u64::from_str_radix(&content.database_id, 16)
        .map_err(|_| format!("{:?} is no database id", content.database_id))?;
    let shards: Vec<ShardRecord> = content
        .shards
        .into_iter()
        .map(|shard| ShardRecord { name: shard.name, removed: shard.removed })
        .collect();
    let known = |shard: ShardId| match shards.get(usize::from(shard.0)) {
        Some(record) if !record.removed => Ok(shard),
        _ => Err(format!("there is no shard number {}", shard.0)),
    };
    let home = known(ShardId(content.home_shard))?;
    let mut keyspaces = std::collections::BTreeMap::new();
    for keyspace in content.keyspaces {
        let name = keyspace.name.clone();
        let record =
            keyspace_of(keyspace).map_err(|why| format!("in the keyspace {name}: {why}"))?;
        record.placement.shards().into_iter().try_for_each(|shard| known(shard).map(drop))?;
        keyspaces.insert(name, record);
    }
    let tables = content.tables.into_iter().map(|table| {
        let record = match table.rows {
            Rows::Sharded { keyspace, columns } => TableRecord::Sharded { keyspace, columns },
            Rows::Reference => TableRecord::Reference,
            Rows::Home => TableRecord::Home,
        };
        (TableName { schema: table.schema, name: table.name }, record)
    });
    Ok(Catalog {
        database_id: DatabaseId(id),
        revision: content.revision,
        epoch: content.epoch,
        tables: tables.collect(),
        shards,
        home,
        keyspaces,
    })
}

fn keyspace_of(keyspace: Keyspace) -> Result<KeyspaceRecord, String> {
    let key = keyspace
        .key
        .iter()
        .map(|name| key_type(name).ok_or_else(|| format!("{name:?} is not a type of key")))
        .collect::<Result<Vec<_>, _>>()?;
    let placement = match keyspace.placement {
        PlacementContent::Ring { slots } => {
            Placement::Ring(SlotTable::from_runs(&slots).map_err(|why| why.to_string())?)
        }
        PlacementContent::Ranges { bounds, shards } => {
            let &[only] = &*key else {
                return Err("ranges are of a key of one column".to_owned());
            };
            let shards = shards.into_iter().map(ShardId).collect();
            Placement::Ranges(RangeTable::from_parts(only, &bounds, shards)?)
        }
    };
    Ok(KeyspaceRecord { key, placement })
}

/// Names of the types in the catalog, on the nodes and in messages: those of `pg_type`.
const TYPES: [(KeyType, &str); 10] = [
    (KeyType::Int2, "int2"),
    (KeyType::Int4, "int4"),
    (KeyType::Int8, "int8"),
    (KeyType::Text, "text"),
    (KeyType::Uuid, "uuid"),
    (KeyType::Numeric, "numeric"),
    (KeyType::Date, "date"),
    (KeyType::Time, "time"),
    (KeyType::Timestamp, "timestamp"),
    (KeyType::TimestampTz, "timestamptz"),
];

pub(super) fn type_name(key_type: KeyType) -> &'static str {
    // All types are in the list: a test holds that.
    TYPES.iter().find(|(known, _)| *known == key_type).map_or("?", |(_, name)| name)
}

fn key_type(name: &str) -> Option<KeyType> {
    TYPES.iter().find(|(_, known)| *known == name).map(|(key_type, _)| *key_type)
}
