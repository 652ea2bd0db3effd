//! The table of a model: its names in statements, the columns that a write returns, and reads of
//! single rows.

use std::sync::OnceLock;

use sea_orm::{
    ColumnTrait, ConnectionTrait, DbBackend, DbErr, EntityTrait, FromQueryResult, IdenStatic,
    Iterable, PrimaryKeyToColumn, QueryFilter, QueryResult, QueryTrait, StatementBuilder,
    sea_query::{LockType, Query, SelectStatement},
};

use super::cast;
use crate::{
    data::{event::Row, key::KeyValue},
    user_code,
};

/// The table of an entity.
pub(crate) struct Table {
    pub(crate) name: String,
    schema: Option<String>,
    key_columns: Vec<&'static str>,
    returning: fn(DbBackend) -> Vec<String>,
    /// The result of `returning`. One value is enough, because a `Live` has one database.
    returning_columns: OnceLock<Vec<String>>,
    decode: fn(&QueryResult) -> Result<Row, DbErr>,
    select: fn(&KeyValue) -> SelectStatement,
}

impl Table {
    pub(crate) fn of<E: EntityTrait<Model: Sync>>() -> Self {
        Self {
            name: E::default().table_name().to_owned(),
            schema: E::default().schema_name().map(str::to_owned),
            key_columns: E::PrimaryKey::iter()
                .map(|key| key.into_column().as_str())
                .collect(),
            returning: returning::<E>,
            returning_columns: OnceLock::new(),
            decode: |result| E::Model::from_query_result(result, "").map(Row::new),
            select: select::<E>,
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

    /// Returns all columns of a row, each as SeaORM writes it after `RETURNING`.
    pub(crate) fn returning_columns(&self, backend: DbBackend) -> &[String] {
        self.returning_columns
            .get_or_init(|| (self.returning)(backend))
    }

    /// Decodes a whole row. This may run the application's code, and sqlx panics for some values,
    /// such as the date `infinity`. A panic becomes an error.
    ///
    /// # Errors
    /// SeaORM's error, if a column is missing or has another type.
    pub(crate) fn decode(&self, result: &QueryResult) -> Result<Row, DbErr> {
        user_code::call(|| (self.decode)(result))
            .unwrap_or_else(|panic| Err(DbErr::Type(panic.to_string())))
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
        db.query_one(&(self.select)(key)).await
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
        let mut select = (self.select)(key);
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

fn select<E: EntityTrait>(key: &KeyValue) -> SelectStatement {
    let mut select = E::find();
    let columns = E::PrimaryKey::iter().map(PrimaryKeyToColumn::into_column);
    for (column, value) in columns.zip(key.parts()) {
        let value = value.to_column(column.def().get_column_type());
        select = select.filter(column.eq(value));
    }
    select.into_query()
}

fn returning<E: EntityTrait>(backend: DbBackend) -> Vec<String> {
    if backend == DbBackend::MySql {
        // For this backend SeaQuery writes no `RETURNING`. MariaDB's clause contains only the
        // names.
        return E::Column::iter()
            .map(|column| cast::returned_by_mariadb(&column))
            .collect();
    }
    let mut columns = Vec::new();
    for column in E::Column::iter() {
        let mut statement = Query::delete();
        statement.from_table(E::default().table_ref());
        let expression = column.select_as(column.into_returning_expr(backend));
        statement.returning(Query::returning().exprs([expression]));
        let sql = StatementBuilder::build(&statement, &backend).sql;
        if let Some((_, text)) = sql.split_once(" RETURNING ") {
            columns.push(cast::named(&column, text, backend));
        }
    }
    columns
}
