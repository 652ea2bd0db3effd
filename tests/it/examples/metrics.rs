//! The metrics of the examples.

use crate::support::Example;

#[tokio::test]
async fn examples_export_prometheus_metrics() {
    for name in ["members", "todolist"] {
        let app = Example::start(name).await;
        let mut client = app.client().await;
        client.synchronise().await;
        let (status, text) = app.http("GET", "/metrics", "").await;
        assert_eq!(status, 200);
        let text = text.as_str().unwrap();
        for line in [
            "# TYPE rest_live_connections gauge",
            "rest_live_connections 1",
            "rest_live_subscriptions 0",
            "# TYPE rest_live_events_total counter",
        ] {
            assert!(text.lines().any(|l| l == line), "{line} is not in {text}");
        }
    }
}
