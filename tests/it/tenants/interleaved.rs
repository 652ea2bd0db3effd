//! Many tenants write rows with the same keys at the same time. No client receives a row of another
//! tenant, and each ends with the rows of its own table.

use std::collections::BTreeMap;

use rest_live::{Live, log::EventLog, testing::Client};
use sea_orm::{
    ActiveModelTrait, ConnectionTrait, DatabaseConnection, DbBackend, EntityTrait, ModelTrait,
    QuerySelect, Statement, TransactionTrait,
};

use super::fixture::{begin, client, create_schema, database, describe, set_local};
use crate::{
    entities::task::Entity,
    support::{SharedLog, TICK, soon, task},
};

/// Number of tenants in addition to the default one.
const TENANTS: usize = 6;
/// Number of tasks that write for each tenant.
const WRITERS: usize = 2;
/// Number of transactions of each writer.
const TRANSACTIONS: usize = 25;
/// Number of rows of each tenant.
const KEYS: i32 = 4;

/// A tenant, of which `None` is the default one.
type Tenant = Option<String>;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_log_mixes_no_tenants() {
    let (db, _database) = database().await;
    let live = Live::builder(db.clone()).build().unwrap();
    check(&db, &[live]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_servers_mix_no_tenants() {
    let (db, _database) = database().await;
    let log = SharedLog::new();
    let start = |log: SharedLog| {
        assert!(log.is_shared());
        Live::builder(db.clone()).log(log).build().unwrap()
    };
    let lives = [start(log.clone()), start(log)];
    check(&db, &lives).await;
}

async fn check(db: &DatabaseConnection, lives: &[Live]) {
    let mut tenants: Vec<Tenant> = vec![None];
    for number in 0..TENANTS {
        let name = format!("tenant_{number}");
        create_schema(db, &name).await;
        tenants.push(Some(name));
    }
    let mut clients = Vec::new();
    for live in lives {
        for tenant in &tenants {
            let client = client(live, tenant.as_deref()).await;
            clients.push((tenant.clone(), client));
        }
    }
    let mut writers = tokio::task::JoinSet::new();
    for tenant in &tenants {
        for writer in 0..WRITERS {
            let live = lives[writer % lives.len()].clone();
            writers.spawn(write(live, tenant.clone(), writer));
        }
    }
    while let Some(written) = writers.join_next().await {
        written.unwrap();
    }
    for (tenant, mut client) in clients {
        let rows = rows(db, &tenant).await;
        let mut shown = BTreeMap::new();
        // A row that was read again arrives after the writers have ended.
        let converge = async {
            loop {
                apply(&mut client, &tenant, &rows, &mut shown).await;
                if shown == rows {
                    break;
                }
                tokio::time::sleep(TICK).await;
            }
        };
        soon("the rows of the tenant", converge).await;
        apply(&mut client, &tenant, &rows, &mut shown).await;
        assert_eq!(shown, rows, "{tenant:?}");
    }
}

/// Writes rows of a tenant. Each text begins with the name of the tenant.
async fn write(live: Live, tenant: Tenant, writer: usize) {
    for number in 0..TRANSACTIONS {
        let transaction = match &tenant {
            None => live.db().begin().await.unwrap(),
            Some(schema) if number % 2 == 0 => begin(&live.db().in_scope(&**schema), schema).await,
            Some(schema) => {
                let transaction = live.db().begin().await.unwrap();
                transaction.set_scope(&**schema);
                set_local(&transaction, schema).await;
                transaction
            }
        };
        let id = fastrand::i32(1..=KEYS);
        let text = format!("{} {writer} {number}", name(&tenant));
        let row = Entity::find_by_id(id).lock_exclusive();
        let row = row.one(&transaction).await.unwrap();
        let written = match (row, fastrand::u8(..8)) {
            (Some(row), 0) => row.delete(&transaction).await.map(drop),
            (Some(_), _) => task(id, &text, 1).update(&transaction).await.map(drop),
            // Another writer of the tenant may insert it first.
            (None, _) => task(id, &text, 1).insert(&transaction).await.map(drop),
        };
        match written {
            Ok(()) if fastrand::u8(..8) > 0 => transaction.commit().await.unwrap(),
            Ok(()) | Err(_) => transaction.rollback().await.unwrap(),
        }
    }
}

fn name(tenant: &Tenant) -> &str {
    tenant.as_deref().unwrap_or("default")
}

/// Applies what a client has received to the rows that it shows. After a reset, it fetches `rows`.
async fn apply(
    client: &mut Client,
    tenant: &Tenant,
    rows: &BTreeMap<i64, String>,
    shown: &mut BTreeMap<i64, String>,
) {
    for frame in client.received().await {
        if describe(&frame) == "reset" {
            shown.clone_from(rows);
            continue;
        }
        let payload = &frame["payload"];
        let text = payload["text"].as_str().unwrap();
        let id = payload["id"].as_i64().unwrap();
        let owner = text.split(' ').next();
        assert_eq!(owner, Some(name(tenant)), "{frame}");
        if frame["action"] == "DELETED" {
            shown.remove(&id);
        } else {
            shown.insert(id, text.to_owned());
        }
    }
}

/// Returns the texts of a tenant's rows.
async fn rows(db: &DatabaseConnection, tenant: &Tenant) -> BTreeMap<i64, String> {
    let schema = tenant.as_deref().unwrap_or("public");
    let select = format!("SELECT id::bigint, text FROM {schema}.task");
    let select = Statement::from_string(DbBackend::Postgres, select);
    let rows = db.query_all_raw(select).await.unwrap().into_iter();
    rows.map(|row| {
        let id = row.try_get_by_index(0).unwrap();
        (id, row.try_get_by_index(1).unwrap())
    })
    .collect()
}
