//! Where the events of a write go: a connection or a transaction, as hooks and statements see it.
//!
//! The events of a connection are published at once, and those of a transaction are buffered until
//! it commits. Hooks and statements leave their events here;
//! [`LiveTransaction`](crate::capture::LiveTransaction) takes them out when it commits.

pub(crate) mod abandoned;
pub(crate) mod buffer;
pub(crate) mod db_error;
pub(crate) mod pending;
pub(crate) mod schema;
mod scope;

use std::{any::TypeId, sync::Arc};

use parking_lot::RwLock;
use sea_orm::{DbBackend, DbErr, Statement, StatementBuilder};

use self::{
    buffer::EventBuffer,
    db_error::ImpliedRollback,
    pending::{PendingWrite, PendingWrites, Writer},
    schema::{ForeignModels, LevelSchema},
};
use super::{
    database::Database,
    sql::{SchemaSwitch, Verb},
};
use crate::{
    data::{event::Event, row_id::RowId, scope::Scope, scoped_model::ScopedModel},
    model::registry::{ModelEntry, Registry},
    publish::{
        open_writes::OpenWrite,
        order::Interval,
        publisher::{Committed, resets, resets_of},
    },
};

/// One connection, or one (possibly nested) transaction.
#[derive(Debug)]
pub(crate) struct EventSink {
    pub(crate) database: Arc<Database>,
    /// The writes that `before_*` hooks announced and that have not finished.
    pub(super) pending: Arc<PendingWrites>,
    /// The scope of what is written.
    scope: RwLock<Option<Scope>>,
    /// Whether the connection is of the pool on which rest-live itself reads.
    is_of_main_pool: bool,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    /// A live connection: every write commits by itself.
    Autocommit,
    /// SeaORM's own connections. Capture sees their hooks only.
    Plain,
    /// A live transaction or savepoint.
    Transaction(EventBuffer),
}

impl EventSink {
    /// Creates the sink of a live connection.
    pub(crate) fn autocommit(database: Arc<Database>) -> Self {
        Self::new(database, Kind::Autocommit, None, true)
    }

    /// Creates the sink of a live connection that is bound to a scope.
    pub(super) fn in_scope(&self, scope: Scope, is_of_main_pool: bool) -> Self {
        let database = Arc::clone(&self.database);
        Self::new(database, Kind::Autocommit, Some(scope), is_of_main_pool)
    }

    /// Creates the sink of SeaORM's own connections.
    pub(crate) fn plain(database: Arc<Database>) -> Self {
        Self::new(database, Kind::Plain, None, true)
    }

    fn new(
        database: Arc<Database>,
        kind: Kind,
        scope: Option<Scope>,
        is_of_main_pool: bool,
    ) -> Self {
        Self {
            database,
            pending: Arc::default(),
            scope: RwLock::new(scope),
            is_of_main_pool,
            kind,
        }
    }

    /// Creates the sink of a transaction that is begun in this sink.
    pub(super) fn begin_transaction(&self) -> Self {
        let buffer = if let Some(buffer) = self.buffer() {
            buffer.savepoint()
        } else {
            let is_mysql = self.database.backend == DbBackend::MySql;
            let interval = is_mysql.then(|| self.begin_interval());
            let max_events = self.database.max_transaction_events();
            EventBuffer::transaction(max_events, &self.database.open_transactions, interval)
        };
        Self::new(
            Arc::clone(&self.database),
            Kind::Transaction(buffer),
            self.scope(),
            self.is_of_main_pool,
        )
    }

    pub(super) fn buffer(&self) -> Option<&EventBuffer> {
        match &self.kind {
            Kind::Transaction(buffer) => Some(buffer),
            Kind::Autocommit | Kind::Plain => None,
        }
    }

    pub(super) fn registry(&self) -> &Registry {
        &self.database.publisher.registry
    }

    /// Builds a statement for the backend of the database.
    pub(super) fn build<S: StatementBuilder>(&self, statement: &S) -> Statement {
        self.database.backend.build(statement)
    }

    pub(super) fn is_transaction(&self) -> bool {
        self.buffer().is_some()
    }

    /// Returns whether capture knows the rows of statements, and not only those of hooks.
    pub(super) fn sees_statements(&self) -> bool {
        !matches!(self.kind, Kind::Plain) && !self.database.is_stand_in()
    }

    /// Returns whether rest-live may read rows to find out what a write changes.
    pub(super) fn may_read(&self) -> bool {
        !self.database.is_stand_in()
    }

    /// Returns whether the statement of a write returns the rows that it wrote. All is known of the
    /// write then, without its second hook.
    pub(super) fn returns_rows(&self) -> bool {
        self.sees_statements() && self.database.returns_rows
    }

