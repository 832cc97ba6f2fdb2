//! The schemas of the shards side by side: each object as a name and a definition.

use std::collections::{BTreeMap, BTreeSet};

use tokio_postgres::{Client, Row};

use crate::config::rules::{Rules, TableName, Unlisted};

use super::finding::{Finding, Severity, Where};
use super::shape_mend::mend;
use super::shape_sql::{OTHERS, RELATIONS};

const CODE: &str = "schema";

/// Objects of one database that are compared at most.
const OBJECTS_MAX: i64 = 500_000;

/// An object of the schema. The order is that of a report: a table before its columns.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Object {
    /// The table that it belongs to, or that it is; `None` for functions, types, extensions.
    pub table: Option<TableName>,
    /// Empty for the table itself.
    pub kind: Kind,
    pub name: String,
}

/// The order is that of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Relation,
    Column,
    Constraint,
    Index,
    Trigger,
    Policy,
    Rule,
    Statistics,
    Privileges,
    Schema,
    Function,
    Type,
    Collation,
    Extension,
    Role,
}

impl Kind {
    fn read(word: &str) -> Kind {
        match word {
            "relation" => Kind::Relation,
            "column" => Kind::Column,
            "constraint" => Kind::Constraint,
            "index" => Kind::Index,
            "trigger" => Kind::Trigger,
            "policy" => Kind::Policy,
            "rule" => Kind::Rule,
            "statistics" => Kind::Statistics,
            "privileges" => Kind::Privileges,
            "schema" => Kind::Schema,
            "function" => Kind::Function,
            "type" => Kind::Type,
            "collation" => Kind::Collation,
            "role" => Kind::Role,
            _ => Kind::Extension,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Kind::Relation => "relation",
            Kind::Column => "column",
            Kind::Constraint => "constraint",
            Kind::Index => "index",
            Kind::Trigger => "trigger",
            Kind::Policy => "policy",
            Kind::Rule => "rule",
            Kind::Statistics => "statistics",
            Kind::Privileges => "privileges",
            Kind::Schema => "schema",
            Kind::Function => "function",
            Kind::Type => "type",
            Kind::Collation => "collation",
            Kind::Role => "role",
            Kind::Extension => "extension",
        }
    }
}

/// A shard's objects with their definitions.
pub type Shape = BTreeMap<Object, String>;

/// Reads a shard's objects, in one snapshot. `Err` says why not.
pub async fn read(client: &mut Client) -> Result<Shape, tokio_postgres::Error> {
    let snapshot = client.build_transaction().read_only(true).start().await?;
    // Names come out in full, whatever the user's own path is.
    snapshot.batch_execute("SET LOCAL search_path = pg_catalog").await?;
    let mut shape = Shape::new();
    for query in [RELATIONS, OTHERS] {
        for row in snapshot.query(query, &[&OBJECTS_MAX]).await? {
            let (object, definition) = object(&row)?;
            shape.insert(object, definition);
        }
    }
    snapshot.commit().await?;
    Ok(shape)
}

fn object(row: &Row) -> Result<(Object, String), tokio_postgres::Error> {
    let (schema, table): (String, String) = (row.try_get(1)?, row.try_get(2)?);
    let belongs = !table.is_empty();
    let table = belongs.then(|| TableName { schema: schema.into(), name: table.into() });
    let kind = Kind::read(row.try_get(0)?);
    let definition: Option<String> = row.try_get(4)?;
    Ok((Object { table, kind, name: row.try_get(3)? }, definition.unwrap_or_default()))
}

/// Names what isn't the same on all shards.
pub fn compare(place: &Where, rules: &Rules, shapes: &[(&str, Shape)]) -> Vec<Finding> {
    let objects: BTreeSet<&Object> = shapes.iter().flat_map(|(_, shape)| shape.keys()).collect();
    let mut found = Vec::new();
    let mut incomplete: BTreeSet<&TableName> = BTreeSet::new();
    for object in objects {
        let mut groups: BTreeMap<Option<&String>, Vec<&str>> = BTreeMap::new();
        for (shard, shape) in shapes {
            groups.entry(shape.get(object)).or_default().push(shard);
        }
        if groups.len() < 2 {
            continue;
        }
        if let Some(table) = &object.table {
            if incomplete.contains(table) {
                continue; // The table itself was named.
            }
            if object.kind == Kind::Relation && groups.contains_key(&None) {
                incomplete.insert(table);
            }
        }
        found.push(difference(place, rules, object, &groups, shapes[0].0));
    }
    found
}

