//! The migration that adds triggers to one table, which write its events.

use sea_orm_migration::{
    DbErr, MigrationName, MigrationTrait, SchemaManager,
    async_trait::async_trait,
    sea_orm::{
        ColumnTrait, ConnectionTrait, DbBackend, EntityTrait, IdenStatic, Iterable,
        PrimaryKeyToColumn, Statement,
    },
};

use super::{
    function::TriggerFunction,
    row_expression::{Cast, LeftOut, RowExpression},
    sql::{quote_identifier, quote_literal, require_postgres},
};
use crate::tables::TRIGGER_NAMES;

/// Provides the guarantee `Captured`: triggers write the events of a table, whichever program or
/// statement changes it.
///
/// An event contains the whole row, except for columns that are [left out](Self::without). An
/// update that changes nothing writes no event. The name of the migration contains the name of the
/// table. To change the columns later, add a second migration with another name
/// ([`named`](Self::named)). It replaces the triggers.
///
/// A trigger never fails a write. If PostgreSQL cannot write a row as JSON, for example because the
/// text has more than 1 GB, the clients of the model fetch again instead. If the table of the
/// events refuses an event, all clients fetch again. Both are a `WARNING` in the log of PostgreSQL.
///
/// Not captured: writes while `session_replication_role` is `replica` or the triggers are disabled,
/// a `TRUNCATE` of a single partition, and changes to the table's definition.
#[derive(Clone, Debug)]
pub struct Capture {
    migration: String,
    model: String,
    schema: Option<String>,
    table: String,
    scope: Option<String>,
    key: Vec<String>,
    without: Vec<String>,
    casts: Vec<Cast>,
}

impl Capture {
    /// Creates the migration for the table of an entity. `model` is the model's label, such as
    /// `todolist.Task`.
    pub fn of<E: EntityTrait>(model: &str) -> Self {
        let entity = E::default();
        let schema = entity.schema_name().map(str::to_owned);
        let table = entity.table_name().to_owned();
        let path: Vec<&str> = schema.iter().chain([&table]).map(String::as_str).collect();
        let key = E::PrimaryKey::iter().map(|key| key.into_column().as_str().to_owned());
        Self {
            migration: format!("rest_live_capture_{}", path.join(".")),
            model: model.to_owned(),
            key: key.collect(),
            without: Vec::new(),
            scope: None,
            casts: E::Column::iter().filter_map(Cast::of).collect(),
            schema,
            table,
        }
    }

    /// Chooses the table of this name in another schema, such as that of a tenant. The name of the
    /// migration then contains the schema.
    ///
    /// The triggers of a table capture that table and its partitions only. If a copy of the schema
    /// also copies the triggers, they write a `WARNING` to the log of PostgreSQL and no event.
    #[must_use]
    pub fn in_schema(mut self, schema: &str) -> Self {
        self.migration = format!("rest_live_capture_{schema}.{}", self.table);
        self.schema = Some(schema.to_owned());
        self
    }

    /// Sets the scope of the events: the tenant whose sessions receive them. Default: none.
    #[must_use]
    pub fn scope(mut self, scope: &str) -> Self {
        self.scope = Some(scope.to_owned());
        self
    }

    /// Leaves columns out of the events. List the columns that the model's serializers declare as
    /// secret.
    #[must_use]
    pub fn without<C: ColumnTrait>(mut self, columns: impl IntoIterator<Item = C>) -> Self {
        let columns = columns.into_iter();
        self.without
            .extend(columns.map(|column| column.as_str().to_owned()));
        self
    }

    /// Sets the name of the migration. A second migration for the same table needs another name
    /// than the first, whose triggers it replaces.
    #[must_use]
    pub fn named(mut self, migration: &str) -> Self {
        self.migration = migration.to_owned();
        self
    }

    fn quoted_table(&self) -> String {
        let parts: Vec<String> = self
            .schema
            .iter()
            .chain([&self.table])
            .map(|part| quote_identifier(part))
            .collect();
        parts.join(".")
    }

    /// Returns the name of the trigger function, in the table's schema. PostgreSQL cuts names at 63
    /// bytes.
    fn function_name(&self) -> String {
        let function = format!("live_capture_{}", self.table);
        if function.len() <= 63 {
            return function;
        }
        // FNV-1a returns the same hash on every platform and in every version.
        let hash = self
            .table
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
                (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
            });
        format!("live_capture_{hash:016x}")
    }
}

impl Capture {
    /// Returns the columns to leave out, and whether each of their types allows NULL.
    async fn left_out(
        &self,
        connection: &impl ConnectionTrait,
        table: &TableName,
    ) -> Result<Vec<LeftOut>, DbErr> {
        let mut left_out = Vec::new();
        for column in &self.without {
            let query = Statement::from_sql_and_values(
                DbBackend::Postgres,
                "SELECT t.typtype = 'd' FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid \
                 WHERE a.attrelid = to_regclass($1) AND a.attname = $2 AND NOT a.attisdropped",
                [table.qualified.as_str().into(), column.as_str().into()],
            );
            let row = connection.query_one_raw(query).await?.ok_or_else(|| {
                DbErr::Migration(format!(
                    "the table {} has no column `{column}`: remove it from `without(..)`",
                    table.qualified
                ))
            })?;
            left_out.push(LeftOut {
                column: column.clone(),
                is_domain: row.try_get_by_index(0)?,
            });
        }
        Ok(left_out)
    }
}

