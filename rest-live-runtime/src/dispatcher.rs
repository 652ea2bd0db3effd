//! Tails the log and hands each event to the subscribers: one task of a node. It waits for the log
//! only.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use futures_util::{StreamExt, stream::BoxStream};
use tokio::sync::watch;

use crate::{
    change::{Change, changes},
    code::CloseCode,
    cursor::Cursor,
    encoder::Encoder,
    event::{Action, Event},
    hub::Hub,
    log::{Entry, Tail},
    metrics::Metrics,
    registry::{ModelEntry, Registry},
};

/// What a dispatcher works with.
pub(crate) struct Dispatcher {
    pub(crate) registry: Arc<Registry>,
    pub(crate) hub: Arc<Hub>,
    pub(crate) metrics: Arc<Metrics>,
    /// Follows the place up to which all is with the sessions.
    pub(crate) progress: watch::Sender<Option<Cursor>>,
}

impl Dispatcher {
    /// Runs until the log ends.
    pub(crate) async fn run(self, mut tail: BoxStream<'static, Tail>) {
        while let Some(tail) = tail.next().await {
            match tail {
                Tail::Begin(cursor) => {
                    self.hub.dispatching(&cursor);
                    self.progress.send_replace(Some(cursor));
                }
                Tail::Entries(entries) => {
                    for Entry { cursor, event } in entries {
                        self.take(&event, &cursor);
                        // The sessions' turn: an outbox fills up only if its client is slow, not
                        // because a transaction was large.
                        tokio::task::yield_now().await;
                    }
                }
                Tail::Reset(cursor) => {
                    tracing::warn!(%cursor, "events were lost: every subscriber is told to reset");
                    self.hub.reset(&cursor);
                    self.progress.send_replace(Some(cursor));
                }
            }
        }
        tracing::error!("the event log has ended: every connection is closed");
        self.hub.close(CloseCode::Internal);
    }

    fn take(&self, event: &Event, cursor: &Cursor) {
        self.metrics.events.increment(1);
        self.hub.dispatching(cursor);
        // Reading a row's columns is the application's code, too.
        let dispatched = catch_unwind(AssertUnwindSafe(|| self.dispatch(event, cursor)));
        if dispatched.is_err() {
            let model = &*event.model;
            tracing::error!(model, "an event was not dispatched: a column panicked");
            self.metrics.panics.increment(1);
        }
        self.progress.send_replace(Some(cursor.clone()));
    }

    /// Tells each subscriber what it sees.
    ///
    /// Disappearances leave first: the plain dialect does not say which group a frame is about, so a
    /// client in both groups of a row that moves must end with the row, not without it.
    fn dispatch(&self, event: &Event, cursor: &Cursor) {
        let Some(model) = self.registry.labelled(&event.model) else {
            return;
        };
        let subscribed: Vec<_> = changes(model, event)
            .map(|change| {
                let subscribers = self.hub.subscribers(&change.group, cursor.position);
                (change, subscribers)
            })
            .filter(|(_, subscribers)| !subscribers.is_empty())
            .collect();
        let is_alone = subscribed.len() == 1;
        let mut encoder = Encoder::new(model, event, cursor, &self.metrics);
        let mut later = Vec::new();
        for (change, subscribers) in &subscribed {
            let seen_by_all = change.seen_by_all();
            encoder.begin();
            for subscription in subscribers {
                let granted = subscription.standing.granted();
                let seen = seen_by_all.or_else(|| change.seen_by(&subscription.user, granted));
                let Some(variant) = seen else { continue };
                let is_first = is_alone || variant.action == Action::Deleted;
                encoder.frames(change, variant, subscription, |frame| match is_first {
                    true => subscription
                        .outbox
                        .publish(frame, &subscription.standing, granted),
                    false => later.push((subscription, frame, granted)),
                });
            }
            self.report_panics(model, change);
        }
        for (subscription, frame, granted) in later {
            subscription
                .outbox
                .publish(frame, &subscription.standing, granted);
        }
    }

    fn report_panics(&self, model: &ModelEntry, change: &Change<'_>) {
        let panics = change.panics.get();
        if panics > 0 {
            let (model, group_key) = (&*model.label, change.entry.key);
            tracing::error!(
                model,
                group_key,
                panics,
                "check_permission panicked: who it was asked about is not told of a change"
            );
            self.metrics.panics.increment(panics.into());
        }
    }
}
