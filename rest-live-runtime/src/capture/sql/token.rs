//! Cuts SQL text into tokens: words, quoted names, literals and punctuation, of the three databases.

use sea_orm::DbBackend;

/// A piece of SQL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::capture) struct Token<'s> {
    kind: Kind,
    text: &'s str,
    /// Where it begins in the text.
    pub(super) start: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A keyword or a name without quotes, in any case of letters.
    Word,
    /// A name in quotes, without them.
    Name,
    /// A string, a number, a parameter.
    Literal,
    /// One character.
    Punctuation,
}

impl<'s> Token<'s> {
    /// Returns whether it is this character.
    pub(super) fn is(&self, punctuation: &str) -> bool {
        self.kind == Kind::Punctuation && self.text == punctuation
    }

    /// Returns whether it is one of these words.
    pub(super) fn is_any(&self, words: &[&str]) -> bool {
        self.kind == Kind::Word
            && words
                .iter()
                .any(|word| self.text.eq_ignore_ascii_case(word))
    }

    /// Returns the name that it may be.
    pub(super) fn identifier(&self) -> Option<&'s str> {
        matches!(self.kind, Kind::Word | Kind::Name).then_some(self.text)
    }

    /// Returns the name that it may be where only a name can stand: SQLite takes a string for one there, and so
    /// does MySQL with `ANSI_QUOTES`.
    pub(super) fn table(&self) -> Option<&'s str> {
        match self.kind {
            Kind::Literal => Some(self.text.trim_matches(['\'', '"'])),
            Kind::Word | Kind::Name => Some(self.text),
            Kind::Punctuation => None,
        }
    }
}

/// Cuts a text into tokens. Comments are left out; the text of MySQL's `/*! .. */` is not, for it is executed.
pub(in crate::capture) fn tokens(sql: &str, backend: DbBackend) -> impl Iterator<Item = Token<'_>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        loop {
            let rest = &sql[at..];
            let first = rest.chars().next()?;
            let is_mysql = backend == DbBackend::MySql;
            let (length, kind) = match first {
                c if c.is_whitespace() || c == '\u{feff}' => (c.len_utf8(), None),
                '-' if rest.starts_with("--") && !(is_mysql && is_minus(rest)) => {
                    (line(rest), None)
                }
                '#' if is_mysql => (line(rest), None),
                '/' if rest.starts_with("/*") => match executed(rest).filter(|_| is_mysql) {
                    Some(opening) => (opening, None),
                    None => (comment(rest, backend), None),
                },
                '*' if rest.starts_with("*/") && is_mysql => (2, None),
                '"' if is_mysql => (quoted(rest, '"', true), Some(Kind::Literal)),
                '"' | '`' => (quoted(rest, first, false), Some(Kind::Name)),
                '[' if backend == DbBackend::Sqlite => (quoted(rest, ']', false), Some(Kind::Name)),
                '\'' => (quoted(rest, '\'', is_mysql), Some(Kind::Literal)),
                'e' | 'E' if rest[1..].starts_with('\'') => {
                    (1 + quoted(&rest[1..], '\'', true), Some(Kind::Literal))
                }
                '$' if backend == DbBackend::Postgres => match dollar_quoted(rest) {
                    Some(length) => (length, Some(Kind::Literal)),
                    None => (1 + word(&rest[1..]), Some(Kind::Literal)),
                },
                c if c.is_ascii_digit() => (word(rest), Some(Kind::Literal)),
                c if is_of_word(c) => (word(rest), Some(Kind::Word)),
                c => (c.len_utf8(), Some(Kind::Punctuation)),
            };
            let start = at;
            at += length;
            if let Some(kind) = kind {
                let text = &rest[..length];
                let text = match kind {
                    Kind::Name => text.get(1..length.saturating_sub(1)).unwrap_or_default(),
                    Kind::Word | Kind::Literal | Kind::Punctuation => text,
                };
                return Some(Token { kind, text, start });
            }
        }
    })
}

fn is_of_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '$' || !c.is_ascii()
}

fn word(rest: &str) -> usize {
    rest.find(|c| !is_of_word(c)).unwrap_or(rest.len())
}

fn line(rest: &str) -> usize {
    rest.find('\n').map_or(rest.len(), |end| end + 1)
}

/// Returns the length of what opens a comment that MySQL, or only MariaDB, executes: `/*!50100`, `/*M!`.
fn executed(rest: &str) -> Option<usize> {
    let behind = rest
        .strip_prefix("/*!")
        .or_else(|| rest.strip_prefix("/*M!"))?;
    let version = behind.trim_start_matches(|c: char| c.is_ascii_digit());
    Some(rest.len() - version.len())
}

/// In MySQL `--` begins a comment only before white space: `3--1` is 4.
fn is_minus(rest: &str) -> bool {
    rest[2..].starts_with(|c: char| !c.is_whitespace() && !c.is_control())
}

/// Comments nest in PostgreSQL, and nowhere else.
fn comment(rest: &str, backend: DbBackend) -> usize {
    if backend != DbBackend::Postgres {
        return rest[2..].find("*/").map_or(rest.len(), |end| end + 4);
    }
    let (mut depth, mut at) = (0_usize, 0);
    while let Some(next) = rest[at..].find(['/', '*']) {
        at += next;
        if rest[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with("*/") {
            depth = depth.saturating_sub(1);
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    rest.len()
}

/// Returns the length of what is in quotes, with them. A quote is written twice inside, or behind a backslash
/// where that escapes.
fn quoted(rest: &str, close: char, backslash: bool) -> usize {
    let mut chars = rest.char_indices().skip(1).peekable();
    while let Some((at, c)) = chars.next() {
        if c == '\\' && backslash {
            chars.next();
        } else if c == close {
            match chars.peek() {
                Some((_, next)) if *next == close && close != ']' => _ = chars.next(),
                _ => return at + c.len_utf8(),
            }
        }
    }
    rest.len()
}

/// Returns the length of `$tag$ .. $tag$`; `None` for a parameter.
fn dollar_quoted(rest: &str) -> Option<usize> {
    let tag = rest[1..].find('$')?;
    let is_tag = rest[1..=tag]
        .chars()
        .all(|c| c.is_alphanumeric() || c == '_')
        && !rest[1..].starts_with(|c: char| c.is_ascii_digit());
    let tag = &rest[..tag + 2];
    is_tag.then(|| {
        let body = &rest[tag.len()..];
        let end = body.find(tag).map_or(body.len(), |end| end + tag.len());
        tag.len() + end
    })
}
