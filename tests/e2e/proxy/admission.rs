//! Who may come in: so many clients of a user, so many connections a second.

use std::time::{Duration, Instant};

use tokio_postgres::{Client, Error, NoTls};

use super::common::{code, connect, herd};
use crate::support::Proxy;

const SOON: Duration = Duration::from_secs(30);

async fn try_connect(proxy: &Proxy) -> Result<Client, Error> {
    let (client, connection) = tokio_postgres::connect(&proxy.dsn("app"), NoTls).await?;
    tokio::spawn(async move {
        // Its end shows in the client's own errors.
        let _ = connection.await;
    });
    Ok(client)
}

/// Connects as soon as it is let in; others may leave meanwhile.
async fn connect_in_time(proxy: &Proxy) -> Client {
    let end = Instant::now() + SOON;
    loop {
        match try_connect(proxy).await {
            Ok(client) => return client,
            Err(error) => assert_eq!(code(&error), "53300", "{error:?}"),
        }
        assert!(Instant::now() < end, "not let in");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_has_so_many_clients() {
    let proxy = herd().proxy_with(|settings| settings + "\n[limits]\nclients_per_user = 2\n");
    let first = connect(&proxy.dsn("app")).await;
    let _second = connect(&proxy.dsn("app")).await;
    let error = try_connect(&proxy).await.expect_err("one too many");
    assert_eq!(code(&error), "53300");
    let told = error.as_db_error().expect("told");
    assert_eq!(told.message(), "too many connections for role \"pgherd\"");
    assert_eq!(told.hint(), Some("limits.clients_per_user is 2."));
    // Who fails to prove who it is takes no place.
    let wrong = proxy.dsn("app").replace(":pgherd@", ":wrong@");
    for _ in 0..3 {
        let error = tokio_postgres::connect(&wrong, NoTls).await.err().expect("wrong");
        assert_eq!(code(&error), "28P01");
    }
    drop(first);
    let third = connect_in_time(&proxy).await;
    third.batch_execute("SELECT 1").await.expect("served");

    let own = herd().proxy_with(|settings| {
        let user = "name = \"pgherd\"\n";
        assert!(settings.contains(user), "{settings}");
        let settings = settings.replacen(user, &format!("{user}clients = 1\n"), 1);
        settings + "\n[limits]\nclients_per_user = 2\n"
    });
    let _only = connect(&own.dsn("app")).await;
    let error = try_connect(&own).await.expect_err("one too many");
    assert_eq!(error.as_db_error().expect("told").hint(), Some("clients of this user is 1."));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_makes_so_many_connections_a_second() {
    let proxy = herd().proxy_with(|settings| settings + "\n[limits]\nconnections_per_second = 1\n");
    let client = connect_in_time(&proxy).await;
    let end = Instant::now() + SOON;
    // Of ten at once some come too soon.
    let error = loop {
        assert!(Instant::now() < end, "all were let in");
        let all = futures_util::future::join_all((0..10).map(|_| try_connect(&proxy))).await;
        if let Some(error) = all.into_iter().find_map(Result::err) {
            break error;
        }
    };
    assert_eq!(code(&error), "53300");
    let told = error.as_db_error().expect("told").message();
    assert_eq!(told, "too many connections within a second from 127.0.0.1");
    // Who is in isn't concerned, and its cancel requests are taken, however many come.
    let sleeping = client.batch_execute("SELECT pg_sleep(600)");
    let cancel = async {
        let token = client.cancel_token();
        loop {
            for _ in 0..10 {
                token.cancel_query(NoTls).await.expect("taken");
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::pin!(sleeping);
    tokio::select! {
        slept = &mut sleeping => assert_eq!(code(&slept.expect_err("cancelled")), "57014"),
        () = cancel => {}
        () = tokio::time::sleep(SOON) => panic!("not cancelled"),
    }
    connect_in_time(&proxy).await;
}
