//! What a client holds of its groups, and what it must never be told.

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
    /// Returns what the database counts: it grows with each change of the row.
    fn version(&self) -> u64 {
        let number = self.text.rsplit_once('#').map(|(_, number)| number.parse());
        number.unwrap().unwrap()
    }
}

/// What a client subscribes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Group {
    Task(i32),
    List(i32),
}

impl Group {
    /// Returns those of a client. Their places are the ids of its requests.
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

    /// Returns where its rows are fetched.
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

/// A change that a client is told.
#[derive(Clone, Debug, Deserialize)]
pub struct Broadcast {
    pub action: String,
    pub payload: Row,
}

/// The rows of one group.
#[derive(Debug, Default)]
pub struct View {
    rows: BTreeMap<i32, Row>,
    /// What was told since the rows are being fetched.
    behind: Option<Vec<Broadcast>>,
    /// Counts how often they were.
    fetches: u32,
    told: HashMap<i32, Told>,
}

/// What was told of one row.
#[derive(Debug, Default)]
struct Told {
    /// The newest version that was shown, and that which left.
    newest: u64,
    left: u64,
    /// What was in the row with each version.
    states: HashMap<u64, Row>,
    /// The last frames, for who looks for the mistake.
    last: VecDeque<String>,
}

impl View {
    /// Forgets all, to fetch it: returns the number of what will be fetched.
    pub fn forget(&mut self) -> u32 {
        self.rows.clear();
        self.behind = Some(Vec::new());
        self.fetches += 1;
        self.fetches
    }

    pub fn is_being_fetched(&self) -> bool {
        self.behind.is_some()
    }

    /// Takes in what was fetched, if it was not forgotten once more; what was told meanwhile comes after it.
    pub fn fetched(&mut self, number: u32, rows: Vec<Row>) {
        if number != self.fetches {
            return;
        }
        self.rows = rows.into_iter().map(|row| (row.id, row)).collect();
        for broadcast in self.behind.take().unwrap_or_default() {
            self.apply(broadcast);
        }
    }

    /// Takes in a broadcast.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn take(&mut self, broadcast: Broadcast) -> Result<(), String> {
        let told = self.told.entry(broadcast.payload.id).or_default();
        told.last.push_back(format!("{broadcast:?}"));
        if told.last.len() > 24 {
            told.last.pop_front();
        }
        told.check(&broadcast)
            .map_err(|mistake| format!("{mistake}; told was\n{}", told.history()))?;
        match &mut self.behind {
            Some(behind) => behind.push(broadcast),
            None => self.apply(broadcast),
        }
        Ok(())
    }

    /// Notes where the client was told something else than a change.
    pub fn note(&mut self, what: &str) {
        for told in self.told.values_mut() {
            told.last.push_back(what.to_owned());
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

    /// Returns in what it differs from the table.
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
            let history = self.told.get(&id).map(Told::history).unwrap_or_default();
            (held != row).then(|| {
                let anywhere = table.iter().find(|(_, row)| row.id == id);
                format!("{group:?}: {held:?} is held, {row:?} is there, the row is {anywhere:?}; told was\n{history}")
            })
        });
        differences.collect()
    }
}

impl Told {
    fn check(&mut self, Broadcast { action, payload }: &Broadcast) -> Result<(), String> {
        let version = payload.version();
        let known = self
            .states
            .entry(version)
            .or_insert_with(|| payload.clone());
        if known != payload {
            return Err(format!("one version is two states: {known:?}, {payload:?}"));
        }
        match &**action {
            "CREATED" | "UPDATED" if version < self.newest => {
                Err(format!("the row goes back in time: {payload:?}"))
            }
            "CREATED" | "UPDATED" if version <= self.left => Err(format!(
                "the row is back as it was when it left: {payload:?}"
            )),
            "CREATED" | "UPDATED" => {
                self.newest = version;
                Ok(())
            }
            "DELETED" => {
                self.left = version.max(self.left);
                Ok(())
            }
            other => Err(format!("{other} is no action")),
        }
    }

    fn history(&self) -> String {
        let lines = self.last.iter().map(|line| format!("    {line}\n"));
        lines.collect()
    }
}
