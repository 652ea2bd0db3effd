//! Credentials that expire: a warning, then close code 4401.

use std::time::{Duration, Instant, SystemTime};

use rest_live::{
    testing::Client,
    transport::{CloseCode, Handshake},
};
use serde_json::json;

use super::{auth, expect_authenticated, open, owner, without_user};
use crate::vault::{Person, ada, expect_error, expect_subscribed};

/// Receives until the warning, and returns its time.
async fn expect_expiring(client: &mut Client<Person>) -> Duration {
    let warning = client.receive_json().await;
    assert_eq!(warning["type"], "expiring", "{warning}");
    assert_eq!(warning.as_object().unwrap().len(), 2);
    Duration::from_millis(warning["in_ms"].as_u64().unwrap())
}

#[tokio::test]
async fn token_expires_after_one_warning() {
    let vault = open().await;
    let mut client = without_user(&vault);
    let start = Instant::now();
    let answer = expect_authenticated(&mut client, "ada 400").await;
    let expires_ms = answer["expires_ms"].as_u64().unwrap();
    assert!((300..=400).contains(&expires_ms), "{answer}");
    let in_ms = expect_expiring(&mut client).await;
    assert!(start.elapsed() >= Duration::from_millis(200), "too early");
    assert!(in_ms <= Duration::from_millis(200), "{in_ms:?}");
    assert_eq!(client.receive_close().await, CloseCode::Unauthenticated);
    assert_eq!(CloseCode::Unauthenticated.code_and_reason().0, 4401);
    assert!(start.elapsed() >= Duration::from_millis(399), "too early");
}

#[tokio::test]
async fn request_expires_in_each_dialect() {
    let vault = open().await;
    let requests = [
        (json!({"model": "vault.Secret", "owner": "ada"}), false),
        (
            json!({"type": "subscribe", "id": 1, "action": "list", "model": "vault.Secret", "view_kwargs": {"owner": "ada"}}),
            false,
        ),
        (owner(1, &ada()), true),
    ];
    for (request, is_warned) in requests {
        let expires_at = SystemTime::now() + Duration::from_millis(200);
        let handshake = Handshake::new(ada()).expires_at(Some(expires_at));
        let mut client = Client::connect(&vault.live, handshake);
        client.send_json(request).await;
        if is_warned {
            assert_eq!(client.receive_json().await["type"], "subscribed");
            expect_expiring(&mut client).await;
        }
        assert_eq!(client.receive_close().await, CloseCode::Unauthenticated);
        assert!(SystemTime::now() >= expires_at, "too early");
    }
}

#[tokio::test]
async fn expired_request_is_closed_at_once() {
    let vault = open().await;
    vault.insert_secret(1, &ada(), 1).await;
    let past = SystemTime::now() - Duration::from_secs(1);
    for v1 in [false, true] {
        let handshake = Handshake::new(ada()).v1(v1).expires_at(Some(past));
        let mut client = Client::connect(&vault.live, handshake);
        client.send_json(owner(1, &ada())).await;
        assert_eq!(client.receive_close().await, CloseCode::Unauthenticated);
    }
    assert_eq!(vault.live.disconnect(|_| true), 0, "no one was signed in");
}

#[tokio::test]
async fn refresh_cancels_the_expiry() {
    let vault = open().await;
    let expires_at = SystemTime::now() + Duration::from_millis(300);
    let handshake = Handshake::new(ada()).v1(true).expires_at(Some(expires_at));
    let mut client = Client::connect(&vault.live, handshake);
    assert_eq!(client.receive_json().await["type"], "hello");
    expect_subscribed(&mut client, owner(1, &ada())).await;
    let in_ms = expect_expiring(&mut client).await;
    assert!(in_ms <= Duration::from_millis(150));
    // A wrong token does not change the expiry.
    assert_eq!(expect_error(&mut client, auth("wrong")).await.0, 401);
    expect_authenticated(&mut client, "ada 300").await;
    expect_expiring(&mut client).await;
    assert!(
        SystemTime::now() >= expires_at,
        "this is the second warning"
    );
    let answer = expect_authenticated(&mut client, "ada").await;
    assert!(answer.get("expires_ms").is_none(), "{answer}");
    // The other client's credentials expire later than those that were canceled.
    let mut other = without_user(&vault);
    expect_authenticated(&mut other, "ada 300").await;
    expect_expiring(&mut other).await;
    assert_eq!(other.receive_close().await, CloseCode::Unauthenticated);
    client.receive_nothing().await;
}

#[tokio::test]
async fn expired_user_receives_nothing_more() {
    let vault = open().await;
    let mut client = without_user(&vault);
    expect_authenticated(&mut client, "ada 200").await;
    expect_subscribed(&mut client, owner(1, &ada())).await;
    let end = Instant::now() + Duration::from_millis(300);
    let mut id = 0;
    while Instant::now() < end {
        id += 1;
        vault.insert_secret(id, &ada(), 1).await;
    }
    // What was queued is dropped with the close.
    assert_eq!(client.receive_close().await, CloseCode::Unauthenticated);
    client.send_json(owner(2, &ada())).await;
    client.send_json(auth("ada")).await;
    assert_eq!(client.receive_close().await, CloseCode::Unauthenticated);
}
