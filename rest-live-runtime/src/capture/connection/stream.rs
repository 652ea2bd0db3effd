//! A stream of rows from a live connection.

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use futures_util::Stream;
use sea_orm::{DbErr, QueryResult, Statement};

use crate::capture::{
    Scope,
    statement::plan::{self, Plan},
};

/// The rows of a statement, as SeaORM streams them. A write that is streamed is told by a reset.
pub struct LiveStream<S> {
    rows: Pin<Box<S>>,
    _reset: Option<ResetAtEnd>,
}

impl<S> LiveStream<S> {
    pub(crate) fn new(rows: S, reset: Option<ResetAtEnd>) -> Self {
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

/// Tells that rows may have changed when it is dropped, which is when the stream has ended.
pub(crate) struct ResetAtEnd {
    scope: Arc<Scope>,
    models: Vec<usize>,
}

impl ResetAtEnd {
    /// Returns what a streamed statement leaves to tell.
    pub(crate) fn of(scope: &Arc<Scope>, statement: &Statement) -> Option<Self> {
        // How it ends, only who reads it will know.
        scope.may_have_failed();
        match plan::of_text(scope, &statement.sql) {
            Plan::Unknown { models, .. } => Some(Self {
                scope: Arc::clone(scope),
                models,
            }),
            Plan::Pass | Plan::Returning(_) | Plan::FromHooks { .. } => None,
        }
    }
}

impl Drop for ResetAtEnd {
    fn drop(&mut self) {
        self.scope.record_resets_later(&self.models);
    }
}
