//! All registrations, indexed and checked: which models there are, by which keys they can be
//! subscribed to, and how their rows are shown.

use std::{
    any::{Any, TypeId},
    collections::{HashMap, HashSet},
    fmt,
    sync::Arc,
};

use sea_orm::EntityTrait;

use crate::{
    declaration::{Described, DescribedGroup, PK, ReadKey, Registration, Serializer},
    event::Row,
    group::{GroupIndex, GroupKey},
    key::{KeyKind, KeyValue},
};

/// A mistake in what is registered, found by [`LiveBuilder::build`](crate::LiveBuilder::build).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// Nothing is registered, so no change would reach anybody.
    #[error(
        "no serializer is registered: put #[subscribable] on one; if it is in another crate, that crate is only \
         linked when something of it is named, so write Live::builder(..).register::<TheSerializer>()"
    )]
    Empty,
    /// Two entities have the same label.
    #[error(
        "{first} and {second} are serializers of two models, both called `{label}`: give one of them model = \"app.Name\""
    )]
    TwoModels {
        /// The label.
        label: String,
        /// A serializer of the one model.
        first: String,
        /// A serializer of the other.
        second: String,
    },
    /// One entity has two labels.
    #[error(
        "{first} calls its model `{first_label}`, {second} calls the same model `{second_label}`: a model has one label"
    )]
    TwoLabels {
        /// One serializer.
        first: String,
        /// Its label.
        first_label: String,
        /// The other serializer.
        second: String,
        /// Its label.
        second_label: String,
    },
    /// Two serializers want to show the same group.
    #[error(
        "{first} and {second} both show `{label}` by `{group_key}`: give one of them a higher rank, or drop one of the keys"
    )]
    DuplicateGroupKey {
        /// The model's label.
        label: String,
        /// The group key.
        group_key: &'static str,
        /// One serializer.
        first: String,
        /// The other.
        second: String,
    },
    /// A column that clients cannot subscribe by.
    #[error(
        "{serializer} cannot be subscribed to by `{group_key}`: {column}, and a key is an integer, a string, a boolean, an enumeration or a UUID"
    )]
    NotAKey {
        /// The serializer.
        serializer: String,
        /// The group key.
        group_key: &'static str,
        /// What the column is.
        column: String,
    },
    /// A permission that nothing would check.
    #[error(
        "{serializer} has check_permission or authorize, and this version of rest-live does not check permissions yet: \
         to let everybody see these rows, take the argument away; otherwise do not subscribe to this model"
    )]
    PermissionUnsupported {
        /// The serializer.
        serializer: String,
    },
}

/// The registrations of one [`Live`](crate::Live).
pub(crate) struct Registry {
    models: Vec<ModelEntry>,
    by_label: HashMap<Arc<str>, usize>,
    by_entity: HashMap<TypeId, usize>,
    by_group: Vec<usize>,
}

/// A subscribable model.
pub(crate) struct ModelEntry {
    pub(crate) label: Arc<str>,
    read_pk: ReadKey,
    pub(crate) groups: Vec<GroupEntry>,
}

/// A key that a model can be subscribed to by.
pub(crate) struct GroupEntry {
    index: GroupIndex,
    pub(crate) key: &'static str,
    pub(crate) kind: KeyKind,
    column: Option<Arc<dyn Any + Send + Sync>>,
    read: ReadKey,
    pub(crate) serializer: Serializer,
}

