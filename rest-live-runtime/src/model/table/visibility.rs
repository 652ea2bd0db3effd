//! Whether a connection shows all rows of a table.

use std::sync::atomic::{AtomicU8, Ordering};

use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement};

use super::Table;
use crate::{data::scope::Scope, model::row_reader::Obstacle};

/// Finds a table by its quoted name. Returns whether it is a table (also a partitioned one), and
/// whether the server is a standby.
const POSTGRES_KIND: &str = "SELECT relkind IN ('r', 'p'), pg_is_in_recovery() \
                             FROM pg_class WHERE oid = to_regclass($1)";

const MYSQL_KIND: &str = "SELECT CAST(table_type <> 'VIEW' AS SIGNED) FROM information_schema.tables \
                          WHERE table_schema = COALESCE(?, DATABASE()) AND table_name = ?";

/// Returns whether row security applies to this role and in this transaction.
const POSTGRES_HIDES: &str = "SELECT row_security_active(to_regclass($1)::oid)";

/// Returns whether a role may be able to write rows that it cannot read, and columns; and whether
/// the relation is a table.
const POSTGRES_WRITE_ONLY: &str = "\
    SELECT c.relrowsecurity OR c.relkind NOT IN ('r', 'p'), \
    EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attacl IS NOT NULL) \
    OR EXISTS (SELECT FROM aclexplode(c.relacl) g GROUP BY g.grantee \
    HAVING bool_or(g.privilege_type IN ('INSERT', 'UPDATE', 'DELETE')) \
    AND NOT bool_or(g.privilege_type = 'SELECT')), \
    c.relkind IN ('r', 'p') \
    FROM pg_class c WHERE c.oid = to_regclass($1)";

/// What some role may be able to write and not to read.
#[derive(Clone, Copy, Debug)]
pub(super) struct WriteOnly {
    rows: bool,
    columns: bool,
    is_table: bool,
}

/// Which table an unqualified name stands for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum TableOf<'a> {
    /// The table of the default schema.
    DefaultSchema,
    /// The table of a tenant.
    Scope(&'a Scope),
    /// Any table: a statement has switched the schema of the connection.
    Unknown,
}

/// The bit after those of the obstacles.
const CHECKED_FOR_SESSIONS: u8 = 1 << 7;

/// Which obstacles of a table are reported: one bit each.
#[derive(Debug, Default)]
pub(super) struct ReportedObstacles(AtomicU8);

impl ReportedObstacles {
    /// Returns whether an obstacle was not reported before.
    fn add(&self, bit: u8) -> bool {
        self.0.fetch_or(bit, Ordering::Relaxed) & bit == 0
    }
}

impl Table {
    /// Logs once why rows of the table cannot be read again, and what to set.
    pub(crate) fn report(&self, model: &str, obstacle: Obstacle) {
        if !self.reported.add(1 << obstacle as u8) {
            return;
        }
        let table = &*self.name;
        match obstacle {
            Obstacle::RowSecurity => tracing::error!(
                model,
                table,
                "row security hides rows of this table from rest-live's own reads: after overlapping writes of a row, the model's subscribers receive a reset. Set LiveBuilder::prepare_reads, or LiveBuilder::read_db with a role that has BYPASSRLS. Further resets of the model for this reason are not reported"
            ),
            Obstacle::View => tracing::error!(
                model,
                table,
                "the relation is not a table, and may show other rows to rest-live's own reads: after overlapping writes of a row, the model's subscribers receive a reset. Set LiveBuilder::prepare_reads. Further resets of the model for this reason are not reported"
            ),
            Obstacle::Standby => tracing::error!(
                model,
                table,
                "rest-live's own reads reach a standby, whose rows may be older: after overlapping writes of a row, the model's subscribers receive a reset. Pass a connection to the primary to LiveBuilder::read_db. Further resets of the model for this reason are not reported"
            ),
            Obstacle::Scope => tracing::error!(
                model,
                table,
                "the entity names no schema, so rest-live's own reads cannot find the table of a scope: after overlapping writes of a row, the model's subscribers in the scope receive a reset. Set LiveBuilder::prepare_reads, such as to set the search_path. Further resets of the model for this reason are not reported"
            ),
        }
    }

    /// Returns why this connection may not show the rows as they are, whichever rows it shows. If
    /// there is no reason, the answer is kept, and later calls run no statement.
    ///
    /// # Errors
    /// The database's error.
    pub(crate) async fn obstacle(
        &self,
        db: &impl ConnectionTrait,
    ) -> Result<Option<Obstacle>, DbErr> {
        let view = |is_base_table: bool| (!is_base_table).then_some(Obstacle::View);
        if let Some(is_base_table) = self.is_base_table.get() {
            return Ok(view(*is_base_table));
        }
        let backend = db.get_database_backend();
        let (sql, values) = match backend {
            DbBackend::Postgres => (POSTGRES_KIND, vec![self.quoted_name().into()]),
            DbBackend::MySql => {
                let schema = self.schema.clone();
                (MYSQL_KIND, vec![schema.into(), self.name.as_str().into()])
            }
            // A view of SQLite cannot depend on the connection.
            _ => return Ok(None),
        };
        let statement = Statement::from_sql_and_values(backend, sql, values);
        // If the session does not find the relation, a read of it fails and says so.
        let Some(row) = db.query_one_raw(statement).await? else {
            return Ok(None);
        };
        let is_base_table = if backend == DbBackend::Postgres {
            if row.try_get_by_index(1)? {
                return Ok(Some(Obstacle::Standby));
            }
            row.try_get_by_index(0)?
        } else {
            row.try_get_by_index::<i64>(0)? != 0
        };
        Ok(view(*self.is_base_table.get_or_init(|| is_base_table)))
    }

