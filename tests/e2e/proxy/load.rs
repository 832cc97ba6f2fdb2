//! Many clients at once, each answer checked. `PGHERD_LOAD_SECONDS` (default 6) says for how
//! long, `PGHERD_LOAD_CLIENTS` (default 1000) by how many.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio_postgres::{Client, Error};

use super::common::{code, connect};
use crate::support::{TestHerd, Want};

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// One client with a row of its own, whose value it alone changes.
struct One {
    client: Client,
    id: i64,
    value: i64,
    random: StdRng,
}

impl One {
    async fn step(&mut self) -> Result<(), Error> {
        let id = self.id;
        match self.random.random_range(0..8) {
            0 | 1 => {
                let row = self
                    .client
                    .query_one("SELECT id, n FROM load_rows WHERE id = $1", &[&id])
                    .await?;
                assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1)), (id, self.value));
            }
            2 => {
                let text = format!("SELECT n FROM load_rows WHERE id = {id}");
                let rows = self.client.simple_query(&text).await?;
                let found = rows.iter().find_map(|row| match row {
                    tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
                    _ => None,
                });
                assert_eq!(found, Some(self.value.to_string()));
            }
            3 => {
                self.client.execute("UPDATE load_rows SET n = n + 1 WHERE id = $1", &[&id]).await?;
                self.value += 1;
            }
            4 => {
                let commit = self.random.random_bool(0.5);
                let transaction = self.client.transaction().await?;
                transaction
                    .execute("UPDATE load_rows SET n = n + 10 WHERE id = $1", &[&id])
                    .await?;
                let row =
                    transaction.query_one("SELECT n FROM load_rows WHERE id = $1", &[&id]).await?;
                assert_eq!(row.get::<_, i64>(0), self.value + 10);
                if commit {
                    transaction.commit().await?;
                    self.value += 10;
                } else {
                    transaction.rollback().await?;
                }
            }
            5 => {
                let error = self
                    .client
                    .query("SELECT 1 / (n - n) FROM load_rows WHERE id = $1", &[&id])
                    .await
                    .expect_err("division by zero");
                assert_eq!(code(&error), "22012", "{error:?}");
            }
            6 => {
                let error = self
                    .client
                    .query("SELECT * FROM load_rows FOR UPDATE", &[])
                    .await
                    .expect_err("refused");
                assert_eq!(code(&error), "0A000", "{error:?}");
            }
            _ => {
                let mine = format!("client {id}");
                self.client.batch_execute(&format!("SET application_name = '{mine}'")).await?;
                let row = self.client.query_one("SHOW application_name", &[]).await?;
                assert_eq!(row.get::<_, String>(0), mine);
                self.client.batch_execute("RESET application_name").await?;
            }
        }
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_clients_get_their_own_answers() {
    let (seconds, clients) =
        (setting("PGHERD_LOAD_SECONDS", 6), setting("PGHERD_LOAD_CLIENTS", 1000));
    let herd = TestHerd::start(&Want::sharded(3, 0, super::common::RULES));
    let proxy = herd.proxy_with(|settings| {
        settings + &format!("\n[limits]\nclients = {}\nqueue_timeout = \"60s\"\n", clients + 10)
    });
    let dsn = proxy.dsn("app");
    let admin = connect(&dsn).await;
    admin
        .batch_execute("CREATE TABLE load_rows (id bigint PRIMARY KEY, n bigint NOT NULL)")
        .await
        .expect("made");
    let steps = Arc::new(AtomicU64::new(0));
    let mut tasks = tokio::task::JoinSet::new();
    let gate = Arc::new(tokio::sync::Semaphore::new(50));
    let everybody = Arc::new(tokio::sync::Barrier::new(clients as usize));
    for i in 0..clients as i64 {
        let (dsn, steps, gate) = (dsn.clone(), Arc::clone(&steps), Arc::clone(&gate));
        let everybody = Arc::clone(&everybody);
        tasks.spawn(async move {
            let permit = gate.acquire().await.expect("open");
            let client = connect(&dsn).await;
            drop(permit);
            let id = i * 7919;
            client.execute("INSERT INTO load_rows VALUES ($1, 0)", &[&id]).await.expect("inserted");
            let mut one = One { client, id, value: 0, random: StdRng::seed_from_u64(i as u64) };
            everybody.wait().await;
            let until = Instant::now() + Duration::from_secs(seconds);
            while Instant::now() < until {
                one.step().await.unwrap_or_else(|error| panic!("client {i}: {error:?}"));
                steps.fetch_add(1, Ordering::Relaxed);
            }
            let row = one.client.query_one("SELECT n FROM load_rows WHERE id = $1", &[&id]).await;
            assert_eq!(row.expect("a row").get::<_, i64>(0), one.value);
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.expect("every answer is right");
    }
    let total = steps.load(Ordering::Relaxed);
    println!("{clients} clients, {seconds} s, {total} steps");
    assert!(total >= clients, "{total} steps of {clients} clients");
}
