//! The registry: all models, the keys that clients can use to subscribe to them, and the
//! serializers that show their rows.
//!
//! `LiveBuilder::build` creates it and reports every mistake in it. It never changes afterwards, so
//! indexes into it stay valid.

mod error;
mod group_entry;
mod model_entry;

use std::{
    any::TypeId,
    collections::{HashMap, HashSet},
    fmt,
    sync::Arc,
};

use parking_lot::Mutex;
use sea_orm::EntityTrait;

pub use self::error::RegistryError;
pub(crate) use self::{
    group_entry::{FilterPanic, GroupEntry},
    model_entry::ModelEntry,
};
use super::{description::SerializerDescription, permission::UserType, registration::Registration};
use crate::data::{
    group_id::{GroupId, GroupIndex},
    key::PK,
};

/// Maximum number of labels in one message.
const MAX_LABELS: usize = 10;

/// Maximum number of labels of other processes that are reported.
const MAX_REPORTED_LABELS: usize = 100;

/// The registered models of one [`Live`](crate::Live).
#[derive(Default)]
pub(crate) struct Registry {
    models: Vec<ModelEntry>,
    by_label: HashMap<Arc<str>, usize>,
    by_entity: HashMap<TypeId, usize>,
    /// The models of each table, by the table's name in lowercase. Several models can share a
    /// table.
    by_table: HashMap<String, Vec<usize>>,
    /// For each [`GroupIndex`], the index of the model and the index of the group in the model.
    by_group: Vec<(usize, usize)>,
    /// The entities whose writes are captured by triggers.
    captured_by_triggers: HashSet<TypeId>,
    /// The labels of other processes that were reported.
    reported_labels: Mutex<HashSet<String>>,
}

impl Registry {
    /// Indexes and checks the registrations. The same serializer may be registered twice.
    ///
    /// # Errors
    /// All mistakes, in the order of the serializers' names.
    pub(crate) fn new(
        registrations: impl IntoIterator<Item = Registration>,
        users: UserType,
    ) -> Result<Self, Vec<RegistryError>> {
        let mut seen = HashSet::new();
        let mut descriptions: Vec<SerializerDescription> = registrations
            .into_iter()
            .map(Registration::describe)
            .filter(|d| seen.insert(d.type_id))
            .collect();
        // The linker's order is arbitrary.
        descriptions.sort_by(|a, b| a.serializer.name.cmp(&b.serializer.name));

        let mut registry = Self::default();
        let mut errors = Vec::new();
        if descriptions.is_empty() {
            errors.push(RegistryError::Empty);
        }
        for description in descriptions {
            registry.add(description, &mut errors);
        }
        for (model_index, model) in registry.models.iter_mut().enumerate() {
            for (index, group) in model.groups.iter_mut().enumerate() {
                group.index = GroupIndex(registry.by_group.len());
                registry.by_group.push((model_index, index));
            }
        }
        for model in &mut registry.models {
            model.restrict_columns();
        }
        for (index, model) in registry.models.iter().enumerate() {
            model.check(users, &mut errors);
            let table = model.table.name.to_ascii_lowercase();
            registry.by_table.entry(table).or_default().push(index);
        }
        if errors.is_empty() {
            Ok(registry)
        } else {
            Err(errors)
        }
    }