    /// Returns whether every role may read all columns of the rows that it writes, and, if `rows`,
    /// all rows. The answer of PostgreSQL is kept: later calls for the same table run no statement.
    pub(crate) async fn may_read(
        &self,
        inner: &impl ConnectionTrait,
        name: TableOf<'_>,
        rows: bool,
    ) -> bool {
        let write_only = self.write_only(inner, name).await;
        !write_only.is_some_and(|found| found.columns || rows && found.rows)
    }

    /// Returns whether the relation is a table, whose rows a transaction can lock, and not a view.
    /// The answer is kept as that of [`may_read`](Self::may_read).
    pub(crate) async fn is_table(&self, inner: &impl ConnectionTrait, name: TableOf<'_>) -> bool {
        let write_only = self.write_only(inner, name).await;
        write_only.is_none_or(|found| found.is_table)
    }

    /// Returns what a role may be able to write and not to read. Returns `None` if the database has
    /// no such rights, or if it cannot answer: the write itself fails then, and reports the error.
    async fn write_only(
        &self,
        inner: &impl ConnectionTrait,
        name: TableOf<'_>,
    ) -> Option<WriteOnly> {
        if inner.get_database_backend() != DbBackend::Postgres {
            return None;
        }
        if let Some(known) = self.known_write_only(name) {
            return Some(known);
        }
        let found = self.query_write_only(inner).await.ok().flatten()?;
        self.keep_write_only(name, found);
        Some(found)
    }

    fn known_write_only(&self, name: TableOf<'_>) -> Option<WriteOnly> {
        match name {
            _ if self.schema.is_some() => self.write_only.get().copied(),
            TableOf::DefaultSchema => self.write_only.get().copied(),
            TableOf::Scope(scope) => self.write_only_in_scopes.lock().get(scope).copied(),
            TableOf::Unknown => None,
        }
    }

    fn keep_write_only(&self, name: TableOf<'_>, found: WriteOnly) {
        match name {
            TableOf::Scope(scope) if self.schema.is_none() => {
                let mut in_scopes = self.write_only_in_scopes.lock();
                in_scopes.insert(scope.clone(), found);
            }
            TableOf::Unknown if self.schema.is_none() => {}
            TableOf::DefaultSchema | TableOf::Scope(_) | TableOf::Unknown => {
                self.write_only.get_or_init(|| found);
            }
        }
    }

    async fn query_write_only(
        &self,
        inner: &impl ConnectionTrait,
    ) -> Result<Option<WriteOnly>, DbErr> {
        let values = [self.quoted_name().into()];
        let backend = inner.get_database_backend();
        let statement = Statement::from_sql_and_values(backend, POSTGRES_WRITE_ONLY, values);
        let row = inner.query_one_raw(statement).await?;
        let decode = |row: sea_orm::QueryResult| {
            Ok(WriteOnly {
                rows: row.try_get_by_index(0)?,
                columns: row.try_get_by_index(1)?,
                is_table: row.try_get_by_index(2)?,
            })
        };
        row.map(decode).transpose()
    }

    /// Returns what may hide a row of the table from a transaction that has just looked for it.
    ///
    /// # Errors
    /// The database's error.
    pub(crate) async fn hidden_by(
        &self,
        transaction: &impl ConnectionTrait,
    ) -> Result<Option<Obstacle>, DbErr> {
        let backend = transaction.get_database_backend();
        if backend != DbBackend::Postgres {
            return Ok(None);
        }
        let name = self.quoted_name();
        let statement = Statement::from_sql_and_values(backend, POSTGRES_HIDES, [name.into()]);
        let row = transaction.query_one_raw(statement).await?;
        // No answer is no proof.
        let hides = row
            .map(|row| row.try_get_by_index::<Option<bool>>(0))
            .transpose()?
            .flatten()
            .unwrap_or(true);
        Ok(hides.then_some(Obstacle::RowSecurity))
    }

    /// Logs once if row security hides rows from the connection of all sessions. A row was not
    /// found there.
    pub(crate) async fn report_hidden_from_sessions(&self, db: &impl ConnectionTrait) {
        if !self.reported.add(CHECKED_FOR_SESSIONS) {
            return;
        }
        if let Ok(Some(_)) = self.hidden_by(db).await {
            tracing::warn!(
                table = &*self.name,
                "row security hides rows of this table from the connection of the sessions: a `retrieve` of a hidden row is refused with error 404. Set LiveBuilder::prepare_session_reads or LiveBuilder::session_db"
            );
        }
    }

    /// Returns the name as PostgreSQL parses it.
    fn quoted_name(&self) -> String {
        let parts = self.schema.iter().chain([&self.name]);
        let quoted = parts.map(|part| format!("\"{}\"", part.replace('"', "\"\"")));
        quoted.collect::<Vec<_>>().join(".")
    }
}
