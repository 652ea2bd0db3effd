//! SeaORM's `update_many` of a group column: the rows are read before it, and paired with the rows
//! that it returns. What does not pair is a reset.

use std::collections::BTreeSet;

use rest_live::{Live, testing::Client};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseConnection, DbErr, EntityTrait, QueryFilter,
    TransactionTrait, sea_query::Expr,
};
use serde_json::{Value, json};

use super::fixture::{Fixture, NOTHING, RESET};
use crate::{
    entities::task,
    support::{Engine, TICK, database_of, soon, task as new_task},
};

/// Moves all tasks of list 1 to list 2, and returns how many.
async fn move_list(db: &impl ConnectionTrait) -> Result<u64, DbErr> {
    let update = task::Entity::update_many()
        .col_expr(task::Column::ListId, Expr::value(2))
        .filter(task::Column::ListId.eq(1));
    Ok(update.exec(db).await?.rows_affected)
}

/// Waits until an UPDATE waits for the lock of its table.
async fn update_waits(db: &DatabaseConnection) {
    let waiting = sea_orm::Statement::from_string(
        db.get_database_backend(),
        "SELECT 1 FROM pg_locks WHERE NOT granted AND mode = 'RowExclusiveLock'",
    );
    let waits = async {
        while db.query_one_raw(waiting.clone()).await.unwrap().is_none() {
            tokio::time::sleep(TICK).await;
        }
    };
    soon("the wait for the lock", waits).await;
}

/// Another transaction commits a row that matches, after the old rows are read and before the
/// update.
#[tokio::test]
async fn row_that_appears_meanwhile_postgres() {
    let mut fixture = Fixture::fresh(Engine::Postgres).await;
    let holder = fixture.plain.begin().await.unwrap();
    // The query of the old rows goes on, and the update waits.
    let lock = "LOCK TABLE task IN SHARE MODE";
    holder.execute_unprepared(lock).await.unwrap();
    let db = fixture.live.db();
    let update = tokio::spawn(async move { move_list(&db).await });
    update_waits(&fixture.plain).await;
    let insert = task::Entity::insert(new_task(4, "four", 1));
    insert.exec(&holder).await.unwrap();
    holder.commit().await.unwrap();
    assert_eq!(update.await.unwrap(), Ok(3));
    assert_eq!(fixture.received().await, RESET);
}

/// A trigger skips one of the rows that match.
#[tokio::test]
async fn row_that_a_trigger_keeps_postgres() {
    let mut fixture = Fixture::fresh(Engine::Postgres).await;
    let trigger = "CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS \
        'BEGIN IF OLD.id = 1 THEN RETURN NULL; END IF; RETURN NEW; END'; \
        CREATE TRIGGER keep BEFORE UPDATE ON task FOR EACH ROW EXECUTE FUNCTION keep()";
    fixture.plain.execute_unprepared(trigger).await.unwrap();
    assert_eq!(move_list(&fixture.live.db()).await, Ok(1));
    assert_eq!(fixture.received().await, RESET);
}

/// The trigger of a view may write other rows than the view shows.
#[tokio::test]
async fn view_is_a_reset_postgres() {
    let (plain, _database) = database_of(Engine::Postgres).await;
    for sql in [
        "ALTER TABLE task RENAME TO task_row",
        "INSERT INTO task_row (id, text, done, list_id) VALUES (1, 'one', false, 1)",
        "CREATE VIEW task AS SELECT DISTINCT * FROM task_row",
        "CREATE FUNCTION write() RETURNS trigger LANGUAGE plpgsql AS \
         'BEGIN UPDATE task_row SET list_id = NEW.list_id WHERE id = OLD.id; RETURN NEW; END'",
        "CREATE TRIGGER write INSTEAD OF UPDATE ON task FOR EACH ROW EXECUTE FUNCTION write()",
    ] {
        plain.execute_unprepared(sql).await.unwrap();
    }
    let live = Live::<()>::builder(plain.clone()).build().unwrap();
    let mut client = Client::connect(&live, ());
    let list = json!({"id": 1, "model": "todolist.Task", "group": {"list_id": 1}});
    client.send_json(list).await;
    assert_eq!(client.receive_json().await["type"], "subscribed");
    assert_eq!(move_list(&live.db()).await, Ok(1));
    assert_eq!(client.receive_json().await["type"], "reset");
}

/// The error of the statement is the one without rest-live, and nothing is written.
#[tokio::test]
async fn refused_update_sends_nothing() {
    for engine in [Engine::Sqlite, Engine::Postgres] {
        let mut fixture = Fixture::fresh(engine).await;
        let unique = "CREATE UNIQUE INDEX one_of_list ON task (list_id, done)";
        let delete = "DELETE FROM task WHERE id = 2";
        fixture.plain.execute_unprepared(delete).await.unwrap();
        fixture.plain.execute_unprepared(unique).await.unwrap();
        let expected = move_list(&fixture.plain).await.unwrap_err();
        let error = move_list(&fixture.live.db()).await.unwrap_err();
        assert!(expected.sql_err().is_some());
        assert_eq!(error.sql_err(), expected.sql_err(), "{engine:?}");
        assert_eq!(fixture.texts().await, ["one", "three"]);
        assert_eq!(fixture.received().await, NOTHING, "{engine:?}");
    }
}

/// Two updates move the same rows at the same time. Clients end with the rows as they are.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn overlapping_moves_end_with_the_rows() {
    for engine in [Engine::Sqlite, Engine::Postgres] {
        let (plain, _database) = database_of(engine).await;
        let live = Live::<()>::builder(plain.clone()).build().unwrap();
        let rows = (1..=20).map(|id| new_task(id, "text", 1));
        task::Entity::insert_many(rows).exec(&plain).await.unwrap();
        let mut client = Client::connect(&live, ());
        let list = json!({"id": 1, "model": "todolist.Task", "group": {"list_id": 1}});
        client.send_json(list).await;
        assert_eq!(client.receive_json().await["type"], "subscribed");
        let mut writers = tokio::task::JoinSet::new();
        for writer in 0..4 {
            let db = live.db();
            writers.spawn(async move {
                for round in 0..5 {
                    let ids = (writer * 3)..=(writer * 3 + 9);
                    let update = task::Entity::update_many()
                        .col_expr(task::Column::ListId, Expr::value(1 + (round + writer) % 2))
                        .filter(task::Column::Id.is_in(ids));
                    // A deadlock of PostgreSQL undoes one of the two.
                    _ = update.exec(&db).await;
                }
            });
        }
        writers.join_all().await;
        let mut held: BTreeSet<i64> = (1..=20).collect();
        // Rows of overlapping writes are read again after the writes.
        let end = async {
            loop {
                for frame in client.received().await {
                    apply(&mut held, &frame);
                }
                let now = task::Entity::find().filter(task::Column::ListId.eq(1));
                let now = now.all(&plain).await.unwrap();
                if held == now.iter().map(|row| row.id.into()).collect() {
                    break;
                }
                tokio::time::sleep(TICK).await;
            }
        };
        soon("the same rows", end).await;
    }
}

/// Applies a frame to the keys that a client holds. There is no reset: all writers name keys.
fn apply(held: &mut BTreeSet<i64>, frame: &Value) {
    if frame["type"] == "unit" {
        return;
    }
    let id = frame["payload"]["id"].as_i64();
    let id = id.unwrap_or_else(|| panic!("{frame}"));
    match frame["action"].as_str() {
        Some("DELETED") => _ = held.remove(&id),
        _ => _ = held.insert(id),
    }
}
