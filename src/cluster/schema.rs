//! What the servers say of their tables and functions, as routing wants it.

use std::collections::HashMap;

use tokio_postgres::{Client, Error, Row, Transaction};

use crate::config::rules::TableName;
use crate::routing::schema::{
    Column, ForeignKey, FunctionFact, Schema, Table, TableKind, UniqueIndex, Volatility,
};

/// Relations of a schema that are kept at most: bounds the memory of a snapshot.
const RELATIONS_MAX: i64 = 200_000;

const RELATIONS: &str = "
SELECT c.oid, n.nspname, c.relname, c.relkind::text
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND c.relpersistence <> 't'
   AND n.nspname <> 'pg_toast'
 ORDER BY c.oid LIMIT $1";

const COLUMNS: &str = "
SELECT a.attrelid, a.attname, a.atttypid, t.typname, a.atttypmod,
       a.attnotnull OR t.typnotnull, a.atthasdef OR a.attidentity <> '',
       a.attidentity <> '' OR EXISTS (
           SELECT FROM pg_attrdef f
             JOIN pg_depend d ON d.classid = 'pg_attrdef'::regclass AND d.objid = f.oid
                             AND d.refclassid = 'pg_class'::regclass
             JOIN pg_class s ON s.oid = d.refobjid AND s.relkind = 'S'
            WHERE f.adrelid = a.attrelid AND f.adnum = a.attnum),
       NOT coalesce(l.collisdeterministic, true)
  FROM pg_attribute a
  JOIN pg_class c ON c.oid = a.attrelid AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
                 AND c.relpersistence <> 't'
  JOIN pg_type t ON t.oid = a.atttypid
  LEFT JOIN pg_collation l ON l.oid = a.attcollation
 WHERE a.attnum > 0 AND NOT a.attisdropped
 ORDER BY a.attrelid, a.attnum";

/// Domains with the type and modifier under each.
const DOMAINS: &str = "
SELECT d.oid, d.typbasetype, t.typname, d.typtypmod
  FROM pg_type d JOIN pg_type t ON t.oid = d.typbasetype
 WHERE d.typtype = 'd'";

const UNIQUE: &str = "
SELECT i.indrelid, c.relname, i.indisprimary, i.indpred IS NOT NULL,
       ARRAY(SELECT coalesce(a.attname::text, '')
               FROM unnest(i.indkey[0:i.indnkeyatts - 1]) WITH ORDINALITY AS k (attnum, n)
               LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
                                       AND k.attnum <> 0
              ORDER BY k.n)
  FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
 WHERE i.indisunique
 ORDER BY i.indrelid, c.relname";

const FOREIGN_KEYS: &str = "
SELECT k.conrelid, k.conname, n.nspname, c.relname,
       ARRAY(SELECT a.attname::text FROM unnest(k.conkey) WITH ORDINALITY AS u (attnum, n)
               JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.attnum
              ORDER BY u.n),
       ARRAY(SELECT a.attname::text FROM unnest(k.confkey) WITH ORDINALITY AS u (attnum, n)
               JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = u.attnum
              ORDER BY u.n)
  FROM pg_constraint k
  JOIN pg_class c ON c.oid = k.confrelid JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE k.contype = 'f'
 ORDER BY k.conrelid, k.conname";

const TRIGGERS: &str = "
SELECT tgrelid, tgname FROM pg_trigger WHERE NOT tgisinternal ORDER BY tgrelid, tgname";