    /// Returns whether a write that commits by itself runs in an internal transaction, which reads
    /// and locks the old row. A hook need not read it then.
    pub(super) fn wraps_writes_in_transaction(&self) -> bool {
        matches!(self.kind, Kind::Autocommit) && self.is_ordered_by_log()
    }

    /// Returns whether events are appended to the log in the transaction that writes their rows.
    /// The database alone orders them then.
    pub(super) fn is_ordered_by_log(&self) -> bool {
        self.sees_statements() && self.database.publisher.transactional().is_some()
    }

    /// Makes the publisher read a row again that this write may have changed, and publish it.
    pub(super) fn reread(&self, model: &ModelEntry, write: PendingWrite) {
        if self.is_transaction() {
            // Only the transaction itself can write the row before it ends. So the transaction has
            // deleted it, and the event of that is in the buffer.
            return;
        }
        let Some(scope) = self.scope_of(model) else {
            return;
        };
        let publisher = &self.database.publisher;
        let model = ScopedModel::new(Arc::clone(&model.label), scope);
        match write.key {
            Some(key) => {
                let creates = write.verb == Verb::Insert;
                publisher.reread(RowId::new(model, key), write.old, creates);
            }
            None => publisher.publish_later(resets([model])),
        }
    }

    /// Announces a write to the log whose statement capture will not see. The interval of the write
    /// must be open: the announcement holds until it ends.
    pub(super) async fn announce_unseen_write(&self) {
        if !self.sees_statements()
            && let Some(announcing) = self.database.publisher.open_writes.announce()
        {
            announcing.await;
        }
    }

    /// Opens the write of a streamed statement that commits by itself.
    pub(super) fn begin_streamed_write(&self) -> Option<OpenWrite> {
        let open_writes = &self.database.publisher.open_writes;
        (!self.is_transaction())
            .then(|| open_writes.begin())
            .flatten()
    }

    /// Begins the interval of a write.
    pub(super) fn begin_interval(&self) -> Arc<Interval> {
        Arc::new(self.database.publisher.order.begin())
    }

    /// Returns the interval of an update in a transaction that is done and whose row is read next.
    ///
    /// InnoDB skips an update that sets nothing new. A consistent read then shows the row as of the
    /// first read in the transaction, whatever others have committed since (MySQL manual,
    /// "Consistent nonlocking reads"). So the interval begins with the transaction: no other event
    /// of the row may have been published since then.
    pub(super) fn update_interval(&self) -> Arc<Interval> {
        let whole = self.buffer().and_then(EventBuffer::interval);
        whole.unwrap_or_else(|| self.begin_interval())
    }

    /// Records the events of a finished write: buffers them in a transaction, else publishes them.
    pub(super) async fn record(&self, events: Vec<Committed>) {
        let events = self.admit(events);
        match self.buffer() {
            Some(buffer) => buffer.extend(events),
            None => self.database.publisher.publish(events).await,
        }
    }

    /// Records that unknown rows of these models changed.
    pub(super) async fn record_resets(&self, models: &[usize]) {
        self.record(self.resets(models)).await;
    }

    /// Records that unknown rows of a model changed.
    pub(super) async fn record_reset(&self, model: &ModelEntry) {
        let reset = Event::reset(Arc::clone(&model.label));
        self.record(vec![(reset, None)]).await;
    }

    /// Records that unknown rows of these models changed, without waiting, for callers that
    /// cannot await.
    pub(super) fn record_resets_later(&self, models: &[usize]) {
        let resets = self.admit(self.resets(models));
        match self.buffer() {
            Some(buffer) => buffer.extend(resets),
            None => self.database.publisher.publish_later(resets),
        }
    }

    fn resets(&self, models: &[usize]) -> Vec<Committed> {
        let label = |index: &usize| Arc::clone(&self.registry().model(*index).label);
        let labels = models.iter().map(label);
        resets(labels.map(|label| ScopedModel::new(label, None)))
    }

    /// Keeps a write for its statement or its second hook.
    /// Returns whether a write is announced whose event is not published.
    pub(crate) fn has_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    pub(super) fn add_pending(&self, writer: Writer, entity: TypeId, write: PendingWrite) {
        let needs_sweep = self.pending.add(writer, entity, write);
        // In a transaction, a commit reads the rows of writes that did not finish, and a rollback
        // undoes them.
        if needs_sweep && !self.is_transaction() {
            let (pending, database) = (Arc::clone(&self.pending), Arc::clone(&self.database));
            let is_plain = matches!(self.kind, Kind::Plain);
            let publisher = &self.database.publisher;
            publisher.spawn_background(abandoned::sweep(pending, database, self.scope(), is_plain));
        }
    }

