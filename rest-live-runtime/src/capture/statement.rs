//! Runs one statement, and finds out what it wrote.
//!
//! Where the database returns the rows that a statement wrote (SQLite, PostgreSQL), each statement that SeaQuery
//! built on one subscribed table returns the whole rows: they are the events, with the old rows that the
//! hooks announced. Elsewhere the second hook knows the new row, and the statement only says that it was written.
//! What cannot be known is a reset.

pub(crate) mod db_error;
pub(crate) mod exec_result;
pub(crate) mod plan;
mod returned;

use std::{mem, pin::pin, sync::Arc};

use futures_util::TryStreamExt;
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbErr, ExecResult, QueryResult,
    Statement, StreamTrait,
};

use self::{
    db_error::is_refusal,
    exec_result::executed,
    plan::{Plan, ReturningPlan},
    returned::ReturnedRows,
};
use super::{
    Scope,
    hooks::{
        pending::{PendingWrite, Stage, Writer},
        probe,
    },
    sql::Verb,
};
use crate::{
    data::{
        event::{Event, Row},
        key::KeyValue,
    },
    model::registry::ModelEntry,
    publish::publisher::Committed,
};

/// SeaORM's own connection or transaction.
pub(super) trait Inner: ConnectionTrait + StreamTrait {}

impl Inner for DatabaseConnection {}
impl Inner for DatabaseTransaction {}

/// A statement, and how it was called.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) statement: Statement,
    pub(super) how: How,
    pub(super) writer: Writer,
    /// Whether the caller has asked whether rows are returned: then it reads the row behind its update.
    pub(super) reads_behind: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    Execute,
    Unprepared,
    QueryOne,
    QueryAll,
}

/// What a statement answered.
#[derive(Debug)]
pub(super) enum Answer {
    Executed(ExecResult),
    One(Option<QueryResult>),
    All(Vec<QueryResult>),
}

impl Call {
    pub(super) fn new(statement: Statement, how: How) -> Self {
        Self {
            statement,
            how,
            writer: Writer::current(),
            reads_behind: probe::were_rows_asked_for(),
        }
    }

    /// Runs the statement as it is.
    pub(super) async fn pass(self, inner: &impl Inner) -> Result<Answer, DbErr> {
        let statement = self.statement;
        Ok(match self.how {
            How::Execute => Answer::Executed(inner.execute_raw(statement).await?),
            How::Unprepared => Answer::Executed(inner.execute_unprepared(&statement.sql).await?),
            How::QueryOne => Answer::One(inner.query_one_raw(statement).await?),
            How::QueryAll => Answer::All(inner.query_all_raw(statement).await?),
        })
    }

    /// Runs the statement, and records what it wrote.
    pub(super) async fn run(
        self,
        inner: &impl Inner,
        scope: &Scope,
        plan: Plan,
    ) -> Result<Answer, DbErr> {
        match plan {
            Plan::Pass => self.pass(inner).await,
            Plan::Returning(returned) => self.returned(inner, scope, returned).await,
            Plan::FromHooks { of, mut writes } => {
                if of.may_do_nothing {
                    // How many rows are affected does not tell: sqlx has MySQL count those that it found.
                    forget_those_there(inner, scope, &mut writes).await?;
                }
                self.announced(inner, scope, of.verb, writes).await
            }
            Plan::Unknown {
                models,
                is_one,
                counts,
            } => {
                let returns = self.statement.sql.contains(" RETURNING ");
                let answer = self.pass(inner).await;
                let wrote_nothing = match &answer {
                    Ok(Answer::Executed(result)) => counts && result.rows_affected() == 0,
                    Ok(Answer::One(row)) => counts && returns && row.is_none(),
                    Ok(Answer::All(rows)) => counts && returns && rows.is_empty(),
                    Err(error) => is_one && is_refusal(error),
                };
                if !wrote_nothing {
                    scope.record_resets(&models).await;
                }
                answer
            }
        }
    }

