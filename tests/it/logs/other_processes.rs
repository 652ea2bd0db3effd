//! What a server logs about other processes on the same database.

use std::sync::Arc;

use rest_live::{
    Live,
    log::{EventLog, MemoryLog},
    testing,
};
use rest_live_redis::RedisLog;
use sea_orm::ActiveModelTrait;
use tokio::net::TcpSocket;

use crate::support::{App, Client, Engine, Log, Redis, database, database_of, task};

#[tokio::test]
async fn start_names_the_log_and_its_reach() {
    let log = Log::start();
    let (db, _database) = database().await;
    Live::<()>::builder(db.clone()).build().unwrap();
    Live::<()>::builder(db.clone())
        .log(MemoryLog::default())
        .build()
        .unwrap();
    let chosen: Arc<dyn EventLog> = Arc::new(MemoryLog::default());
    Live::<()>::builder(db.clone()).log(chosen).build().unwrap();
    let text = log.end();
    assert_eq!(text.matches("log=\"MemoryLog\"").count(), 3, "{text}");
    assert_eq!(
        text.matches("serves this process only").count(),
        3,
        "{text}"
    );

    let redis = Redis::start().await;
    let log = Log::start();
    let shared = RedisLog::connect(&redis.url()).await.unwrap();
    Live::<()>::builder(db).log(shared).build().unwrap();
    let text = log.end();
    assert_eq!(text.matches("log=\"RedisLog\"").count(), 1, "{text}");
    assert_eq!(text.matches("serves all processes").count(), 1, "{text}");
}

/// A cron job or command line program writes, but another process serves the clients.
#[tokio::test]
async fn end_without_a_client_is_reported() {
    const REPORT: &str = "no client has connected to it";
    let (db, _database) = database().await;
    let log = Log::start();
    let live = Live::<()>::builder(db.clone()).build().unwrap();
    task(1, "milk", 1).insert(&live.db()).await.unwrap();
    drop(live);
    let text = log.end();
    assert_eq!(text.matches(REPORT).count(), 1, "{text}");
    assert!(text.contains("events=1"), "{text}");

    // No report: nothing was written, a client came, or the log is shared.
    let redis = Redis::start().await;
    let log = Log::start();
    drop(Live::<()>::builder(db.clone()).build().unwrap());
    let live = Live::builder(db.clone()).build().unwrap();
    testing::Client::connect(&live, ()).disconnect();
    task(2, "milk", 1).insert(&live.db()).await.unwrap();
    drop(live);
    let shared = RedisLog::connect(&redis.url()).await.unwrap();
    let live = Live::<()>::builder(db).log(shared).build().unwrap();
    task(3, "milk", 1).insert(&live.db()).await.unwrap();
    live.shutdown().await;
    drop(live);
    let text = log.end();
    assert_eq!(text.matches(REPORT).count(), 0, "{text}");
}

/// Workers that share a port need a log that they share.
#[cfg(unix)]
#[tokio::test]
async fn shared_port_is_reported_once() {
    const REPORT: &str = "SO_REUSEPORT";
    let log = Log::start();
    let (db, _database) = database_of(Engine::Sqlite).await;
    let live = Live::<()>::builder(db).build().unwrap();
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_reuseport(true).unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(16).unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    let routes = rest_live::warp::subscriptions(&live);
    let server = tokio::spawn(warp::serve(routes).incoming(listener).run());
    for _ in 0..2 {
        let mut client = Client::connect(&url).await;
        client.synchronise().await;
    }
    server.abort();
    let text = log.end();
    assert_eq!(text.matches(REPORT).count(), 1, "{text}");

    let log = Log::start();
    let app = App::start().await;
    app.client().await.synchronise().await;
    let text = log.end();
    assert_eq!(text.matches(REPORT).count(), 0, "{text}");
}
