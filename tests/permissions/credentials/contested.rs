//! Tokens that arrive while a `reauthorize` runs, and while rows are written.

use std::collections::BTreeSet;

use serde_json::json;

use super::{auth, open};
use crate::vault::{ada, bob, expect_subscribed, folder};

/// Both may read folder 1, and only Ada folder 2. In each round, Ada's connection becomes Bob's.
#[tokio::test]
async fn auth_during_a_reauthorize_ends_what_is_denied() {
    const ROWS: i32 = 20;
    for round in 0..30 {
        let vault = open().await;
        for (folder_id, person) in [(1, ada()), (1, bob()), (2, ada())] {
            vault.admit(folder_id, &person).await;
        }
        let mut client = vault.client(ada());
        expect_subscribed(&mut client, folder(1, 1)).await;
        expect_subscribed(&mut client, folder(2, 2)).await;
        let writer = async {
            for id in 1..=ROWS {
                vault.insert_secret(2 * id, &ada(), 1).await;
                vault.insert_secret(2 * id + 1, &ada(), 2).await;
            }
        };
        let reauthorize = async {
            for _ in 0..10 {
                vault.live.reauthorize(|_| true).await;
            }
        };
        let become_bob = async {
            for _ in 0..round {
                tokio::task::yield_now().await;
            }
            client.send_json(auth("ada")).await;
            client.send_json(auth("bob")).await;
        };
        tokio::join!(writer, reauthorize, become_bob);
        vault.insert_secret(1000, &ada(), 2).await;

        let (mut open, mut ended, mut rows) = (0, 0, BTreeSet::new());
        for frame in client.received().await {
            match frame["type"].as_str().unwrap() {
                "authenticated" => open += 1,
                "unsubscribed" => {
                    let expected =
                        json!({"type": "unsubscribed", "id": 2, "code": 403, "reason": "revoked"});
                    assert_eq!(frame, expected);
                    ended += 1;
                }
                "broadcast" if frame["group"] == json!({"folder_id": 1}) => {
                    let id = frame["payload"]["id"].as_i64().unwrap();
                    assert!(rows.insert(id), "{frame} twice");
                }
                "broadcast" => assert_eq!((ended, open < 2), (0, true), "{frame} is Ada's"),
                other => panic!("{other}: {frame}"),
            }
        }
        assert_eq!((open, ended), (2, 1), "round {round}");
        let expected: BTreeSet<_> = (1..=i64::from(ROWS)).map(|id| 2 * id).collect();
        assert_eq!(rows, expected, "round {round}");
    }
}
