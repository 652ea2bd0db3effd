//! Counts of what the writers did: they are printed, and the test asserts that enough was rolled
//! back.

use std::{collections::BTreeMap, fmt};

use sea_orm::{DbErr, RuntimeErr, SqlErr, SqlxError};

use super::write::Kind;

#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Operations of the writers.
    pub operations: u32,
    /// Operations that were rolled back as a whole.
    pub rolled_back: u32,
    pub abandoned: u32,
    pub savepoints: u32,
    /// For each kind of write, how many were executed, and how many were refused.
    pub writes: BTreeMap<Kind, [u32; 2]>,
    refusals: BTreeMap<&'static str, u32>,
}

/// Why the database may refuse a write or a statement if there are many writers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// There was no such row. This does not affect the transaction.
    Nothing(&'static str),
    /// PostgreSQL accepts no further statement until the end of the savepoint or the transaction.
    Statement(&'static str),
    /// As [`Self::Statement`], and MariaDB rolls the transaction back.
    Transaction(&'static str),
}

impl Refusal {
    /// Returns why the database refused.
    ///
    /// # Panics
    /// If the error is not one that this test can cause.
    pub fn of(error: &DbErr, during: &dyn fmt::Debug) -> Self {
        match error {
            DbErr::RecordNotFound(_) | DbErr::RecordNotUpdated => {
                return Self::Nothing("no such row");
            }
            _ => {}
        }
        if let Some(SqlErr::UniqueConstraintViolation(_)) = error.sql_err() {
            return Self::Statement("the key is taken");
        }
        let (code, message) = code_of(error).unwrap_or_default();
        match &*code {
            // PostgreSQL.
            "40001" | "40P01" => Self::Transaction("deadlock or conflict"),
            "25P02" => Self::Transaction("the transaction failed before"),
            // SQLite: busy, and busy because others have written since the snapshot.
            "5" | "517" => Self::Statement("busy"),
            // MariaDB, after a deadlock.
            "42000" if message.contains("SAVEPOINT") => Self::Transaction("no such savepoint"),
            _ => panic!("unexpected error of {during:?}: {error:?} ({code})"),
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Nothing(why) | Self::Statement(why) | Self::Transaction(why) => why,
        }
    }
}

fn code_of(error: &DbErr) -> Option<(String, String)> {
    let (DbErr::Exec(RuntimeErr::SqlxError(error))
    | DbErr::Query(RuntimeErr::SqlxError(error))
    | DbErr::Conn(RuntimeErr::SqlxError(error))) = error
    else {
        return None;
    };
    let SqlxError::Database(error) = &**error else {
        return None;
    };
    Some((error.code()?.into_owned(), error.message().to_owned()))
}

impl Tally {
    pub fn record_write(&mut self, kind: Kind, result: &Result<(), Refusal>) {
        self.writes.entry(kind).or_default()[usize::from(result.is_err())] += 1;
        if let Err(refusal) = result {
            self.record_refusal(*refusal);
        }
    }

    pub fn record_refusal(&mut self, refusal: Refusal) {
        *self.refusals.entry(refusal.as_str()).or_default() += 1;
    }

    pub fn add(&mut self, other: &Self) {
        self.operations += other.operations;
        self.rolled_back += other.rolled_back;
        self.abandoned += other.abandoned;
        self.savepoints += other.savepoints;
        for (kind, [executed, refused]) in &other.writes {
            let sums = self.writes.entry(*kind).or_default();
            sums[0] += executed;
            sums[1] += refused;
        }
        for (why, count) in &other.refusals {
            *self.refusals.entry(why).or_default() += count;
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} operations: {} rolled back, {} abandoned; {} savepoints",
            self.operations, self.rolled_back, self.abandoned, self.savepoints
        )?;
        for (kind, [executed, refused]) in &self.writes {
            write!(f, "{kind:?} {executed}+{refused}, ")?;
        }
        write!(f, "refused: {:?}", self.refusals)
    }
}
