//! What a slow client is replayed is what its user may see when it is sent.

use rest_live::testing::Client;
use sea_orm::{ActiveModelTrait, ActiveValue::Set, IntoActiveModel};
use serde_json::{Value, json};

use crate::vault::{Person, Vault, ada, bob, expect_subscribed, folder, secret, subscribe};

/// More rows than the queue of a client holds.
const MISSED: i32 = 6;

async fn vault() -> Vault {
    Vault::with(|limits| limits.max_pending_messages(4)).await
}

fn of_owner(id: i32, person: &Person) -> Value {
    subscribe(id, "vault.Secret", json!({ "owner": person.name }))
}

/// Inserts more secrets of ada in folder 1 than the queue of a client holds.
async fn fall_behind(vault: &Vault) -> Vec<secret::Model> {
    let mut secrets = Vec::new();
    for id in 1..=MISSED {
        secrets.push(vault.insert_secret(id, &ada(), 1).await);
    }
    secrets
}

async fn change_owner(vault: &Vault, secret: &secret::Model, person: &Person) {
    let mut secret = secret.clone().into_active_model();
    secret.owner = Set(person.name.to_owned());
    secret.update(&vault.db()).await.unwrap();
}

fn broadcasts(frames: &[Value]) -> Vec<(Value, Value)> {
    let frames = frames.iter().filter(|frame| frame["type"] == "broadcast");
    frames
        .map(|frame| (frame["action"].clone(), frame["payload"]["id"].clone()))
        .collect()
}

async fn subscribed(vault: &Vault, person: Person, request: Value) -> Client<Person> {
    let mut client = vault.client(person);
    expect_subscribed(&mut client, request).await;
    client
}

/// A row that is given away meanwhile is gone for its old owner, with the state that they knew. A
/// row that was never theirs is not shown.
#[tokio::test]
async fn hidden_rows_are_not_replayed() {
    let vault = vault().await;
    let mut slow = subscribed(&vault, ada(), of_owner(1, &ada())).await;
    let mut other = subscribed(&vault, bob(), of_owner(1, &ada())).await;
    let secrets = fall_behind(&vault).await;
    change_owner(&vault, &secrets[2], &bob()).await;
    let frames = slow.received().await;
    let shown = broadcasts(&frames);
    let expected = [1, 2, 4, 5, 6].map(|id| (json!("CREATED"), json!(id)));
    assert_eq!(shown[..5], expected);
    assert_eq!(shown[5..], [(json!("DELETED"), json!(3))]);
    assert!(broadcasts(&other.received().await).is_empty());
}

/// After a revocation no row follows, whether it was queued or prepared.
#[tokio::test]
async fn revoked_subscription_is_not_replayed() {
    let vault = vault().await;
    vault.admit(1, &bob()).await;
    let mut slow = subscribed(&vault, bob(), folder(1, 1)).await;
    fall_behind(&vault).await;
    let first = slow.receive_json().await;
    assert_eq!(first["type"], "broadcast");
    vault.expel(1, &bob()).await;
    assert_eq!(vault.live.reauthorize(|person| *person == bob()).await, 1);
    let frames = slow.received().await;
    let revoked = frames.iter().position(|f| f["type"] == "unsubscribed");
    let revoked = revoked.expect("the client is informed");
    assert_eq!(frames[revoked]["code"], 403);
    // What the client had received before is not taken back.
    assert!(broadcasts(&frames[revoked..]).is_empty(), "{frames:?}");
    assert!(broadcasts(&frames).len() < MISSED as usize - 1);
}

/// A serializer that fails for a row, or a permission that panics, hides this row only.
#[tokio::test]
async fn failing_code_hides_single_rows() {
    let vault = vault().await;
    let notes = subscribe(1, "vault.Note", json!({ "list_id": 1 }));
    let mut slow = subscribed(&vault, bob(), notes).await;
    for (id, text) in (1..).zip(["a", "unfair", "b", "poison", "c", "refused", "d", "e"]) {
        vault.insert_note(id, text).await;
    }
    let shown = broadcasts(&slow.received().await);
    let expected = [1, 3, 5, 7, 8].map(|id| (json!("CREATED"), json!(id)));
    assert_eq!(shown, expected);
}
