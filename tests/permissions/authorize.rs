//! `authorize`: which users may subscribe, and what happens when that changes.

use rest_live::transport::CloseCode;
use sea_orm::{ActiveModelTrait, ActiveValue::Set, IntoActiveModel};
use serde_json::json;

use crate::vault::{
    Person, Vault, ada, bob, expect_error, expect_subscribed, folder, permissions, subscribe,
};

#[tokio::test]
async fn unauthorized_client_gets_403_only() {
    let vault = Vault::open().await;
    vault.admit(1, &ada()).await;
    let (mut reader, mut stranger) = (vault.client(ada()), vault.client(bob()));
    expect_subscribed(&mut reader, folder(1, 1)).await;
    let forbidden = (403, "forbidden".to_owned());
    assert_eq!(expect_error(&mut stranger, folder(1, 1)).await, forbidden);
    assert_eq!(expect_error(&mut reader, folder(2, 2)).await, forbidden);

    vault.insert_secret(1, &bob(), 1).await;
    vault.insert_secret(2, &bob(), 2).await;
    let broadcast = reader.receive_json().await;
    assert_eq!(broadcast["payload"], json!({"id": 1}));
    reader.receive_nothing().await;
    stranger.receive_nothing().await;
    // The refused client has chosen no dialect, and its id is free.
    stranger
        .send_json(json!({"model": "vault.Secret", "owner": "bob"}))
        .await;
    vault.insert_secret(3, &bob(), 1).await;
    let broadcast = stranger.receive_json().await;
    assert_eq!(broadcast["payload"], json!({"id": 3, "text": "secret 3"}));
}

/// Each user has a database of their own, which contains their rights.
#[tokio::test]
async fn authorize_receives_the_session_connection() {
    let other = Vault::open().await;
    other.admit(1, &ada()).await;
    let rights = other.db().inner().clone();
    let vault = Vault::build(|builder| {
        builder.session_db(move |person, scope| {
            assert!(person.name != "eve", "this function panics on purpose");
            assert_eq!(scope, None);
            rights.clone()
        })
    })
    .await;
    vault.admit(2, &ada()).await;
    let mut client = vault.client(ada());
    expect_subscribed(&mut client, folder(1, 1)).await;
    let forbidden = (403, "forbidden".to_owned());
    assert_eq!(expect_error(&mut client, folder(2, 2)).await, forbidden);
    let mut client = vault.client(Person { name: "eve" });
    let internal = (500, "internal_error".to_owned());
    assert_eq!(expect_error(&mut client, folder(1, 1)).await, internal);
}

#[tokio::test]
async fn failing_authorize_refuses_without_details() {
    let vault =
        Vault::with(|limits| limits.authorize_timeout(std::time::Duration::from_millis(50))).await;
    let mut client = vault.client(ada());
    let internal = (500, "internal_error".to_owned());
    assert_eq!(expect_error(&mut client, folder(1, 500)).await, internal);
    assert_eq!(expect_error(&mut client, folder(1, 501)).await, internal);
    let unavailable = (503, "unavailable".to_owned());
    assert_eq!(expect_error(&mut client, folder(1, 502)).await, unavailable);
    vault.admit(1, &ada()).await;
    expect_subscribed(&mut client, folder(1, 1)).await;
}

/// With a permission, the old row is read before every write, even if no group column is set.
#[tokio::test]
async fn hidden_row_is_deleted_with_its_last_seen_state() {
    let vault = Vault::open().await;
    let (mut first, mut second) = (vault.client(ada()), vault.client(bob()));
    for client in [&mut first, &mut second] {
        expect_subscribed(client, subscribe(1, "vault.Secret", json!({"pk": 1}))).await;
    }
    let secret = vault.insert_secret(1, &ada(), 1).await;
    assert_eq!(first.receive_json().await["action"], "CREATED");
    second.receive_nothing().await;

    let mut changed = secret.into_active_model();
    changed.owner = Set("bob".to_owned());
    changed.text = Set("for bob only".to_owned());
    let secret = changed.update(&vault.db()).await.unwrap();
    let deleted = first.receive_json().await;
    assert_eq!(
        (&deleted["action"], &deleted["payload"]["text"]),
        (&json!("DELETED"), &json!("secret 1"))
    );
    let created = second.receive_json().await;
    assert_eq!(
        (&created["action"], &created["payload"]["text"]),
        (&json!("CREATED"), &json!("for bob only"))
    );
    // The row moved from one owner to another, which is a unit for both.
    for client in [&mut first, &mut second] {
        assert_eq!(client.receive_json().await["type"], "unit");
    }

    secret
        .into_active_model()
        .delete(&vault.db())
        .await
        .unwrap();
    assert_eq!(second.receive_json().await["action"], "DELETED");
    first.receive_nothing().await;
    second.receive_nothing().await;
}

/// A model that was read long ago does not decide who may see the row now.
#[tokio::test]
async fn delete_by_stale_model_uses_current_permission() {
    let vault = Vault::open().await;
    let mut client = vault.client(ada());
    expect_subscribed(&mut client, subscribe(1, "vault.Secret", json!({"pk": 1}))).await;
    let stale = vault.insert_secret(1, &ada(), 1).await;
    client.receive_json().await;
    let mut change = stale.clone().into_active_model();
    change.owner = Set("bob".to_owned());
    change.update(&vault.db()).await.unwrap();
    assert_eq!(client.receive_json().await["action"], "DELETED");
    assert_eq!(client.receive_json().await["type"], "unit");
    stale.into_active_model().delete(&vault.db()).await.unwrap();
    client.receive_nothing().await;
}

#[tokio::test]
async fn revocation_ends_with_403_in_each_dialect() {
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
    expect_subscribed(&mut v1, folder(1, 1)).await;
    expect_subscribed(&mut v1, folder(2, 2)).await;
    expect_subscribed(&mut v1, folder(3, 1)).await;
    expect_subscribed(&mut other, folder(1, 1)).await;
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

    vault.insert_secret(1, &bob(), 1).await;
    assert_eq!(other.receive_json().await["payload"]["id"], 1);
    for client in [&mut v1, &mut plain, &mut old] {
        client.receive_nothing().await;
    }
    vault.insert_secret(2, &bob(), 2).await;
    for client in [&mut v1, &mut plain, &mut old] {
        client.receive_json().await;
    }
}

/// `authorize` reads the table before the reader is expelled, and returns afterwards.
#[tokio::test]
async fn reauthorize_covers_pending_subscriptions() {
    let vault = Vault::open().await;
    vault.admit(503, &ada()).await;
    let mut client = vault.client(ada());
    let expel = async {
        permissions::CALL_STARTED.acquire().await.unwrap().forget();
        vault.expel(503, &ada()).await;
        assert_eq!(vault.live.reauthorize(|_| true).await, 0);
        // One permit for the call from before, one for the call that repeats it.
        permissions::CALL_MAY_END.add_permits(2);
    };
    tokio::join!(client.send_json(folder(1, 503)), expel);
    assert_eq!(client.receive_json().await["code"], 403);
    vault.insert_secret(1, &bob(), 503).await;
    client.receive_nothing().await;
}

#[tokio::test]
async fn disconnect_closes_with_forbidden() {
    let vault = Vault::open().await;
    let (mut first, mut second) = (vault.client(ada()), vault.client(bob()));
    assert_eq!(vault.live.disconnect(|person| person.name == "ada"), 1);
    assert_eq!(first.receive_close().await, CloseCode::Forbidden);
    assert_eq!(CloseCode::Forbidden.code_and_reason().0, 4403);
    second.receive_nothing().await;
}
