//! [`Tables`]: the tables of the outbox in the database, and the tables with triggers.

use std::collections::HashSet;

use sea_orm::sqlx::{self, PgConnection, Row};

use crate::{error::OutboxError, statements::Statements};

/// The version of the tables that this crate reads and writes.
pub(crate) const SCHEMA_VERSION: i32 = 2;

/// The names of the triggers on a captured table: for inserts and deletes, for updates, and for
/// `TRUNCATE`.
pub(crate) const TRIGGER_NAMES: [&str; 3] = ["live_row", "live_update", "live_truncate"];

/// The tables that were found in a database.
#[derive(Debug)]
pub(crate) struct Tables {
    pub(crate) statements: Statements,
    /// The tables whose triggers write events, by schema and name. A table on the `search_path` is
    /// also listed without a schema.
    captured: HashSet<(Option<String>, String)>,
}

impl Tables {
    /// Finds the tables and checks that they can be used.
    ///
    /// # Errors
    /// Returns an error if the tables are missing or do not meet the requirements.
    pub(crate) async fn find(connection: &mut PgConnection) -> Result<Self, OutboxError> {
        let is_standby: bool = sqlx::query_scalar("SELECT pg_is_in_recovery()")
            .fetch_one(&mut *connection)
            .await?;
        if is_standby {
            return Err(OutboxError::Standby);
        }
        let row = sqlx::query(
            "SELECT format('%I.%I', n.nspname, 'live_event'), format('%I.%I', n.nspname, 'live_meta'), \
             to_regclass(format('%I.%I', n.nspname, 'live_meta')) IS NOT NULL, \
             pg_get_serial_sequence(format('%I.%I', n.nspname, 'live_event'), 'seq') \
             FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = to_regclass('live_event')",
        )
        .fetch_optional(&mut *connection)
        .await?
        .ok_or(OutboxError::NotInstalled)?;
        let (event, meta): (String, String) = (row.try_get(0)?, row.try_get(1)?);
        let (has_meta, sequence): (bool, Option<String>) = (row.try_get(2)?, row.try_get(3)?);
        let sequence = sequence
            .filter(|_| has_meta)
            .ok_or(OutboxError::NotInstalled)?;
        let version_sql = format!("SELECT version FROM {meta} WHERE id = 1");
        let version: Option<i32> = sqlx::query_scalar(sqlx::AssertSqlSafe(version_sql))
            .fetch_optional(&mut *connection)
            .await?;
        match version.ok_or(OutboxError::NotInstalled)? {
            SCHEMA_VERSION => {}
            found => {
                return Err(OutboxError::Version {
                    found,
                    needed: SCHEMA_VERSION,
                });
            }
        }
        let cache_sql = "SELECT seqcache FROM pg_sequence WHERE seqrelid = to_regclass($1)";
        let cache: i64 = sqlx::query_scalar(cache_sql)
            .bind(&sequence)
            .fetch_one(&mut *connection)
            .await?;
        if cache != 1 {
            return Err(OutboxError::Cache { sequence, cache });
        }
        Ok(Self {
            statements: Statements::on(&event, &meta, &sequence),
            captured: find_captured(connection).await?,
        })
    }

    /// Returns whether triggers write the events of a table.
    pub(crate) fn captures(&self, schema: Option<&str>, table: &str) -> bool {
        let key = (schema.map(str::to_owned), table.to_owned());
        self.captured.contains(&key)
    }

    /// Returns whether triggers write the events of any table.
    pub(crate) fn captures_any(&self) -> bool {
        !self.captured.is_empty()
    }
}

async fn find_captured(
    connection: &mut PgConnection,
) -> Result<HashSet<(Option<String>, String)>, sqlx::Error> {
    let sql = "SELECT n.nspname::text, c.relname::text, pg_table_is_visible(c.oid) FROM pg_class c \
         JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_trigger t ON t.tgrelid = c.oid \
         WHERE NOT t.tgisinternal AND t.tgenabled IN ('O', 'A') AND t.tgname::text = ANY($1) \
         GROUP BY n.nspname, c.relname, c.oid HAVING count(*) = $2";
    let tables = sqlx::query(sql)
        .bind(&TRIGGER_NAMES[..])
        .bind(TRIGGER_NAMES.len() as i64)
        .fetch_all(connection)
        .await?;
    let mut captured = HashSet::new();
    for table in tables {
        let (schema, name, is_visible): (String, String, bool) =
            (table.try_get(0)?, table.try_get(1)?, table.try_get(2)?);
        if is_visible {
            captured.insert((None, name.clone()));
        }
        captured.insert((Some(schema), name));
    }
    Ok(captured)
}
