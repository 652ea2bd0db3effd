//! Statements that switch the schema in which the database looks for unqualified tables.
//!
//! In PostgreSQL, the `search_path` names the schemas, and it may contain the name of the role. In
//! MySQL, it is the current database. A text does not show what a function of the database
//! switches.

use sea_orm::DbBackend;

use super::{
    lexer::{Token, tokens},
    settings::{SettingChanges, Settings},
};

/// How long a switch lasts. If a text contains several, the last variant counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum SchemaSwitch {
    /// It is not known whether there is one: a procedure runs, or a temporary table hides another.
    Possible,
    /// Until the end of the transaction at most.
    Local,
    /// It returns to the default of the connection.
    Reset,
    /// It stays on the connection.
    Session,
}

/// The settings of PostgreSQL that decide where it finds unqualified tables.
const SETTINGS: [&str; 3] = ["search_path", "role", "session_authorization"];

/// Returns how one statement switches the schema, `None` if it does not.
pub(super) fn schema_switch(statement: &[Token<'_>], backend: DbBackend) -> Option<SchemaSwitch> {
    match backend {
        DbBackend::Postgres => postgres_switch(statement),
        DbBackend::MySql => {
            let is_use = statement.first()?.is_any(&["use"]);
            is_use.then_some(SchemaSwitch::Session)
        }
        _ => None,
    }
}

/// Returns which settings one statement changes past the end of the transaction. `switch` is how it
/// switches the schema.
pub(super) fn setting_changes(
    statement: &[Token<'_>],
    switch: Option<SchemaSwitch>,
) -> SettingChanges {
    match switch {
        Some(SchemaSwitch::Session) => SettingChanges::set(setting_of(statement)),
        Some(SchemaSwitch::Reset) => {
            SettingChanges::reset(setting_of(statement).without(Settings::UNKNOWN))
        }
        Some(SchemaSwitch::Local | SchemaSwitch::Possible) | None => SettingChanges::default(),
    }
}

/// Returns the setting that a `set` or `reset` names.
fn setting_of(statement: &[Token<'_>]) -> Settings {
    let is_word = |index: usize, words: &[&str]| {
        let token = statement.get(index);
        token.is_some_and(|token| token.is_any(words))
    };
    let is_reset = is_word(0, &["reset"]);
    if !is_reset && !is_word(0, &["set"]) {
        return Settings::UNKNOWN;
    }
    let is_authorization = |index| is_word(index, &["authorization"]);
    let is_session = is_word(1, &["session"]) && !is_authorization(2);
    let start = if is_session { 2 } else { 1 };
    let Some(name) = statement.get(start) else {
        return Settings::UNKNOWN;
    };
    // `reset all` leaves the role.
    if name.is_named("search_path") || name.is_any(&[if is_reset { "all" } else { "schema" }]) {
        Settings::SEARCH_PATH
    } else if name.is_named("role") {
        Settings::ROLE
    } else if name.is_named("session_authorization") || is_authorization(start + 1) {
        Settings::SESSION_AUTHORIZATION
    } else {
        Settings::UNKNOWN
    }
}

/// Returns whether a query that SeaQuery built may switch the schema. SeaQuery itself does not
/// write this function.
pub(crate) fn may_call_set_config(sql: &str) -> bool {
    let has_word = |(index, _): (usize, &str)| {
        let word = index.checked_sub(3).map(|start| start..index + 7);
        let word = word.and_then(|word| sql.as_bytes().get(word));
        word.is_some_and(|word| word.eq_ignore_ascii_case(b"set_config"))
    };
    sql.match_indices('_').any(has_word)
}

fn postgres_switch(statement: &[Token<'_>]) -> Option<SchemaSwitch> {
    let (first, rest) = statement.split_first()?;
    let own = if first.is_any(&["set"]) {
        setting_switch(rest)
    } else if first.is_any(&["reset"]) {
        let names_all = rest.first().is_some_and(|name| name.is_any(&["all"]));
        (names_all || setting_length(rest) > 0 || is_escaped(rest)).then_some(SchemaSwitch::Reset)
    } else if first.is_any(&["discard"]) {
        Some(SchemaSwitch::Reset)
    } else if first.is_any(&["do"]) {
        let blocks = rest.iter().filter_map(block_switch);
        blocks.max().or(Some(SchemaSwitch::Possible))
    } else if first.is_any(&["call", "execute"]) || creates_temporary_table(statement) {
        Some(SchemaSwitch::Possible)
    } else {
        None
    };
    own.max(config_switch(statement))
        .max(updates_settings(statement))
}

/// Returns the switch of `set [session | local] setting ..`. `rest` begins after `set`.
fn setting_switch(rest: &[Token<'_>]) -> Option<SchemaSwitch> {
    let is_word = |index: usize, word: &str| rest.get(index).is_some_and(|t| t.is_any(&[word]));
    let is_local = is_word(0, "local");
    // Not the beginning of `session authorization`.
    let is_session = is_word(0, "session") && !is_word(1, "authorization");
    let setting = &rest[usize::from(is_local || is_session)..];
    let is_schema = setting.first().is_some_and(|name| name.is_any(&["schema"]));
    if !is_schema && setting_length(setting) == 0 && !is_escaped(setting) {
        return None;
    }
    let is_role = !setting[0].is_named("search_path");
    let is_reset = setting
        .last()
        .is_some_and(|value| value.is_any(&["default"]) || is_role && value.is_any(&["none"]));
    Some(match (is_local, is_reset) {
        (true, _) => SchemaSwitch::Local,
        (false, true) => SchemaSwitch::Reset,
        (false, false) => SchemaSwitch::Session,
    })
}

/// Returns the number of tokens at the start that name a setting which matters.
fn setting_length(tokens: &[Token<'_>]) -> usize {
    match tokens {
        [name, ..] if SETTINGS.iter().any(|setting| name.is_named(setting)) => 1,
        [session, authorization, ..]
            if session.is_any(&["session"]) && authorization.is_any(&["authorization"]) =>
        {
            2
        }
        _ => 0,
    }
}

/// Returns whether the first token is a name with Unicode escapes, which are not decoded here.
fn is_escaped(tokens: &[Token<'_>]) -> bool {
    matches!(tokens, [u, and, ..] if u.is_any(&["u"]) && and.is("&"))
}

/// Returns the switch of a block of code in a string, or of a statement that it builds in one.
fn block_switch(block: &Token<'_>) -> Option<SchemaSwitch> {
    let tokens: Vec<_> = tokens(block.content()?, DbBackend::Postgres).collect();
    let statements = tokens.split(|token| token.is(";"));
    let begins = |pair: &[Token<'_>]| pair[0].is_any(&["begin", "then", "else", "loop"]);
    let statements = statements.flat_map(|statement| {
        let inner = statement.windows(2).enumerate();
        let inner = inner.filter(|(_, pair)| begins(pair));
        let starts = std::iter::once(0).chain(inner.map(|(index, _)| index + 1));
        starts.map(|start| &statement[start..])
    });
    let switches = statements.filter_map(|statement| match statement.split_first()? {
        (set, rest) if set.is_any(&["set"]) => setting_switch(rest),
        (reset, _) if reset.is_any(&["reset"]) => Some(SchemaSwitch::Reset),
        _ => config_switch(statement),
    });
    let built = tokens.iter().filter_map(block_switch);
    switches.chain(built).max()
}

/// Returns whether a statement creates a temporary table, which hides a table of the same name.
fn creates_temporary_table(statement: &[Token<'_>]) -> bool {
    let is_temporary = |token: &Token<'_>| token.is_any(&["temp", "temporary"]);
    let is_create = statement[0].is_any(&["create"]);
    let after_into = statement
        .windows(2)
        .any(|pair| pair[0].is_any(&["into"]) && is_temporary(&pair[1]));
    is_create && statement.iter().take(3).any(is_temporary) || after_into
}

/// Returns the switch of the calls of `set_config(setting, value, is_local)`.
fn config_switch(statement: &[Token<'_>]) -> Option<SchemaSwitch> {
    let is_call = |pair: &[Token<'_>]| pair[0].is_named("set_config") && pair[1].is("(");
    let calls = statement.windows(2).enumerate();
    let calls = calls.filter(|(_, pair)| is_call(pair));
    calls
        .filter_map(|(index, _)| call_switch(&statement[index + 2..]))
        .max()
}

/// Returns the switch of one call. `rest` begins after the opening parenthesis.
fn call_switch(rest: &[Token<'_>]) -> Option<SchemaSwitch> {
    let mut depth = 1_usize;
    let end = rest.iter().position(|token| {
        depth += usize::from(token.is("("));
        depth -= usize::from(token.is(")"));
        depth == 0
    });
    let mut arguments = rest[..end.unwrap_or(rest.len())].split(|token| token.is(","));
    // A literal, perhaps with a cast, names the setting. Any other expression may name each.
    if let Some([name, cast @ ..]) = arguments.next()
        && cast.first().is_none_or(|token| token.is(":"))
        && let Some(name) = name.string()
        && !name.contains('\\')
        && !SETTINGS
            .iter()
            .any(|setting| name.eq_ignore_ascii_case(setting))
    {
        return None;
    }
    let is_local = matches!(arguments.nth(1), Some([token]) if token.is_any(&["true"]));
    Some(if is_local {
        SchemaSwitch::Local
    } else {
        SchemaSwitch::Session
    })
}

/// Returns the switch of `update pg_settings set setting = ..`, which calls `set_config`.
fn updates_settings(statement: &[Token<'_>]) -> Option<SchemaSwitch> {
    let has_update = || statement.iter().any(|token| token.is_any(&["update"]));
    let has_view = statement.iter().any(|token| token.is_named("pg_settings"));
    (has_view && has_update()).then_some(SchemaSwitch::Session)
}

#[cfg(test)]
mod tests {
    use super::{super::effect::Effect, *};

    fn switch(sql: &str, backend: DbBackend) -> Option<SchemaSwitch> {
        Effect::scan(sql, backend).switch
    }

    #[test]
    fn each_form_is_found() {
        use SchemaSwitch::{Local, Possible, Reset, Session};
        for (sql, expected) in [
            ("SET search_path TO b", Session),
            ("set SEARCH_PATH = b, public", Session),
            ("SET \"search_path\" TO b", Session),
            ("SET \"Search_Path\" TO b", Session),
            ("SET U&\"search\\005fpath\" TO b", Session),
            ("/* x */ SET -- y\n search_path/**/=b", Session),
            ("SET SESSION search_path TO b", Session),
            ("SET LOCAL search_path TO b", Local),
            ("set local \"search_path\" to 'b'", Local),
            ("SET SCHEMA 'b'", Session),
            ("SET LOCAL SCHEMA 'b'", Local),
            ("SET ROLE tenant_b", Session),
            ("SET LOCAL ROLE tenant_b", Local),
            ("SET SESSION ROLE tenant_b", Session),
            ("SET role TO tenant_b", Session),
            ("SET SESSION AUTHORIZATION tenant_b", Session),
            ("SET LOCAL SESSION AUTHORIZATION tenant_b", Local),
            ("SET session_authorization = tenant_b", Session),
            ("SET search_path TO DEFAULT", Reset),
            ("SET ROLE NONE", Reset),
            ("SET search_path TO none", Session),
            ("SET SESSION AUTHORIZATION DEFAULT", Reset),
            ("RESET search_path", Reset),
            ("RESET ROLE", Reset),
            ("RESET SESSION AUTHORIZATION", Reset),
            ("RESET ALL", Reset),
            ("DISCARD ALL", Reset),
            ("SELECT set_config('search_path', 'b', false)", Session),
            ("SELECT set_config('search_path', 'b', true)", Local),
            (
                "select pg_catalog.Set_Config('Search_Path', $1, true)",
                Local,
            ),
            ("SELECT \"set_config\"('role', $1, true)", Local),
            ("SELECT set_config($1, $2, true)", Local),
            ("SELECT set_config('search' || '_path', $2, true)", Local),
            ("SELECT set_config(E'search\\x5fpath', $2, true)", Local),
            ("SELECT set_config('search_path'::text, 'b', $1)", Session),
            (
                "SELECT 1 FROM set_config('search_path', f('b', true), false)",
                Session,
            ),
            (
                "INSERT INTO t SELECT set_config('search_path', 'b', true)",
                Local,
            ),
            (
                "WITH x AS (SELECT set_config('role', 'b', true)) SELECT 1",
                Local,
            ),
            (
                "UPDATE pg_settings SET setting = 'b' WHERE name = $1",
                Session,
            ),
            ("DO $$ BEGIN SET LOCAL search_path TO b; END $$", Local),
            ("DO $$ BEGIN SET search_path TO b; END $$", Session),
            (
                "DO $x$ BEGIN IF a THEN SET ROLE b; END IF; END $x$",
                Session,
            ),
            (
                "DO $$ BEGIN EXECUTE 'SET search_path TO ' || x; END $$",
                Session,
            ),
            (
                "DO $$ BEGIN PERFORM set_config('role', 'b', true); END $$",
                Local,
            ),
            ("DO $$ BEGIN UPDATE task SET role = 'b'; END $$", Possible),
            ("DO $$ BEGIN CREATE SCHEMA b; PERFORM 1; END $$", Possible),
            ("CALL switch('b')", Possible),
            ("CREATE TEMP TABLE task (id int)", Possible),
            ("CREATE LOCAL TEMPORARY TABLE task (id int)", Possible),
            ("SELECT 1 AS id INTO TEMP task", Possible),
            (
                "INSERT INTO task VALUES (1); SET LOCAL search_path TO b",
                Local,
            ),
            ("SET LOCAL search_path TO b; SET search_path TO c", Session),
        ] {
            assert_eq!(switch(sql, DbBackend::Postgres), Some(expected), "{sql}");
        }
        for sql in ["USE b", "use `b`", "/*!50000 USE b */", "SELECT 1; USE b"] {
            assert_eq!(switch(sql, DbBackend::MySql), Some(Session), "{sql}");
        }
    }

    #[test]
    fn lasting_settings_are_known() {
        let path = Settings::SEARCH_PATH;
        let role = Settings::ROLE;
        let authorization = Settings::SESSION_AUTHORIZATION;
        let none = Settings::NONE;
        for (sql, set, reset) in [
            ("SET LOCAL search_path TO b", none, none),
            ("SET SESSION \"search_path\" TO b", path, none),
            ("SET SCHEMA 'b'", path, none),
            ("SET SESSION ROLE b", role, none),
            ("SET SESSION AUTHORIZATION b", authorization, none),
            ("SET SESSION session_authorization = b", authorization, none),
            (
                "SELECT set_config('role', 'b', false)",
                Settings::UNKNOWN,
                none,
            ),
            ("DO $$ BEGIN SET ROLE b; END $$", Settings::UNKNOWN, none),
            ("SET U&\"role\" TO b", Settings::UNKNOWN, none),
            ("RESET U&\"role\"", none, none),
            ("RESET ALL", none, path),
            ("DISCARD ALL", none, none),
            ("SET ROLE NONE", none, role),
            ("RESET SESSION AUTHORIZATION", none, authorization),
            ("SET ROLE b; RESET ROLE", none, role),
            ("RESET ROLE; SET ROLE b", role, none),
            ("SET ROLE b; SET SCHEMA 'b'; RESET ROLE", path, role),
            ("SET ROLE b; SAVEPOINT s; RESET ROLE", role, none),
        ] {
            let expected = SettingChanges { set, reset };
            let changes = Effect::scan(sql, DbBackend::Postgres).settings;
            assert_eq!(changes, expected, "{sql}");
        }
    }

    #[test]
    fn other_statements_do_not_switch() {
        for sql in [
            "SET LOCAL app.uid = 'search_path'",
            "SET app.search_path = 'b'",
            "SET TIME ZONE 'UTC'",
            "SET LOCAL statement_timeout = 1",
            "SET TRANSACTION READ ONLY",
            "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
            "RESET app.uid",
            "SHOW search_path",
            "SELECT current_setting('search_path')",
            "SELECT set_config('app.uid', $1, true)",
            "SELECT set_config('app.uid'::text, 'search_path', true)",
            "SELECT 'set search_path to b'",
            "-- SET search_path TO b\nSELECT 1",
            "SELECT $$ SET search_path TO b $$",
            "UPDATE task SET role = 'b'",
            "UPDATE task SET search_path = 'b'",
            "CREATE FUNCTION f() RETURNS int LANGUAGE sql SET search_path = b AS 'SELECT 1'",
            "ALTER ROLE app SET search_path = b",
            "SELECT * FROM pg_settings",
            "SELECT set_config FROM t",
        ] {
            assert_eq!(switch(sql, DbBackend::Postgres), None, "{sql}");
        }
        for sql in ["SET search_path TO b", "ATTACH 'x' AS b", "USE b"] {
            assert_eq!(switch(sql, DbBackend::Sqlite), None, "{sql}");
        }
        for sql in ["SELECT 1 FROM t USE INDEX (i)", "SET ROLE b"] {
            assert_eq!(switch(sql, DbBackend::MySql), None, "{sql}");
        }
    }

    #[test]
    fn built_query_that_may_switch_is_found() {
        for sql in [
            "SELECT set_config('search_path', $1, true)",
            "SELECT \"a_b\", Set_Config($1)",
        ] {
            assert!(may_call_set_config(sql), "{sql}");
        }
        for sql in [
            "SELECT \"reset_configs\"",
            "_",
            "t_config",
            "SELECT 'é_config'",
        ] {
            let is_found = may_call_set_config(sql);
            assert_eq!(is_found, sql.contains("set_config"), "{sql}");
        }
    }
}
