//! Each limit is enforced, and the client gets its error code.

use std::time::Duration;

use rest_live::transport::{CloseCode, Handshake};
use serde_json::{Value, json};

use crate::vault::{Vault, ada, bob, expect_error, expect_subscribed, folder, subscribe};

fn secret(id: impl Into<Value>, pk: i32) -> Value {
    json!({"id": id.into(), "model": "vault.Secret", "group": {"pk": pk}})
}

#[tokio::test]
async fn excess_subscription_is_429_until_one_ends() {
    let vault = Vault::with(|limits| limits.max_subscriptions(2)).await;
    let mut client = vault.client(ada());
    expect_subscribed(&mut client, secret(1, 1)).await;
    expect_subscribed(&mut client, secret(2, 1)).await;
    let refusal = (429, "too_many_subscriptions".to_owned());
    assert_eq!(expect_error(&mut client, secret(3, 2)).await, refusal);
    client
        .send_json(json!({"type": "unsubscribe", "id": 1}))
        .await;
    assert_eq!(client.receive_json().await["type"], "unsubscribed");
    expect_subscribed(&mut client, secret(3, 2)).await;
}

#[tokio::test]
async fn messages_over_the_rate_are_429_then_4429() {
    let vault = Vault::with(|limits| limits.message_rate(1, 5)).await;
    let mut client = vault.client(ada());
    for id in 1..=5 {
        expect_subscribed(&mut client, secret(id, id)).await;
    }
    // They are all sent within a second, before another message is allowed.
    let mut refusals = 0;
    for id in 6..=60 {
        client.send_json(secret(id, id)).await;
    }
    loop {
        let frame = client.receive_json().await;
        if frame["error"] == "too_many_messages" {
            assert_eq!(
                (&frame["code"], &frame["retry"]),
                (&json!(429), &json!(true))
            );
            assert!(frame["id"].is_number());
            refusals += 1;
        }
        if refusals == 50 {
            break;
        }
    }
    // One message more than ten bursts.
    client.send_json(secret(61, 61)).await;
    assert_eq!(client.receive_close().await, CloseCode::TooMany);
    assert_eq!(CloseCode::TooMany.code_and_reason().0, 4429);
}

#[tokio::test]
async fn resumes_over_the_rate_are_429() {
    let vault = Vault::with(|limits| limits.resume_rate(0, 2)).await;
    let mut client = vault.client(ada());
    let since = |id| {
        let mut request = secret(id, id);
        request["since"] = json!("k3F9.174");
        request
    };
    for id in 1..=2 {
        expect_subscribed(&mut client, since(id)).await;
        let reset = client.receive_json().await;
        assert_eq!(
            (&reset["type"], &reset["reason"]),
            (&json!("reset"), &json!("epoch"))
        );
    }
    let refusal = (429, "too_many_resumes".to_owned());
    assert_eq!(expect_error(&mut client, since(3)).await, refusal);
    expect_subscribed(&mut client, secret(3, 3)).await;
}

#[tokio::test]
async fn an_id_over_its_length_is_400() {
    let vault = Vault::with(|limits| limits.max_id_bytes(4)).await;
    let mut client = vault.client(ada());
    expect_subscribed(&mut client, secret("four", 1)).await;
    let refusal = (400, "bad_id".to_owned());
    for id in [json!("fives"), json!(12345), json!(true), json!([1])] {
        assert_eq!(expect_error(&mut client, secret(id, 2)).await, refusal);
    }
}

#[tokio::test]
async fn excess_connections_are_closed_with_4429() {
    let vault = Vault::with(|limits| {
        limits
            .max_connections(4)
            .max_connections_per_user(2)
            .max_connections_per_address(2)
    })
    .await;
    let from = |person, address: &str| {
        let handshake = Handshake::new(person).address(Some(address.parse().unwrap()));
        rest_live::testing::Client::connect(&vault.live, handshake)
    };
    let mut first = from(ada(), "10.0.0.1");
    let second = from(ada(), "10.0.0.2");
    let mut third_of_a_user = from(ada(), "10.0.0.3");
    assert_eq!(third_of_a_user.receive_close().await, CloseCode::TooMany);
    let _third = from(bob(), "10.0.0.1");
    let mut third_of_an_address = from(bob(), "10.0.0.1");
    assert_eq!(
        third_of_an_address.receive_close().await,
        CloseCode::TooMany
    );
    let _fourth = from(bob(), "10.0.0.4");
    let mut fifth = vault.client(crate::vault::Person { name: "eve" });
    assert_eq!(fifth.receive_close().await, CloseCode::TooMany);

    second.disconnect();
    let mut again = from(ada(), "10.0.0.5");
    expect_subscribed(&mut again, secret(1, 1)).await;
    expect_subscribed(&mut first, secret(1, 1)).await;
    vault.insert_secret(1, &ada(), 1).await;
    for client in [&mut first, &mut again] {
        assert_eq!(client.receive_json().await["action"], "CREATED");
    }
}

/// A slow `authorize` delays the requests of its own connection, and nothing else.
#[tokio::test]
async fn slow_authorize_does_not_delay_broadcasts() {
    let vault = Vault::with(|limits| limits.authorize_timeout(Duration::from_secs(3600))).await;
    let mut client = vault.client(ada());
    expect_subscribed(&mut client, subscribe(1, "vault.Secret", json!({"pk": 1}))).await;
    let session = vault.client(ada());
    let request = session.send_json(folder(2, 502));
    tokio::select! {
        () = request => panic!("this authorize never returns"),
        () = async {
            vault.insert_secret(1, &ada(), 1).await;
            assert_eq!(client.receive_json().await["action"], "CREATED");
        } => {}
    }
}
