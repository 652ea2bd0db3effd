//! Concurrent writes, step by step: cases that `convergence` found by chance, or that are too rare
//! for it.

use rest_live::LiveTransaction;
use sea_orm::{
    ActiveModelTrait,
    ActiveValue::{Set, Unchanged},
    DbErr, EntityTrait, TransactionTrait,
};

use crate::{
    entities::task,
    support::{App, Client, Engine, given_up_after, task},
};

async fn subscribed(app: &App) -> Client {
    let mut client = app.client().await;
    client
        .subscribe(r#"{"model":"todolist.Task","list_id":1}"#)
        .await;
    client
}

fn text(id: i32, text: &str) -> task::ActiveModel {
    task::ActiveModel {
        id: Unchanged(id),
        text: Set(text.to_owned()),
        ..Default::default()
    }
}

async fn expect_broadcast(client: &mut Client, action: &str, id: i32, text: &str) {
    let frame = client.json().await;
    assert_eq!(
        (
            &frame["action"],
            &frame["payload"]["id"],
            &frame["payload"]["text"]
        ),
        (&action.into(), &id.into(), &text.into()),
        "{frame}"
    );
}

/// InnoDB skips such an update, and the read after it returns what the transaction saw first.
#[tokio::test]
async fn no_op_update_does_not_restore_an_older_row() {
    let app = App::start_on(Engine::MariaDb).await;
    let mut client = subscribed(&app).await;
    app.insert_task(1, "old", 1).await;
    expect_broadcast(&mut client, "CREATED", 1, "old").await;

    let slow = app.db().begin().await.unwrap();
    let seen = task::Entity::find_by_id(1).one(&slow).await.unwrap();
    assert_eq!(seen.unwrap().text, "old");
    text(1, "new").update(&app.db()).await.unwrap();
    expect_broadcast(&mut client, "UPDATED", 1, "new").await;
    let read = text(1, "new").update(&slow).await.unwrap();
    assert_eq!(read.text, "old", "otherwise this test proves nothing");
    slow.commit().await.unwrap();
    expect_broadcast(&mut client, "UPDATED", 1, "new").await;
    app.assert_silent(&mut client).await;
}

/// A deadlock rolls the whole transaction of the loser back: no frame and no reset is sent for it.
#[tokio::test]
async fn deadlock_loser_sends_nothing() {
    let app = App::start_on(Engine::MariaDb).await;
    let mut client = subscribed(&app).await;
    for id in 1..=2 {
        app.insert_task(id, "old", 1).await;
        expect_broadcast(&mut client, "CREATED", id, "old").await;
    }
    let (one, other) = (
        app.db().begin().await.unwrap(),
        app.db().begin().await.unwrap(),
    );
    text(1, "one").update(&one).await.unwrap();
    text(2, "other").update(&other).await.unwrap();
    let results = tokio::join!(text(2, "one").update(&one), text(1, "other").update(&other));
    let (winner, loser, name) = match results {
        (Ok(_), Err(_)) => (one, other, "one"),
        (Err(_), Ok(_)) => (other, one, "other"),
        both => panic!("{both:?} is not a deadlock"),
    };
    loser.rollback().await.unwrap();
    winner.commit().await.unwrap();
    let ids = if name == "one" { [1, 2] } else { [2, 1] };
    for id in ids {
        expect_broadcast(&mut client, "UPDATED", id, name).await;
    }
    app.assert_silent(&mut client).await;
}

/// With sqlx 0.9 the connection would return to the pool with the transaction open. The next write
/// on it would be sent, but not committed.
#[tokio::test]
async fn abandoned_begin_leaves_no_open_transaction() {
    for engine in Engine::ALL {
        let app = App::start_on(engine).await;
        let mut client = subscribed(&app).await;
        let elsewhere = app.database.connect().await;
        for id in 1..=12 {
            let polls = id as u32 % 4 + 1;
            let transaction = given_up_after(polls, app.db().begin()).await;
            drop(transaction);
            app.insert_task(id, "kept", 1).await;
            expect_broadcast(&mut client, "CREATED", id, "kept").await;
            let found = task::Entity::find_by_id(id).one(&elsewhere).await.unwrap();
            assert!(found.is_some(), "{engine:?}, after {polls} polls");
        }
    }
}

/// SeaORM rolls the transaction back together with the savepoint that it could not create, but the
/// commit then succeeds.
#[tokio::test]
async fn transaction_lost_with_a_savepoint_sends_a_reset() {
    let app = App::start_on(Engine::Postgres).await;
    let mut client = subscribed(&app).await;
    let transaction = app.db().begin().await.unwrap();
    insert(&transaction, 1).await.unwrap();
    insert(&transaction, 1).await.unwrap_err();
    transaction.begin().await.unwrap_err();
    transaction.commit().await.unwrap();
    assert_eq!(task::Entity::find().all(&app.plain).await.unwrap(), []);
    // The earlier writes might have been committed, so the clients must fetch again.
    let reset = client.json().await;
    assert_eq!(
        (&reset["code"], &reset["error"]),
        (&410.into(), &"reset".into()),
        "{reset}"
    );
    app.assert_silent(&mut client).await;
}

async fn insert(transaction: &LiveTransaction, id: i32) -> Result<task::Model, DbErr> {
    task(id, "gone", 1).insert(transaction).await
}

/// It is unknown whether such a statement was executed. Not tested on MariaDB, where sqlx loses the
/// connection (https://github.com/launchbadge/sqlx/issues/563).
#[tokio::test]
async fn abandoned_statement_in_a_transaction_is_sent() {
    for engine in [Engine::Sqlite, Engine::Postgres] {
        let app = App::start_on(engine).await;
        let mut kept = 0;
        // The scheduler decides whether a statement is sent by then: repeat until one is executed.
        for id in 1..=24 * 20 {
            if id > 24 && kept > 0 {
                break;
            }
            let mut client = subscribed(&app).await;
            let transaction = app.db().begin().await.unwrap();
            // Prepares the statement, so that one more poll suffices to send it.
            insert(&transaction, 1000 + id).await.unwrap();
            let inserted = given_up_after(id as u32 % 3 + 1, insert(&transaction, id)).await;
            transaction.commit().await.unwrap();
            let row = task::Entity::find_by_id(id).one(&app.plain).await.unwrap();
            expect_broadcast(&mut client, "CREATED", 1000 + id, "gone").await;
            if row.is_some() {
                kept += u32::from(inserted.is_none());
                let frame = client.json().await;
                let is_sent = frame["payload"]["id"] == id || frame["error"] == "reset";
                assert!(is_sent, "{engine:?}, {id}: {frame}");
            }
        }
        assert!(
            kept > 0,
            "{engine:?} has executed none: this test proves nothing"
        );
    }
}