    fn add(&mut self, description: SerializerDescription, errors: &mut Vec<RegistryError>) {
        let name = description.serializer.name.to_string();
        let same_label = self.by_label.get(description.label.as_str()).copied();
        let same_entity = self.by_entity.get(&description.entity).copied();
        let index = match (same_label, same_entity) {
            (Some(by_label), Some(by_entity)) if by_label == by_entity => by_label,
            (_, Some(other)) => {
                let first = &self.models[other];
                errors.push(RegistryError::TwoLabels {
                    first: first.first_serializer(),
                    first_label: first.label.to_string(),
                    second: name,
                    second_label: description.label,
                });
                return;
            }
            (Some(other), None) => {
                errors.push(RegistryError::TwoModels {
                    label: description.label,
                    first: self.models[other].first_serializer(),
                    second: name,
                });
                return;
            }
            (None, None) => {
                // Required even if no serializer uses `pk`: every event names its row by this key.
                let pk_kind = match description.pk_kind {
                    Ok(kind) => kind,
                    Err(wrong) => {
                        errors.push(RegistryError::wrong_key(wrong, &name, PK));
                        return;
                    }
                };
                let index = self.models.len();
                let label: Arc<str> = description.label.into();
                self.by_label.insert(Arc::clone(&label), index);
                self.by_entity.insert(description.entity, index);
                self.models.push(ModelEntry {
                    label,
                    entity: description.entity,
                    pk_columns: description.pk_columns,
                    read_pk: description.read_pk,
                    pk_kind,
                    table: description.table,
                    is_shared: false,
                    codec: description.codec,
                    secret: Vec::new(),
                    shown: Vec::new(),
                    reads_all: false,
                    absent: Vec::new(),
                    groups: Vec::new(),
                });
                index
            }
        };
        let model = &mut self.models[index];
        model.add_fields(description.fields);
        for column in description.secret {
            model.add_secret(column, &name, errors);
        }
        for group in description.groups {
            match GroupEntry::new(group, &description.serializer) {
                Ok(group) => model.add(group, errors),
                Err(error) => errors.push(error),
            }
        }
    }

    /// Checks that an event log outside this process can carry every column of every model.
    ///
    /// # Errors
    /// The columns that it cannot carry.
    pub(crate) fn check_columns(&self) -> Result<(), Vec<RegistryError>> {
        let mut errors = Vec::new();
        for model in &self.models {
            model.check_columns(&mut errors);
        }
        if errors.is_empty() {
            Ok(())
        } else {
            Err(errors)
        }
    }

