//! `SELECT set_config(name, value, false)`: a SET that is written as a query; with `true`, a SET
//! LOCAL.

use crate::sql::{Distinct, Expr, Function, LiteralSlot, Query, Select, SelectItem, SetExpr};

/// What a statement sets when it succeeds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingCall {
    pub name: LiteralSlot,
    pub value: SettingValue,
    /// For its transaction only.
    pub local: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SettingValue {
    Literal(LiteralSlot),
    /// `$n`, from 1.
    Parameter(u16),
}

/// The call, if the query makes it once, whatever else it selects.
pub(super) fn setting_call(query: &Query) -> Option<SettingCall> {
    let alone = query.with.is_empty()
        && query.order_by.is_empty()
        && query.limit.is_none()
        && query.offset.is_none();
    let SetExpr::Select(select) = &query.body else { return None };
    if !alone || !is_one_row(select) {
        return None;
    }
    let mut calls = select.items.iter().filter_map(|item| match item {
        SelectItem::Expr { expr: Expr::Function(function), .. } => call(function),
        _ => None,
    });
    let first = calls.next()?;
    calls.next().is_none().then_some(first)
}

fn is_one_row(select: &Select) -> bool {
    select.from.is_empty()
        && select.filter.is_none()
        && select.having.is_none()
        && select.group_by.expressions.is_empty()
        && !select.group_by.grouping_sets
        && select.windows.is_empty()
        && select.into.is_none()
        && select.distinct == Distinct::No
}

fn call(function: &Function) -> Option<SettingCall> {
    let name = function.name.as_ref()?;
    let ours = matches!(name.schema.as_deref(), None | Some("pg_catalog"));
    let plain = !function.distinct && !function.filtered && function.over.is_none();
    if &*name.name != "set_config" || !ours || !plain {
        return None;
    }
    let [Expr::Literal(name), value, Expr::Bool(local)] = function.arguments.as_slice() else {
        return None;
    };
    let value = match value {
        Expr::Literal(slot) => SettingValue::Literal(*slot),
        Expr::Parameter(number) => SettingValue::Parameter(*number),
        _ => return None,
    };
    Some(SettingCall { name: *name, value, local: *local })
}
