//! Metrics of frames and connections.

use metrics_util::debugging::{DebugValue, DebuggingRecorder};

use crate::support::{App, TICK, soon};

/// Starts an application with a recorder of its metrics.
async fn measured() -> (App, DebuggingRecorder) {
    let recorder = DebuggingRecorder::new();
    let app = {
        let _guard = metrics::set_default_local_recorder(&recorder);
        App::start().await
    };
    (app, recorder)
}

#[tokio::test]
async fn frames_and_write_to_send_time_are_measured() {
    let (app, recorder) = measured().await;
    let mut client = app.client().await;
    client
        .subscribe(r#"{"model":"todolist.Task","list_id":1}"#)
        .await;
    for id in 1..=3 {
        app.insert_task(id, "measured", 1).await;
        client.json().await;
    }
    let (mut frames, mut latencies) = (0, Vec::new());
    // The client may have read the last frame before the server has counted it.
    soon("three measured frames", async {
        while latencies.len() < 3 {
            for (key, _, _, value) in recorder.snapshotter().snapshot().into_vec() {
                match (key.key().name(), value) {
                    ("rest_live_frames_total", DebugValue::Counter(count)) => frames += count,
                    ("rest_live_write_to_send_seconds", DebugValue::Histogram(new)) => {
                        latencies.extend(new.into_iter().map(f64::from));
                    }
                    _ => {}
                }
            }
            tokio::time::sleep(TICK).await;
        }
    })
    .await;
    assert_eq!(frames, 4, "three broadcasts and the answer to `subscribe`");
    assert!(
        latencies
            .iter()
            .all(|seconds| (0.0..20.0).contains(seconds)),
        "{latencies:?}"
    );
}

/// A client that reads nothing is counted as long as it is connected.
#[tokio::test]
async fn blocked_connections_are_counted() {
    let (app, recorder) = measured().await;
    let mut stalled = app.client().await;
    stalled
        .subscribe(r#"{"model":"todolist.Task","list_id":1}"#)
        .await;
    let blocked = || {
        let snapshot = recorder.snapshotter().snapshot().into_vec();
        let gauge = snapshot
            .into_iter()
            .find(|(key, ..)| key.key().name() == "rest_live_blocked_connections");
        match gauge {
            Some((.., DebugValue::Gauge(value))) => value.into_inner(),
            _ => panic!("no such gauge"),
        }
    };
    assert_eq!(blocked(), 0.0);
    let text = "x".repeat(1_000_000);
    for id in 1..=3 {
        app.insert_task(id, &text, 1).await;
    }
    soon("a blocked connection", async {
        while blocked() < 1.0 {
            tokio::time::sleep(TICK).await;
        }
    })
    .await;
    drop(stalled);
    soon("the end of the blocked connection", async {
        while blocked() > 0.0 {
            tokio::time::sleep(TICK).await;
        }
    })
    .await;
}
