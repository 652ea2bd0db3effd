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
mod token;
mod viewer;

use std::{future::ready, process::ExitCode, sync::Arc};

use rest_live::{Limits, Live};
use warp::Filter;

use crate::{
    access::Access,
    api::{Accounts, App},
    shared::{database::Database, log, metrics, rest, server, task},
    token::Tokens,
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
    let accounts = Accounts {
        access: Arc::new(Access::load(&database.connection).await?),
        sessions: Arc::default(),
        tokens: Arc::new(Tokens::from_env()),
    };
    // NEW: `Viewer` is the type that permissions receive. A page without a cookie sends a token on
    // its websocket, and `viewer_of` returns whose it is.
    let by_token = accounts.clone();
    let live = Live::<Viewer>::builder(database.connection.clone())
        .limits(limits)
        .log(log::open(&database.connection).await?)
        .authenticate(move |token| ready(by_token.viewer_of(&token)))
        .build()?;
    let app = App {
        accounts,
        live: live.clone(),
    };

    // NEW: `subscriptions_from` takes a filter that extracts the user of a connection from its
    // cookie or token. Without one, the user is anonymous.
    let ws = warp::path!("ws" / "subscribe").and(rest_live::warp::subscriptions_from(
        &live,
        api::handshake(&app.accounts),
    ));
    let api = api::routes(&app).with(warp::wrap_fn(rest_live::warp::with_cursor(&live)));
    let routes = ws.or(api).or(metrics).recover(rest::explain);

    server::serve(address, routes, live.shutdown()).await?;
    database.close().await;
    Ok(())
}
