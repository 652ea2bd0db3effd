//! Hears what other nodes have committed.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use sea_orm::sqlx::{self, PgPool, postgres::PgListener};
use tokio::time::{interval, sleep, timeout};

use super::notify::{CHANNEL, notify};
use crate::node::{Node, with_timeout};

/// How long this node's own notification may be under way, by which it finds that it hears any.
const ECHO_TIMEOUT: Duration = Duration::from_secs(2);

/// How often it looks whether it still does: a connection may end without a word.
const ECHO_INTERVAL: Duration = Duration::from_secs(30);

/// When it tries again, at first and after a while.
const RETRY_INTERVAL: Duration = Duration::from_millis(100);
const MAX_RETRY_INTERVAL: Duration = Duration::from_secs(30);

pub(super) async fn run(node: Arc<Node>, pool: PgPool) {
    let mut retry_interval = RETRY_INTERVAL;
    loop {
        let result = listen(&node, &pool).await;
        if node.is_listening.swap(false, Ordering::Relaxed) {
            retry_interval = RETRY_INTERVAL;
        }
        // What came while nobody listened; and from now on they look more often.
        node.wake();
        match result {
            Ok(()) => {
                tracing::debug!("no notification comes back: there may be a pooler in between");
            }
            Err(error) => tracing::debug!(%error, "other nodes are not heard"),
        }
        sleep(retry_interval).await;
        retry_interval = (retry_interval * 2).min(MAX_RETRY_INTERVAL);
    }
}

/// Listens until the connection ends, or nothing comes back of what this node tells itself.
async fn listen(node: &Node, pool: &PgPool) -> Result<(), sqlx::Error> {
    let mut listener = with_timeout(PgListener::connect_with(pool)).await?;
    with_timeout(listener.listen(CHANNEL)).await?;
    // A pooler in transaction mode takes LISTEN, and then nothing comes.
    let echo = format!("{}?", node.name);
    notify(node, &echo).await;
    let first_echo = async {
        while listener.recv().await?.payload() != echo {}
        Ok::<_, sqlx::Error>(())
    };
    match timeout(ECHO_TIMEOUT, first_echo).await {
        Ok(received) => received?,
        Err(_) => return Ok(()),
    }
    node.is_listening.store(true, Ordering::Relaxed);
    node.wake();
    listener.eager_reconnect(false);
    let mut echo_interval = interval(ECHO_INTERVAL);
    echo_interval.tick().await; // at once
    let mut is_echoed = true;
    loop {
        tokio::select! {
            notification = listener.try_recv() => match notification?.as_ref().map(|n| n.payload()) {
                None => return Err(sqlx::Error::WorkerCrashed),
                Some(payload) if payload == echo => is_echoed = true,
                // Its own tails know already.
                Some(payload) if payload == node.name => {}
                Some(_) => node.wake(),
            },
            _ = echo_interval.tick() => {
                if !std::mem::take(&mut is_echoed) {
                    return Ok(());
                }
                notify(node, &echo).await;
            }
        }
    }
}
