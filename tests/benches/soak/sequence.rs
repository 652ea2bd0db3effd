//! Checks the received frames against the writes. Each save of a row in list 1 has the next number,
//! and created rows are deleted in the order of their creation.

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
    payload: Payload,
    unit: Option<String>,
}

/// The message after the broadcasts of a transaction, in v1.
#[derive(Deserialize)]
struct UnitEnd {
    r#type: String,
    cursor: String,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum Action {
    Created,
    Updated,
    Deleted,
}

#[derive(Deserialize)]
struct Payload {
    id: i32,
    /// In 0.7, a deleted row has only its key.
    text: Option<String>,
}

/// The progress of a client.
#[derive(Default)]
pub struct Sequence {
    /// The last number that was received.
    pub last: u64,
    /// Rows that were created and not yet deleted.
    created: VecDeque<i32>,
    /// The unit whose end has not arrived.
    unit: Option<String>,
    pub frames: u64,
}

impl Sequence {
    /// Checks the next frame. The error describes what is wrong with it.
    pub fn check(&mut self, text: &str) -> Result<(), String> {
        let last = self.last;
        let wrong = |problem: &str| {
            let beginning: String = text.chars().take(200).collect();
            Err(format!("{problem} after {last}: {}", beginning.trim_end()))
        };
        if let Ok(end) = serde_json::from_str::<UnitEnd>(text)
            && end.r#type == "unit"
        {
            if self.unit.take() != Some(end.cursor) {
                return wrong("the end of another unit");
            }
            return Ok(());
        }
        self.frames += 1;
        if text.starts_with(r#"{"type":"unit""#) {
            return Ok(());
        }
        let Ok(broadcast) = serde_json::from_str::<Broadcast>(text) else {
            return wrong("not a broadcast");
        };
        if broadcast.model != MODEL || broadcast.r#type.is_some_and(|name| name != "broadcast") {
            return wrong("an unexpected frame");
        }
        if self.unit.is_some() && self.unit != broadcast.unit {
            return wrong("a broadcast within another unit");
        }
        self.unit = broadcast.unit;
        let Payload { id, text } = broadcast.payload;
        let number = text.and_then(|text| text.trim_end().parse::<u64>().ok());
        match (broadcast.action, number) {
            (Action::Deleted, _) if self.created.pop_front() == Some(id) => return Ok(()),
            (Action::Created, Some(number)) if number == last + 1 => self.created.push_back(id),
            (Action::Updated, Some(number)) if number == last + 1 => {}
            (Action::Deleted, _) => return wrong("the wrong row was deleted"),
            (_, Some(number)) if number <= last => return wrong("a repeated number"),
            _ => return wrong("a missing number"),
        }
        self.last += 1;
        Ok(())
    }

    /// Returns whether all frames up to this number have arrived.
    pub fn is_complete(&self, last: u64) -> bool {
        self.last == last && self.created.is_empty() && self.unit.is_none()
    }
}
