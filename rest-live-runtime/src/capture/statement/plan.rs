//! How to find out what a statement writes. Connections and transactions plan each statement.

use std::sync::Arc;

use sea_orm::{ConnectionTrait, DbErr, Statement};

use super::answer::Answer;
use crate::capture::{
    EventSink,
    sink::{
        db_error::is_refusal,
        pending::{PendingWrite, Writer},
    },
    sql::{
        SchemaSwitch, SettingChanges,
        cache::{AddedReading, Analysis, RawAnalysis, TableAnalysis},
        may_call_set_config,
        old_rows::OldRowsStatements,
    },
};

/// How a statement runs and how its writes become known. Models are given by their indices in the
/// registry.
#[derive(Clone, Debug)]
pub(crate) enum Plan {
    /// The statement writes no subscribed table, and runs unchanged.
    PassThrough,
    /// The statement returns the rows that it writes.
    Returning(ReturningPlan),
    /// The hooks know the rows that the statement writes.
    FromHooks {
        table: Arc<TableAnalysis>,
        /// The pending writes that the statement carries out, each with its model.
        pending: Vec<(usize, PendingWrite)>,
    },
    /// The rows that the statement writes cannot be known.
    Unknown {
        models: Vec<usize>,
        /// Whether the text is a single statement: if the database refuses it, it wrote nothing.
        is_single: bool,
        /// Whether the number of affected rows covers all rows that the text writes.
        counts_all_rows: bool,
    },
    /// The text switches the schema of unqualified tables.
    Switch(SwitchPlan),
}

/// The plan of a text that switches the schema of unqualified tables.
#[derive(Clone, Debug)]
pub(crate) struct SwitchPlan {
    pub(crate) switch: SchemaSwitch,
    /// The settings that the text changes past the end of the transaction.
    pub(crate) settings: SettingChanges,
    /// Whether the text is a single statement.
    pub(crate) is_single: bool,
    /// What else the text does: nothing, or unknown writes.
    pub(crate) then: Box<Plan>,
}

/// The plan of a statement that returns the whole rows that it writes.
#[derive(Clone, Debug)]
pub(crate) struct ReturningPlan {
    pub(crate) table: Arc<TableAnalysis>,
    /// The text that runs in place of the original one.
    pub(crate) sql: String,
    /// The statements that read the rows first, if their old state is needed and no hook reads it.
    /// They need a transaction.
    pub(crate) old_rows: Option<Box<OldRowsStatements>>,
    /// The pending writes that the statement carries out, each with its model.
    pub(crate) pending: Vec<(usize, PendingWrite)>,
}

impl Plan {
    /// Plans a statement that SeaQuery built, and takes the pending writes that it carries out.
    pub(crate) fn for_built(sink: &EventSink, statement: &Statement, writer: Writer) -> Self {
        let database = &sink.database;
        if statement.sql.starts_with("SELECT") {
            let may_switch = sink.watches_schema() && may_call_set_config(&statement.sql);
            return if may_switch {
                Self::for_raw(sink, &statement.sql)
            } else {
                Self::PassThrough
            };
        }
        let table = match database.analyze_built(&statement.sql) {
            Analysis::Table(table) => table,
            Analysis::Raw(raw) => return Self::for_analyzed(sink, &raw),
        };
        if database.is_stand_in() {
            let models: Vec<usize> = table.model_indices().collect();
            let is_hooked = |index: &usize| {
                let entity = sink.registry().model(*index).entity;
                sink.pending.is_announced(writer, entity, table.verb)
            };
            if models.iter().any(is_hooked) {
                // The second hook records the write.
                return Self::PassThrough;
            }
            return Self::Unknown {
                models,
                is_single: true,
                counts_all_rows: true,
            };
        }
        let values = statement.values.as_ref().map_or(&[][..], |v| &v.0);
        let mut pending = Vec::new();
        for model in table.model_indices() {
            let entity = sink.registry().model(model).entity;
            let writes = sink
                .pending
                .take_for_statement(writer, entity, table.verb, values);
            pending.extend(writes.into_iter().map(|write| (model, write)));
        }
        let has_pending = !pending.is_empty();
        // If only a DELETE returns rows, and a hook has announced it, then the hook has read the
        // row already.
        if database.returns_rows || database.returns_rows_of(table.verb) && !has_pending {
            // One row more than the maximum shows that there are too many.
            let limit = database.max_rows_per_statement.saturating_add(1);
            let old_rows = table.old_rows.as_ref().filter(|_| !has_pending);
            let old_rows = old_rows.and_then(|query| query.with_values(values, limit));
            if let Some(sql) = table.returning.clone() {
                let plan = ReturningPlan {
                    table: Arc::clone(&table),
                    sql,
                    old_rows: old_rows.map(Box::new),
                    pending,
                };
                if plan.is_useful() {
                    return Self::Returning(plan);
                }
            }
        } else if has_pending {
            return Self::FromHooks { table, pending };
        }
        Self::Unknown {
            models: table.model_indices().collect(),
            is_single: true,
            counts_all_rows: true,
        }
    }

