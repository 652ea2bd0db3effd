//! A page: the rows that a client holds and shows.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    ROLLED_BACK,
    group::{Subscription, frame_key},
};
use crate::{
    clients::Dialect,
    entities::{SECRET, Table, User},
    writes::Rows,
};

/// The rows of each subscription, by the part of a frame that names it and by primary key.
pub type Held = BTreeMap<String, BTreeMap<i32, Value>>;

/// A place in the log, and the rows of the group there.
type Place = (Value, BTreeMap<i32, Value>);

/// What caused the frames that a page receives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Commits, one after the other.
    Commits,
    /// A replay for the whole connection, or a mixture of a replay and commits.
    CatchUp,
    /// The replay of one subscription. The other subscriptions are still in the past.
    Resume,
}

#[derive(Debug)]
pub struct Page {
    pub user: User,
    pub dialect: Dialect,
    pub subscriptions: Vec<Subscription>,
    pub held: Held,
    /// In v1, the last place of each subscription.
    pub places: BTreeMap<String, Place>,
    /// In v1, the messages of a unit whose end has not arrived. The page does not show them.
    unit: Vec<Value>,
    /// What the page shows of each row, whichever subscription it belongs to.
    shown: BTreeMap<(Table, i32), Value>,
    /// The number of the commit whose rows the page shows.
    commit: usize,
}

impl Page {
    pub fn new(user: User, dialect: Dialect) -> Self {
        Self {
            user,
            dialect,
            subscriptions: Vec::new(),
            held: Held::new(),
            places: BTreeMap::new(),
            unit: Vec::new(),
            shown: BTreeMap::new(),
            commit: 0,
        }
    }

    /// Receives a message that is not an answer, and asserts that a page in v1 then shows the rows
    /// of one commit, not an earlier one than before.
    pub fn receive(&mut self, frame: &Value, cause: Cause, commits: &[Rows]) {
        if frame["type"] == "unit" {
            let unit = std::mem::take(&mut self.unit);
            assert!(!unit.is_empty(), "{frame} ends nothing");
            assert_ends(&unit, frame);
            for part in &unit {
                self.apply(part, &frame["cursor"], cause);
            }
            if cause != Cause::Resume {
                self.assert_held_at_a_commit(commits);
            }
        } else if let Some(unit) = frame.get("unit") {
            assert_eq!(self.dialect, Dialect::V1, "{frame}");
            assert!(unit.is_string(), "{frame}");
            self.unit.push(frame.clone());
        } else {
            let is_contiguous = self.unit.is_empty();
            assert!(is_contiguous, "{frame} is within a unit");
            self.apply(frame, &frame["cursor"], cause);
            if cause != Cause::Resume && self.dialect == Dialect::V1 {
                self.assert_shown_at_a_commit(commits);
            }
        }
    }

    /// Asserts that the page holds what the GETs return after the last commit, and waits for
    /// nothing.
    pub fn assert_at_rest(&mut self, commits: &[Rows]) {
        assert_eq!(self.unit, [] as [Value; 0], "the unit has no end");
        let gets = self.get_all(commits.last().unwrap());
        assert_eq!(self.held, gets, "rows of {:?}", self.user);
        self.commit = commits.len() - 1;
        self.shown = self.show(commits.last().unwrap());
    }

    pub fn is_at_rest(&self, commits: &[Rows]) -> bool {
        self.held == self.get_all(commits.last().unwrap())
    }

    /// Fetches the rows of a subscription again, and continues from a cursor.
    pub fn reset(&mut self, subscription: &Subscription, cursor: &Value, commits: &[Rows]) {
        let rows = subscription.get(self.user, commits.last().unwrap());
        let frame_key = subscription.frame_key(self.dialect);
        let place = (cursor.clone(), rows.clone());
        self.places.insert(frame_key.clone(), place);
        self.held.insert(frame_key, rows);
    }

    /// Has received everything up to a cursor, in all subscriptions.
    pub fn reach(&mut self, cursor: &Value) {
        for (frame_key, (place, rows)) in &mut self.places {
            if let Some(held) = self.held.get(frame_key)
                && place != cursor
            {
                *place = cursor.clone();
                rows.clone_from(held);
            }
        }
    }

