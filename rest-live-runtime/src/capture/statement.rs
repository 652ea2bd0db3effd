//! Runs one statement and finds out what it wrote.
//!
//! If the database returns the rows that a statement wrote (SQLite, PostgreSQL), each statement
//! that SeaQuery built on one subscribed table is made to return whole rows. These rows become the
//! events, with the old rows that the hooks have read, or that a query has read before a bulk
//! update. On other databases, the second hook knows the new row, and the statement only shows
//! that it was written. What is unknown becomes a reset.
//!
//! Connections and transactions create a [`Call`] for each statement, and run it with a [`Plan`].

pub(crate) mod answer;
mod exec_result;
mod old_rows;
pub(crate) mod plan;
mod returned;
pub(crate) mod row_read;
mod table_rows;

use std::{mem, pin::pin, sync::Arc};

use futures_util::TryStreamExt;
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbErr, QueryResult, Statement,
    StreamTrait,
};

use self::{
    answer::Answer,
    exec_result::exec_result,
    old_rows::OldRows,
    plan::{Plan, ReturningPlan},
    returned::ReturnedRows,
    row_read::{mark_existing_rows, read_written_row},
};
use super::{
    EventSink,
    hooks::probe,
    sink::{
        db_error::is_refusal,
        pending::{PendingWrite, Stage, Writer},
    },
    sql::Verb,
};
use crate::data::{event::Event, key::KeyValue};

/// SeaORM's own connection or transaction.
pub(super) trait Inner: ConnectionTrait + StreamTrait {}

impl Inner for DatabaseConnection {}
impl Inner for DatabaseTransaction {}

/// A statement, and how it was called.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) statement: Statement,
    pub(super) method: Method,
    pub(super) writer: Writer,
    /// Whether the caller has asked whether the database returns rows. If it does not, such a
    /// caller reads the row itself after its update, and runs the second hook.
    pub(super) caller_reads_row: bool,
}

/// The method of `ConnectionTrait` that was called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    Execute,
    ExecuteUnprepared,
    QueryOne,
    QueryAll,
}

impl Call {
    pub(super) fn new(statement: Statement, method: Method) -> Self {
        Self {
            statement,
            method,
            writer: Writer::current(),
            caller_reads_row: probe::take_returning_query(),
        }
    }

    /// Runs the statement unchanged, and records nothing.
    pub(super) async fn pass_through(self, inner: &impl Inner) -> Result<Answer, DbErr> {
        let statement = self.statement;
        Ok(match self.method {
            Method::Execute => Answer::Executed(inner.execute_raw(statement).await?),
            Method::ExecuteUnprepared => {
                Answer::Executed(inner.execute_unprepared(&statement.sql).await?)
            }
            Method::QueryOne => Answer::One(inner.query_one_raw(statement).await?),
            Method::QueryAll => Answer::All(inner.query_all_raw(statement).await?),
        })
    }

    /// Runs the statement and records what it wrote.
    pub(super) async fn run(
        self,
        inner: &impl Inner,
        sink: &EventSink,
        plan: Plan,
    ) -> Result<Answer, DbErr> {
        match plan {
            // Connections and transactions run a switch themselves.
            Plan::PassThrough | Plan::Switch(_) => self.pass_through(inner).await,
            Plan::Returning(plan) => self.run_returning(inner, sink, plan).await,
            Plan::FromHooks { table, mut pending } => {
                if table.skips_existing_rows {
                    // The number of affected rows does not show whether rows were skipped: sqlx
                    // makes MySQL count the rows that a statement found.
                    mark_existing_rows(inner, sink, &mut pending).await?;
                }
                self.run_with_hooks(inner, sink, table.verb, pending).await
            }
            Plan::Unknown {
                models,
                is_single,
                counts_all_rows,
            } => {
                self.run_unknown(inner, sink, &models, is_single, counts_all_rows)
                    .await
            }
        }
    }

    async fn run_unknown(
        self,
        inner: &impl Inner,
        sink: &EventSink,
        models: &[usize],
        is_single: bool,
        counts_all_rows: bool,
    ) -> Result<Answer, DbErr> {
        let returns = self.statement.sql.contains(" RETURNING ");
        let answer = self.pass_through(inner).await;
        let wrote_nothing = match &answer {
            Ok(Answer::Executed(result)) => counts_all_rows && result.rows_affected() == 0,
            Ok(Answer::One(row)) => counts_all_rows && returns && row.is_none(),
            Ok(Answer::All(rows)) => counts_all_rows && returns && rows.is_empty(),
            Err(error) => is_single && is_refusal(error),
        };
        if !wrote_nothing {
            sink.record_resets(models).await;
        }
        answer
    }

