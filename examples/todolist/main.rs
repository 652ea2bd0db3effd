//! A todo list whose REST API is live: each change appears in every open browser tab.
//!
//! Run `cargo run --example todolist`, then open the address that it prints in two tabs.
//!
//! What rest-live adds to the application is marked with `NEW`: in `serve` below, in
//! `serializers.rs`, and in `api.rs`.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line program"
)]
#![allow(unreachable_pub, reason = "an application has no public API")]

mod api;
mod list;
mod serializers;
/// What both examples need. Only `log` is about rest-live.
#[path = "../shared"]
mod shared {
    pub mod database;
    pub mod log;
    pub mod metrics;
    pub mod rest;
    pub mod server;
    pub mod task;
}

use std::process::ExitCode;

use rest_live::{Limits, Live};
use warp::Filter;

use crate::shared::{database::Database, log, metrics, rest, server, task};

#[tokio::main]
async fn main() -> ExitCode {
    server::run(serve()).await
}

async fn serve() -> server::Result {
    let address = server::address("TODOLIST_ADDR", "127.0.0.1:3030")?;
    let metrics = metrics::install()?;
    let database = Database::open().await?;
    database.create_table(list::Entity).await?;
    database.create_table(task::Entity).await?;

    // The page subscribes to the tasks of every list. After an outage it resumes all of them.
    let limits = Limits::default()
        .max_subscriptions(1_000)
        .resume_rate(100, 1_000)
        .drain_timeout(server::DRAIN_TIMEOUT);
    // NEW: captures what is written on `live.db()`, and sends it to the clients that subscribed.
    let live = Live::builder(database.connection.clone())
        .limits(limits)
        .log(log::open(&database.connection).await?)
        .build()?;

    // NEW: the websocket. The REST API writes on `live.db()` instead of the database connection.
    let ws = warp::path!("ws" / "subscribe").and(rest_live::warp::subscriptions(&live));
    let api = api::routes(live.db());

    // NEW: each response has a `Live-Cursor` header. After a GET, a client that subscribes with
    // this cursor as `since` misses no change between the two requests. After a write, `sync` with
    // this cursor answers when the client has received the change.
    let api = api.with(warp::wrap_fn(rest_live::warp::with_cursor(&live)));

    let routes = ws.or(api).or(metrics).recover(rest::explain);

    // NEW: `live.shutdown()` closes the websockets first. Their clients reconnect later.
    server::serve(address, routes, live.shutdown()).await?;
    database.close().await;
    Ok(())
}
