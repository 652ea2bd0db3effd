//! A client in v1, as the test sees it: what it holds, and whether all is well.

mod reader;

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::{task::JoinHandle, time::sleep};

use self::reader::{Fetches, Reader};
use super::{
    cluster::Cluster,
    rule::Rule,
    view::{Group, Row, View},
};
use crate::support::{TICK, soon};

/// How long a client stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manners {
    /// It drops its connection again and again, and resumes on any server.
    Restless,
    /// It stays, and so does its connection.
    Steady,
}

pub struct Watcher {
    held: Arc<Mutex<Held>>,
    settles: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

/// What a client knows.
#[derive(Default)]
struct Held {
    views: BTreeMap<Group, Followed>,
    is_stale: bool,
    connections: u32,
    frames: u64,
    resets: BTreeMap<String, u32>,
}

#[derive(Default)]
struct Followed {
    view: View,
    /// Behind what it is told: its own cursor, since a connection may end between the replays of two groups.
    cursor: Option<String>,
    /// A reset is what comes next.
    is_lost: bool,
}

impl Watcher {
    /// Starts a client. Every second one has the page loaded before it subscribes, `since` the page's cursor.
    pub fn start(
        cluster: &Arc<Cluster>,
        rule: &'static Rule,
        number: usize,
        manners: Manners,
    ) -> Self {
        let held = Arc::new(Mutex::new(Held::default()));
        let settles = Arc::new(AtomicBool::new(false));
        let reader = Reader {
            cluster: Arc::clone(cluster),
            rule,
            manners,
            number,
            held: Arc::clone(&held),
            settles: Arc::clone(&settles),
            fetches: Fetches::new(),
        };
        let task = tokio::spawn(reader.run());
        Self {
            held,
            settles,
            task,
        }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until it is subscribed, and holds what was there.
    pub async fn begun(&self) {
        self.until("the beginning", |held| {
            let mut views = held.views.values();
            held.views.len() == Group::all().len()
                && views
                    .all(|followed| followed.cursor.is_some() && !followed.view.is_being_fetched())
        })
        .await;
    }

    /// Waits until it is told that what it holds may be old, or is not.
    pub async fn stale(&self, is_stale: bool) {
        self.until("the word on staleness", |held| held.is_stale == is_stale)
            .await;
    }

    async fn until(&self, what: &str, is_so: impl Fn(&Held) -> bool) {
        soon(what, async {
            loop {
                self.is_well();
                if is_so(&self.held()) {
                    return;
                }
                sleep(TICK).await;
            }
        })
        .await;
    }

    /// Has it stay where it is.
    pub fn settle(&self) {
        self.settles.store(true, Ordering::Relaxed);
    }

    /// Asserts that it was told nothing that it must not be told.
    pub fn is_well(&self) {
        assert!(!self.task.is_finished(), "a client has ended: see above");
    }

    /// Returns in what it differs from the table, and whether it has the last row.
    pub fn differences(&self, table: &[(i32, Row)], last: i32) -> Vec<String> {
        let held = self.held();
        let of_view = |(group, followed): (&Group, &Followed)| {
            let view = &followed.view;
            let mut differences = view.differences(*group, table);
            if *group == Group::List(1) && !view.holds(last) {
                differences.push("the last row has not come".to_owned());
            }
            differences
        };
        held.views.iter().flat_map(of_view).collect()
    }

    /// Ends it, and says what it was told.
    pub async fn ended(self) -> String {
        self.is_well();
        self.task.abort();
        _ = self.task.await;
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        format!(
            "{} connections, {} frames, resets {:?}",
            held.connections, held.frames, held.resets
        )
    }
}
