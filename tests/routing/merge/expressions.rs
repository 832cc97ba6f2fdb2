//! Expressions have the server's types, values and errors.

use pgherd::routing::merge::{
    Arithmetic, CombineError, Comparison, Expression, Format, Numeric, Value, oid,
};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::{Cell, in_binary, values, with_server};

const COLUMNS: [(&str, u32); 10] = [
    ("int2", oid::INT2),
    ("int2", oid::INT2),
    ("int4", oid::INT4),
    ("int4", oid::INT4),
    ("int8", oid::INT8),
    ("int8", oid::INT8),
    ("numeric", oid::NUMERIC),
    ("numeric", oid::NUMERIC),
    ("bool", oid::BOOL),
    ("bool", oid::BOOL),
];

fn read(type_oid: u32, cell: &Cell) -> Value {
    let Some(bytes) = cell else { return Value::Null };
    match type_oid {
        oid::INT2 => Value::Int2(i16::from_be_bytes(bytes.as_slice().try_into().expect("two"))),
        oid::INT4 => Value::Int4(i32::from_be_bytes(bytes.as_slice().try_into().expect("four"))),
        oid::INT8 => Value::Int8(i64::from_be_bytes(bytes.as_slice().try_into().expect("eight"))),
        oid::NUMERIC => Value::Numeric(Numeric::from_binary(bytes).expect("a number")),
        _ => Value::Bool(bytes == &[1]),
    }
}

/// An expression in SQL, and as it is built here.
type Both = (String, Expression);

struct Generator {
    random: StdRng,
}

impl Generator {
    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.random.random_range(0..from.len())]
    }

    fn number(&mut self, depth: u32) -> Option<Both> {
        if depth == 0 {
            if self.random.random_range(0..3) == 0 {
                let text = self.pick(&[
                    "0",
                    "1",
                    "2",
                    "100",
                    "32767",
                    "2147483648",
                    "-2147483648",
                    "-7",
                    "0.5",
                    "-.50",
                    "10.00",
                    "3.",
                ]);
                let expression = Expression::number(text).expect("a number");
                return Some((text.to_owned(), expression));
            }
            let index = self.random.random_range(0..8);
            return Some((format!("c{index}"), Expression::input(index, COLUMNS[index].1)?));
        }
        let depth = depth - 1;
        let (a_sql, a) = self.number(depth)?;
        Some(match self.random.random_range(0..12) {
            0 => (format!("(- {a_sql})"), a.negate()?),
            1 => (format!("abs({a_sql})"), a.absolute()?),
            2 => {
                let places = self.random.random_range(0..5);
                (format!("round({a_sql}, {places})"), a.round(Some(places))?)
            }
            3 => {
                let (name, type_oid) = COLUMNS[self.random.random_range(0..8)];
                (format!("({a_sql})::{name}"), a.cast(type_oid)?)
            }
            4 => {
                let (b_sql, b) = self.number(depth)?;
                (format!("coalesce({a_sql}, {b_sql})"), Expression::coalesce(vec![a, b])?)
            }
            5 => {
                let (b_sql, b) = self.number(depth)?;
                (format!("nullif({a_sql}, {b_sql})"), Expression::null_if(a, b)?)
            }
            6 => {
                let (condition_sql, condition) = self.condition(depth)?;
                let (b_sql, b) = self.number(depth)?;
                let sql = format!("CASE WHEN {condition_sql} THEN {a_sql} ELSE {b_sql} END");
                (sql, Expression::case(vec![(condition, a)], Some(b))?)
            }
            _ => {
                let (operator_sql, operator) = self.pick(&[
                    ("+", Arithmetic::Add),
                    ("-", Arithmetic::Subtract),
                    ("*", Arithmetic::Multiply),
                    ("/", Arithmetic::Divide),
                    ("%", Arithmetic::Remainder),
                ]);
                let (b_sql, b) = self.number(depth)?;
                let sql = format!("({a_sql} {operator_sql} {b_sql})");
                (sql, Expression::arithmetic(operator, a, b)?)
            }
        })
    }

    fn condition(&mut self, depth: u32) -> Option<Both> {
        if depth == 0 {
            let index = self.random.random_range(8..10);
            return Some((format!("c{index}"), Expression::input(index, oid::BOOL)?));
        }
        let depth = depth - 1;
        Some(match self.random.random_range(0..6) {
            0 => {
                let ((a_sql, a), (b_sql, b)) = (self.condition(depth)?, self.condition(depth)?);
                (format!("({a_sql} AND {b_sql})"), Expression::and(vec![a, b])?)
            }
            1 => {
                let ((a_sql, a), (b_sql, b)) = (self.condition(depth)?, self.condition(depth)?);
                (format!("({a_sql} OR {b_sql})"), Expression::or(vec![a, b])?)
            }
            2 => {
                let (a_sql, a) = self.condition(depth)?;
                (format!("(NOT {a_sql})"), a.negated()?)
            }
            3 => {
                let (a_sql, a) = self.number(depth)?;
                (format!("({a_sql} IS NULL)"), a.is_null())
            }
            _ => {
                let (operator_sql, operator) = self.pick(&[
                    ("<", Comparison::Less),
                    ("<=", Comparison::LessOrEqual),
                    ("=", Comparison::Equal),
                    ("<>", Comparison::NotEqual),
                    (">=", Comparison::GreaterOrEqual),
                    (">", Comparison::Greater),
                ]);
                let ((a_sql, a), (b_sql, b)) = (self.number(depth)?, self.number(depth)?);
                let sql = format!("({a_sql} {operator_sql} {b_sql})");
                (sql, Expression::compare(operator, a, b)?)
            }
        })
    }
}

