//! sqlx: see ../../../README.md.

use chrono::{DateTime, NaiveDate, Utc};
use futures_util::TryStreamExt;
use futures_util::future::try_join_all;
use rust_decimal::Decimal;
use serde_json::json;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgListener, PgPool, PgPoolOptions, PgRow};
use sqlx::{Acquire, Column, Connection, Either, Error, Executor, Row, Statement, TypeInfo};
use uuid::Uuid;

const CLIENTS: u32 = 6;
type Result<T = ()> = std::result::Result<T, Error>;

fn failed(error: &Error) -> String {
    match error.as_database_error() {
        Some(e) => {
            format!("error {:?} {} | {:?} | {:?}", e.code(), e.message(), e.constraint(), e.kind())
        }
        None => format!("error of the driver: {error}"),
    }
}

fn tried<T: std::fmt::Debug>(got: Result<T>) -> String {
    got.map_or_else(|error| failed(&error), |got| format!("{got:?}"))
}

async fn tables(pool: &PgPool) -> Result {
    pool.execute("DROP TABLE IF EXISTS sqlx_rows, sqlx_types").await?;
    pool.execute("CREATE TABLE sqlx_rows (id bigint PRIMARY KEY, name text, n int)").await?;
    pool.execute(
        "CREATE TABLE sqlx_types (id bigint PRIMARY KEY, num numeric, at timestamptz, day date, doc jsonb, ints int[],
            words text[], raw bytea, tag uuid, f8 float8, yes boolean)",
    ).await?;
    try_join_all((0..60i64).map(|i| {
        sqlx::query("INSERT INTO sqlx_rows VALUES ($1, $2, $3)")
            .bind(i)
            .bind(format!("name {i}"))
            .bind(i as i32)
            .execute(pool)
    }))
    .await?;
    Ok(())
}

fn show(row: &PgRow) -> String {
    format!(
        "{:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?}",
        row.get::<Decimal, _>("num"),
        row.get::<DateTime<Utc>, _>("at"),
        row.get::<NaiveDate, _>("day"),
        row.get::<serde_json::Value, _>("doc"),
        row.get::<Vec<Option<i32>>, _>("ints"),
        row.get::<Vec<String>, _>("words"),
        row.get::<Vec<u8>, _>("raw"),
        row.get::<Uuid, _>("tag"),
        row.get::<f64, _>("f8"),
        row.get::<bool, _>("yes")
    )
}

async fn types(pool: &PgPool) -> Result {
    for i in 0..3i64 {
        sqlx::query("INSERT INTO sqlx_types VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)")
            .bind(i)
            .bind("12345678901234567.0123456789".parse::<Decimal>().expect("a number"))
            .bind("2024-02-29T12:30:45.123456Z".parse::<DateTime<Utc>>().expect("a time"))
            .bind(NaiveDate::from_ymd_opt(1900, 1, 1))
            .bind(json!({"a": [1, null, "ü"]}))
            .bind(vec![Some(1), None, Some(-3)])
            .bind(vec!["a,b", "\"", "", "ü\\"])
            .bind(&[0u8, 39, 92, 255][..])
            .bind(Uuid::from_u128(i as u128))
            .bind(1e-300)
            .bind(i % 2 == 0)
            .execute(pool)
            .await?;
    }
    for i in 0..12i64 {
        println!(
            "row: {}",
            show(
                &sqlx::query("SELECT * FROM sqlx_types WHERE id = $1")
                    .bind(i % 3)
                    .fetch_one(pool)
                    .await?
            )
        );
    }
    let statement = pool.prepare("SELECT * FROM sqlx_types WHERE id = $1").await?;
    let columns: Vec<_> = statement
        .columns()
        .iter()
        .map(|c| format!("{} {}", c.name(), c.type_info().name()))
        .collect();
    let parameters = match statement.parameters() {
        Some(Either::Left(types)) => types.iter().map(|t| t.name().to_owned()).collect(),
        _ => Vec::new(),
    };
    println!("described: {columns:?} {parameters:?}");
    Ok(())
}

