//! What Postgres's own raw parse tree says of a statement.

use pgherd::sql::{Literal, Scanned};
use serde_json::Value;

use super::{Facts, not_implied};
use crate::render::{bool_list, other, quote, unfold};

/// A number without its sign, underscores and leading zeros, in decimal digits.
fn number(written: &str) -> String {
    let plain = written.trim_start_matches('-').replace('_', "").to_ascii_lowercase();
    let radix = match plain.get(..2) {
        Some("0x") => 16,
        Some("0o") => 8,
        Some("0b") => 2,
        _ => 10,
    };
    match radix {
        10 => plain.trim_start_matches('0').to_string(),
        _ => u128::from_str_radix(&plain[2..], radix).expect("digits").to_string(),
    }
}

/// Reads Postgres's raw parse tree, as JSON.
pub struct Theirs<'a> {
    pub text: &'a str,
    pub scanned: &'a Scanned,
}

/// The one node inside a `Node`: its kind and its fields.
fn node(value: &Value) -> Option<(&str, &Value)> {
    let value = value.get("node").unwrap_or(value);
    let (kind, fields) = value.as_object()?.iter().next()?;
    Some((kind, fields))
}

fn items(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], |list| list.as_slice())
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("")
}

/// The strings of a list of names.
fn strings(value: &Value) -> Vec<&str> {
    let string = |v| node(v).filter(|n| n.0 == "String").map(|n| text(&n.1["sval"]));
    items(value).iter().filter_map(string).collect()
}

