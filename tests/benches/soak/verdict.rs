//! The result of a check of the server.

use std::fmt;

pub struct Verdict {
    name: &'static str,
    /// `None`: the run does not allow a verdict.
    holds: Option<bool>,
    details: String,
}

impl Verdict {
    pub fn new(name: &'static str, holds: bool, details: String) -> Self {
        Self {
            name,
            holds: Some(holds),
            details,
        }
    }

    pub fn unjudged(name: &'static str, details: String) -> Self {
        Self {
            name,
            holds: None,
            details,
        }
    }

    pub fn fails(&self) -> bool {
        self.holds == Some(false)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let holds = match self.holds {
            Some(true) => "ok",
            Some(false) => "FAILED",
            None => "-",
        };
        write!(f, "{:<14} {holds:<7} {}", self.name, self.details)
    }
}
