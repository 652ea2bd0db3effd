//! The SQL statements on the tables of the outbox.

use std::sync::Arc;

use sea_orm::sqlx::AssertSqlSafe;

/// The statements, with qualified table names: a connection with another `search_path` uses the
/// same tables.
#[derive(Debug)]
pub(crate) struct Statements {
    append_one: Sql,
    append_many: Sql,
    pub(crate) state: Sql,
    pub(crate) read: Sql,
    pub(crate) lock_holders: Sql,
    pub(crate) trim: Sql,
    pub(crate) save_horizon: Sql,
}

/// The text of a statement. Every name in it was quoted by PostgreSQL.
#[derive(Clone, Debug)]
pub(crate) struct Sql(Arc<str>);

impl Sql {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn to_sql(&self) -> AssertSqlSafe<Arc<str>> {
        AssertSqlSafe(Arc::clone(&self.0))
    }
}

/// The quoted names, such as `"public"."live_event"`.
struct TableNames<'a> {
    event: &'a str,
    meta: &'a str,
    sequence: &'a str,
}

impl Statements {
    pub(crate) fn on(event: &str, meta: &str, sequence: &str) -> Self {
        let names = &TableNames {
            event,
            meta,
            sequence,
        };
        let sql = |text: String| Sql(text.into());
        Self {
            append_one: sql(append_one(names)),
            append_many: sql(append_many(names)),
            state: sql(state(names)),
            read: sql(read(names)),
            lock_holders: sql(lock_holders(names)),
            trim: sql(trim(names)),
            save_horizon: sql(save_horizon(names)),
        }
    }

    /// Returns the statement that appends a single event, or the one for several.
    pub(crate) fn append(&self, is_single: bool) -> &Sql {
        if is_single {
            &self.append_one
        } else {
            &self.append_many
        }
    }
}

const COLUMNS: &str = "at, model, op, key, old, new, node, began, scope";

/// Returns the statement that appends one event. With it, a node commits a fifth more transactions
/// of one event each than with [`append_many`].
fn append_one(names: &TableNames<'_>) -> String {
    let event = names.event;
    format!(
        "INSERT INTO {event} ({COLUMNS}) VALUES ('epoch'::timestamptz + $1::text::bigint * interval '1 microsecond', \
         $2::text, $3::text::\"char\", $4::text::json, $5::text::json, $6::text::json, $7::text, $8::text, $9::text)"
    )
}

/// Returns the statement that appends events. Each parameter is the text of an array.
fn append_many(names: &TableNames<'_>) -> String {
    // ORDER BY makes the sequence draw the numbers in the order of the rows.
    format!(
        "INSERT INTO {event} ({COLUMNS}) \
         SELECT 'epoch'::timestamptz + e.at * interval '1 microsecond', e.model, e.op::\"char\", e.key::json, e.old::json, \
         e.new::json, e.node, e.began, e.scope \
         FROM unnest($1::text::bigint[], $2::text::text[], $3::text::text[], $4::text::text[], $5::text::text[], \
         $6::text::text[], $7::text::text[], $8::text::text[], $9::text::text[]) \
         WITH ORDINALITY AS e ({COLUMNS}, n) ORDER BY e.n",
        event = names.event,
    )
}

/// Returns the statement that reads the state of the log: the columns `epoch`, `first_retained`,
/// `drawn` and `settled`.
fn state(names: &TableNames<'_>) -> String {
    // The timeline is that of the WAL file being written. `pg_control_checkpoint` returns the
    // timeline of the last checkpoint, which is outdated for a while after a promotion. The oid
    // distinguishes the table from one that a dump restored on the same server. The number of rows
    // grows when a trigger cannot write an event.
    format!(
        "SELECT left(encode(sha256(convert_to(concat_ws('/', m.epoch, \
         (SELECT system_identifier FROM pg_control_system()), left(pg_walfile_name(pg_current_wal_lsn()), 8), \
         to_regclass('{event}')::oid, (SELECT nullif(count(*), 1) FROM {meta})), 'UTF8')), 'hex'), 16) AS epoch, m.first_retained, m.settled, \
         (SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM {sequence}) AS drawn \
         FROM {meta} m WHERE m.id = 1",
        event = names.event.replace('\'', "''"),
        sequence = names.sequence,
        meta = names.meta,
    )
}

/// Returns the statement that reads the state of the log and events, all from one snapshot: the
/// events in the gaps from `$1` to `$2`, and the first `$5` after `$3`. Of both it returns the
/// first `$4`, in ascending order. Without events it returns one row with the state alone.
fn read(names: &TableNames<'_>) -> String {
    let columns = format!("seq, unit, {COLUMNS}");
    format!(
        "WITH life AS MATERIALIZED ({life}) \
         SELECT life.epoch, life.first_retained, life.settled, life.drawn, e.seq, e.unit::text::bigint AS unit, e.model, e.op::text AS op, \
         e.key::text AS key, e.old::text AS old, e.new::text AS new, \
         (extract(epoch FROM e.at) * 1000000)::bigint AS at, e.node, e.began, e.scope \
         FROM life LEFT JOIN LATERAL ( \
         (SELECT {columns} FROM unnest($1::bigint[], $2::bigint[]) AS gap (first, last), LATERAL ( \
         SELECT {columns} FROM {event} WHERE seq BETWEEN gap.first AND gap.last ORDER BY seq LIMIT $4) late \
         ORDER BY seq LIMIT $4) \
         UNION ALL \
         (SELECT {columns} FROM {event} WHERE seq > $3 ORDER BY seq LIMIT $5) \
         ORDER BY seq LIMIT $4) e ON true ORDER BY e.seq",
        life = state(names),
        event = names.event,
    )
}

/// Returns the statement that reads which transactions hold a write lock on the event table.
fn lock_holders(names: &TableNames<'_>) -> String {
    // A prepared transaction has no process. If it has no name either, one name stands for all of
    // them.
    format!(
        "SELECT DISTINCT coalesce(virtualtransaction, 'prepared') AS name, pid IS NULL AS is_prepared FROM pg_locks \
         WHERE locktype = 'relation' AND mode = 'RowExclusiveLock' AND granted \
         AND relation = to_regclass('{event}')::oid \
         AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
        event = names.event.replace('\'', "''"),
    )
}

/// Returns the statement that removes a batch of events up to the number `$1` that are older than
/// `$2` seconds. It returns how many were removed.
fn trim(names: &TableNames<'_>) -> String {
    // Starts where the last batch ended: an index scan over removed rows is slow until a vacuum.
    format!(
        "WITH bound AS (SELECT max(seq) AS up_to FROM ( \
         SELECT seq, at FROM {event} WHERE seq <= $1 AND seq >= (SELECT first_retained FROM {meta} WHERE id = 1) \
         ORDER BY seq LIMIT 5000) piece \
         WHERE at < clock_timestamp() - make_interval(secs => $2)), \
         gone AS (DELETE FROM {event} USING bound WHERE seq <= bound.up_to RETURNING 1), \
         kept AS (UPDATE {meta} SET first_retained = greatest(first_retained, bound.up_to + 1) FROM bound \
         WHERE id = 1 AND bound.up_to IS NOT NULL) \
         SELECT count(*) FROM gone",
        event = names.event,
        meta = names.meta,
    )
}

/// Returns the statement that saves the horizon that a node has found.
fn save_horizon(names: &TableNames<'_>) -> String {
    let meta = names.meta;
    format!("UPDATE {meta} SET settled = $1 WHERE id = 1 AND settled < $1")
}
