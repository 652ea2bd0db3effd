use sea_orm::DatabaseBackend::{self, MySql, Postgres, Sqlite};

use super::{
    dml::{Dml, Verb},
    effect::Effect,
};

const ALL: [DatabaseBackend; 3] = [Sqlite, Postgres, MySql];

fn written_tables(sql: &str, backend: DatabaseBackend) -> Vec<&str> {
    let effect = Effect::scan(sql, backend);
    assert!(!effect.may_write_anything, "{sql}");
    effect.tables
}

fn assert_nothing(sql: &str, backend: DatabaseBackend) {
    let effect = Effect::scan(sql, backend);
    assert!(
        effect.tables.is_empty() && !effect.may_write_anything,
        "{effect:?} {sql}"
    );
}

#[test]
fn queries_definitions_and_settings_write_nothing() {
    for sql in [
        "",
        " ; ;",
        "SELECT * FROM task WHERE text = 'update task set x'",
        "select * from task for update",
        "SELECT replace(text, 'a', 'b') FROM task",
        "-- delete from task\nselect 1",
        "/* delete from task */ select 1",
        "with t as (select 1) select * from t",
        "CREATE TRIGGER t AFTER INSERT ON task FOR EACH ROW EXECUTE FUNCTION f()",
        "create table task (id int references list on delete cascade on update cascade)",
        "grant update, delete on task to somebody",
        "PRAGMA journal_mode = WAL",
        "set session x = 1",
        "explain select * from task",
        "vacuum",
    ] {
        for backend in ALL {
            assert_nothing(sql, backend);
        }
    }
}

#[test]
fn finds_the_table_of_each_verb() {
    for sql in [
        "INSERT INTO task VALUES (1)",
        "insert or replace into task values (1)",
        "insert ignore into task values (1)",
        "INSERT INTO public.task (id) SELECT id FROM other",
        "replace into task values (1)",
        "update task set text = 'x'",
        "update only task set text = 'x'",
        "delete from task",
        "delete from only task where x",
        "merge into task using other on x when matched then update set y = 1",
        "truncate task",
        "truncate table task",
        "drop table task",
        "alter table task rename to chore",
        "copy task (id) from stdin",
        "with x as (select 1) update task set text = 'x'",
        "with x as (delete from task returning *) select * from x",
        "explain analyze delete from task",
        "select 1; delete from task; select 2",
        "  -- a comment\n  /* and */ DELETE FROM task",
    ] {
        for backend in ALL {
            let tables = written_tables(sql, backend);
            assert!(tables.contains(&"task"), "{sql}: {tables:?}");
        }
    }
}

