//! The program around the routes: its application log, its address, its start and its end.

use std::{
    convert::Infallible, env, error::Error, net::SocketAddr, process::ExitCode, time::Duration,
};

use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    sync::oneshot,
    time::timeout,
};
use tracing_subscriber::EnvFilter;
use warp::{Filter, Reply};

/// The name of the example: `todolist` or `members`.
pub const NAME: &str = env!("CARGO_CRATE_NAME");

/// How long websocket clients may take to close their connections when the server stops, and then
/// how long requests may take to finish.
pub const DRAIN_TIMEOUT: Duration = Duration::from_secs(4);

pub type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

/// Runs the program, and prints the error that ends it.
pub async fn run(program: impl Future<Output = Result>) -> ExitCode {
    // `warp::server` logs each connection that a client breaks off.
    let filter = EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| EnvFilter::new("warn,warp::server=off"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
    match program.await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{NAME}: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Reads the server's address from an environment variable.
pub fn address(variable: &str, default: &str) -> Result<SocketAddr> {
    let address = env::var(variable).unwrap_or_else(|_| default.to_owned());
    Ok(address.parse().map_err(|_| {
        format!("{variable} is {address:?}, which is not an address and a port: write one such as {default}")
    })?)
}

/// Serves the routes until SIGINT or SIGTERM, awaits `goodbye`, then lets requests finish.
pub async fn serve<F>(address: SocketAddr, routes: F, goodbye: impl Future<Output = ()>) -> Result
where
    F: Filter<Error = Infallible> + Clone + Send + Sync + 'static,
    F::Extract: Reply,
{
    let listener = TcpListener::bind(address)
        .await
        .map_err(|error| format!("cannot listen on {address}: {error}"))?;
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
    goodbye.await;
    drop(stop);
    if timeout(DRAIN_TIMEOUT, server).await.is_err() {
        eprintln!("{NAME}: some requests did not finish within {DRAIN_TIMEOUT:?} and were dropped");
    }
    Ok(())
}
