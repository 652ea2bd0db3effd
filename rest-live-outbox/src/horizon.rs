//! Up to which number all transactions are done: where a subscriber may begin.
//!
//! That is not the last event, and not the last number: a transaction that is still open may have drawn a smaller number,
//! and commits its event later. Who began behind it would never hear of it.

use rest_live_runtime::Cursor;
use sea_orm::sqlx::{self, PgConnection};

use crate::{
    log_state::Life,
    marks::{Holders, Marks},
    statements::Statements,
};

/// What this node has found out.
#[derive(Debug, Default)]
pub(crate) struct Horizon {
    /// Of one life of the log: in another, nothing of this holds.
    life: Option<Life>,
    marks: Marks,
    settled: Option<u64>,
}

/// What is known now.
#[derive(Clone, Debug)]
pub(crate) struct View {
    pub(crate) life: Life,
    /// All up to here is done, whichever statement looks from now on; none where nothing is proven yet.
    pub(crate) settled: Option<u64>,
}

impl View {
    /// Returns a place that is safe to begin at: the last that is proven, or what an earlier node has found, or the
    /// beginning of what is kept.
    pub(crate) fn place(&self) -> u64 {
        let known = self
            .life
            .settled
            .max(self.life.first_retained.saturating_sub(1));
        self.settled
            .unwrap_or_default()
            .max(known.min(self.life.drawn))
    }
}

impl Horizon {
    /// Takes in up to where a tail of this node has yielded all, which proves as much.
    fn hear(&mut self, told: Option<&Cursor>) {
        let life = self.life.as_ref();
        let told = told.filter(|told| life.is_some_and(|life| life.epoch == told.epoch));
        self.settled = self.settled.max(told.map(|told| told.position));
    }

    /// Asks the database: first how many numbers were drawn, then who holds the table, which is the order that proves
    /// something.
    pub(crate) async fn look(
        &mut self,
        connection: &mut PgConnection,
        statements: &Statements,
        told: Option<Cursor>,
    ) -> Result<View, sqlx::Error> {
        let life = life(connection, statements).await?;
        let holders = holders(connection, statements).await?;
        let is_same = self.life.as_ref().is_some_and(|known| {
            // A number that is drawn again is of a log that has lost some.
            known.epoch == life.epoch && known.drawn <= life.drawn
        });
        if !is_same {
            *self = Self::default();
        }
        let settled = self.marks.look(life.drawn, &holders);
        self.settled = self.settled.max(settled);
        self.life = Some(life.clone());
        self.hear(told.filter(|told| told.position <= life.drawn).as_ref());
        Ok(View {
            life,
            settled: self.settled,
        })
    }
}

/// Reads which life of the log it is.
pub(crate) async fn life(
    connection: &mut PgConnection,
    statements: &Statements,
) -> Result<Life, sqlx::Error> {
    let row = sqlx::query(statements.life.to_sql());
    Life::of(&row.fetch_one(connection).await?)
}

/// Reads who holds the table for writing.
pub(crate) async fn holders(
    connection: &mut PgConnection,
    statements: &Statements,
) -> Result<Holders, sqlx::Error> {
    let rows = sqlx::query_as(statements.holders.to_sql());
    let rows: Vec<(String, bool)> = rows.fetch_all(connection).await?;
    let mut holders = Holders::default();
    for (name, is_prepared) in rows {
        let names = match is_prepared {
            true => &mut holders.prepared,
            false => &mut holders.running,
        };
        names.insert(name);
    }
    Ok(holders)
}