#[test]
fn quoted_names_follow_each_database() {
    for (backend, sql) in [
        (Sqlite, r#"delete from "task""#),
        (Sqlite, "delete from [task]"),
        (Sqlite, "delete from `task`"),
        (Postgres, r#"delete from "public"."task""#),
        (MySql, "delete from `shop`.`task`"),
        (MySql, "/*!50000 delete from task */"),
    ] {
        assert!(written_tables(sql, backend).contains(&"task"), "{sql}");
    }
}

#[test]
fn only_the_target_table_is_written() {
    for backend in ALL {
        let sql = "insert into log select * from task";
        assert_eq!(written_tables(sql, backend), ["log"]);
        let sql = "update log set x = (select max(id) from task)";
        assert_eq!(written_tables(sql, backend), ["log"]);
        let sql = "delete from log where id in (select id from task)";
        assert!(!written_tables(sql, backend).contains(&"task"));
    }
}

#[test]
fn strings_and_comments_are_skipped() {
    for (backend, sql) in [
        (Sqlite, "select '; delete from task'"),
        (Sqlite, "select 'it''s; delete from task'"),
        (Postgres, "select E'\\'; delete from task'"),
        (Postgres, "select $$; delete from task$$"),
        (Postgres, "select $a$; $$ delete from task$a$"),
        (MySql, "select '\\'; delete from task'"),
        (MySql, "select \"; delete from task\""),
        (MySql, "select 1 # ; delete from task"),
        (Postgres, "select 1 /* /* */ ; delete from task */"),
    ] {
        assert_nothing(sql, backend);
    }
    assert_eq!(
        written_tables("select $1; delete from task where id = $2", Postgres).first(),
        Some(&"from"),
        "a keyword also counts as a name: more tables rather than fewer"
    );
}

#[test]
fn procedures_and_transaction_control_are_found() {
    for sql in [
        "call f()",
        "DO $$ begin end $$",
        "begin not atomic delete from task; end",
        "if x then delete from task; end if",
        r#"delete from U&"t\0061sk""#,
    ] {
        assert!(Effect::scan(sql, Postgres).may_write_anything, "{sql}");
    }
    for sql in [
        "begin",
        "ROLLBACK TO SAVEPOINT a",
        "commit; delete from task",
        "start transaction",
        "select 1; savepoint a",
        "prepare transaction 'a'",
    ] {
        assert!(Effect::scan(sql, Postgres).controls_transaction, "{sql}");
    }
    assert!(Effect::scan("create table a (b int)", MySql).controls_transaction);
    assert!(!Effect::scan("create table a (b int)", Postgres).controls_transaction);
    assert_eq!(
        Effect::scan("commit; delete from task", Sqlite).tables,
        ["from", "task"]
    );
}

#[test]
fn finds_verbs_in_unusual_positions() {
    for (backend, sql) in [
        (Sqlite, "/* route='/api/*' */ delete from task"),
        (MySql, "/* route='/api/*' */ delete from task"),
        (Sqlite, "\u{feff}delete from task"),
        (Sqlite, "delete from 'task'"),
        (Sqlite, "insert or replace into 'task' values (1)"),
        (MySql, "insert low_priority task values (1)"),
        (MySql, "replace delayed task values (1)"),
        (
            MySql,
            "set statement max_statement_time = 1 for delete from task",
        ),
        (MySql, "analyze format=json delete from task"),
        (MySql, "delete from task where x = 3--1"),
        (MySql, "rename table a to task"),
        (MySql, "delete from \"task\""),
        (
            Postgres,
            "with recursive x as (select 1) search breadth first by y set o delete from task",
        ),
    ] {
        assert!(written_tables(sql, backend).contains(&"task"), "{sql}");
    }
}

#[test]
fn truncated_texts_do_not_panic() {
    let sql = r#"with "a" as (insert into "t" values ('x''', $1, E'\'', $q$ $q$)) /* c */ update [x].`y` set "z" = 1 -- end"#;
    for end in (0..sql.len()).filter(|end| sql.is_char_boundary(*end)) {
        for start in 0..end {
            for backend in ALL {
                _ = Effect::scan(&sql[start..end], backend);
                _ = Dml::parse(&sql[start..end], backend);
            }
        }
    }
    for backend in ALL {
        _ = Effect::scan("delete from täsk where ü = 'ß' and 'ß", backend);
    }
}

#[test]
fn built_statement_names_set_and_returned_columns() {
    let update = Dml::parse(
        r#"UPDATE "public"."task" SET "text" = $1, "list_id" = ("list_id" + $2), "n" = COALESCE("n", 0) WHERE "task"."id" IN ($3, $4) RETURNING "id", CAST("kind" AS "text")"#,
        Postgres,
    )
    .expect("plain");
    assert_eq!(update.verb, Verb::Update);
    assert_eq!(update.table, "task");
    assert_eq!(update.set_columns, ["text", "list_id", "n"]);
    assert_eq!(update.returning, [r#""id""#, r#"CAST("kind" AS "text")"#]);

    let insert = Dml::parse(
        r#"INSERT INTO "task" ("id", "text") VALUES (?, ?), (?, 'a, "b" RETURNING') ON CONFLICT DO NOTHING RETURNING "id""#,
        Sqlite,
    )
    .expect("plain");
    assert_eq!((insert.verb, insert.table), (Verb::Insert, "task"));
    assert_eq!(insert.returning, [r#""id""#]);
    assert!(insert.skips_existing_rows && !update.skips_existing_rows);

    let nothing = "INSERT INTO `task` (`id`, `n`) VALUES (?, ?) ON DUPLICATE KEY UPDATE `id` = `id`, `n` = `n`";
    assert!(
        Dml::parse(nothing, MySql)
            .expect("plain")
            .skips_existing_rows
    );

    let delete = Dml::parse("DELETE FROM `task` WHERE `task`.`id` = ?", MySql).expect("plain");
    assert_eq!((delete.verb, delete.table), (Verb::Delete, "task"));
    assert!(delete.returning.is_empty());
}

#[test]
fn statements_with_unclear_rows_are_refused() {
    for sql in [
        r#"INSERT INTO "task" ("id") VALUES (1) ON CONFLICT ("id") DO UPDATE SET "text" = "excluded"."text""#,
        "INSERT INTO `task` (`id`) VALUES (1) ON DUPLICATE KEY UPDATE `text` = VALUES(`text`)",
        r#"REPLACE INTO "task" ("id") VALUES (1)"#,
        r#"UPDATE "task" SET "text" = "o"."text" FROM "other" AS "o" WHERE "o"."id" = "task"."id""#,
        "UPDATE `task` JOIN `other` ON `x` SET `task`.`text` = 'x'",
        "UPDATE `task` SET `text` = 'x' ORDER BY `id` ASC LIMIT 3",
        "DELETE FROM `task` WHERE `x` ORDER BY `id` ASC LIMIT 3",
        r#"WITH "x" AS (SELECT 1) DELETE FROM "task""#,
        "SELECT 1",
        "",
    ] {
        assert_eq!(Dml::parse(sql, MySql), None, "{sql}");
    }
}
