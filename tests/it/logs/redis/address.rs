//! The URL of the log, and the errors about wrong ones.

use std::error::Error;

use rest_live_redis::{RedisLog, RedisLogError};
use rest_live_runtime::{EventLog, ReadError};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use super::{Redis, Watch, append, head, node, soon, states};
use crate::support::{TICK, free_port};

async fn connect(url: &str) -> Result<RedisLog, RedisLogError> {
    soon("an answer", RedisLog::connect(url)).await
}

async fn refusal(url: &str) -> String {
    let error = connect(url).await.expect_err(url);
    let source = error.source().map(ToString::to_string);
    format!("{error}: {}", source.unwrap_or_default())
}

#[tokio::test]
async fn prefixes_and_databases_separate_logs() {
    let redis = Redis::start().await;
    let urls = ["", "?prefix=a", "?prefix=b", "3?prefix=a"].map(|rest| redis.url() + rest);
    let mut tails = Vec::new();
    for (row, url) in (0..).zip(&urls) {
        let log = connect(url).await.unwrap();
        let (tail, begin) = Watch::begin(&log).await;
        assert_eq!(begin.position, 0);
        tails.push((row, log, tail, begin.epoch));
    }
    for (row, log, _, _) in &tails {
        append(log, *row, 0..3).await;
    }
    let epochs: std::collections::HashSet<_> =
        tails.iter().map(|(.., epoch)| epoch.clone()).collect();
    assert_eq!(epochs.len(), urls.len());
    for (row, log, tail, _) in &mut tails {
        assert_eq!(tail.events(3).await, states(*row, 0..3));
        assert_eq!(head(log).await.position, 3);
    }
    assert_eq!(redis.ask::<u64>("XLEN a:events").await, 3);
    assert_eq!(redis.ask::<u64>("XLEN rest-live:events").await, 3);
}

#[tokio::test]
async fn unusable_server_is_an_error_at_once() {
    let redis = Redis::start().await;
    let port = redis.port();
    let error = refusal(&format!("redis://:secret@127.0.0.1:{port}/")).await;
    assert!(
        error.starts_with(&format!("Redis cannot be used at 127.0.0.1:{port}: ")),
        "{error}"
    );
    assert!(!error.contains("secret"), "{error}");
    let error = refusal(&format!("redis://127.0.0.1:{port}/")).await;
    assert!(error.contains("uthenti"), "{error}");
    let error = refusal(&format!("{}99", redis.url())).await;
    assert!(error.contains("DB index"), "{error}");
    let error = refusal(&format!("redis://127.0.0.1:{}/", free_port())).await;
    assert!(error.contains("refused"), "{error}");
    redis.pause();
    let error = refusal(&redis.url()).await;
    assert!(error.contains("timed out"), "{error}");
    let error = refusal(&format!("{}?prefx=a", redis.url())).await;
    assert!(error.contains("write prefix=.. or keep=.."), "{error}");
    assert!(!error.contains(Redis::ENCODED), "{error}");
    let log = format!("{:?}", node_on_new_redis().await);
    assert!(
        !log.contains(Redis::PASSWORD) && !log.contains(Redis::ENCODED),
        "{log}"
    );
}

/// Answers every command like a Redis without a password, and `INFO server` with `info`.
async fn pretend(listener: TcpListener, info: &'static str) {
    let (mut socket, _) = listener.accept().await.unwrap();
    let mut command = [0; 4096];
    loop {
        let length = socket.read(&mut command).await.unwrap();
        let command = String::from_utf8_lossy(&command[..length]);
        let answer = if command.contains("INFO\r\n$6\r\nserver") {
            format!("${}\r\n{info}\r\n", info.len())
        } else {
            // One answer for each command of a pipeline.
            "+OK\r\n".repeat(command.matches('*').count())
        };
        socket.write_all(answer.as_bytes()).await.unwrap();
        if length == 0 {
            return;
        }
    }
}

#[tokio::test]
async fn old_server_is_refused() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let url = format!("redis://{address}/");
    let info = "# Server\r\nredis_version:6.2.14\r\n";
    let server = tokio::spawn(pretend(listener, info));
    let error = refusal(&url).await;
    server.abort();
    assert!(
        error.contains(&format!("Redis 6.2.14 at {address} is too old")),
        "{error}"
    );
}

async fn node_on_new_redis() -> RedisLog {
    node(&Redis::start().await).await
}

#[tokio::test]
async fn log_keeps_about_the_requested_number() {
    let redis = Redis::start().await;
    let log = connect(&format!("{}?keep=100", redis.url())).await.unwrap();
    let start = head(&log).await;
    for row in 0..10 {
        let records = rest_live_runtime::testing::contract::records(row, 100);
        log.append(records).await.unwrap();
    }
    let kept: u64 = redis.ask("XLEN rest-live:events").await;
    assert!((100..=300).contains(&kept), "{kept}");
    let read = log.read(start, 10).await;
    assert!(matches!(read, Err(ReadError::Expired)), "{read:?}");
    assert_eq!(head(&log).await.position, 1000);
}

#[tokio::test]
async fn connections_close_with_their_owner() {
    let redis = Redis::start().await;
    let log = node(&redis).await;
    append(&log, 1, 0..1).await;
    // One to append, one for queries, one for the lease, and one for the tail.
    let connections = async |expected: usize| {
        soon(&format!("{expected} connections"), async {
            loop {
                let list: String = redis.ask("CLIENT LIST TYPE normal").await;
                // One more, for this query.
                if list.lines().count() == expected + 1 {
                    break;
                }
                tokio::time::sleep(TICK).await;
            }
        })
        .await;
    };
    let tail = Watch::begin(&log).await;
    connections(4).await;
    drop(tail);
    connections(3).await;
    drop(log);
    connections(0).await;
}
