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
    declaration::{Described, DescribedGroup, Find, PK, ReadKey, Registration, Serializer},
    event::Row,
    group::{GroupIndex, GroupKey},
    key::{Expected, KeyKind, KeyValue},
    permission::{Authorization, UserType},
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
    /// A permission or an `authorize` of another type of users.
    #[error(
        "{argument} of {serializer} is asked about a `{asked}`, but the users of this Live are `{users}`: \
         write Live::builder(..).users::<{asked}>(), or let it take a `&{users}`"
    )]
    UserType {
        /// The serializer.
        serializer: String,
        /// `check_permission` or `authorize`.
        argument: &'static str,
        /// The type that it takes.
        asked: &'static str,
        /// The type that the `Live` has.
        users: &'static str,
    },
    /// One key of a model is guarded by `authorize`, another is open.
    #[error(
        "{guarded} has authorize, and `{label}` can also be subscribed to by `{group_key}` of {serializer}, which has none: \
         give that attribute authorize, too, or say public"
    )]
    HalfAuthorized {
        /// The model's label.
        label: String,
        /// The open key.
        group_key: &'static str,
        /// The serializer of the open key.
        serializer: String,
        /// A serializer with `authorize`.
        guarded: String,
    },
    /// An `authorize` that cannot take every value of the group.
    #[error(
        "authorize of {serializer} takes `{takes}` for the value of `{group_key}`, which is {kind}: take that, or rest_live::KeyValue"
    )]
    AuthorizeValue {
        /// The serializer.
        serializer: String,
        /// The group key.
        group_key: &'static str,
        /// The type that it takes.
        takes: &'static str,
        /// What the group's values are.
        kind: String,
    },
    /// More serializers of one group than can be told apart.
    #[error("`{label}` by `{group_key}` has more than 64 serializers")]
    TooManySerializers {
        /// The model's label.
        label: String,
        /// The group key.
        group_key: &'static str,
    },
}

/// The registrations of one [`Live`](crate::Live).
pub(crate) struct Registry {
    models: Vec<ModelEntry>,
    by_label: HashMap<Arc<str>, usize>,
    by_entity: HashMap<TypeId, usize>,
    /// Of each group the model, and the place in it.
    by_group: Vec<(usize, usize)>,
}

/// A subscribable model.
pub(crate) struct ModelEntry {
    pub(crate) label: Arc<str>,
    /// The names of the primary key's columns.
    pub(crate) pk_columns: Vec<&'static str>,
    read_pk: ReadKey,
    pub(crate) find: Find,
    pub(crate) groups: Vec<GroupEntry>,
}

/// A key that a model can be subscribed to by.
pub(crate) struct GroupEntry {
    index: GroupIndex,
    pub(crate) key: &'static str,
    pub(crate) kind: KeyKind,
    column: Option<Arc<dyn Any + Send + Sync>>,
    read: ReadKey,
    /// How its rows are shown, the highest rank first.
    pub(crate) shown: Vec<Shown>,
}

/// A serializer of one group key.
pub(crate) struct Shown {
    pub(crate) serializer: Serializer,
    /// Who may subscribe; everybody where there is none.
    pub(crate) authorize: Option<Authorization>,
    public: bool,
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
            by_group: Vec::new(),
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
        for model in &registry.models {
            model.check(users, &mut errors);
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
                    pk_columns: described.pk_columns,
                    read_pk: described.read_pk,
                    find: described.find,
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

    /// Returns the model that a group belongs to, and its key.
    pub(crate) fn of_group(&self, group: &GroupKey) -> (&ModelEntry, &GroupEntry) {
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

impl ModelEntry {
    fn add(&mut self, mut group: GroupEntry, errors: &mut Vec<RegistryError>) {
        let Some(present) = self.groups.iter_mut().find(|g| g.key == group.key) else {
            self.groups.push(group);
            return;
        };
        for shown in group.shown.drain(..) {
            let rank = shown.serializer.rank;
            let place = present.shown.partition_point(|s| s.serializer.rank > rank);
            match present.shown.get(place) {
                Some(other) if other.serializer.rank == rank => {
                    errors.push(RegistryError::DuplicateGroupKey {
                        label: self.label.to_string(),
                        group_key: group.key,
                        first: other.serializer.name.to_string(),
                        second: shown.serializer.name.to_string(),
                    });
                }
                _ => present.shown.insert(place, shown),
            }
        }
    }

    /// Finds the mistakes that only all serializers of the model together show.
    fn check(&self, users: UserType, errors: &mut Vec<RegistryError>) {
        let all = || {
            self.groups
                .iter()
                .flat_map(|group| group.shown.iter().map(move |shown| (group, shown)))
        };
        let guarded = all().find(|(_, shown)| shown.authorize.is_some());
        let mut permissions = HashSet::new();
        for (group, shown) in all() {
            let serializer = &shown.serializer;
            let wrong_user = |argument, asked: UserType| RegistryError::UserType {
                serializer: serializer.name.to_string(),
                argument,
                asked: asked.name,
                users: users.name,
            };
            if let Some(permission) = &serializer.permission
                && permission.user != users
                && permissions.insert(&serializer.name)
            {
                errors.push(wrong_user("check_permission", permission.user));
            }
            match (&shown.authorize, guarded) {
                (Some(authorize), _) => {
                    if authorize.user != users {
                        errors.push(wrong_user("authorize", authorize.user));
                    }
                    if !(authorize.takes)(&group.kind) {
                        errors.push(RegistryError::AuthorizeValue {
                            serializer: serializer.name.to_string(),
                            group_key: group.key,
                            takes: authorize.value,
                            kind: Expected::of(&group.kind).to_string(),
                        });
                    }
                }
                (None, Some((_, guarded))) if !shown.public => {
                    errors.push(RegistryError::HalfAuthorized {
                        label: self.label.to_string(),
                        group_key: group.key,
                        serializer: serializer.name.to_string(),
                        guarded: guarded.serializer.name.to_string(),
                    });
                }
                (None, _) => {}
            }
        }
        for group in self.groups.iter().filter(|g| g.shown.len() > 64) {
            errors.push(RegistryError::TooManySerializers {
                label: self.label.to_string(),
                group_key: group.key,
            });
        }
    }

    /// Returns whether who sees a row is decided on the row, so that every change needs the old one.
    pub(crate) fn has_permission(&self) -> bool {
        let mut shown = self.groups.iter().flat_map(|group| &group.shown);
        shown.any(|shown| shown.serializer.permission.is_some())
    }

    fn a_serializer(&self) -> String {
        self.groups
            .first()
            .and_then(|group| group.shown.first())
            .map_or_else(|| self.label.to_string(), |s| s.serializer.name.to_string())
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
            serializer: serializer.name.to_string(),
            group_key: group.key,
            column,
        })?;
        Ok(Self {
            index: GroupIndex(0),
            key: group.key,
            kind,
            column: group.column,
            read: group.read,
            shown: vec![Shown {
                serializer: serializer.clone(),
                authorize: group.authorize,
                public: group.public,
            }],
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
