//! Reads `data/*.sql`: `statement -- [$1:type=value …] => expectation`.
//!
//! An expectation is `any`, `home`, `all`, `KEYSPACE KEY` (the shard of that key), `several`
//! (merged), `moved` (between shards), `fed` (with the rows of a query), `gathered` (on one of several), `types` (the parameters' types are needed), `spread HOW
//! SHARDS` (each with how many rows of VALUES it gets), `asked TEXT` (with the keys in it that a server
//! was asked for) or `CODE words of the message`.
//! `UPDATE_EXPECT=1` rewrites the files with what routing says.

use std::fmt::Write as _;
use std::path::PathBuf;

use pgherd::routing::hint::shard_of_key;
use pgherd::routing::{
    Action, Answer, Parameter, ParameterValue, Plan, PlanContext, Refusal, Route, RouteError,
    Router, RoutingHint, Shares, Values,
};
use pgherd::sql::{LexOptions, parse, scan};

use crate::fixture;

/// What each shard gets of a write that several of them do.
type Spread = Option<Result<Shares, RouteError>>;

struct Line {
    statement: String,
    parameters: Vec<(u32, Option<Vec<u8>>)>,
    expectation: String,
}

fn read(file: &str) -> Vec<Result<Line, String>> {
    let path = path(file);
    let text = std::fs::read_to_string(&path).expect("the file is there");
    text.lines().map(line).collect()
}

fn path(file: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/routing/data").join(file)
}

/// A line, or itself where it is empty or a comment.
fn line(line: &str) -> Result<Line, String> {
    let Some((before, expectation)) = line.rsplit_once("=> ") else { return Err(line.to_owned()) };
    if line.starts_with("--") {
        return Err(line.to_owned());
    }
    let (statement, parameters) = before.rsplit_once("-- ").expect("a comment before =>");
    let parameters = parameters.split_whitespace().map(parameter).collect();
    let statement = statement.trim_end().to_owned();
    Ok(Line { statement, parameters, expectation: expectation.trim().to_owned() })
}

/// `$1:int8=42`, `$1:=42` without a type, `$1:int8` is NULL.
fn parameter(written: &str) -> (u32, Option<Vec<u8>>) {
    let (_, rest) = written.split_once(':').expect("$n:type=value");
    let (name, value) = match rest.split_once('=') {
        Some((name, value)) => (name, Some(value.as_bytes().to_vec())),
        None => (rest, None),
    };
    let oid = match name {
        "" => 0,
        "int2" => 21,
        "int4" => 23,
        "int8" => 20,
        "text" => 25,
        "varchar" => 1043,
        "numeric" => 1700,
        "float8" => 701,
        "uuid" => 2950,
        "date" => 1082,
        "timestamptz" => 1184,
        "int8[]" => 1016,
        other => panic!("type {other} isn't known to the test"),
    };
    (oid, value)
}

/// The plan and the route of a text of one statement, and what each shard gets of a write.
fn route(router: &Router, line: &Line) -> (Option<Plan>, Result<Route, RouteError>, Spread) {
    let text = line.statement.as_bytes();
    let path: Vec<Box<str>> = vec!["app".into(), "public".into()];
    let context = PlanContext { search_path: &path };
    let scanned = match scan(text, LexOptions::default()) {
        Ok(scanned) => scanned,
        Err(error) => return (None, Err(Refusal::from(error).into()), None),
    };
    let [scanned] = scanned.as_slice() else { panic!("one statement a line: {}", line.statement) };
    let planned = parse(text, scanned)
        .map_err(Refusal::from)
        .and_then(|statement| router.plan(text, scanned, &statement, &context));
    let plan = match planned {
        Ok(plan) => plan,
        Err(refusal) => return (None, Err(refusal.into()), None),
    };
    let parameters: Vec<Parameter<'_>> = line
        .parameters
        .iter()
        .map(|(type_oid, value)| Parameter {
            type_oid: *type_oid,
            value: value.as_ref().map_or(ParameterValue::Null, |v| ParameterValue::Text(v)),
        })
        .collect();
    let values = Values { text, literals: &scanned.literals, parameters: &parameters, utf8: true };
    let route = RoutingHint::of(&scanned.hints)
        .map_err(RouteError::from)
        .and_then(|hint| plan.route(router, &values, hint.as_ref(), None));
    let spread = matches!(route, Err(RouteError::Spread(_)));
    let shares = spread.then(|| plan.spread(router, &values, scanned));
    (Some(plan), route, shares)
}

