//! tokio-postgres: see ../../../README.md.

use std::fmt::Debug;
use std::future::Future;
use std::time::Duration;

use chrono::{DateTime, NaiveDate, Utc};
use futures_util::future::{join_all, try_join_all};
use futures_util::{SinkExt, StreamExt, TryStreamExt, pin_mut};
use serde_json::{Value, json};
use tokio_postgres::binary_copy::{BinaryCopyInWriter, BinaryCopyOutStream};
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{AsyncMessage, Client, Error, IsolationLevel, NoTls, Row, SimpleQueryMessage};
use uuid::Uuid;

const CLIENTS: usize = 6;
type Result<T = ()> = std::result::Result<T, Error>;

/// A client, and the notices and notifications that it gets.
async fn connect(more: &str) -> (Client, tokio::sync::mpsc::UnboundedReceiver<String>) {
    let env = |name: &str| std::env::var(name).expect("PGHOST and the like say where");
    let config = format!(
        "host={} port={} user={} password={} dbname={} {more}",
        env("PGHOST"),
        env("PGPORT"),
        env("PGUSER"),
        env("PGPASSWORD"),
        env("PGDATABASE")
    );
    let (client, mut connection) = tokio_postgres::connect(&config, NoTls).await.expect("connects");
    let (notices, heard) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        let mut messages = futures_util::stream::poll_fn(move |cx| connection.poll_message(cx));
        while let Some(Ok(message)) = messages.next().await {
            let said = match message {
                AsyncMessage::Notice(n) => format!("{} {}", n.code().code(), n.message()),
                AsyncMessage::Notification(n) => format!("{} {}", n.channel(), n.payload()),
                _ => continue,
            };
            let _ = notices.send(said);
        }
    });
    (client, heard)
}

fn failed(error: &Error) -> String {
    match error.as_db_error() {
        Some(e) => format!(
            "error {} {} | {:?} | {:?}",
            e.code().code(),
            e.message(),
            e.detail(),
            e.position()
        ),
        None => format!("error of the driver: {error}"),
    }
}

async fn tried<T: Debug>(asked: impl Future<Output = Result<T>>) -> String {
    match asked.await {
        Ok(got) => format!("{got:?}"),
        Err(error) => failed(&error),
    }
}

/// The first column of each row.
async fn ask<T: for<'a> tokio_postgres::types::FromSql<'a> + Debug>(
    client: &Client,
    sql: &str,
    values: &[&(dyn ToSql + Sync)],
) -> String {
    tried(async {
        Ok(client
            .query(sql, values)
            .await?
            .iter()
            .map(|row| row.get::<_, T>(0))
            .collect::<Vec<_>>())
    })
    .await
}

async fn tables(first: &Client) -> Result<Vec<Client>> {
    first.batch_execute(
        "DROP TABLE IF EXISTS tokio_rows, tokio_types;
         CREATE TABLE tokio_rows (id bigint PRIMARY KEY, name text, n int);
         CREATE TABLE tokio_types (id bigint PRIMARY KEY, at timestamptz, day date, doc jsonb, ints int[],
            words text[], raw bytea, tag uuid, f8 float8, yes boolean)",
    ).await?;
    let mut all = Vec::new();
    for _ in 0..CLIENTS {
        all.push(connect("").await.0);
    }
    for i in 0..60i64 {
        let values: [&(dyn ToSql + Sync); 3] = [&i, &format!("name {i}"), &(i as i32)];
        all[i as usize % CLIENTS]
            .execute("INSERT INTO tokio_rows VALUES ($1, $2, $3)", &values)
            .await?;
    }
    Ok(all)
}

fn show(row: &Row) -> String {
    format!(
        "{:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?}",
        row.get::<_, DateTime<Utc>>("at"),
        row.get::<_, NaiveDate>("day"),
        row.get::<_, Value>("doc"),
        row.get::<_, Vec<Option<i32>>>("ints"),
        row.get::<_, Vec<String>>("words"),
        row.get::<_, Vec<u8>>("raw"),
        row.get::<_, Uuid>("tag"),
        row.get::<_, f64>("f8"),
        row.get::<_, bool>("yes")
    )
}

