//! What subscribers see of a transaction: all of it at its commit, in order, or nothing.

use futures_util::FutureExt;
use rest_live::{Live, LiveConnection, LiveTransaction};
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ConnectionTrait, DbErr, EntityTrait, IntoActiveModel,
    SqliteTransactionMode, StreamTrait, TransactionOptions, TransactionSession, TransactionTrait,
};

use crate::{
    entities::task,
    support::{App, Client, Log, database, soon, task as new_task},
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
async fn a_commit_releases_its_changes_in_the_order_of_the_writes() {
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
    assert_eq!(
        app.events().await,
        0,
        "while it is open, nobody hears of it"
    );
    transaction.commit().await.unwrap();
    assert_eq!(app.events().await, 3);
    expect_texts(&mut client, &["one", "two", "one, again"]).await;
    app.assert_silent(&mut client).await;
}

#[tokio::test]
async fn a_rollback_tells_nothing() {
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
async fn a_transaction_that_is_dropped_tells_nothing() {
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
async fn a_closure_commits_or_rolls_back_by_its_result() {
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
async fn a_savepoint_joins_the_outer_transaction_or_is_forgotten() {
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
async fn a_move_inside_a_transaction_is_seen_from_both_lists() {
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

/// A request that is given up while its COMMIT is on the way: the row is there, so the change is told.
#[tokio::test]
async fn a_commit_whose_future_is_dropped_still_tells_its_changes() {
    let (app, mut client) = subscribed().await;
    let transaction = app.db().begin().await.unwrap();
    new_task(1, "given up", 1)
        .insert(&transaction)
        .await
        .unwrap();
    let mut commit = Box::pin(transaction.commit());
    assert!(
        (&mut commit).now_or_never().is_none(),
        "COMMIT takes a turn of the runtime"
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

/// Each writer adds one to what the row says, in a transaction that waits its turn.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn transactions_on_one_row_are_told_in_the_order_of_their_commits() {
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
    // Two whose order is not known are told as one: what the row is after both.
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

/// As where a static `Live` is shared by tests that each have a runtime of their own.
#[test]
fn a_commit_does_not_need_the_runtime_that_built_the_live() {
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
async fn generic_code_captures_on_whatever_it_is_given() {
    /// As applications write it.
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

/// Documented first among the limits: a plain connection is not captured, and the log says so once.
#[tokio::test]
async fn a_write_on_a_plain_connection_succeeds_and_reaches_nobody_and_is_warned_of() {
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
}
