//! Prometheus metrics at `GET /metrics`. In production, restrict access in your reverse proxy.

use std::time::Duration;

use metrics_exporter_prometheus::PrometheusBuilder;
use warp::{Filter, Reply, filters::BoxedFilter, http::header::CONTENT_TYPE, reply::with_header};

use super::server::Result;

/// How often the exporter compacts its measurements.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(5);

/// Installs the recorder, and returns the route. Call it before `LiveBuilder::build`, which looks
/// for a recorder once.
pub fn install() -> Result<BoxedFilter<(impl Reply,)>> {
    let handle = PrometheusBuilder::new().install_recorder()?;
    let upkeep = handle.clone();
    tokio::spawn(async move {
        let mut interval = tokio::time::interval(UPKEEP_INTERVAL);
        loop {
            interval.tick().await;
            upkeep.run_upkeep();
        }
    });
    let route = warp::path!("metrics").and(warp::get()).map(move || {
        let format = "text/plain; version=0.0.4; charset=utf-8";
        with_header(handle.render(), CONTENT_TYPE, format)
    });
    Ok(route.boxed())
}