async fn prepared(pool: &PgPool) -> Result {
    for turn in 0..3 {
        let names = try_join_all((0..60i64).map(|i| async move {
            let sql = format!("SELECT name FROM sqlx_rows WHERE id = $1 AND {i} = {i}");
            sqlx::query_scalar::<_, String>(&sql).bind(i).fetch_one(pool).await
        }))
        .await?;
        let right = names.iter().enumerate().all(|(i, name)| *name == format!("name {i}"));
        println!("turn {turn}: {} {right}", names.len());
    }
    let mut one = pool.acquire().await?;
    let mut other = pool.acquire().await?;
    let star = "SELECT * FROM sqlx_rows WHERE id = 7";
    println!("before: {}", sqlx::query(star).fetch_one(&mut *one).await?.len());
    other.execute("ALTER TABLE sqlx_rows ADD COLUMN more int DEFAULT 5").await?;
    println!(
        "after ALTER: {}",
        tried(sqlx::query(star).fetch_one(&mut *one).await.map(|row| row.len()))
    );
    one.clear_cached_statements().await?;
    println!(
        "cleared: {}",
        tried(sqlx::query(star).fetch_one(&mut *one).await.map(|row| row.len()))
    );
    other.execute("ALTER TABLE sqlx_rows DROP COLUMN more").await?;
    println!(
        "not kept: {}",
        sqlx::query("SELECT * FROM sqlx_rows WHERE id = $1")
            .bind(7i64)
            .persistent(false)
            .fetch_one(&mut *one)
            .await?
            .len()
    );
    Ok(())
}

async fn transactions(pool: &PgPool) -> Result {
    let n =
        |id: i64| sqlx::query_scalar::<_, i32>("SELECT n FROM sqlx_rows WHERE id = $1").bind(id);
    let mut t = pool.begin().await?;
    t.execute("UPDATE sqlx_rows SET n = n + 100 WHERE id = 1").await?;
    println!("not seen yet: {}", n(1).fetch_one(pool).await?);
    let mut inner = t.begin().await?;
    println!(
        "twice: {}",
        tried(
            sqlx::query("INSERT INTO sqlx_rows VALUES ($1)").bind(1i64).execute(&mut *inner).await
        )
    );
    println!("failed: {}", tried(n(1).fetch_one(&mut *inner).await));
    inner.rollback().await?;
    println!("goes on: {}", n(1).fetch_one(&mut *t).await?);
    t.commit().await?;
    println!("seen: {}", n(1).fetch_one(pool).await?);
    // Dropped, and so rolled back before its connection is used again.
    let mut dropped = pool.begin().await?;
    dropped.execute("DELETE FROM sqlx_rows WHERE id = 2").await?;
    drop(dropped);
    println!("there: {}", n(2).fetch_one(pool).await?);
    Ok(())
}

async fn streams(pool: &PgPool) -> Result {
    let sum = sqlx::query_scalar::<_, i32>(
        "SELECT g FROM sqlx_rows, generate_series(1, 5000) g WHERE id = $1",
    )
    .bind(5i64)
    .fetch(pool)
    .try_fold(0i64, |sum, n| async move { Ok(sum + i64::from(n)) })
    .await?;
    println!("streamed: {sum}");
    let mut one = pool.acquire().await?;
    {
        let mut rows =
            sqlx::query("SELECT repeat('x', 1000) FROM generate_series(1, 5000)").fetch(&mut *one);
        println!("one of many: {}", rows.try_next().await?.is_some());
    }
    println!("goes on: {}", sqlx::query_scalar::<_, i32>("SELECT 1").fetch_one(&mut *one).await?);
    let several = sqlx::raw_sql("SELECT 1; SELECT 2; UPDATE sqlx_rows SET n = n WHERE id < 4")
        .fetch_many(&mut *one);
    let said: Vec<String> = several
        .map_ok(|one| match one {
            Either::Left(done) => format!("done {}", done.rows_affected()),
            Either::Right(row) => format!("row {}", row.get::<i32, _>(0)),
        })
        .try_collect()
        .await?;
    println!("several: {said:?}");
    Ok(())
}