fn difference(
    place: &Where,
    rules: &Rules,
    object: &Object,
    groups: &BTreeMap<Option<&String>, Vec<&str>>,
    first: &str,
) -> Finding {
    let said: Vec<String> = groups
        .iter()
        .map(|(definition, shards)| match definition {
            None => format!("missing on {}", shards.join(", ")),
            Some(definition) if definition.is_empty() => format!("there on {}", shards.join(", ")),
            Some(definition) => format!("{} on {}", one_line(definition), shards.join(", ")),
        })
        .collect();
    let what = match &object.table {
        Some(table) if object.kind == Kind::Relation => table.to_string(),
        Some(table) if object.name.is_empty() => format!("{} of {table}", object.kind.word()),
        Some(table) => format!("{} {} of {table}", object.kind.word(), object.name),
        None => format!("{} {}", object.kind.word(), object.name),
    };
    let mut place = place.clone();
    // The shard that stands alone is the one to look at.
    let alone: Vec<_> = groups.values().filter(|shards| shards.len() == 1).collect();
    if let ([odd], true) = (alone.as_slice(), groups.len() == 2) {
        place = place.shard(odd[0]);
    }
    if let Some(table) = &object.table {
        place = place.table(table);
    }
    Finding {
        severity: severity(rules, object),
        place,
        message: format!("{what} differs: {}", said.join("; ")),
        mend: mend(object, groups, first),
        code: CODE,
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What no statement can reach on more than one shard only looks untidy.
fn severity(rules: &Rules, object: &Object) -> Severity {
    let Some(table) = &object.table else {
        return if object.kind == Kind::Role { Severity::Warning } else { Severity::Error };
    };
    let several = rules.reference.contains(table)
        || rules.keyspaces.iter().any(|keyspace| keyspace.tables.contains_key(table));
    match () {
        () if several => Severity::Error,
        () if rules.home.contains(table) || rules.unlisted == Unlisted::Home => Severity::Note,
        () => Severity::Warning,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(objects: &[(&str, Kind, &str, &str)]) -> Shape {
        let object = |(table, kind, name, definition): &(&str, Kind, &str, &str)| {
            let table = (!table.is_empty())
                .then(|| TableName { schema: "public".into(), name: (*table).into() });
            (Object { table, kind: *kind, name: (*name).to_owned() }, (*definition).to_owned())
        };
        objects.iter().map(object).collect()
    }

    fn rules() -> Rules {
        crate::config::parse_rules("r".as_ref(), "reference: [countries]", None).unwrap()
    }

    const USERS: (&str, Kind, &str, &str) = ("users", Kind::Relation, "", "table");
    const ID: (&str, Kind, &str, &str) = ("users", Kind::Column, "id", "bigint");

    fn messages(shapes: &[(&str, Shape)]) -> Vec<String> {
        compare(&Where::database("app"), &rules(), shapes)
            .iter()
            .map(|f| format!("{} {}: {}", f.severity, f.place, f.message))
            .collect()
    }

    #[test]
    fn equal_shapes_have_no_finding() {
        let same = || shape(&[USERS, ID]);
        assert_eq!(messages(&[("s1", same()), ("s2", same())]), [""; 0]);
    }

    #[test]
    fn a_column_that_differs_is_named_with_its_shards() {
        let odd = shape(&[USERS, ("users", Kind::Column, "id", "integer")]);
        let same = || shape(&[USERS, ID]);
        assert_eq!(
            messages(&[("s1", same()), ("s2", odd), ("s3", same())]),
            ["warning app, shard s2, table public.users: column id of public.users differs: \
              bigint on s1, s3; integer on s2"]
        );
    }

    #[test]
    fn a_missing_table_is_named_once() {
        let found = messages(&[
            ("s1", shape(&[USERS, ID, ("countries", Kind::Relation, "", "table")])),
            ("s2", shape(&[("", Kind::Extension, "hstore", "1.8")])),
            ("s3", shape(&[USERS, ID, ("countries", Kind::Relation, "", "table")])),
        ]);
        assert_eq!(
            found,
            [
                "error app, shard s2: extension hstore differs: missing on s1, s3; 1.8 on s2",
                "error app, shard s2, table public.countries: public.countries differs: \
                 missing on s2; table on s1, s3",
                "warning app, shard s2, table public.users: public.users differs: missing on s2; \
                 table on s1, s3",
            ]
        );
    }
}
