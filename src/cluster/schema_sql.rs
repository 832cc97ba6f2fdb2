//! The questions that the schema is read by.

use std::collections::HashMap;
use std::str::FromStr;

use tokio_postgres::{Client, Error, IsolationLevel, SimpleQueryMessage};

use super::ask::Row;
use super::schema::describe;
use crate::config::rules::TableName;
use crate::routing::schema::{
    Column, Definition, ForeignKey, FunctionFact, Schema, Table, TableKind, UniqueIndex, View,
    Volatility,
};

/// Relations that are ours to know: not the system's, not of one session only. Schemas whose
/// name starts with `pg_` are reserved for the system.
const RELATIONS: &str = "
    SELECT c.oid, n.nspname::text, c.relname::text, c.relkind, c.relrowsecurity
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
      SELECT 'operator', hashint8extended(o.xmin::text::int8, o.oid::int8)
        FROM pg_operator o WHERE o.oid >= 16384
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
           y.typtype = 'e',
           CASE WHEN a.attgenerated <> '' THEN NULL
             WHEN a.attidentity <> '' THEN format('pg_catalog.nextval(%L::pg_catalog.regclass)',
               pg_get_serial_sequence(format('%I.%I', n.nspname, c.relname), a.attname))
             ELSE pg_get_expr(d.adbin, d.adrelid) END,
           a.attidentity = 'a'
    FROM pg_attribute a
    JOIN pg_class c ON c.oid = a.attrelid
    JOIN pg_namespace n ON n.oid = c.relnamespace
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
           to_json(ARRAY(SELECT CASE WHEN x.conexclop IS NULL OR EXISTS (
                          SELECT FROM pg_operator o
                          WHERE o.oid = x.conexclop[k.place] AND o.oprname = '=')
                        THEN coalesce(a.attname::text, '') ELSE '' END
                 FROM unnest(i.indkey::int2[]) WITH ORDINALITY AS k(num, place)
                 LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.num
                   AND k.num <> 0
                 WHERE k.place <= i.indnkeyatts ORDER BY k.place)),
           i.indisprimary, i.indpred IS NOT NULL
    FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
    LEFT JOIN pg_constraint x ON x.conindid = i.indexrelid AND x.contype = 'x'
    WHERE (i.indisunique OR i.indisexclusion) AND i.indislive AND i.indrelid = ANY ($1)
    ORDER BY i.indrelid, c.relname";

const FOREIGN_KEYS: &str = "
    SELECT k.conrelid, k.conname::text,
           to_json(ARRAY(SELECT a.attname::text FROM unnest(k.conkey) WITH ORDINALITY AS u(num, place)
                 JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.num
                 ORDER BY u.place)),
           n.nspname::text, f.relname::text,
           to_json(ARRAY(SELECT a.attname::text FROM unnest(k.confkey) WITH ORDINALITY AS u(num, place)
                 JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = u.num
                 ORDER BY u.place))
    FROM pg_constraint k
    JOIN pg_class f ON f.oid = k.confrelid
    JOIN pg_namespace n ON n.oid = f.relnamespace
    WHERE k.contype = 'f' AND k.conrelid = ANY ($1)
    ORDER BY k.conrelid, k.conname";

/// Triggers of a person's making, and rules: both run more than the statement says. A trigger's
/// lowest bit tells that it runs once a row. One that notifies says so in its function's text, as a
/// rule: what calls another that does isn't seen.
const TRIGGERS: &str = "
    SELECT tgrelid, tgname::text, tgtype & 1 = 0, p.prosrc ILIKE '%notif%'
    FROM pg_trigger JOIN pg_proc p ON p.oid = tgfoid
    WHERE NOT tgisinternal AND tgenabled <> 'D' AND tgrelid = ANY ($1)
    UNION ALL
    SELECT ev_class, rulename::text, true, true FROM pg_rewrite
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

/// What views say. To write it down, the server locks the tables that a view reads, and would wait
/// for whoever has or wants them for himself: such a view is left out.
const VIEWS: &str = "
    WITH taken AS MATERIALIZED (
      SELECT relation FROM pg_locks
      WHERE locktype = 'relation' AND mode = 'AccessExclusiveLock'
        AND pid IS DISTINCT FROM pg_backend_pid()
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    )
    SELECT c.oid, o.invoker,
           CASE WHEN b.busy THEN NULL ELSE pg_get_viewdef(c.oid) END
    FROM pg_class c,
    LATERAL (SELECT coalesce(bool_or(value::bool), false) AS invoker
             FROM unnest(c.reloptions) r, LATERAL split_part(r, '=', 1) name,
                  LATERAL split_part(r, '=', 2) value
             WHERE name = 'security_invoker') o,
    LATERAL (SELECT EXISTS (SELECT FROM taken t WHERE t.relation = c.oid)
                 OR EXISTS (SELECT FROM pg_rewrite w
                      JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass
                        AND d.objid = w.oid AND d.refclassid = 'pg_class'::regclass
                      JOIN taken t ON t.relation = d.refobjid
                      WHERE w.ev_class = c.oid) AS busy) b
    WHERE c.relkind = 'v' AND c.oid = ANY ($1)
    ORDER BY c.oid";

