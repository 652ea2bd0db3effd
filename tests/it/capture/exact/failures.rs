//! Transactions and requests that fail or are abandoned.

use sea_orm::{ActiveModelTrait, ConnectionTrait, TransactionTrait};

use super::{
    cases::{Delivery, WRITES},
    fixture::{Fixture, NOTHING, RESET, lock},
    writes::write,
};
use crate::support::{Engine, given_up_after, task as new_task};

/// A statement fails, but the application goes on and commits. PostgreSQL then commits nothing,
/// without an error; the other databases commit the rest.
pub async fn database_rollback_sends_no_phantom(engine: Engine) {
    let mut fixture = Fixture::fresh(engine).await;
    let transaction = fixture.live.db().begin().await.unwrap();
    write("update", &transaction).await.unwrap();
    write("Entity::insert that conflicts", &transaction)
        .await
        .unwrap_err();
    _ = write("insert", &transaction).await;
    transaction.commit().await.unwrap();
    let delivery = match engine {
        Engine::Postgres => Delivery::Nothing,
        Engine::Sqlite | Engine::MariaDb => Delivery::Exactly(&[
            "list 1 CREATED four",
            "list 1 UPDATED one!",
            "task 1 UPDATED one!",
            "task 4 CREATED four",
        ]),
    };
    assert_eq!(fixture.received().await, delivery.frames(), "{engine:?}");

    // If the failure is undone with its savepoint, the rest is sent.
    fixture.refresh().await;
    let transaction = fixture.live.db().begin().await.unwrap();
    write("update", &transaction).await.unwrap();
    let savepoint = transaction.begin().await.unwrap();
    write("Entity::insert that conflicts", &savepoint)
        .await
        .unwrap_err();
    savepoint.rollback().await.unwrap();
    transaction.commit().await.unwrap();
    let expected = ["list 1 UPDATED one!", "task 1 UPDATED one!"];
    assert_eq!(fixture.received().await, expected, "{engine:?}");
}

/// A constraint that is checked at the commit. MariaDB has none: a deadlock is tested there.
pub async fn failed_commit_sends_nothing(engine: Engine) {
    let mut fixture = Fixture::fresh(engine).await;
    let db = fixture.live.db();
    let child = match engine {
        Engine::MariaDb => return assert_deadlock_is_a_reset(fixture).await,
        _ => "CREATE TABLE child (task_id INT REFERENCES task (id) DEFERRABLE INITIALLY DEFERRED)",
    };
    db.execute_unprepared(child).await.unwrap();
    let transaction = db.begin().await.unwrap();
    write("update", &transaction).await.unwrap();
    let orphan = "INSERT INTO child VALUES (77)";
    transaction.execute_unprepared(orphan).await.unwrap();
    transaction.commit().await.unwrap_err();
    assert_eq!(fixture.received().await, NOTHING, "{engine:?}");
}

/// MariaDB undoes the whole transaction of a deadlock's victim, and later statements commit by
/// themselves: what is committed at the end is not everything that was written.
async fn assert_deadlock_is_a_reset(mut fixture: Fixture) {
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
        "one of the two is the victim"
    );
    let (ended, other) = match of_first {
        Ok(()) => (second, first),
        Err(_) => (first, second),
    };
    other.rollback().await.unwrap();
    write("update", &ended).await.unwrap();
    ended.commit().await.unwrap();
    assert_eq!(fixture.texts().await, ["one!", "two", "three"]);
    assert_eq!(fixture.received().await, RESET);
}

/// Each write is abandoned after one poll, two polls and so on, until it completes before that. The
/// database finishes what it has begun: either the row is written and sent, or nothing changed.
pub async fn abandoned_write_is_sent(engine: Engine) {
    let mut fixture = Fixture::start(engine).await;
    for what in [
        "insert",
        "update",
        "update_without_returning",
        "update to another list",
        "delete by its key",
        "delete_many exec",
        "update_many to another list",
    ] {
        let case = WRITES.iter().find(|case| case.name == what).unwrap();
        // The number of polls that a write needs varies.
        let mut written = 0;
        for polls in (1..=64).cycle().take(64 * 60) {
            fixture.refresh().await;
            let before = fixture.rows().await;
            let db = fixture.live.db();
            let is_done = given_up_after(polls, write(what, &db)).await.is_some();
            fixture.wait_until_idle().await;
            if fixture.rows().await != before {
                written += usize::from(!is_done);
                fixture.expect(&case.frames(engine)).await;
            }
            if is_done && written > 0 {
                break;
            }
        }
        assert!(
            written > 0,
            "{what} on {engine:?} was never abandoned midway"
        );
    }
}

/// Raw SQL that ends a transaction unseen: it is unknown what is committed, so a reset is sent
/// instead of possible phantoms.
pub async fn hand_written_transaction_is_a_reset(engine: Engine) {
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
    assert_eq!(fixture.received().await, RESET, "{engine:?}");
}
