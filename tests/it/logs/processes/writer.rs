//! A writer over HTTP, one of many.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use tokio::task::JoinHandle;

use super::{cluster::Cluster, tally::Tally, view::Row};

/// Writes until it is stopped.
pub struct Writer {
    is_stopped: Arc<AtomicBool>,
    task: JoinHandle<Tally>,
}

/// A kind of write.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    Insert,
    Update,
    Tick,
    Move,
    UpdateAndMove,
    Delete,
    InsertMany,
    TickMany,
    MoveAll,
    /// Moves to a list that does not exist, and is rolled back after all its writes.
    MoveAllNowhere,
}

use Kind::*;

/// The mix of writes: each entry is one of twenty.
pub const ALL: &[Kind] = &[
    Insert,
    Insert,
    Update,
    Update,
    Update,
    Update,
    Update,
    Tick,
    Tick,
    Move,
    Move,
    Move,
    UpdateAndMove,
    UpdateAndMove,
    Delete,
    Delete,
    InsertMany,
    TickMany,
    MoveAll,
    MoveAllNowhere,
];

/// Writes that cannot deadlock, because they lock a list and then a row.
pub const SINGLE: &[Kind] = &[Insert, Update, Update, Tick, Move, UpdateAndMove, Delete];

impl Writer {
    /// Starts to write on one server, or on the next one that runs.
    pub fn start(cluster: &Arc<Cluster>, number: usize, kinds: &'static [Kind]) -> Self {
        let is_stopped = Arc::new(AtomicBool::new(false));
        let (cluster, stopped) = (Arc::clone(cluster), Arc::clone(&is_stopped));
        let task = tokio::spawn(async move {
            let mut tally = Tally::default();
            let mut count = 0;
            while !stopped.load(Ordering::Relaxed) {
                count += 1;
                let kind = kinds[fastrand::usize(..kinds.len())];
                let text = format!("{number}.{count}");
                let start = Instant::now();
                write(&cluster, number, kind, &text, &mut tally).await;
                tally.slowest = tally.slowest.max(start.elapsed());
            }
            tally
        });
        Self { is_stopped, task }
    }

    /// Stops the writer after its current write, and returns its tally.
    pub async fn stop(self) -> Tally {
        self.is_stopped.store(true, Ordering::Relaxed);
        self.task.await.unwrap()
    }
}

async fn write(cluster: &Cluster, number: usize, kind: Kind, text: &str, tally: &mut Tally) {
    let list = fastrand::i32(1..=Cluster::LISTS);
    let id = match fastrand::u8(..4) {
        0 => fastrand::i32(1..=Cluster::LASTING),
        _ => cluster.recent(30),
    };
    let task = format!("/api/tasks/{id}");
    let done = fastrand::bool();
    let (method, path, body) = match kind {
        Insert => (
            "POST",
            "/api/tasks".to_owned(),
            format!(r#"{{"text":"{text}","list_id":{list}}}"#),
        ),
        Update => ("PATCH", task, format!(r#"{{"text":"{text}"}}"#)),
        Tick => ("PATCH", task, format!(r#"{{"done":{done}}}"#)),
        Move => ("PATCH", task, format!(r#"{{"list_id":{list}}}"#)),
        UpdateAndMove => (
            "PATCH",
            task,
            format!(r#"{{"text":"{text}","list_id":{list}}}"#),
        ),
        Delete => (
            "DELETE",
            format!("/api/tasks/{}", cluster.recent(50)),
            String::new(),
        ),
        InsertMany => (
            "POST",
            "/api/tasks/bulk".to_owned(),
            format!(r#"[{{"text":"{text}","list_id":{list}}},{{"text":"{text}","list_id":1}}]"#),
        ),
        TickMany => (
            "PATCH",
            format!("/api/tasks?list_id={list}&done={done}"),
            format!(r#"{{"done":{}}}"#, !done),
        ),
        MoveAll => (
            "POST",
            format!("/api/lists/{list}/move"),
            format!(r#"{{"to":{}}}"#, list % Cluster::LISTS + 1),
        ),
        MoveAllNowhere => (
            "POST",
            format!("/api/lists/{list}/move"),
            r#"{"to":99}"#.to_owned(),
        ),
    };
    match cluster.send(number, method, &path, body.clone()).await {
        Err(_) => tally.unanswered += 1,
        Ok((200 | 204, _)) => tally.done += 1,
        Ok((201, text)) => {
            tally.done += 1;
            let one = serde_json::from_str::<Row>(&text).map(|row| vec![row]);
            for row in one.or_else(|_| serde_json::from_str(&text)).unwrap() {
                cluster.record_task(row.id);
            }
        }
        Ok((404, _)) => tally.missing += 1,
        Ok((500, _)) => tally.refused += 1,
        Ok((status, text)) => panic!("{method} {path} {body}: {status} {text}"),
    }
}
