//! Ten statements worth trying, with the answers that they must have: taken from the network
//! itself, not from what a server said before.

use std::process::Stdio;

use tokio_postgres::{Client, SimpleQueryMessage};

use super::network::{CELEBRITY, COUNTRIES, Person};
use super::{DemoError, Target};

/// The user whom the tour looks at.
const VISITED: i64 = 42;

/// One statement of the tour.
#[derive(Debug, Clone)]
pub struct Stop {
    /// What it shows.
    pub title: &'static str,
    /// As a person would type it into psql.
    pub text: String,
    expected: Expected,
}

#[derive(Debug, Clone)]
enum Expected {
    /// These rows, as text.
    Rows(Vec<Vec<String>>),
    /// Rows that hold each of these texts somewhere.
    Holding(Vec<&'static str>),
    /// The first statement counts so many; the second, on each shard in turn, gives counts that
    /// add up to that.
    SumOfShards(i64),
    /// A command of psql, whose output holds these.
    Psql(Vec<&'static str>),
}

/// What came of a stop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// What was answered, a line a row.
    pub shown: Vec<String>,
    /// Why it is not what it must be.
    pub wrong: Option<String>,
}

/// The ten, in order: some see what those before them wrote.
pub fn stops(people: &[Person]) -> Vec<Stop> {
    let visited = people.iter().find(|person| person.id == VISITED).cloned().unwrap_or_default();
    let celebrity =
        people.iter().find(|person| person.id == CELEBRITY).cloned().unwrap_or_default();
    let mut stops = reads(&visited, &celebrity);
    stops.extend(writes(&visited));
    stops.extend(looks(people.len() as i64));
    stops
}

fn reads(visited: &Person, celebrity: &Person) -> Vec<Stop> {
    let country = COUNTRIES.iter().find(|(code, _)| *code == visited.country).map_or("", |c| c.1);
    let mut posts: Vec<_> = visited.posts.iter().collect();
    posts.sort_by_key(|post| (-post.likes, post.id));
    let posts = posts.iter().take(3);
    let likes: i64 = celebrity.posts.iter().map(|post| i64::from(post.likes)).sum();
    let most = celebrity.posts.iter().map(|post| post.likes).max().unwrap_or(0);
    let timeline = visited.timeline.iter().take(5);
    vec![
        Stop {
            title: "A point read: the key says which shard",
            text: format!("SELECT id, name, country FROM users WHERE id = {VISITED};"),
            expected: rows([[VISITED.to_string(), visited.name.clone(), visited.country.into()]]),
        },
        Stop {
            title: "A join of two tables that are split by the same key",
            text: format!(
                "SELECT u.name, p.id, p.body, p.likes \
                 FROM users u JOIN posts p ON p.user_id = u.id \
                 WHERE u.id = {VISITED} ORDER BY p.likes DESC, p.id LIMIT 3;"
            ),
            expected: rows(posts.map(|post| {
                let (id, likes) = (post.id.to_string(), post.likes.to_string());
                [visited.name.clone(), id, post.body.clone(), likes]
            })),
        },
        Stop {
            title: "A join with a reference table, which lies whole on every shard",
            text: format!(
                "SELECT u.name, c.name FROM users u JOIN countries c ON c.code = u.country \
                 WHERE u.id = {VISITED};"
            ),
            expected: rows([[visited.name.clone(), country.to_owned()]]),
        },
        Stop {
            title: "A timeline, fanned out when the posts were written",
            text: format!(
                "SELECT author_id, post_id FROM timelines WHERE user_id = {VISITED} \
                 ORDER BY written DESC, author_id DESC, post_id DESC LIMIT 5;"
            ),
            expected: rows(timeline.map(|e| [e.author.to_string(), e.post.to_string()])),
        },
        Stop {
            title: "A CTE and aggregates over one key: the celebrity's posts",
            text: format!(
                "WITH famous AS (SELECT * FROM posts WHERE user_id = {CELEBRITY}) \
                 SELECT count(*), sum(likes), max(likes), \
                 (SELECT count(*) FROM followers WHERE user_id = {CELEBRITY}) AS followers \
                 FROM famous;"
            ),
            expected: rows([[
                celebrity.posts.len().to_string(),
                likes.to_string(),
                most.to_string(),
                celebrity.followers.len().to_string(),
            ]]),
        },
    ]
}

fn writes(visited: &Person) -> Vec<Stop> {
    let next = visited.posts.len() as i64 + 1;
    vec![
        Stop {
            title: "INSERT … RETURNING; the subquery has the same key",
            text: format!(
                "INSERT INTO posts (user_id, id, body) VALUES ({VISITED}, \
                 (SELECT max(id) + 1 FROM posts WHERE user_id = {VISITED}), 'Hello, herd.') \
                 RETURNING user_id, id, body, likes;"
            ),
            expected: rows([[
                VISITED.to_string(),
                next.to_string(),
                "Hello, herd.".to_owned(),
                "0".to_owned(),
            ]]),
        },
        Stop {
            title: "A transaction on one user's rows",
            text: format!(
                "BEGIN;\n\
                 INSERT INTO follows (user_id, followed_id) VALUES ({VISITED}, 1000000);\n\
                 UPDATE users SET following = following + 1 WHERE id = {VISITED};\n\
                 COMMIT;\n\
                 SELECT following, (SELECT count(*) FROM follows WHERE user_id = {VISITED}) \
                 FROM users WHERE id = {VISITED};"
            ),
            expected: rows([[
                (visited.follows.len() + 1).to_string(),
                (visited.follows.len() + 1).to_string(),
            ]]),
        },
    ]
}

fn looks(users: i64) -> Vec<Stop> {
    vec![
        Stop {
            title: "EXPLAIN says where a statement goes, and shows the shard's own plan",
            text: format!("EXPLAIN SELECT * FROM posts WHERE user_id = {VISITED};"),
            expected: Expected::Holding(vec!["pgherd", "shard", "posts"]),
        },
        Stop {
            title: "All shards at once, their counts put together; and each of them, by name",
            text: "SELECT count(*) FROM users;\n\
                   /* pgherd: shard=s1 */ SELECT count(*) FROM users;"
                .to_owned(),
            expected: Expected::SumOfShards(users),
        },
        Stop {
            title: "psql's own commands",
            text: r"\d posts".to_owned(),
            expected: Expected::Psql(vec!["Table \"public.posts\"", "user_id", "posts_pkey"]),
        },
    ]
}

fn rows<const N: usize>(rows: impl IntoIterator<Item = [String; N]>) -> Expected {
    Expected::Rows(rows.into_iter().map(Vec::from).collect())
}

/// Runs one stop and compares.
pub async fn run(target: &Target, stop: &Stop) -> Result<Outcome, DemoError> {
    if let Expected::Psql(expected) = &stop.expected {
        return Ok(psql(target, &stop.text, expected).await);
    }
    let doing = DemoError::while_doing("connecting");
    let client = target.connect().await.map_err(doing)?;
    let asked = DemoError::while_doing(stop.text.clone());
    match &stop.expected {
        Expected::Rows(expected) => {
            let found = ask(&client, &stop.text).await.map_err(asked)?;
            let wrong = (found != *expected).then(|| format!("expected {expected:?}"));
            Ok(Outcome { shown: lines(&found), wrong })
        }
        Expected::Holding(words) => {
            let shown = lines(&ask(&client, &stop.text).await.map_err(asked)?);
            let missing = |word: &&&str| !shown.iter().any(|line| line.contains(**word));
            let wrong = words.iter().find(missing).map(|word| format!("{word:?} is not in it"));
            Ok(Outcome { shown, wrong })
        }
        Expected::SumOfShards(sum) => {
            sum_of_shards(target, &client, &stop.text, *sum).await.map_err(asked)
        }
        Expected::Psql(_) => Ok(Outcome { shown: Vec::new(), wrong: None }),
    }
}

/// The last result's rows, as text.
async fn ask(client: &Client, text: &str) -> Result<Vec<Vec<String>>, tokio_postgres::Error> {
    let mut rows = Vec::new();
    // A statement at a time, as psql sends them.
    for statement in text.split_inclusive(";\n") {
        rows.clear();
        for message in client.simple_query(statement).await? {
            if let SimpleQueryMessage::Row(row) = message {
                let columns = (0..row.len()).map(|i| row.get(i).unwrap_or("NULL").to_owned());
                rows.push(columns.collect());
            }
        }
    }
    Ok(rows)
}

async fn sum_of_shards(
    target: &Target,
    client: &Client,
    text: &str,
    expected: i64,
) -> Result<Outcome, tokio_postgres::Error> {
    let (scattered, hinted) = text.split_once(";\n").unwrap_or((text, ""));
    let count = |rows: Vec<Vec<String>>| {
        let count = rows.first().and_then(|row| row.first());
        count.and_then(|count| count.parse::<i64>().ok()).unwrap_or(0)
    };
    let all = count(ask(client, scattered).await?);
    let (mut shown, mut total) = (vec![format!("all: {all}")], 0);
    for shard in &target.shards {
        let text = hinted.replace("shard=s1", &format!("shard={shard}"));
        let of_shard = count(ask(client, &text).await?);
        shown.push(format!("{shard}: {of_shard}"));
        total += of_shard;
    }
    let right = (all, total) == (expected, expected);
    let wrong = (!right).then(|| format!("expected {expected}, of all and in sum"));
    Ok(Outcome { shown, wrong })
}

async fn psql(target: &Target, text: &str, expected: &[&str]) -> Outcome {
    let output = tokio::process::Command::new("psql")
        .args(["-X", "-v", "ON_ERROR_STOP=1", "-d"])
        .args([&target.url(), "-c", text])
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await;
    let output = match output {
        Ok(output) => output,
        Err(error) => {
            let wrong = Some(format!("psql can't be run: {error}"));
            return Outcome { shown: Vec::new(), wrong };
        }
    };
    let mut said = String::from_utf8_lossy(&output.stdout).into_owned();
    said += &String::from_utf8_lossy(&output.stderr);
    let missing = expected.iter().find(|word| !said.contains(**word));
    let wrong = match missing {
        _ if !output.status.success() => Some(format!("psql ended with {}", output.status)),
        Some(word) => Some(format!("{word:?} is not in it")),
        None => None,
    };
    Outcome { shown: said.lines().map(str::to_owned).collect(), wrong }
}

fn lines(rows: &[Vec<String>]) -> Vec<String> {
    rows.iter().map(|row| row.join(" | ")).collect()
}
