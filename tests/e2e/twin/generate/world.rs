//! Schemas and rows.

use std::fmt::Write as _;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

use super::{Generator, Kind};
use crate::twin::place::{Keyspace, World};

/// So many sets of tables for a seed: each statement is about one of them.
pub const WORLDS: u64 = 4;
/// So many views has each of them.
const VIEWS: u64 = 10;
/// Statements have other numbers.
const VIEWS_FROM: u64 = 1 << 31;
/// Keys are made of the numbers below.
const KEYS: u32 = 40;

/// A table of a world.
#[derive(Debug, Clone)]
pub struct Table {
    pub name: String,
    /// The key comes first, in tables that are split.
    pub columns: Vec<(String, Kind)>,
    pub split: bool,
    /// Columns of which no two rows have the same.
    pub unique: Vec<String>,
}

/// The tables of one world.
#[derive(Debug, Clone)]
pub struct Tables {
    /// Split by one key: equal keys lie together.
    pub together: Vec<Table>,
    /// Split by another.
    pub apart: Table,
    pub reference: Table,
    pub home: Table,
    /// Made of all these, and of each other.
    pub views: Vec<View>,
}

/// A view of a world.
#[derive(Debug, Clone)]
pub struct View {
    pub name: String,
    /// Keys are called `k`.
    pub columns: Vec<(String, Kind)>,
    /// The table all of whose columns it shows.
    pub of: Option<Table>,
}

/// All worlds of a seed, and what there is in them.
pub fn worlds(seed: u64) -> (Vec<Tables>, World) {
    let mut random = StdRng::seed_from_u64(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let mut all = World::default();
    let mut worlds: Vec<Tables> = (0..WORLDS).map(|n| make(&mut random, n, &mut all)).collect();
    for (n, tables) in worlds.iter_mut().enumerate() {
        for at in 0..VIEWS {
            let name = format!("w{n}_{at}");
            let generator = Generator::new(seed, VIEWS_FROM + at, tables, false);
            let (columns, text, of) = generator.view(at);
            all.views.push(format!("CREATE VIEW {name} AS {text}"));
            tables.views.push(View { name, columns, of });
        }
    }
    (worlds, all)
}

fn make(random: &mut StdRng, n: u64, all: &mut World) -> Tables {
    let keys = [Kind::Int, Kind::Big, Kind::Text, Kind::Uuid];
    // Each kind of key has its turn.
    let one = keys[n as usize % keys.len()];
    let other = *keys.choose(random).expect("some");
    let table = |random: &mut StdRng, name: &str, first: &[(&str, Kind)], unique: &[&str]| {
        let mut columns: Vec<(String, Kind)> =
            first.iter().map(|(name, kind)| ((*name).to_owned(), *kind)).collect();
        for (name, kind) in [
            ("i", Kind::Int),
            ("s", Kind::Small),
            ("g", Kind::Big),
            ("p", Kind::Num),
            ("l", Kind::Loose),
            ("r", Kind::Real),
            ("f", Kind::Float),
            ("t", Kind::Text),
            ("v", Kind::Name),
            ("o", Kind::Bool),
            ("d", Kind::Date),
            ("z", Kind::Stamp),
            ("x", Kind::Span),
            ("u", Kind::Uuid),
        ] {
            if random.random_bool(0.45) || (name == "i" && columns.len() < 3) {
                columns.push((name.into(), kind));
            }
        }
        Table {
            name: format!("{name}{n}"),
            columns,
            split: false,
            unique: unique.iter().map(|c| (*c).to_owned()).collect(),
        }
    };
    let split = |table: Table| Table { split: true, ..table };
    let together = vec![
        split(table(random, "a", &[("k", one)], &["k"])),
        split(table(random, "b", &[("k", one), ("n", Kind::Int)], &["k", "n"])),
        split(table(random, "c", &[("k", one), ("n", Kind::Int)], &["n"])),
    ];
    let apart = split(table(random, "d", &[("m", other), ("k", one)], &["m"]));
    let reference = table(random, "r", &[("n", Kind::Int)], &["n"]);
    let home = table(random, "h", &[("n", Kind::Int)], &["n"]);
    for table in together.iter().chain([&apart, &reference, &home]) {
        // A table without a primary key has rows without a key.
        let nullable = table.name.starts_with('c');
        define(&mut all.schema, table, nullable);
        fill(random, &mut all.rows, table, nullable);
    }
    all.keyspaces.push(keyspace(format!("k{n}"), one, &together, "k"));
    all.keyspaces.push(keyspace(format!("m{n}"), other, std::slice::from_ref(&apart), "m"));
    all.reference.push(reference.name.clone());
    all.home.push(home.name.clone());
    Tables { together, apart, reference, home, views: Vec::new() }
}

fn keyspace(name: String, kind: Kind, tables: &[Table], column: &str) -> Keyspace {
    let bounds = match kind {
        Kind::Text => ["k10", "k20", "k30"].map(str::to_owned),
        Kind::Uuid => ["4", "8", "c"].map(|first| format!("{first}{}", &uuid(0)[1..])),
        _ => ["10", "20", "30"].map(str::to_owned),
    };
    Keyspace {
        name,
        key: vec![type_name(kind).into()],
        bounds: bounds.into(),
        tables: tables.iter().map(|t| (t.name.clone(), vec![column.to_owned()])).collect(),
    }
}

pub fn type_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Small => "smallint",
        Kind::Int => "integer",
        Kind::Big => "bigint",
        Kind::Num => "numeric(10,2)",
        Kind::Loose => "numeric",
        Kind::Real => "real",
        Kind::Float => "float8",
        Kind::Text => "text",
        Kind::Name => "varchar(8)",
        Kind::Bool => "bool",
        Kind::Date => "date",
        Kind::Stamp => "timestamptz",
        Kind::Span => "interval",
        Kind::Uuid => "uuid",
    }
}

