//! Another token on an open connection: what its user keeps, and what they lose.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use serde_json::json;
use tokio::sync::Semaphore;

use super::{auth, expect_authenticated, open, owner, user_of, without_user};
use crate::vault::{Vault, ada, bob, expect_error, expect_subscribed, folder, subscribe};

#[tokio::test]
async fn token_lets_subscriptions_begin() {
    let vault = open().await;
    vault.admit(1, &ada()).await;
    let mut client = without_user(&vault);
    let answer = expect_authenticated(&mut client, "ada").await;
    assert_eq!(answer, json!({"type": "authenticated", "id": "auth"}));
    expect_subscribed(&mut client, folder(1, 1)).await;
    expect_subscribed(&mut client, owner(2, &ada())).await;
    vault.insert_secret(1, &ada(), 1).await;
    let mut payloads = [client.receive_json().await, client.receive_json().await];
    payloads.sort_by_key(|frame| frame["group"].to_string());
    assert_eq!(payloads[0]["payload"], json!({"id": 1}));
    assert_eq!(payloads[1]["payload"], json!({"id": 1, "text": "secret 1"}));
}

/// Equal users, with an `authorize` and with a `check_permission`: each row arrives exactly once.
#[tokio::test]
async fn refresh_of_an_equal_user_has_no_gap() {
    let vault = open().await;
    vault.admit(1, &ada()).await;
    let mut client = vault.client(ada());
    expect_subscribed(&mut client, folder(1, 1)).await;
    expect_subscribed(&mut client, owner(2, &ada())).await;
    let writer = async {
        for id in 1..=200 {
            vault.insert_secret(id, &ada(), 1).await;
            tokio::task::yield_now().await;
        }
    };
    let refreshes = async {
        for _ in 0..50 {
            client.send_json(auth("ada")).await;
            tokio::task::yield_now().await;
        }
    };
    tokio::join!(writer, refreshes);
    let mut received = [BTreeSet::new(), BTreeSet::new()];
    let mut authenticated = 0;
    for frame in client.received().await {
        match frame["type"].as_str().unwrap() {
            "authenticated" => authenticated += 1,
            "broadcast" => {
                let id = frame["payload"]["id"].as_i64().unwrap();
                let group = usize::from(frame["group"].get("owner").is_some());
                assert!(received[group].insert(id), "{id} twice");
            }
            other => panic!("{other}"),
        }
    }
    assert_eq!(authenticated, 50);
    assert_eq!(received[0], (1..=200).collect());
    assert_eq!(received[1], received[0]);
}

