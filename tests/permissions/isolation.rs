//! A failure in the application's code costs one frame. Its message reaches no client.

use sea_orm::{ActiveModelTrait, ActiveValue::Set, IntoActiveModel};
use serde_json::json;

use crate::vault::{Vault, ada, bob, expect_subscribed, subscribe};

#[tokio::test]
async fn permission_panic_hides_one_change_from_one_user() {
    let vault = Vault::open().await;
    let (mut fair, mut unfair) = (vault.client(ada()), vault.client(bob()));
    for client in [&mut fair, &mut unfair] {
        expect_subscribed(client, subscribe(1, "vault.Note", json!({"list_id": 1}))).await;
    }
    vault.insert_note(1, "unfair").await;
    assert_eq!(fair.receive_json().await["payload"]["text"], "unfair");
    unfair.receive_nothing().await;
    vault.insert_note(2, "fair").await;
    for client in [&mut fair, &mut unfair] {
        assert_eq!(client.receive_json().await["payload"]["text"], "fair");
    }
}

#[tokio::test]
async fn serializer_failure_drops_only_its_frame() {
    let vault = Vault::open().await;
    let mut client = vault.client(ada());
    expect_subscribed(
        &mut client,
        subscribe(1, "vault.Note", json!({"list_id": 1})),
    )
    .await;
    expect_subscribed(&mut client, subscribe(2, "vault.Note", json!({"pk": 2}))).await;
    for text in ["poison", "refused"] {
        let note = vault.insert_note(1, text).await;
        client.receive_nothing().await;
        let mut fixed = note.into_active_model();
        fixed.text = Set("mended".to_owned());
        let note = fixed.update(&vault.db()).await.unwrap();
        assert_eq!(client.receive_json().await["payload"]["text"], "mended");
        note.into_active_model().delete(&vault.db()).await.unwrap();
        assert_eq!(client.receive_json().await["action"], "DELETED");
    }
}