impl MigrationName for Capture {
    fn name(&self) -> &str {
        &self.migration
    }
}

#[allow(
    elided_lifetimes_in_paths,
    reason = "with `async_trait` a lifetime that is written is another one than the trait's"
)]
#[async_trait]
impl MigrationTrait for Capture {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        require_postgres(manager)?;
        if let Some(column) = self.key.iter().find(|column| self.without.contains(column)) {
            return Err(DbErr::Migration(format!(
                "`{column}` belongs to the primary key of {}, which events need: remove it from \
                 `without(..)`",
                self.table
            )));
        }
        let connection = manager.get_connection();
        let table = find_table(connection, &self.quoted_table()).await?;
        let event = find_table(connection, "live_event").await.map_err(|_| {
            DbErr::Migration(
                "the table live_event is missing: put `Outbox` before `Capture` in the migrations"
                    .to_owned(),
            )
        })?;
        let function = format!(
            "{}.{}",
            table.schema,
            quote_identifier(&self.function_name())
        );
        let left_out = self.left_out(connection, &table).await?;
        let body = TriggerFunction {
            model: &self.model,
            scope: self.scope.as_deref(),
            foreign_check: foreign_check(&table),
            event: &event.qualified,
            // In the schema of the events, because the migration `Outbox` creates both.
            meta: &format!("{}.live_meta", event.schema),
            key: &self.key,
            row: RowExpression {
                left_out,
                casts: &self.casts,
            },
        };
        // SECURITY DEFINER: a role that may write the table needs no rights on the outbox, and
        // cannot forge events. This is safe because the path contains only schemas that others
        // cannot change, and PUBLIC cannot execute the function. FOR EACH ROW: a statement trigger
        // has to join old rows with new ones and loses rows whose key changed. Its plan is made for
        // the first statement, and PostgreSQL may then JIT-compile it for every single row.
        let statements = format!(
            "CREATE OR REPLACE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER \
             SET search_path = pg_catalog, pg_temp {settings} AS {body}; \
             REVOKE ALL ON FUNCTION {function}() FROM PUBLIC; \
             {drop} \
             CREATE TRIGGER {row} AFTER INSERT OR DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION {function}(); \
             CREATE TRIGGER {update} AFTER UPDATE ON {table} FOR EACH ROW WHEN (OLD.* *<> NEW.*) \
             EXECUTE FUNCTION {function}(); \
             CREATE TRIGGER {truncate} AFTER TRUNCATE ON {table} FOR EACH STATEMENT EXECUTE FUNCTION {function}();",
            settings = body.row.settings(),
            body = quote_literal(&body.to_string()),
            drop = drop_triggers(&table.qualified),
            table = table.qualified,
            row = TRIGGER_NAMES[0],
            update = TRIGGER_NAMES[1],
            truncate = TRIGGER_NAMES[2],
        );
        connection.execute_unprepared(&statements).await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        require_postgres(manager)?;
        let connection = manager.get_connection();
        let table = find_table(connection, &self.quoted_table()).await?;
        let statements = format!(
            "{} DROP FUNCTION IF EXISTS {}.{}();",
            drop_triggers(&table.qualified),
            table.schema,
            quote_identifier(&self.function_name()),
        );
        connection.execute_unprepared(&statements).await?;
        Ok(())
    }
}

/// Returns the statement that ends the function if the trigger is on a table of another schema,
/// because the triggers were copied with it. The rows may be those of another tenant.
fn foreign_check(table: &TableName) -> String {
    // A partition may be in another schema than its table.
    format!(
        "IF TG_TABLE_SCHEMA <> {schema} AND pg_partition_root(TG_RELID) IS DISTINCT FROM to_regclass({qualified}) THEN \
         RAISE WARNING 'rest-live does not capture %.%: its triggers were copied from another schema. Run the migration Capture::of(..).in_schema(..) for it', \
         TG_TABLE_SCHEMA, TG_TABLE_NAME; \
         RETURN NULL; \
         END IF;",
        schema = quote_literal(&table.schema_name),
        qualified = quote_literal(&table.qualified),
    )
}

fn drop_triggers(table: &str) -> String {
    let drops =
        TRIGGER_NAMES.map(|trigger| format!("DROP TRIGGER IF EXISTS {trigger} ON {table};"));
    drops.join(" ")
}

/// A table, with quoted names.
struct TableName {
    schema: String,
    /// The schema without quotes.
    schema_name: String,
    qualified: String,
}

/// Finds a table by its quoted name, on the `search_path` if the name has no schema.
async fn find_table(connection: &impl ConnectionTrait, table: &str) -> Result<TableName, DbErr> {
    let query = Statement::from_sql_and_values(
        DbBackend::Postgres,
        "SELECT quote_ident(n.nspname), format('%I.%I', n.nspname, c.relname), n.nspname::text FROM pg_class c \
         JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = to_regclass($1)",
        [table.into()],
    );
    let row = connection.query_one_raw(query).await?.ok_or_else(|| {
        DbErr::Migration(format!(
            "the table {table} does not exist: create it in an earlier migration"
        ))
    })?;
    Ok(TableName {
        schema: row.try_get_by_index(0)?,
        qualified: row.try_get_by_index(1)?,
        schema_name: row.try_get_by_index(2)?,
    })
}
