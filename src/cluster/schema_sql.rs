//! The questions that the schema is read by.

use std::collections::HashMap;

use tokio_postgres::{Client, Error, IsolationLevel, Row};

use crate::config::rules::TableName;
use crate::routing::schema::{
    Column, ForeignKey, FunctionFact, Schema, Table, TableKind, UniqueIndex, Volatility,
};

/// Relations that are ours to know: not the system's, not of one session only. Schemas whose
/// name starts with `pg_` are reserved for the system.
const RELATIONS: &str = "
    SELECT c.oid, n.nspname::text, c.relname::text, c.relkind
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND c.relpersistence <> 't'
      AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
    ORDER BY c.oid LIMIT $1";

/// Relations that are kept at most: bounds the memory of a schema.
const RELATIONS_MAX: i64 = 200_000;

/// A text that changes when any row does that the schema is read from: each row counts by its
/// oid and the transaction that wrote it. VACUUM and ANALYZE write in place and change nothing.
const FINGERPRINT: &str = "
    WITH relation AS (
      SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE c.relpersistence <> 't' AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
    ), seen(what, h) AS (
      SELECT 'class', hashint8extended(c.xmin::text::int8, c.oid::int8)
        FROM pg_class c JOIN relation r ON r.oid = c.oid
      UNION ALL
      SELECT 'attribute', hashint8extended(a.xmin::text::int8, a.attrelid::int8 * 2048 + a.attnum)
        FROM pg_attribute a JOIN relation r ON r.oid = a.attrelid
      UNION ALL
      SELECT 'default', hashint8extended(d.xmin::text::int8, d.oid::int8)
        FROM pg_attrdef d JOIN relation r ON r.oid = d.adrelid
      UNION ALL
      SELECT 'index', hashint8extended(i.xmin::text::int8, i.indexrelid::int8)
        FROM pg_index i JOIN relation r ON r.oid = i.indrelid
      UNION ALL
      SELECT 'constraint', hashint8extended(k.xmin::text::int8, k.oid::int8) FROM pg_constraint k
      UNION ALL
      SELECT 'trigger', hashint8extended(t.xmin::text::int8, t.oid::int8) FROM pg_trigger t
      UNION ALL
      SELECT 'rule', hashint8extended(w.xmin::text::int8, w.oid::int8) FROM pg_rewrite w
      UNION ALL
      SELECT 'function', hashint8extended(p.xmin::text::int8, p.oid::int8) FROM pg_proc p
      UNION ALL
      SELECT 'type', hashint8extended(y.xmin::text::int8, y.oid::int8)
        FROM pg_type y WHERE y.typtype = 'd'
      UNION ALL
      SELECT 'schema', hashint8extended(n.xmin::text::int8, n.oid::int8)
        FROM pg_namespace n WHERE n.nspname !~ '^pg_(toast_)?temp_'
    )
    SELECT current_setting('server_version_num') || ';' || string_agg(part, ';' ORDER BY part)
    FROM (SELECT what || ':' || count(*) || ':' || sum(h) AS part FROM seen GROUP BY what) parts";

