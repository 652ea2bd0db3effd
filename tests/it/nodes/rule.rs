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
    after_a_kill: &["epoch", "expired", "ahead", "node_lost", "bulk"],
    is_killed_while_written_to: true,
};

/// `Transactional`, which holds for what the runtime writes into the transactions of the application. As long as it
/// appends behind their commits, a server that is killed between the two takes events with it: when it does so no more,
/// this is `&[]`, `&[]` and `true`.
pub const OUTBOX: Rule = Rule {
    in_calm: &["bulk"],
    after_a_kill: &["bulk"],
    is_killed_while_written_to: false,
};

/// Nothing is killed, and nothing is lost.
pub const AWAY: Rule = Rule {
    in_calm: &[],
    after_a_kill: &[],
    is_killed_while_written_to: false,
};
