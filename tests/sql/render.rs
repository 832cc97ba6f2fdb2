//! An expression in a short notation that two parsers' trees can both be written in.
//!
//! Operands of what has no meaning of its own are flattened and sorted, since neither
//! their order nor their grouping says anything that the tree promises.

use pgherd::sql::{Compare, Expr, Function, Ident, Literals, Name, TypeName};

/// Sorted operands of anything whose operator doesn't matter.
pub fn other(mut operands: Vec<String>) -> String {
    operands.sort();
    format!("(? {})", operands.join(" "))
}

/// The pieces of an `other`, so that one inside another is flat.
pub fn unfold(operands: &mut Vec<String>, rendered: String) {
    match rendered.strip_prefix("(? ").and_then(|r| r.strip_suffix(')')) {
        Some(inside) => operands.extend(split(inside)),
        None => match rendered.strip_prefix("(row ").and_then(|r| r.strip_suffix(')')) {
            Some(inside) => split(inside).into_iter().for_each(|part| unfold(operands, part)),
            None => operands.push(rendered),
        },
    }
}

/// Words at the top level of a rendered list.
fn split(inside: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut depth = 0i32;
    let mut word = String::new();
    let mut quoted = false;
    for c in inside.chars() {
        match c {
            '\u{1}' => quoted = !quoted,
            '(' | '[' if !quoted => depth += 1,
            ')' | ']' if !quoted => depth -= 1,
            ' ' if depth == 0 && !quoted => {
                words.push(std::mem::take(&mut word));
                continue;
            }
            _ => {}
        }
        word.push(c);
    }
    words.push(word);
    words.retain(|w| !w.is_empty());
    words
}

/// A name, marked so that brackets and spaces in it aren't taken for the notation's.
pub fn quote(name: &str) -> String {
    let plain = name.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '.' || c == '*');
    if plain { name.to_string() } else { format!("\u{1}{name}\u{1}") }
}

/// AND and OR, flat.
pub fn bool_list(word: &str, terms: Vec<String>) -> String {
    let prefix = format!("({word} ");
    let mut flat = Vec::new();
    for term in terms {
        match term.strip_prefix(&prefix).and_then(|t| t.strip_suffix(')')) {
            Some(inside) => flat.extend(split(inside)),
            None => flat.push(term),
        }
    }
    format!("({word} {})", flat.join(" "))
}

pub struct Renderer<'a> {
    /// Where given, a folded list is written once for each of its literals.
    pub expand: Option<&'a Literals>,
}

