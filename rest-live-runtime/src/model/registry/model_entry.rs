//! The registry's entry for one model.

use std::{any::TypeId, collections::HashSet, mem, sync::Arc};

use sea_orm::QueryResult;
use serde_json::value::RawValue;

use super::{GroupEntry, RegistryError};
use crate::{
    data::{
        event::Row,
        key::{KeyKind, KeyMismatch, KeyValue},
        serializer_set::SerializerSet,
    },
    model::{
        columns::{ColumnUses, ShownFields},
        description::ReadKey,
        permission::UserType,
        row_json::{ColumnError, EncodedBy, RowCodec},
        table::Table,
    },
    user_code,
};

/// A subscribable model.
pub(crate) struct ModelEntry {
    pub(crate) label: Arc<str>,
    pub(crate) entity: TypeId,
    /// The names of the primary key's columns in JSON.
    pub(crate) pk_columns: Vec<&'static str>,
    pub(super) read_pk: ReadKey,
    pub(super) pk_kind: KeyKind,
    pub(crate) table: Table,
    /// Whether all scopes share the table.
    pub(super) is_shared: bool,
    pub(super) codec: RowCodec,
    /// The names of the columns that must not leave this process.
    pub(super) secret: Vec<&'static str>,
    /// The fields that its serializers show, as far as they are known.
    pub(super) shown: Vec<ShownFields>,
    /// Whether one of its serializers may show any column.
    pub(super) reads_all: bool,
    /// The names of the columns that stored rows lack: the secret ones and the unused ones.
    pub(super) absent: Vec<&'static str>,
    pub(crate) groups: Vec<GroupEntry>,
}

impl ModelEntry {
    /// Adds a group key, or adds its serializers to the key if the model already has it.
    pub(super) fn add(&mut self, mut group: GroupEntry, errors: &mut Vec<RegistryError>) {
        let mut groups = self.groups.iter_mut();
        let Some(present) = groups.find(|g| g.has_names(group.names.iter().copied())) else {
            self.groups.push(group);
            return;
        };
        if present.names != group.names {
            let name = |group: &GroupEntry| group.serializers[0].serializer.name.to_string();
            errors.push(RegistryError::GroupKeyOrder {
                label: self.label.to_string(),
                columns: present.names.to_vec(),
                first: name(present),
                second: name(&group),
            });
        }
        for added in group.serializers.drain(..) {
            let rank = added.serializer.rank;
            let index = present
                .serializers
                .partition_point(|s| s.serializer.rank > rank);
            match present.serializers.get(index) {
                Some(other) if other.serializer.rank == rank => {
                    errors.push(RegistryError::DuplicateGroupKey {
                        label: self.label.to_string(),
                        group_key: group.label.clone(),
                        first: other.serializer.name.to_string(),
                        second: added.serializer.name.to_string(),
                    });
                }
                _ => present.serializers.insert(index, added),
            }
        }
    }

    /// Marks a column as secret, as a serializer declares.
    pub(super) fn add_secret(
        &mut self,
        column: &'static str,
        serializer: &str,
        errors: &mut Vec<RegistryError>,
    ) {
        if self.secret.contains(&column) {
            return;
        }
        if !self.codec.has_default(column) {
            errors.push(RegistryError::NoBlank {
                serializer: serializer.to_owned(),
                column,
            });
        }
        self.secret.push(column);
    }

    /// Adds the fields that a serializer shows, `None` if it may show any.
    pub(super) fn add_fields(&mut self, fields: Option<ShownFields>) {
        self.reads_all |= fields.is_none();
        self.shown.extend(fields);
    }

    /// Finds the columns that nothing reads, when all serializers are known.
    pub(super) fn restrict_columns(&mut self) {
        let groups = self.groups.iter().flat_map(|group| &group.columns).copied();
        let uses = ColumnUses {
            shown: mem::take(&mut self.shown),
            // A filter or a permission receives the whole row.
            reads_all: self.reads_all || self.decides_by_row(),
            keys: groups.chain(self.table.key_columns()).collect(),
        };
        self.table.restrict(&uses);
        self.absent.clone_from(&self.secret);
        let unused = self.table.columns().unused().into_iter();
        self.absent
            .extend(unused.filter(|column| !self.secret.contains(column)));
    }

