//! "What is captured, exactly", line by line, on each database: what subscribers get of each kind of write, by
//! itself, in a transaction that commits, in one that does not, and in a savepoint that is undone; and the
//! statements that it costs beyond SeaORM's own. And, in files of their own, what is at the edge of the table.

mod bulk;
mod entities;
mod fixture;
mod lines;
mod nested;
mod order;
mod phantoms;
mod plain;
mod raw;
mod resets;
mod silence;
mod torn;
mod transparency;
mod writes;

use rest_live::LiveEntity;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, TransactionTrait, sea_query::Expr};

use self::{
    bulk::write_live,
    fixture::{Fixture, NOTHING},
    lines::{LIVE, Told, WRITES},
    nested::relations_are_told_row_by_row,
    torn::{
        a_commit_that_fails_tells_nothing, a_transaction_that_the_database_ended_tells_no_phantom,
        a_write_whose_request_is_given_up_is_told, transactions_by_hand_are_told_by_a_reset,
    },
    writes::write,
};
use crate::{
    entities::task,
    support::{Engine, task as new_task},
};

crate::support::on_each_engine! {
    each_write_is_told_as_the_table_says
    each_write_in_a_transaction_is_told_at_its_commit
    each_write_that_is_undone_is_told_to_nobody
    bulk_writes_of_our_own_are_exact
    relations_are_told_row_by_row
    a_transaction_that_the_database_ended_tells_no_phantom
    a_write_whose_request_is_given_up_is_told
    a_commit_that_fails_tells_nothing
    more_rows_than_are_told_one_by_one_are_one_reset
    transactions_by_hand_are_told_by_a_reset
}

async fn each_write_is_told_as_the_table_says(engine: Engine) {
    let mut fixture = Fixture::start(engine).await;
    for line in WRITES {
        let what = line.name;
        fixture.refresh().await;
        let plain = fixture.plain.clone();
        let expected = write(what, &plain).await;
        let own = fixture.statements();
        fixture.refresh().await;
        let db = fixture.live.db();
        let result = write(what, &db).await;
        let all = fixture.statements();
        assert_eq!(
            result.is_ok(),
            expected.is_ok(),
            "{what} on {engine:?}: {result:?}, and without rest-live {expected:?}"
        );
        assert_eq!(
            fixture.told().await,
            line.told(engine),
            "{what} on {engine:?}"
        );
        let extra = line.extra(engine);
        assert_eq!(all, own + extra, "statements of {what} on {engine:?}");
    }
}

async fn each_write_in_a_transaction_is_told_at_its_commit(engine: Engine) {
    let mut fixture = Fixture::start(engine).await;
    for line in WRITES {
        let what = line.name;
        fixture.refresh().await;
        let transaction = fixture.live.db().begin().await.unwrap();
        let savepoint = transaction.begin().await.unwrap();
        let written = write(what, &savepoint).await.is_ok();
        assert_eq!(fixture.events().await, 0, "{what} before the commit");
        if written {
            savepoint.commit().await.unwrap();
        } else {
            savepoint.rollback().await.unwrap();
        }
        assert_eq!(fixture.events().await, 0, "{what} before the outer commit");
        transaction.commit().await.unwrap();
        assert_eq!(
            fixture.told().await,
            line.told(engine),
            "{what} on {engine:?}"
        );
    }
}

async fn each_write_that_is_undone_is_told_to_nobody(engine: Engine) {
    let mut fixture = Fixture::start(engine).await;
    for line in WRITES {
        let what = line.name;
        fixture.refresh().await;
        let transaction = fixture.live.db().begin().await.unwrap();
        _ = write(what, &transaction).await;
        transaction.rollback().await.unwrap();
        let transaction = fixture.live.db().begin().await.unwrap();
        _ = write(what, &transaction).await;
        drop(transaction);
        let transaction = fixture.live.db().begin().await.unwrap();
        let savepoint = transaction.begin().await.unwrap();
        _ = write(what, &savepoint).await;
        savepoint.rollback().await.unwrap();
        transaction.commit().await.unwrap();
        assert_eq!(fixture.told().await, NOTHING, "{what} on {engine:?}");
    }
}

async fn more_rows_than_are_told_one_by_one_are_one_reset(engine: Engine) {
    let mut fixture = Fixture::start(engine).await;
    let reset = Told::Reset("todolist.Task").frames();
    let many = |count: i32| (100..100 + count).map(|id| new_task(id, "many", 7));
    for count in [100, 101] {
        let of_one = (count == 101).then_some(&reset);
        let events = |one: u64| if count == 101 { 1 } else { one };
        fixture.refresh().await;
        let db = fixture.live.db();
        let inserted = task::Entity::live_insert_many(many(count)).exec(&db).await;
        assert_eq!(inserted.unwrap(), count as u64);
        assert_eq!(
            fixture.events().await,
            events(100),
            "inserted on {engine:?}"
        );
        let update = task::Entity::live_update_many()
            .col_expr(task::Column::ListId, Expr::value(8))
            .filter(task::Column::ListId.eq(7));
        let before = fixture.events().await;
        assert_eq!(update.exec(&db).await.unwrap().rows_affected, count as u64);
        assert_eq!(
            fixture.events().await - before,
            events(100),
            "updated on {engine:?}"
        );
        let before = fixture.events().await;
        let delete = task::Entity::delete_many().filter(task::Column::ListId.eq(8));
        assert_eq!(delete.exec(&db).await.unwrap().rows_affected, count as u64);
        assert_eq!(
            fixture.events().await - before,
            events(100),
            "deleted on {engine:?}"
        );
        let told = fixture.told().await;
        // Three times in a row, which is told at least once.
        assert_eq!(told.is_empty(), of_one.is_none(), "{told:?} on {engine:?}");
    }
}

async fn bulk_writes_of_our_own_are_exact(engine: Engine) {
    let mut fixture = Fixture::start(engine).await;
    for line in LIVE {
        let what = line.name;
        fixture.refresh().await;
        let db = fixture.live.db();
        write_live(what, &db).await.unwrap();
        let statements = fixture.statements();
        assert_eq!(
            fixture.told().await,
            line.told(engine),
            "{what} on {engine:?}"
        );
        assert_eq!(
            statements,
            line.extra(engine),
            "statements of {what} on {engine:?}"
        );

        fixture.refresh().await;
        let transaction = db.begin().await.unwrap();
        write_live(what, &transaction).await.unwrap();
        assert_eq!(fixture.events().await, 0, "{what} before the commit");
        transaction.commit().await.unwrap();
        assert_eq!(
            fixture.told().await,
            line.told(engine),
            "{what} on {engine:?}"
        );

        fixture.refresh().await;
        let transaction = db.begin().await.unwrap();
        write_live(what, &transaction).await.unwrap();
        transaction.rollback().await.unwrap();
        assert_eq!(fixture.told().await, NOTHING, "{what} on {engine:?}");
    }
}
