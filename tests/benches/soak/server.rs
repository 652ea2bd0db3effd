//! The server's process: an application of rest-live's as any is, that does what it is told by lines.

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
    say(&address);

    let mut writers = None;
    let mut lines = BufReader::new(stdin()).lines();
    while let Some(line) = lines.next_line().await.unwrap() {
        match line.as_str() {
            "counts" => say(&counts(&live)),
            "write" => say(&writers.replace(Writers::start(&live.db())).map(|_| ())),
            "stop writing" => say(&writers.take().unwrap().stop().await),
            "shutdown" => {
                let start = Instant::now();
                live.shutdown().await;
                say(&start.elapsed());
            }
            other => panic!("there is no command {other:?}"),
        }
    }
}

/// A server goes on after a panic, and says so in its log; here it is a failure.
fn count_panics() {
    let say = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        PANICS.fetch_add(1, Ordering::Relaxed);
        say(panic);
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

fn say(what: &impl Serialize) {
    println!("{}", serde_json::to_string(what).unwrap());
}
