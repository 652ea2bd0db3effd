//! Tokens that are not accepted, connections without a user, and the limits of `auth`.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::future::join_all;
use rest_live::{
    Limits,
    db::Scope,
    testing::Client,
    transport::{CloseCode, Handshake},
};
use serde_json::json;

use super::{auth, expect_authenticated, open, owner, user_of, with, without_user};
use crate::{
    log::Log,
    vault::{Person, Vault, ada, bob, expect_error, expect_subscribed, folder},
};

#[tokio::test]
async fn requests_need_a_user_in_each_dialect() {
    let vault = open().await;
    let mut client = without_user(&vault);
    let plain = json!({"model": "vault.Secret", "folder_id": 1});
    let old = json!({"type": "subscribe", "id": 0, "action": "list", "model": "vault.Secret", "view_kwargs": {"folder_id": 1}});
    client.send_json(plain.clone()).await;
    let message = "this connection has no user yet: send `auth` with a token first";
    let answer = json!({"type": "error", "code": 401, "error": "unauthenticated", "message": message, "retry": false, "model": "vault.Secret", "group": {"folder_id": 1}});
    assert_eq!(client.receive_json().await, answer);
    client.send_json(old).await;
    let answer = json!({"type": "error", "id": 0, "code": 401, "message": message});
    assert_eq!(client.receive_json().await, answer);
    client.send_json(folder(1, 1)).await;
    let answer = json!({"type": "error", "id": 1, "code": 401, "error": "unauthenticated", "message": message, "retry": false});
    assert_eq!(client.receive_json().await, answer);
    // Without a user, a client does not learn which models there are.
    for request in [
        json!({"model": "vault.Unknown", "pk": 1}),
        json!({"model": "vault.Unknown", "pk": 1, "unsubscribe": true}),
        json!({"id": 1, "model": "vault.Unknown", "group": {"pk": 1}, "since": "x.1"}),
    ] {
        assert_eq!(expect_error(&mut client, request).await.0, 401);
    }
    // A token selects no dialect.
    vault.admit(1, &ada()).await;
    expect_authenticated(&mut client, "ada").await;
    client.send_json(plain).await;
    vault.insert_secret(1, &bob(), 1).await;
    let broadcast = json!({"model": "vault.Secret", "payload": {"id": 1}, "action": "CREATED"});
    assert_eq!(client.receive_json().await, broadcast);
    // From now on, the dialect has no `auth`.
    assert_eq!(
        expect_error(&mut client, auth("ada")).await,
        (400, "wrong_dialect".to_owned())
    );
}

#[tokio::test]
async fn wrong_tokens_are_401_and_failures_500() {
    let log = Log::start();
    let vault = with(|limits| {
        let limits = limits.auth_rate(100, 100);
        limits.authorize_timeout(Duration::from_millis(50))
    })
    .await;
    vault.admit(1, &ada()).await;
    let mut client = vault.client(ada());
    expect_subscribed(&mut client, folder(1, 1)).await;
    for (token, code, error) in [
        ("swordfish", 401, "invalid_token"),
        ("missing swordfish", 401, "invalid_token"),
        ("bob -1000", 401, "invalid_token"),
        ("database swordfish", 500, "internal_error"),
        ("caused swordfish", 500, "internal_error"),
        ("panics swordfish", 500, "internal_error"),
        ("waits swordfish", 503, "unavailable"),
    ] {
        let answer = expect_error(&mut client, auth(token)).await;
        assert_eq!(answer, (code, error.to_owned()), "{token}");
    }
    // The old user stays.
    vault.insert_secret(1, &bob(), 1).await;
    assert_eq!(client.receive_json().await["action"], "CREATED");
    let log = log.end();
    assert!(log.contains("the database is down"), "{log}");
    assert!(log.contains("authenticate panicked"), "{log}");
    assert!(!log.contains("swordfish"), "{log}");
}

#[tokio::test]
async fn malformed_auth_is_400() {
    let vault = open().await;
    let mut client = without_user(&vault);
    for request in [
        json!({"type": "auth", "token": "ada"}),
        json!({"type": "auth", "id": 1}),
        json!({"type": "auth", "id": 1, "token": null}),
        json!({"type": "auth", "id": 1, "token": ["swordfish"]}),
    ] {
        let answer = expect_error(&mut client, request).await;
        assert_eq!(answer, (400, "unknown_shape".to_owned()));
    }
}

#[tokio::test]
async fn auth_without_authenticate_is_400() {
    let vault = Vault::open().await;
    let mut client = without_user(&vault);
    client.send_json(auth("ada")).await;
    let answer = client.receive_json().await;
    assert_eq!(
        (&answer["code"], &answer["retry"]),
        (&json!(400), &json!(false))
    );
    let message = answer["message"].as_str().unwrap();
    assert!(message.contains("accepts no tokens"), "{message}");
}

