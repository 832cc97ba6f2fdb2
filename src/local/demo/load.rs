//! The network's rows, through the proxy: a prepared INSERT for each table, whose one key is a
//! parameter and whose rows are arrays, in one transaction a user.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::future::try_join_all;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Statement, Transaction};

use super::network::{COUNTRIES, Person};
use super::{DemoError, Target};

/// The tables, a statement each. Sent through the proxy, each goes to all shards.
pub const SCHEMA: &[&str] = &[
    "CREATE TABLE countries (
    code text PRIMARY KEY,
    name text NOT NULL
)",
    "CREATE TABLE users (
    id bigint PRIMARY KEY,
    name text NOT NULL,
    country text NOT NULL REFERENCES countries,
    joined timestamptz NOT NULL DEFAULT now(),
    following int NOT NULL DEFAULT 0,
    followed_by int NOT NULL DEFAULT 0
)",
    "CREATE TABLE posts (
    user_id bigint NOT NULL REFERENCES users,
    id bigint NOT NULL,
    body text NOT NULL,
    written timestamptz NOT NULL DEFAULT now(),
    likes int NOT NULL DEFAULT 0,
    PRIMARY KEY (user_id, id)
)",
    "CREATE TABLE follows (
    user_id bigint NOT NULL REFERENCES users,
    followed_id bigint NOT NULL,
    PRIMARY KEY (user_id, followed_id)
)",
    "CREATE TABLE followers (
    user_id bigint NOT NULL REFERENCES users,
    follower_id bigint NOT NULL,
    PRIMARY KEY (user_id, follower_id)
)",
    "CREATE TABLE likes (
    user_id bigint NOT NULL REFERENCES users,
    author_id bigint NOT NULL,
    post_id bigint NOT NULL,
    PRIMARY KEY (user_id, author_id, post_id)
)",
    "CREATE TABLE timelines (
    user_id bigint NOT NULL REFERENCES users,
    written timestamptz NOT NULL,
    author_id bigint NOT NULL,
    post_id bigint NOT NULL,
    PRIMARY KEY (user_id, written, author_id, post_id)
)",
];

const USERS: &str = "INSERT INTO users (id, name, country, joined, following, followed_by) \
                     VALUES ($1, $2, $3, $4, $5, $6)";
const POSTS: &str = "INSERT INTO posts (user_id, id, body, written, likes) \
                     SELECT $1, p.id, p.body, p.written, p.likes \
                     FROM unnest($2::bigint[], $3::text[], $4::timestamptz[], $5::int[]) \
                     AS p (id, body, written, likes)";
const FOLLOWS: &str = "INSERT INTO follows (user_id, followed_id) SELECT $1, f.id \
                       FROM unnest($2::bigint[]) AS f (id)";
const FOLLOWERS: &str = "INSERT INTO followers (user_id, follower_id) SELECT $1, f.id \
                         FROM unnest($2::bigint[]) AS f (id)";
const LIKES: &str = "INSERT INTO likes (user_id, author_id, post_id) SELECT $1, l.author, l.post \
                     FROM unnest($2::bigint[], $3::bigint[]) AS l (author, post)";
const TIMELINES: &str = "INSERT INTO timelines (user_id, written, author_id, post_id) \
                         SELECT $1, t.written, t.author, t.post \
                         FROM unnest($2::timestamptz[], $3::bigint[], $4::bigint[]) \
                         AS t (written, author, post)";

/// Makes the tables and loads the network with `connections` clients at once. `done` is told
/// of each user's rows as they are committed. Gives the number of rows.
pub async fn load(
    target: &Target,
    people: &[Person],
    connections: usize,
    done: impl Fn(u64) + Sync,
) -> Result<u64, DemoError> {
    let client = connect(target).await?;
    for table in SCHEMA {
        let name = table.split_whitespace().nth(2).unwrap_or_default();
        let doing = DemoError::while_doing(format!("making table {name}"));
        client.batch_execute(table).await.map_err(doing)?;
    }
    countries(target, &client).await?;
    drop(client);

    let next = AtomicUsize::new(0);
    let loading = (0..connections.max(1)).map(async |_| {
        let mut client = connect(target).await?;
        let inserts = Inserts::prepare(&client).await?;
        let mut rows = 0;
        while let Some(person) = people.get(next.fetch_add(1, Ordering::Relaxed)) {
            inserts.person(&mut client, person).await?;
            done(person.rows());
            rows += person.rows();
        }
        Ok(rows)
    });
    let rows: u64 = try_join_all(loading).await?.into_iter().sum();
    Ok(rows + (COUNTRIES.len() * target.shards.len()) as u64)
}