async fn types(all: &[Client]) -> Result {
    for i in 0..3i64 {
        let at: DateTime<Utc> = "2024-02-29T12:30:45.123456Z".parse().expect("a time");
        all[i as usize]
            .execute(
                "INSERT INTO tokio_types VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
                &[
                    &i,
                    &at,
                    &NaiveDate::from_ymd_opt(1900, 1, 1),
                    &json!({"a": [1, null, "ü"]}),
                    &vec![Some(1), None, Some(-3)],
                    &vec!["a,b", "\"", "", "ü\\"],
                    &&[0u8, 39, 92, 255][..],
                    &Uuid::from_u128(i as u128),
                    &1e-300,
                    &(i % 2 == 0),
                ],
            )
            .await?;
    }
    for client in all {
        for i in 0..3i64 {
            println!(
                "row: {}",
                show(&client.query_one("SELECT * FROM tokio_types WHERE id = $1", &[&i]).await?)
            );
        }
        let s = client
            .prepare_typed("SELECT $1, * FROM tokio_types WHERE id = $2", &[Type::TEXT])
            .await?;
        println!(
            "described: {:?} {:?}",
            s.params(),
            s.columns().iter().map(|c| (c.name(), c.type_())).collect::<Vec<_>>()
        );
    }
    Ok(())
}

async fn prepared(all: &[Client]) -> Result {
    // More statements than a server's connection keeps, prepared once and used in turns.
    let mut kept = Vec::new();
    for (c, client) in all.iter().enumerate() {
        for i in 0..10i64 {
            let sql = format!("SELECT name || '{c}.{i}' FROM tokio_rows WHERE id = $1");
            kept.push((c, i, client.prepare(&sql).await?));
        }
    }
    for _ in 0..3 {
        for (c, i, statement) in &kept {
            let got: String = all[*c].query_one(statement, &[i]).await?.get(0);
            assert_eq!(got, format!("name {i}{c}.{i}"));
        }
    }
    // A pipeline of a connection's, all connections at once.
    let ids: Vec<i64> = (0..30).collect();
    let sum: i32 = try_join_all(all.iter().flat_map(|client| {
        ids.iter().map(move |i| async move {
            client
                .query_one("SELECT n FROM tokio_rows WHERE id = $1", &[i])
                .await
                .map(|row| row.get::<_, i32>(0))
        })
    }))
    .await?
    .iter()
    .sum();
    println!("pipelined: {sum}");
    let star = all[0].prepare("SELECT * FROM tokio_rows WHERE id = $1").await?;
    all[0].query_one(&star, &[&7i64]).await?;
    all[5].batch_execute("ALTER TABLE tokio_rows ADD COLUMN more int DEFAULT 5").await?;
    println!(
        "after ALTER: {}",
        tried(async { Ok(all[0].query_one(&star, &[&7i64]).await?.len()) }).await
    );
    println!(
        "anew: {}",
        tried(async {
            Ok(all[0].query_one("SELECT * FROM tokio_rows WHERE id = $1", &[&7i64]).await?.len())
        })
        .await
    );
    all[5].batch_execute("ALTER TABLE tokio_rows DROP COLUMN more").await?;
    println!(
        "dropped: {}",
        tried(async { Ok(all[0].query_one(&star, &[&7i64]).await?.len()) }).await
    );
    Ok(())
}

