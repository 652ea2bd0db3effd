//! What is counted, and in which spans the log is written.

use std::collections::HashMap;

use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};
use rest_live::{testing::Client, transport::Handshake};
use serde_json::json;

use crate::{
    log::Log,
    vault::{Vault, ada, bob, folder, granted, refused, subscribe},
};

fn counted(snapshotter: &Snapshotter) -> HashMap<String, f64> {
    let snapshot = snapshotter.snapshot().into_vec().into_iter();
    snapshot
        .map(|(key, _, _, value)| {
            let key = key.key();
            let labels: String = key.labels().map(|l| format!("{{{}}}", l.value())).collect();
            let value = match value {
                DebugValue::Counter(value) => value as f64,
                DebugValue::Gauge(value) => value.into_inner(),
                DebugValue::Histogram(values) => values.len() as f64,
            };
            (format!("{}{labels}", key.name()), value)
        })
        .collect()
}

/// The handles are taken where the `Live` is built: a recorder of this thread will do.
#[tokio::test]
async fn connections_subscriptions_events_denials_and_panics_are_counted() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let vault = {
        let _guard = metrics::set_default_local_recorder(&recorder);
        Vault::open().await
    };
    let mut client = vault.client(ada());
    let other = vault.client(bob());
    granted(
        &mut client,
        subscribe(1, "vault.Note", json!({"list_id": 1})),
    )
    .await;
    granted(
        &mut client,
        subscribe(2, "vault.Note", json!({"list_id": 1})),
    )
    .await;
    granted(&mut client, subscribe(3, "vault.Secret", json!({"pk": 1}))).await;
    refused(&mut client, folder(4, 1)).await;
    vault.note(1, "poison").await;
    client.receive_nothing().await;
    other
        .send_json(subscribe(1, "vault.Note", json!({"pk": 2})))
        .await;
    vault.note(2, "waits").await;
    client.receive_json().await;

    let counted = counted(&snapshotter);
    for (name, value) in [
        ("rest_live_connections", 2.0),
        ("rest_live_subscriptions", 4.0),
        ("rest_live_events_total", 2.0),
        ("rest_live_events_lost_total", 0.0),
        ("rest_live_panics_total", 1.0),
        ("rest_live_denials_total{authorize}", 1.0),
        ("rest_live_denials_total{origin}", 0.0),
        // The answer and the broadcast that nobody took out.
        ("rest_live_pending_frames", 2.0),
    ] {
        assert_eq!(counted.get(name), Some(&value), "{name} of {counted:#?}");
    }
    drop((client, other));
    // A snapshot begins anew at zero.
    let since = self::counted(&snapshotter);
    for name in [
        "rest_live_connections",
        "rest_live_subscriptions",
        "rest_live_pending_frames",
    ] {
        assert_eq!(counted[name] + since[name], 0.0, "{name}");
    }
}

#[tokio::test]
async fn what_is_logged_of_a_client_is_in_the_spans_of_its_connection_and_subscription() {
    let log = Log::start();
    let vault = Vault::open().await;
    vault.admit(1, &ada()).await;
    let from = Handshake::new(ada()).address(Some([10, 0, 0, 1].into()));
    let mut client = Client::connect(&vault.live, from);
    granted(&mut client, folder(1, 1)).await;
    refused(&mut client, folder(2, 2)).await;
    vault.expel(1, &ada()).await;
    vault.live.reauthorize(|_| true).await;

    let log = log.end();
    let line = |end: &str| {
        let line = log.lines().find(|line| line.ends_with(end));
        line.unwrap_or_else(|| panic!("{end:?} is not in {log}"))
    };
    for (end, spans) in [
        ("subscribed", 2),
        ("a message is refused code=Forbidden", 1),
        ("revoked code=Revoked", 2),
    ] {
        let line = line(end);
        assert!(line.contains("connection{session="), "{line}");
        assert!(line.contains(" address=10.0.0.1}"), "{line}");
        let subscription = r#"subscription{model="vault.Secret" group_key="folder_id"}"#;
        assert_eq!(line.contains(subscription), spans == 2, "{line}");
    }
}