impl Renderer<'_> {
    pub fn list(&self, exprs: &[Expr]) -> Vec<String> {
        exprs.iter().flat_map(|e| self.words(e)).collect()
    }

    fn words(&self, expr: &Expr) -> Vec<String> {
        match (expr, self.expand) {
            (Expr::LiteralList(slot), Some(literals)) => {
                vec![format!("#{slot}"); literals.slot(*slot).len()]
            }
            _ => vec![self.expr(expr)],
        }
    }

    pub fn other(&self, exprs: &[Expr]) -> String {
        let mut operands = Vec::new();
        self.list(exprs).into_iter().for_each(|word| unfold(&mut operands, word));
        other(operands)
    }

    pub fn expr(&self, expr: &Expr) -> String {
        match expr {
            Expr::Column(parts) => column(parts),
            Expr::Wildcard(None) => "*".into(),
            Expr::Field(name) => format!(".{}", quote(name)),
            Expr::Wildcard(Some(name)) => format!("{}.*", table(name)),
            Expr::Parameter(n) => format!("${n}"),
            Expr::Literal(slot) => format!("#{slot}"),
            Expr::LiteralList(slot) => match self.expand {
                Some(_) => self.words(expr).join(" "),
                None => format!("#{slot}.."),
            },
            Expr::Null => "null".into(),
            Expr::Bool(b) => b.to_string(),
            Expr::Default => "default".into(),
            Expr::Cast { expr, to } => format!("(cast {} {})", self.expr(expr), type_name(to)),
            Expr::And(terms) => bool_list("and", self.list(terms)),
            Expr::Or(terms) => bool_list("or", self.list(terms)),
            Expr::Not(e) => format!("(not {})", self.expr(e)),
            Expr::Negate(e) => format!("(- {})", self.expr(e)),
            Expr::Equal(l, r) => format!("(= {} {})", self.expr(l), self.expr(r)),
            Expr::Compare { operator, left, right } => {
                let operator = match operator {
                    Compare::Less => "<",
                    Compare::LessOrEqual => "<=",
                    Compare::Greater => ">",
                    Compare::GreaterOrEqual => ">=",
                };
                format!("({operator} {} {})", self.expr(left), self.expr(right))
            }
            Expr::Between { expr, low, high, negated } => {
                let (e, l, h) = (self.expr(expr), self.expr(low), self.expr(high));
                format!("({}between {e} {l} {h})", if *negated { "not" } else { "" })
            }
            Expr::IsNull { expr, negated } => {
                format!("({} {})", if *negated { "notnull" } else { "isnull" }, self.expr(expr))
            }
            Expr::InList { expr, list, negated } => {
                let not = if *negated { "not" } else { "" };
                format!("({not}in {} {})", self.expr(expr), self.list(list).join(" "))
            }
            Expr::InQuery { expr, negated: true, .. } => {
                format!("(not (inquery {}))", self.expr(expr))
            }
            Expr::InQuery { expr, .. } => format!("(inquery {})", self.expr(expr)),
            Expr::EqualAny { expr, array } => {
                format!("(=any {} {})", self.expr(expr), self.expr(array))
            }
            Expr::Array(elements) => format!("[{}]", self.list(elements).join(" ")),
            Expr::Row(fields) => format!("(row {})", self.list(fields).join(" ")),
            Expr::Function(call) => self.call(call),
            Expr::Subquery(_) => "(query)".into(),
            Expr::Exists(_) => "(exists)".into(),
            Expr::Case { operand, branches, otherwise } => {
                let mut words = vec!["case".to_string()];
                words.extend(operand.iter().map(|e| self.expr(e)));
                for (condition, value) in branches {
                    words.push(format!("(when {} {})", self.expr(condition), self.expr(value)));
                }
                words.extend(otherwise.iter().map(|e| format!("(else {})", self.expr(e))));
                format!("({})", words.join(" "))
            }
            Expr::Other(operands) => self.other(operands),
        }
    }

    fn call(&self, call: &Function) -> String {
        let mut words = self.list(&call.arguments);
        words.extend(self.list(call.over.as_deref().unwrap_or(&[])));
        let name = call.name.as_ref().expect("a name");
        if of_grammar(name) {
            let mut operands = Vec::new();
            words.into_iter().for_each(|word| unfold(&mut operands, word));
            return other(operands);
        }
        if call.star {
            words.insert(0, "*".into());
        }
        let distinct = if call.distinct { "distinct " } else { "" };
        let over = if call.over.is_some() { " over" } else { "" };
        format!("({}: {distinct}{}{over})", quote(&name.name), words.join(" "))
    }
}

/// What has a node of its own in one grammar and is a function in another.
fn of_grammar(name: &Name) -> bool {
    const NEWER: &[&str] = &[
        "json",
        "json_array",
        "json_arrayagg",
        "json_exists",
        "json_object",
        "json_objectagg",
        "json_query",
        "json_scalar",
        "json_serialize",
        "json_value",
        "merge_action",
    ];
    match name.schema.as_deref() {
        None => NEWER.contains(&&*name.name),
        Some(schema) => schema == "pg_catalog",
    }
}

pub fn column(parts: &[Ident]) -> String {
    parts.iter().map(|part| quote(part)).collect::<Vec<_>>().join(".")
}

pub fn table(name: &Name) -> String {
    match &name.schema {
        Some(schema) => format!("{}.{}", quote(schema), quote(&name.name)),
        None => quote(&name.name),
    }
}

pub fn type_name(name: &TypeName) -> String {
    format!("{}{}", quote(&name.name.name), "[]".repeat(name.dimensions.into()))
}
