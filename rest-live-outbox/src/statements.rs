//! The statements on the tables of the outbox.

use std::sync::Arc;

use sea_orm::sqlx::AssertSqlSafe;

/// The statements, with the names of the tables in them: who has another `search_path` means the same tables.
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

/// The text of a statement, which names nothing but what PostgreSQL itself has quoted.
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

/// The quoted names: `"public"."live_event"`, and so on.
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

    /// Returns the statement that appends one event, or several.
    pub(crate) fn append(&self, is_single: bool) -> &Sql {
        if is_single {
            &self.append_one
        } else {
            &self.append_many
        }
    }
}

const COLUMNS: &str = "at, model, op, key, old, new, node, began";

/// Returns the statement that appends an event: a fifth more transactions with one event each than by the other.
fn append_one(names: &TableNames<'_>) -> String {
    let event = names.event;
    format!(
        "INSERT INTO {event} ({COLUMNS}) VALUES ('epoch'::timestamptz + $1::text::bigint * interval '1 microsecond', \
         $2::text, $3::text::\"char\", $4::text::json, $5::text::json, $6::text::json, $7::text, $8::text)"
    )
}

/// Returns the statement that appends events, each parameter the text of an array.
fn append_many(names: &TableNames<'_>) -> String {
    // With ORDER BY, the numbers are drawn in the order of the rows.
    format!(
        "INSERT INTO {event} ({COLUMNS}) \
         SELECT 'epoch'::timestamptz + e.at * interval '1 microsecond', e.model, e.op::\"char\", e.key::json, e.old::json, \
         e.new::json, e.node, e.began \
         FROM unnest($1::text::bigint[], $2::text::text[], $3::text::text[], $4::text::text[], $5::text::text[], \
         $6::text::text[], $7::text::text[], $8::text::text[]) \
         WITH ORDINALITY AS e ({COLUMNS}, n) ORDER BY e.n",
        event = names.event,
    )
}

/// Returns the statement that reads which life of the log this is: the columns `epoch`, `first_retained`, `drawn` and
/// `settled`.
fn state(names: &TableNames<'_>) -> String {
    // The timeline is that of the file that is written now: the one that `pg_control_checkpoint` says is of the last
    // checkpoint, which comes some time after a standby has become the primary. The table's oid tells it from one that a
    // dump brought back to the same server.
    format!(
        "SELECT left(encode(sha256(convert_to(concat_ws('/', m.epoch, \
         (SELECT system_identifier FROM pg_control_system()), left(pg_walfile_name(pg_current_wal_lsn()), 8), \
         to_regclass('{event}')::oid), 'UTF8')), 'hex'), 16) AS epoch, m.first_retained, m.settled, \
         (SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM {sequence}) AS drawn \
         FROM {meta} m WHERE m.id = 1",
        event = names.event.replace('\'', "''"),
        sequence = names.sequence,
        meta = names.meta,
    )
}

/// Returns the statement that reads events, of one moment: those in the gaps from `$1` to `$2`, and of those behind `$3` the
/// first `$5`; of all that the first `$4`, ascending. There is a row without an event, too, where there is none.
fn read(names: &TableNames<'_>) -> String {
    let columns = format!("seq, {COLUMNS}");
    format!(
        "WITH life AS MATERIALIZED ({life}) \
         SELECT life.epoch, life.first_retained, life.settled, life.drawn, e.seq, e.model, e.op::text AS op, \
         e.key::text AS key, e.old::text AS old, e.new::text AS new, \
         (extract(epoch FROM e.at) * 1000000)::bigint AS at, e.node, e.began \
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

/// Returns the statement that reads who holds the table for writing.
fn lock_holders(names: &TableNames<'_>) -> String {
    // Who is prepared has no process. Where it has no name either, any that is prepared is it.
    format!(
        "SELECT DISTINCT coalesce(virtualtransaction, 'prepared') AS name, pid IS NULL AS is_prepared FROM pg_locks \
         WHERE locktype = 'relation' AND mode = 'RowExclusiveLock' AND granted \
         AND relation = to_regclass('{event}')::oid \
         AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
        event = names.event.replace('\'', "''"),
    )
}

/// Returns the statement that removes a piece of what is older than `$2` seconds, up to the number `$1`, and says how much.
fn trim(names: &TableNames<'_>) -> String {
    // From where the last piece ended: what was removed is passed over slowly, until a vacuum.
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

/// Returns the statement that keeps the place up to which a node has found all transactions done.
fn save_horizon(names: &TableNames<'_>) -> String {
    let meta = names.meta;
    format!("UPDATE {meta} SET settled = $1 WHERE id = 1 AND settled < $1")
}
