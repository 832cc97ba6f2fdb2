//! What our tree says of a statement.

use pgherd::sql::{
    Assignment, ConflictTarget, CopyWhat, Cte, Distinct, Expr, FromItem, Ident, JoinOn, Literals,
    MergeAction, Node, Select, SelectItem, SetExpr, Statement, visit,
};

use super::{Facts, not_implied};
use crate::render::{self, Renderer, quote};

/// The facts of a statement.
pub fn ours(statement: &Statement, literals: &Literals) -> Facts {
    let kind = match statement {
        Statement::Query(_) => "SelectStmt",
        Statement::Insert(_) => "InsertStmt",
        Statement::Update(_) => "UpdateStmt",
        Statement::Delete(_) => "DeleteStmt",
        Statement::Merge(_) => "MergeStmt",
        _ => "?",
    };
    let mut facts = Facts { kind: kind.to_string(), ..Facts::default() };
    let renderer = Renderer { expand: Some(literals) };
    visit(statement, &mut |node| match node {
        Node::Statement(statement) => our_statement(statement, &renderer, &mut facts),
        Node::Query(query) => {
            facts.shape.extend(query.with.iter().map(our_cte));
            facts.shape.extend(query.locks_rows.then(|| "locks".to_string()));
            facts.shape.extend(query.with_ties.then(|| "ties".to_string()));
            our_set_operations(&query.body, &mut facts);
            let all = query.order_by.iter().chain(&query.offset);
            facts.expressions.extend(all.map(|e| renderer.expr(e)));
            facts
                .expressions
                .extend(query.limit.iter().map(|e| renderer.expr(e)).filter(not_implied));
            if let SetExpr::Values(rows) = &query.body {
                facts.expressions.extend(rows.iter().map(|r| renderer.list(r).join(" ")));
            }
            our_values(&query.body, &renderer, &mut facts);
        }
        Node::Select(select) => our_select(select, &renderer, &mut facts),
        Node::From(item) => our_from(item, &renderer, &mut facts),
        Node::Expr(Expr::Parameter(n)) => facts.parameters.push(u64::from(*n)),
        Node::Expr(Expr::Literal(slot) | Expr::LiteralList(slot)) => facts.literals.push(*slot),
        Node::Expr(_) => {}
    });
    facts
}

fn words(list: &[Ident]) -> String {
    list.iter().map(|word| quote(word)).collect::<Vec<_>>().join(" ")
}

fn our_cte(cte: &Cte) -> String {
    format!("cte {}({})", quote(&cte.name), words(&cte.columns))
}

fn our_set_operations(body: &SetExpr, facts: &mut Facts) {
    if let SetExpr::SetOperation { operator, all, left, right } = body {
        facts.shape.push(format!("{operator:?} {all}"));
        our_set_operations(left, facts);
        our_set_operations(right, facts);
    }
}

fn our_from(item: &FromItem, renderer: &Renderer, facts: &mut Facts) {
    let alias = match item {
        FromItem::Table { name, alias, sampled, .. } => {
            facts.tables.push(render::table(name));
            facts.shape.extend(sampled.then(|| "sampled".to_string()));
            alias
        }
        FromItem::Derived { alias, lateral, .. } | FromItem::Function { alias, lateral, .. } => {
            facts.shape.extend(lateral.then(|| "lateral".to_string()));
            alias
        }
        FromItem::Join { kind, on, alias, .. } => {
            let on = match on {
                JoinOn::None => String::new(),
                JoinOn::Condition(on) => {
                    facts.expressions.push(renderer.expr(on));
                    String::new()
                }
                JoinOn::Using(columns) => format!("using {}", words(columns)),
                JoinOn::Natural => "natural".into(),
            };
            facts.shape.push(format!("{kind:?} join {on}"));
            alias
        }
    };
    if let Some(name) = &alias.name {
        facts.shape.push(format!("as {}", quote(name)));
    }
    facts.shape.extend(alias.columns.iter().map(|column| format!("column {}", quote(column))));
}

/// VALUES inside set operations.
fn our_values(body: &SetExpr, renderer: &Renderer, facts: &mut Facts) {
    if let SetExpr::SetOperation { left, right, .. } = body {
        for side in [left, right] {
            if let SetExpr::Values(rows) = &**side {
                facts.expressions.extend(rows.iter().map(|r| renderer.list(r).join(" ")));
            }
            our_values(side, renderer, facts);
        }
    }
}