#[tokio::test]
async fn auth_flood_is_429() {
    let vault = with(|limits| limits.auth_rate(1, 3)).await;
    let mut client = without_user(&vault);
    for _ in 0..3 {
        assert_eq!(expect_error(&mut client, auth("wrong")).await.0, 401);
    }
    // All are sent within a second, before another one is allowed.
    let answer = expect_error(&mut client, auth("ada")).await;
    assert_eq!(answer, (429, "too_many_auths".to_owned()));
}

#[tokio::test]
async fn tokens_are_checked_few_at_a_time() {
    let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let counters = (Arc::clone(&running), Arc::clone(&most));
    let limits = Limits::default().max_concurrent_authorize(2);
    let vault = Vault::build(|builder| {
        builder.limits(limits).authenticate(move |token| {
            let (running, most) = (Arc::clone(&counters.0), Arc::clone(&counters.1));
            async move {
                let now = running.fetch_add(1, Ordering::SeqCst) + 1;
                most.fetch_max(now, Ordering::SeqCst);
                tokio::time::sleep(Duration::from_millis(5)).await;
                running.fetch_sub(1, Ordering::SeqCst);
                user_of(token).await
            }
        })
    })
    .await;
    let mut clients: Vec<_> = (0..10).map(|_| without_user(&vault)).collect();
    let checks = clients.iter_mut().map(|c| expect_authenticated(c, "ada"));
    join_all(checks).await;
    assert_eq!(most.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn waiting_tokens_are_bounded_by_503() {
    let vault = with(|limits| {
        let limits = limits.max_concurrent_authorize(1);
        limits.authorize_wait_timeout(Duration::from_millis(50))
    })
    .await;
    let stuck = without_user(&vault);
    let mut client = without_user(&vault);
    let busy = stuck.send_json(auth("waits"));
    let refused = async {
        tokio::task::yield_now().await;
        expect_error(&mut client, auth("ada")).await
    };
    tokio::select! {
        biased;
        () = busy => panic!("the first check never ends"),
        answer = refused => assert_eq!(answer, (503, "unavailable".to_owned())),
    }
}

#[tokio::test]
async fn connection_without_user_must_authenticate() {
    let vault = with(|limits| limits.auth_timeout(Duration::from_millis(50))).await;
    let (mut late, mut early) = (without_user(&vault), without_user(&vault));
    expect_authenticated(&mut early, "ada").await;
    assert_eq!(late.receive_close().await, CloseCode::Unauthenticated);
    early.receive_nothing().await;
    expect_subscribed(&mut early, owner(1, &ada())).await;
}

#[tokio::test]
async fn connection_counts_for_its_new_user() {
    let vault = with(|limits| limits.max_connections_per_user(1)).await;
    let mut first = without_user(&vault);
    expect_authenticated(&mut first, "ada").await;
    let mut second = without_user(&vault);
    second.send_json(auth("ada")).await;
    assert_eq!(second.receive_close().await, CloseCode::TooMany);
    let mut third = vault.client(ada());
    assert_eq!(third.receive_close().await, CloseCode::TooMany);
    // A refresh counts once, and another user frees the place.
    expect_authenticated(&mut first, "ada").await;
    expect_authenticated(&mut first, "bob").await;
    expect_subscribed(&mut vault.client(ada()), owner(1, &ada())).await;
}

/// Every person belongs to the tenant of their name.
#[tokio::test]
async fn token_of_another_scope_is_403() {
    let tenant = |person: &Person| Some(Scope::from(person.name));
    let vault = Vault::build(|builder| {
        let limits = Limits::default().auth_rate(100, 100);
        builder.limits(limits).scope(tenant).authenticate(user_of)
    })
    .await;
    let of_bob = Handshake::without_user().scope(Some(Scope::from("bob")));
    let cases = [
        (vault.client(ada()), "ada", "bob"),
        (without_user(&vault), "ada", "bob"),
        (Client::connect(&vault.live, of_bob), "bob", "ada"),
    ];
    for (mut client, own, other) in cases {
        expect_authenticated(&mut client, own).await;
        let answer = expect_error(&mut client, auth(other)).await;
        assert_eq!(answer, (403, "forbidden".to_owned()));
        // The connection continues as before.
        expect_authenticated(&mut client, own).await;
    }
}

#[tokio::test]
async fn scope_of_the_request_suits_users_without_one() {
    let vault = Vault::build(|builder| builder.scope(|_| None).authenticate(user_of)).await;
    let scope = Some(Scope::from("tenant"));
    let scoped = Handshake::without_user().scope(scope.clone());
    let mut client = Client::connect(&vault.live, scoped);
    expect_authenticated(&mut client, "ada").await;
    let mut client = Client::connect(&vault.live, Handshake::new(ada()).scope(scope));
    expect_authenticated(&mut client, "bob").await;
}
