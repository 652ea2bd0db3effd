//! Several requests write the same rows at the same time, at two servers.

use futures_util::future::join_all;
use sea_orm::{ActiveModelTrait, EntityTrait};

use super::{HttpServer, Page};
use crate::{
    entities::task,
    support::{LogKind, Servers, task as new_task},
};

const ROUNDS: usize = 150;
const ROWS: i32 = 3;

async fn check(kind: LogKind) {
    let servers = Servers::start(kind).await;
    let mut writers = Vec::new();
    for _ in 0..2 {
        writers.push(HttpServer::start(&servers).await);
    }
    let mut pages = [Page::open(&writers[0]).await, Page::open(&writers[1]).await];
    for row in 1..=ROWS {
        new_task(row, "first", 1)
            .insert(&writers[0].live.db())
            .await
            .unwrap();
    }
    for round in 0..ROUNDS {
        // Two requests at each server for each row.
        let requests = (1..=ROWS).flat_map(|row| {
            let writers = writers.iter().enumerate();
            writers.flat_map(move |(server, writer)| {
                (0..2).map(move |number| async move {
                    let text = format!("{round}-{server}-{number}");
                    writer.write("PATCH", row, &text).await
                })
            })
        });
        let cursors = join_all(requests).await;
        let rows = task::Entity::find().all(&servers.plain).await.unwrap();
        for page in &mut pages {
            for cursor in &cursors {
                page.sync(cursor).await;
            }
            for row in &rows {
                let held = &page.held[&row.id]["text"];
                assert_eq!(*held, *row.text, "row {} in round {round}", row.id);
            }
        }
    }
}

#[tokio::test]
async fn contested_rows_are_there_over_redis() {
    check(LogKind::Redis).await;
}

#[tokio::test]
async fn contested_rows_are_there_over_the_outbox() {
    check(LogKind::Outbox).await;
}