    async fn returned(
        mut self,
        inner: &impl Inner,
        scope: &Scope,
        mut plan: ReturningPlan,
    ) -> Result<Answer, DbErr> {
        self.statement.sql = mem::take(&mut plan.sql);
        let how = self.how;
        // From before the statement could take effect. In a transaction its rows are locked when it
        // returns, and nobody else's write comes in between until the end.
        let before = (!scope.is_transaction()).then(|| scope.interval());
        let mut told = ReturnedRows::new(scope, plan);
        let (rows, written) = match self.rows(inner, &mut told).await {
            Ok(rows) => rows,
            Err(error) => {
                if !is_refusal(&error) {
                    let models = told.models();
                    scope.record_resets(&models).await;
                }
                return Err(error);
            }
        };
        let interval = before.unwrap_or_else(|| scope.interval());
        let (events, last_key) = told.into_events(&interval);
        scope.record(events).await;
        Ok(match how {
            How::Execute | How::Unprepared => {
                let last_insert_id = match last_key {
                    Some(KeyValue::Integer(id)) => id.try_into().unwrap_or_default(),
                    _ => 0,
                };
                Answer::Executed(executed(scope.database.backend, written, last_insert_id).await?)
            }
            How::QueryOne => Answer::One(rows.into_iter().next()),
            How::QueryAll => Answer::All(rows),
        })
    }

    /// Runs a statement that returns the rows that it wrote, and takes them in; returns them where they are
    /// asked for, and how many they are.
    async fn rows(
        self,
        inner: &impl Inner,
        told: &mut ReturnedRows<'_>,
    ) -> Result<(Vec<QueryResult>, u64), DbErr> {
        let statement = self.statement;
        if let How::Execute | How::Unprepared = self.how {
            // Nobody asked for the rows: there may be more than there is memory for.
            let mut stream = pin!(inner.stream_raw(statement).await?);
            let mut written = 0;
            while let Some(row) = stream.try_next().await? {
                written += 1;
                told.take(&row);
            }
            return Ok((Vec::new(), written));
        }
        // To its end, also where one row is asked for: on SQLite sqlx drops the error of a commit that fails behind it.
        let rows = inner.query_all_raw(statement).await?;
        for row in &rows {
            told.take(row);
        }
        let written = rows.len() as u64;
        Ok((rows, written))
    }

    async fn announced(
        self,
        inner: &impl Inner,
        scope: &Scope,
        verb: Verb,
        writes: Vec<(usize, PendingWrite)>,
    ) -> Result<Answer, DbErr> {
        let (writer, reads_behind) = (self.writer, self.reads_behind);
        let models: Vec<usize> = writes.iter().map(|(place, _)| *place).collect();
        let answer = match self.pass(inner).await {
            Ok(answer) => answer,
            Err(error) => {
                if !is_refusal(&error) {
                    scope.record_resets(&models).await;
                }
                return Err(error);
            }
        };
        let Answer::Executed(result) = &answer else {
            // Nothing of SeaORM's asks for rows here.
            scope.record_resets(&models).await;
            return Ok(answer);
        };
        let written = result.rows_affected();
        if written == 0 {
            return Ok(answer);
        }
        let mut events = Vec::new();
        let count = writes.len() as u64;
        for (place, mut write) in writes {
            let model = scope.registry().model(place);
            if scope.is_transaction() && !write.was_missing {
                write.interval = match verb {
                    Verb::Update => scope.interval_of_update(),
                    Verb::Insert | Verb::Delete => scope.interval(),
                };
            }
            match verb {
                Verb::Delete if written == count => events.extend(write.deleted(model)),
                Verb::Delete => events.push((Event::reset(Arc::clone(&model.label)), None)),
                Verb::Update if !reads_behind => match read_behind(inner, model, write).await {
                    Ok(event) => events.push(event),
                    Err(gone) => scope.settle(model, gone),
                },
                Verb::Insert | Verb::Update if write.stage == Stage::Nothing => {
                    scope.announce(writer, model.entity, write);
                }
                Verb::Insert | Verb::Update => {
                    if write.key.is_none() && model.has_integer_key() {
                        let id = result.last_insert_id();
                        write.key = (id != 0).then(|| KeyValue::Integer(id.into()));
                    }
                    write.stage = Stage::Written;
                    scope.announce(writer, model.entity, write);
                }
            }
        }
        scope.record(events).await;
        Ok(answer)
    }
}

