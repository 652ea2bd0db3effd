//! What subscribers receive of a transaction: all its changes at the commit, in order, or nothing.

use futures_util::FutureExt;
use rest_live::{Live, LiveConnection, LiveTransaction};
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ConnectionTrait, DbErr, EntityTrait, IntoActiveModel,
    SqliteTransactionMode, StreamTrait, TransactionOptions, TransactionSession, TransactionTrait,
};

use crate::{
    entities::task,
    support::{App, Client, Log, alone, database, soon, task as new_task},
};

async fn subscribed() -> (App, Client) {
    let app = App::start().await;
    let mut client = app.client().await;
    client
        .subscribe(r#"{"model":"todolist.Task","list_id":1}"#)
        .await;
    (app, client)
}

async fn expect_texts(client: &mut Client, texts: &[&str]) {
    for text in texts {
        assert_eq!(client.json().await["payload"]["text"], *text);
    }
}

#[tokio::test]
async fn commit_sends_changes_in_write_order() {
    let (app, mut client) = subscribed().await;
    let transaction = app.db().begin().await.unwrap();
    new_task(1, "one", 1).insert(&transaction).await.unwrap();
    new_task(2, "two", 1).insert(&transaction).await.unwrap();
    task::ActiveModel {
        id: Set(1),
        text: Set("one, again".to_owned()),
        ..Default::default()
    }
    .update(&transaction)
    .await
    .unwrap();
    assert_eq!(app.events().await, 0, "an open transaction appends nothing");
    transaction.commit().await.unwrap();
    assert_eq!(app.events().await, 3);
    expect_texts(&mut client, &["one", "two", "one, again"]).await;
    app.assert_silent(&mut client).await;
}

#[tokio::test]
async fn rollback_sends_nothing() {
    let (app, mut client) = subscribed().await;
    let transaction = app.db().begin().await.unwrap();
    new_task(1, "phantom", 1)
        .insert(&transaction)
        .await
        .unwrap();
    transaction.rollback().await.unwrap();
    app.assert_silent(&mut client).await;
}

#[tokio::test]
async fn dropped_transaction_sends_nothing() {
    let (app, mut client) = subscribed().await;
    let transaction = app.db().begin().await.unwrap();
    new_task(1, "phantom", 1)
        .insert(&transaction)
        .await
        .unwrap();
    drop(transaction);
    app.assert_silent(&mut client).await;
    assert!(task::Entity::find().one(&app.db()).await.unwrap().is_none());
}

#[tokio::test]
async fn closure_result_decides_commit_or_rollback() {
    let (app, mut client) = subscribed().await;
    app.db()
        .transaction::<_, (), DbErr>(|transaction| {
            Box::pin(async move { new_task(1, "boxed", 1).insert(transaction).await.map(drop) })
        })
        .await
        .unwrap();
    app.db()
        .transaction_async(async |transaction| new_task(2, "async", 1).insert(transaction).await)
        .await
        .unwrap();
    let fail = async |transaction: &LiveTransaction| {
        new_task(3, "phantom", 1).insert(transaction).await?;
        Err::<(), _>(DbErr::Custom("no".to_owned()))
    };
    app.db().transaction_async(fail).await.unwrap_err();
    app.db()
        .transaction_with_config::<_, (), DbErr>(
            |transaction| {
                Box::pin(async move {
                    new_task(4, "phantom", 1).insert(transaction).await?;
                    Err(DbErr::Custom("no".to_owned()))
                })
            },
            None,
            None,
        )
        .await
        .unwrap_err();
    expect_texts(&mut client, &["boxed", "async"]).await;
    app.assert_silent(&mut client).await;
}

#[tokio::test]
async fn savepoint_joins_outer_transaction_or_is_discarded() {
    let (app, mut client) = subscribed().await;
    let outer = app.db().begin().await.unwrap();
    new_task(1, "outer", 1).insert(&outer).await.unwrap();

    let kept = outer.begin().await.unwrap();
    new_task(2, "kept", 1).insert(&kept).await.unwrap();
    let inmost = kept.begin().await.unwrap();
    new_task(3, "inmost", 1).insert(&inmost).await.unwrap();
    inmost.commit().await.unwrap();
    kept.commit().await.unwrap();

    let undone = outer.begin().await.unwrap();
    new_task(4, "undone", 1).insert(&undone).await.unwrap();
    let inside = undone.begin().await.unwrap();
    new_task(5, "inside what is undone", 1)
        .insert(&inside)
        .await
        .unwrap();
    inside.commit().await.unwrap();
    undone.rollback().await.unwrap();

    new_task(6, "last", 1).insert(&outer).await.unwrap();
    TransactionSession::commit(outer).await.unwrap();
    expect_texts(&mut client, &["outer", "kept", "inmost", "last"]).await;
    app.assert_silent(&mut client).await;
}

#[tokio::test]
async fn move_in_a_transaction_reaches_both_lists() {
    let (app, mut client) = subscribed().await;
    client
        .subscribe(r#"{"model":"todolist.Task","list_id":2}"#)
        .await;
    let transaction = app.db().begin().await.unwrap();
    new_task(1, "moving", 1).insert(&transaction).await.unwrap();
    task::ActiveModel {
        id: Set(1),
        list_id: Set(2),
        ..Default::default()
    }
    .update(&transaction)
    .await
    .unwrap();
    transaction.commit().await.unwrap();
    for action in ["CREATED", "DELETED", "CREATED"] {
        assert_eq!(client.json().await["action"], action);
    }
}

/// A request is dropped while its COMMIT runs: the row exists, so the change is sent.
#[tokio::test]
async fn dropped_commit_future_still_sends_changes() {
    let (app, mut client) = subscribed().await;
    let transaction = app.db().begin().await.unwrap();
    new_task(1, "given up", 1)
        .insert(&transaction)
        .await
        .unwrap();
    let mut commit = Box::pin(transaction.commit());
    assert!(
        (&mut commit).now_or_never().is_none(),
        "COMMIT does not complete at the first poll"
    );
    drop(commit);
    expect_texts(&mut client, &["given up"]).await;
    assert!(
        task::Entity::find_by_id(1)
            .one(&app.db())
            .await
            .unwrap()
            .is_some()
    );
}

/// Each writer increments the number in the row, in a transaction that waits for the others.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn transactions_on_one_row_arrive_in_commit_order() {
    const WRITERS: i32 = 6;
    const WRITES: i32 = 40;
    let (app, mut client) = subscribed().await;
    app.insert_task(1, "0", 1).await;
    assert_eq!(client.json().await["payload"]["text"], "0");
    let writers: Vec<_> = (0..WRITERS)
        .map(|_| {
            let db = app.db();
            tokio::spawn(async move {
                for _ in 0..WRITES {
                    let options = TransactionOptions {
                        sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
                        ..Default::default()
                    };
                    let transaction = db.begin_with_options(options).await.unwrap();
                    let row = task::Entity::find_by_id(1)
                        .one(&transaction)
                        .await
                        .unwrap()
                        .unwrap();
                    let next = row.text.parse::<i32>().unwrap() + 1;
                    let mut row = row.into_active_model();
                    row.text = Set(next.to_string());
                    row.update(&transaction).await.unwrap();
                    transaction.commit().await.unwrap();
                }
            })
        })
        .collect();
    // Two commits whose order is unknown are sent as one frame: the row after both.
    let (mut last, mut frames) = (0, 0);
    while last < WRITERS * WRITES {
        let text = client.json().await["payload"]["text"].clone();
        let n = text.as_str().unwrap().parse().unwrap();
        assert!(n >= last, "{n} after {last}");
        (last, frames) = (n, frames + 1);
    }
    assert!(frames > WRITERS, "{frames} frames of {last} commits");
    for writer in writers {
        writer.await.unwrap();
    }
}

/// For example if tests share a static `Live`, and each has a runtime of its own.
#[test]
fn commit_works_on_another_runtime() {
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
    };
    let (first, second) = (runtime(), runtime());
    let (live, _database) = first.block_on(async {
        let (db, database) = database().await;
        (Live::<()>::builder(db).build().unwrap(), database)
    });
    drop(first);
    second.block_on(async {
        let transaction = live.db().begin().await.unwrap();
        new_task(1, "elsewhere", 1)
            .insert(&transaction)
            .await
            .unwrap();
        soon("the commit", transaction.commit()).await.unwrap();
    });
}