#[tokio::test]
async fn downgraded_user_loses_what_they_may_not_see() {
    let vault = open().await;
    for (folder_id, person) in [(1, ada()), (1, bob()), (2, ada())] {
        vault.admit(folder_id, &person).await;
    }
    let mut client = vault.client(ada());
    for request in [
        folder(1, 1),
        folder(2, 2),
        owner(3, &ada()),
        subscribe(4, "vault.Note", json!({"pk": 1})),
    ] {
        expect_subscribed(&mut client, request).await;
    }
    // These are queued for Ada: the client has not taken them.
    vault.insert_secret(1, &ada(), 1).await;
    vault.insert_secret(2, &ada(), 2).await;
    vault.insert_note(1, "open to all").await;
    without_user(&vault).receive_nothing().await; // all is dispatched
    client.send_json(auth("bob")).await;
    vault.insert_secret(3, &ada(), 1).await;
    vault.insert_secret(4, &ada(), 2).await;
    vault.insert_secret(5, &bob(), 3).await;

    let frames = client.received().await;
    let text = json!(frames).to_string();
    assert!(!text.contains("secret"), "only Ada may see it: {text}");
    let of = |kind: &str| {
        frames
            .iter()
            .filter(move |f| f["type"] == kind)
            .collect::<Vec<_>>()
    };
    let [ended] = &of("unsubscribed")[..] else {
        panic!("{text}");
    };
    assert_eq!(
        **ended,
        json!({"type": "unsubscribed", "id": 2, "code": 403, "reason": "revoked"})
    );
    // Only groups with a `check_permission` are reset.
    let resets: Vec<_> = of("reset")
        .iter()
        .map(|f| json!([f["id"], f["reason"]]))
        .collect();
    assert_eq!(resets, [json!([3, "bulk"]), json!([4, "bulk"])]);
    assert_eq!(of("authenticated").len(), 1);
    // Bob also reads folder 1, whose rows are the same for all its readers.
    let broadcasts = of("broadcast");
    let rows = broadcasts
        .iter()
        .map(|f| (f["group"].to_string(), &f["payload"]["id"]));
    let rows: Vec<_> = rows
        .map(|(group, id)| (group, id.as_i64().unwrap()))
        .collect();
    let expected = [1, 3].map(|id| (r#"{"folder_id":1}"#.to_owned(), id));
    assert_eq!(rows, expected, "{text}");
}

#[tokio::test]
async fn another_user_resets_rows_of_a_permission() {
    let vault = open().await;
    let mut client = vault.client(ada());
    expect_subscribed(&mut client, subscribe(1, "vault.Secret", json!({"pk": 1}))).await;
    expect_subscribed(&mut client, owner(2, &ada())).await;
    client.send_json(auth("bob")).await;
    for id in [1, 2] {
        let reset = client.receive_json().await;
        assert_eq!(
            (&reset["type"], &reset["id"]),
            (&json!("reset"), &json!(id))
        );
    }
    assert_eq!(client.receive_json().await["type"], "authenticated");
    // The subscriptions go on, for Bob.
    vault.insert_secret(1, &bob(), 1).await;
    assert_eq!(client.receive_json().await["payload"]["text"], "secret 1");
    vault.insert_secret(2, &ada(), 1).await;
    client.receive_nothing().await;
}

#[tokio::test]
async fn a_resume_from_the_reset_loses_nothing() {
    let vault = open().await;
    let mut client = vault.client(ada());
    expect_subscribed(&mut client, owner(1, &bob())).await;
    vault.insert_note(1, "so that the log has a position").await;
    client.receive_nothing().await;
    client.send_json(auth("bob")).await;
    let reset = client.receive_json().await;
    assert_eq!(reset["type"], "reset");
    vault.insert_secret(1, &bob(), 1).await;
    let mut resumed = vault.client(bob());
    let mut request = owner(1, &bob());
    request["since"] = reset["cursor"].clone();
    expect_subscribed(&mut resumed, request).await;
    assert_eq!(resumed.receive_json().await["payload"]["id"], 1);
}

#[tokio::test]
async fn disconnect_and_reauthorize_select_the_new_user() {
    let vault = open().await;
    vault.admit(1, &ada()).await;
    vault.admit(1, &bob()).await;
    let (mut client, anonymous) = (vault.client(ada()), without_user(&vault));
    expect_subscribed(&mut client, folder(1, 1)).await;
    expect_authenticated(&mut client, "bob").await;
    vault.expel(1, &ada()).await;
    assert_eq!(vault.live.reauthorize(|_| true).await, 0, "Bob may stay");
    vault.expel(1, &bob()).await;
    assert_eq!(vault.live.reauthorize(|person| *person == ada()).await, 0);
    assert_eq!(vault.live.reauthorize(|person| *person == bob()).await, 1);
    assert_eq!(client.receive_json().await["type"], "unsubscribed");
    assert_eq!(vault.live.disconnect(|person| *person == ada()), 0);
    assert_eq!(vault.live.disconnect(|_| true), 1, "no user, no predicate");
    assert_eq!(client.receive_close().await.code_and_reason().0, 4403);
    drop(anonymous);
}

/// Bob's token is withdrawn, and Bob disconnected, while a client waits for its check.
#[tokio::test]
async fn token_is_checked_again_after_a_disconnect() {
    let (started, may_end) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let is_withdrawn = Arc::new(AtomicBool::new(false));
    let parts = (started.clone(), may_end.clone(), is_withdrawn.clone());
    let vault = Vault::build(|builder| {
        builder.authenticate(move |token| {
            let (started, may_end, is_withdrawn) = parts.clone();
            async move {
                let is_valid = !is_withdrawn.load(Ordering::SeqCst);
                started.add_permits(1);
                may_end.acquire().await?.forget();
                if is_valid {
                    user_of(token).await
                } else {
                    Err("withdrawn".into())
                }
            }
        })
    })
    .await;
    let mut client = vault.client(ada());
    let withdraw = async {
        started.acquire().await.unwrap().forget();
        is_withdrawn.store(true, Ordering::SeqCst);
        assert_eq!(vault.live.disconnect(|person| *person == bob()), 0);
        may_end.add_permits(2);
    };
    let (answer, ()) = tokio::join!(expect_error(&mut client, auth("bob")), withdraw);
    assert_eq!(answer, (401, "invalid_token".to_owned()));
    assert_eq!(started.available_permits(), 1, "it was checked twice");
    assert_eq!(vault.live.disconnect(|person| *person == ada()), 1);
}
