//! The form of an event outside the process: texts and the names of columns.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// An event in the form in which it is written to a log outside the process.
///
/// Every node reads this form. Triggers of the database can also write it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StoredEvent {
    /// The label of the model, such as `todolist.Task`.
    pub model: String,
    /// What happened.
    #[serde(rename = "op")]
    pub operation: Operation,
    /// The primary key as JSON, an array if it is composite. It may be `None` if there is a row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Box<RawValue>>,
    /// The old rows, each as an object of its columns: see
    /// [`RowChange::old`](crate::RowChange::old).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub old: Vec<Box<RawValue>>,
    /// The new row: see [`RowChange::new`](crate::RowChange::new).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new: Option<Box<RawValue>>,
    /// The name of its [`Scope`](crate::Scope), if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// When it was captured, in microseconds since the Unix epoch.
    #[serde(rename = "at")]
    pub captured: u64,
    /// The node that wrote it, or `None` for a trigger.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// The cursor up to which the node had read the log before the write began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub began: Option<String>,
    /// Number of events that follow it in its unit, if the log needs it to find the unit's end.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub following: u64,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// What happened in a stored event.
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
    /// Unknown rows of the model changed, for example by TRUNCATE.
    #[serde(rename = "T")]
    Reset,
}

impl Operation {
    /// Returns the letter of the operation.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Insert => "I",
            Self::Update => "U",
            Self::Delete => "D",
            Self::Reset => "T",
        }
    }

    /// Returns the operation with this letter.
    pub fn from_letter(letter: &str) -> Option<Self> {
        [Self::Insert, Self::Update, Self::Delete, Self::Reset]
            .into_iter()
            .find(|operation| operation.as_str() == letter)
    }
}
