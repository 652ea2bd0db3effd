//! [`RowExpression`]: the SQL expression for a row as JSON.

use sea_orm_migration::sea_orm::{
    ColumnTrait,
    sea_query::{Alias, Expr, PostgresQueryBuilder, Query},
};

use super::sql::quote_literal;

/// A column that SeaORM reads through a cast (`select_as`). `row_to_json` does not know the cast.
#[derive(Clone, Debug)]
pub(super) struct Cast {
    column: String,
    /// The expression for the column of the old row, and for that of the new row.
    old: String,
    new: String,
}

impl Cast {
    /// Returns the cast of a column, if it has one. The cast of an enumeration to a text is left
    /// out, because `row_to_json` does the same.
    pub(super) fn of<C: ColumnTrait>(column: C) -> Option<Self> {
        let sql = |row: &str| {
            let plain = Expr::col((Alias::new(row), column));
            let cast = column.select_as(plain.clone());
            if cast == column.select_enum_as(plain) {
                return None;
            }
            let sql = Query::select().expr(cast).to_string(PostgresQueryBuilder);
            sql.strip_prefix("SELECT ").map(str::to_owned)
        };
        Some(Self {
            column: column.as_str().to_owned(),
            old: sql("old")?,
            new: sql("new")?,
        })
    }
}

/// A column that events do not contain.
#[derive(Clone, Debug)]
pub(super) struct LeftOut {
    pub(super) column: String,
    /// Whether its type is a domain, which may refuse NULL.
    pub(super) is_domain: bool,
}

/// The expression for a row as JSON.
pub(super) struct RowExpression<'a> {
    pub(super) left_out: Vec<LeftOut>,
    pub(super) casts: &'a [Cast],
}

/// A row in a trigger.
#[derive(Clone, Copy)]
pub(super) enum TriggerRow {
    Old,
    New,
}

impl RowExpression<'_> {
    /// Returns the settings of the trigger function. They do not depend on the session that writes
    /// the row.
    pub(super) fn settings(&self) -> &'static str {
        // The offset of a timestamp and the format of bytes are in the text, so the reader converts
        // them. The digits of a number and the format of a cast are not.
        if self.casts.is_empty() {
            "SET extra_float_digits = 1"
        } else {
            "SET extra_float_digits = 1 SET DateStyle FROM CURRENT SET IntervalStyle FROM CURRENT \
             SET TimeZone FROM CURRENT SET bytea_output FROM CURRENT SET lc_monetary FROM CURRENT"
        }
    }

    /// Returns the expression for the old or the new row.
    pub(super) fn of(&self, row: TriggerRow) -> String {
        let name = match row {
            TriggerRow::Old => "OLD",
            TriggerRow::New => "NEW",
        };
        let json = self.without_left_out(name);
        if self.casts.is_empty() {
            return json;
        }
        // The reader looks for these columns in the member with the empty name.
        let members: Vec<String> = self
            .casts
            .iter()
            .filter(|cast| self.left_out.iter().all(|out| out.column != cast.column))
            .map(|cast| {
                let expression = match row {
                    TriggerRow::Old => &cast.old,
                    TriggerRow::New => &cast.new,
                };
                let name = serde_json::Value::from(cast.column.as_str()).to_string();
                format!(
                    "{} || coalesce(to_json({expression})::text, 'null')",
                    quote_literal(&format!("{name}:"))
                )
            })
            .collect();
        if members.is_empty() {
            return json;
        }
        format!(
            "(left({json}::text, -1) || ',\"\":{{' || {} || '}}}}')::json",
            members.join(" || ',' || ")
        )
    }

    fn without_left_out(&self, row: &str) -> String {
        if self.left_out.is_empty() {
            return format!("row_to_json({row})");
        }
        if self.left_out.iter().any(|out| out.is_domain) {
            // `jsonb` refuses the escape \u0000, so rows with it become a reset.
            let columns: Vec<String> = self
                .left_out
                .iter()
                .map(|out| quote_literal(&out.column))
                .collect();
            return format!(
                "(to_jsonb({row}) - ARRAY[{}]::text[])::json",
                columns.join(", ")
            );
        }
        // Replaces the values by NULL. A column that is dropped later is ignored. The other columns
        // keep their text, which may contain escapes and numbers that `jsonb` does not keep.
        let nulls: serde_json::Map<String, serde_json::Value> = self
            .left_out
            .iter()
            .map(|out| (out.column.clone(), serde_json::Value::Null))
            .collect();
        let nulls = serde_json::Value::Object(nulls).to_string();
        format!(
            "row_to_json(jsonb_populate_record({row}, {}::jsonb))",
            quote_literal(&nulls)
        )
    }
}
