//! GROUP BY of a primary key: the table's other columns depend on it, and may be named beside it.
//!
//! Rows that were pulled have no primary key that a server knows of, so that the columns are added
//! to the GROUP BY: they are the same in all rows of a group, and so are its groups.

use crate::sql::{Expr, Ident, Select};

use super::bind::Analysis;
use super::gather::Site;
use super::schema::Table;

/// Types that nothing can be grouped by.
const UNGROUPED: &[&str] =
    &["json", "xml", "point", "line", "lseg", "box", "path", "polygon", "circle"];

/// The columns of a table that depend on those that a SELECT is grouped by, and the token before
/// which they can be added to them.
pub(super) fn dependent(
    analysis: &Analysis<'_>,
    select: &Select,
    site: &Site,
    facts: &Table,
) -> Option<(u32, Vec<Ident>)> {
    let by = &select.group_by;
    let end = by.tokens.last().filter(|_| !by.grouping_sets)?.end;
    let primary = facts.unique.iter().find(|index| index.primary)?;
    // One that doesn't hold the shard key is one of each shard's own.
    let keys = analysis.router.key_columns(site.keyspace, &site.table);
    if keys.is_empty() || !keys.iter().all(|key| primary.columns.contains(key)) {
        return None;
    }
    let alone =
        select.from.len() == 1 && matches!(&select.from[0], crate::sql::FromItem::Table { .. });
    let named = |name: &Ident| {
        by.expressions.iter().any(|expr| match expr {
            Expr::Column(parts) => match parts.as_slice() {
                [column] => column == name && alone,
                [table, column] => *table == site.name && column == name,
                _ => false,
            },
            _ => false,
        })
    };
    if !primary.columns.iter().all(named) {
        return None;
    }
    let groups = |name: &Ident| {
        let column = facts.columns.iter().find(|column| column.name == *name);
        column.is_some_and(|column| !UNGROUPED.contains(&&*column.type_name))
    };
    let others: Vec<Ident> = site
        .columns
        .iter()
        .map(|column| column.name.clone())
        .filter(|name| !named(name) && groups(name))
        .collect();
    (!others.is_empty()).then_some((end, others))
}
