//! Websocket connections: valid, hostile, slow and closing ones.

mod autobahn;
mod hostile;
mod metrics;
mod routes;
mod shutdown;
mod siege;
mod slow;
