//! What is counted, for Prometheus: `GET /metrics`. Who may reach it is for the reverse proxy to say.

use std::time::Duration;

use metrics_exporter_prometheus::{BuildError, PrometheusBuilder, PrometheusHandle};
use warp::{
    Filter, Reply, filters::BoxedFilter, http::header::CONTENT_TYPE, reply, reply::Response,
};

/// Between two times that measurements are put in order, which nothing else does unless it is asked.
const UPKEEP: Duration = Duration::from_secs(5);

/// Begins to count: before `Live::builder(..).build()`, which looks for who counts.
pub fn install() -> Result<BoxedFilter<(Response,)>, BuildError> {
    let handle = PrometheusBuilder::new().install_recorder()?;
    tokio::spawn(keep_up(handle.clone()));
    let route = warp::path!("metrics").and(warp::get()).map(move || {
        let format = "text/plain; version=0.0.4; charset=utf-8";
        reply::with_header(handle.render(), CONTENT_TYPE, format).into_response()
    });
    Ok(route.boxed())
}

async fn keep_up(handle: PrometheusHandle) {
    let mut interval = tokio::time::interval(UPKEEP);
    loop {
        interval.tick().await;
        handle.run_upkeep();
    }
}
