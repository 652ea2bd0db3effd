//! Where events go while their write is not yet final.

use std::{any::TypeId, sync::Arc};

use sea_orm::{DbBackend, DbErr, Statement, StatementBuilder};

use super::{
    database::Database,
    hooks::{
        abandoned,
        pending::{PendingWrite, PendingWrites, Stage, Writer},
    },
    statement::{
        Inner,
        db_error::{self, Ended},
        read_behind,
    },
    transaction::buffer::Open,
};
use crate::{
    model::registry::{ModelEntry, Registry},
    publish::{
        order::Interval,
        publisher::{Committed, resets, resets_of},
    },
};

/// One connection or one (nested) transaction, as hooks and statements see it.
#[derive(Debug)]
pub(crate) struct Scope {
    pub(crate) database: Arc<Database>,
    /// What `before_*` hooks found out.
    pub(super) stash: Arc<PendingWrites>,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    /// A live connection: every write commits by itself.
    Autocommit,
    /// A connection of SeaORM's, of which only the hooks are seen.
    Plain,
    Transaction(Open),
}

impl Scope {
    /// Returns the scope of a live connection.
    pub(crate) fn autocommit(database: Arc<Database>) -> Self {
        Self {
            database,
            stash: Arc::default(),
            kind: Kind::Autocommit,
        }
    }

    /// Returns the scope of SeaORM's own connections.
    pub(crate) fn plain(database: Arc<Database>) -> Self {
        Self {
            database,
            stash: Arc::default(),
            kind: Kind::Plain,
        }
    }

    /// Returns the scope of a transaction begun in this one.
    pub(super) fn begin(self: &Arc<Self>) -> Self {
        let open = match self.open() {
            Some(open) => open.savepoint(),
            None => {
                let is_mysql = self.database.backend == DbBackend::MySql;
                let began = is_mysql.then(|| self.interval());
                Open::transaction(self.database.most_events(), began)
            }
        };
        Self {
            database: Arc::clone(&self.database),
            stash: Arc::default(),
            kind: Kind::Transaction(open),
        }
    }

    fn open(&self) -> Option<&Open> {
        match &self.kind {
            Kind::Transaction(open) => Some(open),
            Kind::Autocommit | Kind::Plain => None,
        }
    }

    pub(super) fn registry(&self) -> &Registry {
        &self.database.publisher.registry
    }

    /// Writes a statement as the database takes it.
    pub(super) fn build<S: StatementBuilder>(&self, statement: &S) -> Statement {
        self.database.backend.build(statement)
    }

    pub(super) fn is_transaction(&self) -> bool {
        self.open().is_some()
    }

    /// Returns whether the statements of writes are seen, and not only the hooks.
    pub(super) fn sees_statements(&self) -> bool {
        !matches!(self.kind, Kind::Plain)
    }

    /// Returns whether a write is known when its statement returns.
    pub(super) fn returns_rows(&self) -> bool {
        self.sees_statements() && self.database.returns
    }

    /// Returns whether a write that commits by itself is put into a transaction, where the row as it was is read and locked:
    /// a hook need not.
    pub(super) fn reads_old_rows_itself(&self) -> bool {
        matches!(self.kind, Kind::Autocommit) && self.is_ordered_by_log()
    }

    /// Returns whether events are written in the transactions of their rows, and nobody else orders them.
    pub(super) fn is_ordered_by_log(&self) -> bool {
        self.sees_statements() && self.database.publisher.transactional().is_some()
    }

    /// Has a row be read again and told that was written by this.
    pub(super) fn settle(&self, model: &ModelEntry, write: PendingWrite) {
        let label = Arc::clone(&model.label);
        match (self.open(), write.key) {
            (None, Some(key)) => self.database.publisher.settle((label, key), write.old),
            (None, None) => self.database.publisher.publish_later(resets([label])),
            // Nothing but itself writes it before its end: it is gone, and that was told.
            (Some(_), _) => {}
        }
    }

    /// Begins the interval of a write.
    pub(super) fn interval(&self) -> Arc<Interval> {
        Arc::new(self.database.publisher.order.begin())
    }

    /// Begins the interval of an update in a transaction that is done and whose row is read behind it. InnoDB does
    /// not carry out an update that sets nothing new, and then a consistent read shows the row as it was when the
    /// transaction first read something, whatever others have committed since ("Consistent nonlocking reads"):
    /// so nothing else of the row may have been told since then.
    pub(super) fn interval_of_update(&self) -> Arc<Interval> {
        let whole = self.open().and_then(Open::began);
        whole.unwrap_or_else(|| self.interval())
    }

