//! Where events go while their write is not yet final.

use std::{
    any::TypeId,
    mem,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, DbErr, Statement, StatementBuilder};
use tokio::{sync::OnceCell, time};

use super::{
    failure,
    sql::Verb,
    stash::{Announced, Stage, Stash, Writer},
    statement::{Inner, read_behind},
};
use crate::{
    event::Event,
    order::Interval,
    publisher::{Committed, Publisher},
    registry::{ModelEntry, Registry},
};

/// One connection or one (nested) transaction, as hooks and statements see it.
#[derive(Debug)]
pub(crate) struct Scope {
    pub(crate) database: Arc<Database>,
    /// What `before_*` hooks found out.
    pub(super) stash: Arc<Stash>,
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

/// What all scopes of a `Live` have in common.
#[derive(Debug)]
pub(crate) struct Database {
    pub(super) publisher: Arc<Publisher>,
    pub(super) backend: DbBackend,
    /// Whether a write can return the rows that it wrote.
    pub(super) returns: bool,
    /// Whether only a DELETE can, as MariaDB's; MySQL's cannot. Found out before the first that matters.
    returns_deleted: OnceCell<bool>,
    /// More rows of one statement are one reset.
    pub(super) bulk_rows: usize,
}

/// An open transaction.
#[derive(Debug)]
struct Open {
    unit: Mutex<Unit>,
    /// The transaction in which this one is a savepoint.
    outer: Option<Arc<Scope>>,
    /// From before it began, on MySQL and MariaDB: see [`Scope::interval_of_update`].
    whole: Option<Arc<Interval>>,
    /// Whether a statement failed: PostgreSQL then commits nothing, and does not say so.
    failed: AtomicBool,
    /// Whether the database, or somebody by hand, may have ended it before its end: what was written
    /// may be committed, or not.
    torn: AtomicBool,
    /// Whether it may be rolled back already, and what is written from now on commits by itself.
    doubtful: AtomicBool,
}

/// What one transaction wrote.
#[derive(Debug, Default)]
pub(super) struct Unit {
    /// In the order of the writes.
    pub(super) events: Vec<Committed>,
}

impl Database {
    pub(crate) fn new(
        publisher: Arc<Publisher>,
        db: &DatabaseConnection,
        bulk_rows: usize,
    ) -> Self {
        let backend = db.get_database_backend();
        Self {
            publisher,
            backend,
            // SeaORM's feature `mariadb-use-returning` says yes for MySQL too, and writes no clause.
            returns: backend != DbBackend::MySql && db.support_returning(),
            returns_deleted: OnceCell::new(),
            bulk_rows,
        }
    }

    /// Finds out what can be known of a statement.
    pub(super) async fn prepare(&self, inner: &impl ConnectionTrait, sql: &str) {
        if self.backend == DbBackend::MySql && sql.starts_with("DELETE") {
            let is_mariadb = async || {
                let version = Statement::from_string(self.backend, "SELECT VERSION() AS version");
                let row = inner.query_one_raw(version).await.ok().flatten();
                let version = row.and_then(|row| row.try_get::<String>("", "version").ok());
                Ok::<_, ()>(version.ok_or(())?.contains("MariaDB"))
            };
            // Where it cannot be asked, the statement cannot be run either.
            _ = self.returns_deleted.get_or_try_init(is_mariadb).await;
        }
    }

