//! What is captured on SeaORM's own connections if a `Live` captures plain connections.

use std::time::Duration;

use sea_orm::{ConnectionTrait, ModelTrait, TransactionTrait};

use super::{
    cases::WRITES,
    fixture::{Fixture, NOTHING, row},
    writes::write,
};
use crate::support::Engine;

// The capture of plain connections applies to the whole process.
crate::support::on_each_engine! { @alone
    single_row_writes_are_sent
    plain_transactions_are_withheld
    slow_delete_is_sent
}

/// The single-row writes that run both hooks.
const HOOKED: [&str; 15] = [
    "insert",
    "save a new one",
    "save a changed one",
    "update",
    "update of nothing",
    "update to another list",
    "update to the same list",
    "delete a model",
    "delete a model that has moved since",
    "delete by its key",
    "delete of no row",
    "parcel: insert of a hidden one",
    "parcel: update that hides",
    "parcel: update that shows",
    "parcel: delete",
];

async fn single_row_writes_are_sent(engine: Engine) {
    let mut fixture = Fixture::start(engine).await;
    fixture.live.capture_plain_connections();
    for case in WRITES.iter().filter(|case| HOOKED.contains(&case.name)) {
        fixture.refresh().await;
        let plain = fixture.plain.clone();
        write(case.name, &plain).await.unwrap();
        assert_eq!(
            fixture.received().await,
            case.frames(engine),
            "{} on {engine:?}",
            case.name
        );
    }
    // This write runs only the first hook: it is sent when the second has not run for a while.
    fixture.refresh().await;
    let plain = fixture.plain.clone();
    write("update_without_returning", &plain).await.unwrap();
    let mut received = fixture.received().await;
    while received.is_empty() {
        received = fixture.received().await;
    }
    assert_eq!(
        received,
        ["list 1 UPDATED one!", "task 1 UPDATED one!"],
        "{engine:?}"
    );
}

async fn plain_transactions_are_withheld(engine: Engine) {
    let mut fixture = Fixture::start(engine).await;
    fixture.live.capture_plain_connections();
    for case in WRITES.iter().filter(|case| HOOKED.contains(&case.name)) {
        fixture.refresh().await;
        let plain = fixture.plain.clone();
        write(case.name, &plain).await.unwrap();
        let own = fixture.statements();
        assert_ne!(own, 0);
        fixture.received().await;

        fixture.refresh().await;
        let transaction = fixture.plain.begin().await.unwrap();
        write(case.name, &transaction).await.unwrap();
        transaction.commit().await.unwrap();
        assert_eq!(
            fixture.received().await,
            NOTHING,
            "{} on {engine:?}",
            case.name
        );
    }
}

/// A DELETE on a plain connection waits for a lock for longer than a pending write is kept.
async fn slow_delete_is_sent(engine: Engine) {
    let mut fixture = Fixture::fresh(engine).await;
    fixture.live.capture_plain_connections();
    let blocker = fixture.plain.begin().await.unwrap();
    let lock = "UPDATE task SET done = FALSE WHERE id = 1";
    blocker.execute_unprepared(lock).await.unwrap();
    let model = row(&fixture.plain, 1).await;
    let plain = fixture.plain.clone();
    let delete = tokio::spawn(async move { model.delete(&plain).await });
    // The test needs this wait: it is longer than the timeout of a pending write.
    tokio::time::sleep(Duration::from_millis(4500)).await;
    blocker.rollback().await.unwrap();
    delete.await.unwrap().unwrap();
    assert_eq!(fixture.texts().await, ["two", "three"]);
    let expected = ["list 1 DELETED one", "task 1 DELETED one"].map(str::to_owned);
    fixture.expect(&expected).await;
}
