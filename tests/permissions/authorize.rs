//! Who may subscribe, and what happens when that changes.

use rest_live::transport::CloseCode;
use sea_orm::{ActiveModelTrait, ActiveValue::Set, IntoActiveModel};
use serde_json::json;

use crate::vault::{Vault, ada, bob, folder, granted, permissions, refused, subscribe};

#[tokio::test]
async fn who_is_not_authorized_gets_403_and_nothing_else() {
    let vault = Vault::open().await;
    vault.admit(1, &ada()).await;
    let (mut reader, mut stranger) = (vault.client(ada()), vault.client(bob()));
    granted(&mut reader, folder(1, 1)).await;
    let forbidden = (403, "forbidden".to_owned());
    assert_eq!(refused(&mut stranger, folder(1, 1)).await, forbidden);
    assert_eq!(refused(&mut reader, folder(2, 2)).await, forbidden);

    vault.put(1, &bob(), 1).await;
    vault.put(2, &bob(), 2).await;
    let broadcast = reader.receive_json().await;
    assert_eq!(broadcast["payload"], json!({"id": 1}));
    reader.receive_nothing().await;
    stranger.receive_nothing().await;
    // The refused one has chosen no dialect, and its id is free.
    stranger
        .send_json(json!({"model": "vault.Secret", "owner": "bob"}))
        .await;
    vault.put(3, &bob(), 1).await;
    let broadcast = stranger.receive_json().await;
    assert_eq!(broadcast["payload"], json!({"id": 3, "text": "secret 3"}));
}

#[tokio::test]
async fn an_authorize_that_fails_refuses_and_says_nothing_of_why() {
    let vault =
        Vault::with(|limits| limits.authorize_timeout(std::time::Duration::from_millis(50))).await;
    let mut client = vault.client(ada());
    let internal = (500, "internal_error".to_owned());
    assert_eq!(refused(&mut client, folder(1, 500)).await, internal);
    assert_eq!(refused(&mut client, folder(1, 501)).await, internal);
    let unavailable = (503, "unavailable".to_owned());
    assert_eq!(refused(&mut client, folder(1, 502)).await, unavailable);
    vault.admit(1, &ada()).await;
    granted(&mut client, folder(1, 1)).await;
}

/// With a permission, the old row is read before every write, also where no group column is set.
#[tokio::test]
async fn a_row_that_stops_being_visible_is_deleted_with_what_was_seen_last() {
    let vault = Vault::open().await;
    let (mut first, mut second) = (vault.client(ada()), vault.client(bob()));
    for client in [&mut first, &mut second] {
        granted(client, subscribe(1, "vault.Secret", json!({"pk": 1}))).await;
    }
    let secret = vault.put(1, &ada(), 1).await;
    assert_eq!(first.receive_json().await["action"], "CREATED");
    second.receive_nothing().await;

    let mut handed_over = secret.into_active_model();
    handed_over.owner = Set("bob".to_owned());
    handed_over.text = Set("for bob only".to_owned());
    let secret = handed_over.update(&vault.db()).await.unwrap();
    let gone = first.receive_json().await;
    assert_eq!(
        (&gone["action"], &gone["payload"]["text"]),
        (&json!("DELETED"), &json!("secret 1"))
    );
    let come = second.receive_json().await;
    assert_eq!(
        (&come["action"], &come["payload"]["text"]),
        (&json!("CREATED"), &json!("for bob only"))
    );

    secret
        .into_active_model()
        .delete(&vault.db())
        .await
        .unwrap();
    assert_eq!(second.receive_json().await["action"], "DELETED");
    first.receive_nothing().await;
    second.receive_nothing().await;
}

