//! Serializes each row of an event once for each serializer, and encodes each frame once, for all
//! shards and subscribers.

use std::{mem, sync::Arc};

use serde_json::value::RawValue;

use super::change::{Change, RowVersion, Variant};
use crate::{
    data::{
        cursor::Cursor,
        event::{Action, Event, Row, RowChange},
    },
    hub::groups::broadcast_frame::{BroadcastFrame, FrameIndex, Unit},
    metrics::Metrics,
    model::{description::Serializer, registry::ModelEntry},
    protocol::{
        broadcast::{Broadcast, GroupName},
        dialect::Dialect,
        frame::Frame,
        plain, v0_7, v1,
    },
    user_code,
};

/// Encodes one event, and keeps what it has encoded.
pub(crate) struct Encoder<'e> {
    model: &'e ModelEntry,
    event: &'e Event,
    row_change: &'e RowChange,
    cursor: &'e Cursor,
    /// The unit of the event, if it does not stand alone.
    unit: Option<&'e Arc<Unit>>,
    metrics: &'e Metrics,
    /// Number of the current change; 0 before the first.
    change: usize,
    /// The frames of the current change.
    frames: Vec<BroadcastFrame>,
    payloads: Vec<Payload<'e>>,
    encoded: Vec<Encoded<'e>>,
}

/// A serialized row; `None` if the serializer failed.
struct Payload<'e> {
    serializer: &'e str,
    version: RowVersion,
    json: Option<Box<RawValue>>,
}

/// A frame, or in 0.7 the part that all ids share; `None` if the serializer failed.
struct Encoded<'e> {
    serializer: &'e str,
    version: RowVersion,
    action: Action,
    dialect: Dialect,
    /// The change, for frames that name the group.
    change: Option<usize>,
    frame: Option<Frame>,
    /// The last change that uses the frame, and the index among its frames.
    used: Option<(usize, FrameIndex)>,
}

impl<'e> Encoder<'e> {
    pub(crate) fn new(
        model: &'e ModelEntry,
        event: &'e Event,
        row_change: &'e RowChange,
        cursor: &'e Cursor,
        metrics: &'e Metrics,
    ) -> Self {
        Self {
            model,
            event,
            row_change,
            cursor,
            unit: None,
            metrics,
            change: 0,
            frames: Vec::new(),
            payloads: Vec::new(),
            encoded: Vec::new(),
        }
    }

    /// Lets the frames name a unit.
    pub(crate) fn in_unit(self, unit: Option<&'e Arc<Unit>>) -> Self {
        Self { unit, ..self }
    }

    /// Begins another change.
    pub(crate) fn begin_change(&mut self) {
        self.change += 1;
    }

    /// Takes the frames of the current change.
    pub(crate) fn take_frames(&mut self) -> Arc<[BroadcastFrame]> {
        mem::take(&mut self.frames).into()
    }

    /// Returns the index of a variant's frame in a dialect, among the frames of the current change;
    /// `None` if its serializer failed, which is logged.
    pub(crate) fn frame_index(
        &mut self,
        change: &Change<'e>,
        variant: Variant,
        dialect: Dialect,
    ) -> Option<FrameIndex> {
        let encoded = self.encoded_index(change, variant, dialect);
        let encoded = &mut self.encoded[encoded];
        if let Some((change, index)) = encoded.used
            && change == self.change
        {
            return Some(index);
        }
        let frame = encoded.frame.clone()?;
        let index = self.frames.len() as FrameIndex;
        encoded.used = Some((self.change, index));
        self.frames.push(BroadcastFrame {
            frame,
            removes: variant.action == Action::Deleted,
            unit: self.unit.filter(|_| dialect == Dialect::V1).cloned(),
        });
        Some(index)
    }

    /// Returns the frame of a variant in a dialect, in 0.7 the part after the id; `None` if its
    /// serializer failed, which is logged.
    pub(crate) fn frame(
        &mut self,
        change: &Change<'e>,
        variant: Variant,
        dialect: Dialect,
    ) -> Option<Frame> {
        let encoded = self.encoded_index(change, variant, dialect);
        self.encoded[encoded].frame.clone()
    }

    /// Returns where `encoded` has a variant in a dialect. Encodes it the first time.
    fn encoded_index(&mut self, change: &Change<'e>, variant: Variant, dialect: Dialect) -> usize {
        let serializer = &change.entry.serializers[variant.serializer].serializer;
        let of_change = (dialect == Dialect::V1).then_some(self.change);
        let known = self.encoded.iter().position(|e| {
            std::ptr::eq(e.serializer, &*serializer.name)
                && (e.version, e.action, e.dialect) == (variant.version, variant.action, dialect)
                && e.change == of_change
        });
        known.unwrap_or_else(|| {
            let frame = self.encode(change, variant, dialect, serializer);
            self.encoded.push(Encoded {
                serializer: &serializer.name,
                version: variant.version,
                action: variant.action,
                dialect,
                change: of_change,
                frame,
                used: None,
            });
            self.encoded.len() - 1
        })
    }

    fn encode(
        &mut self,
        change: &Change<'e>,
        variant: Variant,
        dialect: Dialect,
        serializer: &'e Serializer,
    ) -> Option<Frame> {
        let (model, event, cursor) = (self.model, self.event, self.cursor);
        let (row_change, unit) = (self.row_change, self.unit);
        let row = change.row(variant.version)?;
        let payload = self.payload(serializer, variant.version, row)?;
        let broadcast = Broadcast {
            model: &model.label,
            group: GroupName {
                names: &change.entry.names,
                value: &change.group.value,
            },
            action: variant.action,
            payload,
            cursor,
            unit: unit.map(|unit| &unit.cursor),
        };
        Some(match dialect {
            Dialect::Plain => Frame::broadcast(&plain::broadcast(&broadcast), event.captured),
            Dialect::V1 => Frame::broadcast(&v1::broadcast(&broadcast), event.captured),
            Dialect::V0_7 => {
                let ending = v0_7::broadcast(&broadcast, &row_change.key, &model.pk_columns);
                Frame::suffix(ending, event.captured)
            }
        })
    }

    fn payload(
        &mut self,
        serializer: &'e Serializer,
        version: RowVersion,
        row: &Row,
    ) -> Option<&RawValue> {
        let name = &*serializer.name;
        let known = self
            .payloads
            .iter()
            .position(|p| std::ptr::eq(p.serializer, name) && p.version == version);
        let index = known.unwrap_or_else(|| {
            self.payloads.push(Payload {
                serializer: name,
                version,
                json: serialize(serializer, row, self.metrics),
            });
            self.payloads.len() - 1
        });
        self.payloads[index].json.as_deref()
    }
}

fn serialize(serializer: &Serializer, row: &Row, metrics: &Metrics) -> Option<Box<RawValue>> {
    let error = match user_code::call(|| (serializer.serialize)(row)) {
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
        "a row could not be serialized: subscribers do not receive this change"
    );
    None
}
