//! The encodings of one change.

use crate::protocol::{dialect::Dialect, frame::Frame};

/// One encoding of a change.
#[derive(Debug)]
pub(crate) struct BroadcastFrame {
    /// In 0.7 the part after the id.
    pub(crate) frame: Frame,
    /// Whether the row disappears. Such a frame is sent before the others of its event.
    pub(crate) removes: bool,
}

/// Index of a frame among those of a change.
pub(crate) type FrameIndex = u16;

/// The frame for each dialect; `None` if there is nothing to send.
pub(crate) type FrameByDialect = [Option<FrameIndex>; Dialect::ALL.len()];
