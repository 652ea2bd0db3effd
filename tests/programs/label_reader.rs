//! Prints the first change of an item that another program makes.

#![allow(clippy::print_stdout, reason = "the test reads it")]

mod item;

use rest_live::testing::Client;
use serde_json::json;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let live = item::live().await;
    let mut client = Client::connect(&live, ());
    let request = json!({"id": 1, "model": "rest_live_tests.SharedItem", "group": {"pk": 1}});
    client.send_json(request).await;
    println!("{}", client.receive_json().await);
    println!("{}", client.receive_json().await);
    live.shutdown().await;
}
