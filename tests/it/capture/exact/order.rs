//! Writes of a row while an earlier write of it is being appended: subscribers end with the current
//! row.

use std::{
    future::poll_fn,
    pin::{Pin, pin},
    task::Poll,
};

use rest_live::{Live, LiveConnection};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, TransactionTrait,
    sea_query::Expr,
};

use super::{
    fixture::{Fixture, row, wait_until_idle},
    writes::{move_of, text_of},
};
use crate::{
    entities::task,
    support::{Engine, GateLog, database, soon, task as new_task},
};

/// Executes a write while the append of an earlier write of row 1 is held. Returns everything that
/// was appended at the end, and the row.
async fn during_an_append(
    write: impl AsyncFnOnce(LiveConnection),
) -> (Vec<Option<task::Model>>, task::Model) {
    let (plain, _database) = database().await;
    let log = GateLog::default();
    let live = Live::<()>::builder(plain.clone()).log(log.clone());
    let live = live.build().unwrap();
    new_task(1, "one", 1).insert(&live.db()).await.unwrap();
    log.shut();
    let db = live.db();
    let first = tokio::spawn(async move { text_of(1, "first").update(&db).await.unwrap() });
    log.arrived().await;
    write(live.db()).await;
    // A reread of the row that has started is appended by then: only the first append is held.
    wait_until_idle(&plain).await;
    log.open();
    first.await.unwrap();
    // A later reread starts before the first write ends.
    wait_until_idle(&plain).await;
    (log.taken(), row(&plain, 1).await)
}

/// If the reread row overtook the first write, the row would go back in time.
#[tokio::test]
async fn reread_does_not_overtake_an_append() {
    let (taken, row) = during_an_append(async |db| {
        text_of(1, "second").update(&db).await.unwrap();
    })
    .await;
    assert_eq!(taken.last(), Some(&Some(row)), "{taken:?}");
}

/// The same with a write that resets: a client that fetched at the reset would then receive an
/// older row.
#[tokio::test]
async fn reset_does_not_overtake_an_append() {
    let (taken, row) = during_an_append(async |db| {
        let raw = "UPDATE task SET text = 'raw' WHERE id = 1";
        db.execute_unprepared(raw).await.unwrap();
    })
    .await;
    let last = taken.last().unwrap();
    assert!(last.is_none() || *last == Some(row), "{taken:?}");
}

/// On MariaDB, `update_many` is a reset. It comes between a concurrent save and its second hook.
#[tokio::test]
async fn reset_between_statement_and_hook_mariadb() {
    let mut fixture = Fixture::fresh(Engine::MariaDb).await;
    let db = fixture.live.db();
    let mut overtaken = 0;
    // The number of polls that a write needs varies.
    for polls in (1..=16).cycle().take(16 * 20) {
        fixture.refresh().await;
        let mut save = pin!(text_of(1, "saved").update(&db));
        let result = poll_times(polls, save.as_mut());
        if soon("a response", result).await.is_some() {
            if overtaken > 0 {
                break;
            }
            continue;
        }
        let many = task::Entity::update_many()
            .col_expr(task::Column::Text, Expr::value("bulk"))
            .filter(task::Column::Id.eq(1));
        many.exec(&db).await.unwrap();
        // A client that fetches at this reset holds "bulk".
        fixture.received().await;
        let saved = save.await.unwrap();
        // By then the row has been reread and sent.
        fixture.wait_until_idle().await;
        let now = row(&fixture.plain, 1).await.text;
        overtaken += u32::from(saved.text != now);
        let received = fixture.received().await;
        assert!(
            received.iter().all(|frame| frame.ends_with(&now)),
            "after {polls} polls the row is {now}, and the client received {received:?}"
        );
    }
    assert!(
        overtaken > 0,
        "no reset came between statement and hook: this test proves nothing"
    );
}

/// A row is updated before the event of its insert is published. Clients that ignore the update of
/// a row that they do not have must still receive it.
#[tokio::test]
async fn updated_before_its_insert_is_published() {
    let mut fixture = Fixture::fresh(Engine::Sqlite).await;
    let db = fixture.live.db();
    let mut overtaken = 0;
    for polls in (1..=16).cycle().take(16 * 20) {
        if overtaken > 0 && polls == 1 {
            break;
        }
        fixture.refresh().await;
        let mut insert = pin!(new_task(4, "four", 1).insert(&db));
        let result = poll_times(polls, insert.as_mut());
        if soon("a response", result).await.is_some() {
            continue;
        }
        let update = task::Entity::update_many()
            .col_expr(task::Column::Text, Expr::value("updated"))
            .filter(task::Column::Id.eq(4));
        let updated = update.exec(&db).await.unwrap().rows_affected;
        insert.await.unwrap();
        fixture.wait_until_idle().await;
        let received = fixture.received().await;
        let has = |frame: &str| received.iter().any(|received| received == frame);
        if updated == 0 {
            assert!(
                has("list 1 CREATED four"),
                "after {polls} polls: {received:?}"
            );
            continue;
        }
        overtaken += 1;
        assert!(
            has("list 1 CREATED updated"),
            "after {polls} polls: {received:?}"
        );
        assert!(
            has("task 4 CREATED updated"),
            "after {polls} polls: {received:?}"
        );
    }
    assert!(
        overtaken > 0,
        "no update came before the event: this test proves nothing"
    );
}

/// An update in a transaction reads the old row and finds none. Then it updates a row that was
/// inserted meanwhile: the list of that row must receive that the row has left it.
#[tokio::test]
async fn moved_right_after_it_was_inserted_postgres() {
    let mut fixture = Fixture::fresh(Engine::Postgres).await;
    let db = fixture.live.db();
    let mut overtaken = 0;
    // The first poll ends with the read of the old row, later ones with the update. On a busy
    // machine the response may arrive within the first poll: then the loop repeats.
    for polls in (1..=6).cycle().take(60) {
        if overtaken > 0 && polls == 1 {
            break;
        }
        fixture.refresh().await;
        let transaction = db.begin().await.unwrap();
        let mut moves = move_of(4, 2).update(&transaction);
        let result = poll_times(polls, Pin::new(&mut moves));
        if soon("a response", result).await.is_some() {
            continue;
        }
        new_task(4, "four", 1).insert(&db).await.unwrap();
        let moved = moves.await.is_ok();
        transaction.commit().await.unwrap();
        fixture.wait_until_idle().await;
        overtaken += u32::from(moved);
        let received = fixture.received().await;
        let left = received.contains(&"list 1 DELETED four".to_owned());
        assert_eq!(left, moved, "after {polls} polls: {received:?}");
    }
    assert!(
        overtaken > 0,
        "no insert came between read and update: this test proves nothing"
    );
}

/// Polls a request `polls` times, then waits until it could make progress, and stops polling it.
/// Returns the result of the request if it completes.
async fn poll_times<T>(polls: u32, mut request: Pin<&mut impl Future<Output = T>>) -> Option<T> {
    let mut left = polls;
    poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        request.as_mut().poll(context).map(Some)
    })
    .await
}
