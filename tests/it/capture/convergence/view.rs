//! The rows that a client holds that knows nothing but its frames, and checks of every frame.

use std::collections::{BTreeMap, HashMap, VecDeque};

use serde::Deserialize;

use super::{card::Model, dice::PHANTOM};

/// A group that a client is subscribed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Group {
    Key(i32),
    List(i32),
    /// Several lists, in a dialect whose frames do not name their group.
    AnyOf(&'static [i32]),
}

impl Group {
    fn holds(self, card: &Model) -> bool {
        match self {
            Self::Key(id) => card.id == id,
            Self::List(id) => card.list_id == id,
            Self::AnyOf(lists) => lists.contains(&card.list_id),
        }
    }
}

#[derive(Debug)]
pub struct View {
    pub name: &'static str,
    /// The rows of each subscription.
    groups: BTreeMap<Group, BTreeMap<i32, Model>>,
    histories: HashMap<i32, History>,
    /// The broadcasts of a unit whose end has not arrived.
    unit: Vec<Frame>,
    pub frames: u64,
}

/// What a client received of one key.
#[derive(Debug, Default)]
struct History {
    /// The age of the newest state.
    newest: (i64, i64),
    /// The age of the newest state that left a group, by group.
    left: HashMap<Group, (i64, i64)>,
    /// The list and the text of the row at each age.
    states: HashMap<(i64, i64), (i32, String)>,
    /// The last frames, for the message of a failure.
    last: VecDeque<String>,
}

/// A broadcast in v1 or in the plain dialect.
#[derive(Debug, Deserialize)]
struct Frame {
    r#type: Option<String>,
    group: Option<HashMap<String, i32>>,
    action: Option<String>,
    payload: Option<Model>,
    cursor: Option<String>,
    unit: Option<String>,
}

/// The type of the frame that the server sends when it shuts down.
pub const GOODBYE: &str = "goodbye";

impl View {
    pub fn new(name: &'static str, groups: impl IntoIterator<Item = Group>) -> Self {
        let groups = groups.into_iter().map(|group| (group, BTreeMap::new()));
        Self {
            name,
            groups: groups.collect(),
            histories: HashMap::new(),
            unit: Vec::new(),
            frames: 0,
        }
    }

    pub fn groups(&self) -> impl Iterator<Item = Group> {
        self.groups.keys().copied()
    }

