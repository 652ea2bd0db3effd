//! How a hook finds the scope of the connection it was given.
//!
//! SeaORM hands a hook `&C` where `C: ConnectionTrait`: no `'static`, no `Any`, and not object
//! safe. But every `C` can be asked for its backend, so ours answers a question on the side: the
//! hook arms a slot of its thread, asks for the backend, and a live connection leaves its scope
//! there. It also works through wrappers of the application's own that delegate. Nothing awaits
//! in between, so no other task can come between question and answer.

use std::{
    cell::{Cell, RefCell},
    sync::Arc,
};

use sea_orm::ConnectionTrait;

use crate::capture::Scope;

enum Slot {
    Idle,
    Asked,
    Answered(Arc<Scope>),
}

thread_local! {
    static SLOT: RefCell<Slot> = const { RefCell::new(Slot::Idle) };
    static ASKED_FOR_ROWS: Cell<bool> = const { Cell::new(false) };
}

/// Returns the scope of a live connection or transaction, `None` for any other.
pub(crate) fn scope_of<C: ConnectionTrait>(db: &C) -> Option<Arc<Scope>> {
    SLOT.replace(Slot::Asked);
    // Only asked for what it does on the side.
    let _ = db.get_database_backend();
    match SLOT.replace(Slot::Idle) {
        Slot::Answered(scope) => Some(scope),
        Slot::Idle | Slot::Asked => None,
    }
}

/// Answers the question, if a hook is asking it.
pub(crate) fn answer(scope: &Arc<Scope>) {
    SLOT.with_borrow_mut(|slot| {
        if let Slot::Asked = slot {
            *slot = Slot::Answered(Arc::clone(scope));
        }
    });
}

/// Takes note that SeaORM asks whether the database returns rows. Where it does not, `update` asks this, runs
/// its statement within the same poll, and then reads the row and runs the second hook;
/// `update_without_returning` does not ask, and does neither.
pub(crate) fn asked_for_rows() {
    ASKED_FOR_ROWS.set(true);
}

/// Returns whether that was asked since this was.
pub(crate) fn were_rows_asked_for() -> bool {
    ASKED_FOR_ROWS.take()
}
