//! Statements that change rows.

use super::world::{Table, literal, value};
use super::{Generator, Kind, Shown, world};

impl Generator<'_> {
    pub(super) fn write(&mut self) -> String {
        let mut table = self.any_table().clone();
        if self.chance(15) {
            // Through a view of it.
            let tables = self.tables;
            let view = self.pick(&tables.views[..2]);
            if let Some(of) = &view.of {
                table = Table { name: view.name.clone(), ..of.clone() };
            }
        }
        let scope = shown(&table, &table.name);
        let returning = match self.below(3) {
            0 => format!(" RETURNING {}", table.columns[0].0),
            1 => " RETURNING *".into(),
            _ => String::new(),
        };
        match self.below(8) {
            7 => self.rows_of_a_query(),
            6 if table.split => self.new_key(&table, &scope) + &returning,
            0 => format!("DELETE FROM {}{}{returning}", table.name, self.narrowed(&table, &scope)),
            1 | 2 => {
                // Not a column that is unique: which row is in the way would be open.
                let free = |(name, _): &&(String, Kind)| !["k", "m", "n"].contains(&name.as_str());
                let columns: Vec<_> = table.columns.iter().filter(free).cloned().collect();
                if columns.is_empty() {
                    return format!("DELETE FROM {}", table.name);
                }
                let (name, kind) = self.pick(&columns).clone();
                let value = self.expression(kind, 1, &scope);
                let narrowed = self.narrowed(&table, &scope);
                format!("UPDATE {} SET {name} = {value}{narrowed}{returning}", table.name)
            }
            3 => {
                let source = &self.tables.together[0];
                let (from, key) = (source.name.clone(), &source.columns[0].0);
                let target = self.tables.together[2].name.clone();
                let key = Shown { name: key.clone(), kind: source.columns[0].1, key: true };
                let bound = self.bound(&key);
                format!("INSERT INTO {target} (k, n) SELECT k, 1000 FROM {from} WHERE {bound}")
            }
            _ => {
                let rows: Vec<String> =
                    (0..1 + self.below(3)).map(|n| self.row(&table, n)).collect();
                let conflict = match self.below(4) {
                    0 if !table.name.starts_with('c') => {
                        format!(" ON CONFLICT ({}) DO NOTHING", table.unique.join(", "))
                    }
                    _ => String::new(),
                };
                format!(
                    "INSERT INTO {} VALUES {}{conflict}{returning}",
                    table.name,
                    rows.join(", ")
                )
            }
        }
    }

    /// A new key, which no row has and each row makes another one of, so that it doesn't matter in which
    /// order rows change.
    fn new_key(&mut self, table: &Table, scope: &[Shown]) -> String {
        let (name, kind) = &table.columns[0];
        let fresh = self.fresh_key(name, *kind);
        let others: Vec<_> = table
            .columns
            .iter()
            .filter(|(name, _)| !["k", "m", "n"].contains(&name.as_str()))
            .cloned()
            .collect();
        let mut set = format!("{name} = {fresh}");
        if !others.is_empty() && self.chance(50) {
            let (other, kind) = self.pick(&others).clone();
            set += &format!(", {other} = {}", self.expression(kind, 1, scope));
        }
        format!("UPDATE {} SET {set}{}", table.name, self.narrowed(table, scope))
    }

    /// From a key.
    fn fresh_key(&mut self, name: &str, kind: Kind) -> String {
        match (self.below(3), kind) {
            (0, _) => literal(kind, 70),
            (_, Kind::Text) => format!("{name} || 'z'"),
            (_, Kind::Uuid) => format!("md5({name}::text)::uuid"),
            _ => format!("{name} * 2 + 1000"),
        }
    }

    /// INSERT … SELECT of rows with other keys, into a table in which nothing is unique.
    fn rows_of_a_query(&mut self) -> String {
        let target = &self.tables.together[2];
        let (to, kind) = (target.name.clone(), target.columns[0].1);
        let source = self.any_table().clone();
        let scope = shown(&source, &source.name);
        let key = match &source.columns[0] {
            (name, own) if *own == kind && source.split => {
                let name = format!("{}.{name}", source.name);
                self.fresh_key(&name, kind)
            }
            _ => literal(kind, world::key(&mut self.random)),
        };
        let (second, condition) = match self.below(3) {
            0 => ("count(*)".into(), self.condition(1, &scope)),
            1 => (self.expression(Kind::Int, 1, &scope), self.condition(1, &scope)),
            _ => ("2000".into(), self.bound(&scope[0])),
        };
        let key = if second == "count(*)" { literal(kind, 50) } else { key };
        let from = &source.name;
        format!("INSERT INTO {to} (k, n) SELECT {key}, {second} FROM {from} WHERE {condition}")
    }

    /// WHERE for a write: on one key, on several, or on anything.
    fn narrowed(&mut self, table: &Table, scope: &[Shown]) -> String {
        match self.below(10) {
            0 => String::new(),
            1..=6 if table.split => format!(" WHERE {}", self.bound(&scope[0])),
            _ => format!(" WHERE {}", self.condition(1, scope)),
        }
    }

    fn row(&mut self, table: &Table, at: usize) -> String {
        let key = world::key(&mut self.random);
        let fresh = 100 + self.below(1000) * 4 + at;
        let values: Vec<String> = table
            .columns
            .iter()
            .map(|(name, kind)| match name.as_str() {
                "n" => fresh.to_string(),
                "k" | "m" => literal(*kind, key),
                _ => value(&mut self.random, *kind),
            })
            .collect();
        format!("({})", values.join(", "))
    }

    pub(super) fn any_table(&mut self) -> &Table {
        let tables = self.tables;
        match self.below(12) {
            0 => &tables.reference,
            1 => &tables.home,
            2 | 3 => &tables.apart,
            _ => self.pick(&tables.together),
        }
    }
}

/// The columns of a table under this name.
pub(super) fn shown(table: &Table, name: &str) -> Vec<Shown> {
    let columns = table.columns.iter();
    columns
        .map(|(column, kind)| Shown {
            name: format!("{name}.{column}"),
            kind: *kind,
            key: matches!(column.as_str(), "k" | "m"),
        })
        .collect()
}