/// The values lie in a table, so that the server computes nothing while it plans.
#[test]
fn random_expressions_come_to_what_the_server_says() {
    with_server(async |client| {
        let mut random = StdRng::seed_from_u64(41);
        let mut rows = Vec::new();
        for n in 0..100 {
            let cells = COLUMNS.map(|(name, _)| match random.random_range(0..4) {
                0 => "NULL".to_owned(),
                1 if name != "bool" => random.random_range(-3..4).to_string(),
                _ => format!("'{}'", values::of_type(name, &mut random)),
            });
            rows.push(format!("({n}, {})", cells.join(", ")));
        }
        let columns: Vec<String> =
            COLUMNS.iter().enumerate().map(|(n, (name, _))| format!("c{n} {name}")).collect();
        let table = format!(
            "CREATE TEMP TABLE given (n int, {}); INSERT INTO given VALUES {}",
            columns.join(", "),
            rows.join(", ")
        );
        client.batch_execute(&table).await.expect("a table");
        let given: Vec<Vec<Value>> = in_binary(&client, "SELECT * FROM given ORDER BY n")
            .await
            .iter()
            .map(|row| {
                row[1..].iter().zip(COLUMNS).map(|(cell, (_, oid))| read(oid, cell)).collect()
            })
            .collect();

        let mut generator = Generator { random };
        let (mut values, mut errors) = (0, 0);
        while values + errors < 3_000 {
            let depth = generator.random.random_range(1..4);
            let both = if generator.random.random_range(0..3) == 0 {
                generator.condition(depth)
            } else {
                generator.number(depth)
            };
            let Some((sql, expression)) = both else { continue };
            let n = generator.random.random_range(0..given.len());
            let sql = format!("SELECT {sql} FROM given WHERE n = {n}");
            let ours = expression.evaluate(&given[n]);
            let statement =
                client.prepare(&sql).await.unwrap_or_else(|why| panic!("{sql}: {why:?}"));
            let type_oid = statement.columns()[0].type_().oid();
            assert_eq!(type_oid, expression.type_oid(), "{sql}");
            match (client.query_one(&statement, &[]).await, ours) {
                (Ok(row), Ok(ours)) => {
                    let mut bytes = Vec::new();
                    let ours = ours.put(Format::Binary, &mut bytes).then_some(bytes);
                    assert_eq!(ours, row.get::<_, super::Raw>(0).0, "{sql} of {:?}", given[n]);
                    values += 1;
                }
                (Err(theirs), Err(ours)) => {
                    let theirs = theirs.as_db_error().expect("the server's error");
                    let ours: CombineError = ours;
                    assert_eq!(
                        (theirs.code().code(), theirs.message()),
                        (ours.sqlstate(), ours.to_string().as_str()),
                        "{sql} of {:?}",
                        given[n]
                    );
                    errors += 1;
                }
                (theirs, ours) => panic!("{sql} of {:?}: {ours:?}, not {theirs:?}", given[n]),
            }
        }
        assert!(values > 1_000 && errors > 100, "{values} values and {errors} errors");
    });
}
