//! Measures the cost of a permission: time per event with 1, 100 and 10,000 subscribers, with and
//! without `check_permission`, in one run. Run it with `cargo xtask bench permissions`.
//!
//! An event goes through the log, the dispatcher and the hub into the send queue of each session.
//! Sockets are not part of the measurement. "Beyond delivery" is the time that the permission adds
//! for each subscriber.

#![allow(missing_docs, reason = "a program")]
#![allow(unreachable_pub, reason = "a program")]
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a program")]

use std::time::{Duration, Instant};

use rest_live::{
    Limits, Live,
    auth::KeyValue,
    log::{Event, EventLog, MemoryLog, Row},
    subscribable,
    transport::{Outgoing, Session},
};
use rest_live_benches::median;
use sea_orm::{Database, DerivePartialModel, EntityTrait, ModelTrait};
use serde::Serialize;

macro_rules! model {
    ($name:ident, $table:literal) => {
        mod $name {
            use sea_orm::entity::prelude::*;

            #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
            #[sea_orm(table_name = $table)]
            pub struct Model {
                #[sea_orm(primary_key)]
                pub id: i32,
                pub text: String,
                pub owner_id: i32,
                pub list_id: i32,
            }

            #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
            pub enum Relation {}

            pub fn row(version: usize) -> Model {
                Model {
                    id: 1,
                    text: format!("version {version} of a text of ordinary length"),
                    owner_id: 1,
                    list_id: 1,
                }
            }
        }
    };
}

model!(open, "open");
model!(checked, "checked");
model!(sentinel, "sentinel");

struct User {
    id: i32,
    lists: Vec<i32>,
}

/// A typical permission: one user owns the row, and all others may see the list.
fn may_see(user: &User, row: &checked::Model) -> bool {
    user.id == row.owner_id || user.lists.contains(&row.list_id)
}

#[subscribable(group_key = "list_id", model = "bench.Open")]
#[derive(Serialize, DerivePartialModel)]
#[sea_orm(entity = "open::Entity")]
struct OpenSerializer {
    id: i32,
    text: String,
}

#[subscribable(group_key = "list_id", model = "bench.Checked", check_permission = may_see)]
#[derive(Serialize, DerivePartialModel)]
#[sea_orm(entity = "checked::Entity")]
struct CheckedSerializer {
    id: i32,
    text: String,
}

#[subscribable(model = "bench.Sentinel")]
#[derive(Serialize, DerivePartialModel)]
#[sea_orm(entity = "sentinel::Entity")]
struct SentinelSerializer {
    id: i32,
}

const ROUNDS: usize = 15;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    println!(
        "| subscribers | events per round | without a permission | with one | beyond delivery, each |"
    );
    println!("|---:|---:|---:|---:|---:|");
    for (subscribers, events) in [(1, 10_000), (100, 1_000), (10_000, 50)] {
        let (without, with) = compare(subscribers, events).await;
        let each = (with.as_secs_f64() - without.as_secs_f64()) * 1e9 / subscribers as f64;
        println!("| {subscribers} | {events} | {without:.2?} | {with:.2?} | {each:.1} ns |");
    }
}

/// Returns the median time of an event, without and with a permission.
async fn compare(subscribers: usize, events: usize) -> (Duration, Duration) {
    let log = MemoryLog::default();
    let limits = Limits::default()
        .max_pending_messages(events + 1)
        .max_pending_bytes(usize::MAX);
    let db = Database::connect("sqlite::memory:").await.unwrap();
    let live = Live::<User>::builder(db)
        .limits(limits)
        .log(log.clone())
        .build()
        .unwrap();
    let witness = subscribe(&live, 0, r#"{"model":"bench.Sentinel","pk":1}"#).await;
    let open = sessions(&live, subscribers, "bench.Open").await;
    let checked = sessions(&live, subscribers, "bench.Checked").await;

    let (mut without, mut with) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let of_open = (0..events).map(|n| updated("bench.Open", None, open::row(n)));
        without.push(time(&log, &witness, of_open.collect(), round).await);
        drain(&open, events).await;
        let of_checked = (0..events)
            .map(|n| updated("bench.Checked", Some(checked::row(n)), checked::row(n + 1)));
        with.push(time(&log, &witness, of_checked.collect(), round).await);
        drain(&checked, events).await;
    }
    (
        median(without) / events as u32,
        median(with) / events as u32,
    )
}

async fn sessions(live: &Live<User>, count: usize, model: &str) -> Vec<Session> {
    let mut sessions = Vec::new();
    for number in 0..count {
        let request = format!(r#"{{"model":"{model}","list_id":1}}"#);
        sessions.push(subscribe(live, number, &request).await);
    }
    sessions
}

async fn subscribe(live: &Live<User>, number: usize, request: &str) -> Session {
    let user = User {
        id: number as i32,
        lists: vec![7, 5, 3, 1],
    };
    let session = live.connect(user);
    session.receive(request).await;
    session
}

fn updated<M: ModelTrait<Entity: EntityTrait> + Sync + 'static>(
    model: &str,
    old: Option<M>,
    new: M,
) -> Event {
    Event::updated(
        model.into(),
        KeyValue::Integer(1),
        old.map(Row::new),
        Row::new(new),
    )
}

/// Measures the time from the append until a sentinel after the events has reached its subscriber.
async fn time(log: &MemoryLog, witness: &Session, mut events: Vec<Event>, n: usize) -> Duration {
    events.push(Event::created(
        "bench.Sentinel".into(),
        KeyValue::Integer(1),
        Row::new(sentinel::row(n)),
    ));
    let start = Instant::now();
    log.append(events.into_iter().map(Into::into).collect())
        .await
        .unwrap();
    assert_eq!(frames(witness).await, 1);
    start.elapsed()
}

async fn drain(sessions: &[Session], events: usize) {
    for session in sessions {
        assert_eq!(
            frames(session).await,
            events,
            "each session must receive all frames"
        );
    }
}

async fn frames(session: &Session) -> usize {
    match session.outgoing().await {
        Outgoing::Frames(frames) => frames.len(),
        other => panic!("{other:?}"),
    }
}
