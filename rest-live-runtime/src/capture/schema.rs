//! Statements that switch the schema of unqualified tables, on connections and in transactions.
//!
//! A switch in a transaction is followed exactly: the tables that the names of the models stand for
//! are compared before and after it. A switch of a pooled connection cannot be followed, because
//! the pool gives later statements any of its connections.

use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement};

use super::{
    EventSink, LiveConnection, LiveTransaction,
    sink::db_error::is_refusal,
    sql::SchemaSwitch,
    statement::{Call, answer::Answer, plan::SwitchPlan},
    transaction::guards::StatementGuard,
};
use crate::model::{default_schema::DefaultSchema, registry::Registry};

impl LiveConnection {
    /// Runs a text that switches the schema.
    pub(super) async fn run_switch(&self, call: Call, plan: SwitchPlan) -> Result<Answer, DbErr> {
        let (inner, sink) = (self.inner().clone(), self.sink().clone());
        let run = async move {
            let publisher = &sink.database.publisher;
            let default_schema = &publisher.default_schema;
            // Before the switch: another task can use the connection as soon as it is done.
            let adds_switch = sink.adds_switch(plan.switch);
            if adds_switch {
                default_schema.add_switch();
            }
            let answer = call.pass_through(&inner).await;
            let wrote_nothing = plan.wrote_nothing(&answer);
            // PostgreSQL undoes the whole text. MySQL keeps the switch of an earlier statement.
            let is_undone = answer.as_ref().is_err_and(is_refusal)
                && (plan.is_single || sink.database.backend == DbBackend::Postgres);
            if adds_switch && is_undone {
                default_schema.remove_switch();
            } else if adds_switch {
                default_schema.confirm_switch();
            }
            let models = plan.then.model_indices();
            if wrote_nothing || models.is_empty() {
                return answer;
            }
            // It is not known which of its statements come after the switch.
            if plan.switch == SchemaSwitch::Reset || sink.scope().is_some() {
                sink.record_resets(&models).await;
            } else {
                sink.withhold_resets(&models);
            }
            answer
        };
        let publisher = &self.sink().database.publisher;
        publisher.complete(Box::pin(run)).await
    }

    /// Prepares a stream of rows of a text that switches the schema.
    pub(super) async fn begin_switch(&self, switch: SchemaSwitch) {
        if self.sink().adds_switch(switch) {
            let default_schema = &self.sink().database.publisher.default_schema;
            default_schema.add_switch();
            default_schema.confirm_switch();
        }
    }
}

impl LiveTransaction {
    /// Runs a text that switches the schema, then compares the tables.
    pub(super) async fn run_switch(&self, call: Call, plan: SwitchPlan) -> Result<Answer, DbErr> {
        self.begin_switch(plan.switch).await;
        let models = plan.then.model_indices();
        let guard = StatementGuard::new(self.sink(), models.clone());
        let answer = call.pass_through(self.inner()).await;
        guard.disarm();
        match &answer {
            Ok(_) => self.compare_tables(plan.switch).await,
            Err(error) => self.sink().note_failure(error),
        }
        if !plan.wrote_nothing(&answer) {
            self.sink().record_resets(&models).await;
        }
        answer
    }

    /// Notes that a text is about to switch the schema.
    pub(super) async fn begin_switch(&self, switch: SchemaSwitch) {
        let Some(buffer) = self.sink().buffer() else {
            return;
        };
        // In a scope, only what outlives the transaction matters.
        if switch == SchemaSwitch::Local && self.sink().scope().is_some() {
            return;
        }
        if buffer.default_tables().get().is_none()
            && let Ok(tables) = tables(self.inner(), self.sink()).await
        {
            _ = buffer.default_tables().set(tables);
        }
        buffer.begin_switch(switch);
        if !buffer.undoes_switches() {
            self.sink().count_switch(true);
        }
    }

