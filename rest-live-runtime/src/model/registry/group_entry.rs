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
    pub(crate) key: &'static str,
    pub(crate) kind: KeyKind,
    /// The column whose change moves a row to another group; `None` for the primary key.
    pub(super) column: Option<&'static str>,
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
        let kind = group
            .kind
            .map_err(|wrong| RegistryError::wrong_key(wrong, &serializer.name, group.key))?;
        Ok(Self {
            // The registry numbers the groups when it has all of them.
            index: GroupIndex(0),
            key: group.key,
            kind,
            column: group.column,
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

    /// Returns the group with this value in a scope.
    pub(crate) fn group_id(&self, value: KeyValue, scope: Option<&Scope>) -> GroupId {
        GroupId {
            index: self.index,
            scope: scope.cloned(),
            value,
        }
    }

    /// Returns the group that contains a row of a scope, or `None` if the row's group column is
    /// NULL.
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

    /// Returns the value of a row in the column of the key, or `None` if it is NULL.
    pub(crate) fn value_of(&self, row: &Row) -> Option<KeyValue> {
        (self.read)(row)
    }
}
