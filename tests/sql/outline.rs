//! A whole statement in a short notation, for tests that are data.

use pgherd::sql::*;

use crate::render::{Renderer, quote, table};

const R: Renderer<'static> = Renderer { expand: None };

/// The outline of a statement: its kind, then its parts by name.
pub fn outline(statement: &Statement) -> String {
    match statement {
        Statement::Query(q) => query(q),
        Statement::Insert(i) => insert(i),
        Statement::Update(u) => joined([
            with(&u.with),
            format!("update {}{}", name(&u.table), alias(&u.alias)),
            part("set", u.assignments.iter().map(assignment)),
            part("from", u.from.iter().map(from)),
            part("where", u.filter.iter().map(|e| R.expr(e))),
            part("current-of", u.current_of.iter().map(|c| quote(c))),
            part("returning", u.returning.iter().map(item)),
        ]),
        Statement::Delete(d) => joined([
            with(&d.with),
            format!("delete {}{}", name(&d.table), alias(&d.alias)),
            part("using", d.using.iter().map(from)),
            part("where", d.filter.iter().map(|e| R.expr(e))),
            part("current-of", d.current_of.iter().map(|c| quote(c))),
            part("returning", d.returning.iter().map(item)),
        ]),
        Statement::Merge(m) => merge(m),
        Statement::Copy(c) => {
            let what = match &c.what {
                CopyWhat::Table { name, columns, .. } => {
                    format!("{}{}", table(name), names(columns))
                }
                CopyWhat::Statement(s) => format!("({})", outline(s)),
            };
            let filter = part("where", c.filter.iter().map(|e| R.expr(e)));
            joined([format!("copy {what} {:?}", c.direction), filter])
        }
        Statement::Explain(e) => {
            let analyze = if e.analyze { " analyze" } else { "" };
            format!("explain{analyze} {:?} ({})", e.format, outline(&e.statement))
        }
        Statement::Prepare { name, statement } => {
            format!("prepare {} ({})", quote(name), outline(statement))
        }
        Statement::Execute { name, arguments } => {
            joined([format!("execute {}", quote(name)), R.list(arguments).join(" ")])
        }
        Statement::Declare(d) => joined([
            format!("declare {}", quote(&d.name)),
            if d.binary { "binary".into() } else { String::new() },
            d.scroll.map_or(String::new(), |s| if s { "scroll" } else { "no scroll" }.into()),
            if d.hold { "hold".into() } else { String::new() },
            format!("({})", query(&d.query)),
        ]),
        Statement::Call { procedure, arguments } => {
            joined([format!("call {}", table(procedure)), R.list(arguments).join(" ")])
        }
        Statement::Ddl(d) => joined([
            format!("ddl {}", d.tag),
            part("tables", d.tables.iter().map(table)),
            part("rows-from", d.rows_from.iter().map(|q| query(q))),
            if d.temporary { "temporary".into() } else { String::new() },
            if d.outside_transaction { "outside-transaction".into() } else { String::new() },
        ]),
        Statement::Lock(tables) => part("lock", tables.iter().map(table)),
        Statement::Truncate(tables) => part("truncate", tables.iter().map(table)),
        Statement::Maintenance(m) => {
            joined([m.verb.to_string(), part("tables", m.tables.iter().map(table))])
        }
        other => format!("{other:?}"),
    }
}

fn joined(parts: impl IntoIterator<Item = String>) -> String {
    parts.into_iter().filter(|p| !p.is_empty()).collect::<Vec<_>>().join(" ")
}

/// `name: a, b`, or nothing.
fn part(name: &str, list: impl Iterator<Item = String>) -> String {
    let list: Vec<String> = list.collect();
    if list.is_empty() { String::new() } else { format!("{name}: {}", list.join(", ")) }
}

fn names(list: &[Ident]) -> String {
    if list.is_empty() {
        return String::new();
    }
    format!("({})", list.iter().map(|n| quote(n)).collect::<Vec<_>>().join(" "))
}

fn name(name: &Option<Name>) -> String {
    name.as_ref().map(table).unwrap_or_default()
}

fn alias(alias: &Option<Ident>) -> String {
    alias.as_ref().map(|a| format!(" as {}", quote(a))).unwrap_or_default()
}

fn full_alias(a: &Alias) -> String {
    format!("{}{}", alias(&a.name), names(&a.columns))
}

fn with(list: &[Cte]) -> String {
    let cte =
        |c: &Cte| format!("{}{} ({})", quote(&c.name), names(&c.columns), outline(&c.statement));
    part("with", list.iter().map(cte))
}

fn query(q: &Query) -> String {
    joined([
        if q.recursive { "recursive".into() } else { String::new() },
        with(&q.with),
        body(&q.body),
        part("order", q.order_by.iter().map(|e| R.expr(e))),
        part("limit", q.limit.iter().map(|e| R.expr(e))),
        part("offset", q.offset.iter().map(|e| R.expr(e))),
        if q.with_ties { "with-ties".into() } else { String::new() },
        if q.locks_rows { "locks-rows".into() } else { String::new() },
    ])
}

