//! Random statements on pgherd and on its twins.

use super::answer::{Answer, Order, difference};
use super::client::{Mode, Request};
use super::generate::{About, Generator, Statement, worlds};
use super::place::{Pair, Place};
use super::tally::Tally;

/// So many differences are enough to look at.
const ENOUGH: usize = 10;
/// Of the SELECTs at least so many in a hundred are answered; a figure to raise.
const ANSWERED: f64 = 95.0;

/// What was found of all statements.
#[derive(Default)]
struct Found {
    selects: Tally,
    writes: Tally,
    /// Answers that Postgres gives otherwise, too, when it plans otherwise.
    open: usize,
    errors: usize,
    wrong: Vec<String>,
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().and_then(|text| text.parse().ok())
}

#[test]
fn random_statements_are_answered_as_by_one_postgres() {
    let seed = number("PGHERD_TWIN_SEED").unwrap_or(1);
    let count = number("PGHERD_TWIN_STATEMENTS").unwrap_or(2000);
    let only = number("PGHERD_TWIN_ONLY");
    let (tables, world) = worlds(seed);
    let mut place = Place::new("random", &world);
    let mut found = Found::default();
    let numbers = only.map_or(0..count, |only| only..only + 1);
    for number in numbers {
        let mode = Mode::ALL[(number / 4 % 4) as usize];
        let tables = &tables[(number % tables.len() as u64) as usize];
        let generator = Generator::new(seed, number, tables, mode != Mode::Simple);
        let statement = generator.statement();
        let named = format!("seed {seed}, statement {number}, {}", mode.name());
        run(&statement, mode, &mut place, &mut found, &named, only.is_some());
        if found.wrong.len() >= ENOUGH {
            break;
        }
    }
    println!("SELECT: {}", found.selects);
    println!("writes: {}", found.writes);
    println!("{} ended with an error, {} leave their answer open", found.errors, found.open);
    assert!(found.wrong.is_empty(), "{}", found.wrong.join("\n"));
    if only.is_none() {
        let answered = found.selects.answered_percent();
        assert!(answered >= ANSWERED, "only {answered:.1} % of the SELECTs are answered");
        // The generator keeps making statements that can be told right from wrong.
        let runs = found.selects.equal + found.selects.refused();
        assert!(found.open * 50 < runs, "{} of {runs} leave their answer open", found.open);
        assert!(found.errors * 5 < runs, "{} of {runs} are errors", found.errors);
    }
}

fn run(
    statement: &Statement,
    mode: Mode,
    place: &mut Place,
    found: &mut Found,
    named: &str,
    tell: bool,
) {
    let request = Request {
        text: statement.text.clone(),
        parameters: statement.parameters.clone(),
        ..Request::default()
    };
    if tell {
        println!("{}\n{:?}", request.text, request.parameters);
    }
    let writes = statement.about == About::Write;
    let mut refused = 0;
    for pair in &mut place.pairs {
        let ours = pair.ours.run(&request, mode);
        let tally = if writes { &mut found.writes } else { &mut found.selects };
        if tell {
            println!("{}, pgherd\n{ours}", pair.name);
        }
        if let Some(refusal) = ours.refusal() {
            tally.refuse(refusal);
            refused += 1;
            continue;
        }
        let theirs = pair.theirs.run(&request, mode);
        if tell {
            println!("{}, twin\n{theirs}", pair.name);
        }
        let order = order(statement, pair, mode);
        let mut wrong = difference(&ours, &theirs, &order);
        if writes && (ours.wrote() || theirs.wrote()) {
            wrong = wrong.or(pair.rows_differ());
            pair.reset();
        }
        if !writes && wrong.is_some() {
            let shuffled = place.shuffled.run(&request, mode);
            if difference(&shuffled, &theirs, &order).is_some() {
                found.open += 1;
                continue;
            }
        }
        found.errors += usize::from(theirs.failure().is_some());
        match wrong {
            None => tally.equal += 1,
            Some(what) => {
                tally.different += 1;
                found.wrong.push(described(named, pair, &request, &what, [&ours, &theirs]));
            }
        }
    }
    if !writes && refused == place.pairs.len() {
        // What is refused today will be answered one day: is it worth asking?
        let pair = &mut place.pairs[0];
        let theirs = pair.theirs.run(&request, mode);
        let shuffled = place.shuffled.run(&request, mode);
        let order = order(statement, pair, mode);
        found.errors += usize::from(theirs.failure().is_some());
        if let Some(what) = difference(&shuffled, &theirs, &order) {
            found.open += 1;
            if tell || std::env::var_os("PGHERD_TWIN_OPEN").is_some() {
                println!("{}", described(named, pair, &request, &what, [&shuffled, &theirs]));
            }
        }
    }
}

fn order(statement: &Statement, pair: &mut Pair, mode: Mode) -> Order {
    let Some(text) = &statement.out_of else { return statement.order.clone() };
    let parameters = statement.parameters.clone();
    let answer =
        pair.theirs.run(&Request { text: text.clone(), parameters, ..Request::default() }, mode);
    Order::SomeOf(answer.parts.into_iter().flat_map(|part| part.rows).collect())
}

fn described(
    named: &str,
    pair: &Pair,
    request: &Request,
    what: &str,
    [ours, theirs]: [&Answer; 2],
) -> String {
    let Request { text, parameters, .. } = request;
    let name = pair.name;
    format!(
        "{named}, {name}: {what}\n  {text}\n  {parameters:?}\n  pgherd\n{ours}\n  twin\n{theirs}"
    )
}