    /// Takes in the events of a write that is done: keeps them while a transaction is open, tells them
    /// where none is.
    pub(super) async fn record(&self, events: Vec<Committed>) {
        match self.open() {
            Some(open) => open.keep(events),
            None => self.database.publisher.publish(events).await,
        }
    }

    /// Takes in that rows of these models changed which are not known.
    pub(super) async fn record_resets(&self, models: &[usize]) {
        self.record(self.resets(models)).await;
    }

    /// The same, where nobody can wait.
    pub(super) fn record_resets_later(&self, models: &[usize]) {
        let resets = self.resets(models);
        match self.open() {
            Some(open) => open.keep(resets),
            None => self.database.publisher.publish_later(resets),
        }
    }

    fn resets(&self, models: &[usize]) -> Vec<Committed> {
        let label = |place: &usize| Arc::clone(&self.registry().model(*place).label);
        resets(models.iter().map(label))
    }

    /// Announces a write, for its statement or its second hook.
    pub(super) fn announce(&self, writer: Writer, entity: TypeId, write: PendingWrite) {
        let is_first = self.stash.announce(writer, entity, write);
        // What a transaction leaves behind is looked at when it commits, or goes with it.
        if is_first && !self.is_transaction() {
            let (stash, database) = (Arc::clone(&self.stash), Arc::clone(&self.database));
            let is_plain = matches!(self.kind, Kind::Plain);
            let publisher = &self.database.publisher;
            publisher.watch(abandoned::sweep(stash, database, is_plain));
        }
    }

    /// Takes note that a statement failed.
    pub(super) fn failed(&self, error: &DbErr) {
        let Some(open) = self.open() else { return };
        open.fail();
        if self.database.backend == DbBackend::MySql {
            match db_error::what_ended(error) {
                Ended::Nothing => {}
                Ended::Perhaps => open.tear(),
                Ended::Transaction => {
                    open.tear();
                    open.forget_all();
                    self.stash.drain();
                }
            }
        }
    }

    /// Takes note that a statement may fail.
    pub(super) fn may_have_failed(&self) {
        if let Some(open) = self.open() {
            open.fail();
        }
    }

    /// Takes note that the transaction may be over before its end.
    pub(super) fn tear(&self) {
        if let Some(open) = self.open() {
            open.tear();
        }
    }

    /// Takes note that the transaction may be rolled back before its end: what is written in it from now on may commit
    /// by itself.
    pub(super) fn doubt(&self) {
        if let Some(open) = self.open() {
            open.doubt();
        }
    }

    pub(super) fn has_failed(&self) -> bool {
        self.open().is_some_and(Open::has_failed)
    }

    pub(super) fn is_torn(&self) -> bool {
        self.open().is_some_and(Open::is_torn)
    }

    pub(super) fn is_doubtful(&self) -> bool {
        self.open().is_some_and(Open::is_doubtful)
    }

    /// Returns whether an error of COMMIT says that nothing is committed.
    pub(super) fn is_over_for_sure(&self, error: &DbErr) -> bool {
        // SQLite may have ended it at an earlier error, and what was written since committed by itself.
        let may_be_over = self.database.backend == DbBackend::Sqlite && self.has_failed();
        db_error::is_refusal(error) && !may_be_over && !self.is_torn()
    }

    /// Takes in what a savepoint wrote.
    pub(super) fn join(&self, events: Vec<Committed>) {
        if let Some(open) = self.open() {
            open.keep(events);
        }
    }

    /// Reads, before the transaction commits, the rows that were written and that nobody described.
    pub(super) async fn read_what_is_left(&self, inner: &impl Inner) {
        for left in self.stash.drain() {
            let (entity, write) = (left.entity, left.announced);
            if write.stage == Stage::Written
                && let Some(model) = self.registry().model_by_type(entity)
            {
                match read_behind(inner, model, write).await {
                    Ok(event) => self.join(vec![event]),
                    Err(gone) => self.settle(model, gone),
                }
            }
        }
    }

    /// Takes out what a transaction wrote, and ends it.
    pub(super) fn take(&self) -> Vec<Committed> {
        self.open().map(Open::take).unwrap_or_default()
    }

    /// Returns whether a transaction wrote nothing so far that anybody is told of.
    pub(super) fn is_empty(&self) -> bool {
        self.open().is_none_or(Open::is_empty)
    }
}

impl Drop for Scope {
    /// What was written in a transaction that is rolled back is forgotten, unless it may be committed.
    fn drop(&mut self) {
        if let Some(open) = self.open() {
            let written = open.take();
            if open.is_torn() {
                self.database.publisher.publish_later(resets_of(written));
            }
        }
    }
}