#[tokio::test]
async fn generic_code_is_captured() {
    /// A generic function as applications write it.
    async fn add<C: ConnectionTrait + TransactionTrait + StreamTrait>(
        db: &C,
        id: i32,
    ) -> Result<(), DbErr> {
        let transaction = db.begin().await?;
        new_task(id, "generic", 1).insert(&transaction).await?;
        transaction.commit().await
    }
    fn assert_usable<
        T: ConnectionTrait + TransactionTrait + StreamTrait + Send + Sync + 'static,
    >() {
    }
    assert_usable::<LiveConnection>();
    assert_usable::<LiveTransaction>();

    let (app, mut client) = subscribed().await;
    add(&app.db(), 1).await.unwrap();
    let outer = app.db().begin().await.unwrap();
    add(&outer, 2).await.unwrap();
    outer.commit().await.unwrap();
    expect_texts(&mut client, &["generic", "generic"]).await;
}

/// The first documented limit: a plain connection is not captured. The application log warns once.
#[tokio::test]
async fn plain_connection_write_is_not_sent_but_logged() {
    // A process logs the warning once.
    let path = concat!(
        module_path!(),
        "::plain_connection_write_is_not_sent_but_logged"
    );
    alone(path, async {
        let (app, mut client) = subscribed().await;
        let log = Log::start();
        let db = app.db();
        new_task(1, "plain", 1).insert(db.inner()).await.unwrap();
        new_task(2, "plain", 1).insert(db.inner()).await.unwrap();
        let log = log.end();
        assert_eq!(
            log.matches("written on a plain database connection")
                .count(),
            1,
            "{log}"
        );
        assert!(
            log.contains("WARN") && log.contains("table=\"task\""),
            "{log}"
        );
        app.assert_silent(&mut client).await;
    })
    .await;
}