async fn connect(target: &Target) -> Result<Client, DemoError> {
    target.connect().await.map_err(DemoError::while_doing(format!("connecting to {}", target.host)))
}

/// A reference table lies whole on each shard. Writing to all of them at once comes with
/// distributed transactions; until then the hint says which one.
async fn countries(target: &Target, client: &Client) -> Result<(), DemoError> {
    let rows: Vec<String> =
        COUNTRIES.iter().map(|(code, name)| format!("('{code}', '{name}')")).collect();
    let rows = rows.join(", ");
    for shard in &target.shards {
        let insert =
            format!("/* pgherd: shard={shard} */ INSERT INTO countries (code, name) VALUES {rows}");
        let doing = DemoError::while_doing(format!("loading countries on shard {shard}"));
        client.batch_execute(&insert).await.map_err(doing)?;
    }
    Ok(())
}

/// One prepared statement a table.
struct Inserts {
    users: Statement,
    posts: Statement,
    follows: Statement,
    followers: Statement,
    likes: Statement,
    timelines: Statement,
}

impl Inserts {
    async fn prepare(client: &Client) -> Result<Inserts, DemoError> {
        let statement = async |text: &str, types: &[Type]| {
            let doing = DemoError::while_doing(format!("preparing {text}"));
            client.prepare_typed(text, types).await.map_err(doing)
        };
        let (id, ids) = (Type::INT8, Type::INT8_ARRAY);
        Ok(Inserts {
            users: statement(USERS, std::slice::from_ref(&id)).await?,
            posts: statement(POSTS, std::slice::from_ref(&id)).await?,
            follows: statement(FOLLOWS, &[id.clone(), ids.clone()]).await?,
            followers: statement(FOLLOWERS, &[id.clone(), ids.clone()]).await?,
            likes: statement(LIKES, &[id.clone(), ids.clone(), ids]).await?,
            timelines: statement(TIMELINES, &[id]).await?,
        })
    }

    /// All that lies with one user, in one transaction on the user's shard.
    async fn person(&self, client: &mut Client, person: &Person) -> Result<(), DemoError> {
        let doing = DemoError::while_doing(format!("loading user {}", person.id));
        let work = async {
            let transaction = client.transaction().await?;
            self.user(&transaction, person).await?;
            self.lists(&transaction, person).await?;
            transaction.commit().await
        };
        work.await.map_err(doing)
    }

    async fn user(
        &self,
        transaction: &Transaction<'_>,
        person: &Person,
    ) -> Result<(), tokio_postgres::Error> {
        let (following, followed_by) = (person.follows.len() as i32, person.followers.len() as i32);
        let joined = time(person.joined);
        let country = person.country;
        transaction
            .execute(
                &self.users,
                &[&person.id, &person.name, &country, &joined, &following, &followed_by],
            )
            .await?;
        let ids: Vec<i64> = person.posts.iter().map(|post| post.id).collect();
        let bodies: Vec<&str> = person.posts.iter().map(|post| &*post.body).collect();
        let written: Vec<SystemTime> = person.posts.iter().map(|post| time(post.written)).collect();
        let likes: Vec<i32> = person.posts.iter().map(|post| post.likes).collect();
        transaction.execute(&self.posts, &[&person.id, &ids, &bodies, &written, &likes]).await?;
        Ok(())
    }

    async fn lists(
        &self,
        transaction: &Transaction<'_>,
        person: &Person,
    ) -> Result<(), tokio_postgres::Error> {
        let id = &person.id;
        transaction.execute(&self.follows, &[id, &person.follows]).await?;
        transaction.execute(&self.followers, &[id, &person.followers]).await?;
        let (authors, posts): (Vec<i64>, Vec<i64>) = person.likes.iter().copied().unzip();
        transaction.execute(&self.likes, &[id, &authors, &posts]).await?;
        let written: Vec<SystemTime> = person.timeline.iter().map(|e| time(e.written)).collect();
        let authors: Vec<i64> = person.timeline.iter().map(|e| e.author).collect();
        let posts: Vec<i64> = person.timeline.iter().map(|e| e.post).collect();
        transaction.execute(&self.timelines, &[id, &written, &authors, &posts]).await?;
        Ok(())
    }
}

fn time(seconds: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).unwrap_or(0))
}
