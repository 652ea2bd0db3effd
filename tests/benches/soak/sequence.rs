//! What comes, against what was written: each save of a row in list 1 has the next number, and rows that are deleted go in
//! the order in which they were created.

use std::collections::VecDeque;

use serde::Deserialize;

use super::dialect::MODEL;

/// A broadcast, in any dialect.
#[derive(Deserialize)]
struct Broadcast {
    r#type: Option<String>,
    model: String,
    action: Action,
    #[serde(alias = "instance")]
    payload: Shown,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum Action {
    Created,
    Updated,
    Deleted,
}

#[derive(Deserialize)]
struct Shown {
    id: i32,
    /// Of a row that is deleted the dialect 0.7 shows its key only.
    text: Option<String>,
}

/// How far a client has come.
#[derive(Default)]
pub struct Sequence {
    pub last: u64,
    /// Rows that were created, and are to be deleted.
    created: VecDeque<i32>,
    pub frames: u64,
}

impl Sequence {
    /// Takes a frame in; an error says what is wrong with it.
    pub fn take(&mut self, text: &str) -> Result<(), String> {
        let last = self.last;
        let wrong = |what: &str| {
            let shown: String = text.chars().take(200).collect();
            Err(format!("{what} behind {last}: {}", shown.trim_end()))
        };
        self.frames += 1;
        let Ok(broadcast) = serde_json::from_str::<Broadcast>(text) else {
            return wrong("no broadcast");
        };
        if broadcast.model != MODEL || broadcast.r#type.is_some_and(|name| name != "broadcast") {
            return wrong("something else");
        }
        let Shown { id, text } = broadcast.payload;
        let number = text.and_then(|text| text.trim_end().parse::<u64>().ok());
        match (broadcast.action, number) {
            (Action::Deleted, _) if self.created.pop_front() == Some(id) => return Ok(()),
            (Action::Created, Some(number)) if number == last + 1 => self.created.push_back(id),
            (Action::Updated, Some(number)) if number == last + 1 => {}
            (Action::Deleted, _) => return wrong("another row is deleted"),
            (_, Some(number)) if number <= last => return wrong("a number again"),
            _ => return wrong("a number is missing"),
        }
        self.last += 1;
        Ok(())
    }

    /// Returns whether all came, up to this number.
    pub fn is_whole(&self, last: u64) -> bool {
        self.last == last && self.created.is_empty()
    }
}
