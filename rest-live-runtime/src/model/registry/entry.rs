//! What is known of one model, and of each key that it can be subscribed to by.

use std::{any::TypeId, collections::HashSet, sync::Arc};

use serde_json::value::RawValue;

use super::RegistryError;
use crate::{
    data::{
        event::Row,
        group_id::{GroupId, GroupIndex},
        key::{KeyKind, KeyMismatch, KeyValue},
    },
    model::{
        declaration::{DescribedGroup, ReadKey, Serializer},
        permission::{Authorization, UserType},
        row_json::{ColumnError, Columns},
        table::Table,
    },
};

/// A subscribable model.
pub(crate) struct ModelEntry {
    pub(crate) label: Arc<str>,
    pub(crate) entity: TypeId,
    /// The names of the primary key's columns.
    pub(crate) pk_columns: Vec<&'static str>,
    pub(crate) read_pk: ReadKey,
    pub(crate) pk_kind: KeyKind,
    pub(crate) table: Table,
    pub(crate) columns: Columns,
    /// Names of the columns that stay in this process.
    pub(crate) secret: Vec<&'static str>,
    pub(crate) groups: Vec<GroupEntry>,
}

/// A key that a model can be subscribed to by.
pub(crate) struct GroupEntry {
    pub(crate) index: GroupIndex,
    pub(crate) key: &'static str,
    pub(crate) kind: KeyKind,
    /// The column whose change moves a row to another group.
    column: Option<&'static str>,
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

impl ModelEntry {
    pub(crate) fn add(&mut self, mut group: GroupEntry, errors: &mut Vec<RegistryError>) {
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

    /// Has a column stay in this process, as a serializer says.
    pub(crate) fn add_secret(
        &mut self,
        column: &'static str,
        serializer: &str,
        errors: &mut Vec<RegistryError>,
    ) {
        if self.secret.contains(&column) {
            return;
        }
        if !self.columns.can_be_blank(column) {
            errors.push(RegistryError::NoBlank {
                serializer: serializer.to_owned(),
                column,
            });
        }
        self.secret.push(column);
    }

    /// Finds the mistakes that only all serializers of the model together show.
    pub(crate) fn check(&self, users: UserType, errors: &mut Vec<RegistryError>) {
        let all = || {
            self.groups
                .iter()
                .flat_map(|group| group.shown.iter().map(move |shown| (group, shown)))
        };
        let authorized = all().find(|(_, shown)| shown.authorize.is_some());
        let permitted = all().find(|(_, shown)| shown.serializer.permission.is_some());
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
            // What guards another key, and not this one.
            let guarded = match group.has_permission() {
                true => authorized,
                false => authorized.or(permitted),
            };
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
                            kind: KeyMismatch::new(&group.kind).to_string(),
                        });
                    }
                }
                (None, Some((_, guarded))) if !shown.public => {
                    errors.push(RegistryError::HalfGuarded {
                        label: self.label.to_string(),
                        group_key: group.key,
                        serializer: serializer.name.to_string(),
                        guarded: guarded.serializer.name.to_string(),
                    });
                }
                (None, _) => {}
            }
        }
        let keys = self.groups.iter().filter_map(|group| group.column);
        for column in keys.chain(self.table.key()) {
            if self.secret.contains(&column) {
                errors.push(RegistryError::SecretKey {
                    label: self.label.to_string(),
                    column,
                });
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
        self.groups.iter().any(GroupEntry::has_permission)
    }

    pub(crate) fn a_serializer(&self) -> String {
        self.groups
            .first()
            .and_then(|group| group.shown.first())
            .map_or_else(|| self.label.to_string(), |s| s.serializer.name.to_string())
    }

    /// Returns the primary key of a row, `None` for a row of another model.
    pub(crate) fn key_of(&self, row: &Row) -> Option<KeyValue> {
        (self.read_pk)(row)
    }

    /// Reads a primary key that was written in JSON.
    pub(crate) fn read_key(&self, json: &serde_json::Value) -> Option<KeyValue> {
        self.pk_kind.read(json).ok()
    }

    /// Writes a row for other processes.
    ///
    /// # Errors
    /// The column that cannot be written.
    pub(crate) fn encode(&self, row: &Row) -> Result<Box<RawValue>, ColumnError> {
        self.columns.encode(row, &self.secret)
    }

    /// Reads a row that was written for other processes.
    ///
    /// # Errors
    /// The column that is missing, or holds something else.
    pub(crate) fn decode(&self, row: &RawValue) -> Result<Row, ColumnError> {
        self.columns.decode(row, &self.secret)
    }

    /// Drops of several states of a row those that say the same as a later one: who may hold it.
    pub(crate) fn distinct(&self, rows: Vec<Row>) -> Vec<Row> {
        let mut known = HashSet::new();
        let mut distinct: Vec<Row> = Vec::new();
        for row in rows.into_iter().rev() {
            let groups: Vec<_> = self.groups.iter().map(|group| group.of_row(&row)).collect();
            // Where a permission decides, all of the row may matter.
            let content = match self.has_permission() {
                true => match self.columns.encode(&row, &[]) {
                    Ok(row) => Some(row.get().to_owned()),
                    Err(_) => {
                        distinct.push(row);
                        continue;
                    }
                },
                false => None,
            };
            if known.insert((groups, content)) {
                distinct.push(row);
            }
        }
        distinct.reverse();
        distinct
    }

    /// Returns whether the primary key is one number, as databases count up.
    pub(crate) fn has_number_for_key(&self) -> bool {
        matches!(self.pk_kind, KeyKind::Integer { .. })
    }

    /// Returns the key with a name.
    pub(crate) fn group(&self, key: &str) -> Option<&GroupEntry> {
        self.groups.iter().find(|g| g.key == key)
    }

    /// Returns whether an update that sets these columns needs the old rows: where they were, and who saw them.
    pub(crate) fn needs_old(&self, sets: &[&str]) -> bool {
        let moves = |set: &&str| {
            let mut moving = self.groups.iter().filter_map(|g| g.column);
            moving.any(|column| column == *set) || self.table.is_of_key(set)
        };
        self.has_permission() || sets.iter().any(moves)
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
    pub(crate) fn new(
        group: DescribedGroup,
        serializer: &Serializer,
    ) -> Result<Self, RegistryError> {
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

    fn has_permission(&self) -> bool {
        let mut shown = self.shown.iter();
        shown.any(|shown| shown.serializer.permission.is_some())
    }

    /// Returns the group with this value.
    pub(crate) fn at(&self, value: KeyValue) -> GroupId {
        GroupId {
            index: self.index,
            value,
        }
    }

    /// Returns the group that a row is in, `None` where its column is NULL.
    pub(crate) fn of_row(&self, row: &Row) -> Option<GroupId> {
        (self.read)(row).map(|value| self.at(value))
    }
}
