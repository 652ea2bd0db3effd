//! The rows that a client holds of its groups, and checks of what it receives.

use std::collections::{BTreeMap, HashMap, VecDeque};

use serde::Deserialize;

use super::cluster::Cluster;

/// A task as REST and the websocket show it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Row {
    pub id: i32,
    pub text: String,
    pub done: bool,
}

impl Row {
    /// Returns the version from the trigger. It grows with each change of the row.
    fn version(&self) -> u64 {
        let number = self.text.rsplit_once('#').map(|(_, number)| number.parse());
        number.unwrap().unwrap()
    }
}

/// A group that a client subscribes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Group {
    Task(i32),
    List(i32),
}

impl Group {
    /// Returns the groups of a client. Their indexes are the ids of its requests.
    pub fn all() -> Vec<Self> {
        let lists = (1..=Cluster::LISTS).map(Self::List);
        lists
            .chain((1..=Cluster::LASTING).map(Self::Task))
            .collect()
    }

    pub fn name(self) -> String {
        match self {
            Self::Task(id) => format!(r#"{{"pk":{id}}}"#),
            Self::List(id) => format!(r#"{{"list_id":{id}}}"#),
        }
    }

    /// Returns the path to fetch its rows from.
    pub fn path(self) -> String {
        match self {
            Self::Task(id) => format!("/api/tasks/{id}"),
            Self::List(id) => format!("/api/tasks?list_id={id}"),
        }
    }

    fn holds(self, list: i32, row: &Row) -> bool {
        match self {
            Self::Task(id) => row.id == id,
            Self::List(id) => list == id,
        }
    }
}

/// A change that a client receives.
#[derive(Clone, Debug, Deserialize)]
pub struct Broadcast {
    pub action: String,
    pub payload: Row,
}

/// The rows of one group.
#[derive(Debug, Default)]
pub struct View {
    rows: BTreeMap<i32, Row>,
    /// Broadcasts that arrived during the current fetch; `None` without a fetch.
    pending: Option<Vec<Broadcast>>,
    /// Number of fetches so far.
    fetches: u32,
    histories: HashMap<i32, History>,
}

/// What the client received about one row.
#[derive(Debug, Default)]
struct History {
    /// Newest version in a CREATED or UPDATED.
    newest: u64,
    /// Newest version in a DELETED.
    left: u64,
    /// State of the row at each version.
    states: HashMap<u64, Row>,
    /// The last frames, for the error message.
    last: VecDeque<String>,
}

impl View {
    /// Drops all rows before a fetch. Returns the number of the fetch.
    pub fn begin_fetch(&mut self) -> u32 {
        self.rows.clear();
        self.pending = Some(Vec::new());
        self.fetches += 1;
        self.fetches
    }

    pub fn is_being_fetched(&self) -> bool {
        self.pending.is_some()
    }

    /// Applies the fetched rows and then the pending broadcasts, if no newer fetch has begun.
    pub fn finish_fetch(&mut self, number: u32, rows: Vec<Row>) {
        if number != self.fetches {
            return;
        }
        self.rows = rows.into_iter().map(|row| (row.id, row)).collect();
        for broadcast in self.pending.take().unwrap_or_default() {
            self.apply(broadcast);
        }
    }

    /// Checks and applies a broadcast.
    ///
    /// # Errors
    /// Returns what is wrong with the broadcast.
    pub fn receive(&mut self, broadcast: Broadcast) -> Result<(), String> {
        let history = self.histories.entry(broadcast.payload.id).or_default();
        history.last.push_back(format!("{broadcast:?}"));
        if history.last.len() > 24 {
            history.last.pop_front();
        }
        history
            .check(&broadcast)
            .map_err(|mistake| format!("{mistake}; received:\n{}", history.format()))?;
        match &mut self.pending {
            Some(pending) => pending.push(broadcast),
            None => self.apply(broadcast),
        }
        Ok(())
    }

    /// Adds a frame that is not a change to the history of each row.
    pub fn record(&mut self, frame: &str) {
        for history in self.histories.values_mut() {
            history.last.push_back(frame.to_owned());
        }
    }

    fn apply(&mut self, Broadcast { action, payload }: Broadcast) {
        match &*action {
            "DELETED" => self.rows.remove(&payload.id),
            _ => self.rows.insert(payload.id, payload),
        };
    }

    pub fn holds(&self, id: i32) -> bool {
        self.rows.contains_key(&id)
    }

    /// Returns the differences from the table.
    pub fn differences(&self, group: Group, table: &[(i32, Row)]) -> Vec<String> {
        if self.is_being_fetched() {
            return vec![format!("{group:?} is being fetched")];
        }
        let of_group = table.iter().filter(|(list, row)| group.holds(*list, row));
        let rows: BTreeMap<i32, &Row> = of_group.map(|(_, row)| (row.id, row)).collect();
        let ids = self.rows.keys().chain(rows.keys());
        let ids: std::collections::BTreeSet<i32> = ids.copied().collect();
        let differences = ids.into_iter().filter_map(|id| {
            let (held, row) = (self.rows.get(&id), rows.get(&id).copied());
            let history = self.histories.get(&id).map(History::format).unwrap_or_default();
            (held != row).then(|| {
                let anywhere = table.iter().find(|(_, row)| row.id == id);
                format!("{group:?}: the client holds {held:?}, the group has {row:?}, the table has {anywhere:?}; received:\n{history}")
            })
        });
        differences.collect()
    }
}

impl History {
    fn check(&mut self, Broadcast { action, payload }: &Broadcast) -> Result<(), String> {
        let version = payload.version();
        let known = self
            .states
            .entry(version)
            .or_insert_with(|| payload.clone());
        if known != payload {
            return Err(format!(
                "one version has two states: {known:?}, {payload:?}"
            ));
        }
        match &**action {
            "CREATED" | "UPDATED" if version < self.newest => {
                Err(format!("the row goes back in time: {payload:?}"))
            }
            "CREATED" | "UPDATED" if version <= self.left => Err(format!(
                "the row is back in a state from before its DELETED: {payload:?}"
            )),
            "CREATED" | "UPDATED" => {
                self.newest = version;
                Ok(())
            }
            "DELETED" => {
                self.left = version.max(self.left);
                Ok(())
            }
            other => Err(format!("unknown action {other}")),
        }
    }

    fn format(&self) -> String {
        let lines = self.last.iter().map(|line| format!("    {line}\n"));
        lines.collect()
    }
}
