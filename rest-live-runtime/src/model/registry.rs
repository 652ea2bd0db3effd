//! All registrations, indexed and checked: which models there are, by which keys they can be
//! subscribed to, and how their rows are shown.

mod entry;
mod error;

use std::{
    any::TypeId,
    collections::{HashMap, HashSet},
    fmt,
    sync::Arc,
};

use sea_orm::EntityTrait;

pub(crate) use self::entry::{GroupEntry, ModelEntry};
pub use self::error::RegistryError;
use super::{
    declaration::{Described, Registration},
    permission::UserType,
};
use crate::data::{
    group_id::{GroupId, GroupIndex},
    key::PK,
};

/// The registrations of one [`Live`](crate::Live).
pub(crate) struct Registry {
    models: Vec<ModelEntry>,
    by_label: HashMap<Arc<str>, usize>,
    by_entity: HashMap<TypeId, usize>,
    /// By the name of the table in small letters: several models may look at one.
    by_table: HashMap<String, Vec<usize>>,
    /// Of each group the model, and the place in it.
    by_group: Vec<(usize, usize)>,
    /// The entities whose writes triggers tell of.
    left: HashSet<TypeId>,
}

impl Registry {
    /// Indexes and checks registrations. The same serializer may come twice.
    ///
    /// # Errors
    /// Every mistake there is, in the order of the serializers' names.
    pub(crate) fn new(
        registrations: impl IntoIterator<Item = Registration>,
        users: UserType,
    ) -> Result<Self, Vec<RegistryError>> {
        let mut seen = HashSet::new();
        let mut described: Vec<Described> = registrations
            .into_iter()
            .map(Registration::describe)
            .filter(|d| seen.insert(d.type_id))
            .collect();
        // The linker's order is nobody's.
        described.sort_by(|a, b| a.serializer.name.cmp(&b.serializer.name));

        let mut registry = Self {
            models: Vec::new(),
            by_label: HashMap::new(),
            by_entity: HashMap::new(),
            by_table: HashMap::new(),
            by_group: Vec::new(),
            left: HashSet::new(),
        };
        let mut errors = Vec::new();
        if described.is_empty() {
            errors.push(RegistryError::Empty);
        }
        for serializer in described {
            registry.add(serializer, &mut errors);
        }
        for (model, entry) in registry.models.iter_mut().enumerate() {
            for (place, group) in entry.groups.iter_mut().enumerate() {
                group.index = GroupIndex(registry.by_group.len());
                registry.by_group.push((model, place));
            }
        }
        for (place, model) in registry.models.iter().enumerate() {
            model.check(users, &mut errors);
            let table = model.table.name.to_ascii_lowercase();
            registry.by_table.entry(table).or_default().push(place);
        }
        if errors.is_empty() {
            Ok(registry)
        } else {
            Err(errors)
        }
    }

    fn add(&mut self, described: Described, errors: &mut Vec<RegistryError>) {
        let name = described.serializer.name.to_string();
        let same_label = self.by_label.get(described.label.as_str()).copied();
        let same_entity = self.by_entity.get(&described.entity).copied();
        let model = match (same_label, same_entity) {
            (Some(by_label), Some(by_entity)) if by_label == by_entity => by_label,
            (_, Some(other)) => {
                let first = &self.models[other];
                errors.push(RegistryError::TwoLabels {
                    first: first.a_serializer(),
                    first_label: first.label.to_string(),
                    second: name,
                    second_label: described.label,
                });
                return;
            }
            (Some(other), None) => {
                errors.push(RegistryError::TwoModels {
                    label: described.label,
                    first: self.models[other].a_serializer(),
                    second: name,
                });
                return;
            }
            (None, None) => {
                // Also where nobody subscribes by it: it is the row's address in every event.
                let pk_kind = match described.pk_kind {
                    Ok(kind) => kind,
                    Err(column) => {
                        let group_key = PK;
                        errors.push(RegistryError::NotAKey {
                            serializer: name,
                            group_key,
                            column,
                        });
                        return;
                    }
                };
                let label: Arc<str> = described.label.into();
                self.by_label.insert(Arc::clone(&label), self.models.len());
                self.by_entity.insert(described.entity, self.models.len());
                self.models.push(ModelEntry {
                    label,
                    entity: described.entity,
                    pk_columns: described.pk_columns,
                    read_pk: described.read_pk,
                    pk_kind,
                    table: described.table,
                    columns: described.columns,
                    secret: Vec::new(),
                    groups: Vec::new(),
                });
                self.models.len() - 1
            }
        };
        let model = &mut self.models[model];
        for column in described.secret {
            model.add_secret(column, &name, errors);
        }
        for group in described.groups {
            match GroupEntry::new(group, &described.serializer) {
                Ok(group) => model.add(group, errors),
                Err(error) => errors.push(error),
            }
        }
    }

