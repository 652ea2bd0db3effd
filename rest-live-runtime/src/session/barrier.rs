//! Waits until the log is published up to a cursor, or up to its present.

use std::error::Error;

use tokio::sync::watch;

use super::context::SessionContext;
use crate::{
    data::cursor::Cursor,
    hub::published::Published,
    log::{Present, ReadError},
};

/// Why a place in the log was not reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotReached {
    /// No event of the log has this cursor: it is of another epoch, or ahead of the log.
    UnknownCursor,
    /// The log cannot be reached.
    Unavailable,
    /// The dispatcher has ended.
    Ended,
}

impl SessionContext {
    /// Waits until everything that was committed before this call, on any node, is in the queues of
    /// the sessions and in the history. Does not wait for rows that are read again: they come
    /// later, in a state that is not older.
    ///
    /// # Cancel safety
    /// Safe: it changes nothing.
    pub(super) async fn reach_present(&self) -> Result<(), NotReached> {
        let _demand = self.hub.demand_log();
        let mut published = self.published.clone();
        let begin = wait_for(&mut published, |_| true).await?;
        match self.present().await? {
            Present::Position(head) => {
                let is_over = |p: &Published| p.has_left(&begin.cursor.epoch, &head.epoch);
                let reaches = |p: &Published| p.without_withheld().reaches(&head);
                wait_for(&mut published, |p| reaches(p) || is_over(p)).await?;
            }
            Present::Moment(moment) => {
                let reaches = |p: &Published| p.without_withheld().reaches_moment(moment);
                wait_for(&mut published, reaches).await?;
            }
        }
        Ok(())
    }

    /// Waits until everything up to a cursor is in the queues of the sessions. Without a cursor,
    /// waits for everything that was committed before this call, on any node.
    ///
    /// # Cancel safety
    /// Safe: it changes nothing.
    pub(super) async fn reach(&self, cursor: Option<&Cursor>) -> Result<(), NotReached> {
        let published = self.published.clone();
        if let (Some(cursor), Some(published)) = (cursor, &*published.borrow())
            && published.reaches(cursor)
        {
            return Ok(());
        }
        // A log that no client waits for is read from time to time only.
        let _demand = self.hub.demand_log();
        self.follow(published, cursor).await
    }

    async fn follow(
        &self,
        mut published: watch::Receiver<Option<Published>>,
        cursor: Option<&Cursor>,
    ) -> Result<(), NotReached> {
        // The tail of a log begins before anything else can be known of it.
        let begin = wait_for(&mut published, |_| true).await?;
        match self.present().await? {
            Present::Position(head) => {
                let is_known = |cursor: &Cursor| {
                    cursor.epoch == head.epoch && cursor.position <= head.position
                };
                if !cursor.is_none_or(is_known) {
                    return Err(NotReached::UnknownCursor);
                }
                let target = cursor.unwrap_or(&head);
                let is_over = |p: &Published| p.has_left(&begin.cursor.epoch, &target.epoch);
                let reached = wait_for(&mut published, |p| p.reaches(target) || is_over(p)).await?;
                if cursor.is_some() && is_over(&reached) {
                    return Err(NotReached::UnknownCursor);
                }
            }
            Present::Moment(moment) => {
                let reaches =
                    |published: &Published| cursor.is_some_and(|cursor| published.reaches(cursor));
                let reached = wait_for(&mut published, |published| {
                    reaches(published) || published.reaches_moment(moment)
                });
                let is_past = reaches(&reached.await?);
                // Otherwise a transaction that is open may still own a position up to the cursor.
                if let Some(cursor) = cursor
                    && !is_past
                {
                    match self.log.read(cursor.clone(), 1).await {
                        Ok(_) | Err(ReadError::Expired) => {}
                        Err(ReadError::Epoch | ReadError::Ahead) => {
                            return Err(NotReached::UnknownCursor);
                        }
                        Err(ReadError::Unavailable(_)) => return Err(NotReached::Unavailable),
                    }
                }
            }
        }
        Ok(())
    }

    /// Returns the present of the log. Callers share requests.
    async fn present(&self) -> Result<Present, NotReached> {
        if let Some(head) = self.log.known_head() {
            return Ok(Present::Position(head));
        }
        let ask = async {
            let present = self.log.present().await;
            present
                .inspect_err(|error| {
                    let error = error as &dyn Error;
                    tracing::debug!(error, "the present of the event log cannot be read");
                })
                .ok()
        };
        self.present
            .answer(ask)
            .await
            .ok_or(NotReached::Unavailable)
    }
}

/// Waits until enough is published, and returns how far that is.
async fn wait_for(
    published: &mut watch::Receiver<Option<Published>>,
    is_enough: impl Fn(&Published) -> bool,
) -> Result<Published, NotReached> {
    let reached = published.wait_for(|published| published.as_ref().is_some_and(&is_enough));
    let reached = reached.await.map_err(|_| NotReached::Ended)?;
    reached.clone().ok_or(NotReached::Ended)
}
