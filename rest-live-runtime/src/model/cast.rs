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
        DbBackend::Sqlite if has_cast(column) => format!("{text} AS \"{}\"", column.as_str()),
        _ => text.to_owned(),
    }
}

/// Returns a column after MariaDB's `RETURNING`, for which SeaQuery has no text.
pub(super) fn returned_by_mariadb<C: ColumnTrait>(column: &C) -> String {
    let name = column.as_str();
    if !has_cast(column) {
        return format!("`{name}`");
    }
    let cast = column.select_as(Expr::col(name));
    let select = Query::select().expr(cast).to_string(MysqlQueryBuilder);
    let sql = select.strip_prefix("SELECT ").unwrap_or(&select);
    format!("{sql} AS `{name}`")
}
