//! The query of the rows that an UPDATE is about to change.
//!
//! It has the condition of the UPDATE, so it is derived only if the condition surely means the same
//! in both statements: if it consists of columns, values, operators and known functions.

use sea_orm::{DbBackend, Statement, Value};

use super::lexer::{Token, tokens};

/// Keywords of conditions on the columns of one row.
const KEYWORDS: [&str; 28] = [
    "and",
    "or",
    "not",
    "in",
    "is",
    "null",
    "like",
    "ilike",
    "between",
    "escape",
    "true",
    "false",
    "any",
    "all",
    "case",
    "when",
    "then",
    "else",
    "end",
    "cast",
    "as",
    "collate",
    "array",
    "precision",
    "varying",
    "time",
    "zone",
    "without",
];

/// Functions whose value depends on their arguments alone.
const FUNCTIONS: [&str; 12] = [
    "lower",
    "upper",
    "coalesce",
    "ifnull",
    "nullif",
    "abs",
    "round",
    "length",
    "char_length",
    "trim",
    "substr",
    "substring",
];

/// Expressions whose value PostgreSQL keeps for a whole transaction.
const POSTGRES_TRANSACTION_TIME: [&str; 4] =
    ["current_timestamp", "current_date", "localtimestamp", "now"];

/// Reads the rows that an UPDATE is about to change.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct OldRowsQuery {
    backend: DbBackend,
    /// The query, without limit and lock.
    sql: String,
    /// The indices of its values among those of the UPDATE.
    values: Vec<usize>,
    /// Number of values of the UPDATE.
    value_count: usize,
    /// A write of the table that changes nothing.
    no_op: String,
}

/// An [`OldRowsQuery`] with its values.
#[derive(Clone, Debug)]
pub(crate) struct OldRowsStatements {
    /// Makes a SQLite transaction a writer before it reads. `None` for other databases.
    pub(crate) write_lock: Option<Statement>,
    /// Reads the rows, and locks them if the database has row locks.
    pub(crate) select: Statement,
}

impl OldRowsQuery {
    /// Derives the query from an UPDATE that SeaQuery built on one table, and that sets no column
    /// of the primary key. `columns` is a list of columns as SQL.
    ///
    /// Returns `None` if the condition may mean something else in a second statement.
    pub(super) fn new(sql: &str, columns: &str, backend: DbBackend) -> Option<Self> {
        if backend == DbBackend::MySql {
            // The statement does not return its rows, so there is nothing to pair.
            return None;
        }
        let tokens: Vec<_> = tokens(sql, backend).collect();
        let set = top_level_word(&tokens, "set")?;
        let returning = top_level_word(&tokens, "returning").unwrap_or(tokens.len());
        let end = tokens.get(returning).map_or(sql.len(), |token| token.start);
        let condition = top_level_word(&tokens, "where").unwrap_or(returning);
        let (assignments, condition) = (&tokens[set + 1..condition], &tokens[condition..returning]);
        let table = sql[tokens.get(1)?.start..tokens[set].start].trim();
        let equals = assignments.iter().find(|token| token.is("="))?;
        let column = sql[assignments[0].start..equals.start].trim();
        let (mut text, mut values) = (format!("SELECT {columns} FROM {table}"), Vec::new());
        if let [first, rest @ ..] = condition {
            let source = &sql[first.start..end];
            // A comment could hide what is appended.
            if !is_repeatable(rest, backend) || source.contains("--") || source.contains("/*") {
                return None;
            }
            let before = assignments.iter().filter(|token| token.is("?")).count();
            text.push(' ');
            let mut copied = first.start;
            for token in rest {
                if let Some((number, length)) = token.parameter() {
                    values.push(number.checked_sub(1)?);
                    text.push_str(&sql[copied..token.start]);
                    text.push_str(&format!("${}", values.len()));
                    copied = token.start + length;
                } else if token.is("?") && backend == DbBackend::Sqlite {
                    values.push(before + values.len());
                }
            }
            text.push_str(sql[copied..end].trim_end());
        }
        Some(Self {
            backend,
            sql: text,
            values,
            value_count: value_count(&tokens, backend)?,
            no_op: format!("UPDATE {table} SET {column} = {column} WHERE 1 = 0"),
        })
    }

    /// Returns the statements that read at most `limit` rows before an UPDATE with these values.
    /// Returns `None` if the values do not fit the text.
    pub(crate) fn with_values(&self, values: &[Value], limit: usize) -> Option<OldRowsStatements> {
        if values.len() != self.value_count {
            return None;
        }
        let chosen = self.values.iter().map(|index| values.get(*index).cloned());
        let chosen = chosen.collect::<Option<Vec<_>>>()?;
        // The lock of `row_lock`: the one that the UPDATE itself takes.
        let lock = match self.backend {
            DbBackend::Postgres => " FOR NO KEY UPDATE",
            _ => "",
        };
        // The databases read the limit as a signed number.
        let limit = limit.min(i64::MAX as usize);
        let sql = format!("{} LIMIT {limit}{lock}", self.sql);
        let is_sqlite = self.backend == DbBackend::Sqlite;
        Some(OldRowsStatements {
            write_lock: is_sqlite.then(|| Statement::from_string(self.backend, &self.no_op)),
            select: Statement::from_sql_and_values(self.backend, sql, chosen),
        })
    }
}

/// Returns the index of the first token outside parentheses that is this word.
fn top_level_word(tokens: &[Token<'_>], word: &str) -> Option<usize> {
    let mut depth = 0_usize;
    tokens.iter().position(|token| {
        if token.is("(") {
            depth += 1;
        } else if token.is(")") {
            depth = depth.saturating_sub(1);
        }
        depth == 0 && token.is_any(&[word])
    })
}

/// Returns the number of values that a text has parameters for. Returns `None` for parameters that
/// SeaQuery does not write, such as SQLite's `?1`.
fn value_count(tokens: &[Token<'_>], backend: DbBackend) -> Option<usize> {
    if backend == DbBackend::Postgres {
        let numbers = tokens.iter().filter_map(Token::parameter);
        return Some(numbers.map(|(number, _)| number).max().unwrap_or(0));
    }
    let is_numbered = |pair: &[Token<'_>]| {
        pair[0].is("?") && pair[1].is_literal() && pair[1].start == pair[0].start + 1
    };
    let count = tokens.iter().filter(|token| token.is("?")).count();
    (!tokens.windows(2).any(is_numbered)).then_some(count)
}

/// Returns whether a condition selects the same rows in two statements of a transaction that locks
/// them, and whether it has no effect itself.
fn is_repeatable(condition: &[Token<'_>], backend: DbBackend) -> bool {
    let is_constant = |token: &Token<'_>| {
        backend == DbBackend::Postgres && token.is_any(&POSTGRES_TRANSACTION_TIME)
    };
    condition.iter().enumerate().all(|(index, token)| {
        let before = &condition[..index];
        let is_call = condition.get(index + 1).is_some_and(|next| next.is("("));
        let is_type = match before {
            [.., first, second] if first.is(":") && second.is(":") => true,
            [.., last] => last.is_any(&["as"]),
            [] => false,
        };
        if token.is_word() {
            is_type
                || token.is_any(&KEYWORDS)
                || is_constant(token)
                || is_call && token.is_any(&FUNCTIONS)
        } else if token.is_quoted_name() {
            // A quoted name before parentheses is a function of the application.
            is_type || !is_call
        } else {
            !token.is(";")
        }
    })
}

#[cfg(test)]
mod tests;