    /// Finds the mistakes that are visible only when all serializers of the model are known.
    pub(super) fn check(&self, users: UserType, errors: &mut Vec<RegistryError>) {
        let all = || {
            self.groups
                .iter()
                .flat_map(|group| group.serializers.iter().map(move |shown| (group, shown)))
        };
        let authorized = all().find(|(_, shown)| shown.authorize.is_some());
        let permitted = all().find(|(_, shown)| shown.serializer.permission.is_some());
        let mut reported = HashSet::new();
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
                && reported.insert(&serializer.name)
            {
                errors.push(wrong_user("check_permission", permission.user));
            }
            // A guard of another key that this key lacks.
            let guarded = if group.has_permission() {
                authorized
            } else {
                authorized.or(permitted)
            };
            match (&shown.authorize, guarded) {
                (Some(authorize), _) => {
                    if authorize.user != users {
                        errors.push(wrong_user("authorize", authorize.user));
                    }
                    if !(authorize.takes)(&group.kind) {
                        errors.push(RegistryError::AuthorizeValue {
                            serializer: serializer.name.to_string(),
                            group_key: group.label.clone(),
                            takes: authorize.value,
                            kind: match &*group.names {
                                [] => "()".to_owned(),
                                [_] => KeyMismatch::new(&group.kind).to_string(),
                                _ => tuple_of(group),
                            },
                        });
                    }
                }
                (None, Some((_, guarded))) if !shown.public => {
                    errors.push(RegistryError::HalfGuarded {
                        label: self.label.to_string(),
                        group_key: group.label.clone(),
                        serializer: serializer.name.to_string(),
                        guarded: guarded.serializer.name.to_string(),
                    });
                }
                (None, _) => {}
            }
        }
        let group_columns = self.groups.iter().flat_map(|group| &group.columns).copied();
        // Several groups can have a column.
        let mut checked = HashSet::new();
        for column in group_columns.chain(self.table.key_columns()) {
            if self.secret.contains(&column) && checked.insert(column) {
                errors.push(RegistryError::SecretKey {
                    label: self.label.to_string(),
                    column,
                });
            }
        }
        for group in &self.groups {
            if group.serializers.len() > SerializerSet::CAPACITY {
                errors.push(RegistryError::TooManySerializers {
                    label: self.label.to_string(),
                    group_key: group.label.clone(),
                });
            }
        }
    }

    /// Returns whether a filter or a permission decides who sees a row. Then every change needs the
    /// old row, every column may matter, and neither must receive a row that was never committed.
    pub(crate) fn decides_by_row(&self) -> bool {
        self.groups
            .iter()
            .any(|group| group.has_filter() || group.has_permission())
    }

    /// Returns the name of one of its serializers, to identify the model in an error.
    pub(super) fn first_serializer(&self) -> String {
        self.groups
            .first()
            .and_then(|group| group.serializers.first())
            .map_or_else(|| self.label.to_string(), |s| s.serializer.name.to_string())
    }

    /// Returns the primary key of a row, or `None` if the row is of another model.
    pub(crate) fn key_of(&self, row: &Row) -> Option<KeyValue> {
        (self.read_pk)(row)
    }

    /// Decodes a whole row that the database returned, and reads its key. The key is `None` if a
    /// column of it is NULL.
    ///
    /// # Errors
    /// Why the row could not be decoded.
    pub(crate) fn decode_keyed(
        &self,
        result: &QueryResult,
    ) -> Result<(Option<KeyValue>, Row), String> {
        let row = self
            .table
            .decode(result)
            .map_err(|error| error.to_string())?;
        let key = user_code::call(|| self.key_of(&row)).map_err(|panic| panic.to_string())?;
        Ok((key, row))
    }

    /// Parses a primary key in JSON.
    pub(crate) fn read_key(&self, json: &serde_json::Value) -> Option<KeyValue> {
        self.pk_kind.read(json).ok()
    }

    /// Encodes a row for other processes, without the secret and the unused columns.
    ///
    /// # Errors
    /// The column that cannot be encoded.
    pub(crate) fn encode(&self, row: &Row) -> Result<Box<RawValue>, ColumnError> {
        self.codec.encode(row, &self.absent)
    }

    /// Decodes a row that was encoded for other processes. The other process may use other columns
    /// than this one.
    ///
    /// # Errors
    /// The column that is missing or has another type.
    pub(crate) fn decode(&self, row: &RawValue, encoded_by: EncodedBy) -> Result<Row, ColumnError> {
        let row = self.codec.decode(row, &self.absent, encoded_by)?;
        Ok(self.table.columns().measure(row))
    }

    /// Finds the columns that an event log outside this process cannot carry.
    pub(super) fn check_columns(&self, errors: &mut Vec<RegistryError>) {
        errors.extend(self.codec.check(&self.absent).into_iter().map(|error| {
            RegistryError::SharedLogColumn {
                label: self.label.to_string(),
                column: error.column,
                why: error.why,
            }
        }));
    }

    /// Removes states of a row that are equivalent to a later one: the same clients may hold the
    /// row in both.
    pub(crate) fn distinct(&self, rows: Vec<Row>) -> Vec<Row> {
        let mut known = HashSet::new();
        let mut distinct: Vec<Row> = Vec::new();
        for row in rows.into_iter().rev() {
            let groups: Vec<_> = self.groups.iter().map(|g| g.value_of(&row)).collect();
            // If a filter or a permission decides, every column may matter.
            let content = if self.decides_by_row() {
                let Ok(json) = self.codec.encode(&row, &[]) else {
                    distinct.push(row);
                    continue;
                };
                Some(json.get().to_owned())
            } else {
                None
            };
            if known.insert((groups, content)) {
                distinct.push(row);
            }
        }
        distinct.reverse();
        distinct
    }

    /// Returns whether all scopes share the table: its rows belong to no scope.
    pub(crate) fn is_shared(&self) -> bool {
        self.is_shared
    }

    /// Returns whether every connection finds the same table.
    pub(crate) fn has_one_table(&self) -> bool {
        self.is_shared || self.table.schema().is_some()
    }

    /// Returns whether the primary key is one integer, which a database may generate.
    pub(crate) fn has_integer_key(&self) -> bool {
        matches!(self.pk_kind, KeyKind::Integer { .. })
    }

    /// Returns the group key with these names, in any order. No name may come twice.
    pub(crate) fn group<'n>(
        &self,
        names: impl ExactSizeIterator<Item = &'n str> + Clone,
    ) -> Option<&GroupEntry> {
        let mut groups = self.groups.iter();
        groups.find(|group| group.has_names(names.clone()))
    }

    /// Returns whether a request can name a group by another number of keys than one.
    pub(crate) fn has_other_than_single_keys(&self) -> bool {
        self.groups.iter().any(|group| group.names.len() != 1)
    }

    /// Returns whether an update of these columns needs the old rows, because it may move a row to
    /// another group, or because a filter or a permission decides whether it was visible.
    pub(crate) fn needs_old(&self, columns: &[&str]) -> bool {
        let is_group_column =
            |column: &&str| self.groups.iter().any(|g| g.columns.contains(column));
        self.decides_by_row()
            || columns
                .iter()
                .any(|column| is_group_column(column) || self.table.is_key_column(column))
    }

    /// Returns the group keys for a message: `pk or list_id`.
    pub(crate) fn key_names(&self) -> String {
        let label = |group: &GroupEntry| match &*group.names {
            [] => "no key (all rows)".to_owned(),
            _ => group.label.clone(),
        };
        self.groups
            .iter()
            .map(label)
            .collect::<Vec<_>>()
            .join(" or ")
    }
}

/// Returns the values that an `authorize` of several columns takes, for a message.
fn tuple_of(group: &GroupEntry) -> String {
    let kinds = group
        .keys()
        .map(|(_, kind)| KeyMismatch::new(kind).to_string());
    format!("a tuple of ({})", kinds.collect::<Vec<_>>().join(", "))
}
