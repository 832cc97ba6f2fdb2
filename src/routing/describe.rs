//! A route in words: for EXPLAIN, `pgherd route --sql`, and for refusals.

use super::places::{ShardSet, Tree};
use super::plan::{Occurrence, Place, Plan};
use super::router::Router;
use super::value::Values;
use super::{Action, Refusal, Route, RouteError};

/// What a plan says of a statement with these values, a line an occurrence of a table, the
/// route last.
pub fn describe(
    plan: &Plan,
    router: &Router,
    values: &Values<'_>,
    route: &Result<Route, RouteError>,
) -> Vec<String> {
    let mut lines: Vec<String> = plan
        .occurrences
        .iter()
        .filter_map(|occurrence| line(plan, occurrence, router, values))
        .collect();
    lines.push(match route {
        Ok(Route::Any) => "route: any shard".into(),
        Ok(Route::One(shard)) => format!("route: shard {}", router.shard_name(*shard)),
        Ok(Route::All) => "route: all shards".into(),
        Err(RouteError::NeedsParameterTypes) => {
            "route: depends on the types of the parameters".into()
        }
        Err(RouteError::Several(_)) if !plan.is_gathered() => {
            "route: several shards, merged".into()
        }
        Err(RouteError::Several(_)) => "route: several shards, gathered on one".into(),
        Err(RouteError::Fed(_)) => "route: several shards, by way of pgherd".into(),
        Err(RouteError::Moved(_)) => "route: several shards, between which rows move".into(),
        Err(RouteError::Unfilled(_)) => match &plan.fill {
            Some(fill) => format!("route: {}", fill.words()),
            None => "route: by a key that a server is asked for".into(),
        },
        Err(RouteError::Spread(_)) => "route: several shards, each its own rows".into(),
        Err(RouteError::Refused(refusal)) => format!("refused: {refusal}"),
    });
    let why = match plan.action {
        Action::Ddl { .. } => "the schema is the same on every shard",
        Action::Listen { .. } => "each shard notifies of what is done there",
        _ => return lines,
    };
    if lines.len() == 1 {
        lines.insert(0, why.into());
    }
    lines
}

fn line(
    plan: &Plan,
    occurrence: &Occurrence,
    router: &Router,
    values: &Values<'_>,
) -> Option<String> {
    let name = name(occurrence)?;
    Some(match &occurrence.place {
        Place::Anywhere => format!("{name}: reference table, on every shard"),
        Place::Everywhere => format!("{name}: reference table, written on every shard"),
        Place::Home => format!("{name}: home shard {}", router.shard_name(router.home)),
        Place::Refused(refusal) => format!("{name}: {refusal}"),
        Place::Keys { keyspace, tree } => {
            let key = key_of(router, *keyspace, occurrence);
            match plan.evaluate(occurrence, router, values) {
                Ok(evaluated) => {
                    let shards = shards(&evaluated.shards, router);
                    match evaluated.unknown {
                        Some(why) => format!("{name}: {key} isn't known ({why}): {shards}"),
                        None if *tree == Tree::Any => {
                            format!("{name}: {key} isn't bound: {shards}")
                        }
                        None => format!("{name}: {key} is bound: {shards}"),
                    }
                }
                Err(error) => format!("{name}: {error}"),
            }
        }
    })
}

fn name(occurrence: &Occurrence) -> Option<String> {
    let table = occurrence.table.as_ref()?;
    Some(match &occurrence.alias {
        Some(alias) => format!("{table} as {alias}"),
        None => table.to_string(),
    })
}

fn key_of(router: &Router, keyspace: usize, occurrence: &Occurrence) -> String {
    let columns = match &occurrence.table {
        Some(table) => router.key_columns(keyspace, table),
        None => &[],
    };
    let name = match (&occurrence.alias, &occurrence.table) {
        (Some(alias), _) => alias.to_string(),
        (None, Some(table)) => table.name.to_string(),
        (None, None) => String::new(),
    };
    let qualified: Vec<String> = columns.iter().map(|column| format!("{name}.{column}")).collect();
    match qualified.as_slice() {
        [one] => one.clone(),
        several => format!("({})", several.join(", ")),
    }
}

fn shards(set: &ShardSet, router: &Router) -> String {
    match set {
        ShardSet::None => "no shard".into(),
        ShardSet::One(shard) => format!("shard {}", router.shard_name(*shard)),
        ShardSet::Several(shards) => {
            let names: Vec<String> = shards.iter().map(|shard| router.shard_name(*shard)).collect();
            format!("shards {}", names.join(", "))
        }
        ShardSet::All => "all shards".into(),
    }
}

/// The refusal of a statement that one shard can't answer: it names what isn't bound.
pub(super) fn several(
    plan: &Plan,
    router: &Router,
    values: &Values<'_>,
    unknown: Option<&'static str>,
) -> Refusal {
    for occurrence in &plan.occurrences {
        if let (Place::Everywhere, Some(table)) = (&occurrence.place, &occurrence.table) {
            return Refusal::reference_write(table);
        }
        let Place::Keys { keyspace, tree } = &occurrence.place else { continue };
        let Ok(evaluated) = plan.evaluate(occurrence, router, values) else { continue };
        let key = key_of(router, *keyspace, occurrence);
        match evaluated.shards {
            ShardSet::All => {
                let Some(name) = name(occurrence) else { continue };
                let refusal = Refusal::unsupported(format!("{name} is not bound to one shard"));
                return match unknown {
                    Some(why) => refusal
                        .detail(format!("The value of {key} can't be used: {why}."))
                        .hint(format!("compare {key} with a literal or parameter of its own type")),
                    None => refusal.detail(unbound(&key, tree)).hint(format!(
                        "add {key} = …, or join it on a key that is bound, in each part of the \
                         statement that names the table"
                    )),
                };
            }
            ShardSet::Several(_) => {
                let Some(name) = name(occurrence) else { continue };
                return Refusal::unsupported(format!("{name} is bound to more than one shard"))
                    .detail(format!(
                        "The keys of {key} lie on {}.",
                        shards(&evaluated.shards, router)
                    ))
                    .hint("split the statement by key");
            }
            ShardSet::None | ShardSet::One(_) => {}
        }
    }
    let parts: Vec<String> = plan
        .occurrences
        .iter()
        .filter_map(|occurrence| {
            let set = plan.evaluate(occurrence, router, values).ok()?.shards;
            let name = name(occurrence).unwrap_or_else(|| "a function".into());
            (set != ShardSet::None).then(|| format!("{name} on {}", shards(&set, router)))
        })
        .collect();
    Refusal::unsupported("the statement's tables lie on more than one shard")
        .detail(format!("{}.", parts.join("; ")))
        .hint("split the statement by key")
}

fn unbound(key: &str, tree: &Tree) -> String {
    match tree {
        Tree::Any => format!("No condition binds {key}."),
        _ => format!("The conditions on {key} don't name its whole value."),
    }
}
