//! Writes of one row that come while another of it is on its way to the log: subscribers end with the row as it is.

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
    fixture::{Fixture, quiet, row},
    writes::{move_of, text_of},
};
use crate::{
    entities::task,
    support::{Engine, GateLog, database, soon, task as new_task},
};

/// Carries out a write while the append of an earlier one of row 1 is held. Returns what the log has taken in at the
/// end, and the row.
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
    // Who settles the row already has read it by then, and the log has taken it in: only the first append is held.
    quiet(&plain).await;
    log.open();
    first.await.unwrap();
    // Who settles it now has been begun by the end of the first write.
    quiet(&plain).await;
    (log.taken(), row(&plain, 1).await)
}

/// What is settled would overtake the first write, and the row go back.
#[tokio::test]
async fn settled_overtakes_an_append() {
    let (taken, row) = during_an_append(async |db| {
        text_of(1, "second").update(&db).await.unwrap();
    })
    .await;
    assert_eq!(taken.last(), Some(&Some(row)), "{taken:?}");
}

/// The same with a write that is told by a reset: who fetched then would be shown the row as it was before.
#[tokio::test]
async fn reset_overtakes_an_append() {
    let (taken, row) = during_an_append(async |db| {
        let raw = "UPDATE task SET text = 'raw' WHERE id = 1";
        db.execute_unprepared(raw).await.unwrap();
    })
    .await;
    let last = taken.last().unwrap();
    assert!(last.is_none() || *last == Some(row), "{taken:?}");
}

/// On MariaDB with the log in memory: `update_many` is a reset, between another's save and its second hook.
#[tokio::test]
async fn reset_between_statement_and_hook_mariadb() {
    let mut fixture = Fixture::fresh(Engine::MariaDb).await;
    let db = fixture.live.db();
    let mut overtaken = 0;
    // How many polls a write takes differs from time to time.
    for polls in (1..=16).cycle().take(16 * 20) {
        fixture.refresh().await;
        let mut save = pin!(text_of(1, "saved").update(&db));
        let halted = halted_after(polls, save.as_mut());
        if soon("an answer", halted).await.is_some() {
            if overtaken > 0 {
                break;
            }
            continue;
        }
        let many = task::Entity::update_many()
            .col_expr(task::Column::Text, Expr::value("bulk"))
            .filter(task::Column::Id.eq(1));
        many.exec(&db).await.unwrap();
        // Who is told to reset fetches now, and has "bulk".
        fixture.told().await;
        let saved = save.await.unwrap();
        // The row is read again by then, and told.
        fixture.quiet().await;
        let now = row(&fixture.plain, 1).await.text;
        overtaken += u32::from(saved.text != now);
        let told = fixture.told().await;
        assert!(
            told.iter().all(|told| told.ends_with(&now)),
            "after {polls} polls the row is {now}, and {told:?} is told of it"
        );
    }
    assert!(
        overtaken > 0,
        "no reset came between the two: this test shows nothing"
    );
}

/// An update in a transaction that looks for the row before, does not find it, and then finds one that another has
/// inserted meanwhile: that one's list must hear that the row has left it.
#[tokio::test]
async fn moved_right_after_it_was_inserted_postgres() {
    let mut fixture = Fixture::fresh(Engine::Postgres).await;
    let db = fixture.live.db();
    let mut overtaken = 0;
    // After the first poll the answer is that of the look before; later ones are the update's. On a busy machine an answer may
    // be there by the first: then once more.
    for polls in (1..=6).cycle().take(60) {
        if overtaken > 0 && polls == 1 {
            break;
        }
        fixture.refresh().await;
        let transaction = db.begin().await.unwrap();
        let mut moves = move_of(4, 2).update(&transaction);
        let halted = halted_after(polls, Pin::new(&mut moves));
        if soon("an answer", halted).await.is_some() {
            continue;
        }
        new_task(4, "four", 1).insert(&db).await.unwrap();
        let moved = moves.await.is_ok();
        transaction.commit().await.unwrap();
        fixture.quiet().await;
        overtaken += u32::from(moved);
        let told = fixture.told().await;
        let left = told.contains(&"list 1 DELETED four".to_owned());
        assert_eq!(left, moved, "after {polls} polls: {told:?}");
    }
    assert!(
        overtaken > 0,
        "nothing came between the two: this test shows nothing"
    );
}

/// Polls a request so often, and then waits until the answer is there that it waits for, and leaves it at that.
/// Returns what the request returns if it comes to its end.
async fn halted_after<T>(polls: u32, mut request: Pin<&mut impl Future<Output = T>>) -> Option<T> {
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