    /// Drops the rows of subscriptions that have ended.
    pub fn forget_ended(&mut self) {
        let subscriptions = self.subscriptions.iter();
        let keys: Vec<_> = subscriptions.map(|s| s.frame_key(self.dialect)).collect();
        self.held.retain(|key, _| keys.contains(key));
    }

    /// Fetches the rows of all subscriptions again.
    pub fn fetch(&mut self, commits: &[Rows]) {
        self.unit.clear();
        self.held = self.get_all(commits.last().unwrap());
        self.assert_at_rest(commits);
    }

    /// Drops a unit whose end has not arrived, because the connection has ended.
    pub fn drop_unit(&mut self) {
        self.unit.clear();
    }

    /// Applies a broadcast. A replayed one may delete a row that the client never held.
    fn apply(&mut self, frame: &Value, cursor: &Value, cause: Cause) {
        let text = frame.to_string();
        assert!(!text.contains(ROLLED_BACK), "{text}");
        let may_know = self.user == User::Admin && frame["model"] == Table::Task.label();
        assert!(may_know || !text.contains(SECRET), "{text}");
        let row = match self.dialect {
            Dialect::Plain | Dialect::V1 => &frame["payload"],
            Dialect::V0_7 => &frame["instance"],
        };
        let frame_key = frame_key(frame, self.dialect);
        let held = self.held.get_mut(&frame_key).expect(&text);
        let id = row["id"].as_i64().expect(&text).try_into().expect(&text);
        let table = Table::ALL.into_iter().find(|t| frame["model"] == t.label());
        let key = (table.expect(&text), id);
        match frame["action"].as_str().expect(&text) {
            "CREATED" | "UPDATED" => {
                held.insert(id, row.clone());
                self.shown.insert(key, row.clone());
            }
            // If frames do not name their group, a row of two groups is deleted twice.
            "DELETED" => {
                let was_there = held.remove(&id).is_some();
                assert!(
                    was_there || cause != Cause::Commits || self.dialect != Dialect::V1,
                    "{text}"
                );
            }
            other => panic!("{other} is not an action"),
        }
        if let Some((place, rows)) = self.places.get_mut(&frame_key)
            && place != cursor
        {
            *place = cursor.clone();
            rows.clone_from(held);
        }
        if !self.holds(key) {
            self.shown.remove(&key);
        }
    }

    /// Returns whether the row is in any subscription.
    fn holds(&self, (table, id): (Table, i32)) -> bool {
        let mut subscriptions = self.subscriptions.iter();
        subscriptions.any(|subscription| {
            let rows = self.held.get(&subscription.frame_key(self.dialect));
            subscription.table == table && rows.is_some_and(|rows| rows.contains_key(&id))
        })
    }

    /// Asserts that every subscription has the rows of the same commit.
    fn assert_held_at_a_commit(&mut self, commits: &[Rows]) {
        let later = (self.commit..commits.len()).find(|c| self.held == self.get_all(&commits[*c]));
        let Some(commit) = later else {
            panic!(
                "after a unit, {:?} holds {:#?}, which no commit after {} had",
                self.user, self.held, self.commit
            );
        };
        self.commit = commit;
    }

    /// Asserts that every row has the state of the same commit. A row may be missing in some of its
    /// groups, whose messages follow.
    fn assert_shown_at_a_commit(&mut self, commits: &[Rows]) {
        let later = (self.commit..commits.len()).find(|c| self.shown == self.show(&commits[*c]));
        let Some(commit) = later else {
            panic!(
                "after a single message, {:?} shows {:#?}, which no commit after {} had",
                self.user, self.shown, self.commit
            );
        };
        self.commit = commit;
    }

    /// Returns the rows that the GETs for all subscriptions return.
    pub fn get_all(&self, rows: &Rows) -> Held {
        let mut held = Held::new();
        for subscription in &self.subscriptions {
            let frame_key = subscription.frame_key(self.dialect);
            let held = held.entry(frame_key).or_default();
            held.extend(subscription.get(self.user, rows));
        }
        held
    }

    fn show(&self, rows: &Rows) -> BTreeMap<(Table, i32), Value> {
        let mut shown = BTreeMap::new();
        for subscription in &self.subscriptions {
            let rows = subscription.get(self.user, rows).into_iter();
            shown.extend(rows.map(|(id, payload)| ((subscription.table, id), payload)));
        }
        shown
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
