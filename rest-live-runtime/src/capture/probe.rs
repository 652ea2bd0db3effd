//! How a hook finds the scope of the connection it was given.
//!
//! SeaORM hands a hook `&C` where `C: ConnectionTrait`: no `'static`, no `Any`, and not object
//! safe. But every `C` can be asked for its backend, so ours answers a question on the side: the
//! hook arms a slot of its thread, asks for the backend, and a live connection leaves its scope
//! there. It also works through wrappers of the application's own that delegate. Nothing awaits
//! in between, so no other task can come between question and answer.

use std::{cell::RefCell, sync::Arc};

use sea_orm::ConnectionTrait;

use super::Scope;

enum Slot {
    Idle,
    Asked,
    Answered(Arc<Scope>),
}

thread_local! {
    static SLOT: RefCell<Slot> = const { RefCell::new(Slot::Idle) };
}

/// Returns the scope of a live connection or transaction, `None` for any other.
pub(super) fn scope_of<C: ConnectionTrait>(db: &C) -> Option<Arc<Scope>> {
    SLOT.replace(Slot::Asked);
    // Only asked for what it does on the side.
    let _ = db.get_database_backend();
    match SLOT.replace(Slot::Idle) {
        Slot::Answered(scope) => Some(scope),
        Slot::Idle | Slot::Asked => None,
    }
}

/// Answers the question, if a hook is asking it.
pub(super) fn answer(scope: &Arc<Scope>) {
    SLOT.with_borrow_mut(|slot| {
        if let Slot::Asked = slot {
            *slot = Slot::Answered(Arc::clone(scope));
        }
    });
}