async fn copies(pool: &PgPool) -> Result {
    let mut one = pool.acquire().await?;
    let mut copy = one.copy_in_raw("COPY sqlx_rows FROM STDIN (FORMAT csv)").await?;
    for i in 3000..4000 {
        copy.send(format!("{i},\"ü,{}\",{i}\n", "x".repeat(i % 50)).into_bytes()).await?;
    }
    println!("in: {}", copy.finish().await?);
    let mut copy = one.copy_in_raw("COPY sqlx_rows FROM STDIN").await?;
    copy.send(&b"5000\tx\t1\n"[..]).await?;
    println!("given up: {}", tried(copy.abort("mine").await));
    let mut copy = one.copy_in_raw("COPY sqlx_rows FROM STDIN").await?;
    copy.send(&b"5000\tx\tno number\n"[..]).await?;
    println!("wrong: {}", tried(copy.finish().await));
    let out = one
        .copy_out_raw("COPY (SELECT * FROM sqlx_rows WHERE id >= 3997 ORDER BY id) TO STDOUT")
        .await?;
    let out: Vec<_> = out.try_collect().await?;
    println!("out: {:?}", String::from_utf8_lossy(&out.concat()));
    println!(
        "deleted: {}",
        pool.execute("DELETE FROM sqlx_rows WHERE id >= 3000").await?.rows_affected()
    );
    Ok(())
}

async fn settings(pool: &PgPool, options: PgConnectOptions) -> Result {
    let options =
        options.application_name("mine").options([("work_mem", "5MB")]).extra_float_digits(2);
    let mut own = PgConnection::connect_with(&options).await?;
    for _ in 0..CLIENTS {
        for setting in ["SHOW work_mem", "SHOW application_name", "SHOW extra_float_digits"] {
            println!(
                "{setting}: {}",
                sqlx::query_scalar::<_, String>(setting).fetch_one(&mut own).await?
            );
        }
        println!(
            "another's: {}",
            sqlx::query_scalar::<_, String>("SHOW work_mem").fetch_one(pool).await?
        );
    }
    own.ping().await?;
    own.close().await
}

async fn notifications(pool: &PgPool) -> Result {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen_all(["sqlx_news", "sqlx_other"]).await?;
    for i in 0..3 {
        sqlx::query("SELECT pg_notify('sqlx_news', $1)")
            .bind(format!("number {i}"))
            .execute(pool)
            .await?;
    }
    for _ in 0..3 {
        let heard = listener.recv().await?;
        println!("heard: {} {}", heard.channel(), heard.payload());
    }
    listener.unlisten_all().await
}

async fn wrong(pool: &PgPool) {
    for sql in [
        "SELEC 1",
        "SELECT nothing",
        "SELECT 'x'::int",
        "SELECT * FROM nothing_there",
        "SELECT nothing()",
        "",
    ] {
        println!(
            "{sql}: {} {}",
            tried(sqlx::query(sql).execute(pool).await),
            tried(sqlx::raw_sql(sql).execute(pool).await)
        );
    }
}

#[tokio::main]
async fn main() -> Result {
    // From PGHOST and the like.
    let options = PgConnectOptions::new();
    let pool = PgPoolOptions::new()
        .max_connections(CLIENTS)
        .test_before_acquire(true)
        .connect_with(options.clone())
        .await?;
    tables(&pool).await?;
    types(&pool).await?;
    prepared(&pool).await?;
    transactions(&pool).await?;
    streams(&pool).await?;
    copies(&pool).await?;
    settings(&pool, options).await?;
    notifications(&pool).await?;
    wrong(&pool).await;
    pool.execute("DROP TABLE sqlx_rows, sqlx_types").await?;
    pool.close().await;
    Ok(())
}