/// A domain is followed down to the type that it is made of. Which functions a default calls is
/// in its stored tree only: `pg_depend` doesn't name those of the system.
const COLUMNS: &str = "
    WITH RECURSIVE base(oid, base, modifier, not_null, has_default) AS (
      SELECT oid, oid, -1, false, false FROM pg_type WHERE typtype <> 'd'
      UNION ALL
      SELECT d.oid, b.base, CASE d.typtypmod WHEN -1 THEN b.modifier ELSE d.typtypmod END,
             b.not_null OR d.typnotnull, b.has_default OR d.typdefault IS NOT NULL
        FROM pg_type d JOIN base b ON b.oid = d.typbasetype WHERE d.typtype = 'd'
    )
    SELECT a.attrelid, a.attname::text, y.oid, y.typname::text,
           CASE a.atttypmod WHEN -1 THEN b.modifier ELSE a.atttypmod END,
           a.attnotnull OR b.not_null,
           a.atthasdef OR a.attidentity <> '' OR b.has_default,
           a.attidentity <> '' OR coalesce(
             pg_get_expr(d.adbin, d.adrelid) ~ '\\mnextval\\(', false),
           NOT coalesce(l.collisdeterministic, true), a.attgenerated <> '',
           CASE WHEN l.collprovider = 'd' THEN
               (SELECT s.datcollate IN ('C', 'POSIX')
                       AND coalesce(to_jsonb(s) ->> 'datlocprovider', 'c') = 'c'
                FROM pg_database s WHERE s.datname = current_database())
             ELSE coalesce(l.collprovider = 'c' AND l.collcollate IN ('C', 'POSIX'), false) END,
           a.attidentity <> '' OR b.has_default OR coalesce(
             d.adbin::text ~ '\\{(SQLVALUEFUNCTION|NEXTVALUEEXPR|COERCEVIAIO) '
             OR EXISTS (
               SELECT FROM regexp_matches(d.adbin::text, ':(?:funcid|opfuncid) (\\d+)', 'g') m
               JOIN pg_proc p ON p.oid = m[1]::oid WHERE p.provolatile <> 'i'), false),
           format_type(a.atttypid, a.atttypmod),
           CASE WHEN a.attcollation <> own.typcollation THEN format('%I.%I', ln.nspname, l.collname)
             END,
           y.typtype = 'e'
    FROM pg_attribute a
    JOIN base b ON b.oid = a.atttypid
    JOIN pg_type own ON own.oid = a.atttypid
    JOIN pg_type y ON y.oid = b.base
    LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    LEFT JOIN pg_collation l ON l.oid = a.attcollation
    LEFT JOIN pg_namespace ln ON ln.oid = l.collnamespace
    WHERE a.attnum > 0 AND NOT a.attisdropped AND a.attrelid = ANY ($1)
    ORDER BY a.attrelid, a.attnum";

/// Exclusion constraints as well, which ON CONFLICT DO NOTHING heeds: their columns are those
/// that are compared by an equality.
const UNIQUE: &str = "
    SELECT i.indrelid, c.relname::text,
           ARRAY(SELECT CASE WHEN x.conexclop IS NULL OR EXISTS (
                          SELECT FROM pg_operator o
                          WHERE o.oid = x.conexclop[k.place] AND o.oprname = '=')
                        THEN coalesce(a.attname::text, '') ELSE '' END
                 FROM unnest(i.indkey::int2[]) WITH ORDINALITY AS k(num, place)
                 LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.num
                   AND k.num <> 0
                 WHERE k.place <= i.indnkeyatts ORDER BY k.place),
           i.indisprimary, i.indpred IS NOT NULL
    FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
    LEFT JOIN pg_constraint x ON x.conindid = i.indexrelid AND x.contype = 'x'
    WHERE (i.indisunique OR i.indisexclusion) AND i.indislive AND i.indrelid = ANY ($1)
    ORDER BY i.indrelid, c.relname";

const FOREIGN_KEYS: &str = "
    SELECT k.conrelid, k.conname::text,
           ARRAY(SELECT a.attname::text FROM unnest(k.conkey) WITH ORDINALITY AS u(num, place)
                 JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.num
                 ORDER BY u.place),
           n.nspname::text, f.relname::text,
           ARRAY(SELECT a.attname::text FROM unnest(k.confkey) WITH ORDINALITY AS u(num, place)
                 JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = u.num
                 ORDER BY u.place)
    FROM pg_constraint k
    JOIN pg_class f ON f.oid = k.confrelid
    JOIN pg_namespace n ON n.oid = f.relnamespace
    WHERE k.contype = 'f' AND k.conrelid = ANY ($1)
    ORDER BY k.conrelid, k.conname";

/// Triggers of a person's making, and rules: both run more than the statement says. A trigger's
/// lowest bit tells that it runs once a row.
const TRIGGERS: &str = "
    SELECT tgrelid, tgname::text, tgtype & 1 = 0 FROM pg_trigger
    WHERE NOT tgisinternal AND tgenabled <> 'D' AND tgrelid = ANY ($1)
    UNION ALL
    SELECT ev_class, rulename::text, true FROM pg_rewrite
    WHERE ev_type <> '1' AND ev_enabled <> 'D' AND ev_class = ANY ($1)
    ORDER BY 1, 2";

