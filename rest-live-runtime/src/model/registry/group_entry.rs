//! The registry's entry for one group key of a model.

use std::sync::Arc;

use super::RegistryError;
use crate::{
    data::{
        event::Row,
        group_id::{GroupId, GroupIndex},
        key::{KeyKind, KeyValue},
        scope::Scope,
        serializer_set::SerializerSet,
    },
    model::{
        description::{GroupDescription, ReadKey, Serializer},
        permission::{Authorization, Identity},
    },
    user_code::UserPanic,
};

/// A key that clients can use to subscribe to a model.
pub(crate) struct GroupEntry {
    pub(crate) index: GroupIndex,
    /// The names of its keys, as clients write them, in the order of the declaration: `["pk"]`,
    /// `["list_id"]`, `["course_id", "queue_id"]`, or none for the group of all rows.
    pub(crate) names: Arc<[&'static str]>,
    /// The names in one text, for messages and logs: `list_id`, `[course_id, queue_id]` or `all`.
    pub(crate) label: String,
    /// The kind of the value: that of the only key, or a composite of the kinds of all keys.
    pub(crate) kind: KeyKind,
    /// The columns whose change moves a row to another group. Those of the primary key are not
    /// among them.
    pub(super) columns: Vec<&'static str>,
    read: ReadKey,
    /// The serializers that show the rows, the highest rank first.
    pub(crate) serializers: Vec<GroupSerializer>,
}

/// One serializer of a group key.
pub(crate) struct GroupSerializer {
    pub(crate) serializer: Serializer,
    /// Decides which users may subscribe; `None` if all may.
    pub(crate) authorize: Option<Authorization>,
    pub(super) public: bool,
}

/// The filter of a serializer panicked.
#[derive(Debug, thiserror::Error)]
#[error("filter of {serializer}: {panic}")]
pub(crate) struct FilterPanic {
    serializer: Arc<str>,
    panic: UserPanic,
}

impl GroupEntry {
    /// Creates the entry of a key with one serializer.
    ///
    /// # Errors
    /// The column cannot be a key.
    pub(super) fn new(
        group: GroupDescription,
        serializer: &Serializer,
    ) -> Result<Self, RegistryError> {
        let label = group_label(&group.names);
        let kind = group
            .kind
            .map_err(|wrong| RegistryError::wrong_key(wrong, &serializer.name, &label))?;
        Ok(Self {
            // The registry numbers the groups when it has all of them.
            index: GroupIndex(0),
            names: group.names,
            label,
            kind,
            columns: group.columns,
            read: group.read,
            serializers: vec![GroupSerializer {
                serializer: serializer.clone(),
                authorize: group.authorize,
                public: group.public,
            }],
        })
    }

    /// Returns whether the row alone decides whether some serializer shows it.
    pub(crate) fn has_filter(&self) -> bool {
        self.serializers
            .iter()
            .any(|shown| shown.serializer.filter.is_some())
    }

    /// Returns whether a `check_permission` decides which rows a user may see.
    pub(crate) fn has_permission(&self) -> bool {
        self.serializers
            .iter()
            .any(|shown| shown.serializer.permission.is_some())
    }

    /// Returns whether the application decides which users may subscribe.
    pub(crate) fn has_authorize(&self) -> bool {
        self.serializers
            .iter()
            .any(|shown| shown.authorize.is_some())
    }

    /// Returns whether the names of its keys are these, in any order. No name may come twice.
    pub(crate) fn has_names<'n>(&self, mut names: impl ExactSizeIterator<Item = &'n str>) -> bool {
        let own: &[&'n str] = &self.names;
        own.len() == names.len() && names.all(|name| own.contains(&name))
    }

    /// Returns the kind of each key's values, with the key's name.
    pub(crate) fn keys(&self) -> impl Iterator<Item = (&'static str, &KeyKind)> {
        let kinds = match (&self.names[..], &self.kind) {
            ([_], kind) => std::slice::from_ref(kind),
            (_, KeyKind::Composite(kinds)) => kinds,
            // `describe` never creates it: several keys have a composite kind.
            _ => &[],
        };
        self.names.iter().copied().zip(kinds)
    }

    /// Returns the group with this value in a scope.
    pub(crate) fn group_id(&self, value: KeyValue, scope: Option<&Scope>) -> GroupId {
        GroupId {
            index: self.index,
            scope: scope.cloned(),
            value,
        }
    }

    /// Returns the group that contains a row of a scope, or `None` if one of the row's group
    /// columns is NULL.
    pub(crate) fn group_of(&self, row: &Row, scope: Option<&Scope>) -> Option<GroupId> {
        self.value_of(row).map(|value| self.group_id(value, scope))
    }

    /// Returns the serializers whose filters a row passes.
    ///
    /// # Errors
    /// A filter panicked.
    pub(crate) fn filter_row(&self, row: &Row) -> Result<SerializerSet, FilterPanic> {
        let mut passed = SerializerSet::NONE;
        for (index, GroupSerializer { serializer, .. }) in self.serializers.iter().enumerate() {
            let passes = match &serializer.filter {
                None => true,
                Some(filter) => filter.passes(row).map_err(|panic| FilterPanic {
                    serializer: Arc::clone(&serializer.name),
                    panic,
                })?,
            };
            if passes {
                passed = passed.with(index);
            }
        }
        Ok(passed)
    }

    /// Returns the index of the serializer by which a user sees a row that passes its filter: the
    /// highest rank of a set whose permission passes.
    ///
    /// # Errors
    /// A permission panicked.
    pub(crate) fn permitted_serializer(
        &self,
        user: &Identity,
        serializers: SerializerSet,
        row: &Row,
    ) -> Result<Option<usize>, UserPanic> {
        for (index, shown) in self.serializers.iter().enumerate() {
            let passes = serializers.has(index)
                && match &shown.serializer.permission {
                    None => true,
                    Some(permission) => permission.check(user, row)?,
                };
            if passes {
                return Ok(Some(index));
            }
        }
        Ok(None)
    }

    /// Returns the value of a row in the columns of the key, or `None` if one of them is NULL.
    pub(crate) fn value_of(&self, row: &Row) -> Option<KeyValue> {
        (self.read)(row)
    }
}

/// Returns the names of a group's keys in one text.
pub(super) fn group_label(names: &[&str]) -> String {
    match names {
        [] => "all".to_owned(),
        [name] => (*name).to_owned(),
        _ => format!("[{}]", names.join(", ")),
    }
}
