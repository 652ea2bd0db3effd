//! Each line of the table "What is captured, exactly", on each database: what subscribers receive
//! of each kind of write by itself, in a transaction that commits, in one that is rolled back, and
//! in a savepoint that is rolled back; and how many statements it costs beyond SeaORM's own. Edge
//! cases of the table are in the submodules.

mod bulk;
mod cases;
mod entities;
mod executors;
mod failures;
mod fixture;
mod hidden_commits;
mod hidden_rollbacks;
mod nested;
mod order;
mod plain_connections;
mod raw_sql;
mod resets;
mod transparency;
mod update_many;
mod writes;

use rest_live::LiveEntity;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, TransactionTrait, sea_query::Expr};

use self::{
    bulk::write_live,
    cases::{Delivery, LIVE, WRITES},
    failures::{
        abandoned_write_is_sent, database_rollback_sends_no_phantom, failed_commit_sends_nothing,
        hand_written_transaction_is_a_reset,
    },
    fixture::{Fixture, NOTHING},
    nested::relations_are_sent_row_by_row,
    writes::write,
};
use crate::{
    entities::task,
    support::{Engine, task as new_task},
};

crate::support::on_each_engine! {
    each_write_sends_what_the_table_says
    each_write_in_a_transaction_is_sent_at_commit
    each_undone_write_sends_nothing
    live_bulk_writes_are_exact
    relations_are_sent_row_by_row
    database_rollback_sends_no_phantom
    abandoned_write_is_sent
    failed_commit_sends_nothing
    more_rows_than_the_limit_are_one_reset
    hand_written_transaction_is_a_reset
}

async fn each_write_sends_what_the_table_says(engine: Engine) {
    let mut fixture = Fixture::start(engine).await;
    for case in WRITES {
        let what = case.name;
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
            fixture.received().await,
            case.frames(engine),
            "{what} on {engine:?}"
        );
        let extra = case.extra_statements(engine);
        assert_eq!(all, own + extra, "statements of {what} on {engine:?}");
    }
}

async fn each_write_in_a_transaction_is_sent_at_commit(engine: Engine) {
    let mut fixture = Fixture::start(engine).await;
    for case in WRITES {
        let what = case.name;
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
            fixture.received().await,
            case.frames(engine),
            "{what} on {engine:?}"
        );
    }
}

async fn each_undone_write_sends_nothing(engine: Engine) {
    let mut fixture = Fixture::start(engine).await;
    for case in WRITES {
        let what = case.name;
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
        assert_eq!(fixture.received().await, NOTHING, "{what} on {engine:?}");
    }
}

async fn more_rows_than_the_limit_are_one_reset(engine: Engine) {
    let mut fixture = Fixture::start(engine).await;
    let reset = Delivery::Reset("todolist.Task").frames();
    let many = |count: i32| (100..100 + count).map(|id| new_task(id, "many", 7));
    for count in [100, 101] {
        let expected_reset = (count == 101).then_some(&reset);
        let events = |rows: u64| if count == 101 { 1 } else { rows };
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
        let update = task::Entity::update_many()
            .col_expr(task::Column::ListId, Expr::value(9))
            .filter(task::Column::ListId.eq(8));
        let before = fixture.events().await;
        assert_eq!(update.exec(&db).await.unwrap().rows_affected, count as u64);
        let expected = if engine == Engine::MariaDb {
            1
        } else {
            events(100)
        };
        assert_eq!(
            fixture.events().await - before,
            expected,
            "updated on {engine:?}"
        );
        let before = fixture.events().await;
        let delete = task::Entity::delete_many().filter(task::Column::ListId.eq(9));
        assert_eq!(delete.exec(&db).await.unwrap().rows_affected, count as u64);
        assert_eq!(
            fixture.events().await - before,
            events(100),
            "deleted on {engine:?}"
        );
        let received = fixture.received().await;
        // Resets in a row may be sent as one. On MariaDB, `update_many` is always one.
        assert_eq!(
            received.is_empty(),
            expected_reset.is_none() && engine != Engine::MariaDb,
            "{received:?} on {engine:?}"
        );
    }
}

async fn live_bulk_writes_are_exact(engine: Engine) {
    let mut fixture = Fixture::start(engine).await;
    for case in LIVE {
        let what = case.name;
        fixture.refresh().await;
        let db = fixture.live.db();
        write_live(what, &db).await.unwrap();
        let statements = fixture.statements();
        assert_eq!(
            fixture.received().await,
            case.frames(engine),
            "{what} on {engine:?}"
        );
        assert_eq!(
            statements,
            case.extra_statements(engine),
            "statements of {what} on {engine:?}"
        );

        fixture.refresh().await;
        let transaction = db.begin().await.unwrap();
        write_live(what, &transaction).await.unwrap();
        assert_eq!(fixture.events().await, 0, "{what} before the commit");
        transaction.commit().await.unwrap();
        assert_eq!(
            fixture.received().await,
            case.frames(engine),
            "{what} on {engine:?}"
        );

        fixture.refresh().await;
        let transaction = db.begin().await.unwrap();
        write_live(what, &transaction).await.unwrap();
        transaction.rollback().await.unwrap();
        assert_eq!(fixture.received().await, NOTHING, "{what} on {engine:?}");
    }
}
