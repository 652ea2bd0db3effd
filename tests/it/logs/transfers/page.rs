//! A page in v1 that applies units as a whole.

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use rest_live::transport::{Outgoing, Session};
use serde_json::{Value, json};

use super::{
    SERVERS,
    bank::{Accounts, Bank, LAST_LIST, LISTS, assert_total},
};

/// How a page treats its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behavior {
    /// It reads at once.
    Steady,
    /// It stops reading again and again, until it is behind.
    Slow,
    /// It reconnects to another server again and again.
    Roaming,
}

pub struct Page {
    session: Session,
    behavior: Behavior,
    /// The balance of each account, by list.
    lists: BTreeMap<i32, BTreeMap<i32, i64>>,
    /// The last cursor of each list.
    places: BTreeMap<i32, Value>,
    /// The messages of a unit whose end has not arrived.
    unit: Vec<Value>,
    /// After a reconnect: whether the barrier has not been answered. Until then, the lists show
    /// different places.
    is_resuming: bool,
    has_last: bool,
    /// The numbers of units, single messages, and connections.
    counts: [u32; 3],
}

impl Page {
    /// Opens a page that shows all accounts, before anything is transferred.
    pub async fn open(bank: &Bank, server: usize, behavior: Behavior) -> Self {
        let mut lists: BTreeMap<i32, BTreeMap<i32, i64>> = BTreeMap::new();
        for (id, (list, balance)) in bank.accounts().await {
            lists.entry(list).or_default().insert(id, balance);
        }
        let mut page = Self {
            session: bank.live(server).connect(()),
            behavior,
            lists,
            places: BTreeMap::new(),
            unit: Vec::new(),
            is_resuming: false,
            has_last: false,
            counts: [0; 3],
        };
        page.subscribe().await;
        page
    }

    async fn subscribe(&mut self) {
        self.counts[2] += 1;
        for list in LISTS.into_iter().chain([LAST_LIST]) {
            let mut request =
                json!({"id": list, "model": "todolist.Task", "group": {"list_id": list}});
            if let Some(place) = self.places.get(&list) {
                request["since"] = place.clone();
            }
            self.session.receive(&request.to_string()).await;
        }
    }

    /// Receives until the last row.
    pub async fn run(mut self, bank: Arc<Bank>) -> Self {
        while !self.has_last || self.is_resuming {
            match self.behavior {
                Behavior::Slow if fastrand::u8(..4) == 0 => {
                    let pause = Duration::from_millis(fastrand::u64(..100));
                    tokio::time::sleep(pause).await;
                }
                Behavior::Roaming if fastrand::u8(..20) == 0 && !self.is_resuming => {
                    self.unit.clear();
                    self.session = bank.live(fastrand::usize(..SERVERS)).connect(());
                    self.subscribe().await;
                    self.is_resuming = true;
                    let barrier = json!({"type": "sync", "id": "sync"});
                    self.session.receive(&barrier.to_string()).await;
                }
                _ => {}
            }
            match self.session.outgoing().await {
                Outgoing::Frames(frames) => {
                    for frame in frames {
                        self.receive(frame.as_str());
                    }
                }
                other => panic!("{self}: {other:?}"),
            }
        }
        self
    }

    fn receive(&mut self, text: &str) {
        let frame: Value = serde_json::from_str(text).unwrap();
        match frame["type"].as_str().unwrap() {
            "subscribed" => {
                assert_eq!(frame["recovered"], true, "{text}");
                let list = frame["id"].as_i64().unwrap() as i32;
                self.places.insert(list, frame["cursor"].clone());
            }
            "synced" => {
                self.is_resuming = false;
                assert!(self.unit.is_empty(), "{text} is within a unit");
                for place in self.places.values_mut() {
                    *place = frame["cursor"].clone();
                }
                assert_total(&self.accounts(), &text);
            }
            "unit" => {
                let unit = std::mem::take(&mut self.unit);
                assert!(!unit.is_empty(), "{text} ends nothing");
                assert_ends(&unit, &frame);
                for part in &unit {
                    self.apply(part);
                }
                self.counts[0] += 1;
                self.assert_total(&unit);
            }
            "broadcast" if frame["unit"].is_string() => {
                self.unit.push(frame);
            }
            "broadcast" => {
                assert!(self.unit.is_empty(), "{text} is within {:?}", self.unit);
                self.apply(&frame);
                self.counts[1] += 1;
                self.assert_total(&[frame]);
            }
            _ => panic!("{self}: {text}"),
        }
    }

    fn apply(&mut self, frame: &Value) {
        let list = frame["group"]["list_id"].as_i64().unwrap() as i32;
        let place = frame.get("unit").unwrap_or(&frame["cursor"]);
        self.places.insert(list, place.clone());
        if list == LAST_LIST {
            self.has_last = true;
            return;
        }
        let id = frame["payload"]["id"].as_i64().unwrap() as i32;
        let accounts = self.lists.entry(list).or_default();
        if frame["action"] == "DELETED" {
            accounts.remove(&id);
        } else {
            let balance = frame["payload"]["text"].as_str().unwrap().parse().unwrap();
            accounts.insert(id, balance);
        }
    }

    fn assert_total(&self, frames: &[Value]) {
        if !self.is_resuming {
            assert_total(&self.accounts(), &json!(frames));
        }
    }

    /// Returns the accounts of all lists.
    pub fn accounts(&self) -> Accounts {
        let mut shown = Accounts::new();
        for (list, accounts) in &self.lists {
            for (id, balance) in accounts {
                let twice = shown.insert(*id, (*list, *balance));
                // A list that is resumed may already have an account that another one still has.
                assert!(twice.is_none() || self.is_resuming, "{id} is in two lists");
            }
        }
        shown
    }
}

impl fmt::Display for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [units, singles, connections] = self.counts;
        write!(
            f,
            "{:?} page: {units} units, {singles} single messages, {connections} connections",
            self.behavior
        )
    }
}

/// Asserts that a message ends the unit of the broadcasts before it. A client that was too slow in
/// the middle of a unit also has what it received of that unit: the replay ends both.
fn assert_ends(unit: &[Value], end: &Value) {
    let of_end = unit.iter().rev();
    let replayed = of_end.take_while(|part| part["unit"] == end["cursor"]);
    let interrupted = &unit[..unit.len() - replayed.count()];
    let is_one = interrupted.windows(2).all(|p| p[0]["unit"] == p[1]["unit"]);
    assert!(is_one, "{end} ends several units: {unit:?}");
}