async fn transactions(all: &mut [Client]) -> Result {
    let (a, rest) = all.split_first_mut().expect("some");
    let b = &rest[0];
    let mut t = a.transaction().await?;
    t.execute("UPDATE tokio_rows SET n = n + 100 WHERE id = 1", &[]).await?;
    println!("not seen yet: {}", ask::<i32>(b, "SELECT n FROM tokio_rows WHERE id = 1", &[]).await);
    let inner = t.savepoint("s").await?;
    println!(
        "twice: {}",
        tried(inner.execute("INSERT INTO tokio_rows VALUES ($1)", &[&1i64])).await
    );
    println!("failed: {}", tried(inner.execute("SELECT 1", &[])).await);
    inner.rollback().await?;
    println!(
        "goes on: {}",
        ask::<i32>(t.client(), "SELECT n FROM tokio_rows WHERE id = $1", &[&1i64]).await
    );
    t.commit().await?;
    println!("seen: {}", ask::<i32>(b, "SELECT n FROM tokio_rows WHERE id = $1", &[&1i64]).await);
    let t = a
        .build_transaction()
        .isolation_level(IsolationLevel::Serializable)
        .read_only(true)
        .deferrable(true)
        .start()
        .await?;
    println!("level: {}", ask::<String>(t.client(), "SHOW transaction_isolation", &[]).await);
    println!("read only: {}", tried(t.execute("DELETE FROM tokio_rows", &[])).await);
    drop(t);
    println!("after: {}", ask::<i32>(a, "SELECT 1", &[]).await);
    Ok(())
}

async fn portals(all: &mut [Client]) -> Result {
    let mut clients = all.iter_mut();
    let (a, b) = (clients.next().expect("one"), clients.next().expect("two"));
    let sql = "SELECT g FROM tokio_rows, generate_series(1, 100) g WHERE id = $1 ORDER BY 1";
    let (a, b) = (a.transaction().await?, b.transaction().await?);
    let (one, two) = (a.bind(sql, &[&1i64]).await?, b.bind(sql, &[&2i64]).await?);
    let third = a.bind(sql, &[&3i64]).await?;
    for size in [3, 20, 0] {
        let (x, y, z) = (
            a.query_portal(&one, size).await?,
            b.query_portal(&two, size).await?,
            a.query_portal(&third, size).await?,
        );
        println!(
            "portals: {} {} {}",
            x.len(),
            y.len(),
            z.last().map_or(0, |row| row.get::<_, i32>(0))
        );
    }
    a.commit().await?;
    b.rollback().await
}

async fn copies(all: &[Client]) -> Result {
    let sink = all[0].copy_in("COPY tokio_rows FROM STDIN (FORMAT binary)").await?;
    let writer = BinaryCopyInWriter::new(sink, &[Type::INT8, Type::TEXT, Type::INT4]);
    pin_mut!(writer);
    for i in 3000..4000i64 {
        writer.as_mut().write(&[&i, &"ü".repeat(i as usize % 50), &(i as i32)]).await?;
    }
    println!("in: {}", writer.finish().await?);
    let out = all[1].copy_out("COPY (SELECT * FROM tokio_rows WHERE id >= 3000 ORDER BY id) TO STDOUT (FORMAT binary)").await?;
    let rows: Vec<_> =
        BinaryCopyOutStream::new(out, &[Type::INT8, Type::TEXT, Type::INT4]).try_collect().await?;
    println!(
        "out: {} {:?}",
        rows.len(),
        rows.last().map(|row| (row.get::<i64>(0), row.get::<String>(1), row.get::<i32>(2)))
    );
    // When it is done it is committed: another client sees it.
    for i in 5000..5025i64 {
        let sink = all[0].copy_in("COPY tokio_rows FROM STDIN").await?;
        pin_mut!(sink);
        sink.send(std::io::Cursor::new(format!("{i}\tx\t1\n"))).await?;
        sink.finish().await?;
        let seen = "SELECT count(*) FROM tokio_rows WHERE id = $1";
        assert_eq!(all[1].query_one(seen, &[&i]).await?.get::<_, i64>(0), 1);
        all[1].execute("DELETE FROM tokio_rows WHERE id = $1", &[&i]).await?;
    }
    let sink = all[0].copy_in("COPY tokio_rows FROM STDIN").await?;
    pin_mut!(sink);
    sink.send(bytes(b"5000\tx\tno number\n")).await?;
    println!("wrong: {}", tried(sink.finish()).await);
    let sink = all[0].copy_in("COPY tokio_rows FROM STDIN").await?;
    {
        pin_mut!(sink);
        sink.send(bytes(b"6000\tx\t1\n")).await?;
    }
    println!(
        "nothing: {}",
        ask::<i64>(&all[0], "SELECT count(*) FROM tokio_rows WHERE id >= 5000", &[]).await
    );
    println!("deleted: {}", all[2].execute("DELETE FROM tokio_rows WHERE id >= 3000", &[]).await?);
    Ok(())
}

