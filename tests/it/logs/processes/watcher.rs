//! A v1 client as the test sees it: what it holds, and whether it still runs.

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
    view::{Broadcast, Group, Row, View},
};
use crate::support::{TICK, soon};

/// Whether a client keeps its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behavior {
    /// Drops its connection again and again, and resumes on any server.
    Roaming,
    /// Keeps its connection.
    Steady,
}

pub struct Watcher {
    state: Arc<Mutex<State>>,
    stays: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

/// The state of a client.
#[derive(Default)]
struct State {
    views: BTreeMap<Group, Subscription>,
    is_stale: bool,
    connections: u32,
    frames: u64,
    /// The broadcasts of a unit whose end has not arrived.
    unit: Vec<UnitPart>,
    /// The number of whole units.
    units: u64,
    resets: BTreeMap<String, u32>,
}

/// A broadcast of a unit.
struct UnitPart {
    unit: String,
    group: Group,
    broadcast: Broadcast,
}

/// A group with what the client holds of it.
#[derive(Default)]
struct Subscription {
    view: View,
    /// The cursor to resume from. Each group has its own, because a connection may end between the
    /// replays of two groups.
    cursor: Option<String>,
    /// Whether the next frame must be a reset.
    expects_reset: bool,
}

impl Watcher {
    /// Starts a client. Every second client loads a page before it subscribes with the page's
    /// cursor.
    pub fn start(
        cluster: &Arc<Cluster>,
        rule: &'static Rule,
        number: usize,
        behavior: Behavior,
    ) -> Self {
        let state = Arc::new(Mutex::new(State::default()));
        let stays = Arc::new(AtomicBool::new(false));
        let reader = Reader {
            cluster: Arc::clone(cluster),
            rule,
            behavior,
            number,
            state: Arc::clone(&state),
            stays: Arc::clone(&stays),
            fetches: Fetches::new(),
        };
        let task = tokio::spawn(reader.run());
        Self { state, stays, task }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until the client is subscribed to all groups and has fetched them.
    pub async fn wait_for_start(&self) {
        self.until("the start", |state| {
            let mut views = state.views.values();
            state.views.len() == Group::all().len()
                && views.all(|subscription| {
                    subscription.cursor.is_some() && !subscription.view.is_being_fetched()
                })
        })
        .await;
    }

    /// Waits until the client knows that its rows may be stale, or that they are not.
    pub async fn wait_for_stale(&self, is_stale: bool) {
        self.until("the frame about staleness", |state| {
            state.is_stale == is_stale
        })
        .await;
    }

    async fn until(&self, what: &str, condition: impl Fn(&State) -> bool) {
        soon(what, async {
            loop {
                self.assert_alive();
                if condition(&self.state()) {
                    return;
                }
                sleep(TICK).await;
            }
        })
        .await;
    }

    /// Makes the client keep its connection from now on.
    pub fn stop_roaming(&self) {
        self.stays.store(true, Ordering::Relaxed);
    }

    /// Asserts that the client has not failed on a wrong frame.
    pub fn assert_alive(&self) {
        assert!(
            !self.task.is_finished(),
            "a client has failed: see its panic above"
        );
    }

    /// Returns the differences from the table, also if the last row is missing.
    pub fn differences(&self, table: &[(i32, Row)], last: i32) -> Vec<String> {
        let state = self.state();
        let of_view = |(group, subscription): (&Group, &Subscription)| {
            let view = &subscription.view;
            let mut differences = view.differences(*group, table);
            if *group == Group::List(1) && !view.holds(last) {
                differences.push("the last row has not arrived".to_owned());
            }
            differences
        };
        state.views.iter().flat_map(of_view).collect()
    }

    /// Stops the client, and returns a summary of what it received.
    pub async fn stop(self) -> String {
        self.assert_alive();
        self.task.abort();
        _ = self.task.await;
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        format!(
            "{} connections, {} frames, {} units, resets {:?}",
            state.connections, state.frames, state.units, state.resets
        )
    }
}
