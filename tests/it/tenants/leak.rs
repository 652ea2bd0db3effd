//! A transaction that changes the `search_path`, without a scope.

use rest_live::testing::Client;
use sea_orm::ActiveModelTrait;

use super::fixture::{Tenants, received, subscribe};
use crate::support::task;

#[tokio::test]
async fn row_of_a_tenant_is_not_sent_as_the_default() {
    let app = Tenants::start().await;
    let mut client = Client::connect(&app.live, ());
    subscribe(&client).await;
    let transaction = app.begin_in("b").await;
    task(1, "secret of b", 1)
        .insert(&transaction)
        .await
        .unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(received(&mut client).await, [""; 0]);

    task(1, "default", 1).insert(&app.db()).await.unwrap();
    assert_eq!(received(&mut client).await, ["CREATED default"]);
}
