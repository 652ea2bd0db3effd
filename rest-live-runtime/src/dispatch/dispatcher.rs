//! Tails the log and hands each event to the subscribers: one task of a node. It waits for the log, and for the sockets to
//! have their turns.

use std::{pin::pin, sync::Arc};

use futures_util::{StreamExt, stream::BoxStream};
use tokio::sync::watch;

use super::{
    batch::Batch,
    change::{Change, changes},
    conflicts::{ConflictDetector, Verdict},
    encoder::Encoder,
    history::History,
    idle_tail::unhurried,
    replay::Replays,
    telling::Telling,
};
use crate::{
    data::{
        cursor::{Cursor, EventPosition},
        event::{Event, EventKind, RowChange},
    },
    hub::{
        Hub,
        shard::{Audience, Publication},
    },
    log::{Entry, Tail},
    metrics::Metrics,
    model::registry::{ModelEntry, Registry},
    protocol::code::{CloseCode, ResetReason},
    publish::publisher::Publisher,
    user_code,
};

/// An event that the log has.
struct PositionedEvent {
    at: EventPosition,
    event: Arc<Event>,
}

/// What a dispatcher works with.
pub(crate) struct Dispatcher {
    pub(crate) registry: Arc<Registry>,
    pub(crate) hub: Arc<Hub>,
    pub(crate) history: Arc<History>,
    pub(crate) replays: Arc<Replays>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) publisher: Arc<Publisher>,
    /// Whether other nodes append to the log in an order that nobody knows.
    pub(crate) orders: bool,
    /// Follows the place up to which all is with the sessions.
    pub(crate) progress: watch::Sender<Option<Cursor>>,
}

impl Dispatcher {
    /// Runs until the log ends. Then every connection is closed, for nothing more is told.
    pub(crate) async fn run(self, tail: BoxStream<'static, Tail>) {
        match user_code::call_async(self.follow(tail)).await {
            Ok(()) => tracing::error!("the event log has ended: every connection is closed"),
            Err(panicked) => {
                tracing::error!(%panicked, "the dispatcher panicked: every connection is closed")
            }
        }
        self.hub.close(CloseCode::Internal);
    }

    async fn follow(&self, tail: BoxStream<'static, Tail>) {
        let mut tail = pin!(unhurried(tail, self.hub.subscribed()));
        let mut overlaps = None;
        let begin = |cursor: &Cursor| {
            let order = &self.publisher.order;
            order.read_up_to(cursor.clone());
            let node = Arc::clone(&self.publisher.node);
            self.orders
                .then(|| ConflictDetector::new(node, cursor.clone(), ConflictDetector::CAPACITY))
        };
        while let Some(tail) = tail.next().await {
            match tail {
                Tail::Begin(cursor) => {
                    overlaps = begin(&cursor);
                    self.hub.begin(&cursor, self.forget(&cursor));
                    self.progress.send_replace(Some(cursor));
                }
                Tail::Entries { entries, watermark } => {
                    let happened = self.happened(&entries, &watermark, overlaps.as_mut());
                    self.hand_out(&happened, &watermark).await;
                }
                Tail::Reset(cursor) => {
                    overlaps = begin(&cursor);
                    self.reset(cursor, ResetReason::Lagged);
                }
                Tail::NodeLost(cursor) => self.reset(cursor, ResetReason::NodeLost),
                Tail::Away => {
                    tracing::warn!("the event log cannot be reached: changes are told when it can");
                    self.hub.set_stale(true);
                }
                Tail::Back => {
                    tracing::info!("the event log can be reached again");
                    self.hub.set_stale(false);
                }
            }
        }
    }

    /// Returns what is to be told of what the log has.
    fn happened(
        &self,
        entries: &[Entry],
        watermark: &Cursor,
        mut overlaps: Option<&mut ConflictDetector>,
    ) -> Vec<PositionedEvent> {
        let mut happened = Vec::with_capacity(entries.len());
        let mut unsettled = Vec::new();
        for entry in entries {
            let (event, origin) = entry.event.resolve(&self.registry);
            let verdict = match &mut overlaps {
                Some(overlaps) => overlaps.take(entry.position, &event, &origin),
                None => Verdict::Publish,
            };
            match verdict {
                Verdict::Publish => {}
                Verdict::Withhold => continue,
                Verdict::Reread(row, named) => {
                    if self.publisher.unsettle(&row, named) {
                        unsettled.push(row);
                    }
                    continue;
                }
            }
            let at = EventPosition::new(entry.position, watermark);
            happened.push(PositionedEvent { at, event });
        }
        self.publisher.order.read_up_to(watermark.clone());
        // Behind that: else what is read would seem to overlap with all this.
        for row in unsettled {
            self.publisher.begin_to_settle(row);
        }
        happened
    }

