//! What is asked of the server, and whether it was so.

use std::fmt;

pub struct Verdict {
    what: &'static str,
    /// Nothing where nobody can say.
    holds: Option<bool>,
    says: String,
}

impl Verdict {
    pub fn new(what: &'static str, holds: bool, says: String) -> Self {
        Self {
            what,
            holds: Some(holds),
            says,
        }
    }

    pub fn unjudged(what: &'static str, says: String) -> Self {
        Self {
            what,
            holds: None,
            says,
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
        write!(f, "{:<14} {holds:<7} {}", self.what, self.says)
    }
}
