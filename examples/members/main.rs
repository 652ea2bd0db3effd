//! Todo lists of several people: who is no member of a private list sees nothing of it, and who is not
//! signed in sees less of a public one. Who is removed while connected sees no more from then on.
//!
//! `cargo run --example members`, then open the address that it prints in several browsers (or in a
//! private window), and sign in as different people.
//!
//! What rest-live adds to the application is in `serializers.rs`, `permissions.rs`, `serve` below and
//! `api/members.rs`; what may go wrong with permissions that are kept in memory, in `access.rs`.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line program"
)]
#![allow(
    unreachable_pub,
    reason = "a module of an application is as public as a library's"
)]

mod access;
mod api;
mod database;
mod list;
#[path = "../todolist/log.rs"]
mod log;
mod membership;
mod metrics;
mod permissions;
mod serializers;
mod session;
mod task;
mod viewer;

use std::{env, error::Error, net::SocketAddr, process::ExitCode, sync::Arc, time::Duration};

use rest_live::{Limits, Live};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    sync::oneshot,
    time::timeout,
};
use tracing_subscriber::EnvFilter;
use warp::Filter;

use crate::{access::Access, api::App, viewer::Viewer};

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
            eprintln!("members: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve() -> Result<(), Box<dyn Error>> {
    let addr = env::var("MEMBERS_ADDR").unwrap_or_else(|_| "127.0.0.1:3031".to_owned());
    let addr: SocketAddr = addr.parse().map_err(|_| {
        format!("MEMBERS_ADDR is {addr:?}: write an address and a port, such as 127.0.0.1:3031")
    })?;
    let database = database::open(env::var("DATABASE_URL").ok()).await?;
    let metrics = metrics::install()?;

    let limits = Limits::default()
        .drain_timeout(PATIENCE)
        .max_subscriptions(1000); // the page follows each list by up to three keys
    let log = log::open(env::var("LIVE_LOG").ok().as_deref(), &database.connection()).await?;
    let live = Live::<Viewer>::builder(database.connection())
        .limits(limits)
        .log(log)
        .build()?;
    let app = App {
        access: Arc::new(Access::load(&database.connection()).await?),
        sessions: Arc::default(),
        live: live.clone(),
    };
    let ws = warp::path!("ws" / "subscribe")
        .and(rest_live::warp::subscriptions_as(&live, api::viewer(&app)));
    let routes = ws
        .or(api::routes(&app).with(warp::wrap_fn(rest_live::warp::with_cursor(&live))))
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
        eprintln!("members: requests did not finish in time and are dropped");
    }
    database.close().await;
    Ok(())
}
