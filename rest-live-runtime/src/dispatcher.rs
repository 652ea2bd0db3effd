//! Tails the log and hands each event to the hub: one task of a node. It waits for the log only.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use futures_util::{StreamExt, stream::BoxStream};
use serde_json::value::RawValue;
use tokio::sync::watch;

use crate::{
    change::{Change, Side, changes},
    declaration::Serializer,
    dialect::plain,
    event::{Action, Event},
    frame::Frame,
    hub::Hub,
    log::{Entry, Tail},
    registry::Registry,
};

/// Runs until the log ends. `progress` follows the position up to which all is with the sessions.
pub(crate) async fn run(
    mut tail: BoxStream<'static, Tail>,
    registry: Arc<Registry>,
    hub: Arc<Hub>,
    progress: watch::Sender<u64>,
) {
    while let Some(tail) = tail.next().await {
        match tail {
            Tail::Entries(entries) => {
                for Entry { position, event } in entries {
                    // Reading a row's columns is the application's code, too.
                    let dispatched = catch_unwind(AssertUnwindSafe(|| {
                        dispatch(&event, position, &registry, &hub);
                    }));
                    if dispatched.is_err() {
                        let model = &*event.model;
                        tracing::error!(model, "an event was not dispatched: a column panicked");
                    }
                    progress.send_replace(position);
                    // The sessions' turn: an outbox fills up only if its client is slow, not
                    // because a transaction was large.
                    tokio::task::yield_now().await;
                }
            }
            Tail::Reset(cursor) => {
                tracing::warn!(%cursor, "events were lost: every subscriber is told to reset");
                hub.reset(cursor.position);
                progress.send_replace(cursor.position);
            }
        }
    }
    tracing::debug!("the event log ended, and with it the dispatcher");
}

fn dispatch(event: &Event, position: u64, registry: &Registry, hub: &Hub) {
    let Some(model) = registry.labelled(&event.model) else {
        return;
    };
    let mut encoder = Encoder {
        model: &model.label,
        payloads: Vec::new(),
        frames: Vec::new(),
    };
    for change in changes(model, event) {
        let subscribers = hub.subscribers(&change.group, position);
        if !subscribers.is_empty()
            && let Some(frame) = encoder.frame(&change)
        {
            subscribers
                .iter()
                .for_each(|outbox| outbox.push(frame.clone()));
        }
    }
}

/// Serialises each row once a serializer and encodes each frame once.
struct Encoder<'e> {
    model: &'e str,
    payloads: Vec<(&'e str, Side, Option<Box<RawValue>>)>,
    frames: Vec<(&'e str, Side, Action, Frame)>,
}

impl<'e> Encoder<'e> {
    /// Returns the frame of a change, or `None` if its serializer failed, which is logged.
    fn frame(&mut self, change: &Change<'e>) -> Option<Frame> {
        let (name, side, action) = (
            change.shown_by.serializer.name.as_str(),
            change.side,
            change.action,
        );
        if let Some((.., frame)) = self
            .frames
            .iter()
            .find(|f| (f.0, f.1, f.2) == (name, side, action))
        {
            return Some(frame.clone());
        }
        let frame = plain::broadcast(self.model, self.payload(change)?, action);
        self.frames.push((name, side, action, frame.clone()));
        Some(frame)
    }

    fn payload(&mut self, change: &Change<'e>) -> Option<&RawValue> {
        let (name, side) = (change.shown_by.serializer.name.as_str(), change.side);
        let known = self
            .payloads
            .iter()
            .position(|p| (p.0, p.1) == (name, side));
        let place = known.unwrap_or_else(|| {
            self.payloads
                .push((name, side, serialise(&change.shown_by.serializer, change)));
            self.payloads.len() - 1
        });
        self.payloads[place].2.as_deref()
    }
}

fn serialise(serializer: &Serializer, change: &Change<'_>) -> Option<Box<RawValue>> {
    let error = match catch_unwind(AssertUnwindSafe(|| (serializer.serialise)(change.row))) {
        Ok(Ok(payload)) => return Some(payload),
        Ok(Err(error)) => error.to_string(),
        Err(panic) => format!("it panicked: {}", panic_message(&*panic)),
    };
    tracing::error!(
        serializer = serializer.name,
        error,
        "a row could not be serialised: its subscribers get no frame"
    );
    None
}

fn panic_message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
}
