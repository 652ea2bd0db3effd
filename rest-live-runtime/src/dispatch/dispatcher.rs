//! The task of a node that reads the log and publishes each event to the hub. It waits for the log,
//! and for the writers to catch up; it waits for no socket.

use std::{pin::pin, sync::Arc, time::Instant as StdInstant};

use futures_util::{StreamExt, stream::BoxStream};
use tokio::{
    sync::watch,
    time::{Instant, timeout_at},
};

use super::{
    batch::Batch,
    change::{Change, group_changes, moves},
    conflicts::{ConflictDetector, Reread, Verdict},
    delivery::delivery,
    encoder::Encoder,
    history::History,
    idle_tail::idle_tail,
    replay::Replays,
    units::{PositionedEvent, arrange, units},
    withheld::WithheldRows,
};
use crate::{
    data::{
        cursor::{Cursor, EventPosition},
        event::{Action, Event, EventKind, RowChange},
    },
    hub::{
        Hub,
        groups::{audience::Publication, broadcast_frame::Unit},
        published::Published,
    },
    log::{Entry, Tail},
    metrics::Metrics,
    model::registry::{ModelEntry, Registry},
    protocol::code::{CloseCode, ResetReason},
    publish::publisher::Publisher,
    user_code,
};

/// What the dispatcher needs.
pub(crate) struct Dispatcher {
    pub(crate) registry: Arc<Registry>,
    pub(crate) hub: Arc<Hub>,
    pub(crate) history: Arc<History>,
    pub(crate) replays: Arc<Replays>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) publisher: Arc<Publisher>,
    /// Whether other nodes may append in another order than they write.
    pub(crate) detects_conflicts: bool,
    /// Maximum size of the rows that are remembered to detect conflicts.
    pub(crate) max_conflict_bytes: usize,
    /// How far the log is published.
    pub(crate) published: watch::Sender<Option<Published>>,
}

impl Dispatcher {
    /// Runs until the log ends. Then it closes every connection, because it can publish no change.
    pub(crate) async fn run(self, tail: BoxStream<'static, Tail>) {
        match user_code::call_async(self.follow(tail)).await {
            Ok(()) => tracing::error!(
                "the tail of the event log has ended: all connections, also new ones, are closed with 1011. Restart this server"
            ),
            Err(panicked) => {
                tracing::error!(
                    %panicked,
                    "the dispatcher panicked: all connections, also new ones, are closed with 1011. Restart this server"
                );
            }
        }
        self.hub.close(CloseCode::Internal);
    }

    async fn follow(&self, tail: BoxStream<'static, Tail>) {
        let mut tail = pin!(idle_tail(tail, self.hub.is_log_awaited()));
        let mut conflicts = None;
        let begin = |cursor: &Cursor| {
            let order = &self.publisher.order;
            order.set_read_cursor(cursor.clone());
            let node = Arc::clone(&self.publisher.node);
            let (capacity, max_bytes) = (ConflictDetector::CAPACITY, self.max_conflict_bytes);
            self.detects_conflicts
                .then(|| ConflictDetector::new(node, cursor.clone(), capacity, max_bytes))
        };
        let mut withheld = WithheldRows::default();
        loop {
            let tail = match withheld.next_due() {
                None => tail.next().await,
                Some(due) => match timeout_at(due, tail.next()).await {
                    Ok(tail) => tail,
                    Err(_) => {
                        self.reread_withheld(&mut withheld);
                        continue;
                    }
                },
            };
            let Some(tail) = tail else { return };
            match tail {
                Tail::Begin(cursor) => {
                    conflicts = begin(&cursor);
                    self.hub.begin(&cursor, self.forget(&cursor));
                    self.published.send_replace(Some(Published::begin(cursor)));
                }
                Tail::Entries {
                    entries,
                    watermark,
                    as_of,
                } => {
                    // Otherwise the item only says that nothing was committed.
                    if !entries.is_empty() || self.has_moved(&watermark) {
                        let conflicts = conflicts.as_mut();
                        let events = self.resolve(&entries, &watermark, conflicts, &mut withheld);
                        self.dispatch(&events, &watermark).await;
                    }
                    self.complete(watermark, as_of, withheld.first());
                }
                Tail::Reset(cursor) => {
                    withheld.clear();
                    conflicts = begin(&cursor);
                    self.reset(cursor, ResetReason::Lagged);
                }
                Tail::NodeLost(cursor) => {
                    withheld.clear();
                    self.reset(cursor, ResetReason::NodeLost);
                }
                Tail::Away => {
                    tracing::warn!(
                        "the event log cannot be reached: clients receive no changes until it is back"
                    );
                    self.set_away(true);
                }
                Tail::Back => {
                    tracing::info!("the event log can be reached again");
                    self.set_away(false);
                }
            }
        }
    }