/// What routing says, in the words of the files; with the expectation at hand, a key is
/// named rather than a shard.
fn said(router: &Router, line: &Line) -> String {
    let (plan, route, shares) = route(router, line);
    let gathered = plan.as_ref().is_some_and(Plan::is_gathered);
    let asked = plan.as_ref().and_then(|plan| asked(plan, line));
    let runs = plan.is_some_and(|plan| {
        matches!(
            plan.action,
            Action::Run | Action::Explain { .. } | Action::Ddl { .. } | Action::Listen { .. }
        )
    });
    match route {
        Ok(_) if !runs => "session".into(),
        Ok(Route::Any) => "any".into(),
        Ok(Route::All) => "all".into(),
        Ok(Route::One(shard)) => {
            if line.expectation == "home" && shard == router.home() {
                return "home".into();
            }
            if let Some((keyspace, key)) = line.expectation.split_once(' ')
                && let Some(at) = router.rules().keyspaces.iter().position(|k| &*k.name == keyspace)
                && shard_of_key(router, at, key) == Ok(shard)
            {
                return line.expectation.clone();
            }
            router.shards()[usize::from(shard.0)].to_string()
        }
        Err(RouteError::NeedsParameterTypes) => "types".into(),
        Err(RouteError::Several(_)) if gathered => "gathered".into(),
        Err(RouteError::Several(_)) => "several".into(),
        Err(RouteError::Spread(_)) => match shares {
            Some(Ok(shares)) => spread(router, &shares),
            Some(Err(RouteError::NeedsParameterTypes)) => "types".into(),
            Some(Err(error)) => error.to_string(),
            None => "spread".into(),
        },
        Err(RouteError::Moved(_)) => "moved".into(),
        Err(RouteError::Fed(_)) => "fed".into(),
        Err(RouteError::Unfilled(_)) => format!("asked {}", asked.unwrap_or_default()),
        Err(RouteError::Refused(refusal)) => {
            let said = format!("{} {}", refusal.sqlstate, refusal.message);
            let (code, words) = line.expectation.split_once(' ').unwrap_or(("", ""));
            if code == refusal.sqlstate && refusal.message.contains(words) {
                return line.expectation.clone();
            }
            said
        }
    }
}

/// A statement whose key is asked for, as it is when a server answers 70 for the first default, 80 for
/// the second or for expressions.
fn asked(plan: &Plan, line: &Line) -> Option<String> {
    let text = line.statement.as_bytes();
    let scanned = scan(text, LexOptions::default()).ok()?;
    let row = |n: usize| vec![[n.to_string(), "bigint".into()].map(Some); 9].concat();
    let answers = [vec![row(70); 9], vec![row(80); 9], vec![row(90); 9]];
    let filled = plan.fill.as_ref()?.put(text, scanned.first()?, &answers, None);
    Some(match filled {
        Ok(filled) => String::from_utf8_lossy(&filled.text.text).into_owned(),
        Err(refusal) => refusal.to_string(),
    })
}

/// `spread sum s1 s2`, `spread interleaved s1=2 s3=1`.
fn spread(router: &Router, shares: &Shares) -> String {
    let mut said = String::from(match &shares.answer {
        Answer::Sum => "spread sum",
        Answer::Interleaved(_) => "spread interleaved",
        Answer::Same => "spread same",
    });
    for share in &shares.each {
        let _ = write!(said, " {}", router.shard_name(share.shard));
        if share.rows > 0 {
            let _ = write!(said, "={}", share.rows);
        }
    }
    for lock in &shares.locks {
        said += if lock.shared { " +shared" } else { " +lock" };
    }
    said
}

fn check(file: &str) {
    let router = fixture::router();
    let mut wrong = String::new();
    let mut rewritten = String::new();
    for line in read(file) {
        match line {
            Err(comment) => rewritten.push_str(&comment),
            Ok(line) => {
                let said = said(&router, &line);
                if said != line.expectation {
                    let _ = writeln!(
                        wrong,
                        "{}\n  expected {}\n  said     {said}",
                        line.statement, line.expectation
                    );
                }
                let _ = write!(rewritten, "{} -- ", line.statement);
                for (number, (oid, value)) in line.parameters.iter().enumerate() {
                    let _ = write!(rewritten, "{} ", written(number, *oid, value));
                }
                let _ = write!(rewritten, "=> {said}");
            }
        }
        rewritten.push('\n');
    }
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(path(file), rewritten).expect("the file can be written");
        return;
    }
    assert!(wrong.is_empty(), "{file}:\n{wrong}");
}

fn written(number: usize, oid: u32, value: &Option<Vec<u8>>) -> String {
    let name = match oid {
        0 => "",
        21 => "int2",
        23 => "int4",
        20 => "int8",
        25 => "text",
        1043 => "varchar",
        1700 => "numeric",
        701 => "float8",
        2950 => "uuid",
        1082 => "date",
        1184 => "timestamptz",
        1016 => "int8[]",
        _ => "?",
    };
    match value {
        Some(value) => format!("${}:{name}={}", number + 1, String::from_utf8_lossy(value)),
        None => format!("${}:{name}", number + 1),
    }
}

#[test]
fn accepted() {
    check("accepted.sql");
}

#[test]
fn several() {
    check("several.sql");
}

#[test]
fn views() {
    check("views.sql");
}

#[test]
fn writes() {
    check("writes.sql");
}

#[test]
fn gathered() {
    check("gathered.sql");
}

#[test]
fn catalogs() {
    check("catalogs.sql");
}

#[test]
fn refusals() {
    let lines: Vec<Line> = read("refusals.sql").into_iter().flatten().collect();
    for line in &lines {
        let code = line.expectation.get(..5).unwrap_or("");
        assert!(
            code.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_uppercase()) && code.len() == 5,
            "not a refusal: {}",
            line.statement
        );
    }
    check("refusals.sql");
}