    /// Applies a frame to the rows. The broadcasts of a unit are applied when its end arrives.
    ///
    /// # Errors
    /// Returns what is wrong with the frame.
    pub fn apply(&mut self, text: &str) -> Result<(), String> {
        let frame: Frame = serde_json::from_str(text).map_err(|e| format!("{text}: {e}"))?;
        if frame.unit.is_some() {
            self.unit.push(frame);
            let pairs = self.unit.windows(2);
            let others = pairs.filter(|pair| pair[0].unit != pair[1].unit).count();
            // A replay also ends the unit in which the client was too slow.
            return if others > 1 {
                Err(format!("{text} is within another unit"))
            } else {
                Ok(())
            };
        }
        let unit = std::mem::take(&mut self.unit);
        let is_end = frame.r#type.as_deref() == Some("unit");
        // The end of a replay is that of its broadcasts, if it has any.
        let is_of_last = unit.last().is_none_or(|part| part.unit == frame.cursor);
        let is_one = unit.windows(2).all(|pair| pair[0].unit == pair[1].unit);
        if unit.is_empty() == is_end || is_end && !is_of_last && !is_one {
            return Err(format!("{text} after {unit:?}"));
        }
        for part in unit {
            let text = format!("{part:?}");
            self.apply_broadcast(part, &text)?;
        }
        if is_end || frame.r#type.as_deref() == Some(GOODBYE) {
            return Ok(());
        }
        self.apply_broadcast(frame, text)
    }

    fn apply_broadcast(&mut self, frame: Frame, text: &str) -> Result<(), String> {
        let (Some(action), Some(card)) = (frame.action, frame.payload) else {
            return Err(format!("{text} is not a broadcast"));
        };
        self.frames += 1;
        let group = match frame.group.iter().flatten().next() {
            Some((key, id)) if key == "pk" => Group::Key(*id),
            Some((_, id)) => Group::List(*id),
            None => *self.groups.keys().next().ok_or("no subscription")?,
        };
        let rows = self
            .groups
            .get_mut(&group)
            .ok_or_else(|| format!("{text} is for a group without a subscription"))?;
        let history = self.histories.entry(card.id).or_default();
        history.last.push_back(text.to_owned());
        if history.last.len() > 24 {
            history.last.pop_front();
        }
        let result = match &*action {
            "CREATED" | "UPDATED" => history.check_present(group, &card),
            "DELETED" => history.check_deleted(group, &card),
            other => Err(format!("{other} is not an action")),
        };
        result.map_err(|error| format!("{error}\n{}", history.frames()))?;
        match &*action {
            "DELETED" => rows.remove(&card.id),
            _ => rows.insert(card.id, card),
        };
        Ok(())
    }

    /// Returns whether the client holds this row.
    pub fn holds(&self, id: i32) -> bool {
        self.groups.values().any(|rows| rows.contains_key(&id))
    }

    /// Returns the differences between the view and the table.
    pub fn differences(&self, table: &[Model]) -> Vec<String> {
        let mut differences = Vec::new();
        for (group, held) in &self.groups {
            let mut rows: BTreeMap<i32, &Model> = table
                .iter()
                .filter(|card| group.holds(card))
                .map(|card| (card.id, card))
                .collect();
            for (id, card) in held {
                let row = rows.remove(id);
                if row != Some(card) {
                    differences.push(self.difference(*group, *id, Some(card), row, table));
                }
            }
            for (id, row) in rows {
                differences.push(self.difference(*group, id, None, Some(row), table));
            }
        }
        differences
    }

    fn difference(
        &self,
        group: Group,
        id: i32,
        held: Option<&Model>,
        row: Option<&Model>,
        table: &[Model],
    ) -> String {
        let anywhere = table.iter().find(|card| card.id == id);
        let frames = self
            .histories
            .get(&id)
            .map(History::frames)
            .unwrap_or_default();
        format!(
            "{}, {group:?}: the client holds {held:?}, the group {row:?}, the table {anywhere:?}; received:\n{frames}",
            self.name
        )
    }
}

impl History {
    /// Checks a frame that creates or updates a row.
    fn check_present(&mut self, group: Group, card: &Model) -> Result<(), String> {
        self.check_state(group, card)?;
        if card.age() < self.newest {
            return Err(format!("the row goes back in time: {card:?}"));
        }
        if let Some(left) = self.left.get(&group)
            && card.age() <= *left
        {
            return Err(format!("the row returns as it was when it left: {card:?}"));
        }
        // A row leaves the group of its key only when it is deleted.
        if let (Group::Key(_), Some((born, _))) = (group, self.left.get(&group))
            && card.born <= *born
        {
            return Err(format!(
                "the row was deleted, but is still updated: {card:?}"
            ));
        }
        self.newest = card.age();
        Ok(())
    }

    /// Checks a frame by which the row leaves the group. Its payload is one of the states that were
    /// in the group, but not always the last one: with concurrent writes that one is unknown.
    fn check_deleted(&mut self, group: Group, card: &Model) -> Result<(), String> {
        self.check_state(group, card)?;
        let left = self.left.entry(group).or_default();
        *left = card.age().max(*left);
        Ok(())
    }

    /// Checks that the row can have been committed in this state.
    fn check_state(&mut self, group: Group, card: &Model) -> Result<(), String> {
        if card.text.starts_with(PHANTOM) {
            return Err(format!("the row was rolled back: {card:?}"));
        }
        if !group.holds(card) {
            return Err(format!("{card:?} is not in {group:?}"));
        }
        let state = (card.list_id, card.text.clone());
        let known = self
            .states
            .entry(card.age())
            .or_insert_with(|| state.clone());
        if *known != state {
            return Err(format!(
                "one version has two states: {known:?} and {card:?}"
            ));
        }
        Ok(())
    }

    fn frames(&self) -> String {
        let lines: Vec<_> = self
            .last
            .iter()
            .map(|text| format!("    {text}\n"))
            .collect();
        lines.concat()
    }
}