    /// Leaves the writes of some tables to triggers, which tell of them: who captures does not know these models any more.
    ///
    /// # Errors
    /// The models that cannot be left to them.
    pub(crate) fn leave_to_triggers(
        &mut self,
        captures: impl Fn(Option<&str>, &str) -> bool,
    ) -> Result<(), Vec<RegistryError>> {
        let models = &self.models;
        let is_left = |place: &usize| {
            let table = &models[*place].table;
            captures(table.schema(), &table.name)
        };
        let mut errors = Vec::new();
        for (place, model) in models
            .iter()
            .enumerate()
            .filter(|(place, _)| is_left(place))
        {
            self.left.insert(model.entity);
            let label = model.label.to_string();
            if model.has_permission() {
                errors.push(RegistryError::CapturedPermission { label });
            } else if self
                .of_table(&model.table.name)
                .iter()
                .any(|other| *other != place)
            {
                errors.push(RegistryError::CapturedTwice { label });
            }
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        self.by_entity.retain(|_, place| !is_left(place));
        for places in self.by_table.values_mut() {
            places.retain(|place| !is_left(place));
        }
        Ok(())
    }

    /// Returns whether triggers tell of the writes of an entity.
    pub(crate) fn is_left_to_triggers<E: EntityTrait>(&self) -> bool {
        self.left.contains(&TypeId::of::<E>())
    }

    /// Returns the model of an entity.
    pub(crate) fn of_entity<E: EntityTrait>(&self) -> Option<&ModelEntry> {
        self.of_type(TypeId::of::<E>())
    }

    /// Returns the model of an entity, given by its type.
    pub(crate) fn of_type(&self, entity: TypeId) -> Option<&ModelEntry> {
        let model = self.by_entity.get(&entity);
        model.map(|model| &self.models[*model])
    }

    /// Returns the model with a label.
    pub(crate) fn labelled(&self, label: &str) -> Option<&ModelEntry> {
        self.by_label.get(label).map(|model| &self.models[*model])
    }

    /// Returns the places of the models that look at a table.
    pub(crate) fn of_table(&self, name: &str) -> &[usize] {
        let models = self.by_table.get(&name.to_ascii_lowercase());
        models.map_or(&[], |models| models)
    }

    /// Returns the model at a place.
    pub(crate) fn at(&self, place: usize) -> &ModelEntry {
        &self.models[place]
    }

    /// Returns the places of all models whose writes are captured.
    pub(crate) fn of_all_tables(&self) -> impl Iterator<Item = usize> {
        self.by_table.values().flatten().copied()
    }

    /// Returns the model that a group belongs to, and its key.
    pub(crate) fn of_group(&self, group: &GroupId) -> (&ModelEntry, &GroupEntry) {
        // A group's address is made by this registry, and nothing is ever taken out.
        let (model, place) = self.by_group[group.index.0];
        let model = &self.models[model];
        (model, &model.groups[place])
    }

    /// Returns the labels for people: `todolist.List, todolist.Task`, and no more than a message
    /// can bear.
    pub(crate) fn labels(&self) -> String {
        const MOST: usize = 10;
        let labels: Vec<_> = self.models.iter().take(MOST).map(|m| &*m.label).collect();
        let more = if self.models.len() > MOST {
            ", …"
        } else {
            ""
        };
        format!("{}{more}", labels.join(", "))
    }

    /// Returns every model's label and keys, for the log at start.
    pub(crate) fn summary(&self) -> String {
        let models = self
            .models
            .iter()
            .map(|m| format!("{} by {}", m.label, m.key_names()));
        models.collect::<Vec<_>>().join("; ")
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Registry({})", self.summary())
    }
}
