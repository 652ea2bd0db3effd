//! Websocket connections: valid, hostile, slow and closing ones.

mod autobahn;
mod floods;
mod hostile;
mod metrics;
mod pages;
mod proxies;
mod routes;
mod shutdown;
mod siege;
mod sign_in;
mod slow;
