//! An event as it leaves the process: text, and the names of columns.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// An event as it is written to a log outside of the process, and read by each node. A trigger of the database may write
/// one, too.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StoredEvent {
    /// Label of the model, `todolist.Task`.
    pub model: String,
    /// What happened.
    #[serde(rename = "op")]
    pub operation: Operation,
    /// The primary key in JSON, an array where it is composite. It may be left out where there is a row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Box<RawValue>>,
    /// The rows before, each an object of its columns: see [`RowChange`](crate::RowChange).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub old: Vec<Box<RawValue>>,
    /// The row after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new: Option<Box<RawValue>>,
    /// When it was captured, in microseconds since 1970.
    #[serde(rename = "at")]
    pub captured: u64,
    /// The node that wrote it; none where it was a trigger.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// Up to which cursor the node had read the log before the write began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub began: Option<String>,
}

/// What a stored event says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Operation {
    /// A row was inserted.
    #[serde(rename = "I")]
    Insert,
    /// A row was updated.
    #[serde(rename = "U")]
    Update,
    /// A row was deleted.
    #[serde(rename = "D")]
    Delete,
    /// Rows of the model changed that are not known: TRUNCATE, or what capture could not tell.
    #[serde(rename = "T")]
    Reset,
}

impl Operation {
    /// Returns the letter that stands for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Insert => "I",
            Self::Update => "U",
            Self::Delete => "D",
            Self::Reset => "T",
        }
    }

    /// Returns what a letter stands for.
    pub fn from_letter(letter: &str) -> Option<Self> {
        let all = [Self::Insert, Self::Update, Self::Delete, Self::Reset];
        all.into_iter()
            .find(|operation| operation.as_str() == letter)
    }
}
