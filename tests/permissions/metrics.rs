//! The metrics, and the tracing spans of log lines.

use std::collections::HashMap;

use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};
use rest_live::{testing::Client, transport::Handshake};
use serde_json::json;

use crate::{
    log::Log,
    vault::{Vault, ada, bob, expect_error, expect_subscribed, folder, subscribe},
};

fn read_metrics(snapshotter: &Snapshotter) -> HashMap<String, f64> {
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

/// A `Live` registers its metrics when it is built, so a thread-local recorder is enough.
#[tokio::test]
async fn activity_is_counted() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let vault = {
        let _guard = metrics::set_default_local_recorder(&recorder);
        Vault::open().await
    };
    let mut client = vault.client(ada());
    let other = vault.client(bob());
    expect_subscribed(
        &mut client,
        subscribe(1, "vault.Note", json!({"list_id": 1})),
    )
    .await;
    expect_subscribed(
        &mut client,
        subscribe(2, "vault.Note", json!({"list_id": 1})),
    )
    .await;
    expect_subscribed(&mut client, subscribe(3, "vault.Secret", json!({"pk": 1}))).await;
    expect_error(&mut client, folder(4, 1)).await;
    vault.insert_note(1, "poison").await;
    client.receive_nothing().await;
    other
        .send_json(subscribe(1, "vault.Note", json!({"pk": 2})))
        .await;
    vault.insert_note(2, "waits").await;
    client.receive_json().await;

    let counted = read_metrics(&snapshotter);
    for (name, value) in [
        ("rest_live_connections", 2.0),
        ("rest_live_subscriptions", 4.0),
        ("rest_live_events_total", 2.0),
        ("rest_live_events_lost_total", 0.0),
        ("rest_live_panics_total", 1.0),
        ("rest_live_denials_total{authorize}", 1.0),
        ("rest_live_denials_total{origin}", 0.0),
        // The answer and the broadcast that the other client has not received.
        ("rest_live_pending_frames", 2.0),
    ] {
        assert_eq!(counted.get(name), Some(&value), "{name} of {counted:#?}");
    }
    drop((client, other));
    // Each snapshot resets the values, so this one has the changes since the last one.
    let since = read_metrics(&snapshotter);
    for name in [
        "rest_live_connections",
        "rest_live_subscriptions",
        "rest_live_pending_frames",
    ] {
        assert_eq!(counted[name] + since[name], 0.0, "{name}");
    }
}

#[tokio::test]
async fn log_lines_carry_client_spans() {
    let log = Log::start();
    let vault = Vault::open().await;
    vault.admit(1, &ada()).await;
    let from = Handshake::new(ada()).address(Some([10, 0, 0, 1].into()));
    let mut client = Client::connect(&vault.live, from);
    expect_subscribed(&mut client, folder(1, 1)).await;
    expect_error(&mut client, folder(2, 2)).await;
    vault.expel(1, &ada()).await;
    vault.live.reauthorize(|_| true).await;

    let log = log.end();
    let line = |end: &str| {
        let line = log.lines().find(|line| line.ends_with(end));
        line.unwrap_or_else(|| panic!("no line ends with {end:?} in {log}"))
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
