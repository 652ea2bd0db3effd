//! The random choices of one writer: the same seed gives the same choices. The order of the writers
//! is up to the scheduler.

use fastrand::Rng;
use sea_orm::IsolationLevel;

use super::write::{Kind, WEIGHTS};
use crate::support::Engine;

/// Largest key that is chosen; the smallest is 1. The first few are chosen most often.
pub const KEYS: i32 = 40;
const HOT_KEYS: i32 = 4;

/// Largest list id; the smallest is 1.
pub const LISTS: i32 = 5;

/// Prefix of the text of every row that will be rolled back.
pub const PHANTOM: &str = "phantom";

pub struct Dice {
    rng: Rng,
    pub engine: Engine,
    writer: u64,
    texts: u32,
}

/// How a transaction or a savepoint ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Committed,
    /// Committed, but the future of the commit is dropped.
    CommitAbandoned,
    RolledBack,
    Dropped,
}

impl Fate {
    /// Returns whether all its writes are undone.
    pub fn is_rollback(self) -> bool {
        matches!(self, Self::RolledBack | Self::Dropped)
    }
}

impl Dice {
    pub fn new(engine: Engine, seed: u64, writer: u64) -> Self {
        Self {
            rng: Rng::with_seed(seed.wrapping_mul(31).wrapping_add(writer)),
            engine,
            writer,
            texts: 0,
        }
    }

    pub fn one_in(&mut self, n: u32) -> bool {
        self.rng.u32(..n) == 0
    }

    pub fn up_to(&mut self, n: u32) -> u32 {
        self.rng.u32(1..=n)
    }

    pub fn id(&mut self) -> i32 {
        if self.one_in(2) {
            self.rng.i32(1..=HOT_KEYS)
        } else {
            self.rng.i32(1..=KEYS)
        }
    }

    pub fn list_id(&mut self) -> i32 {
        self.rng.i32(1..=LISTS)
    }

    /// Returns a text. Most are unique; some are a fixed word, so that a write sometimes sets the
    /// text that the row already has.
    pub fn text(&mut self, is_doomed: bool) -> String {
        self.texts += 1;
        let (writer, n) = (self.writer, self.texts);
        if is_doomed {
            format!("{PHANTOM} {writer}-{n}")
        } else if self.one_in(4) {
            "word".to_owned()
        } else {
            format!("{writer}-{n}")
        }
    }

    pub fn kind(&mut self) -> Kind {
        loop {
            let sum: u32 = WEIGHTS.iter().map(|(_, weight)| weight).sum();
            let mut offset = self.rng.u32(..sum);
            let drawn = WEIGHTS.iter().find(|(_, weight)| {
                let is_drawn = offset < *weight;
                offset = offset.wrapping_sub(*weight);
                is_drawn
            });
            let kind = drawn.map_or(Kind::Update, |(kind, _)| *kind);
            if kind.is_exact_on(self.engine) {
                return kind;
            }
        }
    }

    pub fn fate(&mut self) -> Fate {
        match self.rng.u32(..20) {
            0..9 => Fate::Committed,
            9..16 => Fate::RolledBack,
            _ => Fate::Dropped,
        }
    }

    /// Returns the isolation level of a transaction, or `None` for the default of the database.
    pub fn isolation(&mut self) -> Option<IsolationLevel> {
        if self.engine == Engine::Sqlite {
            return None;
        }
        match self.rng.u32(..8) {
            0..2 => Some(IsolationLevel::ReadCommitted),
            2 => Some(IsolationLevel::RepeatableRead),
            3 => Some(IsolationLevel::Serializable),
            _ => None,
        }
    }
}
