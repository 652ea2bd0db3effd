//! What was done, for who reads the test's output, and to know that enough was.

use std::{collections::BTreeMap, fmt};

use sea_orm::{DbErr, RuntimeErr, SqlErr, SqlxError};

use super::write::Kind;

#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Turns of the writers.
    pub operations: u32,
    /// Those of which all was rolled back.
    pub rolled_back: u32,
    pub given_up: u32,
    pub savepoints: u32,
    /// Of each kind how many were carried out, and how many were refused.
    pub writes: BTreeMap<Kind, [u32; 2]>,
    refusals: BTreeMap<&'static str, u32>,
}

/// Why the database refuses what it may refuse where many write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// There was nothing to do: no database takes notice.
    Nothing(&'static str),
    /// PostgreSQL takes nothing more before the end of the savepoint or the transaction.
    Statement(&'static str),
    /// The same, and in MariaDB the transaction is rolled back.
    Transaction(&'static str),
}

impl Refusal {
    /// Returns why the database refused.
    ///
    /// # Panics
    /// If it is no reason that this test gives.
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
            // SQLite: busy, and busy since a snapshot that others have written after.
            "5" | "517" => Self::Statement("busy"),
            // MariaDB, after a deadlock.
            "42000" if message.contains("SAVEPOINT") => Self::Transaction("no such savepoint"),
            _ => panic!("{error:?} ({code}) is no refusal that was expected of {during:?}"),
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
    pub fn wrote(&mut self, kind: Kind, result: &Result<(), Refusal>) {
        self.writes.entry(kind).or_default()[usize::from(result.is_err())] += 1;
        if let Err(refusal) = result {
            self.refused(*refusal);
        }
    }

    pub fn refused(&mut self, refusal: Refusal) {
        *self.refusals.entry(refusal.as_str()).or_default() += 1;
    }

    pub fn add(&mut self, other: &Self) {
        self.operations += other.operations;
        self.rolled_back += other.rolled_back;
        self.given_up += other.given_up;
        self.savepoints += other.savepoints;
        for (kind, [done, refused]) in &other.writes {
            let sums = self.writes.entry(*kind).or_default();
            sums[0] += done;
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
            "{} operations: {} rolled back, {} given up; {} savepoints",
            self.operations, self.rolled_back, self.given_up, self.savepoints
        )?;
        for (kind, [done, refused]) in &self.writes {
            write!(f, "{kind:?} {done}+{refused}, ")?;
        }
        write!(f, "refused: {:?}", self.refusals)
    }
}
