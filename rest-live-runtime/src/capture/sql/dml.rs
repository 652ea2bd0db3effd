//! An INSERT, UPDATE or DELETE on one table, as SeaQuery builds it.

use sea_orm::DbBackend;

use super::lexer::{Token, tokens};

/// What a statement does to the rows of its table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Verb {
    Insert,
    Update,
    Delete,
}

/// A statement that writes one table. If it returns rows, they are exactly the rows it wrote.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Dml<'s> {
    pub(super) verb: Verb,
    pub(super) table: &'s str,
    /// The schema, or in MySQL the database, if the statement names it.
    pub(super) schema: Option<&'s str>,
    /// The columns that an update sets; empty for other verbs.
    pub(super) set_columns: Vec<&'s str>,
    /// Whether it is an insert that leaves rows that already exist unchanged.
    pub(super) skips_existing_rows: bool,
    /// Whether it has a `where`.
    pub(super) is_filtered: bool,
    /// The expressions that it returns, each as written in the text.
    pub(super) returning: Vec<&'s str>,
}

impl<'s> Dml<'s> {
    /// Parses a statement that SeaQuery built.
    ///
    /// Returns `None` if the rows that it returns may not be the rows that it wrote: for an
    /// upsert, for a statement that names other tables, and for one with a limit.
    pub(super) fn parse(sql: &'s str, backend: DbBackend) -> Option<Self> {
        let tokens: Vec<_> = tokens(sql, backend).collect();
        let (verb, table_start) = match &tokens[..] {
            [insert, into, ..] if insert.is_any(&["insert"]) && into.is_any(&["into"]) => {
                (Verb::Insert, 2)
            }
            [update, ..] if update.is_any(&["update"]) => (Verb::Update, 1),
            [delete, from, ..] if delete.is_any(&["delete"]) && from.is_any(&["from"]) => {
                (Verb::Delete, 2)
            }
            _ => return None,
        };
        let path = Path::parse(&tokens[table_start..])?;
        let top: Vec<_> = top_level(&tokens[table_start + path.length..]).collect();
        let returning = top.iter().position(|t| t.is_any(&["returning"]));
        let body = &top[..returning.unwrap_or(top.len())];
        let skips_existing_rows = contains_words(body, &["do", "nothing"]) || updates_nothing(body);
        let is_plain = match verb {
            Verb::Insert => {
                skips_existing_rows
                    || !(contains_words(body, &["conflict"])
                        || contains_words(body, &["duplicate"]))
            }
            Verb::Update => {
                body.first().is_some_and(|t| t.is_any(&["set"]))
                    && !body.iter().any(|t| t.is_any(&["from", "order", "limit"]))
            }
            Verb::Delete => !body.iter().any(|t| t.is_any(&["using", "order", "limit"])),
        };
        let is_single = !top.iter().any(|t| t.is(";"));
        (is_plain && is_single).then(|| Self {
            verb,
            table: path.last,
            schema: path.qualifier,
            set_columns: match verb {
                Verb::Update => set_columns(body),
                Verb::Insert | Verb::Delete => Vec::new(),
            },
            skips_existing_rows,
            is_filtered: body.iter().any(|t| t.is_any(&["where"])),
            returning: returning.map_or_else(Vec::new, |index| split_list(sql, &top[index + 1..])),
        })
    }
}

/// A path such as `"public"."task"`.
struct Path<'s> {
    last: &'s str,
    /// The part before the last one.
    qualifier: Option<&'s str>,
    /// Number of tokens that the path takes.
    length: usize,
}

impl<'s> Path<'s> {
    fn parse(tokens: &[Token<'s>]) -> Option<Self> {
        let mut path = Self {
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
}

/// Returns the tokens outside parentheses, and the outermost parentheses themselves.
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

/// Returns whether these words stand in the tokens, one directly after the other.
fn contains_words(tokens: &[Token<'_>], words: &[&str]) -> bool {
    position_of_words(tokens, words).is_some()
}

fn position_of_words(tokens: &[Token<'_>], words: &[&str]) -> Option<usize> {
    tokens.windows(words.len()).position(|window| {
        window
            .iter()
            .zip(words)
            .all(|(token, word)| token.is_any(&[word]))
    })
}

/// Returns whether an insert ends in `on duplicate key update a = a`. SeaQuery writes this for
/// MySQL, which has no `do nothing`.
fn updates_nothing(body: &[Token<'_>]) -> bool {
    let clause = ["on", "duplicate", "key", "update"];
    let Some(start) = position_of_words(body, &clause) else {
        return false;
    };
    let mut assignments = body[start + clause.len()..].split(|t| t.is(","));
    assignments.all(|assignment| match assignment {
        [column, equals, value] => equals.is("=") && column.identifier() == value.identifier(),
        _ => false,
    })
}

/// Returns the columns in `set "a" = .., "b" = ..`.
fn set_columns<'s>(body: &[Token<'s>]) -> Vec<&'s str> {
    let end = body.iter().position(|t| t.is_any(&["where"]));
    let assignments = &body[1..end.unwrap_or(body.len())];
    assignments
        .split(|t| t.is(","))
        .filter_map(|assignment| Path::parse(assignment).map(|path| path.last))
        .collect()
}

/// Splits a list at its commas and returns the text of each element.
fn split_list<'s>(sql: &'s str, list: &[Token<'s>]) -> Vec<&'s str> {
    let Some(first) = list.first() else {
        return Vec::new();
    };
    let mut start = first.start;
    let mut elements = Vec::new();
    for comma in list.iter().filter(|t| t.is(",")) {
        elements.push(sql[start..comma.start].trim());
        start = comma.start + 1;
    }
    elements.push(sql[start..].trim());
    elements
}
