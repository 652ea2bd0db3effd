//! What a statement writes, read from its text.
//!
//! SeaORM hands a connection text and values; the syntax tree behind it is private. So the text is read:
//! exactly enough to know which tables are written, and, of a statement that SeaQuery built, which columns are
//! set and what is returned. It is no parser: where a text could mean more than one thing, more tables are
//! named rather than fewer, for a reset too many costs a refetch, and one too few is a change that nobody sees.
//!
//! Not to be seen in a text: what triggers, functions and cascades of the database write, and writes through
//! a view.

pub(crate) mod cache;
mod token;

use sea_orm::DbBackend;

pub(super) use self::token::{Token, tokens};

/// What a text does to rows.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Effect<'s> {
    /// It writes rows of these tables; more may be named than are written.
    pub(crate) tables: Vec<&'s str>,
    /// It runs a procedure, which may write rows of any table.
    pub(crate) anything: bool,
    /// It begins or ends a transaction or savepoint by hand, or by what it does.
    pub(crate) transaction: bool,
}

/// What has no rows, though its words are verbs: bodies for later, rights, settings.
const NO_ROWS: [&str; 4] = ["create", "grant", "revoke", "comment"];

/// What runs other statements.
const PROCEDURES: [&str; 10] = [
    "call", "do", "execute", "exec", "if", "case", "while", "loop", "repeat", "for",
];

const TRANSACTIONS: [&str; 9] = [
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

/// What commits a transaction of MySQL before it does anything else ("Statements that cause an implicit commit").
const COMMITS: [&str; 13] = [
    "create", "alter", "drop", "rename", "truncate", "grant", "revoke", "lock", "unlock",
    "analyze", "optimize", "repair", "install",
];

/// What stands between a verb and the table that it writes.
const MODIFIERS: [&str; 13] = [
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

/// Returns what a text does that anybody may have written. It may be several statements.
pub(crate) fn effect(sql: &str, backend: DbBackend) -> Effect<'_> {
    let tokens: Vec<_> = tokens(sql, backend).collect();
    let mut effect = Effect::default();
    for statement in tokens.split(|token| token.is(";")) {
        let Some(first) = statement.first() else {
            continue;
        };
        let second = |word: &str| statement.get(1).is_some_and(|token| token.is_any(&[word]));
        effect.anything |= first.is_any(&PROCEDURES) || first.is_any(&["begin"]) && second("not");
        effect.transaction |= first.is_any(&TRANSACTIONS)
            || first.is_any(&["prepare"]) && second("transaction")
            || backend == DbBackend::MySql
                && (first.is_any(&COMMITS) || sets_autocommit(statement));
        // A name in PostgreSQL's escapes: whose, nobody reads here.
        let is_escaped = |pair: &[Token<'_>]| pair[0].is_any(&["u"]) && pair[1].is("&");
        effect.anything |= statement.windows(2).any(is_escaped);
        if !first.is_any(&NO_ROWS) {
            written(statement, &mut effect.tables);
        }
    }
    // A procedure of MySQL may commit.
    effect.transaction |= backend == DbBackend::MySql && effect.anything;
    effect
}

fn sets_autocommit(statement: &[Token<'_>]) -> bool {
    statement[0].is_any(&["set"]) && statement.iter().any(|token| token.is_any(&["autocommit"]))
}

/// Collects the tables that one statement writes.
fn written<'s>(statement: &[Token<'s>], tables: &mut Vec<&'s str>) {
    // Elsewhere a verb is one wherever it stands: `explain (analyze) ..`, `with .. search .. update ..`.
    let is_query = statement[0].is_any(&["select", "values", "set"]);
    for (place, token) in statement.iter().enumerate() {
        let is_inside = place > 0 && !statement[place - 1].is("(");
        if is_query && is_inside && !follows_for(statement, place) {
            continue;
        }
        let rest = &statement[place + 1..];
        if token.is_any(&["insert", "replace", "merge"]) {
            // Not the function `replace(..)`.
            if !rest.first().is_some_and(|next| next.is("(")) {
                tables.extend(target(rest));
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
        } else if place == 0
            && token.is_any(&[
                "truncate", "drop", "alter", "rename", "copy", "load", "import",
            ])
        {
            tables.extend(rest.iter().filter_map(Token::table));
        }
    }
}

/// `set statement max_statement_time = 1 for delete ..`, of MariaDB.
fn follows_for(statement: &[Token<'_>], place: usize) -> bool {
    statement[0].is_any(&["set"]) && place > 0 && statement[place - 1].is_any(&["for"])
}

/// Returns the table behind a verb.
fn target<'s>(rest: &[Token<'s>]) -> Option<&'s str> {
    let start = rest.iter().position(|token| !token.is_any(&MODIFIERS))?;
    let mut last = start;
    while let [dot, _, ..] = rest.get(last + 1..)?
        && dot.is(".")
    {
        last += 2;
    }
    rest[last].table()
}

/// A path such as `"public"."task"`.
struct Path<'s> {
    last: &'s str,
    /// What stands before the last part.
    qualifier: Option<&'s str>,
    /// How many tokens it has.
    length: usize,
}

fn path_of<'s>(tokens: &[Token<'s>]) -> Option<Path<'s>> {
    let mut path = Path {
        last: tokens.first()?.identifier()?,
        qualifier: None,
        length: 1,
    };
    while let [dot, part, ..] = &tokens[path.length..]
        && dot.is(".")
    {
        path.qualifier = Some(path.last);
        path.last = part.identifier()?;
        path.length += 2;
    }
    Some(path)
}

