//! When a log may have clients fetch again, and what it survives.

/// What a log promises.
pub struct Rule {
    /// Reasons of resets before anything was killed.
    pub in_calm: &'static [&'static str],
    /// Reasons of resets after something was killed.
    pub after_a_kill: &'static [&'static str],
    /// Whether a server may be killed between its commits and their events.
    pub is_killed_while_written_to: bool,
}

/// `AfterCommit`: what a dead server did not append is found by the others.
pub const REDIS: Rule = Rule {
    in_calm: &[],
    // The last one where the writers are so fast that more happens to a list than a client is told one by one.
    after_a_kill: &["epoch", "expired", "ahead", "node_lost", "bulk", "too_far"],
    is_killed_while_written_to: true,
};

/// `Transactional`: events commit with their rows, and a dead server takes none with it.
pub const OUTBOX: Rule = Rule {
    in_calm: &[],
    after_a_kill: &[],
    is_killed_while_written_to: true,
};

/// Nothing is killed, and nothing is lost.
pub const AWAY: Rule = Rule {
    in_calm: &[],
    after_a_kill: &[],
    is_killed_while_written_to: false,
};
