//! Columns that SeaORM reads through a cast (`select_as`).

use sea_orm::{
    ColumnTrait, DbBackend,
    sea_query::{Expr, MysqlQueryBuilder, Query},
};

/// Returns whether SeaORM reads a column through a cast, other than that of an enumeration to a
/// text.
pub(super) fn has_cast<C: ColumnTrait>(column: &C) -> bool {
    let plain = Expr::col(column.as_str());
    column.select_as(plain.clone()) != column.select_enum_as(plain)
}

/// Returns an expression after `RETURNING` under the name of its column. PostgreSQL names the
/// result of a cast after its column, SQLite after its text.
pub(super) fn named<C: ColumnTrait>(column: &C, text: &str, backend: DbBackend) -> String {
    match backend {
        DbBackend::Sqlite if has_cast(column) => {
            format!("{text} AS {}", quoted_name(column, backend))
        }
        _ => text.to_owned(),
    }
}

/// Returns the name of a column as SQL.
pub(super) fn quoted_name<C: ColumnTrait>(column: &C, backend: DbBackend) -> String {
    let quote = match backend {
        DbBackend::MySql => '`',
        _ => '"',
    };
    let name = column.as_str().replace(quote, &format!("{quote}{quote}"));
    format!("{quote}{name}{quote}")
}

/// Returns a column after MariaDB's `RETURNING`, for which SeaQuery has no text.
pub(super) fn returned_by_mariadb<C: ColumnTrait>(column: &C) -> String {
    let name = quoted_name(column, DbBackend::MySql);
    if !has_cast(column) {
        return name;
    }
    let cast = column.select_as(Expr::col(column.as_str()));
    let select = Query::select().expr(cast).to_string(MysqlQueryBuilder);
    let sql = select.strip_prefix("SELECT ").unwrap_or(&select);
    format!("{sql} AS {name}")
}
