//! Up to which number all transactions are done: where a subscriber may begin.
//!
//! That is not the last event, and not the last number: a transaction that is still open may have last_drawn a smaller number,
//! and commits its event later. Who began behind it would never hear of it.

use rest_live_runtime::Cursor;
use sea_orm::sqlx::{self, PgConnection};

use crate::{
    log_state::LogState,
    marks::{LockHolders, Marks},
    statements::Statements,
};

/// What this node has found out.
#[derive(Debug, Default)]
pub(crate) struct HorizonTracker {
    /// Of one life of the log: in another, nothing of this holds.
    state: Option<LogState>,
    marks: Marks,
    position: Option<u64>,
}

/// What is known now.
#[derive(Clone, Debug)]
pub(crate) struct Horizon {
    pub(crate) state: LogState,
    /// All up to here is done, whichever statement looks from now on; none where nothing is proven yet.
    pub(crate) position: Option<u64>,
}

impl Horizon {
    /// Returns a place that is safe to begin at: the last that is proven, or what an earlier node has found, or the
    /// beginning of what is kept.
    pub(crate) fn start_position(&self) -> u64 {
        let known = self
            .state
            .horizon
            .max(self.state.first_retained.saturating_sub(1));
        self.position
            .unwrap_or_default()
            .max(known.min(self.state.last_drawn))
    }
}

impl HorizonTracker {
    /// Takes in up to where a tail of this node has yielded all, which proves as much.
    fn raise(&mut self, watermark: Option<&Cursor>) {
        let state = self.state.as_ref();
        let watermark =
            watermark.filter(|watermark| state.is_some_and(|state| state.epoch == watermark.epoch));
        self.position = self
            .position
            .max(watermark.map(|watermark| watermark.position));
    }

    /// Asks the database: first how many numbers were last_drawn, then who holds the table, which is the order that proves
    /// something.
    pub(crate) async fn update(
        &mut self,
        connection: &mut PgConnection,
        statements: &Statements,
        watermark: Option<Cursor>,
    ) -> Result<Horizon, sqlx::Error> {
        let state = read_state(connection, statements).await?;
        let holders = read_lock_holders(connection, statements).await?;
        let is_continued = self.state.as_ref().is_some_and(|known| {
            // A number that is last_drawn again is of a log that has lost some.
            known.epoch == state.epoch && known.last_drawn <= state.last_drawn
        });
        if !is_continued {
            *self = Self::default();
        }
        let proven = self.marks.observe(state.last_drawn, &holders);
        self.position = self.position.max(proven);
        self.state = Some(state.clone());
        self.raise(
            watermark
                .filter(|watermark| watermark.position <= state.last_drawn)
                .as_ref(),
        );
        Ok(Horizon {
            state,
            position: self.position,
        })
    }
}

/// Reads which life of the log it is.
pub(crate) async fn read_state(
    connection: &mut PgConnection,
    statements: &Statements,
) -> Result<LogState, sqlx::Error> {
    let row = sqlx::query(statements.state.to_sql());
    LogState::from_row(&row.fetch_one(connection).await?)
}

/// Reads who holds the table for writing.
pub(crate) async fn read_lock_holders(
    connection: &mut PgConnection,
    statements: &Statements,
) -> Result<LockHolders, sqlx::Error> {
    let rows = sqlx::query_as(statements.lock_holders.to_sql());
    let rows: Vec<(String, bool)> = rows.fetch_all(connection).await?;
    let mut holders = LockHolders::default();
    for (name, is_prepared) in rows {
        let names = if is_prepared {
            &mut holders.prepared
        } else {
            &mut holders.running
        };
        names.insert(name);
    }
    Ok(holders)
}
