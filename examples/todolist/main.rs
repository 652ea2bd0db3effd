//! A todo list whose REST API is live: each change shows in every open browser tab.
//!
//! `cargo run --example todolist`, then open the address that it prints in two tabs.
//!
//! What rest-live adds to a warp and SeaORM application is in three places: the attributes in
//! `serializers.rs`, the connection and the filter in `serve` below.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line program"
)]
#![allow(
    unreachable_pub,
    reason = "a module of an application is as public as a library's"
)]

mod api;
mod database;
mod list;
mod log;
mod metrics;
mod serializers;
mod task;

use std::{env, error::Error, net::SocketAddr, process::ExitCode, time::Duration};

use rest_live::{Limits, Live};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    sync::oneshot,
    time::timeout,
};
use tracing_subscriber::EnvFilter;
use warp::Filter;

/// How long clients may take to answer the goodbye once the server is to stop, and then requests
/// under way to finish.
const PATIENCE: Duration = Duration::from_secs(4);

#[tokio::main]
async fn main() -> ExitCode {
    // What clients do to their connections is nobody's business on the console.
    let filter = EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| EnvFilter::new("warn,warp::server=off"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
    match serve().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("todolist: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve() -> Result<(), Box<dyn Error>> {
    let addr = env::var("TODOLIST_ADDR").unwrap_or_else(|_| "127.0.0.1:3030".to_owned());
    let addr: SocketAddr = addr.parse().map_err(|_| {
        format!("TODOLIST_ADDR is {addr:?}: write an address and a port, such as 127.0.0.1:3030")
    })?;
    let database = database::open(env::var("DATABASE_URL").ok()).await?;
    let metrics = metrics::install()?;

    let limits = Limits::default().drain_timeout(PATIENCE);
    let log = log::open(env::var("LIVE_LOG").ok().as_deref(), &database.connection()).await?;
    let live = Live::builder(database.connection())
        .limits(limits)
        .log(log)
        .build()?;
    let ws = warp::path!("ws" / "subscribe").and(rest_live::warp::subscriptions(&live));
    let routes = ws
        .or(api::routes(&live.db()).with(warp::wrap_fn(rest_live::warp::with_cursor(&live))))
        .or(metrics)
        .recover(api::explain);

    let listener = TcpListener::bind(addr)
        .await
        .map_err(|error| format!("cannot listen on {addr}: {error}"))?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    println!("listening on http://{}", listener.local_addr()?);

    let (stop, stopped) = oneshot::channel::<()>();
    let server = warp::serve(routes)
        .incoming(listener)
        .graceful(async { _ = stopped.await });
    let server = tokio::spawn(server.run());
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    // The websockets first: their clients are told, and come back when there is a server again.
    live.shutdown().await;
    drop(stop);
    if timeout(PATIENCE, server).await.is_err() {
        eprintln!("todolist: requests did not finish in time and are dropped");
    }
    database.close().await;
    Ok(())
}
