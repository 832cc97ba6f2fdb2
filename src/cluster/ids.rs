//! The sequences that sharded tables take ids from, and what gives each shard its own ids
//! (`docs/decisions/011-ids.md`).

use std::fmt::Write as _;

use super::ask::Row;
use crate::config::rules::{Rules, TableName};
use crate::placement::ids::IdRange;

/// A sequence that a sharded table takes ids from, on one shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sequence {
    /// With its schema, quoted where it must be.
    pub name: String,
    pub table: TableName,
    pub column: String,
    /// The type of its numbers or of the column, where that is narrower than `bigint`.
    pub narrow: Option<String>,
    pub start: i64,
    pub min: i64,
    pub max: i64,
    pub increment: i64,
    /// The id that it has given last.
    pub last: Option<i64>,
    /// It, or the column's use of it, was defined in the transaction that asks.
    pub recent: bool,
}

/// Why a sequence can't have ids of each shard's own: what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoRange {
    Narrow(String),
    /// It counts down, or doesn't begin with a positive number.
    Odd,
    /// The shard's number is too large.
    TooMany,
}

/// What tells all of them. Names in it are qualified, so that it may be asked in a client's
/// session. `None` where there are no sharded tables.
pub fn question(rules: &Rules) -> Option<String> {
    let mut tables = String::new();
    for table in rules.keyspaces.iter().flat_map(|keyspace| keyspace.tables.keys()) {
        let comma = if tables.is_empty() { "" } else { ", " };
        let name = format!("{}.{}", quoted(&table.schema), quoted(&table.name));
        let _ = write!(tables, "{comma}{}", literal(&name));
    }
    (!tables.is_empty()).then(|| QUESTION.replace("$TABLES", &tables))
}

const QUESTION: &str = "
    WITH sharded AS (
      SELECT pg_catalog.to_regclass(name)::pg_catalog.oid AS oid
        FROM pg_catalog.unnest(ARRAY[$TABLES]) AS name
    ), mine AS (
      SELECT pg_catalog.age((pg_catalog.txid_current_if_assigned() % 4294967296)
                            ::pg_catalog.text::pg_catalog.xid) AS age
    ), used(sequence, relation, number, age) AS (
      SELECT d.objid, d.refobjid, d.refobjsubid, NULL
        FROM pg_catalog.pg_depend d JOIN sharded t ON t.oid = d.refobjid
       WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
         AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
         AND d.deptype IN ('a', 'i') AND d.refobjsubid > 0
      UNION ALL
      SELECT d.refobjid, f.adrelid, f.adnum, pg_catalog.age(f.xmin)
        FROM pg_catalog.pg_attrdef f JOIN sharded t ON t.oid = f.adrelid
        JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass
         AND d.objid = f.oid AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
    )
    SELECT DISTINCT ON (s.seqrelid)
           pg_catalog.format('%I.%I', n.nspname, c.relname), tn.nspname, tc.relname, a.attname,
           CASE WHEN pg_catalog.format_type(y.oid, NULL) IN ('smallint', 'integer')
                THEN pg_catalog.format_type(y.oid, NULL)
                WHEN pg_catalog.format_type(s.seqtypid, NULL) <> 'bigint'
                THEN pg_catalog.format_type(s.seqtypid, NULL) END AS narrow,
           s.seqstart, s.seqmin, s.seqmax, s.seqincrement,
           CASE WHEN pg_catalog.has_sequence_privilege(c.oid, 'USAGE')
                  OR pg_catalog.has_sequence_privilege(c.oid, 'SELECT')
                THEN pg_catalog.pg_sequence_last_value(c.oid) END,
           coalesce(pg_catalog.age(s.xmin) <= mine.age OR u.age <= mine.age, false) AS recent
      FROM used u CROSS JOIN mine
      JOIN pg_catalog.pg_sequence s ON s.seqrelid = u.sequence
      JOIN pg_catalog.pg_class c ON c.oid = s.seqrelid
      JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
      JOIN pg_catalog.pg_class tc ON tc.oid = u.relation
      JOIN pg_catalog.pg_namespace tn ON tn.oid = tc.relnamespace
      JOIN pg_catalog.pg_attribute a ON a.attrelid = u.relation AND a.attnum = u.number
      JOIN pg_catalog.pg_type own ON own.oid = a.atttypid
      JOIN pg_catalog.pg_type y
        ON y.oid = CASE own.typtype WHEN 'd' THEN own.typbasetype ELSE own.oid END
     ORDER BY s.seqrelid, recent DESC, narrow NULLS LAST";

/// The sequences that the rows of an answer to [`question`] tell.
///
/// # Errors
/// They aren't such rows.
pub fn read(rows: &[Row]) -> Result<Vec<Sequence>, String> {
    rows.iter().map(sequence).collect()
}

