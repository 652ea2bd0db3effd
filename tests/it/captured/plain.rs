//! What SeaORM's own connections tell of once a `Live` is installed.

use sea_orm::TransactionTrait;

use super::{
    fixture::Fixture,
    lines::{Told, WRITES},
    writes::write,
};
use crate::support::Engine;

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

pub async fn single_rows_on_a_plain_connection_are_told(engine: Engine) {
    let mut fixture = Fixture::start(engine).await;
    fixture.live.install();
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

pub async fn what_is_in_a_plain_transaction_is_withheld(engine: Engine) {
    let mut fixture = Fixture::start(engine).await;
    fixture.live.install();
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
        assert_eq!(
            fixture.told().await,
            Told::Nothing.frames(),
            "{} on {engine:?}",
            line.name
        );
    }
}