    /// Reads rows again whose events are withheld, and whose writer should have read them by now.
    fn reread_withheld(&self, withheld: &mut WithheldRows) {
        for due in withheld.take_due(Instant::now()) {
            self.publisher.reread(due.row, due.known_rows, due.creates);
        }
    }

    /// Returns the events of the log that are published, by unit. An event that conflicts with
    /// another node's is withheld; its own node reads the row again. So such an event leaves its
    /// unit, and the row comes later and alone.
    fn resolve(
        &self,
        entries: &[Entry],
        watermark: &Cursor,
        mut conflicts: Option<&mut ConflictDetector>,
        withheld: &mut WithheldRows,
    ) -> Vec<PositionedEvent> {
        let mut events = Vec::with_capacity(entries.len());
        let mut rereads = Vec::new();
        for entry in entries {
            let (mut event, source) = entry.event.resolve(&self.registry);
            let verdict = match &mut conflicts {
                Some(conflicts) => conflicts.check(entry.position, &event, &source),
                None => Verdict::Publish,
            };
            match verdict {
                Verdict::Publish | Verdict::PublishAsUpdate => {
                    if let Verdict::PublishAsUpdate = verdict {
                        event = Arc::new(Event::clone(&event).with_action(Action::Updated));
                    }
                    if !withheld.is_empty() {
                        match event.as_row() {
                            Some(change) => {
                                let row = event.row_id(&change.key);
                                let (began, new) = (source.began.as_ref(), change.new.as_ref());
                                withheld.published(&row, began, new);
                            }
                            None => withheld.model_reset(&event.scoped_model(), entry.position),
                        }
                    }
                }
                Verdict::Withhold(reread) => {
                    let Reread {
                        row,
                        known_rows,
                        creates,
                    } = reread;
                    withheld.add(row, entry.position, known_rows, creates, Instant::now());
                    continue;
                }
                Verdict::Reread(reread) => {
                    let Reread {
                        row,
                        known_rows,
                        creates,
                    } = reread;
                    withheld.add_own(row.clone(), entry.position);
                    if self.publisher.mark_for_reread(&row, known_rows, creates) {
                        rereads.push(row);
                    }
                    continue;
                }
            }
            let event = PositionedEvent::new(entry, event, watermark, &self.registry);
            events.push(event);
        }
        let events = arrange(events, watermark, &self.registry);
        self.publisher.order.set_read_cursor(watermark.clone());
        // After it: otherwise the rows that are read would seem to conflict with all these events.
        for row in rereads {
            self.publisher.start_reread(row);
        }
        events
    }

    /// Forgets everything before a cursor. Returns the number of this batch.
    fn forget(&self, cursor: &Cursor) -> u64 {
        self.replays.clear();
        self.history.restart(cursor.clone())
    }

    fn reset(&self, cursor: Cursor, reason: ResetReason) {
        let sessions = self.hub.reset(&cursor, self.forget(&cursor), reason);
        if sessions > 0 {
            tracing::warn!(
                %cursor,
                sessions,
                reason = reason.as_str(),
                "events were lost: all subscribers receive a reset and fetch again"
            );
        }
        self.hub.set_stale(false);
        self.published.send_modify(|published| {
            // The reset covers what was committed before that moment.
            let as_of = published.as_ref().and_then(|published| published.as_of);
            *published = Some(Published {
                as_of,
                ..Published::begin(cursor)
            });
        });
    }

    /// Returns whether a cursor is another one than the last that was published.
    fn has_moved(&self, watermark: &Cursor) -> bool {
        let published = self.published.borrow();
        published
            .as_ref()
            .is_none_or(|published| published.cursor != *watermark)
    }

    /// Records that an item of the tail is published.
    fn complete(&self, watermark: Cursor, as_of: Option<StdInstant>, first_withheld: Option<u64>) {
        self.published.send_modify(|published| {
            let before = published.as_ref();
            *published = Some(Published {
                cursor: watermark,
                as_of: as_of.max(before.and_then(|published| published.as_of)),
                first_withheld,
                is_away: before.is_some_and(|published| published.is_away),
            });
        });
    }

    /// Records whether the log has been unreachable for some seconds.
    fn set_away(&self, is_away: bool) {
        // Before the sessions learn it: a client that resumes because of it must also be stale.
        self.hub.set_stale(is_away);
        self.published.send_modify(|published| {
            if let Some(published) = published {
                published.is_away = is_away;
            }
        });
    }

    /// Publishes events: those of one unit together, or in as few parts as the limits allow.
    async fn dispatch(&self, events: &[PositionedEvent], watermark: &Cursor) {
        // First the history: a client that resumes meanwhile reads the events from there.
        let appended = events
            .iter()
            .map(|event| (event.at.position, Arc::clone(&event.event)));
        let batch_id = self.history.append(appended);
        for shard in self.hub.shards() {
            shard.with(|state| state.begin_batch(watermark, batch_id, events.len()));
        }
        let mut batch = Batch::new(self.hub.shards().len());
        for unit in units(events) {
            if !batch.has_room_for(self.hub.limits(), unit.len()) {
                self.publish(&mut batch, false).await;
            }
            self.add_unit(unit, &mut batch).await;
            if batch.is_full(self.hub.limits()) {
                self.publish(&mut batch, false).await;
            }
        }
        self.publish(&mut batch, true).await;
    }

