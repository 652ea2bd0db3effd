//! The horizon: the largest number such that every transaction that drew it, or a smaller one, has
//! ended. A subscriber may start there.
//!
//! The horizon is neither the last event nor the last number. A transaction that is still open may
//! have drawn a smaller number and commit its event later. A subscriber that started past that
//! number would miss the event.

use rest_live_runtime::Cursor;
use sea_orm::sqlx::{self, PgConnection};

use crate::{
    log_state::LogState,
    marks::{LockHolders, Marks},
    statements::Statements,
};

/// Finds the horizon from successive observations of the database.
#[derive(Debug, Default)]
pub(crate) struct HorizonTracker {
    /// The last state that was read. Marks and position are valid only for its epoch.
    state: Option<LogState>,
    marks: Marks,
    position: Option<u64>,
}

/// The horizon at the moment of an observation.
#[derive(Clone, Debug)]
pub(crate) struct Horizon {
    pub(crate) state: LogState,
    /// The proven horizon: every later statement sees all committed events up to it. `None` until a
    /// first number is proven.
    pub(crate) position: Option<u64>,
}

impl Horizon {
    /// Returns a position at which a subscriber can safely start: the largest of the proven
    /// horizon, the horizon that a node saved earlier, and the position before the first retained
    /// event.
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
    /// Raises the horizon to the watermark of a tail on this node, which proves the same.
    fn raise(&mut self, watermark: Option<&Cursor>) {
        let state = self.state.as_ref();
        let watermark =
            watermark.filter(|watermark| state.is_some_and(|state| state.epoch == watermark.epoch));
        self.position = self
            .position
            .max(watermark.map(|watermark| watermark.position));
    }

    /// Reads the database and updates the horizon. The order of the two queries is essential: the
    /// number must be drawn before the lock holders are read.
    pub(crate) async fn update(
        &mut self,
        connection: &mut PgConnection,
        statements: &Statements,
        watermark: Option<Cursor>,
    ) -> Result<Horizon, sqlx::Error> {
        let state = read_state(connection, statements).await?;
        let holders = read_lock_holders(connection, statements).await?;
        let is_continued = self.state.as_ref().is_some_and(|known| {
            // A number that is drawn again belongs to a log that has lost events.
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

/// Reads the state of the log.
pub(crate) async fn read_state(
    connection: &mut PgConnection,
    statements: &Statements,
) -> Result<LogState, sqlx::Error> {
    let row = sqlx::query(statements.state.to_sql());
    LogState::from_row(&row.fetch_one(connection).await?)
}

/// Reads the transactions that hold a write lock on the event table.
pub(crate) async fn read_lock_holders(
    connection: &mut PgConnection,
    statements: &Statements,
) -> Result<LockHolders, sqlx::Error> {
    let rows: Vec<(String, bool)> = sqlx::query_as(statements.lock_holders.to_sql())
        .fetch_all(connection)
        .await?;
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
