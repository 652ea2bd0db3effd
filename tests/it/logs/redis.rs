//! The event log on Redis. The tests kill, pause and empty the server.

mod address;
mod application;
mod contract;
mod leases;
mod modes;
mod outage;
mod overflow;
mod repeated_faults;
mod restarts;
mod tls;

use std::sync::Arc;

use futures_util::{StreamExt, stream::BoxStream};
use rest_live_redis::RedisLog;
use rest_live_runtime::{
    Cursor, Entry, EventLog, LoggedEvent, Record, Tail, testing::contract::records,
};
use serde_json::Value;

use crate::support::{Redis, soon};

/// Connects one more node.
async fn node(redis: &Redis) -> RedisLog {
    soon("a connection", RedisLog::connect(&redis.url()))
        .await
        .unwrap()
}

/// Returns an event of a row's state.
fn event(row: i32, state: i32) -> Record {
    records(row, state as usize + 1).pop().unwrap()
}

/// Appends the events of a row one at a time.
async fn append(log: &RedisLog, row: i32, states: std::ops::Range<i32>) {
    for state in states {
        let append = log.append(vec![event(row, state)]);
        soon("an append", append).await.unwrap();
    }
}

async fn head(log: &RedisLog) -> Cursor {
    soon("the head", log.head()).await.unwrap()
}

/// A reader of a tail.
struct Watch(BoxStream<'static, Tail>);

impl Watch {
    /// Opens a tail and waits for its begin.
    async fn begin(log: &RedisLog) -> (Self, Cursor) {
        let mut watch = Self(log.tail());
        match watch.next().await {
            Tail::Begin(cursor) => (watch, cursor),
            other => panic!("the tail began with {other:?}"),
        }
    }

    async fn next(&mut self) -> Tail {
        soon("an item of the tail", self.0.next()).await.unwrap()
    }

    /// Returns the next item that is neither `Away` nor `Back`.
    async fn next_except_outages(&mut self) -> Tail {
        loop {
            match self.next().await {
                Tail::Away | Tail::Back => {}
                other => return other,
            }
        }
    }

    /// Waits for `count` events. Any other item fails the test.
    async fn events(&mut self, count: usize) -> Vec<(i32, i32)> {
        let mut seen = Vec::new();
        while seen.len() < count {
            match self.next_except_outages().await {
                Tail::Entries { entries, .. } => seen.extend(entries.iter().map(state)),
                other => panic!("expected more events after {seen:?}, but received {other:?}"),
            }
        }
        assert_eq!(seen.len(), count, "{seen:?}");
        seen
    }

    /// Waits for a reset, and skips events before it.
    async fn reset(&mut self) -> Cursor {
        loop {
            match self.next_except_outages().await {
                Tail::Reset(cursor) => return cursor,
                Tail::Entries { .. } => {}
                other => panic!("expected a reset, but received {other:?}"),
            }
        }
    }

    /// Waits for a lost node. Returns the events before it, and its cursor.
    async fn node_lost(&mut self) -> (Vec<(i32, i32)>, Cursor) {
        let mut seen = Vec::new();
        loop {
            match self.next_except_outages().await {
                Tail::NodeLost(cursor) => return (seen, cursor),
                Tail::Entries { entries, .. } => seen.extend(entries.iter().map(state)),
                other => panic!("expected a lost node, but received {other:?}"),
            }
        }
    }
}

/// Returns the row of an event and its new state.
fn state(entry: &Entry) -> (i32, i32) {
    let LoggedEvent::Stored(event) = &entry.event else {
        panic!("{entry:?} does not come from Redis")
    };
    let row: Value = serde_json::from_str(event.new.as_ref().unwrap().get()).unwrap();
    let number = |column: &str| row[column].as_i64().unwrap() as i32;
    (number("id"), number("state"))
}

fn states(row: i32, states: std::ops::Range<i32>) -> Vec<(i32, i32)> {
    states.map(|state| (row, state)).collect()
}

/// Reads the log after a cursor to its end.
async fn read_all(log: &RedisLog, mut after: Cursor) -> Vec<(i32, i32)> {
    let mut all = Vec::new();
    loop {
        let page = soon("a page", log.read(after.clone(), 1000)).await.unwrap();
        let Some(last) = page.last() else { return all };
        after.position = last.position;
        all.extend(page.iter().map(state));
    }
}

/// Waits until a command has the answer.
async fn until<T: redis::FromRedisValue + PartialEq>(redis: &Redis, words: &str, answer: T) {
    soon(&format!("an answer of {words}"), async {
        while redis.ask::<T>(words).await != answer {
            tokio::time::sleep(crate::support::TICK).await;
        }
    })
    .await;
}

fn shared(log: RedisLog) -> Arc<dyn EventLog> {
    Arc::new(log)
}