    async fn run_returning(
        mut self,
        inner: &impl Inner,
        sink: &EventSink,
        mut plan: ReturningPlan,
    ) -> Result<Answer, DbErr> {
        let old = match plan.old_rows.take() {
            Some(statements) => {
                let old = OldRows::read(inner, sink, &plan.table, &statements).await?;
                if old.is_unknown() && plan.table.needs_old_everywhere() {
                    let models: Vec<_> = plan.table.model_indices().collect();
                    return self.run_unknown(inner, sink, &models, true, true).await;
                }
                old
            }
            None => OldRows::default(),
        };
        self.statement.sql = mem::take(&mut plan.sql);
        let method = self.method;
        // The interval begins before the statement can take effect. In a transaction it begins
        // when the statement returns: its rows are locked then, so no other write of them can take
        // effect until the transaction ends.
        let before = (!sink.is_transaction()).then(|| sink.begin_interval());
        let mut returned = ReturnedRows::new(sink, plan, old);
        let (rows, count) = match self.collect_rows(inner, &mut returned).await {
            Ok(rows) => rows,
            Err(error) => {
                if !is_refusal(&error) {
                    let models = returned.model_indices();
                    sink.record_resets(&models).await;
                }
                return Err(error);
            }
        };
        let interval = before.unwrap_or_else(|| sink.begin_interval());
        let (events, last_key) = returned.into_events(&interval);
        sink.record(events).await;
        Ok(match method {
            Method::Execute | Method::ExecuteUnprepared => {
                let last_insert_id = match last_key {
                    Some(KeyValue::Integer(id)) => id.try_into().unwrap_or_default(),
                    _ => 0,
                };
                Answer::Executed(exec_result(sink.database.backend, count, last_insert_id).await?)
            }
            Method::QueryOne => Answer::One(rows.into_iter().next()),
            Method::QueryAll => Answer::All(rows),
        })
    }

    /// Runs a statement that returns the rows that it wrote, and collects them in `returned`.
    /// Returns the rows if the caller asked for them, and their number.
    async fn collect_rows(
        self,
        inner: &impl Inner,
        returned: &mut ReturnedRows<'_>,
    ) -> Result<(Vec<QueryResult>, u64), DbErr> {
        let statement = self.statement;
        if let Method::Execute | Method::ExecuteUnprepared = self.method {
            // The caller did not ask for the rows: there may be more than fit into memory.
            let mut stream = pin!(inner.stream_raw(statement).await?);
            let mut count = 0;
            while let Some(row) = stream.try_next().await? {
                count += 1;
                returned.add(&row);
            }
            return Ok((Vec::new(), count));
        }
        // Reads all rows even if the caller asked for one. On SQLite, sqlx would otherwise drop the
        // error of a commit that fails after the first row.
        let rows = inner.query_all_raw(statement).await?;
        for row in &rows {
            returned.add(row);
        }
        let count = rows.len() as u64;
        Ok((rows, count))
    }

    async fn run_with_hooks(
        self,
        inner: &impl Inner,
        sink: &EventSink,
        verb: Verb,
        pending: Vec<(usize, PendingWrite)>,
    ) -> Result<Answer, DbErr> {
        let (writer, caller_reads_row) = (self.writer, self.caller_reads_row);
        let models: Vec<usize> = pending.iter().map(|(model, _)| *model).collect();
        let answer = match self.pass_through(inner).await {
            Ok(answer) => answer,
            Err(error) => {
                if !is_refusal(&error) {
                    sink.record_resets(&models).await;
                }
                return Err(error);
            }
        };
        let Answer::Executed(result) = &answer else {
            // SeaORM itself does not ask for rows here.
            sink.record_resets(&models).await;
            return Ok(answer);
        };
        let affected = result.rows_affected();
        if affected == 0 {
            return Ok(answer);
        }
        let mut events = Vec::new();
        let expected = pending.len() as u64;
        for (model, mut write) in pending {
            let model = sink.registry().model(model);
            if sink.is_transaction() && !write.was_missing {
                write.interval = match verb {
                    Verb::Update => sink.update_interval(),
                    Verb::Insert | Verb::Delete => sink.begin_interval(),
                };
            }
            match verb {
                Verb::Delete if affected == expected => {
                    events.extend(write.into_deleted_event(model));
                }
                Verb::Delete => events.push((Event::reset(Arc::clone(&model.label)), None)),
                Verb::Update if !caller_reads_row => {
                    match read_written_row(inner, model, write).await {
                        Ok(event) => events.push(event),
                        Err(gone) => sink.reread(model, gone),
                    }
                }
                Verb::Insert | Verb::Update if write.stage == Stage::Unchanged => {
                    sink.add_pending(writer, model.entity, write);
                }
                Verb::Insert | Verb::Update => {
                    if write.key.is_none() && model.has_integer_key() {
                        let id = result.last_insert_id();
                        write.key = (id != 0).then(|| KeyValue::Integer(id.into()));
                    }
                    write.stage = Stage::Written;
                    sink.add_pending(writer, model.entity, write);
                }
            }
        }
        sink.record(events).await;
        Ok(answer)
    }
}