    /// Forgets what happened before a place. Returns the number of this batch.
    fn forget(&self, cursor: &Cursor) -> u64 {
        self.replays.clear();
        self.history.begin(cursor.clone())
    }

    fn reset(&self, cursor: Cursor, reason: ResetReason) {
        let sessions = self.hub.reset(&cursor, self.forget(&cursor), reason);
        if sessions > 0 {
            tracing::warn!(%cursor, sessions, reason = reason.as_str(), "events were lost: who is subscribed is told to reset");
        }
        self.hub.set_stale(false);
        self.progress.send_replace(Some(cursor));
    }

    /// Tells each subscriber what it sees of some events: what was committed together in as few parts as there is room for.
    async fn hand_out(&self, happened: &[PositionedEvent], watermark: &Cursor) {
        // Before anybody can be told: who comes back meanwhile is told by it.
        let events = happened.iter();
        let turn = self
            .history
            .keep(events.map(|h| (h.at.position, Arc::clone(&h.event))));
        for shard in self.hub.shards() {
            shard.with(|shard| shard.dispatching(watermark, turn, happened.len()));
        }
        let mut gathered = Batch::new(self.hub.shards().len());
        for entry in happened {
            self.metrics.events.increment(1);
            // A user that nobody else has may go with its audience, and its end is the application's code.
            let before = gathered.events();
            let told = user_code::call(|| self.tell(entry, &mut gathered));
            if told.is_err() {
                let model = &entry.event.model;
                tracing::error!(
                    model = &**model,
                    "an event was not dispatched: the application's code panicked"
                );
                self.metrics.panics.increment(1);
                // Never silence.
                if gathered.events() == before {
                    gathered.add_reset(model, &entry.at);
                }
            }
            if gathered.is_much(self.hub.limits()) {
                self.publish(&mut gathered).await;
            }
        }
        self.publish(&mut gathered).await;
        self.progress.send_replace(Some(watermark.clone()));
    }

    /// Hands to the shards what was gathered, as soon as their sockets have had their turns. A client that reads does not lag
    /// because a transaction was large.
    async fn publish(&self, gathered: &mut Batch) {
        for (shard, happenings) in self.hub.shards().iter().zip(gathered.take()) {
            if !happenings.is_empty() {
                shard.room().await;
                shard.with(|shard| {
                    for (happening, at) in happenings {
                        shard.publish(happening, &at);
                    }
                });
            }
        }
        tokio::task::yield_now().await;
    }

    /// Decides and encodes what each shard's subscribers are told of an event.
    fn tell(&self, happened: &PositionedEvent, gathered: &mut Batch) {
        let PositionedEvent { at, event } = happened;
        let Some(model) = self.registry.labelled(&event.model) else {
            return;
        };
        match &event.kind {
            EventKind::Row(row) => self.tell_row(model, event, row, at, gathered),
            EventKind::Reset => gathered.add_reset(&model.label, at),
        }
    }

    fn tell_row(
        &self,
        model: &ModelEntry,
        event: &Event,
        row: &RowChange,
        at: &EventPosition,
        gathered: &mut Batch,
    ) {
        let changes: Vec<_> = changes(model, row).collect();
        let shards = self.hub.shards().iter();
        let audiences = shards.map(|shard| {
            shard.with(|shard| {
                let audience = |change: &Change<'_>| {
                    let is_same_for_all = change.seen_by_all().is_some();
                    shard.audience(&change.group, is_same_for_all)
                };
                let audiences: Vec<_> = changes.iter().map(audience).collect();
                audiences.into_iter()
            })
        });
        let mut audiences: Vec<_> = audiences.collect();
        let mut encoder = Encoder::new(model, event, row, &at.cursor, &self.metrics);
        let mut publications: Vec<Vec<_>> = audiences.iter().map(|_| Vec::new()).collect();
        for change in &changes {
            let mut telling = Telling::new(&mut encoder, change);
            let tos = audiences.iter_mut().map(|of_shard| {
                let audience = of_shard.next().unwrap_or(Audience::Nobody);
                telling.to(audience)
            });
            let tos: Vec<_> = tos.collect();
            if tos.iter().any(Option::is_some) {
                let told = telling.told();
                for (publications, to) in publications.iter_mut().zip(tos) {
                    publications.extend(to.map(|to| Publication {
                        group: change.group.clone(),
                        told: Arc::clone(&told),
                        to,
                    }));
                }
            }
            change.report_panics(model, &self.metrics);
        }
        gathered.add_rows(publications, at);
    }
}
