//! Writes an item and ends.

mod item;

use sea_orm::{ActiveModelTrait, ActiveValue::Set};

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let live = item::live().await;
    let row = item::ActiveModel { id: Set(1) };
    row.insert(&live.db()).await.expect("a row");
    live.shutdown().await;
}
