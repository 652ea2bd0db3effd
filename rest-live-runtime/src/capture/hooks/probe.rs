//! Finds the sink of the connection that a hook was given.
//!
//! SeaORM gives a hook `&C` where `C: ConnectionTrait`. This type is not `'static`, so `Any` cannot
//! inspect it, and the trait is not object safe. But every `C` can be asked for its backend, so a
//! live connection answers a second question at the same time:
//!
//! 1. The hook arms a slot of its thread and asks for the backend.
//! 2. A live connection leaves its sink in the slot.
//!
//! This also works through an application's own wrappers that delegate to a live connection. There
//! is no await between the question and the answer, so no other task can intervene.

use std::{
    cell::{Cell, RefCell},
    sync::Arc,
};

use sea_orm::ConnectionTrait;

use crate::capture::EventSink;

enum Slot {
    Idle,
    Asked,
    Answered(Arc<EventSink>),
}

thread_local! {
    static SLOT: RefCell<Slot> = const { RefCell::new(Slot::Idle) };
    static HAS_RETURNING_QUERY: Cell<bool> = const { Cell::new(false) };
}

/// Returns the sink of a live connection or transaction, `None` for any other connection.
pub(crate) fn sink_of<C: ConnectionTrait>(db: &C) -> Option<Arc<EventSink>> {
    SLOT.replace(Slot::Asked);
    // Called for its side effect only: see the module's documentation.
    let _ = db.get_database_backend();
    match SLOT.replace(Slot::Idle) {
        Slot::Answered(sink) => Some(sink),
        Slot::Idle | Slot::Asked => None,
    }
}

/// Leaves the sink in the slot, if a hook is asking for it.
pub(crate) fn answer(sink: &Arc<EventSink>) {
    SLOT.with_borrow_mut(|slot| {
        if let Slot::Asked = slot {
            *slot = Slot::Answered(Arc::clone(sink));
        }
    });
}

/// Notes that SeaORM asks whether the database returns rows.
///
/// If it does not, SeaORM's `update` asks this, runs its statement within the same poll, then reads
/// the row and runs the second hook. `update_without_returning` does not ask, and does neither.
pub(crate) fn note_returning_query() {
    HAS_RETURNING_QUERY.set(true);
}

/// Returns whether SeaORM has asked since this function was last called.
pub(crate) fn take_returning_query() -> bool {
    HAS_RETURNING_QUERY.take()
}
