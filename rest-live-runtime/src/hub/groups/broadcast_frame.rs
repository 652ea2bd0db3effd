//! The encodings of one change, and the unit that they belong to.

use std::sync::Arc;

use crate::{
    data::cursor::Cursor,
    protocol::{dialect::Dialect, frame::Frame, v1},
};

/// One encoding of a change.
#[derive(Debug)]
pub(crate) struct BroadcastFrame {
    /// In 0.7 the part after the id.
    pub(crate) frame: Frame,
    /// Whether the row disappears. Such a frame is sent before the others of its event.
    pub(crate) removes: bool,
    /// The unit that the frame names; `None` in the other dialects, and if the change stands alone.
    pub(crate) unit: Option<Arc<Unit>>,
}

/// Changes that were committed together, and that clients of v1 apply together.
#[derive(Debug)]
pub(crate) struct Unit {
    /// The end of the unit, as its frames name it.
    pub(crate) cursor: Cursor,
    /// The message after the last frame.
    pub(crate) end: Frame,
}

impl Unit {
    pub(crate) fn new(cursor: Cursor) -> Arc<Self> {
        let end = v1::unit(&cursor);
        Arc::new(Self { cursor, end })
    }
}

/// Index of a frame among those of a change.
pub(crate) type FrameIndex = u16;

/// The frame for each dialect; `None` if there is nothing to send.
pub(crate) type FrameByDialect = [Option<FrameIndex>; Dialect::ALL.len()];