fn body(body_: &SetExpr) -> String {
    match body_ {
        SetExpr::Select(s) => select(s),
        SetExpr::Values(rows) => {
            part("values", rows.iter().map(|r| format!("({})", R.list(r).join(" "))))
        }
        SetExpr::Nested(q) => format!("({})", query(q)),
        SetExpr::SetOperation { operator, all, left, right } => {
            let all = if *all { "-all" } else { "" };
            let operator = format!("{operator:?}").to_lowercase();
            format!("{operator}{all} [{}] [{}]", body(left), body(right))
        }
    }
}

fn select(s: &Select) -> String {
    let distinct = match &s.distinct {
        Distinct::No => String::new(),
        Distinct::Rows => "distinct".into(),
        Distinct::On(list) => part("distinct-on", list.iter().map(|e| R.expr(e))),
    };
    joined([
        "select".into(),
        distinct,
        s.items.iter().map(item).collect::<Vec<_>>().join(", "),
        part("into", s.into.iter().map(table)),
        part("from", s.from.iter().map(from)),
        part("where", s.filter.iter().map(|e| R.expr(e))),
        part("group", s.group_by.expressions.iter().map(|e| R.expr(e))),
        if s.group_by.grouping_sets { "grouping-sets".into() } else { String::new() },
        part("having", s.having.iter().map(|e| R.expr(e))),
        part("windows", s.windows.iter().map(|e| R.expr(e))),
    ])
}

fn item(i: &SelectItem) -> String {
    match i {
        SelectItem::Wildcard => "*".into(),
        SelectItem::QualifiedWildcard(name) => format!("{}.*", table(name)),
        SelectItem::Expr { expr, alias: a } => format!("{}{}", R.expr(expr), alias(a)),
    }
}

fn from(f: &FromItem) -> String {
    match f {
        FromItem::Table { name, alias, sampled, .. } => {
            format!(
                "{}{}{}",
                table(name),
                full_alias(alias),
                if *sampled { " sampled" } else { "" }
            )
        }
        FromItem::Derived { query: q, alias, lateral } => {
            format!("{}({}){}", if *lateral { "lateral " } else { "" }, query(q), full_alias(alias))
        }
        FromItem::Function { calls, alias, lateral } => {
            let lateral = if *lateral { "lateral " } else { "" };
            format!("{lateral}function {}{}", R.list(calls).join(" "), full_alias(alias))
        }
        FromItem::Join { left, right, kind, on, alias } => {
            let on = match on {
                JoinOn::None => String::new(),
                JoinOn::Condition(e) => format!(" on {}", R.expr(e)),
                JoinOn::Using(columns) => format!(" using {}", names(columns)),
                JoinOn::Natural => " natural".into(),
            };
            let kind = format!("{kind:?}").to_lowercase();
            format!("{kind}-join [{}] [{}]{on}{}", from(left), from(right), full_alias(alias))
        }
    }
}

fn assignment(a: &Assignment) -> String {
    let partial = if a.partial { " partly" } else { "" };
    let columns: Vec<String> = a.columns.iter().map(|c| quote(c)).collect();
    format!("{}{partial} = {}", columns.join(" "), R.expr(&a.value))
}

fn insert(i: &Insert) -> String {
    let source = match &i.source {
        InsertSource::DefaultValues => "default-values".into(),
        InsertSource::Query(q) => query(q),
    };
    let conflict = i.on_conflict.as_ref().map(|c| {
        let target = match &c.target {
            ConflictTarget::Any => String::new(),
            ConflictTarget::Constraint(name) => format!(" constraint {}", quote(name)),
            ConflictTarget::Columns { columns, other, filter } => joined([
                format!(" {}", names(columns)),
                part("other", other.iter().map(|e| R.expr(e))),
                part("where", filter.iter().map(|e| R.expr(e))),
            ]),
        };
        let update = match &c.update {
            None => "nothing".into(),
            Some(u) => joined([
                part("set", u.assignments.iter().map(assignment)),
                part("where", u.filter.iter().map(|e| R.expr(e))),
            ]),
        };
        format!("on-conflict{target} {update}")
    });
    joined([
        with(&i.with),
        format!("insert {}{}{}", name(&i.table), alias(&i.alias), names(&i.columns)),
        source,
        conflict.unwrap_or_default(),
        part("returning", i.returning.iter().map(item)),
    ])
}

fn merge(m: &Merge) -> String {
    let clause = |c: &MergeClause| {
        let action = match &c.action {
            MergeAction::Nothing => "nothing".into(),
            MergeAction::Delete => "delete".into(),
            MergeAction::Update(list) => part("set", list.iter().map(assignment)),
            MergeAction::Insert { columns, values } => {
                format!("insert {} ({})", names(columns), R.list(values).join(" "))
            }
        };
        joined([part("when", c.condition.iter().map(|e| R.expr(e))), action])
    };
    joined([
        with(&m.with),
        format!("merge {}{}", table(&m.table), alias(&m.alias)),
        format!("using: {} on: {}", from(&m.source), R.expr(&m.on)),
        part("clauses", m.clauses.iter().map(clause)),
        part("returning", m.returning.iter().map(item)),
    ])
}
