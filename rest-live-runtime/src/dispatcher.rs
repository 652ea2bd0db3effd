//! Tails the log and hands each event to the subscribers: one task of a node. It waits for the log
//! only.

mod unhurried;

use std::{
    collections::HashSet,
    hint::black_box,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::Arc,
};

use futures_util::{StreamExt, stream::BoxStream};
use tokio::sync::watch;

use self::unhurried::unhurried;
use crate::{
    change::{Change, Granted, Variant, changes},
    code::{CloseCode, ResetReason},
    cursor::Cursor,
    dialect::Dialect,
    encoder::Encoder,
    event::{Action, Event, EventKind, RowChange},
    hub::Hub,
    log::{Entry, Tail},
    metrics::Metrics,
    registry::{ModelEntry, Registry},
    subscription::Subscription,
};

/// Subscribers lie all over the memory. So many are looked at before the first of them is told anything:
/// the processor fetches them side by side then, and not one after the other behind each lock.
const AT_ONCE: usize = 32;

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
    pub(crate) async fn run(self, tail: BoxStream<'static, Tail>) {
        let mut tail = pin!(unhurried(tail, self.hub.subscribed()));
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
                    let sessions = self.hub.reset(&cursor);
                    if sessions > 0 {
                        tracing::warn!(%cursor, sessions, "events were lost: who is subscribed is told to reset");
                    }
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
        let dispatched = catch_unwind(AssertUnwindSafe(|| {
            match (self.registry.labelled(&event.model), &event.kind) {
                (Some(model), EventKind::Row(row)) => self.dispatch(model, event, row, cursor),
                (Some(model), EventKind::Reset) => self.reset(model, cursor),
                (None, _) => {}
            }
        }));
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
    fn dispatch(&self, model: &ModelEntry, event: &Event, row: &RowChange, cursor: &Cursor) {
        let subscribed: Vec<_> = changes(model, row)
            .map(|change| {
                let subscribers = self.hub.subscribers(&change.group, cursor.position);
                (change, subscribers)
            })
            .filter(|(_, subscribers)| !subscribers.is_empty())
            .collect();
        let is_alone = subscribed.len() == 1;
        let mut encoder = Encoder::new(model, event, row, cursor, &self.metrics);
        let mut later = Vec::new();
        for (change, subscribers) in &subscribed {
            encoder.begin();
            for (subscription, granted, variant) in seen(change, subscribers) {
                let is_first = is_alone || variant.action == Action::Deleted;
                encoder.frames(change, variant, subscription, |frame| match is_first {
                    true => {
                        let outbox = &subscription.outbox;
                        outbox.publish(frame, &subscription.standing, granted);
                    }
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

    /// Tells the subscribers of a model that rows changed that are not known: in v1 once for each id, in
    /// the other dialects once a connection. It stands among the broadcasts, in its place.
    fn reset(&self, model: &ModelEntry, cursor: &Cursor) {
        let reason = ResetReason::Bulk;
        let subscribers = self.hub.subscribers_of(model, cursor.position);
        let mut told = HashSet::new();
        for subscription in &subscribers {
            let (dialect, outbox) = (subscription.dialect, &subscription.outbox);
            match dialect {
                Dialect::V1 => {
                    let ids = subscription.ids().clone();
                    let frames = ids
                        .iter()
                        .map(|id| dialect.reset(Some(id), &model.label, reason, cursor));
                    let standing = Some(&subscription.standing);
                    outbox.publish_resets(model, frames.collect(), standing);
                }
                Dialect::Plain | Dialect::V0_7 if told.insert(Arc::as_ptr(outbox)) => {
                    let frame = dialect.reset(None, &model.label, reason, cursor);
                    outbox.publish_resets(model, vec![frame], None);
                }
                Dialect::Plain | Dialect::V0_7 => {}
            }
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

/// Returns who sees something of a change, by which grant, and what.
fn seen<'s>(
    change: &Change<'_>,
    subscribers: &'s [Arc<Subscription>],
) -> impl Iterator<Item = (&'s Arc<Subscription>, Granted, Variant)> {
    let seen_by_all = change.seen_by_all();
    let ask = move |subscription: &'s Arc<Subscription>| {
        let granted = subscription.standing.granted();
        let variant = seen_by_all.or_else(|| change.seen_by(&subscription.user, granted))?;
        Some((subscription, granted, variant))
    };
    subscribers.chunks(AT_ONCE).flat_map(move |chunk| {
        black_box(chunk.iter().map(|s| s.touch()).sum::<usize>());
        // All are asked before the first is told: what a permission looks at is fetched side by side, too.
        chunk.iter().filter_map(ask).collect::<Vec<_>>()
    })
}