    /// Leaves the text as it is if PostgreSQL may not allow the role to read what the text writes:
    /// the write would fail, or skip rows, because of the rows that it is made to return.
    pub(crate) async fn without_forbidden_reading(
        mut self,
        inner: &impl ConnectionTrait,
        sink: &EventSink,
    ) -> Self {
        let Self::Returning(plan) = &mut self else {
            return self;
        };
        let added = plan.table.added_reading;
        let Some(model) = plan.table.models.first() else {
            return self;
        };
        let model = sink.registry().model(model.index);
        let may_return = added == AddedReading::None
            || sink
                .may_read_table(inner, model, added == AddedReading::Rows)
                .await;
        // What a view shows may depend on rows that are not locked.
        if plan.old_rows.is_some() && !sink.is_plain_table(inner, model).await {
            plan.old_rows = None;
        }
        if may_return && plan.is_useful() {
            return self;
        }
        Self::Unknown {
            models: plan.table.model_indices().collect(),
            is_single: true,
            counts_all_rows: true,
        }
    }

    /// Plans raw SQL.
    pub(crate) fn for_raw(sink: &EventSink, sql: &str) -> Self {
        Self::for_analyzed(sink, &sink.database.analyze_raw(sql))
    }

    fn for_analyzed(sink: &EventSink, raw: &RawAnalysis) -> Self {
        if raw.controls_transaction {
            // Whatever else the text does: earlier writes may be committed or undone by it.
            sink.note_possible_end();
        }
        let plan = if raw.models.is_empty() {
            Self::PassThrough
        } else {
            Self::Unknown {
                models: raw.models.clone(),
                is_single: raw.is_single,
                counts_all_rows: raw.counts_all_rows,
            }
        };
        match raw.switch.filter(|_| sink.watches_schema()) {
            Some(switch) => Self::Switch(SwitchPlan {
                switch,
                settings: raw.settings,
                is_single: raw.is_single,
                then: Box::new(plan),
            }),
            // The rollback to a savepoint undoes switches. In another schema, a table that is
            // created takes the name of the default one.
            None if (raw.controls_transaction || raw.may_change_tables) && sink.has_switched() => {
                Self::Switch(SwitchPlan {
                    switch: SchemaSwitch::Possible,
                    settings: raw.settings,
                    is_single: raw.is_single,
                    then: Box::new(plan),
                })
            }
            None => plan,
        }
    }

    /// Returns whether the statement updates a row that its hook looked for and did not find.
    pub(crate) fn has_missing_row(&self) -> bool {
        match self {
            Self::Returning(plan) => plan.pending.iter().any(|(_, write)| write.was_missing),
            Self::PassThrough | Self::FromHooks { .. } | Self::Unknown { .. } | Self::Switch(_) => {
                false
            }
        }
    }

    /// Returns whether rows are read and locked before the statement, which needs a transaction.
    pub(crate) fn reads_old_rows(&self) -> bool {
        match self {
            Self::Returning(plan) => plan.old_rows.is_some(),
            Self::PassThrough | Self::FromHooks { .. } | Self::Unknown { .. } | Self::Switch(_) => {
                false
            }
        }
    }

    /// Returns whether the text is surely a single write, which may run in a transaction.
    pub(crate) fn is_single_write(&self) -> bool {
        match self {
            Self::PassThrough | Self::Switch(_) => false,
            Self::Returning(_) | Self::FromHooks { .. } => true,
            Self::Unknown {
                is_single,
                counts_all_rows,
                ..
            } => *is_single && *counts_all_rows,
        }
    }

    /// Returns the models that the statement may write.
    pub(crate) fn model_indices(&self) -> Vec<usize> {
        match self {
            Self::PassThrough => Vec::new(),
            Self::Returning(plan) => plan.table.model_indices().collect(),
            Self::FromHooks { pending, .. } => pending.iter().map(|(model, _)| *model).collect(),
            Self::Unknown { models, .. } => models.clone(),
            Self::Switch(plan) => plan.then.model_indices(),
        }
    }
}

impl ReturningPlan {
    /// Returns whether an event of any model can be exact. Otherwise each model needs an old row
    /// that neither a hook nor a query reads.
    fn is_useful(&self) -> bool {
        !self.pending.is_empty() || self.old_rows.is_some() || !self.table.needs_old_everywhere()
    }
}

impl SwitchPlan {
    /// Returns whether an answer proves that the text wrote no row.
    pub(crate) fn wrote_nothing(&self, answer: &Result<Answer, DbErr>) -> bool {
        let is_refused = answer.as_ref().is_err_and(is_refusal);
        matches!(*self.then, Plan::PassThrough) || self.is_single && is_refused
    }
}