const FUNCTIONS: &str = "
SELECT p.proname, n.nspname, max(array_position('{i,s,v}'::\"char\"[], p.provolatile))
  FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
 GROUP BY p.proname, n.nspname
 ORDER BY p.proname, n.nspname";

/// Reads one server's tables and functions in one snapshot. The version is 0: who keeps
/// snapshots counts them.
pub async fn load(client: &mut Client) -> Result<Schema, Error> {
    let snapshot = client
        .build_transaction()
        .isolation_level(tokio_postgres::IsolationLevel::RepeatableRead)
        .read_only(true)
        .start()
        .await?;
    let version = snapshot.query_one("SELECT current_setting('server_version_num')::int4", &[]);
    let version: i32 = version.await?.try_get(0)?;
    let mut tables = Tables::load(&snapshot).await?;
    tables.columns(&snapshot).await?;
    tables.constraints(&snapshot).await?;
    let functions = functions(&snapshot).await?;
    snapshot.commit().await?;
    Ok(Schema {
        version: 0,
        server_major: u32::try_from(version / 10_000).unwrap_or(0),
        tables: tables.named,
        functions,
    })
}

struct Tables {
    named: HashMap<TableName, Table>,
    by_oid: HashMap<u32, TableName>,
}

impl Tables {
    async fn load(snapshot: &Transaction<'_>) -> Result<Tables, Error> {
        let mut tables = Tables { named: HashMap::new(), by_oid: HashMap::new() };
        for row in snapshot.query(RELATIONS, &[&RELATIONS_MAX]).await? {
            let name = table_name(&row, 1)?;
            let kind = match row.try_get::<_, &str>(3)? {
                "p" => TableKind::Partitioned,
                "v" => TableKind::View,
                "m" => TableKind::MaterializedView,
                "f" => TableKind::Foreign,
                "S" => TableKind::Sequence,
                _ => TableKind::Table,
            };
            tables.by_oid.insert(row.try_get(0)?, name.clone());
            tables.named.insert(name, Table { kind, ..Table::default() });
        }
        Ok(tables)
    }

    /// The table that a row's first column names by oid, if it is one that we keep.
    fn of(&mut self, row: &Row) -> Result<Option<&mut Table>, Error> {
        let name = self.by_oid.get(&row.try_get(0)?);
        Ok(name.and_then(|name| self.named.get_mut(name)))
    }

    async fn columns(&mut self, snapshot: &Transaction<'_>) -> Result<(), Error> {
        let mut domains = HashMap::new();
        for row in snapshot.query(DOMAINS, &[]).await? {
            let base = (row.try_get(1)?, boxed(&row, 2)?, row.try_get(3)?);
            domains.insert(row.try_get(0)?, base);
        }
        for row in snapshot.query(COLUMNS, &[]).await? {
            let Some(table) = self.of(&row)? else { continue };
            let written = (row.try_get(2)?, boxed(&row, 3)?, row.try_get(4)?);
            let (type_oid, type_name, _modifier) = base_type(written, &domains);
            table.columns.push(Column {
                name: boxed(&row, 1)?,
                type_oid,
                type_name,
                not_null: row.try_get(5)?,
                has_default: row.try_get(6)?,
                from_sequence: row.try_get(7)?,
                nondeterministic: row.try_get(8)?,
            });
        }
        Ok(())
    }

    async fn constraints(&mut self, snapshot: &Transaction<'_>) -> Result<(), Error> {
        for row in snapshot.query(UNIQUE, &[]).await? {
            let Some(table) = self.of(&row)? else { continue };
            table.unique.push(UniqueIndex {
                name: boxed(&row, 1)?,
                primary: row.try_get(2)?,
                partial: row.try_get(3)?,
                columns: boxes(&row, 4)?,
            });
        }
        for row in snapshot.query(FOREIGN_KEYS, &[]).await? {
            let Some(table) = self.of(&row)? else { continue };
            table.foreign_keys.push(ForeignKey {
                name: boxed(&row, 1)?,
                references: table_name(&row, 2)?,
                columns: boxes(&row, 4)?,
                referenced_columns: boxes(&row, 5)?,
            });
        }
        for row in snapshot.query(TRIGGERS, &[]).await? {
            let Some(table) = self.of(&row)? else { continue };
            table.triggers.push(boxed(&row, 1)?);
        }
        Ok(())
    }
}

/// A type's oid, name and modifier.
type Type = (u32, Box<str>, i32);

/// The type under a domain, or under a domain over a domain. A modifier is written once: a
/// domain has it from its own definition, and a column of a domain has none.
fn base_type(written: Type, domains: &HashMap<u32, Type>) -> Type {
    let mut found = written;
    // A domain can't be over itself; the bound is against a catalog that is broken.
    for _ in 0..64 {
        let Some((oid, name, modifier)) = domains.get(&found.0) else { break };
        let modifier = if *modifier == -1 { found.2 } else { *modifier };
        found = (*oid, name.clone(), modifier);
    }
    found
}

async fn functions(
    snapshot: &Transaction<'_>,
) -> Result<HashMap<Box<str>, Vec<FunctionFact>>, Error> {
    let mut functions: HashMap<Box<str>, Vec<FunctionFact>> = HashMap::new();
    for row in snapshot.query(FUNCTIONS, &[]).await? {
        let volatility = match row.try_get::<_, i32>(2)? {
            1 => Volatility::Immutable,
            2 => Volatility::Stable,
            _ => Volatility::Volatile,
        };
        let fact = FunctionFact { schema: boxed(&row, 1)?, volatility };
        functions.entry(boxed(&row, 0)?).or_default().push(fact);
    }
    Ok(functions)
}

fn table_name(row: &Row, at: usize) -> Result<TableName, Error> {
    Ok(TableName { schema: boxed(row, at)?, name: boxed(row, at + 1)? })
}

fn boxed(row: &Row, at: usize) -> Result<Box<str>, Error> {
    Ok(row.try_get::<_, &str>(at)?.into())
}

fn boxes(row: &Row, at: usize) -> Result<Vec<Box<str>>, Error> {
    Ok(row.try_get::<_, Vec<&str>>(at)?.into_iter().map(Box::from).collect())
}
