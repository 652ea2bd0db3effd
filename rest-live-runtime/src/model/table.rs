//! The table of a model: its names in statements, the columns that a write returns, and reads of
//! single rows.

mod visibility;

use std::{collections::HashMap, sync::OnceLock};

use parking_lot::Mutex;
use sea_orm::{
    ConnectionTrait, DbBackend, DbErr, EntityTrait, IdenStatic, Iterable, PrimaryKeyToColumn,
    QueryResult, sea_query::LockType,
};

pub(crate) use self::visibility::TableOf;
use self::visibility::{ReportedObstacles, WriteOnly};
use super::columns::{ColumnUses, Columns, EntityColumns, ReturnedColumn};
use crate::{
    data::{event::Row, key::KeyValue, scope::Scope},
    user_code,
};

/// The table of an entity.
pub(crate) struct Table {
    pub(crate) name: String,
    schema: Option<String>,
    key_columns: Vec<&'static str>,
    columns: Box<dyn Columns>,
    /// The columns that a write returns. One value is enough, because a `Live` has one database.
    returned: OnceLock<Vec<ReturnedColumn>>,
    /// Whether it is a table, and not a view. Unknown before the first read that asks.
    is_base_table: OnceLock<bool>,
    write_only: OnceLock<WriteOnly>,
    /// The same for the tables of scopes, if the entity names no schema.
    write_only_in_scopes: Mutex<HashMap<Scope, WriteOnly>>,
    reported: ReportedObstacles,
}

impl Table {
    pub(crate) fn of<E: EntityTrait<Model: Sync>>() -> Self {
        Self {
            name: E::default().table_name().to_owned(),
            schema: E::default().schema_name().map(str::to_owned),
            key_columns: E::PrimaryKey::iter()
                .map(|key| key.into_column().as_str())
                .collect(),
            columns: Box::new(EntityColumns::<E>::new()),
            returned: OnceLock::new(),
            is_base_table: OnceLock::new(),
            write_only: OnceLock::new(),
            write_only_in_scopes: Mutex::default(),
            reported: ReportedObstacles::default(),
        }
    }

    /// Returns the schema, if the entity names one.
    pub(crate) fn schema(&self) -> Option<&str> {
        self.schema.as_deref()
    }

    /// Returns whether the entity names this schema.
    pub(crate) fn is_in(&self, schema: Option<&str>) -> bool {
        self.schema.as_deref() == schema
    }

    /// Returns the columns of the primary key.
    pub(crate) fn key_columns(&self) -> impl Iterator<Item = &'static str> {
        self.key_columns.iter().copied()
    }

    /// Returns whether a column belongs to the primary key.
    pub(crate) fn is_key_column(&self, column: &str) -> bool {
        self.key_columns.contains(&column)
    }

    /// Finds the columns that nothing reads. Rows are then kept without them.
    pub(crate) fn restrict(&mut self, uses: &ColumnUses) {
        self.columns.restrict(uses);
    }

    /// Returns the columns of the entity.
    pub(crate) fn columns(&self) -> &dyn Columns {
        &*self.columns
    }

    /// Returns all columns of a row, as a write returns them.
    pub(crate) fn returned_columns(&self, backend: DbBackend) -> &[ReturnedColumn] {
        self.returned.get_or_init(|| self.columns.returned(backend))
    }

    /// Decodes a row, and blanks its unused columns. This may run the application's code, and sqlx
    /// panics for some values, such as the date `infinity`. A panic becomes an error.
    ///
    /// # Errors
    /// SeaORM's error, if a column is missing or has another type.
    pub(crate) fn decode(&self, result: &QueryResult) -> Result<Row, DbErr> {
        user_code::call(|| self.columns.decode(result))
            .unwrap_or_else(|panic| Err(DbErr::Type(panic.to_string())))
    }

    /// Takes a model of the entity as a row, and blanks its unused columns.
    pub(crate) fn take<E: EntityTrait<Model: Sync>>(&self, model: E::Model) -> Row {
        match self.entity_columns::<E>() {
            Some(columns) => columns.take(model),
            None => Row::new(model),
        }
    }

    /// Returns the columns, if they are those of this entity.
    pub(crate) fn entity_columns<E: EntityTrait<Model: Sync>>(&self) -> Option<&EntityColumns<E>> {
        self.columns.as_any().downcast_ref()
    }

    /// Reads the row with this primary key.
    ///
    /// # Errors
    /// The database's error, or that of decoding.
    pub(crate) async fn read(
        &self,
        db: &impl ConnectionTrait,
        key: &KeyValue,
    ) -> Result<Option<Row>, DbErr> {
        let found = self.find(db, key).await?;
        found.map(|result| self.decode(&result)).transpose()
    }

    /// Reads the row with this primary key, without decoding it.
    ///
    /// # Errors
    /// The database's error.
    pub(crate) async fn find(
        &self,
        db: &impl ConnectionTrait,
        key: &KeyValue,
    ) -> Result<Option<QueryResult>, DbErr> {
        db.query_one(&self.columns.select(key)).await
    }

    /// Reads the row with this primary key, and locks it if the database has row locks.
    ///
    /// # Errors
    /// The database's error, or that of decoding.
    pub(crate) async fn read_locked(
        &self,
        db: &impl ConnectionTrait,
        key: &KeyValue,
    ) -> Result<Option<Row>, DbErr> {
        let found = self.find_locked(db, key).await?;
        found.map(|result| self.decode(&result)).transpose()
    }

    /// Reads and locks the row with this primary key, without decoding it.
    ///
    /// # Errors
    /// The database's error.
    pub(crate) async fn find_locked(
        &self,
        db: &impl ConnectionTrait,
        key: &KeyValue,
    ) -> Result<Option<QueryResult>, DbErr> {
        let mut select = self.columns.select(key);
        select.lock(row_lock(db.get_database_backend()));
        db.query_one(&select).await
    }
}

/// Returns the lock for rows that are about to be updated: the same lock that the update takes.
/// PostgreSQL's stronger lock would wait for transactions that only insert rows which refer to
/// these.
pub(crate) fn row_lock(backend: DbBackend) -> LockType {
    match backend {
        DbBackend::Postgres => LockType::NoKeyUpdate,
        _ => LockType::Update,
    }
}
