//! Splits SQL text into tokens: words, quoted names, literals and punctuation. It knows the lexical
//! rules of SQLite, PostgreSQL, and MySQL with MariaDB.

use sea_orm::DbBackend;

/// One token of a SQL text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Token<'s> {
    kind: Kind,
    text: &'s str,
    /// Byte offset at which the token starts in the text.
    pub(super) start: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A keyword or an unquoted name, in upper or lower case.
    Word,
    /// A quoted name; the token's text has no quotes.
    Name,
    /// A string, a number or a parameter.
    Literal,
    /// A single character.
    Punctuation,
}

impl<'s> Token<'s> {
    /// Returns whether the token is this character.
    pub(super) fn is(&self, punctuation: &str) -> bool {
        self.kind == Kind::Punctuation && self.text == punctuation
    }

    /// Returns whether the token is one of these words, in upper or lower case.
    pub(super) fn is_any(&self, words: &[&str]) -> bool {
        self.kind == Kind::Word
            && words
                .iter()
                .any(|word| self.text.eq_ignore_ascii_case(word))
    }

    /// Returns whether the token is this name, quoted or not, in upper or lower case.
    pub(super) fn is_named(&self, name: &str) -> bool {
        let identifier = self.identifier();
        identifier.is_some_and(|identifier| identifier.eq_ignore_ascii_case(name))
    }

    /// Returns whether the token is a keyword or an unquoted name.
    pub(super) fn is_word(&self) -> bool {
        self.kind == Kind::Word
    }

    /// Returns whether the token is a quoted name.
    pub(super) fn is_quoted_name(&self) -> bool {
        self.kind == Kind::Name
    }

    /// Returns the number of PostgreSQL's parameter, such as 1 of `$1`, and its length in bytes.
    pub(super) fn parameter(&self) -> Option<(usize, usize)> {
        let number = self
            .text
            .strip_prefix('$')
            .filter(|_| self.kind == Kind::Literal)?;
        Some((number.parse().ok()?, self.text.len()))
    }

    /// Returns whether the token is a string, a number or a parameter of PostgreSQL.
    pub(super) fn is_literal(&self) -> bool {
        self.kind == Kind::Literal
    }

    /// Returns the content of a plain string, without its quotes.
    pub(super) fn string(&self) -> Option<&'s str> {
        let content = self.text.strip_prefix('\'')?.strip_suffix('\'')?;
        (self.kind == Kind::Literal).then_some(content)
    }

    /// Returns the content of a string, plain or between dollar signs.
    pub(super) fn content(&self) -> Option<&'s str> {
        let dollar_quoted = || {
            let tag = self.text.strip_prefix('$')?.find('$')? + 2;
            let content = self.text.get(tag..)?;
            Some(content.strip_suffix(&self.text[..tag]).unwrap_or(content))
        };
        let content = self.string().or_else(dollar_quoted)?;
        (self.kind == Kind::Literal).then_some(content)
    }

    /// Returns the token as a name, if it can be one.
    pub(super) fn identifier(&self) -> Option<&'s str> {
        matches!(self.kind, Kind::Word | Kind::Name).then_some(self.text)
    }

    /// Returns the token as the name of a table, at a position where only a name can stand. SQLite
    /// accepts a string as a name there, and so does MySQL with `ANSI_QUOTES`.
    pub(super) fn table(&self) -> Option<&'s str> {
        match self.kind {
            Kind::Literal => Some(self.text.trim_matches(['\'', '"'])),
            Kind::Word | Kind::Name => Some(self.text),
            Kind::Punctuation => None,
        }
    }
}

