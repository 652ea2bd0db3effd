//! The tables that any SQL text may write. The text may hold several statements.

use sea_orm::DbBackend;

use super::{
    lexer::{Token, tokens},
    schema_switch::{SchemaSwitch, schema_switch, setting_changes},
    settings::{SettingChanges, Settings},
};

/// What a text does to rows and transactions.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Effect<'s> {
    /// The tables whose rows the text writes, perhaps with some that it does not write.
    pub(super) tables: Vec<&'s str>,
    /// Whether the text runs a procedure, which may write rows of any table.
    pub(super) may_write_anything: bool,
    /// Whether the text begins or ends a transaction or savepoint, explicitly or implicitly.
    pub(super) controls_transaction: bool,
    /// How the text switches the schema of unqualified tables.
    pub(super) switch: Option<SchemaSwitch>,
    /// The settings that the text changes past the end of the transaction.
    pub(super) settings: SettingChanges,
    /// Whether unqualified names may stand for other tables after the text, although the text
    /// switches no schema: it creates, moves or drops tables, or grants the use of a schema.
    pub(super) may_change_tables: bool,
}

/// Statements that write no rows although they may contain verbs: function bodies, privileges,
/// comments.
const ROWLESS_STATEMENTS: [&str; 4] = ["create", "grant", "revoke", "comment"];

/// Keywords that run other statements.
const PROCEDURE_KEYWORDS: [&str; 10] = [
    "call", "do", "execute", "exec", "if", "case", "while", "loop", "repeat", "for",
];

/// Keywords that begin or end a transaction or savepoint.
const TRANSACTION_KEYWORDS: [&str; 9] = [
    "begin",
    "start",
    "commit",
    "end",
    "rollback",
    "abort",
    "savepoint",
    "release",
    "xa",
];

/// Keywords that make MySQL commit the open transaction before it does anything else (MySQL
/// manual, "Statements that cause an implicit commit").
const IMPLICIT_COMMIT_KEYWORDS: [&str; 13] = [
    "create", "alter", "drop", "rename", "truncate", "grant", "revoke", "lock", "unlock",
    "analyze", "optimize", "repair", "install",
];

/// Keywords of statements that create, move or drop tables, or that change who may use a schema.
/// `explain analyze` runs a statement.
const DEFINITION_KEYWORDS: [&str; 8] = [
    "create", "alter", "drop", "import", "grant", "revoke", "reassign", "explain",
];

/// Keywords that may stand between a verb and the table that it writes.
const TARGET_MODIFIERS: [&str; 13] = [
    "into",
    "or",
    "replace",
    "rollback",
    "abort",
    "fail",
    "ignore",
    "only",
    "low_priority",
    "high_priority",
    "delayed",
    "quick",
    "table",
];

impl<'s> Effect<'s> {
    /// Scans any text.
    pub(super) fn scan(sql: &'s str, backend: DbBackend) -> Self {
        let tokens: Vec<_> = tokens(sql, backend).collect();
        let is_mysql = backend == DbBackend::MySql;
        let mut effect = Self::default();
        let mut ever_set = Settings::NONE;
        for statement in tokens.split(|token| token.is(";")) {
            let Some(first) = statement.first() else {
                continue;
            };
            let second = |word: &str| statement.get(1).is_some_and(|token| token.is_any(&[word]));
            effect.may_write_anything |=
                first.is_any(&PROCEDURE_KEYWORDS) || first.is_any(&["begin"]) && second("not");
            effect.controls_transaction |= first.is_any(&TRANSACTION_KEYWORDS)
                || first.is_any(&["prepare"]) && second("transaction")
                || is_mysql
                    && (first.is_any(&IMPLICIT_COMMIT_KEYWORDS) || sets_autocommit(statement));
            let switch = schema_switch(statement, backend);
            effect.switch = effect.switch.max(switch);
            let settings = setting_changes(statement, switch);
            ever_set = ever_set.with(settings.set);
            effect.settings.add(settings);
            effect.may_change_tables |=
                first.is_any(&DEFINITION_KEYWORDS) || selects_into(statement);
            // A name with PostgreSQL's Unicode escapes, which are not decoded here.
            let is_escaped = |pair: &[Token<'_>]| pair[0].is_any(&["u"]) && pair[1].is("&");
            effect.may_write_anything |= statement.windows(2).any(is_escaped);
            if !first.is_any(&ROWLESS_STATEMENTS) {
                collect_tables(statement, &mut effect.tables);
            }
        }
        // A procedure of MySQL may commit.
        effect.controls_transaction |= is_mysql && effect.may_write_anything;
        if effect.controls_transaction {
            // The rollback to a savepoint undoes a reset.
            effect.settings = SettingChanges::set(ever_set);
        }
        effect
    }
}

fn sets_autocommit(statement: &[Token<'_>]) -> bool {
    statement[0].is_any(&["set"]) && statement.iter().any(|token| token.is_any(&["autocommit"]))
}

/// Returns whether a statement may create a table with `select .. into`.
fn selects_into(statement: &[Token<'_>]) -> bool {
    let is_select_into =
        |pair: &[Token<'_>]| pair[1].is_any(&["into"]) && !pair[0].is_any(&["insert", "merge"]);
    statement.windows(2).any(is_select_into)
}

/// Collects the tables that one statement writes.
fn collect_tables<'s>(statement: &[Token<'s>], tables: &mut Vec<&'s str>) {
    // In a query, a verb counts only at the start of the statement or of parentheses. Elsewhere it
    // counts at any position: `explain (analyze) ..`, `with .. search .. update ..`.
    let is_query = statement[0].is_any(&["select", "values", "set"]);
    for (index, token) in statement.iter().enumerate() {
        let is_inside = index > 0 && !statement[index - 1].is("(");
        if is_query && is_inside && !follows_for(statement, index) {
            continue;
        }
        let rest = &statement[index + 1..];
        if token.is_any(&["insert", "replace", "merge"]) {
            // Not the function `replace(..)`.
            if !rest.first().is_some_and(|next| next.is("(")) {
                tables.extend(target_table(rest));
            }
        } else if token.is_any(&["update"]) {
            // MySQL updates several tables at once: `update a join b set ..`.
            let set = rest.iter().position(|t| t.is_any(&["set"]));
            let named = &rest[..set.unwrap_or(rest.len())];
            tables.extend(named.iter().filter_map(Token::table));
        } else if token.is_any(&["delete"]) {
            // MySQL deletes from several: `delete a, b from a join b where ..`.
            let end = rest.iter().position(|t| t.is_any(&["where"]));
            let named = &rest[..end.unwrap_or(rest.len())];
            tables.extend(named.iter().filter_map(Token::table));
        } else if index == 0
            && token.is_any(&[
                "truncate", "drop", "alter", "rename", "copy", "load", "import",
            ])
        {
            tables.extend(rest.iter().filter_map(Token::table));
        }
    }
}

/// Returns whether a token follows the `for` of MariaDB's
/// `set statement max_statement_time = 1 for delete ..`.
fn follows_for(statement: &[Token<'_>], index: usize) -> bool {
    statement[0].is_any(&["set"]) && index > 0 && statement[index - 1].is_any(&["for"])
}

/// Returns the table that follows a verb, without its schema.
fn target_table<'s>(rest: &[Token<'s>]) -> Option<&'s str> {
    let start = rest
        .iter()
        .position(|token| !token.is_any(&TARGET_MODIFIERS))?;
    let mut last = start;
    while let [dot, _, ..] = rest.get(last + 1..)?
        && dot.is(".")
    {
        last += 2;
    }
    rest[last].table()
}
