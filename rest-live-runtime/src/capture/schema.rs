//! Statements that switch the schema of unqualified tables, on connections and in transactions.
//!
//! In PostgreSQL, a switch in a transaction is followed exactly: the tables that the names of the
//! models stand for are compared before and after it. A switch of a pooled connection cannot be
//! followed, because the pool gives later statements any of its connections.

use std::sync::Arc;

use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement};

use super::{
    EventSink, LiveConnection, LiveTransaction,
    sink::db_error::is_refusal,
    sql::{SchemaSwitch, SettingChanges},
    statement::{Call, Inner, answer::Answer, plan::SwitchPlan},
    transaction::guards::StatementGuard,
};
use crate::model::{default_schema::DefaultSchema, registry::Registry};

impl LiveConnection {
    /// Runs a text that switches the schema.
    pub(super) async fn run_switch(&self, call: Call, plan: SwitchPlan) -> Result<Answer, DbErr> {
        let (inner, sink) = (self.inner().clone(), Arc::clone(self.sink()));
        let writes = !plan.then.model_indices().is_empty();
        let run = Box::pin(async move { run_unfollowed(call, plan, &inner, &sink).await });
        let publisher = &self.sink().database.publisher;
        if writes {
            publisher.write(run).await
        } else {
            publisher.complete(run).await
        }
    }

    /// Prepares a stream of rows of a text that switches the schema.
    pub(super) async fn begin_switch(&self, plan: &SwitchPlan) {
        begin_unfollowed(self.sink(), plan.switch);
    }
}

impl LiveTransaction {
    /// Runs a text that switches the schema, then compares the tables.
    pub(super) async fn run_switch(&self, call: Call, plan: SwitchPlan) -> Result<Answer, DbErr> {
        let models = plan.then.model_indices();
        let guard = StatementGuard::new(self.sink(), models.clone());
        if !self.follows_switches() {
            let answer = run_unfollowed(call, plan, self.inner(), self.sink()).await;
            guard.disarm();
            return answer;
        }
        self.begin_switch(&plan).await;
        let answer = call.pass_through(self.inner()).await;
        guard.disarm();
        match &answer {
            Ok(_) => self.compare_tables(plan.settings).await,
            Err(error) => self.sink().note_failure(error),
        }
        if !plan.wrote_nothing(&answer) {
            self.sink().record_resets(&models).await;
        }
        answer
    }

    /// Returns whether the switches in the transaction end with it. In MySQL, they stay on the
    /// connection. There, statements that were prepared before a switch still write the earlier
    /// database, so a switch back does not undo it either.
    fn follows_switches(&self) -> bool {
        self.sink().database.backend == DbBackend::Postgres
    }

    /// Notes that a text is about to switch the schema.
    pub(super) async fn begin_switch(&self, plan: &SwitchPlan) {
        let switch = plan.switch;
        if !self.follows_switches() {
            return begin_unfollowed(self.sink(), switch);
        }
        let Some(buffer) = self.sink().buffer() else {
            return;
        };
        let default_tables = buffer.default_tables();
        // In a scope, only what outlives the transaction matters. But the switch of a savepoint can
        // outlive it in a transaction without a scope.
        if switch < SchemaSwitch::Reset
            && self.sink().scope().is_some()
            && buffer.is_outermost_level()
        {
            _ = default_tables.set(None);
            return;
        }
        if default_tables.get().is_none()
            && let Ok(tables) = tables(self.inner(), self.sink().registry()).await
        {
            _ = default_tables.set(Some(tables));
        }
        buffer.begin_switch(switch, plan.settings);
    }

    /// Compares the tables, if a switch was not followed by a comparison.
    pub(super) async fn compare_tables_if_needed(&self) {
        if self.sink().has_unverified_switch() {
            self.compare_tables(SettingChanges::default()).await;
        }
    }

    /// Finds the models whose names stand for other tables than before the first switch. If the
    /// database returns an error, each may stand for another table.
    async fn compare_tables(&self, settings: SettingChanges) {
        let sink = self.sink();
        let Some(buffer) = sink.buffer().filter(|buffer| buffer.has_switched()) else {
            return;
        };
        let Some(before) = buffer.default_tables().get() else {
            return;
        };
        let Some(before) = before else {
            buffer.finish_switch(None, settings);
            return;
        };
        let Ok(now) = tables(self.inner(), sink.registry()).await else {
            return;
        };
        let models = sink.registry().unqualified_models().enumerate();
        let foreign = models.filter(|(index, _)| before.get(*index) != now.get(*index));
        let foreign = foreign.map(|(_, (model, _))| model);
        buffer.finish_switch(Some(foreign.collect()), settings);
    }
}

/// Notes that a text is about to switch the schema of a connection, which cannot be followed.
fn begin_unfollowed(sink: &EventSink, switch: SchemaSwitch) {
    if sink.adds_switch(switch) {
        sink.default_schema().add_switch();
        sink.default_schema().confirm_switch();
    }
}

/// Runs a text whose switch cannot be followed.
async fn run_unfollowed(
    call: Call,
    plan: SwitchPlan,
    inner: &impl Inner,
    sink: &EventSink,
) -> Result<Answer, DbErr> {
    let default_schema = sink.default_schema();
    // Before the switch: another task can use the connection as soon as it is done.
    let adds_switch = sink.adds_switch(plan.switch);
    if adds_switch {
        default_schema.add_switch();
    }
    let answer = call.pass_through(inner).await;
    if let Err(error) = &answer {
        sink.note_failure(error);
    }
    // PostgreSQL undoes the whole text. MySQL keeps the switch of an earlier statement.
    let is_undone = answer.as_ref().is_err_and(is_refusal)
        && (plan.is_single || sink.database.backend == DbBackend::Postgres);
    match (adds_switch, is_undone) {
        (true, true) => default_schema.remove_switch(),
        (true, false) => default_schema.confirm_switch(),
        (false, _) => {}
    }
    if plan.wrote_nothing(&answer) {
        return answer;
    }
    let models = plan.then.model_indices();
    // It is not known which statements of the text come after the switch.
    if plan.switch == SchemaSwitch::Local && sink.scope().is_none() {
        sink.withhold_resets(&models);
    } else {
        sink.record_resets(&models).await;
    }
    answer
}

/// Returns the ids of the tables that the names of the unqualified models stand for.
async fn tables(inner: &impl ConnectionTrait, registry: &Registry) -> Result<Vec<String>, DbErr> {
    let sql = tables_query(registry);
    let row = inner.query_one_raw(Statement::from_string(DbBackend::Postgres, sql));
    let row = row.await?.ok_or(DbErr::RecordNotFound(String::new()))?;
    let tables: String = row.try_get_by_index(0)?;
    Ok(tables.split(',').map(str::to_owned).collect())
}

/// Returns the query of the tables' ids, separated by commas. Its names do not depend on the
/// `search_path`.
fn tables_query(registry: &Registry) -> String {
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