/// Splits a text into tokens and skips comments. The content of MySQL's `/*! .. */` is kept,
/// because MySQL executes it.
pub(super) fn tokens(sql: &str, backend: DbBackend) -> impl Iterator<Item = Token<'_>> {
    let mut offset = 0;
    std::iter::from_fn(move || {
        loop {
            let rest = &sql[offset..];
            let first = rest.chars().next()?;
            let is_mysql = backend == DbBackend::MySql;
            let (length, kind) = match first {
                c if c.is_whitespace() || c == '\u{feff}' => (c.len_utf8(), None),
                '-' if rest.starts_with("--") && !(is_mysql && is_minus(rest)) => {
                    (line_length(rest), None)
                }
                '#' if is_mysql => (line_length(rest), None),
                '/' if rest.starts_with("/*") => {
                    match executable_comment(rest).filter(|_| is_mysql) {
                        Some(opening) => (opening, None),
                        None => (comment_length(rest, backend), None),
                    }
                }
                '*' if rest.starts_with("*/") && is_mysql => (2, None),
                '"' if is_mysql => (quoted_length(rest, '"', true), Some(Kind::Literal)),
                '"' | '`' => (quoted_length(rest, first, false), Some(Kind::Name)),
                '[' if backend == DbBackend::Sqlite => {
                    (quoted_length(rest, ']', false), Some(Kind::Name))
                }
                '\'' => (quoted_length(rest, '\'', is_mysql), Some(Kind::Literal)),
                'e' | 'E' if rest[1..].starts_with('\'') => (
                    1 + quoted_length(&rest[1..], '\'', true),
                    Some(Kind::Literal),
                ),
                '$' if backend == DbBackend::Postgres => match dollar_quoted_length(rest) {
                    Some(length) => (length, Some(Kind::Literal)),
                    None => (1 + word_length(&rest[1..]), Some(Kind::Literal)),
                },
                c if c.is_ascii_digit() => (word_length(rest), Some(Kind::Literal)),
                c if is_word_char(c) => (word_length(rest), Some(Kind::Word)),
                c => (c.len_utf8(), Some(Kind::Punctuation)),
            };
            let start = offset;
            offset += length;
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

fn is_word_char(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '$' || !c.is_ascii()
}

fn word_length(rest: &str) -> usize {
    rest.find(|c| !is_word_char(c)).unwrap_or(rest.len())
}

fn line_length(rest: &str) -> usize {
    rest.find('\n').map_or(rest.len(), |end| end + 1)
}

/// Returns the length of the opening of a comment that MySQL executes (`/*!50100`), or that only
/// MariaDB executes (`/*M!`). `None` for a plain comment.
fn executable_comment(rest: &str) -> Option<usize> {
    let after = rest
        .strip_prefix("/*!")
        .or_else(|| rest.strip_prefix("/*M!"))?;
    let version = after.trim_start_matches(|c: char| c.is_ascii_digit());
    Some(rest.len() - version.len())
}

/// Returns whether `--` is two minus signs. In MySQL it begins a comment only before white space:
/// `3--1` is 4.
fn is_minus(rest: &str) -> bool {
    rest[2..].starts_with(|c: char| !c.is_whitespace() && !c.is_control())
}

/// Returns the length of a `/* .. */` comment. Comments nest in PostgreSQL only.
fn comment_length(rest: &str, backend: DbBackend) -> usize {
    if backend != DbBackend::Postgres {
        return rest[2..].find("*/").map_or(rest.len(), |end| end + 4);
    }
    let (mut depth, mut offset) = (0_usize, 0);
    while let Some(next) = rest[offset..].find(['/', '*']) {
        offset += next;
        if rest[offset..].starts_with("/*") {
            depth += 1;
            offset += 2;
        } else if rest[offset..].starts_with("*/") {
            depth = depth.saturating_sub(1);
            offset += 2;
            if depth == 0 {
                return offset;
            }
        } else {
            offset += 1;
        }
    }
    rest.len()
}

/// Returns the length of a quoted text, including its quotes. Inside, a quote is doubled; if
/// `backslash` is set, it may also follow a backslash.
fn quoted_length(rest: &str, close: char, backslash: bool) -> usize {
    let mut chars = rest.char_indices().skip(1).peekable();
    while let Some((offset, c)) = chars.next() {
        if c == '\\' && backslash {
            chars.next();
        } else if c == close {
            match chars.peek() {
                Some((_, next)) if *next == close && close != ']' => _ = chars.next(),
                _ => return offset + c.len_utf8(),
            }
        }
    }
    rest.len()
}

/// Returns the length of `$tag$ .. $tag$`, `None` for a parameter such as `$1`.
fn dollar_quoted_length(rest: &str) -> Option<usize> {
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
