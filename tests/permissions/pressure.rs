//! Resources that a client could exhaust: connections, memory, locks, the application log.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use rest_live::{Live, transport::Handshake};
use serde_json::json;
use tokio::{io::AsyncWriteExt, time::timeout};

use crate::vault::{Person, Vault, ada, bob, expect_subscribed, subscribe};

/// A limit of two connections allows two, whatever the clients send.
#[tokio::test]
async fn closing_connection_still_counts() {
    let vault = Vault::with(|limits| limits.max_connections(2)).await;
    let mut held = Vec::new();
    for _ in 0..40 {
        let (mut near, far) = tokio::io::duplex(4096);
        vault
            .live
            .accept(Handshake::new(ada()), async { Ok((far, Vec::new())) });
        // A masked, empty binary frame: the server closes with 1003.
        near.write_all(&[0x82, 0x80, 0, 0, 0, 0]).await.unwrap();
        held.push(near);
    }
    // The excess connections end long before the two others could have answered their close frame.
    let until_two = async {
        while vault.live.connections() > 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let outcome = timeout(Duration::from_secs(5), until_two).await;
    let connections = vault.live.connections();
    assert!(outcome.is_ok(), "{connections} connections are open");
    assert_eq!(connections, 2, "connections that are closing must count");
}

/// Every subscription of one connection has a group key of nearly 64 KiB.
#[tokio::test]
async fn group_keys_do_not_pin_megabytes() {
    let vault = Vault::open().await;
    let mut client = vault.client(ada());
    let mut pinned = 0;
    for id in 1..=128 {
        let owner = format!("{id}{}", "x".repeat(64_000));
        let length = owner.len();
        client
            .send_json(subscribe(id, "vault.Secret", json!({ "owner": owner })))
            .await;
        if client.receive_json().await["type"] == "subscribed" {
            pinned += length;
        }
    }
    assert!(pinned < 1 << 20, "the keys keep {pinned} bytes");
}

/// The queue of one client is bounded in bytes, including answers.
#[tokio::test]
async fn pending_answers_are_bounded_in_bytes() {
    let vault = Vault::open().await;
    let mut client = vault.client(ada());
    for id in 1..=400 {
        let owner = "x".repeat(64_000);
        client
            .send_json(subscribe(id, "vault.Secret", json!({ "owner": owner })))
            .await;
        client
            .send_json(json!({"type": "unsubscribe", "id": id}))
            .await;
    }
    let mut bytes = 0;
    for _ in 0..800 {
        bytes += client.receive_text().await.len();
    }
    assert!(bytes <= 2 * 256 * 1024, "{bytes} bytes were queued");
}

#[tokio::test]
async fn panicking_retrieve_permission_is_counted() {
    use metrics_util::debugging::{DebugValue, DebuggingRecorder};
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let vault = {
        let _guard = metrics::set_default_local_recorder(&recorder);
        Vault::open().await
    };
    vault.insert_note(1, "unfair").await;
    let mut client = vault.client(bob());
    client
        .send_json(json!({
            "type": "subscribe", "id": 1, "action": "retrieve", "lookup_by": 1, "model": "vault.Note",
        }))
        .await;
    // A `check_permission` applies to every key of the struct, so also to the `pk` of a note.
    assert_eq!(client.receive_json().await["code"], 404);
    let panics =
        snapshotter
            .snapshot()
            .into_vec()
            .into_iter()
            .find_map(|(key, _, _, value)| match (key.key().name(), value) {
                ("rest_live_panics_total", DebugValue::Counter(n)) => Some(n),
                _ => None,
            });
    assert_eq!(
        panics,
        Some(1),
        "SECURITY.md promises that panics are counted"
    );
}

/// No lock is held while application code runs (ARCHITECTURE.md, 8). A layer of `tracing` is
/// application code.
#[tokio::test]
async fn no_span_closes_under_the_hub_lock() {
    use std::sync::mpsc;
    use tracing_subscriber::{Layer, layer::Context, prelude::*, registry::Registry};

    /// Counts the spans that close while the hub's lock is held.
    struct LockProbe(Arc<Mutex<Option<Live<Person>>>>, Arc<AtomicUsize>);
    impl Layer<Registry> for LockProbe {
        fn on_close(&self, _: tracing::span::Id, _: Context<'_, Registry>) {
            let Some(live) = self.0.lock().unwrap().clone() else {
                return;
            };
            let (done, is_done) = mpsc::channel();
            std::thread::spawn(move || {
                live.disconnect(|_| false); // takes the lock
                _ = done.send(());
            });
            if is_done.recv_timeout(Duration::from_millis(300)).is_err() {
                self.1.fetch_add(1, Ordering::SeqCst);
            }
        }
    }
    let (live, held) = (Arc::default(), Arc::<AtomicUsize>::default());
    let layer = LockProbe(Arc::clone(&live), Arc::clone(&held));
    let _guard = tracing::subscriber::set_default(Registry::default().with(layer));
    let vault = Vault::open().await;
    let mut client = vault.client(ada());
    expect_subscribed(&mut client, subscribe(1, "vault.Secret", json!({"pk": 1}))).await;
    *live.lock().unwrap() = Some(vault.live.clone());
    client
        .send_json(json!({"type": "unsubscribe", "id": 1}))
        .await;
    live.lock().unwrap().take();
    assert_eq!(held.load(Ordering::SeqCst), 0);
}

/// Any client can send an origin, any number of times, before a limit applies.
#[tokio::test]
async fn refused_origin_does_not_fill_the_log() {
    #[derive(Clone, Default)]
    struct Bytes(Arc<AtomicUsize>);
    impl std::io::Write for Bytes {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.fetch_add(bytes.len(), Ordering::SeqCst);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let vault = Vault::open().await;
    let bytes = Bytes::default();
    let writer = bytes.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_writer(move || writer.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    // hyper accepts headers of up to 400 KB.
    let origin = format!("https://{}", "x".repeat(300_000));
    _ = vault.live.check_origin(&origin, Some("example.com"), None);
    let written = bytes.0.load(Ordering::SeqCst);
    assert!(
        written < 2_000,
        "one request wrote {written} bytes to the application log"
    );
}
