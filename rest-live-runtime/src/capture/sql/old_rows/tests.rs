use sea_orm::DatabaseBackend::{MySql, Postgres, Sqlite};

use super::*;

const COLUMNS: &str = r#""id", "list_id""#;

fn derived(sql: &str, backend: DbBackend) -> Option<OldRowsQuery> {
    OldRowsQuery::new(sql, COLUMNS, backend)
}

/// Returns the query of an UPDATE, and the indices of its values.
fn query(sql: &str, backend: DbBackend) -> (String, Vec<usize>) {
    let query = derived(sql, backend).unwrap_or_else(|| panic!("no query: {sql}"));
    (query.sql, query.values)
}

fn assert_condition(condition: &str, backend: DbBackend) {
    let update = format!(r#"UPDATE "task" SET "list_id" = 1 WHERE {condition}"#);
    let expected = format!(r#"SELECT {COLUMNS} FROM "task" WHERE {condition}"#);
    assert_eq!(query(&update, backend).0, expected);
}

#[test]
fn postgres_parameters_are_renumbered() {
    let update = r#"UPDATE "task" SET "text" = $1, "list_id" = $2 WHERE "task"."id" IN ($3, $4) AND "kind" = CAST($5 AS "kind") RETURNING "id""#;
    let (sql, values) = query(update, Postgres);
    assert_eq!(
        sql,
        r#"SELECT "id", "list_id" FROM "task" WHERE "task"."id" IN ($1, $2) AND "kind" = CAST($3 AS "kind")"#
    );
    assert_eq!(values, [2, 3, 4]);
    // A parameter may stand in both parts, and twice in the condition.
    let update = r#"UPDATE "task" SET "text" = $1 WHERE "text" <> $1 AND ("a" = $2 OR "b" = $2)"#;
    let (sql, values) = query(update, Postgres);
    assert!(
        sql.ends_with(r#"WHERE "text" <> $1 AND ("a" = $2 OR "b" = $3)"#),
        "{sql}"
    );
    assert_eq!(values, [0, 1, 1]);
}

#[test]
fn sqlite_takes_the_last_values() {
    let update = r#"UPDATE "task" SET "text" = ?, "list_id" = "list_id" + ? WHERE "id" > ? AND "text" LIKE ? RETURNING "id", "text""#;
    let (sql, values) = query(update, Sqlite);
    assert_eq!(
        sql,
        r#"SELECT "id", "list_id" FROM "task" WHERE "id" > ? AND "text" LIKE ?"#
    );
    assert_eq!(values, [2, 3]);
}

#[test]
fn statements_lock_and_limit() {
    let values = |count: i32| (0..count).map(Value::from).collect::<Vec<_>>();
    let update = r#"UPDATE "s"."task" SET "list_id" = $1 WHERE "id" = $2"#;
    let derived_query = derived(update, Postgres).expect("a query");
    let statements = derived_query.with_values(&values(2), 11).expect("values");
    assert!(statements.write_lock.is_none());
    assert_eq!(
        statements.select.sql,
        r#"SELECT "id", "list_id" FROM "s"."task" WHERE "id" = $1 LIMIT 11 FOR NO KEY UPDATE"#
    );
    assert_eq!(
        statements.select.values.expect("values").0,
        [Value::from(1)]
    );
    // Other values than the text has parameters for.
    assert!(derived_query.with_values(&values(1), 11).is_none());
    assert!(derived_query.with_values(&values(3), 11).is_none());

    let derived_query = derived(r#"UPDATE "task" SET "list_id" = ?"#, Sqlite).expect("a query");
    let statements = derived_query.with_values(&values(1), 11).expect("values");
    assert_eq!(
        statements.select.sql,
        r#"SELECT "id", "list_id" FROM "task" LIMIT 11"#
    );
    assert_eq!(
        statements.write_lock.expect("SQLite").sql,
        r#"UPDATE "task" SET "list_id" = "list_id" WHERE 1 = 0"#
    );
}

#[test]
fn strings_and_parentheses_do_not_end_a_clause() {
    let update = r#"UPDATE "task" SET "text" = 'a WHERE ?', "n" = (SELECT MAX("n") FROM "t" WHERE "x" = ?) WHERE "text" = 'it''s RETURNING ?' AND "id" = ?"#;
    let (sql, values) = query(update, Sqlite);
    assert!(
        sql.ends_with(r#"FROM "task" WHERE "text" = 'it''s RETURNING ?' AND "id" = ?"#),
        "{sql}"
    );
    assert_eq!(values, [1]);
    let update = r#"UPDATE "where" SET "set" = $1 WHERE "a ""returning"" b" = $2"#;
    let (sql, values) = query(update, Postgres);
    assert!(
        sql.ends_with(r#"FROM "where" WHERE "a ""returning"" b" = $1"#),
        "{sql}"
    );
    assert_eq!(values, [1]);
}

#[test]
fn conditions_on_the_row_are_kept() {
    for condition in [
        r#""task"."done" IS NOT NULL AND NOT ("a" BETWEEN 1 AND 2 OR "b" IN (1, 2))"#,
        r#"LOWER("text") = 'a' AND COALESCE("n", 0) >= 3"#,
        r#"("a", "b") IN ((1, 2), (3, 4))"#,
        r#"CASE WHEN ("a" = 1) THEN TRUE ELSE FALSE END"#,
        r#"CAST("n" AS varchar(20)) LIKE 'a|%' ESCAPE '|'"#,
        "1 = 2",
    ] {
        assert_condition(condition, Sqlite);
        assert_condition(condition, Postgres);
    }
    for condition in [
        r#""kind" = ('a'::"public"."kind") AND "n"::int = 1"#,
        r#""tags" @> ARRAY ['a'] AND "at" < CURRENT_TIMESTAMP"#,
        r#""text" ILIKE E'a\'b'"#,
    ] {
        assert_condition(condition, Postgres);
    }
}

#[test]
fn conditions_that_may_differ_are_refused() {
    for condition in [
        r#""id" IN (SELECT "id" FROM "task")"#,
        r#"EXISTS(SELECT 1 FROM "other")"#,
        "RANDOM() > 0",
        r#"my_function("id")"#,
        r#""my_function"("id")"#,
        r#""id" = NEXTVAL('s')"#,
        r#""at" < CLOCK_TIMESTAMP()"#,
        "lower = 1",
        r#""id" = 1 -- a comment"#,
        r#""id" = 1 /* a comment */"#,
    ] {
        for backend in [Sqlite, Postgres] {
            let update = format!(r#"UPDATE "task" SET "list_id" = 1 WHERE {condition}"#);
            assert_eq!(derived(&update, backend), None, "{condition}");
        }
    }
    // In SQLite, the time may differ between two statements.
    for condition in [
        r#""at" < CURRENT_TIMESTAMP"#,
        r#""id" = ?1"#,
        r#""id" = :id"#,
    ] {
        let update = format!(r#"UPDATE "task" SET "list_id" = 1 WHERE {condition}"#);
        assert_eq!(derived(&update, Sqlite), None, "{condition}");
    }
    assert_eq!(derived("UPDATE `task` SET `list_id` = 1", MySql), None);
}
