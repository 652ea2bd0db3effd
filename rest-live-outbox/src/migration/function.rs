//! [`TriggerFunction`]: the body of the function that writes the events of a table.

use std::fmt;

use super::{
    row_expression::{RowExpression, TriggerRow},
    sql::{quote_identifier, quote_literal},
};

/// The body of a trigger function, in PL/pgSQL.
///
/// It never fails the write. Each block with `EXCEPTION` is a subtransaction. One that writes needs
/// a number of its own, of which PostgreSQL keeps only 64 for a transaction in shared memory. So
/// there are two blocks:
/// - The first writes nothing. It makes the JSON of the rows, which can fail because of a value.
/// - The second writes the first event of a transaction. Then the transaction holds a lock on the
///   table of the events until it ends, so that no other session can change the table. Later events
///   of the transaction need no block.
pub(super) struct TriggerFunction<'a> {
    pub(super) model: &'a str,
    /// The scope of the events.
    pub(super) scope: Option<&'a str>,
    /// The statement that ends the function if its trigger is on a table of another schema.
    pub(super) foreign_check: String,
    /// The qualified table of the events.
    pub(super) event: &'a str,
    /// The qualified table that describes the log.
    pub(super) meta: &'a str,
    pub(super) key: &'a [String],
    pub(super) row: RowExpression<'a>,
}

/// The local setting that says whether the transaction has written an event.
const HAS_WRITTEN: &str = "rest_live.has_written";

/// The local setting with the tables that the transaction has reset.
const RESET_TABLES: &str = "rest_live.reset_tables";

impl TriggerFunction<'_> {
    fn key_of(&self, row: &str) -> String {
        let columns: Vec<String> = self
            .key
            .iter()
            .map(|column| format!("{row}.{}", quote_identifier(column)))
            .collect();
        format!("ROW({})::record", columns.join(", "))
    }
}

impl fmt::Display for TriggerFunction<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            event,
            meta,
            foreign_check,
            ..
        } = self;
        let model = quote_literal(self.model);
        let scope = self.scope.map_or_else(|| "NULL".to_owned(), quote_literal);
        let write = format!(
            "IF is_rekeyed THEN \
             INSERT INTO {event} (model, scope, op, old, new) \
             VALUES ({model}, {scope}, 'D', old_rows, NULL), ({model}, {scope}, 'I', NULL, new_row); \
             ELSE \
             INSERT INTO {event} (model, scope, op, old, new) VALUES ({model}, {scope}, operation, old_rows, new_row); \
             END IF;"
        );
        // A row whose key changes is a deleted row and a new one. `*<>` compares the stored bytes.
        // It needs no equality operator: `json` has none, and that of an extension type may not be
        // on the path.
        write!(
            f,
            "DECLARE \
             operation \"char\" := left(TG_OP, 1); old_rows json; new_row json; is_rekeyed boolean := false; \
             BEGIN \
             {foreign_check} \
             BEGIN \
             IF TG_OP = 'UPDATE' THEN \
             old_rows := json_build_array({old}); new_row := {new}; is_rekeyed := {old_key} *<> {new_key}; \
             ELSIF TG_OP = 'INSERT' THEN new_row := {new}; \
             ELSIF TG_OP = 'DELETE' THEN old_rows := json_build_array({old}); \
             END IF; \
             EXCEPTION WHEN OTHERS THEN \
             IF position(concat(',', TG_RELID, ',') IN coalesce(current_setting('{RESET_TABLES}', true), '')) > 0 THEN RETURN NULL; END IF; \
             RAISE WARNING 'rest-live cannot write a row of % as JSON (%): the clients of % fetch again', TG_TABLE_NAME, SQLSTATE, {model}; \
             PERFORM set_config('{RESET_TABLES}', concat(current_setting('{RESET_TABLES}', true), ',', TG_RELID, ','), true); \
             operation := 'T'; old_rows := NULL; new_row := NULL; is_rekeyed := false; \
             END; \
             IF current_setting('{HAS_WRITTEN}', true) = 'on' THEN {write} \
             ELSE \
             BEGIN \
             {write} \
             PERFORM set_config('{HAS_WRITTEN}', 'on', true); \
             EXCEPTION WHEN OTHERS THEN \
             RAISE WARNING 'rest-live cannot write an event of % (%): all clients fetch again', {model}, SQLSTATE; \
             BEGIN \
             INSERT INTO {meta} (version) VALUES (0); \
             EXCEPTION WHEN OTHERS THEN \
             RAISE WARNING 'rest-live cannot write to its tables (%): clients miss a change of %', SQLSTATE, {model}; \
             END; \
             END; \
             END IF; \
             RETURN NULL; \
             END",
            old = self.row.of(TriggerRow::Old),
            new = self.row.of(TriggerRow::New),
            old_key = self.key_of("OLD"),
            new_key = self.key_of("NEW"),
        )
    }
}
