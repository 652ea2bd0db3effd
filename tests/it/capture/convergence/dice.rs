//! What is random, of one writer: the same again with the same seed. In which order the writers come is not.

use fastrand::Rng;
use sea_orm::IsolationLevel;

use super::write::{Kind, WEIGHTS};
use crate::support::Engine;

/// The keys that are chosen: 1 to this. The first few are hot.
pub const KEYS: i32 = 40;
const HOT_KEYS: i32 = 4;

/// The lists that rows are in: 1 to this.
pub const LISTS: i32 = 5;

/// How the text begins of all that will be rolled back.
pub const PHANTOM: &str = "phantom";

pub struct Dice {
    rng: Rng,
    pub engine: Engine,
    writer: u64,
    texts: u32,
}

/// What becomes of a transaction or a savepoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Kept,
    /// Kept, and nobody waits until it is.
    KeptUnheard,
    RolledBack,
    Dropped,
}

impl Fate {
    /// Returns whether nothing is kept.
    pub fn is_doom(self) -> bool {
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

    pub fn upto(&mut self, n: u32) -> u32 {
        self.rng.u32(1..=n)
    }

    pub fn id(&mut self) -> i32 {
        match self.one_in(2) {
            true => self.rng.i32(1..=HOT_KEYS),
            false => self.rng.i32(1..=KEYS),
        }
    }

    pub fn list_id(&mut self) -> i32 {
        self.rng.i32(1..=LISTS)
    }

    /// Returns a text. Most are unique; some are a word, so that now and then a write sets what is there already.
    pub fn text(&mut self, is_doomed: bool) -> String {
        self.texts += 1;
        let (writer, n) = (self.writer, self.texts);
        match is_doomed {
            true => format!("{PHANTOM} {writer}-{n}"),
            false if self.one_in(4) => "word".to_owned(),
            false => format!("{writer}-{n}"),
        }
    }

    pub fn kind(&mut self) -> Kind {
        loop {
            let sum: u32 = WEIGHTS.iter().map(|(_, weight)| weight).sum();
            let mut place = self.rng.u32(..sum);
            let drawn = WEIGHTS.iter().find(|(_, weight)| {
                let is_it = place < *weight;
                place = place.wrapping_sub(*weight);
                is_it
            });
            let kind = drawn.map_or(Kind::Update, |(kind, _)| *kind);
            if kind.is_exact_on(self.engine) {
                return kind;
            }
        }
    }

    pub fn fate(&mut self) -> Fate {
        match self.rng.u32(..20) {
            0..9 => Fate::Kept,
            9..16 => Fate::RolledBack,
            _ => Fate::Dropped,
        }
    }

    /// Returns the isolation level of a transaction; without one it is the database's default.
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