/// A model that was read long ago says nothing of who may see the row now.
#[tokio::test]
async fn a_delete_by_a_stale_model_shows_nothing_to_who_saw_the_row_once() {
    let vault = Vault::open().await;
    let mut client = vault.client(ada());
    granted(&mut client, subscribe(1, "vault.Secret", json!({"pk": 1}))).await;
    let stale = vault.put(1, &ada(), 1).await;
    client.receive_json().await;
    let mut change = stale.clone().into_active_model();
    change.owner = Set("bob".to_owned());
    change.update(&vault.db()).await.unwrap();
    assert_eq!(client.receive_json().await["action"], "DELETED");
    stale.into_active_model().delete(&vault.db()).await.unwrap();
    client.receive_nothing().await;
}

#[tokio::test]
async fn a_revoked_subscription_ends_with_403_in_each_dialect() {
    let vault = Vault::open().await;
    for folder_id in [1, 2] {
        vault.admit(folder_id, &ada()).await;
        vault.admit(folder_id, &bob()).await;
    }
    let (mut v1, mut plain, mut old) = (
        vault.client(ada()),
        vault.client(ada()),
        vault.client(ada()),
    );
    let mut other = vault.client(bob());
    granted(&mut v1, folder(1, 1)).await;
    granted(&mut v1, folder(2, 2)).await;
    granted(&mut v1, folder(3, 1)).await;
    granted(&mut other, folder(1, 1)).await;
    for folder_id in [1, 2] {
        plain
            .send_json(json!({"model": "vault.Secret", "folder_id": folder_id}))
            .await;
        old.send_json(json!({
            "type": "subscribe", "id": folder_id, "action": "list", "model": "vault.Secret",
            "view_kwargs": {"folder_id": folder_id},
        }))
        .await;
    }

    vault.expel(1, &ada()).await;
    let revoked = vault.live.reauthorize(|person| person.name == "ada").await;
    assert_eq!(revoked, 3);
    for id in [1, 3] {
        assert_eq!(
            v1.receive_json().await,
            json!({"type": "unsubscribed", "id": id, "code": 403, "reason": "revoked"})
        );
    }
    let error = plain.receive_json().await;
    assert_eq!(
        (
            &error["code"],
            &error["error"],
            &error["model"],
            &error["group"]
        ),
        (
            &json!(403),
            &json!("revoked"),
            &json!("vault.Secret"),
            &json!({"folder_id": 1})
        )
    );
    let error = old.receive_json().await;
    assert_eq!((&error["type"], &error["id"]), (&json!("error"), &json!(1)));
    assert_eq!(error["code"], 403);

    vault.put(1, &bob(), 1).await;
    assert_eq!(other.receive_json().await["payload"]["id"], 1);
    for client in [&mut v1, &mut plain, &mut old] {
        client.receive_nothing().await;
    }
    vault.put(2, &bob(), 2).await;
    for client in [&mut v1, &mut plain, &mut old] {
        client.receive_json().await;
    }
}

/// The answer was found before the reader was expelled, and comes after.
#[tokio::test]
async fn a_subscription_under_way_does_not_outlive_a_reauthorization() {
    let vault = Vault::open().await;
    vault.admit(503, &ada()).await;
    let mut client = vault.client(ada());
    let expel = async {
        permissions::ASKED.acquire().await.unwrap().forget();
        vault.expel(503, &ada()).await;
        assert_eq!(vault.live.reauthorize(|_| true).await, 0);
        // The answer from before, and the one to the question that is asked again.
        permissions::ANSWER.add_permits(2);
    };
    tokio::join!(client.send_json(folder(1, 503)), expel);
    assert_eq!(client.receive_json().await["code"], 403);
    vault.put(1, &bob(), 503).await;
    client.receive_nothing().await;
}

#[tokio::test]
async fn who_is_disconnected_is_told_not_to_come_back() {
    let vault = Vault::open().await;
    let (mut first, mut second) = (vault.client(ada()), vault.client(bob()));
    assert_eq!(vault.live.disconnect(|person| person.name == "ada"), 1);
    assert_eq!(first.receive_close().await, CloseCode::Forbidden);
    assert_eq!(CloseCode::Forbidden.on_the_wire().0, 4403);
    second.receive_nothing().await;
}
