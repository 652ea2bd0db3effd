//! Several at once, step by step: what `convergence` found by chance, and what is too rare for it.

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

async fn assert_told(client: &mut Client, action: &str, id: i32, text: &str) {
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

/// InnoDB does not carry out such an update, and the read behind it shows what the transaction saw first.
#[tokio::test]
async fn an_update_that_sets_nothing_new_does_not_bring_an_older_row_back() {
    let app = App::start_on(Engine::MariaDb).await;
    let mut client = subscribed(&app).await;
    app.insert_task(1, "old", 1).await;
    assert_told(&mut client, "CREATED", 1, "old").await;

    let slow = app.db().begin().await.unwrap();
    let seen = task::Entity::find_by_id(1).one(&slow).await.unwrap();
    assert_eq!(seen.unwrap().text, "old");
    text(1, "new").update(&app.db()).await.unwrap();
    assert_told(&mut client, "UPDATED", 1, "new").await;
    let read = text(1, "new").update(&slow).await.unwrap();
    assert_eq!(read.text, "old", "otherwise this test shows nothing");
    slow.commit().await.unwrap();
    assert_told(&mut client, "UPDATED", 1, "new").await;
    app.assert_silent(&mut client).await;
}

/// A deadlock undoes the whole transaction: of who loses nothing is to be told, and nothing to be fetched again.
#[tokio::test]
async fn who_loses_a_deadlock_is_not_told_of() {
    let app = App::start_on(Engine::MariaDb).await;
    let mut client = subscribed(&app).await;
    for id in 1..=2 {
        app.insert_task(id, "old", 1).await;
        assert_told(&mut client, "CREATED", id, "old").await;
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
        both => panic!("{both:?} is no deadlock"),
    };
    loser.rollback().await.unwrap();
    winner.commit().await.unwrap();
    let ids = if name == "one" { [1, 2] } else { [2, 1] };
    for id in ids {
        assert_told(&mut client, "UPDATED", id, name).await;
    }
    app.assert_silent(&mut client).await;
}

/// With sqlx 0.9 the connection would go back to the pool with the transaction open, and what the next one writes on
/// it would be told, and not be there.
#[tokio::test]
async fn a_transaction_that_is_given_up_while_it_begins_leaves_nothing_open() {
    for engine in Engine::ALL {
        let app = App::start_on(engine).await;
        let mut client = subscribed(&app).await;
        let elsewhere = app.database.connect().await;
        for id in 1..=12 {
            let polls = id as u32 % 4 + 1;
            let begun = given_up_after(polls, app.db().begin()).await;
            drop(begun);
            app.insert_task(id, "kept", 1).await;
            assert_told(&mut client, "CREATED", id, "kept").await;
            let found = task::Entity::find_by_id(id).one(&elsewhere).await.unwrap();
            assert!(found.is_some(), "{engine:?}, after {polls} looks");
        }
    }
}

/// SeaORM rolls the transaction back together with the savepoint that it could not make, and its end then says that
/// all went well.
#[tokio::test]
async fn nothing_is_told_of_a_transaction_that_went_with_a_savepoint() {
    let app = App::start_on(Engine::Postgres).await;
    let mut client = subscribed(&app).await;
    let transaction = app.db().begin().await.unwrap();
    insert(&transaction, 1).await.unwrap();
    insert(&transaction, 1).await.unwrap_err();
    transaction.begin().await.unwrap_err();
    transaction.commit().await.unwrap();
    assert_eq!(task::Entity::find().all(&app.plain).await.unwrap(), []);
    // What was written since might have been committed: so it is to be fetched.
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

/// Nobody knows whether such a statement was carried out. Not on MariaDB, where sqlx loses the connection by it
/// (https://github.com/launchbadge/sqlx/issues/563).
#[tokio::test]
async fn a_statement_that_is_given_up_in_a_transaction_is_not_kept_in_silence() {
    for engine in [Engine::Sqlite, Engine::Postgres] {
        let app = App::start_on(engine).await;
        let mut kept = 0;
        // Whether a statement has been sent by then is the scheduler's: on until one has been carried out.
        for id in 1..=24 * 20 {
            if id > 24 && kept > 0 {
                break;
            }
            let mut client = subscribed(&app).await;
            let transaction = app.db().begin().await.unwrap();
            // Has all be prepared, so that one more look is enough for the statement to be sent.
            insert(&transaction, 1000 + id).await.unwrap();
            let inserted = given_up_after(id as u32 % 3 + 1, insert(&transaction, id)).await;
            transaction.commit().await.unwrap();
            let row = task::Entity::find_by_id(id).one(&app.plain).await.unwrap();
            assert_told(&mut client, "CREATED", 1000 + id, "gone").await;
            if row.is_some() {
                kept += u32::from(inserted.is_none());
                let frame = client.json().await;
                let is_told = frame["payload"]["id"] == id || frame["error"] == "reset";
                assert!(is_told, "{engine:?}, {id}: {frame}");
            }
        }
        assert!(
            kept > 0,
            "{engine:?} has carried out none: this test shows nothing"
        );
    }
}
