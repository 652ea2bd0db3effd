//! What SeaORM's own connections tell of once a `Live` is installed.

use std::time::Duration;

use sea_orm::{ConnectionTrait, ModelTrait, TransactionTrait};

use super::{
    fixture::{Fixture, NOTHING, row},
    lines::WRITES,
    writes::write,
};
use crate::support::Engine;

// What is installed, is installed in the process.
crate::support::on_each_engine! { @alone
    single_rows_on_a_plain_connection_are_told
    what_is_in_a_plain_transaction_is_withheld
    a_delete_that_waits_for_long_is_told
}

/// The writes of single rows that run both hooks.
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

async fn single_rows_on_a_plain_connection_are_told(engine: Engine) {
    let mut fixture = Fixture::start(engine).await;
    fixture.live.capture_plain_connections();
    for line in WRITES.iter().filter(|line| HOOKED.contains(&line.name)) {
        fixture.refresh().await;
        let plain = fixture.plain.clone();
        write(line.name, &plain).await.unwrap();
        assert_eq!(
            fixture.told().await,
            line.told(engine),
            "{} on {engine:?}",
            line.name
        );
    }
    // It runs the first hook only: it is told when the second has not come for a while.
    fixture.refresh().await;
    let plain = fixture.plain.clone();
    write("update_without_returning", &plain).await.unwrap();
    let mut told = fixture.told().await;
    while told.is_empty() {
        told = fixture.told().await;
    }
    assert_eq!(
        told,
        ["list 1 UPDATED one!", "task 1 UPDATED one!"],
        "{engine:?}"
    );
}

async fn what_is_in_a_plain_transaction_is_withheld(engine: Engine) {
    let mut fixture = Fixture::start(engine).await;
    fixture.live.capture_plain_connections();
    for line in WRITES.iter().filter(|line| HOOKED.contains(&line.name)) {
        fixture.refresh().await;
        let plain = fixture.plain.clone();
        write(line.name, &plain).await.unwrap();
        let own = fixture.statements();
        assert_ne!(own, 0);
        fixture.told().await;

        fixture.refresh().await;
        let transaction = fixture.plain.begin().await.unwrap();
        write(line.name, &transaction).await.unwrap();
        transaction.commit().await.unwrap();
        assert_eq!(fixture.told().await, NOTHING, "{} on {engine:?}", line.name);
    }
}

/// A DELETE on a plain connection that waits for a lock longer than the stash does.
async fn a_delete_that_waits_for_long_is_told(engine: Engine) {
    let mut fixture = Fixture::fresh(engine).await;
    fixture.live.capture_plain_connections();
    let blocker = fixture.plain.begin().await.unwrap();
    let lock = "UPDATE task SET done = FALSE WHERE id = 1";
    blocker.execute_unprepared(lock).await.unwrap();
    let model = row(&fixture.plain, 1).await;
    let plain = fixture.plain.clone();
    let delete = tokio::spawn(async move { model.delete(&plain).await });
    // What is tested: longer than an announced write is waited for.
    tokio::time::sleep(Duration::from_millis(4500)).await;
    blocker.rollback().await.unwrap();
    delete.await.unwrap().unwrap();
    assert_eq!(fixture.texts().await, ["two", "three"]);
    let told = ["list 1 DELETED one", "task 1 DELETED one"].map(str::to_owned);
    fixture.expect(&told).await;
}