    /// Removes the models of some tables from capture, because triggers write their events. The
    /// lookups by entity and by table no longer find these models.
    ///
    /// # Errors
    /// The models whose events triggers cannot write.
    pub(crate) fn leave_capture_to_triggers(
        &mut self,
        captures: impl Fn(Option<&str>, &str) -> bool,
    ) -> Result<(), Vec<RegistryError>> {
        let models = &self.models;
        let has_triggers = |index: &usize| {
            let table = &models[*index].table;
            captures(table.schema(), &table.name)
        };
        let mut errors = Vec::new();
        for (index, model) in models
            .iter()
            .enumerate()
            .filter(|(index, _)| has_triggers(index))
        {
            self.captured_by_triggers.insert(model.entity);
            let label = model.label.to_string();
            if self
                .models_of_table(&model.table.name)
                .iter()
                .any(|other| *other != index)
            {
                errors.push(RegistryError::CapturedTwice { label });
            }
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        self.by_entity.retain(|_, index| !has_triggers(index));
        for indexes in self.by_table.values_mut() {
            indexes.retain(|index| !has_triggers(index));
        }
        Ok(())
    }

    /// Marks the models whose tables all scopes share, by the type and the name of their entities.
    ///
    /// # Errors
    /// The entities that have no model.
    pub(crate) fn share_between_scopes(
        &mut self,
        entities: &[(TypeId, &'static str)],
    ) -> Result<(), Vec<RegistryError>> {
        let mut errors = Vec::new();
        for &(entity, name) in entities {
            let mut models = self.models.iter_mut();
            match models.find(|model| model.entity == entity) {
                Some(model) => model.is_shared = true,
                None => errors.push(RegistryError::SharedUnknown { entity: name }),
            }
        }
        if errors.is_empty() {
            Ok(())
        } else {
            Err(errors)
        }
    }

    /// Returns whether triggers capture the writes of an entity.
    pub(crate) fn is_captured_by_triggers<E: EntityTrait>(&self) -> bool {
        self.captured_by_triggers.contains(&TypeId::of::<E>())
    }

    /// Returns the model of an entity, if its writes are captured here.
    pub(crate) fn model_of<E: EntityTrait>(&self) -> Option<&ModelEntry> {
        self.model_by_type(TypeId::of::<E>())
    }

    /// Returns the model of the entity with this type, if its writes are captured here.
    pub(crate) fn model_by_type(&self, entity: TypeId) -> Option<&ModelEntry> {
        Some(&self.models[self.index_by_type(entity)?])
    }

    /// Returns the index of the model of the entity with this type, if its writes are captured
    /// here.
    pub(crate) fn index_by_type(&self, entity: TypeId) -> Option<usize> {
        self.by_entity.get(&entity).copied()
    }

    /// Returns the model with this label.
    pub(crate) fn model_by_label(&self, label: &str) -> Option<&ModelEntry> {
        Some(&self.models[self.index_by_label(label)?])
    }

    /// Returns the index of the model with this label.
    pub(crate) fn index_by_label(&self, label: &str) -> Option<usize> {
        self.by_label.get(label).copied()
    }

    /// Returns the models whose tables are found by their unqualified names, with their indices.
    pub(crate) fn unqualified_models(&self) -> impl Iterator<Item = (usize, &ModelEntry)> {
        let models = self.models.iter().enumerate();
        models.filter(|(_, model)| !model.has_one_table())
    }

    /// Warns, once for each label, if another process gives a model of the same name another label.
    pub(crate) fn report_namesake(&self, label: &str) {
        let name = |label: &str| label.rsplit('.').next().map(str::to_owned);
        let mut models = self.models.iter();
        let Some(own) = models.find(|model| name(&model.label) == name(label)) else {
            return;
        };
        let mut reported = self.reported_labels.lock();
        if reported.len() < MAX_REPORTED_LABELS && reported.insert(label.to_owned()) {
            drop(reported);
            let own = &*own.label;
            tracing::warn!(
                label,
                "the event log has changes of the model `{label}`, which this program does not have, but it has `{own}`. If both are the same model, the clients of each program miss the changes of the other: write model = \"{own}\" above the serializers in both"
            );
        }
    }

    /// Returns the indexes of the models of a table whose writes are captured here.
    pub(crate) fn models_of_table(&self, name: &str) -> &[usize] {
        self.by_table
            .get(&name.to_ascii_lowercase())
            .map_or(&[], |indexes| indexes)
    }

    /// Returns the model with this index.
    pub(crate) fn model(&self, index: usize) -> &ModelEntry {
        &self.models[index]
    }

    /// Returns the indexes of all models whose writes are captured here.
    pub(crate) fn captured_models(&self) -> impl Iterator<Item = usize> {
        self.by_table.values().flatten().copied()
    }

    /// Returns the model and the group key of a group.
    pub(crate) fn group_entry(&self, group: &GroupId) -> (&ModelEntry, &GroupEntry) {
        // Only this registry creates group ids, and it never removes a model.
        let (model, index) = self.by_group[group.index.0];
        let model = &self.models[model];
        (model, &model.groups[index])
    }

    /// Returns the order in which a message names the keys of a request that has not exactly one:
    /// that of the declaration, or none for undeclared keys. `None` if the model has no group that
    /// the request can mean.
    pub(crate) fn order_of_keys(&self, model: &str, keys: &[&str]) -> Option<Arc<[&'static str]>> {
        let model = self.model_by_label(model)?;
        match model.group(keys.iter().copied()) {
            Some(group) => Some(Arc::clone(&group.names)),
            None if keys.is_empty() || !model.has_other_than_single_keys() => None,
            None => Some([].into()),
        }
    }

    /// Returns the labels for a message, such as `todolist.List, todolist.Task`. The list is
    /// truncated.
    pub(crate) fn labels(&self) -> String {
        let labels: Vec<_> = self
            .models
            .iter()
            .take(MAX_LABELS)
            .map(|model| &*model.label)
            .collect();
        let more = if self.models.len() > MAX_LABELS {
            ", …"
        } else {
            ""
        };
        format!("{}{more}", labels.join(", "))
    }

    /// Returns the label and the keys of every model, for the application log.
    pub(crate) fn summary(&self) -> String {
        self.models
            .iter()
            .map(|model| format!("{} by {}", model.label, model.key_names()))
            .collect::<Vec<_>>()
            .join("; ")
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Registry({})", self.summary())
    }
}
