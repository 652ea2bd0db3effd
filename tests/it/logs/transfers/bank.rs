//! The accounts, which are tasks whose text is the balance, and the transfers between them.

use std::collections::BTreeMap;

use rest_live::{Limits, Live, log::EventLog};
use sea_orm::{
    ActiveModelTrait,
    ActiveValue::{Set, Unchanged},
    ColumnTrait, DatabaseConnection, EntityTrait, QueryFilter, TransactionTrait,
    sea_query::Expr,
};

use crate::{entities::task, support::task as new_task};

const ACCOUNTS: i32 = 6;

/// Each account is in one of these lists.
pub const LISTS: [i32; 2] = [1, 2];

/// The sum of all balances.
pub const TOTAL: i64 = 600;

/// The list of the row that is written last.
pub const LAST_LIST: i32 = 3;

/// The list and the balance of each account.
pub type Accounts = BTreeMap<i32, (i32, i64)>;

pub struct Bank {
    pub lives: Vec<Live>,
    plain: DatabaseConnection,
}

/// Builds a server whose clients are soon behind.
pub fn live(db: &DatabaseConnection, log: impl EventLog) -> Live {
    let limits = Limits::default()
        .max_pending_messages(24)
        .message_rate(1_000_000, 1_000_000)
        .resume_rate(1_000_000, 1_000_000);
    let builder = Live::builder(db.clone()).limits(limits).log(log);
    builder.build().unwrap()
}

impl Bank {
    pub async fn open(plain: DatabaseConnection, lives: Vec<Live>) -> Self {
        for id in 1..=ACCOUNTS {
            let balance = (TOTAL / i64::from(ACCOUNTS)).to_string();
            let list = LISTS[id as usize % LISTS.len()];
            new_task(id, &balance, list).insert(&plain).await.unwrap();
        }
        Self { lives, plain }
    }

    /// Returns a server.
    pub fn live(&self, number: usize) -> &Live {
        &self.lives[number % self.lives.len()]
    }

    /// Transfers amounts between two or three accounts. Sometimes an account also moves to another
    /// list, and sometimes the transaction is rolled back.
    pub async fn transfer(&self, server: usize) {
        let transaction = self.live(server).db().begin().await.unwrap();
        // In the order of the ids, so that no two transfers deadlock.
        let mut ids: Vec<_> = (1..=ACCOUNTS).collect();
        let count = fastrand::usize(2..=3);
        while ids.len() > count {
            ids.remove(fastrand::usize(..ids.len()));
        }
        let mut rest = 0;
        for (index, id) in ids.iter().enumerate() {
            let amount = match index + 1 == count {
                true => -rest,
                false => fastrand::i64(-9..=9),
            };
            rest += amount;
            let balance = format!("CAST(CAST(text AS integer) + {amount} AS text)");
            let update = task::Entity::update_many()
                .col_expr(task::Column::Text, Expr::cust(balance))
                .filter(task::Column::Id.eq(*id));
            update.exec(&transaction).await.unwrap();
            if fastrand::u8(..4) == 0 {
                let moved = task::ActiveModel {
                    id: Unchanged(*id),
                    list_id: Set(LISTS[fastrand::usize(..LISTS.len())]),
                    ..Default::default()
                };
                moved.update(&transaction).await.unwrap();
            }
        }
        if fastrand::u8(..8) == 0 {
            transaction.rollback().await.unwrap();
        } else {
            transaction.commit().await.unwrap();
        }
    }

    /// Writes a row after all transfers.
    pub async fn write_the_last(&self) {
        let last = new_task(ACCOUNTS + 1, "the last", LAST_LIST);
        last.insert(&self.live(0).db()).await.unwrap();
    }

    pub async fn accounts(&self) -> Accounts {
        let accounts = task::Entity::find().filter(task::Column::ListId.is_in(LISTS));
        let accounts = accounts.all(&self.plain).await.unwrap().into_iter();
        accounts
            .map(|row| (row.id, (row.list_id, row.text.parse().unwrap())))
            .collect()
    }
}

/// Asserts that a page shows all accounts with the right total.
pub fn assert_total(shown: &Accounts, context: &dyn std::fmt::Display) {
    let total: i64 = shown.values().map(|(_, balance)| balance).sum();
    assert_eq!(
        (shown.len(), total),
        (ACCOUNTS as usize, TOTAL),
        "{shown:?} after {context}"
    );
}
