//! Todo lists of several people. Only members see a private list. Anyone sees a public list, but
//! must sign in to see which tasks are done. A member who is removed stops seeing the list at once,
//! also on connections that are open.
//!
//! Run `cargo run --example members`, then open the address that it prints in two browsers (or in
//! one browser and its private window), and sign in as two people.
//!
//! What rest-live adds to `examples/todolist` is marked with `NEW`: in `serve` below, in
//! `serializers.rs`, and in `api/`. The rules are in `permissions.rs`. `access.rs` explains what an
//! application must take care of if it keeps permissions in memory.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line program"
)]
#![allow(unreachable_pub, reason = "an application has no public API")]

mod access;
mod api;
mod list;
mod membership;
mod permissions;
mod serializers;
mod session;
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
mod viewer;

use std::{process::ExitCode, sync::Arc};

use rest_live::{Limits, Live};
use warp::Filter;

use crate::{
    access::Access,
    api::App,
    shared::{database::Database, log, metrics, rest, server, task},
    viewer::Viewer,
};

#[tokio::main]
async fn main() -> ExitCode {
    server::run(serve()).await
}

async fn serve() -> server::Result {
    let address = server::address("MEMBERS_ADDR", "127.0.0.1:3031")?;
    let metrics = metrics::install()?;
    let database = Database::open().await?;
    database.create_table(list::Entity).await?;
    database.create_table(task::Entity).await?;
    database.create_table(membership::Entity).await?;

    let limits = Limits::default()
        .drain_timeout(server::DRAIN_TIMEOUT)
        .max_subscriptions(1000); // the page needs up to three for each list
    // NEW: `Viewer` is the type that permissions receive.
    let live = Live::<Viewer>::builder(database.connection.clone())
        .limits(limits)
        .log(log::open(&database.connection).await?)
        .build()?;
    let app = App {
        access: Arc::new(Access::load(&database.connection).await?),
        sessions: Arc::default(),
        live: live.clone(),
    };

    // NEW: `subscriptions_as` takes a filter that extracts the user of a connection.
    let ws = warp::path!("ws" / "subscribe")
        .and(rest_live::warp::subscriptions_as(&live, api::viewer(&app)));
    let api = api::routes(&app).with(warp::wrap_fn(rest_live::warp::with_cursor(&live)));
    let routes = ws.or(api).or(metrics).recover(rest::explain);

    server::serve(address, routes, live.shutdown()).await?;
    database.close().await;
    Ok(())
}
