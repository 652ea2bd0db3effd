//! Finds the sink that a hook writes in, or warns that its write is not captured.
//!
//! A hook may run on a live connection or transaction, on a plain connection that a `Live`
//! captures, on a plain transaction, whose outcome cannot be known, or on a type that holds one of
//! these, such as SeaORM's `DatabaseExecutor`.

use std::{
    any::TypeId,
    collections::HashSet,
    sync::{Arc, Weak},
};

use parking_lot::{Mutex, RwLock};
use sea_orm::{ConnectionTrait, DatabaseConnection, DatabaseTransaction, EntityTrait};

use super::{
    autocommit::{Withheld, check_autocommit},
    probe,
};
use crate::capture::EventSink;

/// The sink of plain connections. One `Live` of the process may set it.
static PLAIN_SINK: RwLock<Weak<EventSink>> = RwLock::new(Weak::new());

/// Which hook of a write runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hook {
    Before,
    /// The write was counted and reported before.
    After,
}

/// Makes hooks on plain connections leave their events in this sink, until it is dropped or
/// another replaces it.
pub(crate) fn set_plain_sink(sink: &Arc<EventSink>) {
    *PLAIN_SINK.write() = Arc::downgrade(sink);
}

/// Returns the sink in which a hook runs, if its registry has the model. Otherwise the write is
/// not published, and a warning says why, once for each model.
pub(crate) async fn live_sink<E: EntityTrait, C: ConnectionTrait>(
    db: &C,
    hook: Hook,
) -> Option<Arc<EventSink>> {
    if let Some(sink) = probe::sink_of(db) {
        if sink.registry().is_captured_by_triggers::<E>() {
            return None;
        }
        if sink.registry().model_of::<E>().is_none() {
            warn_once::<E>(
                "no serializer of this model is registered: call Live::builder(..).register::<TheSerializer>()",
            );
            return None;
        }
        return Some(sink);
    }
    let plain_sink = PLAIN_SINK.read().upgrade();
    let Some(sink) = plain_sink else {
        warn_once::<E>(
            "the row was written on a plain database connection: write on Live::db(), or call Live::capture_plain_connections()",
        );
        return None;
    };
    let label = Arc::clone(&sink.registry().model_of::<E>()?.label);
    let reason = match check_plain(db).await {
        Ok(()) => return Some(sink),
        Err(reason) => reason,
    };
    if hook == Hook::Before {
        sink.database.publisher.metrics.withheld.increment(1);
    }
    match reason {
        Withheld::InTransaction if is_first::<E>("in a transaction") => tracing::error!(
            model = &*label,
            "a write in a plain database transaction was not captured, because rest-live cannot see whether it commits: subscribers do not receive it. Begin the transaction on Live::db(). Further writes of this model are not reported"
        ),
        Withheld::Unknown(error) if is_first::<E>("on an unknown connection") => tracing::error!(
            model = &*label,
            connection = std::any::type_name::<C>(),
            error = &error as &dyn std::error::Error,
            "a write on a connection of this type was not captured, because rest-live cannot find out whether it is a transaction: subscribers do not receive it. Write on Live::db(). Further writes of this model are not reported"
        ),
        _ => {}
    }
    None
}

/// Checks whether the write of a hook is captured by the sink of plain connections.
///
/// # Errors
/// Why the write is withheld.
async fn check_plain<C: ConnectionTrait>(db: &C) -> Result<(), Withheld> {
    let connection = typeid::of::<C>();
    if connection == TypeId::of::<DatabaseConnection>() {
        return Ok(());
    }
    if connection == TypeId::of::<DatabaseTransaction>() {
        return Err(Withheld::InTransaction);
    }
    // Both hooks ask: what the first one left behind may be of an earlier write that failed.
    check_autocommit(db).await
}

fn warn_once<E: EntityTrait>(reason: &'static str) {
    if is_first::<E>(reason) {
        tracing::warn!(
            table = E::default().table_name(),
            "a write was not captured, so subscribers do not receive it: {reason}. Further writes of this table are not reported"
        );
    }
}

/// Returns whether a model was not reported for this reason before. The record is process-wide, but
/// it serves only to report a reason once and not with every write.
fn is_first<E: EntityTrait>(reason: &'static str) -> bool {
    static REPORTED: Mutex<Option<HashSet<(TypeId, &'static str)>>> = Mutex::new(None);
    let mut reported = REPORTED.lock();
    reported
        .get_or_insert_default()
        .insert((TypeId::of::<E>(), reason))
}