fn define(schema: &mut String, table: &Table, nullable: bool) {
    let columns: Vec<String> =
        table.columns.iter().map(|(name, kind)| format!("{name} {}", type_name(*kind))).collect();
    let unique = table.unique.join(", ");
    let key = if nullable { String::new() } else { format!(", PRIMARY KEY ({unique})") };
    let _ = writeln!(schema, "CREATE TABLE {} ({}{key});", table.name, columns.join(", "));
}

fn fill(random: &mut StdRng, rows: &mut String, table: &Table, nullable: bool) {
    let count = match random.random_range(0..8) {
        0 => 0,
        1 => 1,
        _ => random.random_range(8..45),
    };
    // All rows on a few shards, now and then.
    let few = random.random_bool(0.25);
    for n in 0..count {
        let key = if few { random.random_range(0..9) } else { random.random_range(0..KEYS) };
        let values: Vec<String> = table
            .columns
            .iter()
            .map(|(name, kind)| match name.as_str() {
                "n" => n.to_string(),
                "k" | "m" if nullable && random.random_bool(0.08) => "NULL".into(),
                "k" | "m" => literal(*kind, key),
                _ => value(random, *kind),
            })
            .collect();
        let _ = writeln!(
            rows,
            "INSERT INTO {} VALUES ({}) ON CONFLICT DO NOTHING;",
            table.name,
            values.join(", ")
        );
    }
}

/// The number of a key.
pub fn key(random: &mut StdRng) -> u32 {
    random.random_range(0..KEYS)
}

/// A key of this kind.
pub fn literal(kind: Kind, key: u32) -> String {
    match kind {
        Kind::Text => format!("'k{key:02}'"),
        Kind::Uuid => format!("'{}'", uuid(key)),
        _ => key.to_string(),
    }
}

/// Spread over the whole range.
fn uuid(key: u32) -> String {
    let spread = key.wrapping_mul(0x9e37_79b9);
    format!("{spread:08x}-0000-4000-8000-{key:012}")
}

/// A value of a column that is no key: few different ones, and NULL.
pub fn value(random: &mut StdRng, kind: Kind) -> String {
    if random.random_bool(0.12) {
        return "NULL".into();
    }
    let n: i32 = random.random_range(-3..9);
    match kind {
        Kind::Small | Kind::Int => n.to_string(),
        Kind::Big => (i64::from(n) * 1_000_000_007).to_string(),
        Kind::Num => format!("{:.2}", f64::from(n) * 1.25),
        Kind::Loose => {
            let numbers = ["0", "1.50", "-2.250", "1e10", "0.00001", "7", "'NaN'", "123456789.123"];
            (*numbers.choose(random).expect("some")).into()
        }
        // Sums of halves are exact, whatever their order.
        Kind::Real | Kind::Float => (f64::from(n) * 0.5).to_string(),
        Kind::Text | Kind::Name => {
            let words = ["'a'", "'B'", "'b'", "''", "'ab'", "'ä'", "'a b'", "'Z'", "'k05'", "'10'"];
            (*words.choose(random).expect("some")).into()
        }
        Kind::Bool => (n > 2).to_string(),
        Kind::Date => format!("'2025-02-{:02}'", n + 20),
        Kind::Stamp => format!("'2025-03-{:02} 11:30:00+00'", n + 20),
        // Of one unit, so that what is equal looks alike.
        Kind::Span => format!("'{n} hours'"),
        Kind::Uuid => format!("'{}'", uuid(n.unsigned_abs())),
    }
}