    /// Returns whether a statement with this verb can return the rows that it wrote.
    pub(super) fn returns(&self, verb: Verb) -> bool {
        self.returns || verb == Verb::Delete && self.returns_deleted.get() == Some(&true)
    }
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
        let whole = match self.open() {
            Some(outer) => outer.whole.clone(),
            None => (self.database.backend == DbBackend::MySql).then(|| self.interval()),
        };
        Self {
            database: Arc::clone(&self.database),
            stash: Arc::default(),
            kind: Kind::Transaction(Open {
                unit: Mutex::default(),
                outer: self.is_transaction().then(|| Arc::clone(self)),
                whole,
                failed: AtomicBool::new(false),
                torn: AtomicBool::new(false),
                doubtful: AtomicBool::new(false),
            }),
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

    /// Has a row be read again and told that was written by this.
    pub(super) fn settle(&self, model: &ModelEntry, write: Announced) {
        let label = Arc::clone(&model.label);
        match (self.open(), write.key) {
            (None, Some(key)) => self.database.publisher.settle((label, key), write.old),
            // Nothing but itself writes it before its end.
            _ => self.join(vec![(Event::reset(label), None)]),
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
        let whole = self.open().and_then(|open| open.whole.clone());
        whole.unwrap_or_else(|| self.interval())
    }

    /// Takes in the events of a write that is done: keeps them while a transaction is open, tells them
    /// where none is.
    pub(super) async fn record(&self, events: Vec<Committed>) {
        match self.open() {
            Some(open) => self.keep(open, events),
            None => self.database.publisher.publish(events).await,
        }
    }

    fn keep(&self, open: &Open, events: impl IntoIterator<Item = Committed>) {
        if open.doubtful.load(Ordering::Relaxed) {
            self.tear();
        }
        open.unit().events.extend(events);
    }

    /// Takes in that rows of these models changed which are not known.
    pub(super) async fn record_resets(&self, models: &[usize]) {
        self.record(self.resets(models)).await;
    }

    /// The same, where nobody can wait.
    pub(super) fn record_resets_later(&self, models: &[usize]) {
        let resets = self.resets(models);
        match self.open() {
            Some(open) => self.keep(open, resets),
            None => self.database.publisher.publish_later(resets),
        }
    }

    fn resets(&self, models: &[usize]) -> Vec<Committed> {
        let labels = models.iter().map(|place| &self.registry().at(*place).label);
        labels
            .map(|label| (Event::reset(Arc::clone(label)), None))
            .collect()
    }

    /// Announces a write, for its statement or its second hook.
    pub(super) fn announce(&self, writer: Writer, entity: TypeId, write: Announced) {
        let is_first = self.stash.announce(writer, entity, write);
        // What a transaction leaves behind is looked at when it commits, or goes with it.
        if is_first && !self.is_transaction() {
            let (stash, database) = (Arc::clone(&self.stash), Arc::clone(&self.database));
            let is_plain = matches!(self.kind, Kind::Plain);
            let publisher = &self.database.publisher;
            publisher.watch(sweep(stash, database, is_plain));
        }
    }

    /// Takes note that a statement failed.
    pub(super) fn failed(&self, error: &DbErr) {
        self.may_have_failed();
        if self.database.backend == DbBackend::MySql && failure::is_deadlock(error) {
            self.tear();
            self.forget_all();
        }
    }

    /// Forgets what was written in the transaction up to now, with all that it is in.
    fn forget_all(&self) {
        self.for_each_outwards(|open| _ = mem::take(&mut *open.unit()));
        self.stash.drain();
    }

    /// Takes note that a statement may fail.
    pub(super) fn may_have_failed(&self) {
        if let Some(open) = self.open() {
            open.failed.store(true, Ordering::Relaxed);
        }
    }

    /// Takes note that the transaction, with all that it is in, may be over before its end.
    pub(super) fn tear(&self) {
        self.for_each_outwards(|open| open.torn.store(true, Ordering::Relaxed));
    }

    /// Takes note that the transaction, with all that it is in, may be rolled back before its end: what is written
    /// in it from now on may commit by itself.
    pub(super) fn doubt(&self) {
        self.for_each_outwards(|open| open.doubtful.store(true, Ordering::Relaxed));
    }

    fn for_each_outwards(&self, act: impl Fn(&Open)) {
        let mut scope = Some(self);
        while let Some(open) = scope.and_then(Self::open) {
            act(open);
            scope = open.outer.as_deref();
        }
    }

    pub(super) fn has_failed(&self) -> bool {
        let failed = |open: &Open| open.failed.load(Ordering::Relaxed);
        self.open().is_some_and(failed)
    }

    pub(super) fn is_torn(&self) -> bool {
        let torn = |open: &Open| open.torn.load(Ordering::Relaxed);
        self.open().is_some_and(torn)
    }

    pub(super) fn is_doubtful(&self) -> bool {
        let doubtful = |open: &Open| open.doubtful.load(Ordering::Relaxed);
        self.open().is_some_and(doubtful)
    }

    /// Returns whether an error of COMMIT says that nothing is committed.
    pub(super) fn is_over_for_sure(&self, error: &DbErr) -> bool {
        // SQLite may have ended it at an earlier error, and what was written since committed by itself.
        let may_be_over = self.database.backend == DbBackend::Sqlite && self.has_failed();
        failure::is_refusal(error) && !may_be_over && !self.is_torn()
    }

    /// Takes in what a savepoint wrote.
    pub(super) fn join(&self, events: Vec<Committed>) {
        if let Some(open) = self.open() {
            self.keep(open, events);
        }
    }

    /// Reads, before the transaction commits, the rows that were written and that nobody described.
    pub(super) async fn read_what_is_left(&self, inner: &impl Inner) {
        for (entity, write) in self.stash.drain() {
            if write.stage == Stage::Written
                && let Some(model) = self.registry().of_type(entity)
            {
                match read_behind(inner, model, write).await {
                    Ok(event) => self.join(vec![event]),
                    Err(gone) => self.settle(model, gone),
                }
            }
        }
    }

    /// Takes out what a transaction wrote.
    pub(super) fn take(&self) -> Unit {
        self.open()
            .map(|open| mem::take(&mut *open.unit()))
            .unwrap_or_default()
    }

    /// Returns whether a transaction wrote nothing so far that anybody is told of.
    pub(super) fn is_empty(&self) -> bool {
        let is_empty = |open: &Open| open.unit().events.is_empty();
        self.open().is_none_or(is_empty)
    }
}

impl Drop for Scope {
    /// What was written in a transaction that is rolled back is forgotten, unless it may be committed.
    fn drop(&mut self) {
        if self.is_torn() {
            let resets = self.take().into_resets();
            let outer = self.open().and_then(|open| open.outer.as_ref());
            match outer.and_then(|outer| outer.open()) {
                Some(outer) => outer.unit().events.extend(resets),
                None => self.database.publisher.publish_later(resets),
            }
        }
    }
}

impl Open {
    fn unit(&self) -> MutexGuard<'_, Unit> {
        // Nothing panics while it is held, so a poisoned unit is whole.
        self.unit.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Unit {
    /// Returns a reset of each model that was written: where it is not known what of it is committed.
    pub(super) fn into_resets(self) -> Vec<Committed> {
        let mut models = Vec::new();
        for (event, _) in self.events {
            if !models.contains(&event.model) {
                models.push(event.model);
            }
        }
        models
            .into_iter()
            .map(|model| (Event::reset(model), None))
            .collect()
    }
}

/// Looks for writes that were announced and did not come to their end: their request was given up between the
/// statement and the hook, or they failed. What may have been written is read again.
async fn sweep(stash: Arc<Stash>, database: Arc<Database>, is_plain: bool) {
    loop {
        time::sleep(Stash::PATIENCE / 2).await;
        let Some(overdue) = stash.overdue() else {
            return;
        };
        for (entity, write) in overdue {
            let may_be_written = match write.stage {
                Stage::Written => true,
                // A live connection has not seen the statement, so there was none.
                Stage::Announced => is_plain && write.verb != Verb::Insert,
                Stage::Nothing => false,
            };
            let publisher = &database.publisher;
            if let Some(model) = publisher.registry.of_type(entity)
                && may_be_written
            {
                publisher
                    .publish(given_up(publisher, model, write).await)
                    .await;
            }
        }
    }
}

/// Returns the event of a write that was given up, and may be done.
async fn given_up(
    publisher: &Arc<Publisher>,
    model: &ModelEntry,
    write: Announced,
) -> Vec<Committed> {
    let verb = write.verb;
    match read_behind(&publisher.db, model, write).await {
        // It is still there.
        Ok(_) if verb == Verb::Delete => Vec::new(),
        Ok(event) => vec![event],
        Err(gone) if verb == Verb::Delete => gone.deleted(model).into_iter().collect(),
        Err(gone) => {
            let label = Arc::clone(&model.label);
            if let Some(key) = gone.key {
                publisher.settle((label, key), gone.old);
            }
            Vec::new()
        }
    }
}