impl Theirs<'_> {
    pub fn facts(&self, statement: &Value) -> Facts {
        let kind = node(statement).expect("a node").0.to_string();
        let mut facts = Facts { kind, ..Facts::default() };
        self.walk(statement, &mut facts);
        facts
    }

    /// Everything under a value, in any order.
    fn walk(&self, value: &Value, facts: &mut Facts) {
        match value {
            Value::Array(list) => list.iter().for_each(|v| self.walk(v, facts)),
            Value::Object(fields) => {
                for (key, inner) in fields {
                    if key == "TypeName" || key == "type_name" || key == "CollateClause" {
                        // Modifiers of types and names of collations are not in our tree.
                        if key == "CollateClause" {
                            self.walk(&inner["arg"], facts);
                        }
                        continue;
                    }
                    // The source of `(a, b) = …` stands there once for each column.
                    let again = key == "MultiAssignRef" && inner["colno"] != 1;
                    // The columns of INSERT: their subscripts are not in our tree.
                    if again || key == "cols" {
                        continue;
                    }
                    if key == "RangeTableSample" {
                        facts.shape.push("sampled".to_string());
                    }
                    if key == "LockingClause" || key == "RangeTableSample" || key == "cycle_clause"
                    {
                        self.walk(&inner["relation"], facts);
                        continue;
                    }
                    self.note(key, inner, facts);
                    self.walk(inner, facts);
                }
            }
            _ => {}
        }
    }

    /// The names and words of one node.
    fn shape(&self, key: &str, value: &Value, facts: &mut Facts) {
        let mut say = |word: String| facts.shape.push(word);
        let alias = &value["alias"];
        if alias["aliasname"].is_string() {
            let name = text(&alias["aliasname"]);
            // A function's column definitions without an alias have an empty one.
            if !name.is_empty() {
                say(format!("as {}", quote(name)));
            }
            strings(&alias["colnames"]).iter().for_each(|c| say(format!("column {}", quote(c))));
        }
        match key {
            "CommonTableExpr" => {
                let columns: Vec<String> =
                    strings(&value["aliascolnames"]).iter().map(|c| quote(c)).collect();
                say(format!("cte {}({})", quote(text(&value["ctename"])), columns.join(" ")));
            }
            "JoinExpr" => {
                let kind = ["", "Inner", "Left", "Full", "Right"]
                    [value["jointype"].as_u64().unwrap_or(0) as usize];
                let using: Vec<String> =
                    strings(&value["using_clause"]).iter().map(|c| quote(c)).collect();
                let on = match using.is_empty() {
                    _ if value["is_natural"] == true => "natural".to_string(),
                    true => String::new(),
                    false => format!("using {}", using.join(" ")),
                };
                say(format!("{kind} join {on}"));
                let using = &value["join_using_alias"]["aliasname"];
                // The alias of the whole hides that of USING.
                if using.is_string() && !alias["aliasname"].is_string() {
                    say(format!("as {}", quote(text(using))));
                }
            }
            "RangeSubselect" | "RangeFunction" | "RangeTableFunc" | "JsonTable" => {
                if value["lateral"] == true {
                    say("lateral".into());
                }
                for (_, column) in items(&value["coldeflist"]).iter().filter_map(node) {
                    say(format!("column {}", quote(text(&column["colname"]))));
                }
            }
            "SelectStmt" | "larg" | "rarg" | "select_stmt" if value["op"].is_u64() => {
                self.select_shape(value, &mut say);
            }
            "InsertStmt" => self.columns_of_insert(&value["cols"], &mut say),
            "MergeWhenClause" if value["command_type"] == 4 => {
                self.columns_of_insert(&value["target_list"], &mut say);
            }
            _ => {}
        }
    }

    fn columns_of_insert(&self, list: &Value, say: &mut impl FnMut(String)) {
        for (_, target) in items(list).iter().filter_map(node) {
            say(format!("into {}", quote(text(&target["name"]))));
        }
    }

    fn select_shape(&self, value: &Value, say: &mut impl FnMut(String)) {
        let distinct = items(&value["distinct_clause"]);
        let on = distinct.iter().filter(|d| node(d).is_some()).count();
        if !distinct.is_empty() {
            say(format!("distinct {on}"));
        }
        if !items(&value["locking_clause"]).is_empty() {
            say("locks".into());
        }
        if value["limit_option"] == 3 {
            say("ties".into());
        }
        if let Some(op @ 2..=4) = value["op"].as_u64() {
            let name = ["Union", "Intersect", "Except"][op as usize - 2];
            say(format!("{name} {}", value["all"] == true));
        }
        let groups = items(&value["group_clause"]);
        if groups.iter().filter_map(node).any(|g| g.0 == "GroupingSet") {
            say("grouping sets".into());
        } else {
            groups.iter().for_each(|g| say(format!("group {}", self.expr(g))));
        }
    }

    /// What one field or node says.
    fn note(&self, key: &str, value: &Value, facts: &mut Facts) {
        self.shape(key, value, facts);
        match key {
            "RangeVar" | "relation" | "rel" if value["relname"].is_string() => {
                let schema = text(&value["schemaname"]);
                let name = quote(text(&value["relname"]));
                // What INTO TEMP makes lies in the session's own schema; elsewhere Postgres's tree
                // has no such mark on a relation of these statements.
                facts.tables.push(match schema {
                    "" if value["relpersistence"] == "t" => format!("pg_temp.{name}"),
                    "" => name,
                    schema => format!("{}.{name}", quote(schema)),
                });
            }
            "ParamRef" => facts.parameters.extend(value["number"].as_u64()),
            "AConst" => facts.literals.extend(self.slot(value)),
            "where_clause" | "having_clause" | "quals" | "join_condition" | "condition"
            | "limit_offset" | "limit_count"
                if node(value).is_some_and(|n| n.0 != "CurrentOfExpr") =>
            {
                facts.expressions.extend(
                    Some(self.expr(value)).filter(|e| key != "limit_count" || not_implied(e)),
                );
            }
            "sort_clause" => {
                let sorts = items(value).iter().filter_map(node);
                facts.expressions.extend(sorts.map(|s| self.expr(&s.1["node"])));
            }
            "values_lists" | "values" => {
                let rows = items(value);
                let lists: Vec<&Value> = match key {
                    "values" if rows.is_empty() => Vec::new(),
                    "values" => vec![value],
                    _ => rows.iter().filter_map(node).map(|n| &n.1["items"]).collect(),
                };
                facts.expressions.extend(lists.iter().map(|l| self.list(l).join(" ")));
            }
            "SelectStmt" | "larg" | "rarg" | "select_stmt" => {
                self.targets(&value["target_list"], facts)
            }
            "InsertStmt" => self.targets(self.returning(value), facts),
            "UpdateStmt" | "DeleteStmt" | "MergeStmt" => {
                self.targets(self.returning(value), facts);
                self.assignments(&value["target_list"], facts);
            }
            "on_conflict_clause" | "MergeWhenClause"
                if key == "on_conflict_clause" || value["command_type"] == 3 =>
            {
                self.assignments(&value["target_list"], facts);
            }
            _ => {}
        }
    }

    fn returning<'v>(&self, value: &'v Value) -> &'v Value {
        match value.get("returning_clause") {
            Some(clause) if clause.is_object() => &clause["exprs"],
            _ => &value["returning_list"],
        }
    }

    fn targets(&self, list: &Value, facts: &mut Facts) {
        for target in items(list) {
            if let Some(("ResTarget", target)) = node(target) {
                facts.expressions.push(self.expr(&target["val"]));
                let name = text(&target["name"]);
                if !name.is_empty() {
                    facts.shape.push(format!("label {}", quote(name)));
                }
            }
        }
    }

    fn assignments(&self, list: &Value, facts: &mut Facts) {
        let mut targets = items(list).iter().filter_map(node).map(|n| n.1);
        while let Some(target) = targets.next() {
            let mut columns = 1;
            let mut value = &target["val"];
            facts.shape.push(format!("set {}", quote(text(&target["name"]))));
            let mut subscripts: Vec<&Value> = items(&target["indirection"]).iter().collect();
            if let Some(("MultiAssignRef", multi)) = node(value) {
                columns = multi["ncolumns"].as_u64().unwrap_or(1);
                value = &multi["source"];
                for _ in 1..columns {
                    if let Some(more) = targets.next() {
                        subscripts.extend(items(&more["indirection"]));
                        facts.shape.push(format!("set {}", quote(text(&more["name"]))));
                    }
                }
            }
            let mut rendered = self.expr(value);
            let parts: Vec<String> = subscripts.iter().flat_map(|s| self.subscript(s)).collect();
            if !parts.is_empty() {
                let mut operands = Vec::new();
                std::iter::once(rendered).chain(parts).for_each(|p| unfold(&mut operands, p));
                rendered = other(operands);
            }
            facts.expressions.push(format!("{columns}= {rendered}"));
        }
    }

    /// The literal that stands where the constant says it is.
    fn literal(&self, constant: &Value) -> Option<(u32, bool)> {
        if node(&constant["val"]).is_none_or(|v| v.0 == "Boolval") {
            return None;
        }
        let mut at = u32::try_from(constant["location"].as_i64()?).ok()?;
        let literals = &self.scanned.literals;
        let slot_at = |at: u32| {
            (0..literals.slots() as u32)
                .find(|&s| literals.slot(s).iter().any(|l| l.range.start == at))
        };
        let minus = self.text.as_bytes().get(at as usize) == Some(&b'-');
        if minus {
            // The grammar folds the sign into the constant; ours is behind it.
            let all = literals.all().iter().map(|l| l.range.start);
            at = all.filter(|&s| s > at).min()?;
        }
        if at > 0 && self.text.as_bytes()[at as usize - 1].eq_ignore_ascii_case(&b'n') {
            // N'…' is a keyword and a string to the grammar.
            at = slot_at(at).map_or(at - 1, |_| at);
        }
        let slot = slot_at(at)?;
        let literal = literals.slot(slot).iter().find(|l| l.range.start == at)?;
        self.same_value(constant, literal);
        // Of a string only the place is moved to the sign, which stays an operator.
        let number = node(&constant["val"]).is_some_and(|v| v.0 == "Ival" || v.0 == "Fval");
        Some((slot, minus && number && !literal.negative))
    }

    fn slot(&self, constant: &Value) -> Option<u32> {
        self.literal(constant).map(|l| l.0)
    }

    fn same_value(&self, constant: &Value, literal: &Literal) {
        let ours = literal.value(self.text.as_bytes()).map(|v| v.into_owned()).unwrap_or_default();
        let ours = String::from_utf8_lossy(&ours).into_owned();
        let Some((kind, value)) = node(&constant["val"]) else { return };
        let theirs = match kind {
            "Ival" => value["ival"].to_string(),
            "Fval" => text(&value["fval"]).to_string(),
            "Sval" => text(&value["sval"]).to_string(),
            "Bsval" => text(&value["bsval"]).to_string(),
            other => panic!("a constant of kind {other}"),
        };
        let same = match kind {
            "Ival" | "Fval" => number(&ours) == number(&theirs),
            _ => ours == theirs,
        };
        assert!(same, "{}: {ours:?} is {theirs:?}", self.text);
    }

    fn list(&self, value: &Value) -> Vec<String> {
        items(value).iter().map(|v| self.expr(v)).collect()
    }

    fn others(&self, parts: Vec<String>) -> String {
        let mut operands = Vec::new();
        parts.into_iter().for_each(|part| unfold(&mut operands, part));
        other(operands)
    }

    /// Everything under a construct that has no notation of its own.
    fn any(&self, value: &Value) -> Vec<String> {
        match value {
            Value::Array(list) => list.iter().flat_map(|v| self.any(v)).collect(),
            Value::Object(fields) if fields.contains_key("node") => {
                if fields["node"].is_null() {
                    Vec::new()
                } else {
                    vec![self.expr(value)]
                }
            }
            Value::Object(fields) => {
                let kept = fields.iter().filter(|f| f.0 != "type_name" && f.0 != "output");
                kept.flat_map(|f| self.any(f.1)).filter(|word| !word.is_empty()).collect()
            }
            _ => Vec::new(),
        }
    }

    fn subscript(&self, value: &Value) -> Vec<String> {
        match node(value) {
            Some(("String", _)) => Vec::new(),
            Some(("AStar", _)) => vec!["*".to_string()],
            Some(("AIndices", indices)) => self.any(indices),
            _ => vec![self.expr(value)],
        }
    }

    fn expr(&self, value: &Value) -> String {
        let Some((kind, v)) = node(value) else { return "nothing".into() };
        match kind {
            "ColumnRef" => {
                let parts = items(&v["fields"]).iter().filter_map(node);
                let words: Vec<String> = parts
                    .map(|(k, s)| if k == "String" { quote(text(&s["sval"])) } else { "*".into() })
                    .collect();
                let star = words.last().is_some_and(|w| w == "*");
                let skip = if star { words.len().saturating_sub(3) } else { 0 };
                words[skip..].join(".")
            }
            "ParamRef" => format!("${}", v["number"]),
            "AConst" => self.constant(v),
            "TypeCast" => self.type_cast(v),
            "BoolExpr" => self.bool_expr(v),
            "AExpr" => self.operator(v),
            "NullTest" => {
                let word = if v["nulltesttype"] == 1 { "isnull" } else { "notnull" };
                format!("({word} {})", self.expr(&v["arg"]))
            }
            "SubLink" => self.sub_link(v),
            "FuncCall" => self.call(v),
            "NamedArgExpr" => self.expr(&v["arg"]),
            "SortBy" => self.expr(&v["node"]),
            "AArrayExpr" => format!("[{}]", self.list(&v["elements"]).join(" ")),
            "RowExpr" => format!("(row {})", self.list(&v["args"]).join(" ")),
            "SetToDefault" => "default".into(),
            "CaseExpr" => {
                let mut words = vec!["case".to_string()];
                words.extend(node(&v["arg"]).map(|_| self.expr(&v["arg"])));
                for (_, when) in items(&v["args"]).iter().filter_map(node) {
                    let (condition, result) =
                        (self.expr(&when["expr"]), self.expr(&when["result"]));
                    words.push(format!("(when {condition} {result})"));
                }
                if node(&v["defresult"]).is_some() {
                    words.push(format!("(else {})", self.expr(&v["defresult"])));
                }
                format!("({})", words.join(" "))
            }
            "AIndirection" => {
                let mut parts = vec![self.expr(&v["arg"])];
                parts.extend(items(&v["indirection"]).iter().flat_map(|i| match node(i) {
                    Some(("String", field)) => vec![format!(".{}", quote(text(&field["sval"])))],
                    _ => self.subscript(i),
                }));
                let plain = items(&v["indirection"]).is_empty();
                if plain { parts.remove(0) } else { self.column_or_other(v, parts) }
            }
            "String" => String::new(),
            // XMLPARSE's and XMLSERIALIZE's flags are constants to Postgres.
            "XmlExpr" | "XmlSerialize" if v["op"] != 8 => {
                let parts = self.any(v).into_iter().filter(|w| w != "true" && w != "false");
                self.others(parts.collect())
            }
            "SelectStmt" => "(query)".into(),
            "List" => format!("(row {})", self.list(&v["items"]).join(" ")),
            _ => self.others(self.any(v)),
        }
    }

    fn column_or_other(&self, _v: &Value, parts: Vec<String>) -> String {
        self.others(parts)
    }

    fn constant(&self, v: &Value) -> String {
        if v["isnull"] == true {
            return "null".into();
        }
        if let Some(("Boolval", b)) = node(&v["val"]) {
            return b["boolval"].as_bool().unwrap_or(false).to_string();
        }
        match self.literal(v) {
            Some((slot, true)) => format!("(- #{slot})"),
            Some((slot, false)) => format!("#{slot}"),
            // Made by the grammar: it stands nowhere in the text.
            None => "(? )".into(),
        }
    }

    fn type_cast(&self, v: &Value) -> String {
        let to = &v["type_name"];
        let name = strings(&to["names"]).last().copied().unwrap_or("").to_string();
        let float = self.text.to_ascii_lowercase().contains("float(");
        let name = if float && name.starts_with("float") { "float".into() } else { name };
        let dimensions = items(&to["array_bounds"]).len();
        format!("(cast {} {}{})", self.expr(&v["arg"]), quote(&name), "[]".repeat(dimensions))
    }

    fn bool_expr(&self, v: &Value) -> String {
        let args = self.list(&v["args"]);
        match v["boolop"].as_u64() {
            Some(1) => bool_list("and", args),
            Some(2) => bool_list("or", args),
            _ => format!("(not {})", args.join(" ")),
        }
    }

    /// `A_Expr`, by its kind (`A_Expr_Kind` of pg_query.proto).
    fn operator(&self, v: &Value) -> String {
        let names = strings(&v["name"]);
        let ours = match &names[..] {
            [name] | ["pg_catalog", name] => *name,
            _ => "",
        };
        let qualified = names.len() > 1;
        let (left, right) = (&v["lexpr"], &v["rexpr"]);
        let both = || format!("{} {}", self.expr(left), self.expr(right));
        match (v["kind"].as_u64().unwrap_or(0), ours) {
            (1, "=") if node(left).is_some() => format!("(= {})", both()),
            (1, "<" | "<=" | ">" | ">=") if !qualified => format!("({ours} {})", both()),
            (1, "-") if node(left).is_none() && !qualified => format!("(- {})", self.expr(right)),
            (2, "=") => format!("(=any {})", both()),
            (7, _) => {
                let not = if ours == "=" { "" } else { "not" };
                let list = node(right).map(|n| self.list(&n.1["items"])).unwrap_or_default();
                format!("({not}in {} {})", self.expr(left), list.join(" "))
            }
            (11 | 12, _) => {
                let not = if v["kind"] == 12 { "not" } else { "" };
                let list = node(right).map(|n| self.list(&n.1["items"])).unwrap_or_default();
                format!("({not}between {} {})", self.expr(left), list.join(" "))
            }
            _ => {
                let sides = [left, right].into_iter().filter(|s| node(s).is_some());
                self.others(sides.map(|s| self.expr(s)).collect())
            }
        }
    }

    fn sub_link(&self, v: &Value) -> String {
        let test = &v["testexpr"];
        let operator = strings(&v["oper_name"]);
        let equal = operator.is_empty() || operator == ["="] || operator == ["pg_catalog", "="];
        match v["sub_link_type"].as_u64() {
            Some(1) => "(exists)".into(),
            Some(3) if equal => format!("(inquery {})", self.expr(test)),
            Some(2 | 3) => self.others(vec![self.expr(test), "(query)".into()]),
            _ => "(query)".into(),
        }
    }

    fn call(&self, v: &Value) -> String {
        let name = strings(&v["funcname"]).last().copied().unwrap_or("").to_string();
        let mut words: Vec<String> = self.list(&v["args"]);
        words.extend(self.list(&v["agg_order"]));
        if node(&v["agg_filter"]).is_some() {
            words.push(self.expr(&v["agg_filter"]));
        }
        let over = &v["over"];
        if over.is_object() {
            words.extend(self.list(&over["partition_clause"]));
            words.extend(self.list(&over["order_clause"]));
            for offset in ["start_offset", "end_offset"] {
                if node(&over[offset]).is_some() {
                    words.push(self.expr(&over[offset]));
                }
            }
        }
        words.retain(|w| w != "(? )");
        if name == "substring" {
            // `substring(x for 3)`: the grammar casts the 3.
            let implied = |w: String| {
                let inside = w.strip_prefix("(cast #").and_then(|w| w.strip_suffix(" int4)"));
                inside.map_or(w.clone(), |slot| format!("#{slot}"))
            };
            words = words.into_iter().map(implied).collect();
        }
        let of_grammar = strings(&v["funcname"]).first() == Some(&"pg_catalog");
        if of_grammar {
            return self.others(words);
        }
        if v["agg_star"] == true {
            words.insert(0, "*".into());
        }
        let distinct = if v["agg_distinct"] == true { "distinct " } else { "" };
        let window = if over.is_object() { " over" } else { "" };
        format!("({}: {distinct}{}{window})", quote(&name), words.join(" "))
    }
}
