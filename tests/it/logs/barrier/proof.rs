//! A thousand times: a write at one server, `sync` with the cursor of the response at another.

use super::{HttpServer, Page};
use crate::support::{LogKind, Servers};

const WRITES: i32 = 1000;

/// The writes of a request, and the number of rows.
const KINDS: [(&str, i32); 4] = [
    ("insert", 1),
    ("transaction", 2),
    ("commits", 3),
    ("tasks", 3),
];

async fn check(kind: LogKind) {
    let servers = Servers::start(kind).await;
    let [writer, reader] = [
        HttpServer::start(&servers).await,
        HttpServer::start(&servers).await,
    ];
    let mut page = Page::open(&reader).await;
    let methods = ["POST", "PUT", "PATCH", "DELETE"];
    for row in 1..=WRITES {
        let (how, rows) = KINDS[row as usize % KINDS.len()];
        let method = methods[row as usize / KINDS.len() % methods.len()];
        let cursor = writer.write(method, row, how).await;
        page.sync(&cursor).await;
        for number in 0..rows {
            let id = row * 10 + number;
            assert!(page.holds(id), "row {id} of {how} is missing");
        }
    }
}

#[tokio::test]
async fn row_is_there_when_synced_comes_over_redis() {
    check(LogKind::Redis).await;
}

#[tokio::test]
async fn row_is_there_when_synced_comes_over_the_outbox() {
    check(LogKind::Outbox).await;
}