fn sequence(row: &Row) -> Result<Sequence, String> {
    let [name, schema, table, column, narrow, start, min, max, increment, last, recent] =
        row.as_slice()
    else {
        return Err(format!("a sequence of {} columns", row.len()));
    };
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let number = |value: &Option<String>| {
        text(value).parse::<i64>().map_err(|_| format!("{} has a bound that is none", text(name)))
    };
    Ok(Sequence {
        name: text(name),
        table: TableName { schema: text(schema).into(), name: text(table).into() },
        column: text(column),
        narrow: narrow.clone(),
        start: number(start)?,
        min: number(min)?,
        max: number(max)?,
        increment: number(increment)?,
        last: last.is_some().then(|| number(last)).transpose()?,
        recent: recent.as_deref() == Some("t"),
    })
}

impl Sequence {
    /// Whether it gives ids of this range only.
    pub fn keeps_to(&self, ids: &IdRange) -> bool {
        self.narrow.is_none() && ids.contains(self.min) && ids.contains(self.max)
    }

    /// What has it give ids of a range only, where it doesn't. One that was given bounds of its own
    /// has as many ids on each shard; one that has given ids goes on behind them where they are
    /// of the range.
    ///
    /// # Errors
    /// Nothing does.
    pub fn altered(&self, ids: Option<IdRange>) -> Result<Option<String>, NoRange> {
        let ids = ids.ok_or(NoRange::TooMany)?;
        if let Some(narrow) = &self.narrow {
            return Err(NoRange::Narrow(narrow.clone()));
        }
        if self.keeps_to(&ids) {
            return Ok(None);
        }
        if self.increment < 1 || self.min < 1 || self.start > ids.count() {
            return Err(NoRange::Odd);
        }
        let min = self.min.min(ids.count()) + ids.offset();
        let max = self.max.min(ids.count()) + ids.offset();
        let start = self.start + ids.offset();
        let goes_on = self.last.is_some_and(|last| (min..=max).contains(&last));
        let restart = if goes_on { "" } else { " RESTART" };
        let name = &self.name;
        Ok(Some(format!(
            "ALTER SEQUENCE {name} MINVALUE {min} MAXVALUE {max} START {start}{restart}"
        )))
    }
}

pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// As it can be written under any settings, in any encoding.
pub(super) fn literal(text: &str) -> String {
    let mut literal = String::from("E'");
    for c in text.chars() {
        match c {
            '\'' | '\\' => literal.extend(['\\', c]),
            c if c.is_ascii() => literal.push(c),
            c => {
                let _ = write!(literal, "\\U{:08x}", u32::from(c));
            }
        }
    }
    literal.push('\'');
    literal
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::placement::ShardId;

    fn plain() -> Sequence {
        Sequence {
            name: "public.s".into(),
            table: TableName { schema: "public".into(), name: "t".into() },
            column: "id".into(),
            narrow: None,
            start: 1,
            min: 1,
            max: i64::MAX,
            increment: 1,
            last: None,
            recent: true,
        }
    }

    fn altered(sequence: &Sequence, shard: u16) -> Result<Option<String>, NoRange> {
        sequence.altered(IdRange::of(ShardId(shard)))
    }

    #[test]
    fn each_shard_has_its_own_ids() {
        assert_eq!(
            altered(&plain(), 0).unwrap().unwrap(),
            "ALTER SEQUENCE public.s MINVALUE 1 MAXVALUE 8796093022207 START 1 RESTART"
        );
        assert_eq!(
            altered(&plain(), 2).unwrap().unwrap(),
            "ALTER SEQUENCE public.s MINVALUE 17592186044417 MAXVALUE 26388279066623 \
             START 17592186044417 RESTART"
        );
        let done = Sequence { max: 8_796_093_022_207, ..plain() };
        assert_eq!(altered(&done, 0), Ok(None));
    }

    #[test]
    fn bounds_and_ids_that_were_given_stay_as_far_as_they_can() {
        let own = Sequence { start: 100, min: 10, max: 1000, increment: 5, ..plain() };
        assert_eq!(altered(&own, 0), Ok(None));
        assert_eq!(
            altered(&own, 1).unwrap().unwrap(),
            "ALTER SEQUENCE public.s MINVALUE 8796093022218 MAXVALUE 8796093023208 \
             START 8796093022308 RESTART"
        );
        let used = Sequence { last: Some(70), ..plain() };
        assert!(!altered(&used, 0).unwrap().unwrap().ends_with("RESTART"));
        assert!(altered(&used, 1).unwrap().unwrap().ends_with("RESTART"));
    }

    #[test]
    fn what_can_have_no_range_is_told() {
        let narrow = Sequence { narrow: Some("integer".into()), ..plain() };
        assert_eq!(altered(&narrow, 0), Err(NoRange::Narrow("integer".into())));
        let down = Sequence { increment: -1, min: i64::MIN, max: -1, start: -1, ..plain() };
        assert_eq!(altered(&down, 0), Err(NoRange::Odd));
        assert_eq!(altered(&Sequence { min: 0, ..plain() }, 1), Err(NoRange::Odd));
        assert_eq!(altered(&Sequence { start: i64::MAX, ..plain() }, 1), Err(NoRange::Odd));
        assert_eq!(altered(&plain(), 1024), Err(NoRange::TooMany));
    }

    #[test]
    fn names_are_written_for_any_encoding() {
        assert_eq!(literal("\"a\".\"b'\\ä\""), r#"E'"a"."b\'\\\U000000e4"'"#);
    }
}
