//! What is measured on the way to the socket.

use metrics_util::debugging::{DebugValue, DebuggingRecorder};

use crate::support::{App, TICK, soon};

#[tokio::test]
async fn frames_and_the_time_from_write_to_send_are_measured() {
    let recorder = DebuggingRecorder::new();
    let app = {
        let _guard = metrics::set_default_local_recorder(&recorder);
        App::start().await
    };
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
