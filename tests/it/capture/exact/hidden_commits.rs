//! Writes that are committed without a visible commit: subscribers receive them, or at least a
//! reset.

use sea_orm::{ActiveModelTrait, ConnectionTrait, TransactionTrait};

use super::fixture::{Fixture, RESET};
use crate::support::{Engine, given_up_after, task as new_task};

crate::support::on_each_engine! { @of sqlite Sqlite
    statement_dropped_in_a_transaction
}

crate::support::on_each_engine! { @of postgres Postgres
    statement_dropped_in_a_transaction
}

/// The future of a statement in a transaction is dropped (`timeout`, `select!`), then the
/// transaction commits.
async fn statement_dropped_in_a_transaction(engine: Engine) {
    let mut fixture = Fixture::fresh(engine).await;
    let mut kept = 0;
    // Whether the statement has been sent by then varies.
    for round in 0..45 * 20 {
        if round >= 45 && kept > 0 {
            break;
        }
        let polls = round % 3 + 1;
        fixture.refresh().await;
        let transaction = fixture.live.db().begin().await.unwrap();
        let insert = new_task(4, "four", 1).insert(&transaction);
        let inserted = given_up_after(polls, insert).await;
        let committed = transaction.commit().await;
        fixture.wait_until_idle().await;
        let written = fixture.texts().await.contains(&"four".to_owned());
        let received = fixture.received().await;
        // If the row was not written after all, a reset costs only a fetch.
        assert!(
            !written || !received.is_empty(),
            "{polls} polls: {inserted:?}, {committed:?}, but the client received nothing"
        );
        kept += u32::from(written && inserted.is_none());
    }
    assert!(kept > 0, "none was executed: this test proves nothing");
}

/// A raw `COMMIT; ..`, then a rollback.
#[tokio::test]
async fn commit_and_write_in_one_text_sqlite() {
    let mut fixture = Fixture::fresh(Engine::Sqlite).await;
    let transaction = fixture.live.db().begin().await.unwrap();
    new_task(4, "four", 1).insert(&transaction).await.unwrap();
    transaction
        .execute_unprepared("COMMIT; BEGIN; UPDATE task SET done = TRUE WHERE id = 999")
        .await
        .unwrap();
    transaction.rollback().await.unwrap();
    assert_eq!(fixture.texts().await, ["one", "two", "three", "four"]);
    assert_eq!(fixture.received().await, RESET);
}

/// MariaDB commits implicitly before and after DDL.
#[tokio::test]
async fn ddl_in_a_transaction_mariadb() {
    let mut fixture = Fixture::fresh(Engine::MariaDb).await;
    let transaction = fixture.live.db().begin().await.unwrap();
    new_task(4, "four", 1).insert(&transaction).await.unwrap();
    transaction
        .execute_unprepared("CREATE TABLE something (id INT)")
        .await
        .unwrap();
    transaction.rollback().await.unwrap();
    assert_eq!(fixture.texts().await, ["one", "two", "three", "four"]);
    assert_eq!(fixture.received().await, RESET);
}
