//! A stream of rows from a live connection or transaction.

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use futures_util::Stream;
use sea_orm::{DbErr, QueryResult, Statement};

use crate::{
    capture::{
        EventSink,
        statement::plan::{Plan, SwitchPlan},
    },
    publish::open_writes::OpenWrite,
};

/// The rows of a statement, as SeaORM streams them. If the statement writes, the subscribers of its
/// models receive a reset after the stream is dropped.
pub struct LiveStream<S> {
    rows: Pin<Box<S>>,
    _reset: Option<ResetOnDrop>,
}

impl<S> LiveStream<S> {
    pub(crate) fn new(rows: S, reset: Option<ResetOnDrop>) -> Self {
        Self {
            rows: Box::pin(rows),
            _reset: reset,
        }
    }
}

impl<S: Stream<Item = Result<QueryResult, DbErr>>> Stream for LiveStream<S> {
    type Item = Result<QueryResult, DbErr>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.rows.as_mut().poll_next(context)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.rows.size_hint()
    }
}

impl<S> fmt::Debug for LiveStream<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LiveStream")
    }
}

/// Resets the models that a streamed statement may write when it is dropped: once the stream has
/// ended.
pub(crate) struct ResetOnDrop {
    sink: Arc<EventSink>,
    models: Vec<usize>,
    /// `None` in a transaction, whose commit is announced.
    open: Option<OpenWrite>,
}

impl ResetOnDrop {
    /// Returns the guard of a streamed statement, `None` if the statement writes no subscribed
    /// table; and how the statement switches the schema.
    pub(crate) fn for_statement(
        sink: &Arc<EventSink>,
        statement: &Statement,
    ) -> (Option<Self>, Option<SwitchPlan>) {
        // Only the reader of the stream will learn whether the statement fails.
        sink.note_possible_failure();
        let plan = Plan::for_raw(sink, &statement.sql);
        let models = plan.model_indices();
        let reset = (!models.is_empty()).then(|| Self {
            open: sink.begin_streamed_write(),
            sink: Arc::clone(sink),
            models,
        });
        let switch = match plan {
            Plan::Switch(plan) => Some(plan),
            _ => None,
        };
        (reset, switch)
    }
}

impl ResetOnDrop {
    /// Waits until the log has the announcement of the write.
    pub(crate) async fn announced(&mut self) {
        if let Some(open) = &mut self.open {
            open.announced().await;
        }
    }
}

impl Drop for ResetOnDrop {
    fn drop(&mut self) {
        self.sink.record_resets_later(&self.models);
        if let Some(open) = self.open.take() {
            open.end();
        }
    }
}
