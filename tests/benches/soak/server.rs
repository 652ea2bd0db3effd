//! The server process: a typical application with rest-live. It reads commands from its input.

mod table;
mod writers;

use std::{
    fs,
    net::Ipv4Addr,
    panic,
    sync::atomic::{AtomicUsize, Ordering},
    time::Instant,
};

use rest_live::{Live, log::MemoryLog};
use serde::Serialize;
use tokio::{
    io::{AsyncBufReadExt, BufReader, stdin},
    net::TcpListener,
    runtime::Handle,
};
use warp::Filter;

use self::writers::Writers;
use crate::process::Counts;

static PANICS: AtomicUsize = AtomicUsize::new(0);

/// Serves until its input ends.
pub async fn run() {
    count_panics();
    let folder = tempfile::tempdir().unwrap();
    let log = MemoryLog::default();
    let db = table::open(folder.path()).await;
    let live = Live::builder(db).log(log.clone()).build().unwrap();
    writers::fill(&live.db(), log).await;

    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let routes = warp::path!("ws" / "subscribe").and(rest_live::warp::subscriptions(&live));
    tokio::spawn(warp::serve(routes).incoming(listener).run());
    answer(&address);

    let mut writers = None;
    let mut lines = BufReader::new(stdin()).lines();
    while let Some(line) = lines.next_line().await.unwrap() {
        match line.as_str() {
            "counts" => answer(&counts(&live)),
            "write" => answer(&writers.replace(Writers::start(&live.db())).map(|_| ())),
            "stop writing" => answer(&writers.take().unwrap().stop().await),
            "shutdown" => {
                let start = Instant::now();
                live.shutdown().await;
                answer(&start.elapsed());
            }
            other => panic!("there is no command {other:?}"),
        }
    }
}

/// Counts panics. A server continues after a panic and logs it; in this test, it is a failure.
fn count_panics() {
    let default_hook = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        PANICS.fetch_add(1, Ordering::Relaxed);
        default_hook(panic);
    }));
}

fn counts(live: &Live) -> Counts {
    Counts {
        connections: live.connections(),
        tasks: Handle::current().metrics().num_alive_tasks(),
        resident: rest_live_benches::resident(&fs::read_to_string("/proc/self/status").unwrap()),
        panics: PANICS.load(Ordering::Relaxed),
    }
}

fn answer(value: &impl Serialize) {
    println!("{}", serde_json::to_string(value).unwrap());
}