    /// Adds the events of a unit to a batch. If the unit exceeds the limits, publishes it in parts.
    async fn add_unit(&self, events: &[PositionedEvent], batch: &mut Batch) {
        let Some(last) = events.last() else { return };
        let rows = events.iter().filter(|e| e.event.as_row().is_some()).count();
        let unit = (rows > 1).then(|| Unit::new(last.at.cursor.clone()));
        let mut is_open = false;
        for (index, event) in events.iter().enumerate() {
            if index > 0 && batch.is_full(self.hub.limits()) {
                if let Some(unit) = &unit {
                    batch.open_unit(unit, &event.at);
                    is_open = true;
                }
                self.publish(batch, false).await;
            }
            self.metrics.events.increment(1);
            let before = batch.events();
            // Dropping an audience may drop the last handle of a user, which is application code.
            let encode = || self.encode(event, unit.as_ref(), batch);
            if let Err(panicked) = user_code::call(encode) {
                let model = &event.event.model;
                tracing::error!(
                    model = &**model,
                    %panicked,
                    "the application's code panicked while an event was dispatched: unless the change was already encoded, the model's subscribers receive a reset"
                );
                self.metrics.panics.increment(1);
                // Not encoded: what changed is not known to the subscribers.
                if batch.events() == before {
                    batch.add_reset(&event.event.scoped_model(), &event.at);
                }
            }
        }
        if is_open {
            batch.end_unit(&last.at);
        }
    }

    /// Publishes a batch to each shard when its writer has caught up: a client that reads must not
    /// lag because a transaction was large.
    async fn publish(&self, batch: &mut Batch, is_end: bool) {
        for (shard, events) in self.hub.shards().iter().zip(batch.take()) {
            if !events.is_empty() {
                shard.room().await;
                shard.with(|state| {
                    for (event, at) in events {
                        state.publish(event, &at);
                    }
                    if is_end {
                        state.end_batch();
                    }
                });
            }
        }
        tokio::task::yield_now().await;
    }

    /// Decides what each shard's subscribers receive for an event, and encodes it.
    fn encode(&self, event: &PositionedEvent, unit: Option<&Arc<Unit>>, batch: &mut Batch) {
        let PositionedEvent { at, event, .. } = event;
        let Some(model) = self.registry.model_by_label(&event.model) else {
            return;
        };
        match &event.kind {
            EventKind::Row(row) => self.encode_row(model, event, row, (at, unit), batch),
            EventKind::Reset => batch.add_reset(&event.scoped_model(), at),
        }
    }

    fn encode_row(
        &self,
        model: &ModelEntry,
        event: &Event,
        row: &RowChange,
        (at, unit): (&EventPosition, Option<&Arc<Unit>>),
        batch: &mut Batch,
    ) {
        let changes = match group_changes(model, event.scope.as_ref(), row) {
            Ok(changes) => changes,
            Err(unknown) => {
                let consequence = "the model's subscribers receive a reset";
                unknown.report(model, consequence, &self.metrics);
                return batch.add_reset(&event.scoped_model(), at);
            }
        };
        // A row that moves between two groups leaves one and enters the other together.
        let moved = (unit.is_none() && moves(&changes)).then(|| Unit::new(at.cursor.clone()));
        let shards = self.hub.shards().iter();
        let audiences = shards.map(|shard| {
            shard.with(|state| {
                let audience = |change: &Change<'_>| {
                    let same_for_all = change.common_variant().is_some();
                    state.audience(&change.group, same_for_all)
                };
                changes.iter().map(audience).collect::<Vec<_>>()
            })
        });
        let audiences: Vec<_> = audiences.collect();
        let encoder = Encoder::new(model, event, row, &at.cursor, &self.metrics);
        let mut encoder = encoder.in_unit(unit.or(moved.as_ref()));
        let mut publications: Vec<Vec<_>> = audiences.iter().map(|_| Vec::new()).collect();
        for (index, change) in changes.iter().enumerate() {
            encoder.begin_change();
            let deliveries = audiences
                .iter()
                .map(|of_shard| delivery(&mut encoder, change, &of_shard[index]));
            let deliveries: Vec<_> = deliveries.collect();
            if deliveries.iter().any(Option::is_some) {
                let frames = encoder.take_frames();
                for (publications, delivery) in publications.iter_mut().zip(deliveries) {
                    publications.extend(delivery.map(|delivery| Publication {
                        group: change.group.clone(),
                        frames: Arc::clone(&frames),
                        delivery,
                    }));
                }
            }
            change.report_panics(model, &self.metrics);
        }
        batch.add_row(publications, at);
    }
}