fn bytes(text: &'static [u8]) -> std::io::Cursor<&'static [u8]> {
    std::io::Cursor::new(text)
}

async fn cancels(all: &[Client]) -> Result {
    let token = all[0].cancel_token();
    let sleeps = "SELECT 1 FROM pg_stat_activity WHERE query LIKE '%60) /* tokio */'
        AND state = 'active' AND datname = current_database()";
    let cancel = async {
        while all[1].query(sleeps, &[]).await?.is_empty() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        token.cancel_query(NoTls).await
    };
    let slept = tried(all[0].execute("/* pgherd: shard=s1 */ SELECT pg_sleep(60) /* tokio */", &[]));
    let (slept, asked) = tokio::join!(slept, cancel);
    asked?;
    println!("cancelled: {slept}");
    println!(
        "goes on: {} {}",
        ask::<i32>(&all[0], "SELECT 1", &[]).await,
        ask::<i32>(&all[1], "SELECT 2", &[]).await
    );
    Ok(())
}

async fn settings(all: &[Client]) -> Result {
    let (own, mut heard) = connect("application_name=mine options='-c work_mem=5MB'").await;
    for other in all {
        println!(
            "own: {} {} {}",
            ask::<String>(&own, "SHOW work_mem", &[]).await,
            ask::<String>(&own, "SHOW application_name", &[]).await,
            ask::<String>(other, "SHOW work_mem", &[]).await
        );
    }
    own.batch_execute("/* pgherd: shard=s1 */ DO $$ BEGIN RAISE WARNING 'hear %', 7; END $$").await?;
    println!("notice: {:?}", heard.recv().await);
    own.batch_execute("LISTEN tokio_news").await?;
    for i in 0..3 {
        let text = format!("number {i}");
        all[0].execute("SELECT pg_notify('tokio_news', $1)", &[&text]).await?;
    }
    for _ in 0..3 {
        println!("heard: {:?}", heard.recv().await);
    }
    own.batch_execute("DISCARD ALL").await?;
    println!("discarded: {}", ask::<String>(&own, "SHOW work_mem", &[]).await);
    Ok(())
}

async fn simple(all: &[Client]) -> Result {
    let said = all[0].simple_query("SELECT id, name FROM tokio_rows WHERE id < 3 ORDER BY id; UPDATE tokio_rows SET n = n WHERE id < 4; SELECT 1 WHERE false").await?;
    for message in said {
        match message {
            SimpleQueryMessage::Row(row) => println!("row: {:?} {:?}", row.get(0), row.get("name")),
            SimpleQueryMessage::CommandComplete(n) => println!("complete: {n}"),
            _ => println!("described"),
        }
    }
    for sql in [
        "SELEC 1",
        "SELECT nothing",
        "SELECT 'x'::int",
        "SELECT * FROM nothing_there",
        "SELECT nothing()",
    ] {
        println!(
            "{sql}: {} {}",
            tried(all[0].execute(sql, &[])).await,
            tried(all[1].batch_execute(sql)).await
        );
    }
    println!("empty: {}", tried(all[0].execute("", &[])).await);
    println!("two in one: {}", tried(all[0].execute("SELECT 1; SELECT $1::int", &[&1i32])).await);
    // An error in the middle of what is under way on one connection harms nothing else of it.
    let mixed = join_all(
        (0..9i32)
            .map(|i| ask::<i32>(&all[0], if i % 3 == 1 { "SELECT 1/0" } else { "SELECT 5" }, &[])),
    )
    .await;
    println!("mixed: {mixed:?}");
    Ok(())
}

#[tokio::main]
async fn main() -> Result {
    let (first, _heard) = connect("").await;
    let mut all = tables(&first).await?;
    types(&all).await?;
    prepared(&all).await?;
    transactions(&mut all).await?;
    portals(&mut all).await?;
    copies(&all).await?;
    cancels(&all).await?;
    settings(&all).await?;
    simple(&all).await?;
    drop(all);
    first.batch_execute("DROP TABLE tokio_rows, tokio_types").await
}
