//! Which tables the application's pool finds by their unqualified names.
//!
//! A `search_path` (PostgreSQL) or a database (MySQL) decides which table the name `task` stands
//! for. A statement can switch it for a transaction, or for a pooled connection. Capture looks for
//! such statements and records here what stays on a pooled connection.

use std::{
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use sea_orm::DbBackend;

use super::registry::ModelEntry;
use crate::metrics::Metrics;

/// Interval between two reports of withheld events.
const REPORT_INTERVAL: Duration = Duration::from_secs(10);

/// The schema in which the connections of the pool find unqualified tables.
#[derive(Debug)]
pub(crate) struct DefaultSchema {
    is_watched: bool,
    /// Number of switches that stay on connections of the pool.
    switches: AtomicUsize,
    is_confirmed: AtomicBool,
    reported_at: Mutex<Option<Instant>>,
}

impl DefaultSchema {
    /// Creates the default schema of a database. `allows_switches` is the application's promise
    /// that switches do not change which tables it writes.
    pub(crate) fn new(backend: DbBackend, allows_switches: bool) -> Self {
        Self {
            // In SQLite, the main database always comes first.
            is_watched: !allows_switches && backend != DbBackend::Sqlite,
            switches: AtomicUsize::new(0),
            is_confirmed: AtomicBool::new(false),
            reported_at: Mutex::new(None),
        }
    }

    /// Returns whether a switch matters.
    pub(crate) fn is_watched(&self) -> bool {
        self.is_watched
    }

    /// Records that a switch may stay on a connection of the pool.
    pub(crate) fn add_switch(&self) {
        self.switches.fetch_add(1, Ordering::SeqCst);
    }

    /// Reports that a switch that was added stays. The first report says it all.
    pub(crate) fn confirm_switch(&self) {
        if !self.is_confirmed.swap(true, Ordering::Relaxed) {
            tracing::error!(
                "a statement switched the search_path, role or database of a pooled connection, and the switch outlives its transaction: unqualified tables can be those of another tenant, so from now on subscribers do not receive changes of them that are written outside a scope. Use SET LOCAL in a transaction, and bind the transaction with LiveConnection::in_scope or LiveTransaction::set_scope. If all connections always find the same tables, call LiveBuilder::allow_search_path_changes(true)"
            );
        }
    }

    /// Records that a switch that was added does not stay.
    pub(crate) fn remove_switch(&self) {
        self.switches.fetch_sub(1, Ordering::SeqCst);
    }

    /// Returns whether a connection of the pool may find other tables than the default ones.
    pub(crate) fn is_switched(&self) -> bool {
        self.switches.load(Ordering::Relaxed) > 0
    }

    /// Returns whether a connection of the pool surely finds the model's default table.
    pub(crate) fn finds(&self, model: &ModelEntry) -> bool {
        model.has_one_table() || !self.is_switched()
    }

    /// Counts an event that is withheld because its table may be that of another tenant. Reports
    /// it, at most once in an interval.
    pub(crate) fn report_withheld(&self, model: &str, metrics: &Metrics) {
        metrics.withheld.increment(1);
        let now = Instant::now();
        let mut reported_at = self.reported_at.lock();
        if reported_at.is_some_and(|at| now.duration_since(at) < REPORT_INTERVAL) {
            return;
        }
        *reported_at = Some(now);
        drop(reported_at);
        tracing::error!(
            model,
            "a change was withheld, so subscribers do not receive it: a statement switched the search_path, role or database, and the write is bound to no scope, so it may be in the table of another tenant (or in a temporary table). Bind the connection with LiveConnection::in_scope, or the transaction with LiveTransaction::set_scope. If the table is always the same, name its schema in the entity, or call LiveBuilder::allow_search_path_changes(true). Further changes are reported once every ten seconds"
        );
    }
}