    /// Compares the tables, if a switch was not followed by a comparison.
    pub(super) async fn compare_tables_if_needed(&self) {
        if self.sink().has_unverified_switch() {
            self.compare_tables(SchemaSwitch::Local).await;
        }
    }

    /// Finds the models whose names stand for other tables than before the first switch. If the
    /// database returns an error, each may stand for another table.
    async fn compare_tables(&self, switch: SchemaSwitch) {
        let sink = self.sink();
        let Some(buffer) = sink.buffer().filter(|buffer| buffer.has_switched()) else {
            return;
        };
        let (Some(before), Ok(now)) = (
            buffer.default_tables().get(),
            tables(self.inner(), sink).await,
        ) else {
            return;
        };
        let models = sink.registry().unqualified_models();
        let differs = |index: usize| before.get(index) != now.get(index);
        let foreign: Vec<usize> = match sink.database.backend {
            DbBackend::Postgres => {
                let foreign = models.enumerate().filter(|(index, _)| differs(*index));
                foreign.map(|(_, (model, _))| model).collect()
            }
            _ if differs(0) => models.map(|(model, _)| model).collect(),
            _ => Vec::new(),
        };
        if !buffer.undoes_switches() {
            sink.count_switch(!foreign.is_empty());
            if !foreign.is_empty() {
                sink.default_schema().confirm_switch();
            }
        }
        buffer.finish_switch(foreign.into(), switch);
    }
}

/// Returns what the names of the unqualified models stand for: in PostgreSQL the table of each, in
/// MySQL the database of all.
async fn tables(inner: &impl ConnectionTrait, sink: &EventSink) -> Result<Vec<String>, DbErr> {
    let backend = sink.database.backend;
    let sql = match backend {
        DbBackend::Postgres => postgres_tables(sink.registry()),
        _ => "SELECT coalesce(database(), '')".to_owned(),
    };
    let row = inner.query_one_raw(Statement::from_string(backend, sql));
    let row = row.await?.ok_or(DbErr::RecordNotFound(String::new()))?;
    let tables: String = row.try_get_by_index(0)?;
    Ok(match backend {
        DbBackend::Postgres => tables.split(',').map(str::to_owned).collect(),
        _ => vec![tables],
    })
}

/// Returns the query of the tables' ids, separated by commas. Its names do not depend on the
/// `search_path`.
fn postgres_tables(registry: &Registry) -> String {
    let names = registry.unqualified_models().map(|(_, model)| {
        let name = model.table.name.replace('"', "\"\"").replace('\'', "''");
        format!("'\"{name}\"'")
    });
    let names: Vec<String> = names.collect();
    format!(
        "SELECT coalesce(pg_catalog.string_agg(coalesce(pg_catalog.to_regclass(t.name)::pg_catalog.oid::pg_catalog.text, '-'), ',' ORDER BY t.n), '') \
         FROM pg_catalog.unnest(ARRAY[{}]::pg_catalog.text[]) WITH ORDINALITY AS t (name, n)",
        names.join(", ")
    )
}

/// A switch that stays on a pooled connection if the transaction commits. It counts from before
/// the commit, because another task can use the connection as soon as that is done.
#[must_use]
pub(super) struct LastingSwitch<'s>(Option<&'s DefaultSchema>);

impl<'s> LastingSwitch<'s> {
    /// Counts the switch of an outermost transaction, if there is one.
    pub(super) fn before_commit(sink: &'s EventSink) -> Self {
        let stays = sink.has_lasting_switch();
        let default_schema = stays.then_some(&*sink.database.publisher.default_schema);
        if let Some(default_schema) = default_schema {
            default_schema.add_switch();
        }
        Self(default_schema)
    }

    /// Notes whether the transaction was rolled back, which undoes the switch.
    pub(super) fn finish(self, is_rolled_back: bool) {
        match self.0 {
            Some(default_schema) if is_rolled_back => default_schema.remove_switch(),
            Some(default_schema) => default_schema.confirm_switch(),
            None => {}
        }
    }
}
