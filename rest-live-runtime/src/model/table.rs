//! The table behind a model, as statements name it: what a write of it returns, and how that is read.

use std::sync::OnceLock;

use sea_orm::{
    ColumnTrait, ConnectionTrait, DbBackend, DbErr, EntityTrait, FromQueryResult, IdenStatic,
    Iterable, PrimaryKeyToColumn, QueryFilter, QueryResult, QueryTrait, StatementBuilder,
    sea_query::{LockType, Query, SelectStatement},
};

use crate::data::{event::Row, key::KeyValue};

/// The table of an entity.
pub(crate) struct Table {
    pub(crate) name: String,
    schema: Option<String>,
    key: Vec<&'static str>,
    returning: fn(DbBackend) -> Vec<String>,
    /// What a write returns that returns the whole row, column by column. A `Live` has one database.
    columns: OnceLock<Vec<String>>,
    decode: fn(&QueryResult) -> Result<Row, DbErr>,
    select: fn(&KeyValue) -> SelectStatement,
}

impl Table {
    pub(crate) fn of<E: EntityTrait<Model: Sync>>() -> Self {
        Self {
            name: E::default().table_name().to_owned(),
            schema: E::default().schema_name().map(str::to_owned),
            key: E::PrimaryKey::iter()
                .map(|key| key.into_column().as_str())
                .collect(),
            returning: returning::<E>,
            columns: OnceLock::new(),
            decode: |result| E::Model::from_query_result(result, "").map(Row::new),
            select: select::<E>,
        }
    }

    /// Returns its schema, where SeaORM names one.
    pub(crate) fn schema(&self) -> Option<&str> {
        self.schema.as_deref()
    }

    /// Returns whether it is in this schema, as SeaORM names it.
    pub(crate) fn is_in(&self, schema: Option<&str>) -> bool {
        self.schema.as_deref() == schema
    }

    /// Returns the columns of the primary key.
    pub(crate) fn key(&self) -> impl Iterator<Item = &'static str> {
        self.key.iter().copied()
    }

    /// Returns whether a column is one of the primary key.
    pub(crate) fn is_of_key(&self, column: &str) -> bool {
        self.key.contains(&column)
    }

    /// Returns the columns of a row as SeaORM writes them behind `RETURNING`.
    pub(crate) fn columns(&self, backend: DbBackend) -> &[String] {
        self.columns.get_or_init(|| (self.returning)(backend))
    }

    /// Reads a whole row.
    ///
    /// # Errors
    /// SeaORM's, where a column is missing or of another type.
    pub(crate) fn decode(&self, result: &QueryResult) -> Result<Row, DbErr> {
        (self.decode)(result)
    }

    /// Reads the row with a primary key.
    ///
    /// # Errors
    /// The database's.
    pub(crate) async fn read(
        &self,
        db: &impl ConnectionTrait,
        key: &KeyValue,
    ) -> Result<Option<Row>, DbErr> {
        self.one(db, &(self.select)(key)).await
    }

    /// Reads the row with a primary key and locks it, where the database has locks of rows.
    ///
    /// # Errors
    /// The database's.
    pub(crate) async fn read_locked(
        &self,
        db: &impl ConnectionTrait,
        key: &KeyValue,
    ) -> Result<Option<Row>, DbErr> {
        let mut select = (self.select)(key);
        select.lock(row_lock(db.get_database_backend()));
        self.one(db, &select).await
    }

    async fn one(
        &self,
        db: &impl ConnectionTrait,
        select: &SelectStatement,
    ) -> Result<Option<Row>, DbErr> {
        let found = db.query_one(select).await?;
        found.map(|result| self.decode(&result)).transpose()
    }
}

/// Returns how rows are locked that are about to be updated: as the update will itself. PostgreSQL's stronger lock would
/// wait for transactions that only insert rows which refer to these.
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
        // SeaQuery writes no clause there; MariaDB's has the names alone.
        let names = E::Column::iter().map(|column| column.as_str());
        return names.map(|name| format!("`{name}`")).collect();
    }
    let mut columns = Vec::new();
    for column in E::Column::iter() {
        let mut statement = Query::delete();
        statement.from_table(E::default().table_ref());
        let expression = column.select_as(column.into_returning_expr(backend));
        statement.returning(Query::returning().exprs([expression]));
        let sql = StatementBuilder::build(&statement, &backend).sql;
        if let Some((_, text)) = sql.split_once(" RETURNING ") {
            columns.push(text.to_owned());
        }
    }
    columns
}
