//! Transactions and requests that do not end as they should.

use sea_orm::{ActiveModelTrait, ConnectionTrait, TransactionTrait};

use super::{
    fixture::{Fixture, NOTHING, RESET, lock},
    lines::{Told, WRITES},
    writes::write,
};
use crate::support::{Engine, given_up_after, task as new_task};

/// A statement fails, the application goes on and commits. PostgreSQL commits nothing then, and its COMMIT is
/// no error; the others commit the rest.
pub async fn a_transaction_that_the_database_ended_tells_no_phantom(engine: Engine) {
    let mut fixture = Fixture::fresh(engine).await;
    let transaction = fixture.live.db().begin().await.unwrap();
    write("update", &transaction).await.unwrap();
    write("Entity::insert that conflicts", &transaction)
        .await
        .unwrap_err();
    _ = write("insert", &transaction).await;
    transaction.commit().await.unwrap();
    let told = match engine {
        Engine::Postgres => Told::Nothing,
        Engine::Sqlite | Engine::MariaDb => Told::Exactly(&[
            "list 1 CREATED four",
            "list 1 UPDATED one!",
            "task 1 UPDATED one!",
            "task 4 CREATED four",
        ]),
    };
    assert_eq!(fixture.told().await, told.frames(), "{engine:?}");

    // Where the failure is undone with its savepoint, the rest is told.
    fixture.refresh().await;
    let transaction = fixture.live.db().begin().await.unwrap();
    write("update", &transaction).await.unwrap();
    let savepoint = transaction.begin().await.unwrap();
    write("Entity::insert that conflicts", &savepoint)
        .await
        .unwrap_err();
    savepoint.rollback().await.unwrap();
    transaction.commit().await.unwrap();
    let told = ["list 1 UPDATED one!", "task 1 UPDATED one!"];
    assert_eq!(fixture.told().await, told, "{engine:?}");
}

/// A constraint that is checked at COMMIT, which MariaDB has none of: there the server ends the connection.
pub async fn a_commit_that_fails_tells_nothing(engine: Engine) {
    let mut fixture = Fixture::fresh(engine).await;
    let db = fixture.live.db();
    let child = match engine {
        Engine::MariaDb => return a_deadlock_is_told_by_a_reset(fixture).await,
        _ => "CREATE TABLE child (task_id INT REFERENCES task (id) DEFERRABLE INITIALLY DEFERRED)",
    };
    db.execute_unprepared(child).await.unwrap();
    let transaction = db.begin().await.unwrap();
    write("update", &transaction).await.unwrap();
    let orphan = "INSERT INTO child VALUES (77)";
    transaction.execute_unprepared(orphan).await.unwrap();
    transaction.commit().await.unwrap_err();
    assert_eq!(fixture.told().await, NOTHING, "{engine:?}");
}

/// MariaDB undoes all of the transaction that it ends for a deadlock, and what follows commits by itself: what
/// is committed at the end is not what was written.
async fn a_deadlock_is_told_by_a_reset(mut fixture: Fixture) {
    let db = fixture.live.db();
    let (first, second) = (db.begin().await.unwrap(), db.begin().await.unwrap());
    write("insert", &first).await.unwrap();
    new_task(5, "phantom", 1).insert(&second).await.unwrap();
    lock(&first, 1).await.unwrap();
    lock(&second, 2).await.unwrap();
    let (of_first, of_second) = tokio::join!(lock(&first, 2), lock(&second, 1));
    assert_ne!(
        of_first.is_ok(),
        of_second.is_ok(),
        "one of the two is ended"
    );
    let (ended, other) = match of_first {
        Ok(()) => (second, first),
        Err(_) => (first, second),
    };
    other.rollback().await.unwrap();
    write("update", &ended).await.unwrap();
    ended.commit().await.unwrap();
    assert_eq!(fixture.texts().await, ["one!", "two", "three"]);
    assert_eq!(fixture.told().await, RESET);
}

/// Each write is given up after one poll, two polls and so on, until it is done before that. What the database has
/// begun it ends: the table is as written and told so, or as it was.
pub async fn a_write_whose_request_is_given_up_is_told(engine: Engine) {
    let mut fixture = Fixture::start(engine).await;
    for what in [
        "insert",
        "update",
        "update_without_returning",
        "update to another list",
        "delete by its key",
        "delete_many exec",
    ] {
        let line = WRITES.iter().find(|line| line.name == what).unwrap();
        // How many polls a write takes differs from time to time.
        let mut written = 0;
        for polls in (1..=64).cycle().take(64 * 20) {
            fixture.refresh().await;
            let before = fixture.rows().await;
            let db = fixture.live.db();
            let is_done = given_up_after(polls, write(what, &db)).await.is_some();
            fixture.quiet().await;
            if fixture.rows().await != before {
                written += usize::from(!is_done);
                fixture.expect(&line.told(engine)).await;
            }
            if is_done && written > 0 {
                break;
            }
        }
        assert!(
            written > 0,
            "{what} on {engine:?} was never given up midway"
        );
    }
}

/// SQL that ends transactions behind our back: what is committed is not known, so nobody is shown a phantom.
pub async fn transactions_by_hand_are_told_by_a_reset(engine: Engine) {
    let mut fixture = Fixture::fresh(engine).await;
    let transaction = fixture.live.db().begin().await.unwrap();
    transaction
        .execute_unprepared("SAVEPOINT by_hand")
        .await
        .unwrap();
    write("insert", &transaction).await.unwrap();
    transaction
        .execute_unprepared("ROLLBACK TO SAVEPOINT by_hand")
        .await
        .unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(fixture.told().await, RESET, "{engine:?}");
}