/// Operators on types of the system, and on enums, that aren't the system's own.
const OPERATORS: &str = "
    SELECT DISTINCT o.oprname::text
    FROM pg_operator o JOIN pg_namespace n ON n.oid = o.oprnamespace
    WHERE n.nspname <> 'pg_catalog' AND NOT EXISTS (
      SELECT FROM pg_type y JOIN pg_namespace yn ON yn.oid = y.typnamespace
      WHERE y.oid IN (o.oprleft, o.oprright) AND yn.nspname <> 'pg_catalog'
        AND y.typtype = 'b' AND y.typcategory <> 'A')
    ORDER BY 1";

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

/// What pgherd itself calls in place of the clock is no function of anybody's.
const FUNCTIONS: &str = "
    SELECT p.proname::text, n.nspname::text,
           CASE WHEN bool_or(p.provolatile = 'v') THEN 'v'
                WHEN bool_or(p.provolatile = 's') THEN 's' ELSE 'i' END,
           bool_or(p.proretset)
    FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
    WHERE n.nspname !~ '^pg_(toast_)?temp_'
      AND NOT (n.nspname = 'pgherd' AND p.proname IN
          ('age', 'current_date', 'current_time', 'current_timestamp', 'localtime',
           'localtimestamp', 'now', 'statement_timestamp', 'transaction_timestamp'))
    GROUP BY 1, 2 ORDER BY 1, 2";

/// What the questions are asked under, whatever the user's own settings are: names in them mean the
/// system's, and what is written down is read alike by everybody.
pub const SETTINGS: &str = "SET LOCAL search_path = pg_catalog; \
    SET LOCAL standard_conforming_strings = on; SET LOCAL quote_all_identifiers = off; \
    SET LOCAL datestyle = 'ISO'; SET LOCAL intervalstyle = 'postgres'; \
    SET LOCAL extra_float_digits = 1; SET LOCAL bytea_output = 'hex'";

/// Changes when the schema may have.
pub(super) async fn fingerprint(client: &Client) -> Result<String, Error> {
    client.query_one(FINGERPRINT, &[]).await?.try_get(0)
}

/// Reads one server's tables and functions in one snapshot. The version is 0: who keeps schemas
/// counts them.
///
/// # Errors
/// In words: no statement, no values.
pub async fn load(client: &mut Client) -> Result<Schema, String> {
    Ok(read(client).await?.1)
}

/// The schema, and the fingerprint of the same snapshot.
pub(super) async fn read(client: &mut Client) -> Result<(String, Schema), String> {
    let (fingerprint, answers) = ask(client).await.map_err(describe)?;
    Ok((fingerprint, schema_of(&answers)?))
}

async fn ask(client: &mut Client) -> Result<(String, Vec<Vec<Row>>), Error> {
    let snapshot = client
        .build_transaction()
        .isolation_level(IsolationLevel::RepeatableRead)
        .read_only(true)
        .start()
        .await?;
    snapshot.batch_execute(SETTINGS).await?;
    let fingerprint = fingerprint(snapshot.client()).await?;
    let mut answers = Vec::new();
    let mut rows = Vec::new();
    for message in snapshot.simple_query(&questions()).await? {
        match message {
            SimpleQueryMessage::Row(row) => {
                rows.push((0..row.len()).map(|at| row.get(at).map(str::to_owned)).collect());
            }
            SimpleQueryMessage::CommandComplete(_) => answers.push(std::mem::take(&mut rows)),
            _ => {}
        }
    }
    snapshot.commit().await?;
    Ok((fingerprint, answers))
}

/// All questions as one text, for who asks in another way: under [`SETTINGS`].
pub fn questions() -> String {
    let relations = RELATIONS.replace("$1", &RELATIONS_MAX.to_string());
    let oids = format!("ARRAY(SELECT own.oid FROM ({relations}) own)");
    let each = [COLUMNS, UNIQUE, FOREIGN_KEYS, TRIGGERS, READS, FAMILY, VIEWS];
    let mut text = format!("SHOW server_version_num;{relations};");
    for question in each {
        text.push_str(&question.replace("$1", &oids));
        text.push(';');
    }
    text + FUNCTIONS + ";" + OPERATORS
}

/// The schema that the answers to [`questions`] tell: the rows of each in turn. Its version is 0.
///
/// # Errors
/// They aren't such answers.
pub fn schema_of(answers: &[Vec<Row>]) -> Result<Schema, String> {
    let [
        number,
        relations,
        columns,
        unique,
        foreign_keys,
        triggers,
        reads,
        family,
        views,
        functions_of,
        operators,
    ] = answers
    else {
        return Err(format!("{} answers to the questions about its tables", answers.len()));
    };
    let number = number.first().map_or(Ok(0), |row| number_at::<u32>(row, 0))?;
    let mut tables = Tables::read(relations)?;
    tables.each(columns, column)?;
    tables.each(unique, unique_index)?;
    tables.each(foreign_keys, foreign_key)?;
    tables.each(triggers, trigger)?;
    tables.each(reads, |row, table| {
        table.reads.push(table_name(row, 1)?);
        Ok(())
    })?;
    tables.each(family, |row, table| {
        table.family.push(table_name(row, 1)?);
        Ok(())
    })?;
    tables.each(views, |row, table| {
        let definition = row.get(2).and_then(Option::as_deref).and_then(Definition::read);
        table.view = Some(View { invoker: flag(row, 1)?, definition });
        Ok(())
    })?;
    Ok(Schema {
        version: 0,
        server_major: number / 10_000,
        functions: functions(functions_of)?,
        operators: operators.iter().map(|row| text(row, 0)).collect::<Result<_, _>>()?,
        unfinished: views.iter().any(|row| row.get(2).is_none_or(Option::is_none)),
        tables: tables.0.into_values().collect(),
    })
}