impl Registry {
    /// Indexes and checks registrations. The same serializer may come twice.
    ///
    /// # Errors
    /// Every mistake there is, in the order of the serializers' names.
    pub(crate) fn new(
        registrations: impl IntoIterator<Item = Registration>,
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
            by_group: Vec::new(),
        };
        let mut errors = Vec::new();
        if described.is_empty() {
            errors.push(RegistryError::Empty);
        }
        for serializer in described {
            registry.add(serializer, &mut errors);
        }
        // Indexed last: a higher rank replaces an entry.
        for (model, entry) in registry.models.iter_mut().enumerate() {
            for group in &mut entry.groups {
                group.index = GroupIndex(registry.by_group.len());
                registry.by_group.push(model);
            }
        }
        if errors.is_empty() {
            Ok(registry)
        } else {
            Err(errors)
        }
    }

    fn add(&mut self, described: Described, errors: &mut Vec<RegistryError>) {
        let name = described.serializer.name.clone();
        if described.restricted {
            errors.push(RegistryError::PermissionUnsupported {
                serializer: name.clone(),
            });
        }
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
                if let Err(column) = described.pk_kind {
                    let group_key = PK;
                    errors.push(RegistryError::NotAKey {
                        serializer: name,
                        group_key,
                        column,
                    });
                    return;
                }
                let label: Arc<str> = described.label.into();
                self.by_label.insert(Arc::clone(&label), self.models.len());
                self.by_entity.insert(described.entity, self.models.len());
                self.models.push(ModelEntry {
                    label,
                    read_pk: described.read_pk,
                    groups: Vec::new(),
                });
                self.models.len() - 1
            }
        };
        let model = &mut self.models[model];
        for group in described.groups {
            match GroupEntry::new(group, &described.serializer) {
                Ok(group) => model.add(group, errors),
                Err(error) => errors.push(error),
            }
        }
    }

    /// Returns the model of an entity.
    pub(crate) fn of_entity<E: EntityTrait>(&self) -> Option<&ModelEntry> {
        self.by_entity
            .get(&TypeId::of::<E>())
            .map(|model| &self.models[*model])
    }

    /// Returns the model with a label.
    pub(crate) fn labelled(&self, label: &str) -> Option<&ModelEntry> {
        self.by_label.get(label).map(|model| &self.models[*model])
    }

    /// Returns the model that a group belongs to.
    pub(crate) fn of_group(&self, group: GroupIndex) -> Option<&ModelEntry> {
        self.by_group.get(group.0).map(|model| &self.models[*model])
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

impl ModelEntry {
    fn add(&mut self, group: GroupEntry, errors: &mut Vec<RegistryError>) {
        let Some(present) = self.groups.iter_mut().find(|g| g.key == group.key) else {
            self.groups.push(group);
            return;
        };
        if present.serializer.rank == group.serializer.rank {
            errors.push(RegistryError::DuplicateGroupKey {
                label: self.label.to_string(),
                group_key: group.key,
                first: present.serializer.name.clone(),
                second: group.serializer.name,
            });
        } else if present.serializer.rank < group.serializer.rank {
            *present = group;
        }
    }

    fn a_serializer(&self) -> String {
        self.groups
            .first()
            .map_or_else(|| self.label.to_string(), |g| g.serializer.name.clone())
    }

    /// Returns the primary key of a row, `None` for a row of another model.
    pub(crate) fn key_of(&self, row: &Row) -> Option<KeyValue> {
        (self.read_pk)(row)
    }

    /// Returns the key with a name.
    pub(crate) fn group(&self, key: &str) -> Option<&GroupEntry> {
        self.groups.iter().find(|g| g.key == key)
    }

    /// Returns the columns whose change moves a row to another group. `E` is the model's entity.
    pub(crate) fn moving_columns<E: EntityTrait>(&self) -> impl Iterator<Item = E::Column> {
        self.groups
            .iter()
            .filter_map(|g| g.column.as_ref()?.downcast_ref().copied())
    }

    /// Returns the keys for people: `pk or list_id`.
    pub(crate) fn key_names(&self) -> String {
        self.groups
            .iter()
            .map(|g| g.key)
            .collect::<Vec<_>>()
            .join(" or ")
    }
}

impl GroupEntry {
    fn new(group: DescribedGroup, serializer: &Serializer) -> Result<Self, RegistryError> {
        let kind = group.kind.map_err(|column| RegistryError::NotAKey {
            serializer: serializer.name.clone(),
            group_key: group.key,
            column,
        })?;
        Ok(Self {
            index: GroupIndex(0),
            key: group.key,
            kind,
            column: group.column,
            read: group.read,
            serializer: serializer.clone(),
        })
    }

    /// Returns the group with this value.
    pub(crate) fn at(&self, value: KeyValue) -> GroupKey {
        GroupKey {
            index: self.index,
            value,
        }
    }

    /// Returns the group that a row is in, `None` where its column is NULL.
    pub(crate) fn of_row(&self, row: &Row) -> Option<GroupKey> {
        (self.read)(row).map(|value| self.at(value))
    }
}
