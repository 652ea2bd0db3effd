//! Which resets a log may cause, and which kills it survives.

/// The guarantees of a log.
pub struct Rule {
    /// Allowed reasons of resets before anything is killed.
    pub in_calm: &'static [&'static str],
    /// Allowed reasons of resets after a kill.
    pub after_a_kill: &'static [&'static str],
    /// Whether a server may be killed between its commits and their events.
    pub allows_kill_during_writes: bool,
}

/// `AfterCommit`: the other servers find out that a dead server may not have appended its events.
pub const REDIS: Rule = Rule {
    in_calm: &[],
    // `too_far` happens if fast writers make more changes of a list than a client may replay.
    after_a_kill: &["epoch", "expired", "ahead", "node_lost", "bulk", "too_far"],
    allows_kill_during_writes: true,
};

/// `Transactional`: events commit with their rows, so a dead server loses none.
pub const OUTBOX: Rule = Rule {
    in_calm: &[],
    after_a_kill: &[],
    allows_kill_during_writes: true,
};

/// Nothing is killed, so nothing may be lost.
pub const OUTAGE: Rule = Rule {
    in_calm: &[],
    after_a_kill: &[],
    allows_kill_during_writes: false,
};
