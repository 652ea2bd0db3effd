//! The scope of the events of a sink, and events that are withheld because it is unknown.

use sea_orm::ConnectionTrait;

use super::EventSink;
use crate::{
    data::scope::Scope,
    model::{default_schema::DefaultSchema, registry::ModelEntry, table::TableOf},
    publish::publisher::Committed,
};

impl EventSink {
    /// Returns the scope of what is written, `None` for the default one.
    pub(crate) fn scope(&self) -> Option<Scope> {
        self.scope.read().clone()
    }

    /// Binds the writes from now on to a scope.
    pub(crate) fn set_scope(&self, scope: Scope) {
        // Their second hooks never came. Their rows are read at the commit, which must not give
        // them the new scope.
        let unfinished = self.pending.take_all().into_iter();
        let models = unfinished.filter_map(|orphan| self.registry().index_by_type(orphan.entity));
        let models: Vec<_> = models.collect();
        self.record_resets_later(&models);
        *self.scope.write() = Some(scope);
    }

    pub(crate) fn default_schema(&self) -> &DefaultSchema {
        &self.database.publisher.default_schema
    }

    /// Gives events the scope of the sink. Without a scope, drops those whose table may be that of
    /// another tenant, and reports them.
    pub(super) fn admit(&self, mut events: Vec<Committed>) -> Vec<Committed> {
        if let Some(scope) = &*self.scope.read() {
            for (event, _) in &mut events {
                let model = self.registry().model_by_label(&event.model);
                if !model.is_some_and(ModelEntry::is_shared) {
                    event.scope = Some(scope.clone());
                }
            }
        } else if self.may_be_foreign() {
            let is_known = |(event, _): &Committed| {
                let index = self.registry().index_by_label(&event.model);
                index.is_some_and(|index| self.is_default_table(index))
            };
            let (known, withheld) = events.into_iter().partition(is_known);
            self.report_withheld(withheld);
            events = known;
        }
        events
    }

    /// Returns the scope of an event of a model. Returns `None`, and reports it, if the event must
    /// be withheld.
    pub(super) fn scope_of(&self, model: &ModelEntry) -> Option<Option<Scope>> {
        let scope = self.scope();
        if model.is_shared() {
            return Some(None);
        }
        let index = self.registry().index_by_label(&model.label)?;
        if scope.is_none() && self.may_be_foreign() && !self.is_default_table(index) {
            let metrics = &self.database.publisher.metrics;
            self.default_schema().report_withheld(&model.label, metrics);
            return None;
        }
        Some(scope)
    }

    /// Reports events that are withheld.
    fn report_withheld(&self, events: Vec<Committed>) {
        let publisher = &self.database.publisher;
        for (event, _) in events {
            let default_schema = &publisher.default_schema;
            default_schema.report_withheld(&event.model, &publisher.metrics);
        }
    }

    /// Reports resets that are withheld.
    pub(crate) fn withhold_resets(&self, models: &[usize]) {
        self.report_withheld(self.resets(models));
    }

    /// Returns whether statements that switch the schema matter.
    pub(crate) fn watches_schema(&self) -> bool {
        self.default_schema().is_watched() && !self.database.is_stand_in()
    }

    /// Returns whether every role may read all columns of the rows that it writes to a table, and,
    /// if `rows`, all rows.
    pub(crate) async fn may_read_table(
        &self,
        inner: &impl ConnectionTrait,
        model: &ModelEntry,
        rows: bool,
    ) -> bool {
        let scope = self.scope();
        let name = self.table_of(model, scope.as_ref());
        model.table.may_read(inner, name, rows).await
    }

    /// Returns whether the relation of a model is a table, and not a view.
    pub(crate) async fn is_plain_table(
        &self,
        inner: &impl ConnectionTrait,
        model: &ModelEntry,
    ) -> bool {
        let scope = self.scope();
        let name = self.table_of(model, scope.as_ref());
        model.table.is_table(inner, name).await
    }

    /// Returns which table the name of a model stands for.
    fn table_of<'s>(&self, model: &ModelEntry, scope: Option<&'s Scope>) -> TableOf<'s> {
        let is_default = || {
            let index = self.registry().index_by_label(&model.label);
            index.is_some_and(|index| self.is_default_table(index))
        };
        match scope {
            Some(scope) => TableOf::Scope(scope),
            None if self.may_be_foreign() && !is_default() => TableOf::Unknown,
            None => TableOf::DefaultSchema,
        }
    }

    fn may_be_foreign(&self) -> bool {
        self.default_schema().is_switched()
            || self.buffer().is_some_and(|buffer| buffer.has_switched())
    }

    /// Returns whether the name of a model's table surely stands for the default one.
    fn is_default_table(&self, model: usize) -> bool {
        let foreign = self.buffer().and_then(|buffer| buffer.foreign_models());
        let entry = self.registry().model(model);
        entry.has_one_table()
            || !self.default_schema().is_switched()
                && !foreign.is_some_and(|foreign| foreign.contains(model))
    }
}