/// A statement on one table, as SeaQuery builds it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Dml<'s> {
    pub(crate) verb: Verb,
    pub(crate) table: &'s str,
    /// The schema, or in MySQL the database, where it is named.
    pub(crate) schema: Option<&'s str>,
    /// Of an update the columns that it sets.
    pub(crate) sets: Vec<&'s str>,
    /// It is an insert that leaves a row as it is which is there already.
    pub(crate) may_do_nothing: bool,
    /// What it returns, piece by piece, as it is written.
    pub(crate) returning: Vec<&'s str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Verb {
    Insert,
    Update,
    Delete,
}

impl<'s> Dml<'s> {
    /// Reads a statement that SeaQuery built; `None` where it is none of which the rows it returns are those
    /// that it wrote: an upsert, one with other tables in it, or with a limit.
    pub(crate) fn read(sql: &'s str, backend: DbBackend) -> Option<Self> {
        let tokens: Vec<_> = tokens(sql, backend).collect();
        let (verb, behind) = match &tokens[..] {
            [insert, into, ..] if insert.is_any(&["insert"]) && into.is_any(&["into"]) => {
                (Verb::Insert, 2)
            }
            [update, ..] if update.is_any(&["update"]) => (Verb::Update, 1),
            [delete, from, ..] if delete.is_any(&["delete"]) && from.is_any(&["from"]) => {
                (Verb::Delete, 2)
            }
            _ => return None,
        };
        let path = path_of(&tokens[behind..])?;
        let top: Vec<_> = top_level(&tokens[behind + path.length..]).collect();
        let word = |words: &[&str]| top.iter().position(|t| t.is_any(words));
        let returning = word(&["returning"]);
        let body = &top[..returning.unwrap_or(top.len())];
        let may_do_nothing = has_run(body, &["do", "nothing"]) || updates_nothing(body);
        let is_plain = match verb {
            Verb::Insert => {
                may_do_nothing || !(has_run(body, &["conflict"]) || has_run(body, &["duplicate"]))
            }
            Verb::Update => {
                body.first().is_some_and(|t| t.is_any(&["set"]))
                    && !body.iter().any(|t| t.is_any(&["from", "order", "limit"]))
            }
            Verb::Delete => !body.iter().any(|t| t.is_any(&["using", "order", "limit"])),
        };
        let is_alone = !top.iter().any(|t| t.is(";"));
        (is_plain && is_alone).then(|| Self {
            verb,
            table: path.last,
            schema: path.qualifier,
            sets: match verb {
                Verb::Update => sets(body),
                Verb::Insert | Verb::Delete => Vec::new(),
            },
            may_do_nothing,
            returning: returning.map_or_else(Vec::new, |place| pieces(sql, &top[place + 1..])),
        })
    }
}

/// Returns the tokens that are in no parentheses, and the parentheses.
fn top_level<'t, 's>(tokens: &'t [Token<'s>]) -> impl Iterator<Item = Token<'s>> + use<'t, 's> {
    let mut depth = 0_usize;
    tokens.iter().copied().filter(move |token| {
        if token.is("(") {
            depth += 1;
            return depth == 1;
        }
        if token.is(")") {
            depth = depth.saturating_sub(1);
        }
        depth == 0
    })
}

fn has_run(tokens: &[Token<'_>], words: &[&str]) -> bool {
    tokens.windows(words.len()).any(|run| {
        run.iter()
            .zip(words)
            .all(|(token, word)| token.is_any(&[word]))
    })
}

/// Returns whether it is `on duplicate key update a = a`, which is how SeaQuery has MySQL do nothing.
fn updates_nothing(body: &[Token<'_>]) -> bool {
    let clause = ["on", "duplicate", "key", "update"];
    let start = body.windows(clause.len()).position(|run| {
        run.iter()
            .zip(clause)
            .all(|(token, word)| token.is_any(&[word]))
    });
    let Some(start) = start else {
        return false;
    };
    let mut assignments = body[start + clause.len()..].split(|t| t.is(","));
    assignments.all(|assignment| match assignment {
        [column, equals, value] => equals.is("=") && column.identifier() == value.identifier(),
        _ => false,
    })
}

/// Returns the columns in `set "a" = .., "b" = ..`.
fn sets<'s>(body: &[Token<'s>]) -> Vec<&'s str> {
    let end = body.iter().position(|t| t.is_any(&["where"]));
    let assignments = &body[1..end.unwrap_or(body.len())];
    let first_of_each = assignments.split(|t| t.is(","));
    first_of_each
        .filter_map(|assignment| path_of(assignment).map(|path| path.last))
        .collect()
}

/// Cuts a list at its commas.
fn pieces<'s>(sql: &'s str, list: &[Token<'s>]) -> Vec<&'s str> {
    let Some(first) = list.first() else {
        return Vec::new();
    };
    let mut start = first.start;
    let mut pieces = Vec::new();
    for comma in list.iter().filter(|t| t.is(",")) {
        pieces.push(sql[start..comma.start].trim());
        start = comma.start + 1;
    }
    pieces.push(sql[start..].trim());
    pieces
}

#[cfg(test)]
mod tests;
