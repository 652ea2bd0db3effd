//! What a client holds that knows nothing but its frames, and what it must never be told.

use std::collections::{BTreeMap, HashMap, VecDeque};

use serde::Deserialize;

use super::{card::Model, dice::PHANTOM};

/// What a client is subscribed to, and how it tells one subscription from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Group {
    Key(i32),
    List(i32),
    /// Several lists, in a dialect whose frames do not say which of them they are of.
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
    /// Of each subscription the rows that it holds.
    groups: BTreeMap<Group, BTreeMap<i32, Model>>,
    told: HashMap<i32, Told>,
    pub frames: u64,
}

/// What a client was told of one key.
#[derive(Debug, Default)]
struct Told {
    /// The newest state.
    newest: (i64, i64),
    /// The state that is the newest which left a group, by the group.
    left: HashMap<Group, (i64, i64)>,
    /// What was in the row with each version.
    states: HashMap<(i64, i64), (i32, String)>,
    /// The last frames, for who looks for the mistake.
    last: VecDeque<String>,
}

/// A broadcast in v1 or in the plain dialect.
#[derive(Debug, Deserialize)]
struct Frame {
    r#type: Option<String>,
    group: Option<HashMap<String, i32>>,
    action: Option<String>,
    payload: Option<Model>,
}

/// What the server says at its shutdown.
pub const GOODBYE: &str = "goodbye";

impl View {
    pub fn new(name: &'static str, groups: impl IntoIterator<Item = Group>) -> Self {
        let groups = groups.into_iter().map(|group| (group, BTreeMap::new()));
        Self {
            name,
            groups: groups.collect(),
            told: HashMap::new(),
            frames: 0,
        }
    }

    pub fn groups(&self) -> impl Iterator<Item = Group> {
        self.groups.keys().copied()
    }

    /// Takes in a frame.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn take(&mut self, text: &str) -> Result<(), String> {
        let frame: Frame = serde_json::from_str(text).map_err(|e| format!("{text}: {e}"))?;
        if frame.r#type.as_deref() == Some(GOODBYE) {
            return Ok(());
        }
        let (Some(action), Some(card)) = (frame.action, frame.payload) else {
            return Err(format!("{text} came, which is no broadcast"));
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
            .ok_or_else(|| format!("{text} is of a group that nobody subscribed to"))?;
        let told = self.told.entry(card.id).or_default();
        told.last.push_back(text.to_owned());
        if told.last.len() > 24 {
            told.last.pop_front();
        }
        let mistake = match &*action {
            "CREATED" | "UPDATED" => told.shown(group, &card),
            "DELETED" => told.left(group, &card),
            other => Err(format!("{other} is no action")),
        };
        mistake.map_err(|mistake| format!("{mistake}\n{}", told.history()))?;
        match &*action {
            "DELETED" => rows.remove(&card.id),
            _ => rows.insert(card.id, card),
        };
        Ok(())
    }

    /// Returns whether this row, which all subscribers see, has come.
    pub fn holds(&self, id: i32) -> bool {
        self.groups.values().any(|rows| rows.contains_key(&id))
    }

    /// Returns in what the view differs from the table.
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
        let history = self.told.get(&id).map(Told::history).unwrap_or_default();
        format!(
            "{}, {group:?}: {held:?} is held, {row:?} is there, the row is {anywhere:?}; told was\n{history}",
            self.name
        )
    }
}

impl Told {
    /// Checks a frame that shows the row as it is.
    fn shown(&mut self, group: Group, card: &Model) -> Result<(), String> {
        self.is_possible(group, card)?;
        if card.age() < self.newest {
            return Err(format!("the row goes back in time: {card:?}"));
        }
        if let Some(left) = self.left.get(&group)
            && card.age() <= *left
        {
            return Err(format!("the row is back as it was when it left: {card:?}"));
        }
        // By its key a row leaves only when it is deleted.
        if let (Group::Key(_), Some((born, _))) = (group, self.left.get(&group))
            && card.born <= *born
        {
            return Err(format!("the row was deleted, and lives on: {card:?}"));
        }
        self.newest = card.age();
        Ok(())
    }

    /// Checks a frame that says that the row has left the group. What it shows is one of the states that
    /// were in it, and not always the last: where writes overlap nobody knows which that is.
    fn left(&mut self, group: Group, card: &Model) -> Result<(), String> {
        self.is_possible(group, card)?;
        let left = self.left.entry(group).or_default();
        *left = card.age().max(*left);
        Ok(())
    }

    /// Checks that it is a state in which the row can have been committed.
    fn is_possible(&mut self, group: Group, card: &Model) -> Result<(), String> {
        if card.text.starts_with(PHANTOM) {
            return Err(format!("it was rolled back: {card:?}"));
        }
        if !group.holds(card) {
            return Err(format!("{card:?} is not of {group:?}"));
        }
        let state = (card.list_id, card.text.clone());
        let known = self
            .states
            .entry(card.age())
            .or_insert_with(|| state.clone());
        if *known != state {
            return Err(format!(
                "one version is two states: {known:?}, and {card:?}"
            ));
        }
        Ok(())
    }

    fn history(&self) -> String {
        let lines: Vec<_> = self
            .last
            .iter()
            .map(|text| format!("    {text}\n"))
            .collect();
        lines.concat()
    }
}