impl PendingWrite {
    /// Returns the event of a row that is deleted; none where its key is not known.
    pub(super) fn deleted(self, model: &ModelEntry) -> Option<Committed> {
        let (key, label) = (self.key?, Arc::clone(&model.label));
        let event = match self.old {
            Some(old) => Event::deleted(label, key, old),
            None => Event::reread(label, key, Vec::new(), None),
        };
        Some((event, Some(self.interval)))
    }

    /// Returns the event of a row that was written, and is this now.
    pub(super) fn written(self, model: &ModelEntry, key: KeyValue, new: Row) -> Committed {
        let label = Arc::clone(&model.label);
        let event = match self.verb {
            Verb::Insert => Event::created(label, key, new),
            Verb::Update | Verb::Delete => Event::updated(label, key, self.old, new),
        };
        (event, Some(self.interval))
    }
}

impl Answer {
    /// Returns whether a statement that returns what it writes wrote something.
    pub(super) fn is_of_rows(&self) -> bool {
        match self {
            Self::Executed(result) => result.rows_affected() > 0,
            Self::One(row) => row.is_some(),
            Self::All(rows) => !rows.is_empty(),
        }
    }

    pub(super) fn executed(self) -> Result<ExecResult, DbErr> {
        match self {
            Self::Executed(result) => Ok(result),
            Self::One(_) | Self::All(_) => Err(mixed_up()),
        }
    }

    pub(super) fn one(self) -> Result<Option<QueryResult>, DbErr> {
        match self {
            Self::One(row) => Ok(row),
            Self::Executed(_) | Self::All(_) => Err(mixed_up()),
        }
    }

    pub(super) fn all(self) -> Result<Vec<QueryResult>, DbErr> {
        match self {
            Self::All(rows) => Ok(rows),
            Self::Executed(_) | Self::One(_) => Err(mixed_up()),
        }
    }
}

/// No call is answered in another's way.
fn mixed_up() -> DbErr {
    DbErr::Custom("rest-live mixed up the answers of two statements: please report it".to_owned())
}

/// Finds out which rows are there before an insert that would do nothing about them.
async fn forget_those_there(
    inner: &impl Inner,
    scope: &Scope,
    writes: &mut [(usize, PendingWrite)],
) -> Result<(), DbErr> {
    for (place, write) in writes {
        let table = &scope.registry().model(*place).table;
        if let Some(key) = &write.key
            && table.read(inner, key).await?.is_some()
        {
            write.stage = Stage::Nothing;
        }
    }
    Ok(())
}

/// Reads a row that was written and that nobody else will describe. It is locked in any case: so a transaction
/// reads it as it is, and not as it was when the transaction began.
///
/// # Errors
/// The write itself, where the row is not there any more.
pub(super) async fn read_behind(
    inner: &impl Inner,
    model: &ModelEntry,
    write: PendingWrite,
) -> Result<Committed, PendingWrite> {
    let reset = (Event::reset(Arc::clone(&model.label)), None);
    let Some(key) = write.key.clone() else {
        return Ok(reset);
    };
    match model.table.read_locked(inner, &key).await {
        Ok(Some(row)) => Ok(write.written(model, key, row)),
        Ok(None) => Err(write),
        Err(_) => Ok(reset),
    }
}