fn our_select(select: &Select, renderer: &Renderer, facts: &mut Facts) {
    facts.tables.extend(select.into.iter().map(render::table));
    facts.shape.extend(match &select.distinct {
        Distinct::No => None,
        Distinct::Rows => Some("distinct 0".to_string()),
        Distinct::On(list) => Some(format!("distinct {}", list.len())),
    });
    if select.group_by.grouping_sets {
        facts.shape.push("grouping sets".to_string());
    } else {
        let groups = select.group_by.expressions.iter();
        facts.shape.extend(groups.map(|e| format!("group {}", renderer.expr(e))));
    }
    our_items(&select.items, renderer, facts);
    let conditions = select.filter.iter().chain(&select.having);
    facts.expressions.extend(conditions.map(|e| renderer.expr(e)));
}

fn our_items(items: &[SelectItem], renderer: &Renderer, facts: &mut Facts) {
    facts.shape.extend(items.iter().filter_map(|item| match item {
        SelectItem::Expr { alias: Some(label), .. } => Some(format!("label {}", quote(label))),
        _ => None,
    }));
    facts.expressions.extend(items.iter().map(|item| match item {
        SelectItem::Wildcard => "*".to_string(),
        SelectItem::QualifiedWildcard(name) => format!("{}.*", render::table(name)),
        SelectItem::Expr { expr, .. } => renderer.expr(expr),
    }));
}

fn our_statement(statement: &Statement, renderer: &Renderer, facts: &mut Facts) {
    let assigned = |assignments: &[Assignment], facts: &mut Facts| {
        for a in assignments {
            facts.expressions.push(format!("{}= {}", a.columns.len(), renderer.expr(&a.value)));
            facts.shape.extend(a.columns.iter().map(|column| format!("set {}", quote(column))));
        }
    };
    let (with, alias) = match statement {
        Statement::Insert(insert) => (&insert.with[..], &insert.alias),
        Statement::Update(update) => (&update.with[..], &update.alias),
        Statement::Delete(delete) => (&delete.with[..], &delete.alias),
        Statement::Merge(merge) => (&merge.with[..], &merge.alias),
        _ => (&[][..], &None),
    };
    facts.shape.extend(with.iter().map(our_cte));
    facts.shape.extend(alias.iter().map(|name| format!("as {}", quote(name))));
    match statement {
        Statement::Insert(insert) => {
            facts.shape.extend(insert.columns.iter().map(|c| format!("into {}", quote(c))));
            facts.tables.extend(insert.table.iter().map(render::table));
            our_items(&insert.returning, renderer, facts);
            if let Some(conflict) = &insert.on_conflict {
                if let ConflictTarget::Columns { filter, .. } = &conflict.target {
                    facts.expressions.extend(filter.iter().map(|e| renderer.expr(e)));
                }
                if let Some(update) = &conflict.update {
                    assigned(&update.assignments, facts);
                    facts.expressions.extend(update.filter.iter().map(|e| renderer.expr(e)));
                }
            }
        }
        Statement::Update(update) => {
            facts.tables.extend(update.table.iter().map(render::table));
            assigned(&update.assignments, facts);
            facts.expressions.extend(update.filter.iter().map(|e| renderer.expr(e)));
            our_items(&update.returning, renderer, facts);
        }
        Statement::Delete(delete) => {
            facts.tables.extend(delete.table.iter().map(render::table));
            facts.expressions.extend(delete.filter.iter().map(|e| renderer.expr(e)));
            our_items(&delete.returning, renderer, facts);
        }
        Statement::Merge(merge) => {
            facts.tables.push(render::table(&merge.table));
            facts.expressions.push(renderer.expr(&merge.on));
            our_items(&merge.returning, renderer, facts);
            for clause in &merge.clauses {
                facts.expressions.extend(clause.condition.iter().map(|e| renderer.expr(e)));
                match &clause.action {
                    MergeAction::Update(assignments) => assigned(assignments, facts),
                    MergeAction::Insert { columns, .. } if !columns.is_empty() => {
                        let into = columns.iter().map(|c| format!("into {}", quote(c)));
                        facts.shape.extend(into);
                    }
                    _ => {}
                }
                match &clause.action {
                    MergeAction::Insert { values, .. } if !values.is_empty() => {
                        facts.expressions.push(renderer.list(values).join(" "));
                    }
                    _ => {}
                }
            }
        }
        Statement::Copy(copy) => {
            if let CopyWhat::Table { name, .. } = &copy.what {
                facts.tables.push(render::table(name));
            }
        }
        _ => {}
    }
}