/// The tables while they are filled, by oid.
struct Tables(HashMap<u32, (TableName, Table)>);

impl Tables {
    fn read(relations: &[Row]) -> Result<Tables, String> {
        let mut by_oid = HashMap::with_capacity(relations.len());
        for row in relations {
            let kind = table_kind(text(row, 3)?.bytes().next().unwrap_or_default());
            let table = Table { kind, secured: flag(row, 4)?, ..Table::default() };
            by_oid.insert(number_at(row, 0)?, (table_name(row, 1)?, table));
        }
        Ok(Tables(by_oid))
    }

    /// Each row's first column is its table.
    fn each(
        &mut self,
        rows: &[Row],
        take: impl Fn(&Row, &mut Table) -> Result<(), String>,
    ) -> Result<(), String> {
        for row in rows {
            if let Some((_, table)) = self.0.get_mut(&number_at(row, 0)?) {
                take(row, table)?;
            }
        }
        Ok(())
    }
}

fn column(row: &Row, table: &mut Table) -> Result<(), String> {
    table.columns.push(Column {
        name: text(row, 1)?,
        type_oid: number_at(row, 2)?,
        type_name: text(row, 3)?,
        type_modifier: number_at(row, 4)?,
        not_null: flag(row, 5)?,
        has_default: flag(row, 6)?,
        from_sequence: flag(row, 7)?,
        nondeterministic: flag(row, 8)?,
        generated: flag(row, 9)?,
        bytewise: flag(row, 10)?,
        default_varies: flag(row, 11)?,
        written: text(row, 12)?,
        collation: row.get(13).cloned().flatten().map(Box::from),
        is_enum: flag(row, 14)?,
        default: row.get(15).cloned().flatten().map(Box::from),
        always_identity: flag(row, 16)?,
    });
    Ok(())
}

fn unique_index(row: &Row, table: &mut Table) -> Result<(), String> {
    table.unique.push(UniqueIndex {
        name: text(row, 1)?,
        columns: texts(row, 2)?,
        primary: flag(row, 3)?,
        partial: flag(row, 4)?,
    });
    Ok(())
}

fn foreign_key(row: &Row, table: &mut Table) -> Result<(), String> {
    table.foreign_keys.push(ForeignKey {
        name: text(row, 1)?,
        columns: texts(row, 2)?,
        references: table_name(row, 3)?,
        referenced_columns: texts(row, 5)?,
    });
    Ok(())
}

fn trigger(row: &Row, table: &mut Table) -> Result<(), String> {
    table.triggers.push(text(row, 1)?);
    table.per_statement |= flag(row, 2)?;
    table.may_notify |= flag(row, 3)?;
    Ok(())
}

fn functions(rows: &[Row]) -> Result<HashMap<Box<str>, Vec<FunctionFact>>, String> {
    let mut functions: HashMap<Box<str>, Vec<FunctionFact>> = HashMap::new();
    for row in rows {
        let volatility = match &*text(row, 2)? {
            "i" => Volatility::Immutable,
            "s" => Volatility::Stable,
            _ => Volatility::Volatile,
        };
        let fact = FunctionFact { schema: text(row, 1)?, volatility, sets: flag(row, 3)? };
        functions.entry(text(row, 0)?).or_default().push(fact);
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

fn value(row: &Row, i: usize) -> Result<&str, String> {
    row.get(i).and_then(Option::as_deref).ok_or_else(|| format!("no column {i} in a row"))
}

pub(super) fn text(row: &Row, i: usize) -> Result<Box<str>, String> {
    value(row, i).map(Box::from)
}

fn number_at<N: FromStr>(row: &Row, i: usize) -> Result<N, String> {
    value(row, i)?.parse().map_err(|_| format!("column {i} of a row isn't a number"))
}

fn flag(row: &Row, i: usize) -> Result<bool, String> {
    value(row, i).map(|value| value == "t")
}

/// Of a JSON array.
pub(super) fn texts(row: &Row, i: usize) -> Result<Vec<Box<str>>, String> {
    serde_json::from_str(value(row, i)?).map_err(|_| format!("column {i} of a row isn't a list"))
}

pub(super) fn table_name(row: &Row, i: usize) -> Result<TableName, String> {
    Ok(TableName { schema: text(row, i)?, name: text(row, i + 1)? })
}
