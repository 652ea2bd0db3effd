//! Serialises each row of an event once a serializer, and encodes each frame once.

use serde_json::value::RawValue;

use super::change::{Change, Side, Variant};
use crate::{
    data::{
        cursor::Cursor,
        event::{Action, Event, Row, RowChange},
    },
    metrics::Metrics,
    model::{declaration::Serializer, registry::ModelEntry},
    protocol::{
        broadcast::{Broadcast, GroupName},
        dialect::Dialect,
        frame::Frame,
        plain, v0_7, v1,
    },
    user_code,
};

/// What was encoded of one event.
pub(crate) struct Encoder<'e> {
    model: &'e ModelEntry,
    event: &'e Event,
    row: &'e RowChange,
    cursor: &'e Cursor,
    metrics: &'e Metrics,
    /// Number of the change that frames are made of.
    change: usize,
    payloads: Vec<(&'e str, Side, Option<Box<RawValue>>)>,
    encoded: Vec<Encoded<'e>>,
}

/// A frame, or of 0.7 the part that all ids have in common; `None` where the serializer failed.
struct Encoded<'e> {
    serializer: &'e str,
    side: Side,
    action: Action,
    dialect: Dialect,
    /// The change, for frames that name the group.
    change: Option<usize>,
    frame: Option<Frame>,
}

impl<'e> Encoder<'e> {
    pub(crate) fn new(
        model: &'e ModelEntry,
        event: &'e Event,
        row: &'e RowChange,
        cursor: &'e Cursor,
        metrics: &'e Metrics,
    ) -> Self {
        Self {
            model,
            event,
            row,
            cursor,
            metrics,
            change: 0,
            payloads: Vec::new(),
            encoded: Vec::new(),
        }
    }

    /// Goes on to another change.
    pub(crate) fn begin(&mut self) {
        self.change += 1;
    }

    /// Returns how a variant is told in a dialect, of 0.7 what follows the id; `None` if its serializer failed, which is
    /// logged.
    pub(crate) fn frame(
        &mut self,
        change: &Change<'e>,
        variant: Variant,
        dialect: Dialect,
    ) -> Option<Frame> {
        let serializer = &change.entry.shown[variant.serializer].serializer;
        let of_change = (dialect == Dialect::V1).then_some(self.change);
        let known = self.encoded.iter().find(|e| {
            std::ptr::eq(e.serializer, &*serializer.name)
                && (e.side, e.action, e.dialect) == (variant.side, variant.action, dialect)
                && e.change == of_change
        });
        if let Some(known) = known {
            return known.frame.clone();
        }
        let frame = self.encode(change, variant, dialect, serializer);
        self.encoded.push(Encoded {
            serializer: &serializer.name,
            side: variant.side,
            action: variant.action,
            dialect,
            change: of_change,
            frame: frame.clone(),
        });
        frame
    }

    fn encode(
        &mut self,
        change: &Change<'e>,
        variant: Variant,
        dialect: Dialect,
        serializer: &'e Serializer,
    ) -> Option<Frame> {
        let (model, event, row, cursor) = (self.model, self.event, self.row, self.cursor);
        let payload = self.payload(serializer, variant.side, change.row(variant.side)?)?;
        let broadcast = Broadcast {
            model: &model.label,
            group: GroupName {
                key: change.entry.key,
                value: &change.group.value,
            },
            action: variant.action,
            payload,
            cursor,
        };
        Some(match dialect {
            Dialect::Plain => Frame::broadcast(&plain::broadcast(&broadcast), event.captured),
            Dialect::V1 => Frame::broadcast(&v1::broadcast(&broadcast), event.captured),
            Dialect::V0_7 => {
                let ending = v0_7::broadcast(&broadcast, &row.key, &model.pk_columns);
                Frame::ending(ending, event.captured)
            }
        })
    }

    fn payload(&mut self, serializer: &'e Serializer, side: Side, row: &Row) -> Option<&RawValue> {
        let name = &*serializer.name;
        let known = self
            .payloads
            .iter()
            .position(|p| std::ptr::eq(p.0, name) && p.1 == side);
        let place = known.unwrap_or_else(|| {
            let payload = serialise(serializer, row, self.metrics);
            self.payloads.push((name, side, payload));
            self.payloads.len() - 1
        });
        self.payloads[place].2.as_deref()
    }
}

fn serialise(serializer: &Serializer, row: &Row, metrics: &Metrics) -> Option<Box<RawValue>> {
    let error = match user_code::call(|| (serializer.serialise)(row)) {
        Ok(Ok(payload)) => return Some(payload),
        Ok(Err(error)) => error.to_string(),
        Err(panicked) => {
            metrics.panics.increment(1);
            panicked.to_string()
        }
    };
    let serializer = &*serializer.name;
    tracing::error!(
        serializer,
        error,
        "a row could not be serialised: its subscribers get no frame"
    );
    None
}
