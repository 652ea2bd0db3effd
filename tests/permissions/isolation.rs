//! What fails in the application's code hurts one frame, and its text reaches nobody.

use sea_orm::{ActiveModelTrait, ActiveValue::Set, IntoActiveModel};
use serde_json::json;

use crate::vault::{Vault, ada, bob, granted, subscribe};

#[tokio::test]
async fn a_permission_that_panics_for_one_user_hides_one_change_from_that_one() {
    let vault = Vault::open().await;
    let (mut fair, mut unfair) = (vault.client(ada()), vault.client(bob()));
    for client in [&mut fair, &mut unfair] {
        granted(client, subscribe(1, "vault.Note", json!({"list_id": 1}))).await;
    }
    vault.note(1, "unfair").await;
    assert_eq!(fair.receive_json().await["payload"]["text"], "unfair");
    unfair.receive_nothing().await;
    vault.note(2, "fair").await;
    for client in [&mut fair, &mut unfair] {
        assert_eq!(client.receive_json().await["payload"]["text"], "fair");
    }
}

#[tokio::test]
async fn a_serializer_that_panics_or_fails_costs_its_own_frame_and_no_write() {
    let vault = Vault::open().await;
    let mut client = vault.client(ada());
    granted(
        &mut client,
        subscribe(1, "vault.Note", json!({"list_id": 1})),
    )
    .await;
    granted(&mut client, subscribe(2, "vault.Note", json!({"pk": 2}))).await;
    for text in ["poison", "refused"] {
        let note = vault.note(1, text).await;
        client.receive_nothing().await;
        let mut mended = note.into_active_model();
        mended.text = Set("mended".to_owned());
        let note = mended.update(&vault.db()).await.unwrap();
        assert_eq!(client.receive_json().await["payload"]["text"], "mended");
        note.into_active_model().delete(&vault.db()).await.unwrap();
        assert_eq!(client.receive_json().await["action"], "DELETED");
    }
}
