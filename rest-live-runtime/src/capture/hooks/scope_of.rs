//! Where a hook runs: on a live connection, on one of SeaORM's own that a `Live` is installed for, or where
//! nobody can know what becomes of the write.

use std::{
    any::TypeId,
    collections::HashSet,
    sync::{Arc, Weak},
};

use parking_lot::{Mutex, RwLock};
use sea_orm::{ConnectionTrait, DatabaseConnection, EntityTrait};

use super::probe;
use crate::capture::Scope;

/// The `Live` that hears of hooks on plain connections: the one optional slot of the process.
static INSTALLED: RwLock<Weak<Scope>> = RwLock::new(Weak::new());

/// Has hooks on plain connections leave their events in this scope, as long as it is there.
pub(crate) fn install(scope: &Arc<Scope>) {
    *INSTALLED.write() = Arc::downgrade(scope);
}

/// Returns the scope in which a hook runs, which knows its model. What is written elsewhere is told to nobody, which is
/// said once a model.
pub(crate) fn live_scope<E: EntityTrait, C: ConnectionTrait>(db: &C) -> Option<Arc<Scope>> {
    if let Some(scope) = probe::scope_of(db) {
        if scope.registry().is_captured_by_triggers::<E>() {
            return None;
        }
        if scope.registry().model_of::<E>().is_none() {
            warn_once::<E>(
                "no serializer of this model is registered: write Live::builder(..).register::<TheSerializer>()",
            );
            return None;
        }
        return Some(scope);
    }
    let installed = INSTALLED.read().upgrade();
    let Some(scope) = installed else {
        warn_once::<E>(
            "the row was written on a plain database connection: write on Live::db(), or call Live::capture_plain_connections()",
        );
        return None;
    };
    let label = Arc::clone(&scope.registry().model_of::<E>()?.label);
    if typeid::of::<C>() == TypeId::of::<DatabaseConnection>() {
        return Some(scope);
    }
    // A plain transaction, or a connection of somebody's own making that may be one.
    scope.database.publisher.metrics.withheld.increment(1);
    if is_first::<E>("withheld") {
        tracing::error!(
            model = &*label,
            "subscribers are not told of a write: it is in a plain database transaction, whose end nobody sees. Begin the transaction on Live::db()"
        );
    }
    None
}

fn warn_once<E: EntityTrait>(why: &'static str) {
    if is_first::<E>(why) {
        tracing::warn!(
            table = E::default().table_name(),
            "subscribers are not told of a write: {why}"
        );
    }
}

/// Returns whether this was not said of a model before: process-wide, but only so as not to say the same thing
/// with every write.
fn is_first<E: EntityTrait>(what: &'static str) -> bool {
    static SAID: Mutex<Option<HashSet<(TypeId, &'static str)>>> = Mutex::new(None);
    let mut said = SAID.lock();
    said.get_or_insert_default()
        .insert((TypeId::of::<E>(), what))
}
