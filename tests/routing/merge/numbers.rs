//! Numbers add, multiply and divide to the server's own digits, and are written as it does.

use std::cmp::Ordering;

use pgherd::routing::merge::{CombineError, Numeric};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::{in_binary, in_text, values, with_server};

fn text(cell: &super::Cell) -> Option<&str> {
    cell.as_deref().map(|text| std::str::from_utf8(text).expect("text"))
}

/// Mostly of a few digits, some of hundreds; edges of the base; infinities.
fn number(random: &mut StdRng) -> String {
    match random.random_range(0..24) {
        0 => ["NaN", "Infinity", "-Infinity"][random.random_range(0..3)].to_owned(),
        1 => ["0", "0.000", "1", "-1", "9999", "10000", "0.0001", "-0.00010", "99999999"]
            [random.random_range(0..9)]
        .to_owned(),
        2 => {
            let digits = |most: usize, random: &mut StdRng| -> String {
                (0..random.random_range(1..most))
                    .map(|_| char::from(b'0' + random.random_range(0..10)))
                    .collect()
            };
            format!("{}.{}", digits(300, random), digits(300, random))
        }
        _ => values::decimal(random),
    }
}

/// Each result of the server's operators, by text and by binary form of what it works on.
#[test]
fn numbers_compute_as_the_server_does() {
    with_server(async |client| {
        let mut random = StdRng::seed_from_u64(37);
        for _ in 0..10 {
            let pairs: Vec<String> = (0..500)
                .map(|n| format!("({n}, '{}', '{}')", number(&mut random), number(&mut random)))
                .collect();
            let sql = format!(
                "WITH p AS (SELECT n, a::numeric, b::numeric FROM (VALUES {}) v (n, a, b)) \
                 SELECT a, b, a + b, a - b, a * b, CASE WHEN b <> 0 OR a = 'NaN' THEN a / b END, \
                        CASE WHEN a < b THEN '-' WHEN a = b THEN '=' ELSE '+' END, -a FROM p ORDER BY n",
                pairs.join(", ")
            );
            let (texts, binaries) = (in_text(&client, &sql).await, in_binary(&client, &sql).await);
            assert_eq!(texts.len(), pairs.len());
            for (row, binary) in texts.iter().zip(&binaries) {
                let read = |n: usize| {
                    let of_text = row[n].as_deref().and_then(Numeric::from_text);
                    let of_binary = binary[n].as_deref().and_then(Numeric::from_binary);
                    assert!(of_text.is_some() && of_text == of_binary, "{:?}", text(&row[n]));
                    of_text.expect("a number")
                };
                let (a, b) = (read(0), read(1));
                let same = |ours: Result<Numeric, CombineError>, n: usize, operator: &str| {
                    let what = || format!("{a} {operator} {b}");
                    let ours = ours.unwrap_or_else(|why| panic!("{}: {why}", what()));
                    assert_eq!(Some(ours.to_string().as_str()), text(&row[n]), "{}", what());
                    let mut bytes = Vec::new();
                    ours.put_binary(&mut bytes);
                    assert_eq!(Some(&bytes), binary[n].as_ref(), "{}", what());
                };
                same(Ok(a.clone()), 0, "is");
                same(a.add(&b), 2, "+");
                same(a.subtract(&b), 3, "-");
                same(a.multiply(&b), 4, "*");
                same(Ok(a.clone().negate()), 7, "negated, not");
                match (a.divide(&b), &row[5]) {
                    (Err(why), None) => assert_eq!(why.sqlstate(), "22012"),
                    (ours, _) => same(ours, 5, "/"),
                }
                let sign = match a.compare(&b) {
                    Ordering::Less => "-",
                    Ordering::Equal => "=",
                    Ordering::Greater => "+",
                };
                assert_eq!(Some(sign), text(&row[6]), "{a} and {b}");
            }
        }
    });
}

/// The size beyond which the server stores no number.
#[test]
fn numbers_overflow_where_the_servers_do() {
    with_server(async |client| {
        let large = "1".to_owned() + &"0".repeat(131_071);
        // Its square has more digits after the point than the server stores.
        let fine = "0.".to_owned() + &"37".repeat(4_500);
        let of = |text: &str| Numeric::from_text(text.as_bytes()).expect("a number");
        let cases: [(&str, &str, &str); 8] = [
            (&large, "*", "10"),
            (&large, "*", "9"),
            (&large, "+", &large),
            (&large, "/", "0.1"),
            (&large, "/", "10"),
            (&fine, "*", &fine),
            (&fine, "/", &large),
            (&large, "-", &fine),
        ];
        for (one, operator, other) in cases {
            let ours = match operator {
                "*" => of(one).multiply(&of(other)),
                "/" => of(one).divide(&of(other)),
                "-" => of(one).subtract(&of(other)),
                _ => of(one).add(&of(other)),
            };
            let sql = format!("SELECT {one}::numeric {operator} {other}::numeric");
            match (client.simple_query(&sql).await, ours) {
                (Ok(_), Ok(ours)) => {
                    assert_eq!(
                        in_text(&client, &sql).await[0][0],
                        Some(ours.to_string().into_bytes())
                    );
                }
                (Err(theirs), Err(ours)) => {
                    let theirs = theirs.as_db_error().expect("the server's error");
                    assert_eq!(theirs.code().code(), ours.sqlstate(), "{operator}");
                    assert_eq!(theirs.message(), ours.to_string());
                }
                (theirs, ours) => panic!("{operator}: {theirs:?}, {:?}", ours.map(|_| "a number")),
            }
        }
    });
}