/// What the definition of a view reads, itself left out. `pg_depend` names no system catalog,
/// since nothing can drop one, so the relations in the stored parse tree count as well.
const READS: &str = "
    WITH read(view, relation) AS (
      SELECT w.ev_class, d.refobjid
        FROM pg_rewrite w JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass
          AND d.objid = w.oid AND d.refclassid = 'pg_class'::regclass
        WHERE w.ev_type = '1' AND w.ev_class = ANY ($1)
      UNION
      SELECT w.ev_class, m[1]::oid
        FROM pg_rewrite w, regexp_matches(w.ev_action::text, ' :relid (\\d+)', 'g') AS m
        WHERE w.ev_type = '1' AND w.ev_class = ANY ($1)
    )
    SELECT r.view, n.nspname::text, c.relname::text
    FROM read r JOIN pg_class c ON c.oid = r.relation JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE r.relation <> r.view
    ORDER BY 1, 2, 3";

/// Rows of a part are rows of the whole.
const FAMILY: &str = "
    WITH RECURSIVE up(part, whole) AS (
      SELECT inhrelid, inhparent FROM pg_inherits
      UNION
      SELECT u.part, i.inhparent FROM up u JOIN pg_inherits i ON i.inhrelid = u.whole
    ), related(one, other) AS (
      SELECT part, whole FROM up UNION SELECT whole, part FROM up
    )
    SELECT r.one, n.nspname::text, c.relname::text
    FROM related r JOIN pg_class c ON c.oid = r.other
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE r.one = ANY ($1)
    ORDER BY 1, 2, 3";

const FUNCTIONS: &str = "
    SELECT p.proname::text, n.nspname::text,
           CASE WHEN bool_or(p.provolatile = 'v') THEN 'v'
                WHEN bool_or(p.provolatile = 's') THEN 's' ELSE 'i' END,
           bool_or(p.proretset)
    FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
    WHERE n.nspname !~ '^pg_(toast_)?temp_'
    GROUP BY 1, 2 ORDER BY 1, 2";

/// Changes when the schema may have.
pub(super) async fn fingerprint(client: &Client) -> Result<String, Error> {
    client.query_one(FINGERPRINT, &[]).await?.try_get(0)
}

/// Reads one server's tables and functions in one snapshot. The version is 0: who keeps schemas
/// counts them.
pub async fn load(client: &mut Client) -> Result<Schema, Error> {
    Ok(read(client).await?.1)
}

/// The schema, and the fingerprint of the same snapshot.
pub(super) async fn read(client: &mut Client) -> Result<(String, Schema), Error> {
    let snapshot = client
        .build_transaction()
        .isolation_level(IsolationLevel::RepeatableRead)
        .read_only(true)
        .start()
        .await?;
    // Names in the questions mean the system's, whatever the user's own path.
    snapshot.batch_execute("SET LOCAL search_path = pg_catalog").await?;
    let fingerprint = fingerprint(snapshot.client()).await?;
    let schema = tables_and_functions(snapshot.client()).await?;
    snapshot.commit().await?;
    Ok((fingerprint, schema))
}

async fn tables_and_functions(client: &Client) -> Result<Schema, Error> {
    let number: String =
        client.query_one("SELECT current_setting('server_version_num')", &[]).await?.try_get(0)?;
    let mut tables = Tables::read(client).await?;
    tables.columns(client).await?;
    tables.unique(client).await?;
    tables.foreign_keys(client).await?;
    tables.triggers(client).await?;
    tables.reads(client).await?;
    tables.family(client).await?;
    Ok(Schema {
        version: 0,
        server_major: number.parse::<u32>().map_or(0, |n| n / 10_000),
        functions: functions(client).await?,
        tables: tables.by_oid.into_values().collect(),
    })
}

/// The tables while they are filled, by oid.
struct Tables {
    by_oid: HashMap<u32, (TableName, Table)>,
    oids: Vec<u32>,
}

impl Tables {
    async fn read(client: &Client) -> Result<Tables, Error> {
        let mut by_oid = HashMap::new();
        for row in client.query(RELATIONS, &[&RELATIONS_MAX]).await? {
            let kind: i8 = row.try_get(3)?;
            let table = Table { kind: table_kind(kind as u8), ..Table::default() };
            by_oid.insert(row.try_get(0)?, (table_name(&row, 1)?, table));
        }
        let oids = by_oid.keys().copied().collect();
        Ok(Tables { by_oid, oids })
    }