    /// Notes that a statement failed, and what its error says about the transaction.
    pub(super) fn note_failure(&self, error: &DbErr) {
        let Some(buffer) = self.buffer() else { return };
        buffer.note_failure();
        if self.database.backend == DbBackend::MySql {
            match db_error::implied_rollback(error) {
                ImpliedRollback::None => {}
                ImpliedRollback::Possible => buffer.note_possible_end(),
                ImpliedRollback::Certain => {
                    buffer.note_possible_end();
                    buffer.clear();
                    self.pending.take_all();
                }
            }
        }
    }

    /// Notes that a statement may have failed.
    pub(super) fn note_possible_failure(&self) {
        if let Some(buffer) = self.buffer() {
            buffer.note_failure();
        }
    }

    /// Notes that the database or raw SQL may have ended the transaction early.
    pub(super) fn note_possible_end(&self) {
        if let Some(buffer) = self.buffer() {
            buffer.note_possible_end();
        }
    }

    /// Notes that the transaction may be rolled back before its end. Later writes in it may then
    /// commit by themselves.
    pub(super) fn note_possible_rollback(&self) {
        if let Some(buffer) = self.buffer() {
            buffer.note_possible_rollback();
        }
    }

    pub(super) fn may_have_failed(&self) -> bool {
        self.buffer().is_some_and(EventBuffer::may_have_failed)
    }

    /// Returns whether it is unknown which writes of the transaction a COMMIT has made permanent.
    pub(super) fn is_outcome_unknown(&self) -> bool {
        self.buffer()
            .is_some_and(|buffer| buffer.may_have_ended() || buffer.may_be_rolled_back())
    }

    /// Returns whether an error of COMMIT proves that nothing was committed.
    pub(super) fn is_rolled_back_by(&self, error: &DbErr) -> bool {
        // After an earlier error, SQLite may have ended the transaction, and later writes committed
        // by themselves.
        let has_ended_in_sqlite =
            self.database.backend == DbBackend::Sqlite && self.may_have_failed();
        let may_have_ended = self.buffer().is_some_and(EventBuffer::may_have_ended);
        db_error::is_refusal(error) && !has_ended_in_sqlite && !may_have_ended
    }

    /// Adds the events of a savepoint to the buffer of its transaction, and its switches.
    pub(super) fn merge(&self, events: Vec<Committed>, schema: LevelSchema) {
        if let Some(buffer) = self.buffer() {
            buffer.extend(events);
            buffer.merge_schema(schema);
        }
    }

    /// Returns the switches of the schema in a transaction or savepoint.
    pub(super) fn schema(&self) -> LevelSchema {
        self.buffer().map(EventBuffer::schema).unwrap_or_default()
    }

    /// Returns whether a statement of the transaction may have switched the schema.
    pub(super) fn has_switched(&self) -> bool {
        self.buffer().is_some_and(EventBuffer::has_switched)
    }

    /// Returns whether the transaction has switched the schema and the tables were not compared.
    pub(super) fn has_unverified_switch(&self) -> bool {
        let foreign = self.buffer().and_then(EventBuffer::foreign_models);
        matches!(foreign, Some(ForeignModels::Unverified))
    }

    /// Returns whether a switch stays on a connection of the main pool, if the transaction commits.
    pub(super) fn has_lasting_switch(&self) -> bool {
        self.is_of_main_pool && self.buffer().is_some_and(|buffer| buffer.switch_stays())
    }

    /// Returns whether a switch on a connection stays on it and so matters to the main pool.
    pub(super) fn adds_switch(&self, switch: SchemaSwitch) -> bool {
        switch == SchemaSwitch::Session && self.is_of_main_pool
    }

    /// Takes the events of a transaction out of the buffer, and closes its level.
    pub(super) fn take_events(&self) -> Vec<Committed> {
        self.buffer().map(EventBuffer::take).unwrap_or_default()
    }

    /// Returns whether the transaction has written nothing that subscribers would see.
    pub(super) fn is_empty(&self) -> bool {
        self.buffer().is_none_or(EventBuffer::is_empty)
    }
}

impl Drop for EventSink {
    /// Drops the events of a transaction that is rolled back. If the transaction may have been
    /// committed, resets its models instead.
    fn drop(&mut self) {
        if let Some(buffer) = self.buffer() {
            let has_lasting_switch = self.has_lasting_switch();
            let events = buffer.take();
            if buffer.may_have_ended() {
                if has_lasting_switch {
                    self.default_schema().add_switch();
                    self.default_schema().confirm_switch();
                }
                self.database.publisher.publish_later(resets_of(events));
            } else {
                drop(events);
            }
            // The intervals of the transaction have kept the announcement of other writes.
            drop(self.pending.take_all());
            self.kind = Kind::Autocommit;
            self.database.publisher.open_writes.retract_if_idle();
        }
    }
}