    /// Runs a question over all tables; each row's first column is its table.
    async fn each(
        &mut self,
        client: &Client,
        question: &str,
        take: impl Fn(&Row, &mut Table) -> Result<(), Error>,
    ) -> Result<(), Error> {
        for row in client.query(question, &[&self.oids]).await? {
            if let Some((_, table)) = self.by_oid.get_mut(&row.try_get(0)?) {
                take(&row, table)?;
            }
        }
        Ok(())
    }

    async fn columns(&mut self, client: &Client) -> Result<(), Error> {
        let take = |row: &Row, table: &mut Table| {
            table.columns.push(Column {
                name: text(row, 1)?,
                type_oid: row.try_get(2)?,
                type_name: text(row, 3)?,
                type_modifier: row.try_get(4)?,
                not_null: row.try_get(5)?,
                has_default: row.try_get(6)?,
                from_sequence: row.try_get(7)?,
                nondeterministic: row.try_get(8)?,
                generated: row.try_get(9)?,
                bytewise: row.try_get(10)?,
                default_varies: row.try_get(11)?,
                written: text(row, 12)?,
                collation: row.try_get::<_, Option<&str>>(13)?.map(Box::from),
                is_enum: row.try_get(14)?,
            });
            Ok(())
        };
        self.each(client, COLUMNS, take).await
    }

    async fn unique(&mut self, client: &Client) -> Result<(), Error> {
        let take = |row: &Row, table: &mut Table| {
            table.unique.push(UniqueIndex {
                name: text(row, 1)?,
                columns: texts(row, 2)?,
                primary: row.try_get(3)?,
                partial: row.try_get(4)?,
            });
            Ok(())
        };
        self.each(client, UNIQUE, take).await
    }

    async fn foreign_keys(&mut self, client: &Client) -> Result<(), Error> {
        let take = |row: &Row, table: &mut Table| {
            table.foreign_keys.push(ForeignKey {
                name: text(row, 1)?,
                columns: texts(row, 2)?,
                references: table_name(row, 3)?,
                referenced_columns: texts(row, 5)?,
            });
            Ok(())
        };
        self.each(client, FOREIGN_KEYS, take).await
    }

    async fn triggers(&mut self, client: &Client) -> Result<(), Error> {
        let take = |row: &Row, table: &mut Table| {
            table.triggers.push(text(row, 1)?);
            table.per_statement |= row.try_get::<_, bool>(2)?;
            Ok(())
        };
        self.each(client, TRIGGERS, take).await
    }

    async fn reads(&mut self, client: &Client) -> Result<(), Error> {
        let take = |row: &Row, table: &mut Table| {
            table.reads.push(table_name(row, 1)?);
            Ok(())
        };
        self.each(client, READS, take).await
    }

    async fn family(&mut self, client: &Client) -> Result<(), Error> {
        let take = |row: &Row, table: &mut Table| {
            table.family.push(table_name(row, 1)?);
            Ok(())
        };
        self.each(client, FAMILY, take).await
    }
}

async fn functions(client: &Client) -> Result<HashMap<Box<str>, Vec<FunctionFact>>, Error> {
    let mut functions: HashMap<Box<str>, Vec<FunctionFact>> = HashMap::new();
    for row in client.query(FUNCTIONS, &[]).await? {
        let volatility = match row.try_get::<_, &str>(2)? {
            "i" => Volatility::Immutable,
            "s" => Volatility::Stable,
            _ => Volatility::Volatile,
        };
        let fact = FunctionFact { schema: text(&row, 1)?, volatility, sets: row.try_get(3)? };
        functions.entry(text(&row, 0)?).or_default().push(fact);
    }
    Ok(functions)
}

fn table_kind(relkind: u8) -> TableKind {
    match relkind {
        b'p' => TableKind::Partitioned,
        b'v' => TableKind::View,
        b'm' => TableKind::MaterializedView,
        b'f' => TableKind::Foreign,
        b'S' => TableKind::Sequence,
        _ => TableKind::Table,
    }
}

fn text(row: &Row, i: usize) -> Result<Box<str>, Error> {
    row.try_get::<_, &str>(i).map(Box::from)
}

fn texts(row: &Row, i: usize) -> Result<Vec<Box<str>>, Error> {
    Ok(row.try_get::<_, Vec<&str>>(i)?.into_iter().map(Box::from).collect())
}

fn table_name(row: &Row, i: usize) -> Result<TableName, Error> {
    Ok(TableName { schema: text(row, i)?, name: text(row, i + 1)? })
}
